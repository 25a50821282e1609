"""Conditional modes at given parameters: penalised Newton steps that are safe from any start.

With b = Lambda u and h(u) = -sum of log-likelihoods + |u|**2 / 2, the mode solves ``u = Lambda' Z'
d``, d being the scores. What is kept of a point is ``g`` with ``u = Lambda' g``: it exists where
Lambda is singular, and means the same at another Lambda, so that the modes of one evaluation are
where the next begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import EvaluationError
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.generalized.rows import Working, working
from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = ["Modes", "find_modes", "without_modes"]

Floats = NDArray[np.float64]

#: Newton decrement of h at which a last step is taken; after it the modes are exact to rounding.
_SETTLED: Final = 1e-10

#: The decrement that is nothing but rounding, relative to h; and what h may rise by rounding.
_ROUNDING: Final = 2e-15
_SLACK: Final = 4e-16

#: Steps, and halvings of one, at most: from u = 0 far from the optimum 50 were seen.
_STEPS: Final = 200
_SHORTEST: Final = 1e-8

#: With the inverse of a point nearby: steps at most, by which factor each has to reduce the
#: decrement, and the decrement at which the modes are exact.
_CHORDS: Final = 12
_FALL: Final = 0.1
_EXACT: Final = 1e-19

#: Share of the predicted gain that a step has to bring (Armijo).
_GAIN: Final = 1e-4


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
    family, response, modal = system.family, system.response, system.modal
    squares = [f @ f.T for f in factors]
    zero = [np.zeros((f.n_levels, f.size)) for f in system.factors]
    g = zero if start is None else list(start)
    if has_inverse:
        near = _approach(system, factors, squares, fixed, dispersion, g)
        if isinstance(near, Modes):
            return near
        g = near
    b = [own @ square for own, square in zip(g, squares, strict=True)]
    random = system.random_part(b)
    with np.errstate(all="ignore"):
        eta = fixed + random
        rows = working(family, response, eta, dispersion)
        penalty = _inner(g, b)
        value = -rows.log_likelihood + 0.5 * penalty
        if not math.isfinite(value):
            g, b = zero, [own.copy() for own in zero]
            random, eta, penalty = np.zeros(system.n), fixed, 0.0
            rows = working(family, response, eta, dispersion)
            value = -rows.log_likelihood
            if not math.isfinite(value):
                raise FloatingPointError("No response has a mean at these fixed effects.")
        steps = halvings = 0
        while True:
            steps += 1
            if steps > _STEPS:
                raise FloatingPointError("The conditional modes were not found.")
            weight = _definite(system, factors, rows, eta, dispersion, random)
            ahead, ahead_random, ahead_g = _newton(system, weight, rows, random)
            moved = [one - own for one, own in zip(ahead, b, strict=True)]
            turned = [one - own for one, own in zip(ahead_g, g, strict=True)]
            change = ahead_random - random
            decrement = _inner(turned, moved) + float((weight * change) @ change)
            is_last = decrement < _SETTLED or decrement < _ROUNDING * (1.0 + abs(value))
            length = 1.0
            while True:
                new_g, new_b, new_random = ahead_g, ahead, ahead_random
                if length < 1.0:
                    new_g = [own + length * t for own, t in zip(g, turned, strict=True)]
                    new_b = [own + length * m for own, m in zip(b, moved, strict=True)]
                    new_random = random + length * change
                new_eta = fixed + new_random
                new_rows = working(family, response, new_eta, dispersion)
                new_penalty = _inner(new_g, new_b)
                new_value = -new_rows.log_likelihood + 0.5 * new_penalty
                allowed = value - _GAIN * length * decrement + _SLACK * (1.0 + abs(value))
                if new_value <= allowed or (is_last and math.isfinite(new_value)):
                    break
                halvings += 1
                length = _shorter(length, new_value - value, decrement)
                if length < _SHORTEST:
                    raise FloatingPointError("No step towards the conditional modes gains.")
            g, b, random, eta, rows = new_g, new_b, new_random, new_eta, new_rows
            penalty, value = new_penalty, new_value
            if is_last:
                break
        weight = rows.weight
        if expected and not family.is_canonical:
            weight = family.slopes(response, eta, dispersion).expected
        modal.reform(weight, rows.score + weight * random)
        solution = modal.solve(factors)
    return Modes(g, b, random, eta, rows, penalty, weight, solution, steps, halvings, decrement)


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
    g: list[Floats],
) -> Modes | list[Floats]:
    """Find the modes by Newton steps with the inverse of a point nearby, as long as these lead on.

    With P that point's ``Lambda inv(H) Lambda'``, of the slope ``c = Z'd - g`` the step of g is
    ``c - Z'WZ P c``. Gives the best g where they do not.
    """
    family, response, modal = system.family, system.response, system.modal
    before = math.inf
    best = g
    with np.errstate(all="ignore"):
        for step in range(1, _CHORDS + 1):
            b = [own @ square for own, square in zip(g, squares, strict=True)]
            random = system.random_part(b)
            eta = fixed + random
            rows = working(family, response, eta, dispersion)
            slope = [one - own for one, own in zip(system.level_sums(rows.score), g, strict=True)]
            taken = system.random_part(modal.apply_inverse(slope))
            back = system.level_sums(rows.weight * taken)
            turned = [one - own for one, own in zip(slope, back, strict=True)]
            moved = [own @ square for own, square in zip(turned, squares, strict=True)]
            decrement = _inner(slope, moved)
            penalty = _inner(g, b)
            value = -rows.log_likelihood + 0.5 * penalty
            if not (abs(decrement) <= _FALL * before and math.isfinite(value)):
                return best
            best = g
            if abs(decrement) < max(_EXACT, _ROUNDING**2 * (1.0 + abs(value))):
                modal.reform(rows.weight, rows.score + rows.weight * random)
                solution = modal.solve(factors)
                return Modes(
                    g, b, random, eta, rows, penalty, rows.weight, solution, step, 0,
                    abs(decrement),
                )  # fmt: skip
            before = abs(decrement)
            g = [own + one for own, one in zip(g, turned, strict=True)]
    return best


def _newton(
    system: GeneralizedSystem, weight: Floats, rows: Working, random: Floats
) -> tuple[list[Floats], Floats, list[Floats]]:
    """Where a whole Newton step leads: modes, their part of the predictor, and ``g``.

    After `_definite`, which has solved the system.
    """
    ahead = system.modal.modes()
    ahead_random = system.random_part(ahead)
    return ahead, ahead_random, system.level_sums(rows.score + weight * (random - ahead_random))


def _definite(
    system: GeneralizedSystem,
    factors: Sequence[Floats],
    rows: Working,
    eta: Floats,
    dispersion: float,
    random: Floats,
) -> Floats:
    """Solve with weights that make the system positive definite: the observed ones if they do.

    Otherwise the negative ones count as nothing: still a direction of descent.
    """
    for weight in (rows.weight, None):
        if weight is None:
            weight = np.maximum(rows.weight, 0.0)
        system.modal.reform(weight, rows.score + weight * random)
        try:
            system.modal.solve(factors)
        except FloatingPointError:
            continue
        return weight
    raise FloatingPointError("The penalised system is not positive definite.")


def _shorter(length: float, rise: float, decrement: float) -> float:
    """A shorter step, at the minimum of a parabola if that is anywhere."""
    excess = rise + length * decrement
    if math.isfinite(excess) and excess > 0.0:
        return min(max(0.5 * decrement * length * length / excess, 0.1 * length), 0.5 * length)
    return 0.25 * length


def _inner(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Sum of the products of all entries."""
    return math.fsum(float(np.vdot(a, b)) for a, b in zip(one, other, strict=True))
