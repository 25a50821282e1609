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
from mixedscope.engine.generalized.modes import Modes
from mixedscope.engine.generalized.rows import slopes_of_weights, working
from mixedscope.engine.generalized.separation import words_at_infinity
from mixedscope.engine.generalized.starting import information_at
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.observations import row_forms

__all__ = ["NOT_OF_JOINT", "JointLaplace"]

Floats = NDArray[np.float64]

# As in :mod:`mixedscope.engine.generalized.modes`.
_SETTLED: Final = 1e-10
_ROUNDING: Final = 2e-15
_SLACK: Final = 4e-16
_STEPS: Final = 200
_SHORTEST: Final = 1e-8
_GAIN: Final = 1e-4


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
        family, response, joint, q = system.family, system.response, system.joint, system.basis.q
        squares = [f @ f.T for f in factors]
        g = [np.zeros((f.n_levels, f.size)) for f in system.factors] if start is None else start
        b = [own @ square for own, square in zip(g, squares, strict=True)]
        random, fixed = system.random_part(b), q @ coefficients
        with np.errstate(all="ignore"):
            rows = working(family, response, system.offset + fixed + random, dispersion)
            penalty = _inner(g, b)
            value = 0.5 * penalty - rows.log_likelihood
            steps = halvings = 0
            while True:
                steps += 1
                if steps > _STEPS or not math.isfinite(value):
                    raise FloatingPointError("The conditional modes were not found.")
                weight = np.maximum(rows.weight, 0.0)
                joint.reform(weight, rows.score + weight * (random + fixed))
                ahead = joint.solve(factors).beta
                ahead_b = joint.modes()
                change = system.random_part(ahead_b) - random + q @ ahead - fixed
                ahead_g = system.level_sums(rows.score - weight * change)
                moved = [one - own for one, own in zip(ahead_b, b, strict=True)]
                turned = [one - own for one, own in zip(ahead_g, g, strict=True)]
                decrement = _inner(turned, moved) + float((weight * change) @ change)
                is_last = decrement < _SETTLED or decrement < _ROUNDING * (1.0 + abs(value))
                length = 1.0
                while True:
                    new_g = [own + length * t for own, t in zip(g, turned, strict=True)]
                    new_b = [own + length * m for own, m in zip(b, moved, strict=True)]
                    new = coefficients + length * (ahead - coefficients)
                    new_random, new_fixed = system.random_part(new_b), q @ new
                    new_rows = working(
                        family, response, system.offset + new_fixed + new_random, dispersion
                    )
                    new_penalty = _inner(new_g, new_b)
                    new_value = 0.5 * new_penalty - new_rows.log_likelihood
                    allowed = value - _GAIN * length * decrement + _SLACK * (1.0 + abs(value))
                    if new_value <= allowed or (is_last and math.isfinite(new_value)):
                        break
                    halvings += 1
                    length *= 0.5
                    if length < _SHORTEST:
                        raise FloatingPointError("No step towards the conditional modes gains.")
                g, b, coefficients = new_g, new_b, new
                random, fixed, rows = new_random, new_fixed, new_rows
                penalty, value = new_penalty, new_value
                if is_last:
                    break
            weight, eta = rows.weight, system.offset + fixed + random
            if self.expected:
                weight = family.slopes(response, eta, dispersion).expected
            system.modal.reform(weight, rows.score + weight * random)
            solution = system.modal.solve(factors)
        found = Modes(
            list(g), b, random, eta, rows, penalty, weight, solution, steps, halvings, decrement
        )
        return found, coefficients

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


def _inner(one: Sequence[Floats], other: Sequence[Floats]) -> float:
    """Sum of the products of all entries."""
    return math.fsum(float(np.vdot(a, b)) for a, b in zip(one, other, strict=True))
