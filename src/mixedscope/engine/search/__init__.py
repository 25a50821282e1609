"""Starts and searches that know the model."""
