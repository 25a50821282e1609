"""Ends of intervals from draws of an estimate.

Davison & Hinkley (1997), Bootstrap Methods and their Application, chapter 5.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest

__all__ = [
    "INTERVALS",
    "check_interval",
    "fewest_draws",
    "interval_ends",
    "quantile",
    "shortest",
]

Floats = NDArray[np.float64]

#: Kinds of intervals.
INTERVALS: Final = ("percentile", "shortest", "basic", "normal")

#: Distance from a whole number at which a position among order statistics counts as one.
_WHOLE: Final = 1e-9


def check_interval(name: str) -> None:
    """Raise ModelError if there is no interval of this name."""
    if name not in INTERVALS:
        raise ModelError(
            f"There is no bootstrap interval {name!r}.{suggest(name, INTERVALS)} "
            f"Known are: {', '.join(INTERVALS)}."
        )


def fewest_draws(level: float) -> int:
    """How many draws an interval of a level takes: as many as put one beyond either end."""
    return math.ceil(2.0 / (1.0 - level) - _WHOLE) - 1


def interval_ends(
    values: Floats, estimate: float, level: float, interval: str, name: str
) -> tuple[float, float]:
    """Both ends of an interval by draws (m,) of an estimate; `name` is that of the parameter.

    Raises ModelError if there are too few draws for the level.
    """
    tail = 0.5 * (1.0 - level)
    least = fewest_draws(level)
    if len(values) < least:
        raise ModelError(
            f"An interval of level {level:g} takes at least {least} draws, and {len(values)} count "
            f"for {name}: draw more, or ask for a lower level."
        )
    if interval == "normal":
        centre = 2.0 * estimate - float(values.mean())
        width = NormalDist().inv_cdf(1.0 - tail) * float(values.std(ddof=1))
        return centre - width, centre + width
    ordered = np.sort(values)
    if interval == "shortest":
        return shortest(ordered, level)
    low, high = quantile(ordered, tail), quantile(ordered, 1.0 - tail)
    if interval == "basic":
        return 2.0 * estimate - high, 2.0 * estimate - low
    return low, high


def quantile(ordered: Floats, p: float) -> float:
    """Order statistic ``(m + 1) p`` of ascending values (m,).

    Between two of them on the scale of normal quantiles: Davison & Hinkley, eq. 5.8. Beyond the
    first or the last it is that one.
    """
    m = len(ordered)
    position = (m + 1) * p
    k = round(position) if abs(position - round(position)) < _WHOLE * m else math.floor(position)
    if k < 1 or k >= m:
        return float(ordered[0 if k < 1 else -1])
    low, high = float(ordered[k - 1]), float(ordered[k])
    if abs(position - k) < _WHOLE * m:
        return low
    normal = NormalDist().inv_cdf
    first, last = normal(k / (m + 1)), normal((k + 1) / (m + 1))
    return low + (normal(p) - first) / (last - first) * (high - low)


def shortest(ordered: Floats, level: float) -> tuple[float, float]:
    """Shortest interval that holds a share `level` of ascending values (m,), the first of such.

    As MixedModels.jl's ``shortestcovint``.
    """
    count = math.ceil(len(ordered) * level - _WHOLE)
    widths = ordered[count - 1 :] - ordered[: len(ordered) - count + 1]
    first = int(widths.argmin())
    return float(ordered[first]), float(ordered[first + count - 1])
