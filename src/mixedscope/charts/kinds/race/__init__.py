"""The race chart."""
