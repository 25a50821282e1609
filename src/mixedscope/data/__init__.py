"""Datasets: sources, simulation, preparation."""

from __future__ import annotations

from mixedscope.data.prepare import PreparedDataset, load_dataset, prepare_dataset
from mixedscope.data.simulate import Simulation, simulate_dataset

__all__ = ["PreparedDataset", "Simulation", "load_dataset", "prepare_dataset", "simulate_dataset"]
