"""Estimated marginal means and effects."""
