"""Confidence intervals of the parameters of a fit, by several methods."""
