"""Datasets: sources, simulation, preparation."""
