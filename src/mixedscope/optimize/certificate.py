r"""Is this a minimum?  First- and second-order conditions at the point where a fit ended.

Everything is measured in the standardised units x = theta * scale, on the whole of R^k: the
objective is smooth there and does not change when a column of Λ changes its sign, so a theta of
zero is no edge of the function, only of its canonical half.  The gradient vanishes there by
symmetry and proves nothing; what decides is whether the curvature is negative.

The Newton decrement :math:`\frac12 g'H^{-1}g` (Boyd & Vandenberghe 2004, section 9.5) estimates
the objective still to be gained.  Where Λ is singular different theta may give one covariance
matrix, and H has null directions; a pseudo-inverse with a floor for the eigenvalues handles them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixedscope.optimize.objective import FloatArray, SmoothObjective, criterion_words

__all__ = [
    "POLISH_TOLERANCE",
    "ROUNDING_TOLERANCE",
    "VERDICT_TOLERANCE",
    "Curvature",
    "certificate",
    "measure_curvature",
    "rounding",
    "row_by_row",
    "tolerance_scale",
]

#: Objective still to be gained at which polishing stops, times `tolerance_scale`.  At 1e-11 no
#: parameter is further from the optimum than sqrt(2e-11), 5e-6, of its standard error.
POLISH_TOLERANCE = 1e-11

#: Where Newton steps do not get there, for rounding, what is left counts as nothing up to this.
ROUNDING_TOLERANCE = 1e-9

#: Objective still to be gained up to which a point counts as an optimum, times `tolerance_scale`.
VERDICT_TOLERANCE = 1e-7

#: Step of the differences, relative to the parameter, and its smallest reference.
_STEP = 1e-4
_SMALLEST = 0.1

#: Eigenvalues of the Hessian below the largest of these are zero for all we can tell: one by
#: effect (a step as long as the largest parameter, at least 1, would change the deviance by half
#: of it), one relative to the largest eigenvalue, and a multiple of the asymmetry of the
#: differences, which is nothing but error.
_NULL_EFFECT = 1e-6
_NULL_RELATIVE = 1e-8
_NULL_ASYMMETRY = 2.0

#: A step of the search, relative to the largest parameter, that serves as one of the differences:
#: no shorter, for rounding, and no longer than this.
_SHORTEST = 3e-5
_LONGEST = 5e-4

#: One-sided differences settle the matter if the smallest eigenvalue is above this share of the
#: largest, ten times the step they are good to, and above this many times their asymmetry (whose
#: Frobenius norm bounds what an error of its size does to an eigenvalue).
_CLEAR = 1e-3
_CLEAR_ASYMMETRY = 4.0

#: Eigenvalues up to this share of the largest, or this many floors, leave room for parameters that
#: are not determined; and lengths of steps along one that seems negative, standardised units.
_FLAT = 1e-4
_FLAT_FLOORS = 100.0
_LENGTHS = (0.1, 0.01, 1e-3)

#: Λ is singular if the objective calls it so to within this tolerance.
_SINGULAR = 1e-6


def tolerance_scale(objective: float) -> float:
    """Scale tolerances with objectives above 10,000, whose digits end earlier."""
    return max(1.0, abs(objective) / 1e4)


def rounding(objective: float, own: float = 0.0) -> float:
    """Bound the rounding error of an objective of this size (a sum over many terms).

    `own` is what the evaluation itself lost by cancellation, see `Evaluation.rounding`.
    """
    return 1e-10 + 1e-13 * abs(objective) + own


@dataclass(frozen=True)
class Curvature:
    """Gradient, Hessian and what follows from them at one point, standardised units.

    Attributes
    ----------
    x : (k,) array
        Where the Hessian was measured; the gradient may belong to a point close by.
    gradient : (k,) array
    values, vectors : (k,) and (k, k) arrays
        Eigenvalues, ascending, and eigenvectors (columns) of the Hessian.
    floor : float
        Eigenvalues from -floor to floor are numerically zero.
    """

    x: FloatArray
    gradient: FloatArray
    values: FloatArray
    vectors: FloatArray
    floor: float

    @cached_property
    def _divisors(self) -> FloatArray:
        return np.maximum(np.abs(self.values), self.floor)

    @cached_property
    def decrement(self) -> float:
        """½ g'H⁻¹g, the objective still to be gained, deviance units.

        Numerically null directions count with the floor in place of their eigenvalue: a slope
        along one of them is not overlooked, rounding in it is not blown up.  Negative
        eigenvalues count with their size.
        """
        along = self.vectors.T @ self.gradient
        return 0.5 * float((along * along / self._divisors).sum())

    @property
    def newton_step(self) -> FloatArray:
        """-|H|⁻¹g: Newton's step where the curvature is positive, downhill everywhere."""
        along = self.vectors.T @ self.gradient
        return -self.vectors @ (along / self._divisors)

    @property
    def inverse(self) -> FloatArray:
        """|H|⁻¹, positive definite, to start BFGS with."""
        # Along null directions the floor would allow endless steps.
        divisors = np.maximum(self._divisors, 1e-6 * float(np.abs(self.values).max()))
        inverse = (self.vectors / divisors) @ self.vectors.T
        return (inverse + inverse.T) / 2

    @property
    def smallest(self) -> float:
        """The smallest eigenvalue."""
        return float(self.values[0])

    @property
    def is_saddle(self) -> bool:
        """Whether the objective curves downwards in some direction, beyond rounding."""
        return self.smallest < -self.floor

    @property
    def is_clear(self) -> bool:
        """Whether eigenvalues are so large that the Hessian of a point close by tells as much."""
        return self.smallest > _CLEAR * float(self.values[-1])

    @property
    def descent(self) -> FloatArray:
        """The direction of most negative curvature, downhill if there is a slope; unit length.

        Its sign is made definite, so that equal problems are escaped equally.
        """
        direction = self.vectors[:, 0]
        slope = float(self.gradient @ direction)
        largest = direction[int(np.argmax(np.abs(direction)))]
        if abs(slope) > 1e-12 * float(np.linalg.norm(self.gradient)):
            return -direction if slope > 0 else direction
        return direction if largest > 0 else -direction

    def change(self, step: FloatArray) -> float:
        """Change of the objective that the quadratic model predicts for a step (k,)."""
        along = self.vectors.T @ step
        return float(self.gradient @ step + 0.5 * np.sum(self.values * along**2))

    def with_gradient(self, gradient: FloatArray) -> Curvature:
        """Give the same Hessian with the gradient of a point close by."""
        return Curvature(self.x, gradient, self.values, self.vectors, self.floor)

    def flipped(self, signs: FloatArray) -> Curvature:
        """Give the curvature of the mirror image, parameters multiplied by signs of ±1."""
        return Curvature(
            self.x * signs,
            self.gradient * signs,
            self.values,
            self.vectors * signs[:, None],
            self.floor,
        )


