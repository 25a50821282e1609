"""Compiled code of the engine."""
