"""Contours of the likelihood as pairs of parameters are moved."""