def row_by_row(
    gradient_at: Callable[[FloatArray], FloatArray | None],
) -> Callable[[FloatArray], FloatArray | None]:
    """Make of a gradient at one point (k,) one at many, as `measure_curvature` asks for them."""

    def gradients_at(points: FloatArray) -> FloatArray | None:
        out = np.empty_like(points)
        for i, point in enumerate(points):
            gradient = gradient_at(point)
            if gradient is None:
                return None
            out[i] = gradient
        return out

    return gradients_at


def measure_curvature(
    gradients_at: Callable[[FloatArray], FloatArray | None],
    x: FloatArray,
    gradient: FloatArray | None = None,
    *,
    secant: tuple[FloatArray, FloatArray] | None = None,
    thorough: bool = False,
) -> Curvature | None:
    """Measure gradient and Hessian at x, the latter by differences of the former.

    ``gradients_at``: exact gradients (m, k) at the rows of an array (m, k), or None if one cannot
    be computed. ``x`` (k,): standardised units. ``gradient`` (k,): the gradient at x, if known.
    ``secant`` (k,): a step that led to x and by how much it changed the gradient. If it is short
    enough it spares one of the differences. ``thorough``: measure both sides of every parameter in
    any case. Gives None if a gradient could not be computed.  Costs k gradients, k - 1 with a
    secant, where one-sided differences show a clearly positive curvature, 2k otherwise, and one
    more for x if it is not given.
    """
    if gradient is None:
        own = gradients_at(x[None, :])
        if own is None:
            return None
        gradient = own[0]
    steps = _STEP * np.maximum(np.abs(x), _SMALLEST)
    if secant is not None and x.size > 1 and not thorough and _is_short(secant[0], x):
        above = _differences_across(gradients_at, x, gradient, secant)
    else:
        above = _differences(gradients_at, x, gradient, steps)
    if above is None:
        return None
    # One-sided differences are good to the step; where they leave no doubt about the signs of the
    # eigenvalues they are enough, otherwise the other side is measured too.
    if x.size > 1 and not thorough:
        curvature, asymmetry = _curvature(x, gradient, above)
        error = _CLEAR_ASYMMETRY * asymmetry
        if curvature.is_clear and curvature.smallest > error:
            return curvature
        if secant is not None:
            above = _differences(gradients_at, x, gradient, steps)
    below = _differences(gradients_at, x, gradient, -steps)
    if above is None or below is None:
        return None
    return _curvature(x, gradient, (above + below) / 2)[0]


