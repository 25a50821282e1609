"""Shrinkage of a single term."""
