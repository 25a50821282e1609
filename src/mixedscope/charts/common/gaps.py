"""Distances of an objective from its minimum, as they are drawn on axes of their logarithm."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

__all__ = ["smallest_gap"]


def smallest_gap(objectives: Iterable[float]) -> float:
    """Give the smallest gap that is drawn: 1e-9, or the next power of ten above rounding.

    Rounding is taken as 16 units in the last place of the largest of the objectives.
    """
    largest = float(np.nanmax(np.abs(np.fromiter(objectives, dtype=float))))
    return max(1e-9, 10.0 ** math.ceil(math.log10(16.0 * float(np.spacing(largest)))))