def _is_short(step: FloatArray, x: FloatArray) -> bool:
    """Whether a step is as short as those of the differences, about, and not lost in rounding."""
    return _SHORTEST <= _largest(step) / max(_largest(x), _SMALLEST) <= _LONGEST


def _differences_across(
    gradients_at: Callable[[FloatArray], FloatArray | None],
    x: FloatArray,
    gradient: FloatArray,
    secant: tuple[FloatArray, FloatArray],
) -> FloatArray | None:
    """Hessian by a step already made, and by differences at right angles to it."""
    step, change = secant
    # The first column of the orthogonal matrix is the direction of the step, up to its sign.
    directions = np.linalg.qr(np.column_stack([step, np.eye(x.size)]))[0].T[1:]
    lengths = _STEP * np.maximum(np.abs(directions) @ np.abs(x), _SMALLEST)
    slopes = gradients_at(x + lengths[:, None] * directions)
    if slopes is None:
        return None
    along = np.outer(change, step) / float(step @ step)
    return np.asarray(along + ((slopes - gradient) / lengths[:, None]).T @ directions)


def _differences(
    gradients_at: Callable[[FloatArray], FloatArray | None],
    x: FloatArray,
    gradient: FloatArray,
    steps: FloatArray,
) -> FloatArray | None:
    """Hessian by one-sided differences of the gradient; None if one could not be computed."""
    beside = x + np.diag(steps)
    slopes = gradients_at(beside)
    if slopes is None:
        return None
    # The step as taken, not as meant: x + step is rounded.
    return np.asarray((slopes - gradient) / (beside.diagonal() - x)[:, None])


def _curvature(x: FloatArray, gradient: FloatArray, hessian: FloatArray) -> tuple[Curvature, float]:
    """Give the curvature, and the Frobenius norm of what the Hessian (k, k) lacks in symmetry."""
    other = hessian.T
    difference = hessian - other
    asymmetry = float(difference.max())  # the largest of the differences of both signs
    values, vectors = np.linalg.eigh((hessian + other) / 2)
    floor = max(
        _NULL_EFFECT / max(1.0, _largest(x)) ** 2,
        _NULL_RELATIVE * max(abs(float(values[0])), abs(float(values[-1]))),
        _NULL_ASYMMETRY * asymmetry,
    )
    curvature = Curvature(x.copy(), gradient, values, vectors, floor)
    return curvature, math.sqrt(float(np.vdot(difference, difference)))


def _largest(values: FloatArray) -> float:
    """Largest absolute value, of so few that numpy takes longer."""
    return max(map(abs, values.tolist()))


