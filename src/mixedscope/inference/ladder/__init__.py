"""Structures side by side, and tests between them."""
