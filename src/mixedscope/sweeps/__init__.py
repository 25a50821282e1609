"""Sweeps: many fits over grids and lists of models, optimisers, tolerances, data and seeds."""
