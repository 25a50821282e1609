"""The stopping chart."""
