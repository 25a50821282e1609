"""The profiled objective: -2 log-likelihood, or REML criterion, as a function of theta alone."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedscope.errors import DataError, ModelError
from mixedscope.model.basis import FixedBasis, fixed_basis
from mixedscope.model.blocked import BlockedSystem
from mixedscope.model.compile_clock import compiling_seconds
from mixedscope.model.crossproducts import Factor, cross_products
from mixedscope.model.design import Design
from mixedscope.model.evaluation import Evaluation, Solution
from mixedscope.model.lapack import limited_for
from mixedscope.model.random_term import LARGEST, RandomTerm, joined, random_terms
from mixedscope.model.residual import Residual, residual_state
from mixedscope.model.rounding import rounding_bound
from mixedscope.model.small import Batch, SmallSystem

if TYPE_CHECKING:
    from mixedscope.model.scoring import ScoringSearch
    from mixedscope.model.search import SmallSearch

__all__ = ["Evaluation", "ProfiledObjective", "ProfiledSystem"]

Floats = NDArray[np.float64]

# Numbers in a model, and multiplications in its dense part, up to which an evaluation takes some
# microseconds.
_QUICK = 12_000


class ProfiledSystem:
    """A design brought to the internal units of the engine, with its factorisation.

    Internally the fixed effects are an orthonormal basis, the response its residual on that basis
    in units of its root mean square, the random-effects columns have unit root mean square.

    Parameters
    ----------
    design : Design

    Raises
    ------
    DataError
        If the fixed effects explain the response exactly.
    ModelError
        If the design has no random effects.
    """

    def __init__(self, design: Design) -> None:
        if not design.random:
            raise ModelError(
                "The formula has no random-effects term; add one such as (1 | group), or fit an "
                "ordinary linear model."
            )
        self.design = design
        self.n = len(design.y)
        self.root_weights = np.ones(self.n) if design.weights is None else np.sqrt(design.weights)
        with limited_for(self.n):
            self._prepare()

    def _prepare(self) -> None:
        """Form everything that does not change with theta."""
        design = self.design
        # Nothing of large data is multiplied by ones.
        root = None if design.weights is None else self.root_weights
        self.terms: tuple[RandomTerm, ...] = random_terms(design.random, root)
        self.log_weights = 0.0 if root is None else 2.0 * float(np.log(root).sum())
        self.basis: FixedBasis = fixed_basis(design.X if root is None else design.X * root[:, None])
        if self.n <= len(self.basis.kept):
            raise DataError(
                f"The model has {len(self.basis.kept)} fixed effects for {self.n} observations; "
                "leave out fixed effects or add data."
            )
        weighted = design.y if root is None else design.y * root
        largest = float(np.abs(weighted).max())
        if largest > LARGEST or 0.0 < largest < 1.0 / LARGEST:
            raise DataError(
                f"The values of the response {design.response!r}, times the square roots of the "
                f"weights if there are any, reach {largest:.0e}: their squares are beyond the "
                "range of floating-point numbers. Measure the response in another unit."
            )
        residual = self.project(weighted)
        self.y_scale = float(np.sqrt(residual @ residual / self.n))
        if self.y_scale <= 1e-13 * largest:
            raise DataError(
                f"The fixed effects explain the response {design.response!r} exactly; there is no "
                "variance left to divide between groups and observations."
            )
        self.response = residual / self.y_scale
        self.factors = tuple(
            Factor(t.group, len(t.design.levels), t.design.codes, t.standard) for t in self.terms
        )
        self.cross = cross_products(self.factors, self.basis, self.response)
        self.blocked = BlockedSystem(self.cross)
        self._projection = self.basis.q.T @ weighted
        self.r_inverse = self.basis.r_inverse

    def project(self, values: Floats) -> Floats:
        """Residual of weighted values (n,) on the fixed effects."""
        rows = self.basis.q.T
        residual = values - (rows @ values) @ rows
        residual -= (rows @ residual) @ rows  # twice is enough, see basis.py
        return residual

    def with_response(self, response: Floats) -> ProfiledSystem:
        """Give the same system for another response (n,), in the same internal units."""
        weighted = response * self.root_weights
        other = copy(self)
        other.design = replace(self.design, y=response)
        other.response = self.project(weighted) / self.y_scale
        other.cross = self.cross.with_response(other.response)
        other.blocked = BlockedSystem(other.cross)
        other._projection = self.basis.q.T @ weighted
        return other

    def random_part(self, modes: Sequence[Floats]) -> Floats:
        """``Z b`` (n,) of modes (q, k) per grouping factor, all on the internal scale."""
        total = np.zeros(self.n)
        for factor, b in zip(self.factors, modes, strict=True):
            total += np.einsum("ij,ij->i", factor.z, b[factor.codes])
        return total

    @property
    def fixed_names(self) -> tuple[str, ...]:
        """Names of the fixed effects that are estimated."""
        return tuple(self.design.x_names[j] for j in self.basis.kept)

    @property
    def dropped_names(self) -> tuple[str, ...]:
        """Names of the fixed effects left out because X is rank-deficient."""
        kept = set(self.basis.kept.tolist())
        return tuple(name for j, name in enumerate(self.design.x_names) if j not in kept)

    def standard_factors(self, theta: Floats) -> list[Floats]:
        """Relative covariance factors for the internal units, one per grouping factor."""
        return [t.standard_factor(theta[t.theta]) for t in self.terms]

    def beta(self, coefficients: Floats) -> Floats:
        """Fixed effects (..., r), units of the data, of coefficients (..., r) of the basis."""
        all_of_it = coefficients * self.y_scale + self._projection
        return np.asarray((self.r_inverse @ all_of_it[..., None])[..., 0])

    def beta_given(self, random_part: Floats) -> Floats:
        """Least-squares fixed effects given ``Z b`` (n,) on the internal scale."""
        rest = self.basis.q.T @ (random_part * self.y_scale)
        return np.asarray(self.r_inverse @ (self._projection - rest), dtype=float)

    def beta_covariance(self, sigma: float) -> Floats:
        """Covariance of the fixed effects (r, r), after a solution."""
        half = np.linalg.solve(self.blocked.fixed_factor(), self.r_inverse.T)
        return np.asarray(sigma**2 * half.T @ half)

    def modes(self) -> list[Floats]:
        """Conditional modes of the last solution per grouping factor (q, k), units of the data."""
        return [self.in_data_units(i, b) for i, b in enumerate(self.blocked.modes())]

    def in_data_units(self, position: int, modes: Floats) -> Floats:
        """Bring internal modes (q, k) of one grouping factor to the units of the data."""
        return modes * (self.y_scale / self.terms[position].column_scale)

    def conditional_sds(self, sigma: float) -> list[Floats]:
        """Conditional standard deviations of the modes (q, k), after a solution."""
        return [np.sqrt(np.einsum("qii->qi", c)) for c in self.conditional_covariances(sigma)]

    def conditional_covariances(self, sigma: float) -> list[Floats]:
        """Conditional covariances of the modes (q, k, k) given the fixed effects, after a solution.

        Overwrites the factorisation; solve again before asking for anything else.
        """
        return [
            c * sigma**2 / (t.column_scale[:, None] * t.column_scale)
            for c, t in zip(self.blocked.conditional_covariances(), self.terms, strict=True)
        ]


def _is_clearly_regular(factor: Floats, tol: float) -> bool:
    """Whether a bound puts the smallest singular value of a lower triangle (k, k) above `tol`.

    The product of all of them is that of the diagonal, and none is above the Frobenius norm. For
    small matrices this takes a fraction of the time of a decomposition.
    """
    if factor.size == 1:
        return abs(float(factor[0, 0])) > tol
    norm = math.sqrt(float(np.vdot(factor, factor)))
    if not 0.0 < norm < math.inf:
        return False
    share = math.prod([value / norm for value in factor.diagonal().tolist()])
    return abs(share) * norm > 1.001 * tol


class ProfiledObjective:
    """The objective an optimiser sees; satisfies the protocol of :mod:`mixedscope.optimize`.

    Parameters
    ----------
    system : ProfiledSystem
    reml : bool
        REML criterion instead of -2 log-likelihood.

    Attributes
    ----------
    theta_names, beta_names : tuple of str
    start : (k,) array
        Theta for which the random effects are as variable as the residuals.
    lower : (k,) array
        0 where the sign of theta is a convention, else minus infinity.
    scale : (k,) array
        ``theta * scale`` is theta for columns of unit root mean square.
    edges : (k,) array
        Sizes of theta at which a covariance is singular; NaN where there are none.
    """

    compiling_seconds = staticmethod(compiling_seconds)

    def __init__(self, system: ProfiledSystem, *, reml: bool = False) -> None:
        self.system = system
        self.reml = reml
        self.theta_names = tuple(name for t in system.terms for name in t.theta_names())
        self.beta_names = system.fixed_names
        self.start = joined([t.start for t in system.terms])
        self.lower = joined([t.lower for t in system.terms])
        self.scale = joined([t.scale for t in system.terms])
        self.edges = joined([t.edges for t in system.terms])
        self._has_exact_pivots = len(system.terms) == 1 and system.terms[0].size == 1
        self.degrees = system.n - (len(system.basis.kept) if reml else 0)
        self._factors = np.zeros(sum(t.size**2 for t in system.terms))
        self._views = []
        first = 0
        for size in [t.size for t in system.terms]:
            self._views.append(self._factors[first : first + size**2].reshape(size, size))
            first += size**2
        self.entries = self._all_entries()
        self._bounded = np.flatnonzero(self.lower == 0.0).tolist()
        self._hiding = [t for t in system.terms if any(s.hides_directions for s in t.structures)]

    def evaluate(self, theta: Floats) -> Evaluation:
        """Evaluate the objective.

        Parameters
        ----------
        theta : (k,) array
            Relative covariance parameters; values outside the bounds are legal.

        Raises
        ------
        FloatingPointError
            If theta is not finite or the factorisation breaks down.
        """
        return self.describe(*self._solve(theta))

    def evaluate_gradient(self, theta: Floats) -> tuple[Evaluation, Floats]:
        """Evaluate the objective and its exact gradient, shape (k,)."""
        small = self.system.blocked.small
        if small is not None and self.entries is not None:
            theta = np.asarray(theta, dtype=float)
            batch = self._evaluate_small(small, theta[None, :])
            evaluation = self.describe_row(batch, 0)
            if evaluation is None:
                raise FloatingPointError("The penalised system is not positive definite.")
            return evaluation, batch.gradients[0] * self.entries[1]
        factors, solution = self._solve(theta)
        evaluation = self.describe(factors, solution)
        derivatives = self.system.blocked.derivatives(
            factors, solution, self.degrees, reml=self.reml
        )
        if self.entries is not None:
            places, scales = self.entries
            flat = [d.ravel() for d in derivatives]
            return evaluation, (flat[0] if len(flat) == 1 else np.concatenate(flat))[
                places
            ] * scales
        gradient = [
            t.pullback(theta[t.theta], d)
            for t, d in zip(self.system.terms, derivatives, strict=True)
        ]
        return evaluation, np.concatenate(gradient)

    def gradients(self, thetas: Floats) -> Floats:
        """Exact gradients (m, k) at every row of `thetas` (m, k); NaN where one fails."""
        small = self.system.blocked.small
        if small is not None and self.entries is not None:
            return self._evaluate_small(small, thetas).gradients * self.entries[1]
        out = np.empty_like(thetas)
        for i, theta in enumerate(thetas):
            try:
                out[i] = self.evaluate_gradient(theta)[1]
            except FloatingPointError:
                out[i] = np.nan
        return out

    def canonical(self, theta: Floats) -> Floats:
        """Return the theta of the same covariance whose diagonals are not negative."""
        # Where theta are entries of factors, only their columns may change sign.
        if self.entries is not None:
            values = theta.tolist()  # so few that numpy takes longer
            if min([values[i] for i in self._bounded], default=1.0) > 0.0:
                return theta + 0.0
        return np.concatenate([t.canonical(theta[t.theta]) for t in self.system.terms])

    def beyond(self, theta: Floats) -> list[Floats]:
        """Points (k,) from which to look past theta, where a variance of zero hides directions."""
        out = []
        for term in self._hiding:
            for part in term.beyond(theta[term.theta]):
                point = np.array(theta, dtype=float)
                point[term.theta] = part
                out.append(point)
        return out

    def residual_state(self, theta: Floats, value: float) -> Residual:
        """Whether sigma is identified; see :func:`mixedscope.model.residual.residual_state`."""
        if self.system.design.weights is not None:
            return "identified"
        return residual_state(self, theta, value)

    def rank_deficient(self, theta: Floats, tol: float = 1e-4) -> bool:
        """Whether a relative covariance factor has less than the rank of its structure.

        `tol` is the standard deviation, over sigma, that counts as none, for columns of unit
        root mean square. Directions that a structure of reduced rank leaves out are not meant.
        """
        factors = self.factors(np.asarray(theta, dtype=float))
        for term, factor in zip(self.system.terms, factors, strict=True):
            if term.rank == term.size and _is_clearly_regular(factor, tol):
                continue
            if np.linalg.svd(factor, compute_uv=False)[term.rank - 1] <= tol:
                return True
        return False

    def limited_threads(self) -> AbstractContextManager[None]:
        """Hold all linear algebra, numpy's too, to the engine's threads during a fit."""
        return limited_for(self.system.n if self.system.blocked.small else sys.maxsize)

    def moment_start(self) -> Floats:
        """Theta estimated by moments, see :func:`mixedscope.model.starting.moment_start`."""
        from mixedscope.model.starting import moment_start

        return moment_start(self)

    def initial_hessian(self, theta: Floats) -> Floats:
        """Expected, or average, information at theta, (k, k), in theta units."""
        from mixedscope.model import starting

        if self.entries is not None:
            return starting.expected_information(self, theta)
        return starting.average_information(self, theta)

    @cached_property
    def coordinates(self) -> Floats | None:
        """Better coordinates than scaled theta where columns are nearly collinear, else None."""
        own = [t.coordinates for t in self.system.terms]
        if all(c is None for c in own):
            return None
        out = np.diag(self.scale)
        for term, block in zip(self.system.terms, own, strict=True):
            if block is not None:
                out[term.theta, term.theta] = block
        return out

    @property
    def is_compiled(self) -> bool:
        """Whether the model is of a kind that `quasi_newton` serves."""
        small = self.system.blocked.small is not None and self.entries is not None
        return small or self.has_scoring

    @cached_property
    def has_scoring(self) -> bool:
        """Whether the model is searched by scoring, see :mod:`mixedscope.model.scoring`."""
        if self.entries is None or self.system.blocked.small is not None:
            return False
        from mixedscope.model.scoring import is_scorable

        return is_scorable(self.system.blocked)

    @property
    def is_quick(self) -> bool:
        """Whether an evaluation in compiled code takes some microseconds."""
        if self.system.blocked.small is None or self.entries is None:
            return False
        cross = self.system.cross
        return len(cross.rest) ** 3 + sum(s.u.size for s in cross.stages) <= _QUICK

    def quasi_newton(
        self, theta: Floats, tolerance: float, most: int
    ) -> SmallSearch | ScoringSearch | None:
        """Search for the optimum in compiled code, or with much information, where that is faster.

        Parameters
        ----------
        theta : (k,) array
            Where to start.
        tolerance : float
            Newton decrement at which to stop, deviance units.
        most : int
            Evaluations at most.

        Returns
        -------
        SmallSearch, ScoringSearch or None
            Every evaluation made, in order; None for models of other kinds.
        """
        if self.has_scoring:
            from mixedscope.model.scoring import search_scoring

            return search_scoring(self, theta, tolerance, most)
        small = self.system.blocked.small
        if small is None or self.entries is None:
            return None
        from mixedscope.model.search import SmallSearch, search_small

        return SmallSearch(self, search_small(self, small, theta, tolerance, most))

    def _evaluate_small(self, small: SmallSystem, thetas: Floats) -> Batch:
        """Evaluate with gradients at every row of `thetas`, internal units."""
        assert self.entries is not None
        if not math.isfinite(thetas.sum()) and not np.isfinite(thetas).all():
            raise FloatingPointError("theta is not finite.")
        places, scales = self.entries
        return small.evaluate(places, thetas * scales, self.degrees, reml=self.reml, derive=True)

    def describe_row(self, batch: Batch, row: int) -> Evaluation | None:
        """Give one evaluation of a batch in the units of the response; None if it failed."""
        log_det, log_det_fixed, pwrss, penalty = batch.parts[row].tolist()
        if not pwrss > 0.0:
            return None
        solution = Solution(log_det, log_det_fixed, pwrss, penalty, batch.betas[row])
        point = batch.points[row]
        evaluation = self._describe(solution, float(point.dot(point)))
        return evaluation if math.isfinite(evaluation.objective) else None

    def _solve(self, theta: Floats) -> tuple[list[Floats], Solution]:
        theta = np.asarray(theta, dtype=float)
        if not math.isfinite(theta.sum()):
            raise FloatingPointError("theta is not finite.")
        factors = self.factors(theta)
        return factors, self.system.blocked.solve(factors)

    def factors(self, theta: Floats) -> list[Floats]:
        """Relative covariance factors for the internal units, to be read before the next call."""
        if self.entries is None:
            return self.system.standard_factors(theta)
        places, scales = self.entries
        self._factors[places] = theta * scales
        return self._views

    def _all_entries(self) -> tuple[NDArray[np.intp], Floats] | None:
        """Where theta stands among the factors, one after another, if that is all it does."""
        places, scales = [], []
        first = 0
        for term in self.system.terms:
            own = term.entries()
            if own is None:
                return None
            places.append(own[0] + first if first else own[0])
            scales.append(own[1])
            first += term.size**2
        return joined(places), joined(scales)

    def describe(self, factors: Sequence[Floats], solution: Solution) -> Evaluation:
        """Bring a solution of the system for these factors to the units of the response."""
        return self._describe(solution, sum(float(np.vdot(f, f)) for f in factors))

    def criterion(self, log_det: float, log_det_fixed: float, pwrss: float) -> float:
        """Objective of the parts of a solution, see `Solution`; NaN without residual."""
        if not pwrss > 0.0:
            return math.nan
        variance = pwrss * self.system.y_scale**2 / self.degrees
        value = log_det + self.degrees * (1.0 + math.log(2.0 * math.pi * variance))
        value -= self.system.log_weights
        return value + (log_det_fixed + self.system.basis.log_det) if self.reml else value

    def rounding(self, solution: Solution, squares: float) -> float:
        """Bound the rounding error of a solution for factors of this sum of squares."""
        beta = solution.beta
        return rounding_bound(
            n=self.system.n,
            degrees=self.degrees,
            squares=squares,
            pwrss=solution.pwrss,
            log_det_fixed=solution.log_det_fixed,
            coefficients=float(beta.dot(beta)),
            fixed=len(beta) if self.reml else 0,
            exact_pivots=self._has_exact_pivots,
        )

    def _describe(self, solution: Solution, squares: float) -> Evaluation:
        """Bring a solution to the units of the response; see `rounding` for `squares`."""
        unit = self.system.y_scale**2
        log_det, log_det_fixed, pwrss, penalty, beta = solution
        return Evaluation(
            objective=float(self.criterion(log_det, log_det_fixed, pwrss)),
            beta=self.system.beta(beta),
            sigma=math.sqrt(pwrss * unit / self.degrees),
            log_det=log_det,
            residual_ss=(pwrss - penalty) * unit,
            penalty=penalty * unit,
            rounding=self.rounding(solution, squares),
        )
