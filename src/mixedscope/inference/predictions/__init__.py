"""What a fit says of rows: predictions with their errors, and responses drawn from it."""