def certificate(
    objective: SmoothObjective,
    theta: FloatArray,
    value: float,
    gradient: FloatArray | None,
    curvature: Curvature | None,
    tried: list[str],
    excess: float = 0.0,
) -> dict[str, Any]:
    """State the verdict on a fit.

    Parameters
    ----------
    objective : Objective
    theta : (k,) array
        Where the fit ended, canonical.
    value : float
        The objective there.
    gradient : (k,) array or None
        The gradient there in standardised units, None if it could not be computed.
    curvature : Curvature or None
        None if it was not measured: no time left, or a gradient failed.
    tried : list of str
        What was done to get from where the search ended to an optimum.
    excess : float
        How much higher the objective was where the search ended, deviance units.

    Returns
    -------
    dict
        ``verdict``, one of ``optimum`` (no slope, no downward curvature), ``boundary optimum``
        (the same with a singular Λ), ``saddle`` (downward curvature remains) and ``not
        converged`` (more than `VERDICT_TOLERANCE` may still be gained, or it could not be
        checked); ``gradient_norm``, Euclidean, standardised units; ``newton_decrement``,
        deviance units; ``min_hessian_eigenvalue``, standardised units; ``active_bounds``, names
        of the theta at an end of their range, which is 0 unless they are angles of correlations;
        ``residual``, whether sigma is ``identified``, ``shared`` with random effects or
        ``vanishing`` (the deviance does not rise on the way to zero; the verdict is then ``not
        converged``); ``limit``, where it then goes, None if it is not known or falls without
        bound; ``unidentified``, the standard deviations and correlations that the data do not
        determine, a list of ``parameters`` (each with ``kind``, ``group``, ``term``, ``term2``)
        and the ``reason``; ``tried``; ``words``, for people.  Numbers that were not computed are
        None.
    """
    at_edge = [
        (name, edge)
        for name, value, edge in zip(
            objective.theta_names, theta.tolist(), objective.edges.tolist(), strict=True
        )
        if abs(value) == edge
    ]
    zeros = [name for name, edge in at_edge if edge == 0.0]
    ends = [name for name, edge in at_edge if edge != 0.0]
    active = [name for name, _ in at_edge]
    tolerance = VERDICT_TOLERANCE * tolerance_scale(value)
    unidentified = _unidentified(objective, theta, curvature)
    if curvature is None or not curvature.decrement <= tolerance:
        verdict = "not converged"
    elif curvature.is_saddle and not (
        unidentified and _is_flat(objective, value, theta, curvature)
    ):
        verdict = "saddle"
    elif active or objective.rank_deficient(theta, _SINGULAR):
        verdict = "boundary optimum"
    else:
        verdict = "optimum"
    residual = objective.residual_state(theta, value)
    if residual == "shared" and not unidentified:
        unidentified = objective.unidentified(theta)
    limit: float | None = None
    if residual == "vanishing":
        verdict = "not converged"
        limit = objective.residual_limit(theta)
    criterion, points = criterion_words(objective)
    words = _RESIDUAL.get(residual, "").format(criterion)
    words = words or _words(
        verdict, curvature, zeros, ends, bool(unidentified), criterion=criterion, points=points
    )
    if unidentified:
        words += _unidentified_words(unidentified)
    if limit is not None:
        words = _limit_words(limit, criterion) + words
        limit = limit if math.isfinite(limit) else None
    words += _centring_words(objective.uncentred)
    if excess > tolerance:
        words += (
            f" The search itself had stopped {excess:.2g} {points} higher; "
            "the stages after it (escape, polish, restart) made up for that."
        )
    return {
        "verdict": verdict,
        "gradient_norm": None if gradient is None else math.sqrt(float(gradient @ gradient)),
        "newton_decrement": None if curvature is None else curvature.decrement,
        "min_hessian_eigenvalue": None if curvature is None else curvature.smallest,
        "active_bounds": active,
        "residual": residual,
        "limit": limit,
        "unidentified": unidentified,
        "tried": list(tried),
        "words": words,
    }


def _unidentified(
    objective: SmoothObjective, theta: FloatArray, curvature: Curvature | None
) -> list[dict[str, Any]]:
    """Ask which parameters are not determined, if the curvature leaves room for any."""
    if curvature is None:
        return []
    most = max(abs(curvature.smallest), float(curvature.values[-1]))
    if curvature.smallest > max(_FLAT_FLOORS * curvature.floor, _FLAT * most):
        return []
    return objective.unidentified(theta)


