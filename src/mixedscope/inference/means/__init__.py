"""Estimated marginal means, their differences, and effects over a grid."""
