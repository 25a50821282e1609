"""Densities that profiles give."""
