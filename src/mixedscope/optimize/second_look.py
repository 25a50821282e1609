"""Look again from a minimum: there may be a lower one at the places where others were seen.

It is made for every optimiser alike, after polishing, and recorded under the stage ``restart``.
The objective says where to look (`SmoothObjective.second_look`); where it sees no reason for doubt
this costs nothing. No minimum is proved to be the lowest: a few likely places are tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from mixedscope.optimize.backends.scipy import descend
from mixedscope.optimize.curvature import Curvature
from mixedscope.optimize.objective import FloatArray, ManyMinima
from mixedscope.optimize.problem import Point, Problem
from mixedscope.optimize.trace import Trace

__all__ = ["APART_FROM", "HOPE", "HOPEFUL", "dips", "look_again", "look_aside"]

#: Predicted decrease at which a search for another minimum stops: enough to tell it is lower; less
#: in compiled code, for searches rest on plateaus on their way.
_COARSE: Final = 1e-2
_FINE: Final = 1e-4

#: A search that ended so little above, and this far away, is finished to see which is lower.
_CLOSE: Final = 0.1
APART_FROM: Final = 0.05

#: How much higher a hopeful point may be, and how many of these are searched from at most.
HOPE: Final = 5.0
HOPEFUL: Final = 2

#: Searches made, at most, without compiled code, and evaluations of each.
_SEARCHES: Final = 2
_EVALUATIONS: Final = 25

#: Evaluations of each search in compiled code; and of all where they take microseconds.
_MANY: Final = 80
_MOST: Final = 500

#: Where it takes longer, the look may have this share of the gradients and values so far, beside
#: what it takes where a standard deviation is zero.
_SHARE: Final = 0.2

#: Standard errors that a standard deviation is from zero of which the curvature tells little.
_VAGUE: Final = 2.2

#: Fewest evaluations that a search can lead anywhere with.
_FEWEST: Final = 4


def look_again(
    problem: Problem, here: Point, places: ManyMinima, note: Callable[[str], None]
) -> Point | None:
    """Look for a lower minimum at the likely places.

    ``here``: a minimum. ``note``: is told what is done, before it is done. Gives a point that is
    lower, but not polished; None if none was found. May raise LimitReached.
    """
    if not (places.rays or places.starts or places.hopeful or places.rivals):
        return None
    allowed = _MOST if problem.objective.is_quick else int(_SHARE * problem.effort)
    quick = _is_compiled(problem)
    problem.stage = "restart"
    note("a second look for a lower minimum")
    for rival in places.rivals:
        start = _value(problem, problem.to_x(rival))
        lower = None if start is None else _search(problem, start, here, _MANY)
        if lower is not None:
            return lower
    rays = [problem.to_x(ray) for ray in places.rays]
    # Beside zeros a minimum is so likely that it is looked for whatever that takes.
    starts = [p for ray in rays if _vanishes(ray, here) for p in dips(problem, here, ray)]
    left = len(problem.trace) + allowed
    for ray in rays:
        if _vanishes(ray, here):
            continue
        if left - len(problem.trace) < len(ray):
            break
        starts += dips(problem, here, ray)
    found = [s for s in starts if s.at_most < here.objective - here.rounding]
    if found:
        return min(found, key=lambda p: p.at_most)
    starts += _values(problem, places.starts, left)
    hopeful = _values(problem, places.hopeful, left)
    starts += [p for p in hopeful[:HOPEFUL] if p.objective < here.objective + HOPE]
    searches = len(starts) if quick else _SEARCHES
    for start in sorted(starts, key=lambda p: p.objective)[:searches]:
        most = min(_MANY if quick else _EVALUATIONS, left - len(problem.trace))
        if most < _FEWEST:
            break
        lower = _search(problem, start, here, most)
        if lower is not None:
            return lower
    return None


def look_aside(problem: Problem, here: Point, curvature: Curvature) -> Point | None:
    """Look for a lower minimum far away where the curvature tells little of a standard deviation.

    ``curvature``: here, or close by. Gives the lowest point found if it is lower than we are.
    Whether it is better is another question (`SmoothObjective.left_out`), so that what is evaluated
    is verification: it is counted in ``certificate_evaluations`` alone. It takes long without
    compiled code, and is not done then.
    """
    objective = problem.objective
    if not objective.is_approximate or not _is_compiled(problem) or problem.out_of_time:
        return None
    if not _is_vague(problem, here, curvature):
        return None
    places = objective.far_starts(problem.to_theta(here.x))
    if not places:
        return None
    trace = Trace(objective.theta_names, objective.beta_names, objective.scale, objective.parts)
    aside = Problem(objective, trace)
    for place in places:
        if _value(aside, problem.to_x(place)) is not None:
            descend(aside, problem.to_x(place), ftol=_FINE, most=_MANY)
    problem.certificate_evaluations += len(trace)
    found = aside.best
    if found is None or not found.at_most < here.objective - here.rounding - _FINE:
        return None
    return found


def _is_vague(problem: Problem, here: Point, curvature: Curvature) -> bool:
    """Whether a standard deviation is so little known that it may be quite another."""
    lower, x = problem.objective.lower.tolist(), here.x.tolist()
    return any(
        abs(x[i]) < _VAGUE * math.sqrt(2.0 * curvature.inverse_at(i))
        for i, end in enumerate(lower)
        if end == 0.0
    )


def _vanishes(ray: FloatArray, here: Point) -> bool:
    """Whether what grows along a ray is zero where we are."""
    return bool(here.x[int(np.argmax(np.ptp(ray, axis=0)))] == 0.0)


def _is_compiled(problem: Problem) -> bool:
    """Whether all of a search takes no longer than an evaluation of larger models."""
    return problem.objective.is_compiled and problem.objective.is_quick


def _values(problem: Problem, thetas: Sequence[FloatArray], left: int) -> list[Point]:
    """Evaluate at points (k,), as far as that leaves half of what is left; the lowest first."""
    room = max(0, min(len(thetas), (left - len(problem.trace)) // 2))
    points = [_value(problem, problem.to_x(theta)) for theta in thetas[:room]]
    return sorted([p for p in points if p is not None], key=lambda p: p.objective)


def _value(problem: Problem, x: FloatArray) -> Point | None:
    return problem.evaluate(x, gradient=False)


def dips(problem: Problem, here: Point, ray: FloatArray) -> list[Point]:
    """Points of a ray that are lower than their neighbours, where we are being one of these."""
    place = int(np.argmax(np.ptp(ray, axis=0)))
    points = [_value(problem, x) for x in ray if not np.array_equal(x, here.x)]
    row = [p for p in points if p is not None] + [here]
    row.sort(key=lambda p: abs(float(p.x[place])))
    values = [np.inf, *(p.objective for p in row), np.inf]
    return [
        p
        for i, p in enumerate(row, start=1)
        if p is not here and values[i] < min(values[i - 1], values[i + 1])
    ]


def _search(problem: Problem, start: Point, here: Point, most: int) -> Point | None:
    """Search from a start; give where it led if that is lower than where we are."""
    best, previous = problem.best, problem.previous
    problem.best = problem.previous = None
    try:
        ftol = _FINE if _is_compiled(problem) else _COARSE
        ended = descend(problem, start.x, ftol=ftol, most=most)
        found = problem.best
        if found is not None and ended and _is_another(problem, found, here):
            descend(problem, found.x, ftol=1e-9, most=_EVALUATIONS)
            found = problem.best
    finally:
        found = problem.best
        if best is not None and (found is None or best.at_most <= found.at_most):
            problem.best, problem.previous = best, previous
    enough = here.objective - here.rounding
    return found if found is not None and found.at_most < enough else None


def _is_another(problem: Problem, found: Point, here: Point) -> bool:
    """Whether a point not yet lower may belong to another minimum that is."""
    gap = found.objective - here.objective
    if not 0.0 <= gap < _CLOSE:
        return False
    canonical = problem.to_x(problem.objective.canonical(problem.to_theta(found.x)))
    return bool(np.abs(canonical - here.x).max() > APART_FROM * max(1.0, np.abs(here.x).max()))
