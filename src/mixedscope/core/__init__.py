"""What every room may use: errors, seeds, the running best."""
