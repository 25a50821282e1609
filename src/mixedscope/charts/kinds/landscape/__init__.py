"""The landscape chart."""
