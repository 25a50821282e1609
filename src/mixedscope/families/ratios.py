"""Logarithms of ratios that may be near one: what deviances and entropies are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_ratio", "times_log_ratio"]

Floats = NDArray[np.float64]

# Differences up to this share of what a number is compared with are what its logarithm is made of;
# of larger ones little may be left beside one.
_NEAR = 0.5


def log_ratio(one: Floats, other: Floats, change: Floats) -> Floats:
    """``log(one / other)`` of numbers above zero, whose difference ``one - other`` is given."""
    is_near = np.abs(change) <= _NEAR * other
    near = np.where(is_near, change, 0.0) / other
    return np.where(is_near, np.log1p(near), np.log(one) - np.log(other))


def times_log_ratio(one: Floats, other: Floats, change: Floats) -> Floats:
    """``one log(one / other)``, zero where `one` is."""
    is_some = one > 0.0
    some = np.where(is_some, one, other)
    return np.asarray(one * log_ratio(some, other, np.where(is_some, change, 0.0)))
