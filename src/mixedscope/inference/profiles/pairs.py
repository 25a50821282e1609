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
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
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
_TRIES: Final = 60
#: At so many vertices of a contour it is looked for another minimum of the others.
_LOOKED: Final = 12
#: By how much a vertex has to go out to count as another one.
_FURTHER: Final = 1e-5
#: Length of a bracket, as a share of the radius, in which a rise is a jump between two minima.
_NARROW: Final = 1e-4
#: Slope of the root of the deviance's rise beyond which it is such a jump; it is about 1.
_STEEP: Final = 20.0


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
    x, y = restriction.parameters
    try:
        knots, ended = contour(restriction, math.sqrt(-2.0 * math.log1p(-level)), rays)
    except EVALUATION_ERRORS as error:
        raise UnsuitedError(
            f"The {100 * level:g} % contour of {x.label!r} and {y.label!r} cannot be followed "
            f"({error}): leave one of them out of the parameters, or take a lower level."
        ) from error
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


class _Ray(NamedTuple):
    """A ray from the optimum, and where it was followed to.

    Attributes
    ----------
    direction : (2,) array
    knot : Knot
    is_end : bool
        Whether the range of a parameter ended first.
    length : float
    """

    direction: Floats
    knot: Knot
    is_end: bool
    length: float


def contour(restriction: Restriction, radius: float, rays: int) -> tuple[list[Knot], list[bool]]:
    """Points where ``sqrt(d - d_min)`` is `radius`, anticlockwise, and whether a range ended first.

    The rays are at equal angles in coordinates in which the curvature at the optimum is the unit
    matrix. At some it is looked whether the others have a lower minimum: there the region reaches
    further out, and so it may at the rays beside.
    """
    values, vectors = np.linalg.eigh(restriction.curvature)
    values = np.maximum(values, 1e-8 * max(float(values[-1]), 1e-300))
    root = vectors * np.sqrt(2.0 / values)
    root = root @ vectors.T if np.linalg.det(root @ vectors.T) > 0.0 else root
    limits = np.array([p.coordinate_limits for p in restriction.parameters])
    found: list[_Ray] = []
    length, start = radius, restriction.centre
    for angle in 2.0 * math.pi * np.arange(rays) / rays:
        direction = root @ np.array([math.cos(angle), math.sin(angle)])
        ray = _along(restriction, direction, radius, length, start, limits)
        found.append(ray)
        length = length if ray.is_end else ray.length
        start = restriction.centre if ray.is_end else ray.knot
    for at in range(0, rays, max(1, rays // _LOOKED)):
        ray = found[at]
        try:
            lower = restriction.look(ray.knot)
        except EVALUATION_ERRORS:
            continue
        if lower is None:
            continue
        found[at] = _along(restriction, ray.direction, radius, ray.length, lower, limits)
        _spread(restriction, found, at, radius, limits)
    return [ray.knot for ray in found], [ray.is_end for ray in found]


def _spread(
    restriction: Restriction, found: list[_Ray], at: int, radius: float, limits: Floats
) -> None:
    """Follow rays beside one that got further out from its solution, while they do so too."""
    for way in (-1, 1):
        start = found[at]
        for step in range(1, len(found)):
            here = (at + way * step) % len(found)
            own = found[here]
            try:
                knot = restriction.hold(own.knot.held, start.knot.point.x, restriction.inverse)
            except EVALUATION_ERRORS:
                break
            if knot.point.value >= own.knot.point.value - _FURTHER:
                break
            start = _along(restriction, own.direction, radius, own.length, knot, limits)
            found[here] = start


def _along(
    restriction: Restriction,
    direction: Floats,
    radius: float,
    length: float,
    start: Knot,
    limits: Floats,
) -> _Ray:
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
    knot, inside, jumped = start, centre, False
    trial = min(length, reach)
    for _ in range(_TRIES):
        held = np.clip(centre.held + trial * direction, limits[:, 0], limits[:, 1])
        try:
            knot = restriction.hold(held, knot.point.x, knot.inverse)
            is_near = jumped or high - low < _NARROW * radius
            if is_near and knot.point.value > least + radius**2:
                # From the minimum that is the lower one further in.
                other = restriction.hold(held, inside.point.x, restriction.inverse)
                knot = min(knot, other, key=lambda k: k.point.value)
        except EVALUATION_ERRORS:
            trial = 0.5 * (low + trial)
            continue
        rise = max(knot.point.value - least, 0.0)
        far = math.sqrt(rise)
        if abs(far - radius) <= _EXACT:
            return _Ray(direction, knot, False, trial)
        if far < radius:
            if trial >= reach:
                return _Ray(direction, knot, True, trial)
            low, inner, inside = trial, far, knot
            if high - low < _NARROW * radius and outer - far > _STEEP * (high - low):
                # It was another minimum that rose to the level there.
                high, outer, jumped = math.inf, math.inf, True
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
    raise FloatingPointError("no point of it is found in one direction")
