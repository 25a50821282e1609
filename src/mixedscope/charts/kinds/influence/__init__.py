"""Influence of observations and of groups."""
