"""True contours of the least deviance as a function of two parameters.

Where two parameters are held and all others optimised, the region in which the deviance is no more
than the chi-squared quantile of two degrees of freedom above its minimum is a joint confidence
region. Its edge is found along rays from the optimum, each root by refits; lme4's contours are
interpolated from one-dimensional profiles instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.profiles.parameters import KEY, Parameter
from mixedscope.inference.profiles.profiler import Profiler
from mixedscope.inference.profiles.restriction import Knot, Restriction
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["RAYS", "contour", "pair_table"]

Floats = NDArray[np.float64]

RAYS: Final = 48
"""Vertices of a contour."""

#: How near to its level the root of the deviance's rise has to come, and steps to get there.
_EXACT: Final = 1e-6
_TRIES: Final = 40


def pair_table(
    profiler: Profiler, parameters: Sequence[Parameter], levels: Sequence[float], rays: int
) -> pd.DataFrame:
    """Contours of all pairs of some parameters: the columns of the stored table, wide."""
    frames = []
    for pair in combinations(parameters, 2):
        restriction = profiler.restriction(pair)
        for level in levels:
            frames.append(_frame(profiler, restriction, level, rays))
    return pd.concat(frames, ignore_index=True)


def _frame(profiler: Profiler, restriction: Restriction, level: float, rays: int) -> pd.DataFrame:
    knots, ended = contour(restriction, math.sqrt(-2.0 * math.log1p(-level)), rays)
    x, y = restriction.parameters
    names = [
        {f"{axis}_{name}": part for name, part in zip(KEY, p.key, strict=True)}
        for axis, p in (("x", x), ("y", y))
    ]
    head = pd.DataFrame(
        {key: [value] * len(knots) for key, value in {**names[0], **names[1]}.items()}
    )
    head["level"] = level
    head["vertex"] = np.arange(len(knots), dtype=np.int32)
    head["x"] = [x.value(k.held[0]) for k in knots]
    head["y"] = [y.value(k.held[1]) for k in knots]
    head["at_end"] = ended
    values = profiler.conditional(restriction, knots)
    return pd.concat([head, pd.DataFrame(values, columns=profiler.labels)], axis=1)


def contour(restriction: Restriction, radius: float, rays: int) -> tuple[list[Knot], list[bool]]:
    """Points where ``sqrt(d - d_min)`` is `radius`, anticlockwise, and whether a range ended first.

    The rays are at equal angles in coordinates in which the curvature at the optimum is the unit
    matrix.
    """
    values, vectors = np.linalg.eigh(restriction.curvature)
    values = np.maximum(values, 1e-8 * max(float(values[-1]), 1e-300))
    root = vectors * np.sqrt(2.0 / values)
    root = root @ vectors.T if np.linalg.det(root @ vectors.T) > 0.0 else root
    limits = np.array([p.coordinate_limits for p in restriction.parameters])
    knots: list[Knot] = []
    ended: list[bool] = []
    length = radius
    start = restriction.centre
    for angle in 2.0 * math.pi * np.arange(rays) / rays:
        direction = root @ np.array([math.cos(angle), math.sin(angle)])
        knot, is_end, length = _along(restriction, direction, radius, length, start, limits)
        knots.append(knot)
        ended.append(is_end)
        start = restriction.centre if is_end else knot
    return knots, ended


def _along(
    restriction: Restriction,
    direction: Floats,
    radius: float,
    length: float,
    start: Knot,
    limits: Floats,
) -> tuple[Knot, bool, float]:
    """The root along one ray, from the length of the root on the ray before."""
    centre = restriction.centre
    least = centre.point.value
    reach = math.inf
    for own, move, (low, high) in zip(centre.held, direction, limits, strict=True):
        if move != 0.0:
            reach = min(reach, ((high if move > 0.0 else low) - own) / move)
    reach = max(reach, 0.0)
    low, high = 0.0, math.inf
    inner, outer = 0.0, math.inf
    last = math.inf
    knot = start
    trial = min(length, reach)
    for _ in range(_TRIES):
        held = np.clip(centre.held + trial * direction, limits[:, 0], limits[:, 1])
        try:
            knot = restriction.hold(held, knot.point.x, knot.inverse)
        except EVALUATION_ERRORS:
            trial = 0.5 * (low + trial)
            continue
        rise = max(knot.point.value - least, 0.0)
        far = math.sqrt(rise)
        if abs(far - radius) <= _EXACT:
            return knot, False, trial
        if far < radius:
            if trial >= reach:
                return knot, True, length
            low, inner = trial, far
        else:
            high, outer = trial, far
        slope = float(knot.slopes @ direction) / (2.0 * far) if far > 0.0 else 0.0
        step = (radius - far) / slope if slope > 0.0 else math.nan
        following = trial + step
        error = abs(far - radius)
        if error > 0.5 * last and math.isfinite(high):
            # Newton's steps may go to and fro between the same two places.
            following = 0.5 * (low + high)
        elif not low < following < high:
            share = (radius - inner) / (outer - inner) if math.isfinite(outer) else math.nan
            following = low + share * (high - low) if share == share else 1.5 * trial + 0.1 * radius
        last = error
        trial = min(following, 2.0 * trial + radius, reach)
    raise FloatingPointError("A contour was not found.")
