"""Generalised mixed models as users meet them."""
