"""Shrinkage as a lens over the plane of two terms."""
