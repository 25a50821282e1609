"""The shrinkage chart."""
