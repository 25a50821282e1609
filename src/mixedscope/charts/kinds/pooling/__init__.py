"""The pooling chart."""
