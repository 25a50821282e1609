"""Smooth coordinates of a covariance in which every standard deviation is one of them.

Row a of a relative covariance factor is written as its length, the standard deviation of column a
over sigma, times a unit vector in polar coordinates::

    (sin(a_1), cos(a_1) sin(a_2), ..., cos(a_1) ... cos(a_m))

Any numbers are legal: a negative length, or an angle beyond ± pi/2, is a mirror image of the same
covariance, so that searches need no bounds and an end of the range (a standard deviation of zero, a
correlation of ± 1) is a point about which the objective is symmetric. The first angle of a row is
that of its correlation with the first column, whose sine it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["PolarAxis", "from_rows", "row_axes", "to_rows"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PolarAxis:
    """One of the coordinates of a structure.

    Attributes
    ----------
    kind : {"sd", "angle"}
    columns : tuple of int
        Columns whose standard deviation over sigma it is; several that a structure makes equal.
    power : int
        The standard deviation is the coordinate to this power.
    pairs : tuple of (int, int, int)
        Pairs of columns, the earlier first, and powers: the correlation of a pair is that of the
        angle, see :meth:`correlation`, to the power. Empty for angles that make no correlation by
        themselves.
    low, high : float
        Ends of the range of that correlation.
    """

    kind: Literal["sd", "angle"]
    columns: tuple[int, ...] = ()
    power: int = 1
    pairs: tuple[tuple[int, int, int], ...] = ()
    low: float = -1.0
    high: float = 1.0

    def correlation(self, angle: float) -> float:
        """Give the correlation of an angle; its ends are at ± pi/2."""
        return (self.low + self.high) / 2 + (self.high - self.low) / 2 * math.sin(angle)

    def angle(self, correlation: float) -> float:
        """Give the angle of a correlation, between ± pi/2."""
        place = (2.0 * correlation - self.low - self.high) / (self.high - self.low)
        return math.asin(min(1.0, max(-1.0, place)))


def row_axes(size: int, rank: int) -> tuple[PolarAxis, ...]:
    """Axes of a lower triangle (k, k) of which the first d columns are free: lengths, then angles.

    Correlations of other columns than the first are no axes: the columns must be taken in another
    order for that.
    """
    lengths = tuple(PolarAxis("sd", (a,)) for a in range(size))
    angles = tuple(
        PolarAxis("angle", pairs=((0, a, 1),) if j == 0 else ())
        for a in range(1, size)
        for j in range(min(a + 1, rank) - 1)
    )
    return lengths + angles


def to_rows(coordinates: Floats, size: int, rank: int) -> tuple[Floats, Floats]:
    """Give the triangle (k, k) of lengths and angles (m,), and its derivatives (m, k, k)."""
    factor = np.zeros((size, size))
    slopes = np.zeros((len(coordinates), size, size))
    values = coordinates.tolist()
    at = size
    for a in range(size):
        width = min(a + 1, rank)
        sines = [math.sin(v) for v in values[at : at + width - 1]]
        cosines = [math.cos(v) for v in values[at : at + width - 1]]
        left = 1.0
        for j in range(width):
            entry = left * sines[j] if j < width - 1 else left
            factor[a, j] = values[a] * entry
            slopes[a, a, j] = entry
            for m in range(min(j + 1, width - 1)):
                # Of the product, the factor of angle m alone is differentiated.
                change = values[a]
                for i in range(min(j + 1, width - 1)):
                    is_sine = i == j
                    if i == m:
                        change *= cosines[i] if is_sine else -sines[i]
                    else:
                        change *= sines[i] if is_sine else cosines[i]
                slopes[at + m, a, j] = change
            if j < width - 1:
                left *= cosines[j]
        at += width - 1
    return factor, slopes


def from_rows(factor: Floats, rank: int) -> Floats:
    """Give lengths and angles (m,) of a triangle (k, k) of which the first d columns are free.

    The length of a row of one number is that number, with its sign.
    """
    lengths: list[float] = []
    angles: list[float] = []
    for a in range(len(factor)):
        row = factor[a, : min(a + 1, rank)].tolist()
        lengths.append(row[0] if len(row) == 1 else math.hypot(*row))
        for j in range(len(row) - 1):
            rest = row[j + 1 :]
            angles.append(math.atan2(row[j], rest[0] if len(rest) == 1 else math.hypot(*rest)))
    return np.array(lengths + angles)
