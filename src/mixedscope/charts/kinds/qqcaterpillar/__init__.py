"""Ordered conditional modes against normal quantiles, with the envelope of the fit."""
