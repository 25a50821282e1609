"""The chart of principal axes."""
