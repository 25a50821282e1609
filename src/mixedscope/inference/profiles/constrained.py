"""The least deviance with some coordinates held: quasi-Newton from a warm start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.inference.profiles.space import NEAR, Point, Space, point_of
from mixedscope.optimize.problem import EVALUATION_ERRORS

if TYPE_CHECKING:
    from mixedscope.engine.search.searchable import PolarEnd

__all__ = ["TOLERANCE", "Held", "bounded_inverse", "coarse", "hessian", "minimize"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

TOLERANCE: Final = 1e-10
"""Newton decrement, deviance units, at which the others count as optimised."""

#: The same where it is to be seen whether another minimum is lower.
_COARSE: Final = 1e-3

_STEPS: Final = 80
_HALVINGS: Final = 30
#: Share of a step from which it is held up by a coordinate that goes to zero.
_SHORTEST: Final = 1e-6
_STEP: Final = 1e-4
#: Least curvature of a direction, as a share of the largest in units of the coordinates.
_LEAST: Final = 1e-7
#: A way down from a point of symmetry must lower the deviance by this, or have a slope of this.
_GAIN: Final = 1e-9
#: Curvature, downwards, that counts as some; first and last step along a way down, in units.
_BENT: Final = 1e-6
_FIRST: Final = 1e-4
_LAST: Final = 3.0
#: Newton decrement from which a search that ended is gone on with, and how often at most.
_UNFINISHED: Final = 1e-6
_RENEWALS: Final = 10


@dataclass
class Held:
    """A point where the free coordinates are optimised.

    Attributes
    ----------
    point : Point
    inverse : (f, f) array
        Of the Hessian by the free coordinates, approximately.
    """

    point: Point
    inverse: Floats


def hessian(space: Space, x: Floats) -> Floats:
    """Second derivatives (m, m) of the deviance by differences of its exact gradient."""
    m = space.size
    out = np.empty((m, m))
    units = space.unit(x)
    for i in range(m):
        move = np.zeros(m)
        move[i] = _STEP * units[i]
        ends = space.evaluate(x + move), space.evaluate(x - move)
        out[i] = (ends[0].slope - ends[1].slope) / (2.0 * move[i])
    return 0.5 * (out + out.T)


def bounded_inverse(curvature: Floats, units: Floats) -> Floats:
    """Inverse (f, f) with directions of little or negative curvature kept from endless steps."""
    if not len(curvature):
        return curvature
    values, vectors = np.linalg.eigh(curvature * np.outer(units, units))
    top = max(float(np.abs(values).max()), 1e-300)
    values = np.maximum(np.abs(values), _LEAST * top)
    root = vectors * units[:, None]
    return np.asarray((root / values) @ root.T)


def minimize(
    space: Space,
    x: Floats,
    free: Ints,
    inverse: Floats,
    *,
    positive: Sequence[int] = (),
    tolerance: float = TOLERANCE,
) -> Held:
    """Minimise over the free coordinates from x (m,), and look past points of symmetry.

    ``inverse`` (f, f): of the Hessian by the free coordinates, to begin with. ``positive``: free
    coordinates that must not change their sign, standard deviations of a correlation that is held:
    with the other sign it would be another correlation. Raises FloatingPointError if the deviance
    cannot be evaluated at x.
    """
    kept = [i for i in positive if i in free]
    begin = x
    if kept:
        x = x.copy()
        x[kept] = np.maximum(np.abs(x[kept]), 2.0 * NEAR * space.unit(x)[kept])
    found = _quasi_newton(space, x, free, inverse, kept, tolerance)
    found = _finished(space, found, free, inverse, kept, tolerance)
    if not kept and not space.collapsed(found.point.x)[free].any():
        return found
    for _ in range(_RENEWALS):
        down = _beside(space, found.point, free, kept)
        if down is None:
            break
        with suppress(*EVALUATION_ERRORS):
            other = _quasi_newton(space, down.x, free, inverse, kept, tolerance, down)
            if other.point.value < found.point.value - _GAIN:
                found = _finished(space, other, free, inverse, kept, tolerance)
                continue
        break
    between = found.point
    for i, beside in space.aside(between.x, free):
        try:
            there = space.evaluate(beside)
        except EVALUATION_ERRORS:
            continue
        # Another minimum may lie further off than the curvature there tells.
        outwards = there.slope[i] * np.sign(beside[i] - between.x[i])
        if outwards > -_GAIN and there.value > found.point.value - _GAIN:
            continue
        other = _quasi_newton(space, beside, free, inverse, kept, tolerance, there)
        if other.point.value < found.point.value - _GAIN:
            found = other
    for i in kept:
        # It went as far as it may, or began there: zero is the limit of what can be reached.
        ends = [y for y in (found.point.x, begin) if abs(y[i]) <= 10.0 * NEAR * space.unit(y)[i]]
        if not ends:
            continue
        rest = free != i
        at_zero = ends[0].copy()
        at_zero[i] = 0.0
        own = _quasi_newton(
            space, at_zero, free[rest], found.inverse[rest][:, rest],
            [k for k in kept if k != i], tolerance,
        )  # fmt: skip
        if own.point.value < found.point.value:
            found = Held(own.point, inverse)
    return found


def coarse(
    space: Space, x: Floats, free: Ints, inverse: Floats, positive: Sequence[int]
) -> Point | PolarEnd | None:
    """Where a search from x (m,) ends that need not be exact; as `minimize` otherwise.

    None if it leads nowhere, or where a coordinate that must not change its sign has changed it.
    """
    kept = [i for i in positive if i in free]
    if space.searcher is not None:
        end = space.searcher.search(x, free, inverse, _COARSE)
        if end is not None:
            return end if all(end.x[i] > 0.0 for i in kept) else None
        if space.searcher.search(x, free[:0], inverse[:0, :0], 0.0) is not None:
            return None
    return _quasi_newton(space, x, free, inverse, kept, _COARSE).point


def _finished(
    space: Space, found: Held, free: Ints, inverse: Floats, kept: Sequence[int], tolerance: float
) -> Held:
    """Go on from where a search ended with a slope left, by the Hessian of that place.

    What BFGS has learnt of a narrow valley, as of nearly collinear columns, may say that it is at
    its bottom when it is not.
    """
    if not len(free):
        return found
    for _ in range(_RENEWALS):
        slope = found.point.slope[free]
        # By what BFGS began with and by what it ended with.
        left = max(slope @ (inverse @ slope), slope @ (found.inverse @ slope))
        if 0.5 * left <= _UNFINISHED:
            break
        try:
            own = hessian(space, found.point.x)[np.ix_(free, free)]
        except EVALUATION_ERRORS:
            break
        again = bounded_inverse(own, space.unit(found.point.x)[free])
        other = _quasi_newton(space, found.point.x, free, again, kept, tolerance)
        gained = found.point.value - other.point.value
        if gained > 0.0:
            found = other
        if gained <= _GAIN:
            break
    return found


def _beside(space: Space, point: Point, free: Ints, positive: Sequence[int]) -> Point | None:
    """A lower point beside one about which the deviance is symmetric; None if it bends upwards.

    Its slope vanishes there whether it is least there or not. What bends tell are second
    derivatives, by all coordinates at once: a covariance matrix that vanishes, or is of rank 1, may
    be left by a standard deviation and a correlation together where neither alone goes down.
    """
    x, places, known = space.opened(point.x, free)
    if not known:
        return None
    steps = space.shortest(x)
    units = space.unit(x)[places]
    bends = np.zeros((len(places), len(places)))
    try:
        centre = point if x is point.x else space.evaluate(x)
        for row, i in enumerate(places[:known]):
            move = x.copy()
            move[i] += steps[i]
            bends[row] = (space.evaluate(move).slope - centre.slope)[places] / steps[i]
    except EVALUATION_ERRORS:
        return None
    bends[known:, :known] = bends[:known, known:].T
    bends *= np.outer(units, units)
    values, vectors = np.linalg.eigh(0.5 * (bends + bends.T))
    for value, vector in zip(values.tolist(), vectors.T, strict=True):
        if value > -_BENT * max(1.0, values[-1]):
            break
        best = _along(space, centre, places, units * vector, positive)
        if best is not None and best.value < point.value:
            return best
    return None


def _along(
    space: Space, centre: Point, places: Ints, way: Floats, positive: Sequence[int]
) -> Point | None:
    """The lowest of points further and further off along a line, to both of its sides."""
    best = None
    for sign in (1.0, -1.0):
        lowest, size = centre.value, _FIRST
        while size < _LAST:
            x = centre.x.copy()
            x[places] += sign * size * way
            if any(x[i] <= 0.0 for i in positive):
                break
            try:
                there = space.evaluate(x)
            except EVALUATION_ERRORS:
                break
            if there.value >= lowest:
                break
            lowest = there.value
            if best is None or lowest < best.value:
                best = there
            size *= 3.0
    return best


def _quasi_newton(
    space: Space,
    x: Floats,
    free: Ints,
    inverse: Floats,
    positive: Sequence[int],
    tolerance: float,
    point: Point | None = None,
) -> Held:
    """BFGS with halved steps (Nocedal & Wright 2006, eq. 6.17 and 3.4); compiled where possible."""
    if not len(free):
        return Held(point or space.evaluate(x), inverse)
    if space.searcher is not None:
        end = space.searcher.search(x, free, inverse, tolerance)
        if end is not None and all(end.x[i] > 0.0 for i in positive):
            return Held(point_of(end), end.inverse)
    point = point or space.evaluate(x)
    kept = [int(np.flatnonzero(free == i)[0]) for i in positive]
    slope = point.slope[free]
    restarted = False
    for _ in range(_STEPS):
        direction = -(inverse @ slope)
        descent = float(slope @ direction)
        if -0.5 * descent <= tolerance:
            break
        rounding = 1e-13 * abs(point.value)
        length = 1.0
        for i in kept:
            if direction[i] < 0.0:
                length = min(length, 0.9 * float(point.x[free[i]]) / -direction[i])
        if length < _SHORTEST:
            break
        for _ in range(_HALVINGS):
            x = point.x.copy()
            x[free] += length * direction
            try:
                trial = space.evaluate(x)
                if trial.value <= point.value + 1e-4 * length * descent + rounding:
                    break
            except EVALUATION_ERRORS:
                pass
            length *= 0.4
        else:
            if restarted:
                break
            # A Hessian of another place: start again along the slope.
            restarted = True
            scale = np.abs(np.diag(inverse))
            inverse = np.diag(np.minimum(scale, 1e-2 * scale.max()))
            continue
        change = trial.slope[free] - slope
        step = length * direction
        curvature = float(step @ change)
        gained = point.value - trial.value
        if curvature > 1e-12 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            product = inverse @ change
            factor = (1.0 + float(change @ product) / curvature) / curvature
            inverse = (
                inverse
                + factor * np.outer(step, step)
                - (np.outer(product, step) + np.outer(step, product)) / curvature
            )
        point, slope = trial, trial.slope[free]
        if gained <= rounding and -0.5 * descent <= 1e3 * tolerance:
            break
    return Held(point, inverse)
