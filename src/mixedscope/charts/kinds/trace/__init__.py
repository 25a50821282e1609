"""The trace chart."""
