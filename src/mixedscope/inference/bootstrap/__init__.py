"""Parametric bootstrap: what estimates are where the parameters are known."""
