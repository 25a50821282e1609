"""Scatter-plot matrices of conditional modes, references, or columns of any table."""
