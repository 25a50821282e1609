"""The sweep chart."""
