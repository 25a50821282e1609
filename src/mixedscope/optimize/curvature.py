r"""Gradient and Hessian at a point, the latter exact or by differences of exact gradients.

The Newton decrement :math:`\frac12 g'H^{-1}g` (Boyd & Vandenberghe 2004, section 9.5) estimates
the objective still to be gained.  Where Λ is singular different theta may give one covariance
matrix, and H has null directions; a pseudo-inverse with a floor for the eigenvalues handles them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mixedscope.optimize.objective import FloatArray

__all__ = ["Curvature", "exact_curvature", "measure_curvature", "row_by_row"]

#: Step of the differences, relative to the parameter, and its smallest reference.
_STEP = 1e-4
_SMALLEST = 0.1

#: Eigenvalues of the Hessian below the largest of these are zero for all we can tell: one by
#: effect (a step as long as the largest parameter, at least 1, would change the deviance by half
#: of it), one relative to the largest eigenvalue, and a multiple of the asymmetry of the
#: differences, or of what an exact Hessian's own gradient lacks, which are nothing but error.
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

    def inverse_at(self, i: int) -> float:
        """One entry of the diagonal of |H|⁻¹, null directions at the floor."""
        row = self.vectors[i]
        return float((row * row / self._divisors).sum())

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


def exact_curvature(
    x: FloatArray, gradient: FloatArray, slope: FloatArray, hessian: FloatArray
) -> Curvature:
    """Give the curvature by an exact Hessian, standardised units.

    ``x``, ``gradient`` (k,). ``slope`` (k,), ``hessian`` (k, k): first and second derivatives that
    were formed of the same numbers. By as much as `slope` is not the gradient, which the model
    computes by another way, these numbers suffer from rounding, and so do small eigenvalues.
    """
    error = _largest(slope - gradient)
    return _curvature(x, gradient, hessian, error)[0]


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


def _curvature(
    x: FloatArray, gradient: FloatArray, hessian: FloatArray, error: float = 0.0
) -> tuple[Curvature, float]:
    """Give the curvature, and the Frobenius norm of what the Hessian (k, k) lacks in symmetry.

    ``error``: that of its entries, where it is known to be at least that.
    """
    other = hessian.T
    difference = hessian - other
    # The largest of the differences of both signs.
    asymmetry = max(float(difference.max()), error)
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
