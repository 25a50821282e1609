"""Panels of groups: the data with their own, mixed and population lines."""
