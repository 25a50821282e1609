"""Conditional modes of all levels, each with its interval."""
