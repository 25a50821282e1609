"""-2 log-likelihood with fixed effects from the penalised criterion: ``nAGQ = 0`` of lme4.

Fixed effects are found with the conditional modes, as the minimum of ``-sum of log-likelihoods +
|u|**2 / 2`` over both, so that only covariances, and a dispersion, are searched. The value is
Laplace's approximation there: never below its minimum over fixed effects too.

Its gradient is that of :mod:`mixedscope.engine.generalized.laplace` with v and a part x of the
fixed effects that solve the joint system of both for ``t``, and ``q = Z Lambda v + x``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.modes import (
    Modes,
    begun,
    blur_at,
    inner,
    place_at,
)
from mixedscope.engine.generalized.rows import slopes_of_weights
from mixedscope.engine.generalized.separation import words_at_infinity
from mixedscope.engine.generalized.starting import information_at
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.kernels.laplace import GAIN, MOST, ROUNDING, SETTLED, SHORTEST, SLACK
from mixedscope.engine.observations import row_forms

__all__ = ["NOT_OF_JOINT", "JointLaplace"]

Floats = NDArray[np.float64]

#: Why what follows from a likelihood of all parameters is not to be had.
NOT_OF_JOINT: Final = (
    "fixed effects of a fit with quadrature = 0 are those of the penalised criterion, not of the "
    "likelihood: fit the model with quadrature = 1"
)


class JointLaplace(LaplaceObjective):
    """The objective of covariances and dispersion alone, fixed effects found with the modes.

    Points are theta and, of families that have one, the logarithm of the dispersion.
    """

    points = 0

    def __init__(self, system: GeneralizedSystem, *, expected: bool = False) -> None:
        super().__init__(system, expected=expected)
        k, r = self.n_theta, self._n_fixed
        own = [i for i in range(len(self.theta_names)) if not k <= i < k + r]
        self.theta_names = tuple(self.theta_names[i] for i in own)
        self.lower, self.edges = self.lower[own], self.edges[own]
        self.columns, self.scale = self.columns[own], self.scale[own]
        self._own = np.array(own)
        self._coefficients: Floats | None = None

    @property
    def n_fixed(self) -> int:
        """No entry of a point is a fixed effect; who asks for theirs asks for what is not there."""
        raise UnsuitedError(NOT_OF_JOINT)

    @n_fixed.setter
    def n_fixed(self, value: int) -> None:
        self._n_fixed = value

    def like(self, system: GeneralizedSystem) -> JointLaplace:
        """The same objective of another system: other columns, or another response."""
        return JointLaplace(system, expected=self.expected)

    def reset(self) -> None:
        """Begin anew: the next modes are searched from zero, so that equal fits are equal."""
        super().reset()
        self._coefficients = None

    def split(self, point: Floats) -> tuple[Floats, Floats, float]:
        """Theta, the fixed effects found there and dispersion of a point (k,) of the search."""
        self._find(np.asarray(point, dtype=float))
        assert self._coefficients is not None
        beta = np.asarray(self.system.basis.r_inverse @ self._coefficients)
        return point[: self.n_theta], beta, self._dispersion(point)

    def whole(self, point: Floats) -> Floats:
        """Theta, fixed effects and logarithm of the dispersion: a point of Laplace's objective."""
        theta, beta, _ = self.split(point)
        return np.concatenate([theta, beta, point[self.n_theta :]])

    def _dispersion(self, point: Floats) -> float:
        return math.exp(point[-1]) if len(point) > self.n_theta else 1.0

    def _find(self, point: Floats) -> Modes:
        """Find conditional modes and fixed effects, from those of the evaluation before."""
        if self._at is not None and self._modes is not None and np.array_equal(self._at, point):
            return self._modes
        if not np.isfinite(point).all():
            raise FloatingPointError("The parameters are not finite.")
        dispersion = self._dispersion(point)
        if not 0.0 < dispersion < math.inf:
            raise FloatingPointError("The dispersion is beyond floating-point numbers.")
        self._at, self._state = None, "other"
        factors = self.system.standard_factors(point[: self.n_theta])
        start = None if self._modes is None else self._modes.g
        known = self._coefficients
        if known is None or start is None:
            start, known = None, np.asarray(self.system.basis.r @ self._without_random, dtype=float)
        self._modes, self._coefficients = self._search_jointly(factors, dispersion, start, known)
        self._at, self._state = point.copy(), "factorised"
        return self._modes

    def _search_jointly(
        self,
        factors: Sequence[Floats],
        dispersion: float,
        start: Sequence[Floats] | None,
        coefficients: Floats,
    ) -> tuple[Modes, Floats]:
        """Minimise the penalised criterion by Newton steps of random and fixed effects together."""
        system = self.system
        joint, q, offset = system.joint, system.basis.q, system.offset
        squares = [f @ f.T for f in factors]
        g = begun(system, start)
        b = [own @ square for own, square in zip(g, squares, strict=True)]
        fixed = q @ coefficients
        with np.errstate(all="ignore"):
            here = place_at(system, offset + fixed, dispersion, g, b, system.random_part(b))
            steps = halvings = 0
            while True:
                steps += 1
                if steps > MOST or not math.isfinite(here.value):
                    raise FloatingPointError("The conditional modes were not found.")
                rows = here.rows
                weight = np.maximum(rows.weight, 0.0)
                joint.reform(weight, rows.score + weight * (here.random + fixed))
                ahead = joint.solve(factors).beta
                ahead_b = joint.modes()
                change = system.random_part(ahead_b) - here.random + q @ ahead - fixed
                ahead_g = system.level_sums(rows.score - weight * change)
                moved = [one - own for one, own in zip(ahead_b, here.b, strict=True)]
                turned = [one - own for one, own in zip(ahead_g, here.g, strict=True)]
                decrement = inner(turned, moved) + float((weight * change) @ change)
                is_last = decrement < SETTLED or decrement < ROUNDING * (1.0 + abs(here.value))
                length = 1.0
                while True:
                    new_g = [own + length * t for own, t in zip(here.g, turned, strict=True)]
                    new_b = [own + length * m for own, m in zip(here.b, moved, strict=True)]
                    new = coefficients + length * (ahead - coefficients)
                    new_fixed = q @ new
                    there = place_at(
                        system, offset + new_fixed, dispersion, new_g, new_b,
                        system.random_part(new_b),
                    )  # fmt: skip
                    allowed = here.value - GAIN * length * decrement
                    allowed += SLACK * (1.0 + abs(here.value))
                    if there.value <= allowed or (is_last and math.isfinite(there.value)):
                        break
                    if there.value <= allowed + blur_at(here):
                        break
                    halvings += 1
                    length *= 0.5
                    if length < SHORTEST:
                        raise FloatingPointError("No step towards the conditional modes gains.")
                here, coefficients, fixed = there, new, new_fixed
                if is_last:
                    break
            weight = here.rows.weight
            if self.expected:
                weight = system.family.slopes(system.response, here.eta, dispersion).expected
            system.modal.reform(weight, here.rows.score + weight * here.random)
            solution = system.modal.solve(factors)
        return Modes(*here[:6], weight, solution, steps, halvings, decrement), coefficients

    def _gradient(self, point: Floats) -> Floats:
        system, family, response = self.system, self.system.family, self.system.response
        modes = self.modes_at(point)
        theta, dispersion = point[: self.n_theta], self._dispersion(point)
        factors = system.standard_factors(theta)
        observed = modes.rows.weight
        slopes, own = slopes_of_weights(
            family, response, modes.eta, dispersion, modes.rows, expected=self.expected
        )
        by_factor, inverse = system.modal.derive_and_invert(factors)
        self._state = "other"
        leverage = row_forms(system.modal, inverse)
        t = leverage * own
        system.joint.reform(observed, t)
        coefficients = system.joint.solve(factors).beta
        along = system.random_part(system.joint.modes()) + system.basis.q @ coefficients
        turned = t - observed * along
        parts = self._slopes_of_theta(theta, modes, factors, by_factor, turned)
        if slopes is not None and slopes.dispersion is not None:
            value, by_score, by_weight, by_expected = slopes.dispersion
            more = by_expected if self.expected else by_weight
            parts.append(np.array([-2.0 * value.sum() + leverage @ more + along @ by_score]))
        return np.concatenate(parts)

    def words_at_infinity(self, names: Sequence[str]) -> str:
        """What is said of parameters without a finite estimate."""
        k = self.n_theta
        kinds = self.beta_names, self.theta_names[:k], self.theta_names[k:]
        parts = [[name for name in names if name in kind] for kind in kinds]
        return words_at_infinity(self.system.family, *parts)

    # -- starts and the parameter space

    def _point(self, theta: Floats) -> Floats:
        return np.asarray(super()._point(theta)[self._own])

    def initial_hessian(self, point: Floats) -> Floats:
        """Expected information of theta at a point, (k, k)."""
        point = np.asarray(point, dtype=float)
        modes = self.modes_at(point)
        out = np.diag(np.full(len(point), self.system.n / 2.0))
        k = self.n_theta
        out[:k, :k] = information_at(self.system, point[:k], modes)[0]
        self.forget()
        return out

    @cached_property
    def coordinates(self) -> Floats:
        """Theta not collinear."""
        whole = LaplaceObjective(self.system).coordinates
        return whole[np.ix_(self._own, self._own)]

    def canonical(self, point: Floats) -> Floats:
        """The point of the same covariances whose diagonals are not negative."""
        k = self.n_theta
        theta = [t.canonical(point[t.theta]) for t in self.system.terms]
        return np.concatenate([*theta, point[k:]])
