"""The ladder chart."""
