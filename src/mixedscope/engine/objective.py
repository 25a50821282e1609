"""The profiled objective: -2 log-likelihood, or REML criterion, as a function of theta alone.

From theta to a value, and back to a gradient; beta and sigma come with the solution::

    theta --> factors: Lambda --> BlockedSystem.solve --> Solution: log|L|**2, log|R_X|**2, r**2
      |                                    |                              |
      |                                    v                              v
    gradient <-- pullback <-- BlockedSystem.derivatives        criterion; beta, sigma

with ``criterion = log|L|**2 + degrees (1 + log(2 pi r**2 / degrees))``, plus ``log|R_X|**2`` under
REML, less the logarithms of the weights. Where the design knows sigma it begins with ``log|L|**2 +
r**2 / sigma**2 + degrees log(2 pi sigma**2)``. Cross-products and pattern know nothing of it.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.core.vocabulary import CRITERION_NAMES
from mixedscope.engine.compile.compile_clock import compiling_seconds
from mixedscope.engine.evaluation import Solution, gradients_by_row
from mixedscope.engine.group_effects import inverse_of_lower, joined, numbered_apart
from mixedscope.engine.kernels.criterion import criterion_of
from mixedscope.engine.lapack import limited_for
from mixedscope.engine.layout import squares
from mixedscope.engine.rounding import (
    LARGE_RATIO,
    NOTHING_LEFT,
    RoundingBounds,
    largest_ratio,
    loses_digits,
)
from mixedscope.engine.small import Batch, SmallSystem
from mixedscope.engine.system import ProfiledSystem

if TYPE_CHECKING:
    from mixedscope.engine.precise import PreciseSystem

__all__ = ["Evaluation", "ProfiledObjective", "ProfiledSystem"]

Floats = NDArray[np.float64]


class ProfiledObjective(ABC):
    """The objective as it is evaluated; made as `engine.search.searchable.SearchableObjective`.

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
        ``theta * scale`` is theta for columns of unit root mean square, or that of `unit`.
    edges : (k,) array
        Sizes of theta at which a covariance is singular; NaN where there are none.
    unit : float
        Root mean square of the columns that start, scale and coordinates are for.
    columns : (k,) array of int
        Which parameters are entries of one column of a factor; -1 for those of none.
    parts : tuple of str
        What an evaluation yields beside objective and fixed effects.
    """

    parts: tuple[str, ...] = ("sigma", "log_det", "residual_ss", "penalty")

    unit: float = 1.0

    compiling_seconds = staticmethod(compiling_seconds)

    def __init__(self, system: ProfiledSystem, *, reml: bool = False) -> None:
        self.system = system
        self.reml = reml
        self.theta_names = tuple(name for t in system.terms for name in t.theta_names())
        self.beta_names = system.fixed_names
        self.start = joined([t.start_of(self.unit) for t in system.terms])
        self.lower = joined([t.lower for t in system.terms])
        self.scale = joined([t.scale_of(self.unit) for t in system.terms])
        self.edges = joined([t.edges for t in system.terms])
        self.columns = numbered_apart([t.columns for t in system.terms])
        # Only REML asks for what the basis leaves out of the fixed effects' determinant.
        self._log_det_basis = system.basis.log_det if reml else 0.0
        self.count_rows()
        self._factors = np.zeros(sum(t.size**2 for t in system.terms))
        self._views = squares(self._factors, [t.size for t in system.terms])
        self.entries = self._all_entries()
        self._bounded = np.flatnonzero(self.lower == 0.0).tolist()
        self._hiding = [t for t in system.terms if any(s.hides_directions for s in t.structures)]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's factors are views of its own entries again."""
        self.__dict__.update(state)
        self._views = squares(self._factors, [len(view) for view in self._views])

    def count_rows(self) -> None:
        """Take the number of observations from the system, where it has changed."""
        system = self.system
        n_fixed = len(system.basis.kept) if self.reml else 0
        self.degrees = system.n - n_fixed
        self._bounds = RoundingBounds(
            system.n,
            self.degrees,
            n_fixed,
            exact_pivots=len(system.terms) == 1 and system.terms[0].size == 1,
        )

    @property
    def criterion_name(self) -> str:
        """What the objective is called in words."""
        return CRITERION_NAMES["REML" if self.reml else "ML"]

    def evaluate(self, theta: Floats) -> Evaluation:
        """Evaluate the objective.

        Parameters
        ----------
        theta : (k,) array
            Relative covariance parameters; values outside the bounds are legal.

        Raises
        ------
        FloatingPointError
            If theta is not finite, the factorisation breaks down, or rounding leaves nothing of
            the residual.
        """
        return self._evaluate(theta, self.system.variance)[1]

    def evaluate_gradient(self, theta: Floats) -> tuple[Evaluation, Floats]:
        """Evaluate the objective and its exact gradient, shape (k,)."""
        return self._evaluate_gradient(theta, self.system.variance)

    def evaluate_at_sigma(self, theta: Floats, sigma: float) -> tuple[Evaluation, Floats, float]:
        """Evaluate -2 log-likelihood, or the REML criterion, where sigma is given too.

        It is ``log|L|**2 + r**2 / sigma**2 + degrees log(2 pi sigma**2)`` plus ``log|R_X|**2``
        under REML, less the logarithms of the weights: what `evaluate` gives, at its own sigma.

        Parameters
        ----------
        theta : (k,) array
            Relative covariance parameters: the covariance is ``sigma**2 Lambda Lambda'``.
        sigma : float
            Residual standard deviation, units of the response, above zero.

        Returns
        -------
        evaluation : Evaluation
            At this sigma; the fixed effects do not depend on it.
        gradient : (k,) array
            By theta, sigma fixed; exact.
        slope : float
            Derivative by the logarithm of sigma, theta fixed.

        Raises
        ------
        FloatingPointError
            As `evaluate`; also if sigma, or its square, is not a number above zero.
        """
        variance = (sigma / self.system.y_scale) ** 2
        if not (sigma > 0.0 and 0.0 < variance < math.inf):
            raise FloatingPointError("sigma is not a finite number above zero.")
        evaluation, gradient = self._evaluate_gradient(theta, variance)
        squares = (evaluation.residual_ss + evaluation.penalty) / sigma**2
        return evaluation, gradient, 2.0 * (self.degrees - squares)

    def _evaluate_gradient(self, theta: Floats, variance: float) -> tuple[Evaluation, Floats]:
        """Evaluate with gradient where sigma**2, internal units, is known, or profiled out (0)."""
        small = self.system.blocked.small
        if small is not None and self.entries is not None:
            theta = np.asarray(theta, dtype=float)
            batch = self._evaluate_small(small, theta[None, :], variance)
            plain = self.describe_row(batch, 0, variance)
            if plain is not None and not self._is_lossy(plain, [batch.points[0]]):
                return plain, self.slope_to_theta(batch.gradients[0])
        solution, evaluation, precise = self._evaluate(theta, variance)
        factors = self.factors(theta)
        if precise is not None:
            derivatives = precise.derivatives(
                factors, self.degrees, reml=self.reml, variance=variance
            )
        else:
            derivatives = self.system.blocked.derivatives(
                factors, solution, self.degrees, reml=self.reml, variance=variance
            )
        if self.entries is not None:
            flat = joined([d.ravel() for d in derivatives])
            return evaluation, self.slope_to_theta(flat[self.entries[0]])
        gradient = [
            t.pullback(theta[t.theta], d)
            for t, d in zip(self.system.terms, derivatives, strict=True)
        ]
        return evaluation, np.concatenate(gradient)

    def gradients(self, thetas: Floats) -> Floats:
        """Exact gradients (m, k) at every row of `thetas` (m, k); NaN where one fails."""
        small = self.system.blocked.small
        if small is not None and self.entries is not None:
            batch = self._evaluate_small(small, thetas, self.system.variance)
            # A finite sum has finite terms only; where one overflows, row by row will do.
            if math.isfinite(batch.gradients.sum()) and self.count_sound(batch) == len(thetas):
                return self.slope_to_theta(batch.gradients)
        return gradients_by_row(self.evaluate_gradient, thetas)

    @abstractmethod
    def moment_start(self) -> Floats:
        """Theta by moments; `SearchableObjective` has it, and whatever else searches ask for."""

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

    def unidentified(self, theta: Floats) -> list[dict[str, Any]]:
        """Parameters the data do not determine; see `mixedscope.engine.identification`."""
        from mixedscope.engine.identification import unidentified

        return unidentified(self.system, theta, reml=self.reml)

    @cached_property
    def n_identified(self) -> int:
        """Number of parameters that data of this design can determine: the degrees of freedom."""
        from mixedscope.engine.identification import count_unidentified

        missing = count_unidentified(self.system, reml=self.reml)
        is_estimated = self.system.design.sigma is None
        return len(self.beta_names) + len(self.theta_names) + is_estimated - missing

    @property
    def uncentred(self) -> tuple[tuple[str, str], ...]:
        """Columns too far from zero for their structure: names of the column and of its group."""
        return tuple((name, t.group) for t in self.system.terms for name in t.uncentred)

    def rank_deficient(self, theta: Floats, tol: float = 1e-4) -> bool:
        """Whether a relative covariance factor has less than the rank of its structure.

        `tol` is the standard deviation, over sigma, that counts as none, for columns of unit
        root mean square. Directions that a structure of reduced rank leaves out are not meant.
        """
        factors = self.factors(np.asarray(theta, dtype=float))
        terms = zip(self.system.terms, factors, strict=True)
        return any(term.is_deficient(factor, tol) for term, factor in terms)

    def limited_threads(self) -> AbstractContextManager[None]:
        """Hold all linear algebra, numpy's too, to the engine's threads during a fit."""
        system = self.system
        return limited_for(
            system.n if system.blocked.small else sys.maxsize, system.basis.q.shape[1]
        )

    @cached_property
    def coordinates(self) -> Floats | None:
        """Better coordinates than scaled theta where columns are nearly collinear, else None."""
        own = [t.coordinates_of(self.unit) for t in self.system.terms]
        if all(c is None for c in own):
            return None
        out = np.diag(self.scale)
        for term, block in zip(self.system.terms, own, strict=True):
            if block is not None:
                out[term.theta, term.theta] = block
        return out

    def _evaluate_small(self, small: SmallSystem, thetas: Floats, variance: float) -> Batch:
        """Evaluate with gradients at every row of `thetas`, internal units."""
        assert self.entries is not None
        if not math.isfinite(thetas.sum()) and not np.isfinite(thetas).all():
            raise FloatingPointError("theta is not finite.")
        points = self.to_entries(thetas)
        return small.evaluate(
            self.entries[0], points, self.degrees, reml=self.reml, derive=True, variance=variance
        )

    # Where theta stands for entries of factors, these are its multiples, or mixtures of it.

    def to_entries(self, theta: Floats) -> Floats:
        """Entries (..., k) of the engine's factors for theta (..., k)."""
        assert self.entries is not None
        return theta * self.entries[1] if self.coordinates is None else theta @ self.coordinates.T

    def from_entries(self, points: Floats) -> Floats:
        """Theta (..., k) for entries (..., k) of the engine's factors."""
        assert self.entries is not None
        return points / self.entries[1] if self._unmix is None else points @ self._unmix.T

    def slope_to_theta(self, slope: Floats) -> Floats:
        """Gradient (..., k) by theta of one by the entries of the engine's factors."""
        assert self.entries is not None
        return slope * self.entries[1] if self.coordinates is None else slope @ self.coordinates

    @cached_property
    def _unmix(self) -> Floats | None:
        """Inverse of the coordinates."""
        return None if self.coordinates is None else inverse_of_lower(self.coordinates)

    def describe_row(
        self, batch: Batch, row: int, variance: float | None = None
    ) -> Evaluation | None:
        """Give one evaluation of a batch in the units of the response; None if it failed."""
        log_det, log_det_fixed, pwrss, penalty = batch.parts[row].tolist()
        if not pwrss > 0.0:
            return None
        solution = Solution(log_det, log_det_fixed, pwrss, penalty, batch.betas[row])
        point = batch.points[row]
        evaluation = self._describe(solution, float(point.dot(point)), variance=variance)
        return evaluation if math.isfinite(evaluation.objective) else None

    def count_sound(self, batch: Batch) -> int:
        """Number of rows before the first in which rounding is worth more digits.

        Rows that failed are passed over, unless it is the first.
        """
        smallest = min(batch.parts[:, 2].tolist())
        # NaN, where an evaluation failed, leads to a closer look.
        if largest_ratio(self.system.n, smallest, [batch.points]) <= LARGE_RATIO:
            return len(batch.points)
        for row, point in enumerate(batch.points):
            plain = self.describe_row(batch, row)
            if (plain is None and row == 0) or (plain and self._is_lossy(plain, [point])):
                return row
        return len(batch.points)

    def _evaluate(
        self, theta: Floats, variance: float
    ) -> tuple[Solution, Evaluation, PreciseSystem | None]:
        """Solve the system and describe the solution; also what more digits came from, if any."""
        theta = np.asarray(theta, dtype=float)
        if not math.isfinite(theta.sum()):
            raise FloatingPointError("theta is not finite.")
        factors = self.factors(theta)
        try:
            solution = self.system.blocked.solve(factors)
            evaluation = self.describe(factors, solution, variance=variance)
            if not self._is_lossy(evaluation, factors):
                return solution, evaluation, None
        except FloatingPointError:
            if self.system.precise is None:
                raise
        precise = self.system.precise
        if precise is not None:
            solution = precise.solve(factors)
            self.system.solved_precisely()
            evaluation = self.describe(factors, solution, precise=True, variance=variance)
        if evaluation.rounding > NOTHING_LEFT:
            raise FloatingPointError("The residual standard deviation is zero to rounding.")
        return solution, evaluation, precise

    def _is_lossy(self, evaluation: Evaluation, factors: Sequence[Floats]) -> bool:
        """Whether an evaluation for factors, or their entries, lost digits worth having."""
        if not loses_digits(evaluation.rounding, evaluation.objective):
            return False
        pwrss = (evaluation.residual_ss + evaluation.penalty) / self.system.y_scale**2
        return largest_ratio(self.system.n, pwrss, factors) > LARGE_RATIO

    def factors(self, theta: Floats) -> list[Floats]:
        """Relative covariance factors for the internal units, to be read before the next call."""
        if self.entries is None:
            return self.system.standard_factors(theta)
        self._factors[self.entries[0]] = self.to_entries(theta)
        return self._views

    def _all_entries(self) -> tuple[NDArray[np.intp], Floats] | None:
        """Positions and scales of theta among elements of all Λ; None if Λ is not linear in it.

        With ``Λ.ravel()`` of all grouping factors joined, ``entries[positions] = theta * scales``.
        """
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

    def describe(
        self,
        factors: Sequence[Floats],
        solution: Solution,
        *,
        precise: bool = False,
        variance: float | None = None,
    ) -> Evaluation:
        """Bring a solution of the system for these factors to the units of the response.

        Where sigma**2 is known and not profiled out (0), it is `variance`, internal units; by
        default that of the model.
        """
        if factors is self._views:
            squares = float(self._factors.dot(self._factors))
        else:
            squares = sum([float(np.vdot(f, f)) for f in factors])
        return self._describe(solution, squares, precise=precise, variance=variance)

    def criterion(
        self, log_det: float, log_det_fixed: float, pwrss: float, variance: float | None = None
    ) -> float:
        """Objective of the parts of a solution, see `Solution`; NaN without residual.

        ``variance`` is that of :meth:`describe`.
        """
        variance = self.system.variance if variance is None else variance
        if not pwrss > 0.0:
            return math.nan
        unit = self.system.y_scale**2
        if variance > 0.0:
            residual = pwrss / variance + self.degrees * math.log(2.0 * math.pi * variance * unit)
        else:
            own = pwrss * unit / self.degrees
            residual = self.degrees * (1.0 + math.log(2.0 * math.pi * own))
        value = criterion_of(log_det, log_det_fixed + self._log_det_basis, residual, self.reml)
        return value - self.system.log_weights

    def _describe(
        self,
        solution: Solution,
        squares: float,
        *,
        precise: bool = False,
        variance: float | None = None,
    ) -> Evaluation:
        """Bring a solution to the units of the response; see `RoundingBounds` for `squares`."""
        variance = self.system.variance if variance is None else variance
        unit = self.system.y_scale**2
        log_det, log_det_fixed, pwrss, penalty, beta = solution
        return Evaluation(
            objective=float(self.criterion(log_det, log_det_fixed, pwrss, variance)),
            beta=self.system.beta(beta),
            sigma=self._sigma(pwrss, variance),
            log_det=log_det,
            residual_ss=(pwrss - penalty) * unit,
            penalty=penalty * unit,
            rounding=self._bounds.of(
                squares,
                pwrss,
                log_det_fixed,
                float(beta.dot(beta)),
                precise=precise,
                share=pwrss / (self.degrees * variance) if variance > 0.0 else 1.0,
            ),
        )

    def _sigma(self, pwrss: float, variance: float) -> float:
        """Residual standard deviation, units of the response; one that is known to the bit."""
        known = self.system.design.sigma
        if known is not None and variance == self.system.variance:
            return known
        unit = self.system.y_scale**2
        return math.sqrt(variance * unit if variance > 0.0 else pwrss * unit / self.degrees)
