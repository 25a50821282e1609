"""Shrinkage in motion."""
