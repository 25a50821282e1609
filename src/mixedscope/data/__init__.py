"""Datasets: sources, simulation, preparation."""

from __future__ import annotations

from .prepare import PreparedDataset, load_dataset, prepare_dataset

__all__ = ["PreparedDataset", "load_dataset", "prepare_dataset"]
