"""Distributions of the parameters over the draws of a bootstrap."""
