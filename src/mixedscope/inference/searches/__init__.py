"""Optimisers side by side."""
