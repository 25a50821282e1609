"""Pairs of parameters over the draws of a bootstrap."""