def _is_flat(
    objective: SmoothObjective, value: float, theta: FloatArray, curvature: Curvature
) -> bool:
    """Whether the objective falls nowhere along the direction that seems to curve downwards."""
    shape = objective.coordinates
    step = curvature.vectors[:, 0]
    along = step / objective.scale if shape is None else np.linalg.solve(shape, step)
    try:
        beside = [
            objective.evaluate(theta + sign * length * along).objective
            for sign in (1.0, -1.0)
            for length in _LENGTHS
        ]
    except (ArithmeticError, np.linalg.LinAlgError):
        return False
    return min(beside) >= value - rounding(value)


def _unidentified_words(unidentified: list[dict[str, Any]]) -> str:
    """Name what is not determined, and say what follows."""
    reasons = "; ".join(str(entry["reason"]) for entry in unidentified)
    return (
        f" Not everything is determined by these data: {reasons}. The standard deviations and "
        "correlations concerned are given as missing; leave out a term or a column."
    )


#: What is said where the residual variance is not identified.
_RESIDUAL = {
    "vanishing": (
        "The residual variance is not identified: the {} does not rise while the residual "
        "standard deviation goes to zero and the random effects take over all variation. More "
        "evaluations do not help. Do not interpret sigma, nor how far the random effects are "
        "shrunk: choose a structure with fewer parameters, leave out a term, or have each random "
        "effect observed more than once."
    ),
    "shared": (
        "The fit ended where no direction leads downwards, but the residual variance is not "
        "identified: there is one observation of each random effect of a term, and any part of the "
        "residual variance may be counted as theirs with the same likelihood. Fixed effects and "
        "the likelihood may be used; the standard deviations, sigma and the conditional modes are "
        "one choice among many. Choose a structure with fewer parameters, or leave out the term."
    ),
}


def _limit_words(limit: float, criterion: str) -> str:
    """Where the objective goes as sigma vanishes, the first sentence of the words on that."""
    when = "as the residual standard deviation goes to zero. "
    if limit == -math.inf:
        return f"The {criterion} falls without bound {when}"
    if math.isfinite(limit):
        return f"The {criterion} tends to {limit:.6f} {when}".replace("-", "\u2212")
    return ""


def _centring_words(uncentred: tuple[tuple[str, str], ...]) -> str:
    """What to do about columns far from zero that the structure does not let the engine centre."""
    if not uncentred:
        return ""
    columns = ", ".join(f"{name!r} in the random effects of {group!r}" for name, group in uncentred)
    return (
        f" Centre (subtract the mean of) what lies far from zero for how much it varies: {columns}."
        " With this structure the fit depends on where zero is, and loses digits."
    )


def _upwards(is_flat: bool) -> str:
    return "no direction leads downwards" if is_flat else "every direction leads upwards"


def _words(
    verdict: str,
    curvature: Curvature | None,
    zeros: list[str],
    ends: list[str],
    is_flat: bool,
    *,
    criterion: str,
    points: str,
) -> str:
    if curvature is None:
        return (
            "The fit was not checked: it ran out of time, or the slope of the likelihood could "
            "not be computed here. Treat the estimates as provisional."
        )
    left = f"{curvature.decrement:.1e}"
    if verdict == "optimum":
        return (
            f"The fit ended at a minimum of the {criterion}: {_upwards(is_flat)}, and no "
            f"more than about {left} {points} are left to be gained."
        )
    if verdict == "boundary optimum":
        parts = [f"{', '.join(zeros)} = 0"] if zeros else []
        parts += [f"{', '.join(ends)} as far as it goes"] if ends else []
        where = f" ({'; '.join(parts)})" if 0 < len(zeros) + len(ends) <= 6 else ""
        return (
            f"The fit ended at a minimum of the {criterion} that is singular"
            f"{where}: at least one variance is estimated as zero, or some random effects are "
            "perfectly predictable from others. The optimiser did its work; the data support "
            "fewer random-effects dimensions than the model has."
        )
    if verdict == "saddle":
        return (
            f"The fit ended at a saddle point, not at a minimum: the {criterion} falls further in "
            "at least one direction. Do not use these estimates; fit again with polishing, another "
            "start or another optimizer."
        )
    return (
        f"The search stopped before reaching a minimum: about {left} {points} could "
        "still be gained. Allow more evaluations or time, or polishing, before using these "
        "estimates."
    )
