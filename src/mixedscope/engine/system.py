"""A design brought to the internal units of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError
from mixedscope.core.wording import counted
from mixedscope.design.design import Design
from mixedscope.engine.basis import FixedBasis, fixed_basis
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.group_effects import LARGEST, GroupEffects, group_effects
from mixedscope.engine.lapack import limited_for
from mixedscope.engine.precise import MOST_COLUMNS, PreciseSystem, is_affordable
from mixedscope.engine.products import GroupColumns, cross_products
from mixedscope.engine.solvers import System, factorisation_of, products_of
from mixedscope.engine.sparse.products import SparseProducts

__all__ = ["ProfiledSystem", "estimable_columns", "has_intercept"]

Floats = NDArray[np.float64]


def has_intercept(design: Design) -> bool:
    """Whether the first fixed effect is the intercept."""
    return design.x_names[:1] == ("(Intercept)",)


def estimable_columns(design: Design) -> NDArray[np.intp]:
    """Columns of X, ascending, whose fixed effects a design can tell from those before them."""
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    return fixed_basis(design.X * root[:, None], intercept=has_intercept(design)).kept


class ProfiledSystem:
    """A design brought to the internal units of the engine, with its factorisation.

    Internally the fixed effects are an orthonormal basis, the response its residual on that basis
    in units of its root mean square, the random-effects columns have unit root mean square.

    For other rooms it is the only way to the factorisation. There are n observations and r fixed
    effects that are estimated; a grouping factor has q levels and k columns. What is told "after a
    solution" is that of the last one, made by :meth:`solve` or by an evaluation of an objective:

    ========================================  ====================================================
    solution at theta                         :meth:`solve`, :meth:`standard_factors`
    of other responses                        :meth:`with_response`, :meth:`solver`
    coefficients                              :meth:`modes`, :meth:`beta`, :meth:`beta_given`
    their covariances                         :meth:`conditional_covariances`,
                                              :meth:`conditional_sds`, :meth:`beta_covariance`,
                                              :mod:`mixedscope.engine.marginal`
    log-determinants                          :class:`~mixedscope.engine.evaluation.Solution`,
                                              :meth:`log_det_fixed`
    leverages                                 :mod:`mixedscope.engine.observations`
    sums of leverages                         :meth:`derivatives_of_determinants`
    least squares without a penalty           :mod:`mixedscope.engine.least_norm`
    on and off the fixed effects              :attr:`fixed_columns`, :meth:`project`,
                                              :meth:`fixed_coefficients`, :meth:`fixed_part`,
                                              :meth:`sums_of_kept`
    random effects to rows, rows to levels    :meth:`random_part`, :meth:`sums_by_level`
    ========================================  ====================================================

    Parameters
    ----------
    design : Design

    Attributes
    ----------
    n : int
    terms : tuple of GroupEffects
        A grouping factor each, in the order of the model.
    factors : tuple of GroupColumns
        Levels of the observations and internal columns of each.
    root_weights : (n,) array
        What rows are multiplied by internally.
    log_weights : float
        Sum of the logarithms of the weights.
    response : (n,) array
        Internal units.
    y_scale : float
        Its unit, in units of the data.
    why_solver : str
        Why the system is solved as it is, in words; empty where nothing was to be chosen.
    is_sparse : bool
        Whether one sparse factor solves it.
    r_inverse : (r, r) array
        Fixed effects are this times the coefficients of the orthonormal basis.

    Raises
    ------
    DataError
        If the fixed effects explain the response exactly.
    ModelError
        If the design has no random effects.
    """

    is_sparse = False

    def __init__(self, design: Design) -> None:
        if not design.random:
            raise ModelError(
                "The formula has no random-effects term; add one such as (1 | group), or fit an "
                "ordinary linear model."
            )
        self.design = design
        self.n = len(design.y)
        self.root_weights = np.ones(self.n) if design.weights is None else np.sqrt(design.weights)
        with limited_for(self.n, design.X.shape[1]):
            self._prepare()

    def _prepare(self) -> None:
        """Form everything that does not change with theta."""
        design = self.design
        # Nothing of large data is multiplied by ones.
        root = None if design.weights is None else self.root_weights
        self.terms: tuple[GroupEffects, ...] = group_effects(design.random, root)
        self.log_weights = 0.0 if root is None else 2.0 * float(np.log(root).sum())
        self.basis: FixedBasis = fixed_basis(
            design.X if root is None else design.X * root[:, None],
            intercept=has_intercept(design),
        )
        if self.n <= len(self.basis.kept):
            raise DataError(
                f"The model has {counted(len(self.basis.kept), 'fixed effect')} for "
                f"{counted(self.n, 'observation')}; leave out fixed effects or add data."
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
        if design.sigma is not None and not 0.0 < self.variance < np.inf:
            raise ModelError(
                f"sigma = {design.sigma:g} is too far from the size of the response "
                f"{design.response!r}, about {self.y_scale:.2g}: the square of their ratio is "
                "beyond the range of floating-point numbers."
            )
        self.response = residual / self.y_scale
        self.factors = tuple(
            GroupColumns(t.group, len(t.design.levels), t.design.codes, t.standard)
            for t in self.terms
        )
        self._projection = self.basis.q.T @ weighted
        self.r_inverse = self.basis.r_inverse
        self._form()

    def _form(self) -> None:
        """Form the cross-products, and make room for their factorisation."""
        self.cross, self.why_solver = products_of(
            self.design.solver, self.factors, self.basis, self.response
        )
        self.blocked: System = factorisation_of(self.cross)
        self.is_sparse = isinstance(self.cross, SparseProducts)
        self._precise_after = -1

    def project(self, values: Floats) -> Floats:
        """Residual of weighted values (n,) on the fixed effects."""
        rows = self.basis.q.T
        residual = values - (rows @ values) @ rows
        residual -= (rows @ residual) @ rows  # twice is enough, see basis.py
        return residual

    def fixed_coefficients(self, values: Floats) -> Floats:
        """Coefficients (..., r) on the orthonormal basis of weighted values (..., n)."""
        return values @ self.basis.q

    def fixed_part(self, coefficients: Floats) -> Floats:
        """Weighted values (..., n) of coefficients (..., r) on the orthonormal basis."""
        return coefficients @ self.basis.q.T

    def with_response(self, response: Floats) -> ProfiledSystem:
        """Give the same system for another response (n,), in the same internal units."""
        weighted = response * self.root_weights
        other = copy(self)
        other.design = replace(self.design, y=response)
        other.response = self.project(weighted) / self.y_scale
        other.cross = self.cross.with_response(other.response)
        other.blocked = factorisation_of(other.cross)
        other._precise_after = -1
        other._projection = self.basis.q.T @ weighted
        other.__dict__.pop("_precise", None)
        return other

    def solver(self, response: Floats) -> System:
        """Give the factorisation for one or several other responses, which leaves this one alone.

        ``response`` (n,) or (n, m): internal units, clear of the fixed effects (:meth:`project`).
        Its ``solve(factors)`` gives a `Solution`, after which ``modes()`` are internal (q, k);
        ``trailing_factor(factors, m)`` is the triangle (m, m) of the last m of several responses.
        """
        return factorisation_of(self.cross.with_response(response))

    @property
    def precise(self) -> PreciseSystem | None:
        """The same system with twice the digits; None if that would take too long.

        None, too, while refits have lent the system the factorisation of another response.
        """
        return self._precise if self.blocked.cross is self.cross else None

    @cached_property
    def _precise(self) -> PreciseSystem | None:
        cross = self.cross
        if isinstance(cross, SparseProducts):
            if cross.pattern.n_columns > MOST_COLUMNS:
                return None
            cross = cross_products(self.factors, self.basis, self.response)
        if not is_affordable(cross, self.n):
            return None
        return PreciseSystem(cross, np.column_stack([self.basis.q, self.response]))

    def random_part(self, modes: Sequence[Floats]) -> Floats:
        """``Z b`` (n,) of modes (q, k) per grouping factor, all on the internal scale."""
        total = np.zeros(self.n)
        for factor, b in zip(self.factors, modes, strict=True):
            total += np.einsum("ij,ij->i", factor.z, b[factor.codes])
        return total

    def sums_by_level(self, position: int, columns: Floats) -> Floats:
        """Sums (q, m) of columns (n, m) over the rows of every level of one grouping factor."""
        factor = self.factors[position]
        return sums_by_level(factor.codes, columns, factor.n_levels)

    @property
    def variance(self) -> float:
        """Residual variance, internal units, where sigma is known; 0 where it is estimated."""
        known = self.design.sigma
        return 0.0 if known is None else (known / self.y_scale) ** 2

    @property
    def projection(self) -> Floats:
        """Coefficients (r,) of the weighted response on the basis, units of the data."""
        return self._projection

    @property
    def kept(self) -> NDArray[np.intp]:
        """Columns of X (r,), ascending, whose fixed effects are estimated."""
        return self.basis.kept

    @property
    def n_fixed(self) -> int:
        """Number r of fixed effects that are estimated."""
        return len(self.basis.kept)

    def sums_of_kept(self, columns: NDArray[np.intp]) -> Floats:
        """Columns of X that were left out as sums of those kept: coefficients (r, columns)."""
        weighted = self.design.X[:, columns].T * self.root_weights
        return np.asarray(self.r_inverse @ self.fixed_coefficients(weighted).T)

    @property
    def fixed_columns(self) -> Floats:
        """Columns (n, r) of X whose fixed effects are estimated, units of the data; a copy."""
        return self.design.X[:, self.basis.kept]

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

    def solve(self, factors: Sequence[Floats]) -> Solution:
        """Factorise and solve; what is told after a solution is from then on told of this one.

        ``factors`` (k, k): relative covariance factors for columns of unit root mean square, one
        per grouping factor. Raises FloatingPointError if the system is not positive definite to
        rounding.
        """
        return self.blocked.solve(factors)

    def log_det_fixed(self, solution: Solution) -> float:
        """``log |X' inv(V) X|`` for weighted columns as they are, V the covariance over sigma²."""
        return solution.log_det_fixed + self.basis.log_det

    def derivatives_of_determinants(
        self, factors: Sequence[Floats], solution: Solution
    ) -> list[Floats]:
        """Derivatives of ``log_det + log_det_fixed`` by every factor, after :meth:`solve` with it.

        Arrays (k, k) of which only the lower triangles mean anything. Overwrites the factorisation;
        solve again before asking for anything else.
        """
        # Without degrees of freedom for the residual the determinants are left of the objective.
        return self.blocked.derivatives(factors, solution, 0, reml=True)

    def beta(self, coefficients: Floats) -> Floats:
        """Fixed effects (..., r), units of the data, of coefficients (..., r) of the basis."""
        all_of_it = coefficients * self.y_scale + self._projection
        return np.asarray((self.r_inverse @ all_of_it[..., None])[..., 0])

    def beta_given(self, random_part: Floats) -> Floats:
        """Least-squares fixed effects given ``Z b`` (n,) on the internal scale."""
        rest = self.basis.q.T @ (random_part * self.y_scale)
        return np.asarray(self.r_inverse @ (self._projection - rest), dtype=float)

    def solved_precisely(self) -> None:
        """Note that the last solution is that of `precise`, not of `blocked`."""
        self._precise_after = self.blocked.solves

    @property
    def _solved(self) -> System | PreciseSystem:
        """What holds the last solution."""
        if self.precise is not None and self._precise_after == self.blocked.solves:
            return self.precise
        return self.blocked

    def beta_covariance(self, sigma: float) -> Floats:
        """Covariance of the fixed effects (r, r), after a solution."""
        half = np.linalg.solve(self._solved.fixed_factor(), self.r_inverse.T)
        return np.asarray(sigma**2 * half.T @ half)

    def modes(self) -> list[Floats]:
        """Conditional modes of the last solution per grouping factor (q, k), units of the data."""
        return [self.in_data_units(i, b) for i, b in enumerate(self._solved.modes())]

    def in_data_units(self, position: int, modes: Floats) -> Floats:
        """Bring internal modes (q, k) of one grouping factor to the units of the data."""
        return self.terms[position].data_modes(modes * self.y_scale)

    def conditional_sds(self, sigma: float) -> list[Floats]:
        """Conditional standard deviations of the modes (q, k), after a solution."""
        return [np.sqrt(np.einsum("qii->qi", c)) for c in self.conditional_covariances(sigma)]

    def conditional_covariances(self, sigma: float) -> list[Floats]:
        """Conditional covariances of the modes (q, k, k) given the fixed effects, after a solution.

        Overwrites the factorisation; solve again before asking for anything else.
        """
        return [
            t.data_covariances(c * sigma**2)
            for c, t in zip(self._solved.conditional_covariances(), self.terms, strict=True)
        ]
