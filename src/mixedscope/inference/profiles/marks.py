"""Points of a profile, and what lies between them: as slopes say, and by polynomials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixedscope.inference.profiles.restriction import Knot

__all__ = ["Mark", "inverse", "misfit", "rise", "through"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mark:
    """A point of a profile.

    Attributes
    ----------
    place : float
        Value of the coordinate.
    zeta : float
    slope : float
        Derivative of zeta by the coordinate.
    knot : Knot
    state : bytes
        Which other coordinates are where they collapse: at a standard deviation of 0, say.
    """

    place: float
    zeta: float
    slope: float
    knot: Knot
    state: bytes


def misfit(a: Mark, b: Mark) -> float:
    """By how much zeta rises from a to b otherwise than their slopes say; 0 if they have none."""
    expected = rise(a, b)
    return abs(b.zeta - a.zeta - expected) if math.isfinite(expected) else 0.0


def rise(a: Mark, b: Mark) -> float:
    """By how much zeta rises from a to b as their slopes say; NaN if they have none."""
    slopes = [s for s in (a.slope, b.slope) if math.isfinite(s)]
    return (b.place - a.place) * sum(slopes) / len(slopes) if slopes else math.nan


def through(known: list[tuple[float, Floats]], place: float) -> Floats:
    """Value at a place of the polynomial through up to three points (Lagrange)."""
    if any(abs(known[0][0] - p) < 1e-9 * (1.0 + abs(p)) for p, _ in known[1:]):
        return known[0][1]
    # Far outside of what is known a polynomial goes astray.
    reach = max(abs(p - known[0][0]) for p, _ in known)
    if len(known) == 1 or abs(place - known[0][0]) > 2.0 * reach:
        return known[0][1]
    total = np.asarray(0.0)
    for own, x in known:
        weight = 1.0
        for other, _ in known:
            if other != own:
                weight *= (place - other) / (own - other)
        total = total + weight * x
    return total


def inverse(marks: list[Mark], zeta: float) -> float:
    """Place of a zeta by the polynomial through points and slopes, as a function of zeta.

    NaN where a profile is level: it is no function of zeta there.
    """
    if any(abs(b.zeta - a.zeta) < 1e-12 for a, b in pairwise(marks)):
        return math.nan
    nodes: list[float] = []
    values: list[float] = []
    table: list[float | None] = []
    for m in marks:
        has_slope = math.isfinite(m.slope) and m.slope > 0.0
        for k in range(2 if has_slope else 1):
            nodes.append(m.zeta)
            values.append(m.place)
            table.append(1.0 / m.slope if k else None)
    # Divided differences with repeated nodes.
    current = list(values)
    coefficients = [current[0]]
    for order in range(1, len(nodes)):
        following = []
        for i in range(len(nodes) - order):
            width = nodes[i + order] - nodes[i]
            if order == 1 and width == 0.0:
                following.append(float(table[i + 1] or 0.0))
            else:
                following.append((current[i + 1] - current[i]) / width)
        current = following
        coefficients.append(current[0])
    result = coefficients[-1]
    for order in range(len(coefficients) - 2, -1, -1):
        result = result * (zeta - nodes[order]) + coefficients[order]
    return float(result)
