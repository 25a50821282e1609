"""Values against normal quantiles, with the limits of each order statistic."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

__all__ = ["COVERAGE", "NormalQuantiles", "normal_quantiles", "spaced"]

Floats = NDArray[np.float64]

#: Of pointwise limits.
COVERAGE: Final = 0.95


class NormalQuantiles(NamedTuple):
    """Of n values in ascending order.

    Attributes
    ----------
    order : (n,) array of int
        Positions of the values.
    normal : (n,) array
        Quantiles of the standard normal distribution at (i - 1/2) / n, as lme4's ``qqmath``.
    lower, upper : (n,) array
        Between them lies the i-th smallest of n independent standard normal values with the
        probability `COVERAGE`, exactly: its distribution function at it has a beta distribution.
    outside : (n,) array of bool
        Which values do not.
    """

    order: NDArray[np.intp]
    normal: Floats
    lower: Floats
    upper: Floats
    outside: NDArray[np.bool_]

    def gap(self, values: Floats) -> float:
        """How far the farthest of the values outside is from its quantile; 0 where none is."""
        off = np.abs(values[self.order] - self.normal)[self.outside]
        return float(off.max(initial=0.0))


def normal_quantiles(values: Floats) -> NormalQuantiles:
    """Set values (n,) beside those that standard normal ones would have."""
    n = len(values)
    order = np.argsort(values, kind="stable")
    i = np.arange(1, n + 1)
    tail = 0.5 * (1.0 - COVERAGE)
    lower = ndtri(betaincinv(i, n + 1 - i, tail))
    upper = -lower[::-1]
    ascending = values[order]
    outside = (ascending < lower) | (ascending > upper)
    return NormalQuantiles(order, ndtri((i - 0.5) / n), lower, upper, outside)


def spaced(n: int, most: int, ends: int) -> NDArray[np.intp]:
    """Choose ranks out of n, from 0: all at both ends, and others evenly spaced."""
    if n <= most:
        return np.arange(n)
    between = np.linspace(ends, n - 1 - ends, most - 2 * ends).round().astype(np.intp)
    return np.unique(np.concatenate([np.arange(ends), between, np.arange(n - ends, n)]))
