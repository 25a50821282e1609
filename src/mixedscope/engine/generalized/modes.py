"""Conditional modes at given parameters: penalised Newton steps that are safe from any start.

With b = Lambda u and h(u) = -sum of log-likelihoods + |u|**2 / 2, the mode solves ``u = Lambda' Z'
d``, d being the scores. What is kept of a point is ``g`` with ``u = Lambda' g``: it exists where
Lambda is singular, and means the same at another Lambda, so that the modes of one evaluation are
where the next begins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import EvaluationError
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.generalized.rows import Working, working
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.kernels.laplace import GAIN, MOST, ROUNDING, SETTLED, SHORTEST, SLACK

__all__ = [
    "Modes",
    "Place",
    "begun",
    "blur_at",
    "find_modes",
    "first_place",
    "inner",
    "is_led",
    "place_at",
    "without_modes",
]

Floats = NDArray[np.float64]

#: What is lost beside a number in the rounding of a factorisation, as a share of it.
_LOST: Final = 1e-10

#: With the inverse of a point nearby: steps at most, by which factor each has to reduce the
#: decrement, and the decrement at which the modes are exact.
_CHORDS: Final = 12
_FALL: Final = 0.1
_EXACT: Final = 1e-19


#: Predictors of fixed effects that modes are found at from zero, those that are too large for that,
#: and shares of these that are tried on the way to them.
_MODERATE: Final = 2.0
_EXTREME: Final = 30.0
_SHARES: Final = 40


class Place(NamedTuple):
    """Random effects, and what they give.

    Attributes
    ----------
    g, b : list of (q, k) arrays
        Per grouping factor, ``u = Lambda' g`` and ``b = Lambda u``.
    random, eta : (n,) arrays
        Their part of the linear predictor, and all of it.
    rows : Working
    penalty : float
        ``|u|**2``.
    value : float
        h; not finite where a mean is out of range.
    """

    g: list[Floats]
    b: list[Floats]
    random: Floats
    eta: Floats
    rows: Working
    penalty: float
    value: float


@dataclass
class Modes:
    """A point in the space of the random effects, and what is known there.

    Attributes
    ----------
    g : list of (q, k) arrays
        ``u = Lambda' g`` and ``b = Lambda Lambda' g``, internal units.
    b : list of (q, k) arrays
    random : (n,) array
        ``Z b``.
    eta : (n,) array
    rows : Working
    penalty : float
        ``|u|**2``.
    determinant : (n,) array
        Weights of the log-determinant: the observed or the expected information.
    solution : Solution
        Of the system factorised here, with these weights.
    steps, halvings : int
        Newton steps taken to get here, and how often one was shortened.
    residual : float
        Newton decrement of h here: what is left to be gained, in units of the deviance.
    """

    g: list[Floats]
    b: list[Floats]
    random: Floats
    eta: Floats
    rows: Working
    penalty: float
    determinant: Floats
    solution: Solution
    steps: int
    halvings: int
    residual: float


def find_modes(
    system: GeneralizedSystem,
    factors: Sequence[Floats],
    fixed: Floats,
    dispersion: float,
    start: Sequence[Floats] | None,
    *,
    expected: bool = False,
    has_inverse: bool = False,
) -> Modes:
    """Find the conditional modes and factorise there.

    Parameters
    ----------
    system : GeneralizedSystem
    factors : sequence of (k, k) arrays
        Covariance factors for the internal units, one per grouping factor.
    fixed : (n,) array
        Offset and fixed effects.
    dispersion : float
    start : sequence of (q, k) arrays, optional
        ``g`` to start from; zero where there is none.
    expected : bool
        Expected instead of observed information in the system that is left factorised.
    has_inverse : bool
        Whether `system.modal` has selected the inverse at a point nearby, which then leads to the
        modes without another factorisation but the last.

    Raises
    ------
    FloatingPointError
        If there is no mean at any start, or the modes are not found.
    """
    family, modal = system.family, system.modal
    squares = [f @ f.T for f in factors]
    if has_inverse:
        near = _approach(system, factors, squares, fixed, dispersion, start)
        if isinstance(near, Modes):
            return near
        start = near
    with np.errstate(all="ignore"):
        here = first_place(system, squares, fixed, dispersion, start)
        steps = halvings = 0
        while True:
            steps += 1
            if steps > MOST:
                raise FloatingPointError("The conditional modes were not found.")
            weight, share = _definite(system, factors, here)
            ahead, ahead_random, ahead_g = _newton(system, weight, share, here)
            moved = [one - own for one, own in zip(ahead, here.b, strict=True)]
            turned = [one - own for one, own in zip(ahead_g, here.g, strict=True)]
            change = ahead_random - here.random
            decrement = inner(turned, moved) + float((weight * change) @ change)
            is_last = decrement < SETTLED or decrement < ROUNDING * (1.0 + abs(here.value))
            is_last = is_last and share == 1.0
            length = 1.0
            while True:
                effects = ahead_g, ahead, ahead_random
                if length < 1.0:
                    effects = (
                        [own + length * t for own, t in zip(here.g, turned, strict=True)],
                        [own + length * m for own, m in zip(here.b, moved, strict=True)],
                        here.random + length * change,
                    )
                there = place_at(system, fixed, dispersion, *effects)
                allowed = here.value - GAIN * length * decrement + SLACK * (1.0 + abs(here.value))
                if there.value <= allowed or (is_last and math.isfinite(there.value)):
                    break
                if there.value <= allowed + blur_at(here):
                    break
                halvings += 1
                length = _shorter(length, there.value - here.value, decrement)
                if length < SHORTEST:
                    raise FloatingPointError("No step towards the conditional modes gains.")
            here = there
            if is_last:
                break
        weight = here.rows.weight
        if expected and not family.is_canonical:
            weight = family.slopes(system.response, here.eta, dispersion).expected
        modal.reform(weight, here.rows.score + weight * here.random)
        solution = modal.solve(factors)
    return Modes(*here[:6], weight, solution, steps, halvings, decrement)


def first_place(
    system: GeneralizedSystem,
    squares: Sequence[Floats],
    fixed: Floats,
    dispersion: float,
    start: Sequence[Floats] | None,
) -> Place:
    """Where the search for modes begins: at `start`, g, or at zero where that has no mean.

    ``squares``: covariances (k, k) of the grouping factors. Raises FloatingPointError if zero has
    none either.
    """
    here = _of_turned(system, squares, fixed, dispersion, begun(system, start))
    if not math.isfinite(here.value):
        here = _of_turned(system, squares, fixed, dispersion, begun(system, None))
        if not math.isfinite(here.value):
            raise FloatingPointError("No response has a mean at these fixed effects.")
    return here


def place_at(
    system: GeneralizedSystem,
    fixed: Floats,
    dispersion: float,
    g: list[Floats],
    b: list[Floats],
    random: Floats,
) -> Place:
    """What random effects give, of which all three forms are known."""
    eta = fixed + random
    rows = working(system.family, system.response, eta, dispersion)
    penalty = inner(g, b)
    return Place(g, b, random, eta, rows, penalty, -rows.log_likelihood + 0.5 * penalty)


def blur_at(place: Place) -> float:
    """How much h may change as linear predictors are rounded."""
    return SLACK * float(np.abs(place.eta) @ np.abs(place.rows.score))


def begun(system: GeneralizedSystem, start: Sequence[Floats] | None) -> list[Floats]:
    """The g to start from: zero where there is none."""
    return (
        [np.zeros((f.n_levels, f.size)) for f in system.factors] if start is None else list(start)
    )


def _of_turned(
    system: GeneralizedSystem,
    squares: Sequence[Floats],
    fixed: Floats,
    dispersion: float,
    g: list[Floats],
) -> Place:
    """What random effects give, of which g is known."""
    b = [own @ square for own, square in zip(g, squares, strict=True)]
    return place_at(system, fixed, dispersion, g, b, system.random_part(b))


def is_led(reach: Callable[[float], bool], predictors: Floats) -> bool:
    """Whether modes are found by way of smaller fixed effects, where zero leads to none.

    Newton steps towards modes fail at predictors whose exponentials are beyond all others.
    ``reach``: whether they are found at a share of the fixed effects, from those of the share
    before. ``predictors``: (n,) of the fixed effects.
    """
    size = float(np.abs(predictors).max(initial=0.0))
    if not _EXTREME < size < math.inf:
        return False
    here, share = 0.0, _MODERATE / size
    for _ in range(_SHARES):
        if not reach(share):
            share = 0.5 * (here + share)
        elif share == 1.0:
            return True
        else:
            here, share = share, min(2.0 * share, 1.0)
    return False


def without_modes(error: FloatingPointError) -> EvaluationError:
    """What is said of parameters at which the modes, and all that follows, are not found."""
    reason = str(error).rstrip(".")
    return EvaluationError(
        f"The conditional modes cannot be found at these parameters ({reason}): variances or the "
        "dispersion are too extreme for doubles, or a mean is outside its range."
    )


def _approach(
    system: GeneralizedSystem,
    factors: Sequence[Floats],
    squares: Sequence[Floats],
    fixed: Floats,
    dispersion: float,
    start: Sequence[Floats] | None,
) -> Modes | list[Floats]:
    """Find the modes by Newton steps with the inverse of a point nearby, as long as these lead on.

    With P that point's ``Lambda inv(H) Lambda'``, of the slope ``c = Z'd - g`` the step of g is
    ``c - Z'WZ P c``. Gives the best g where they do not.
    """
    modal = system.modal
    g = begun(system, start)
    before = math.inf
    best = g
    with np.errstate(all="ignore"):
        for step in range(1, _CHORDS + 1):
            here = _of_turned(system, squares, fixed, dispersion, g)
            rows = here.rows
            slope = [one - own for one, own in zip(system.level_sums(rows.score), g, strict=True)]
            taken = system.random_part(modal.apply_inverse(slope))
            back = system.level_sums(rows.weight * taken)
            turned = [one - own for one, own in zip(slope, back, strict=True)]
            moved = [own @ square for own, square in zip(turned, squares, strict=True)]
            decrement = inner(slope, moved)
            if not (abs(decrement) <= _FALL * before and math.isfinite(here.value)):
                return best
            best = g
            if abs(decrement) < max(_EXACT, ROUNDING**2 * (1.0 + abs(here.value))):
                modal.reform(rows.weight, rows.score + rows.weight * here.random)
                solution = modal.solve(factors)
                return Modes(*here[:6], rows.weight, solution, step, 0, abs(decrement))
            before = abs(decrement)
            g = [own + one for own, one in zip(g, turned, strict=True)]
    return best


def _newton(
    system: GeneralizedSystem, weight: Floats, share: float, here: Place
) -> tuple[list[Floats], Floats, list[Floats]]:
    """Where a whole Newton step leads: modes, their part of the predictor, and ``g``.

    After `_definite`, which has solved the system.
    """
    ahead = system.modal.modes()
    ahead_random = system.random_part(ahead)
    told = here.rows.score + weight * (here.random - ahead_random)
    return ahead, ahead_random, system.level_sums(share * told)


def _definite(
    system: GeneralizedSystem, factors: Sequence[Floats], here: Place
) -> tuple[Floats, float]:
    """Solve with weights that make the system positive definite: the observed ones if they do.

    Otherwise the negative ones count as nothing: still a direction of descent. Of weights so large
    that the penalty is lost in rounding all that rows tell counts as a share.
    """
    rows = here.rows
    positive = np.maximum(rows.weight, 0.0)
    for weight, share in ((rows.weight, 1.0), (positive, 1.0), (positive, None)):
        if share is None:
            largest = max(float(t.max(initial=0.0)) for t in _told(system, factors, weight))
            share = 1.0 / (1.0 + _LOST * largest)
        system.modal.reform(share * weight, share * (rows.score + weight * here.random))
        try:
            system.modal.solve(factors)
        except FloatingPointError:
            continue
        return weight, share
    raise FloatingPointError("The penalised system is not positive definite.")


def _told(system: GeneralizedSystem, factors: Sequence[Floats], weight: Floats) -> Iterator[Floats]:
    """What rows tell of every spherical mode (q, k) by itself, per grouping factor."""
    for columns, factor in zip(system.factors, factors, strict=True):
        for column in (columns.z @ factor).T:
            told = np.bincount(columns.codes, weight * column**2, columns.n_levels)
            yield np.asarray(told, dtype=np.float64)


def _shorter(length: float, rise: float, decrement: float) -> float:
    """A shorter step, at the minimum of a parabola if that is anywhere."""
    excess = rise + length * decrement
    if math.isfinite(excess) and excess > 0.0:
        return min(max(0.5 * decrement * length * length / excess, 0.1 * length), 0.5 * length)
    return 0.25 * length


def inner(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Sum of the products of all entries."""
    return math.fsum(float(np.vdot(a, b)) for a, b in zip(one, other, strict=True))
