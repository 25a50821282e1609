"""The phases chart."""
