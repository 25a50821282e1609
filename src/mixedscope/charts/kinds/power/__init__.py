"""Power of a planned study by its size."""
