"""The penalised least-squares problem of a mixed model, factorised block by block.

For given relative covariance factors the system

    [ Lambda'Z'Z Lambda + I   Lambda'Z'X   Lambda'Z'y ]
    [ X'Z Lambda              X'X          X'y        ]
    [ y'Z Lambda              y'X          y'y        ]

is factorised once; its determinants, the residual and the coefficients give the profiled
objective (Bates, Maechler, Bolker & Walker 2015, J. Stat. Softw. 67(1), eq. 34 and 41), and the
entries of its inverse on the pattern of the data the exact gradient and the conditional variances.
What holds which block of :mod:`mixedscope.engine.pattern` once it is factorised::

                  tier (`_work`)              rest and tail
    tier       | x, m beside d             |                            |  modes, forms
    rest, tail  | w, u less what tiers     | _s: lower triangle L;      |  _coefficient,
                | within have taken away    | upper and _diagonal A - C  |  _spherical

Per level ``x`` and ``m`` stand for the factor of the own block, see
:mod:`mixedscope.engine.kernels.elimination`; C is what the tiers take away from rest and tail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import lapack
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.generalized.products import WeightedProducts
from mixedscope.engine.heads import eliminate_heads, is_wide
from mixedscope.engine.kernels import elimination as kernels
from mixedscope.engine.kernels import inverse as kernels_inverse
from mixedscope.engine.kernels import scalar as kernels_scalar
from mixedscope.engine.kernels.criterion import residual_weight
from mixedscope.engine.kernels.working import put_rows
from mixedscope.engine.layout import (
    dense_rows,
    flattened,
    is_densely_crossed,
    nodes_of_rest,
    sparse_products,
    squeezed,
)  # fmt: skip
from mixedscope.engine.pattern import TierPattern
from mixedscope.engine.products import CrossProducts, WorkingProducts
from mixedscope.engine.second_derivatives import differentiate_twice
from mixedscope.engine.selected_inverse import TierInverse, apply_inverse, tier_inverses
from mixedscope.engine.small import SingleSystem, SmallSystem, TierWork, WholeSystem

__all__ = ["BlockedSystem", "Solution"]

Floats = NDArray[np.float64]

# Below this size a compiled loop beats the overhead of a LAPACK call.
SMALL = 24
# Models are worked on in compiled code as a whole if their rest and tail are no larger, and their
# sparse rows make no more products: beyond that the calls cost little beside BLAS and LAPACK.
WHOLE = 48
WHOLE_PRODUCTS = 300_000
# Up to this size the matrix of the rest stays in a cache of 16 MB (measured).
CACHED = 1400


class BlockedSystem:
    """Factorises the system of one set of cross-products again and again.

    Parameters
    ----------
    cross : CrossProducts
    most_products : int
        Products of sparse rows up to which a small system is worked on as a whole.

    Notes
    -----
    The arrays are reused from call to call; an instance is not safe for several threads.
    """

    def __init__(self, cross: CrossProducts, most_products: int = WHOLE_PRODUCTS) -> None:
        self.cross = cross
        self._most_products = most_products
        self.pattern = pattern = cross.pattern
        n = len(cross.rest)
        self._s = np.empty((n, n))
        self._diagonal = np.empty(n)
        self._spherical = np.empty(n)
        self._coefficient = np.empty(n)
        self._node, self._lam = nodes_of_rest(cross)
        # With one column a level, blocks of the rest are numbers: plain vectors serve.
        self._is_scalar = all(pattern.sizes[f] == 1 for f in pattern.rest_factors)
        self._scale = np.ones(n)
        self.small = self._make_small()
        self._work = (
            [TierWork.of(tier, is_first=i == 0) for i, tier in enumerate(cross.tiers)]
            if self.small is None
            else self.small.work
        )
        is_dense = self.small is None and self.is_densely_crossed
        self._dense_rows = dense_rows(cross) if is_dense else None
        self._dense_out = None if self._dense_rows is None else np.empty_like(self._dense_rows)
        # Where the arrays stand: the factors last solved for, what that gave, and how many were.
        self._last: tuple[list[Floats], Solution] | None = None
        self.solves = 0

    def reform(self, weights: Floats, response: Floats) -> None:
        """Factorise the same system with other weights (n,) and another response (n,) from now on.

        One pass over the observations; the pattern stays. For systems of `WorkingProducts`, or of
        `WeightedProducts`, whose ``reform`` says what the arguments mean.
        """
        if not isinstance(self.cross, WorkingProducts | WeightedProducts):
            raise TypeError("Only a system of WorkingProducts can be formed again.")
        with lapack.limited_for(len(weights)):
            self.cross.reform(weights, response)
        self._last = None
        if self.small is not None:
            self.small.reload(self.cross)
        if self._dense_rows is not None:
            own, tier = self.pattern.tiers[0], self.cross.tiers[0]
            put_rows(own.level, own.idx, tier.w, tier.u, self._dense_rows)

    @property
    def is_single(self) -> bool:
        """Whether there is but one grouping factor, in a small system."""
        return isinstance(self.small, SingleSystem)

    @property
    def is_densely_crossed(self) -> bool:
        """Whether the first factor meets so many columns of the rest that BLAS is faster."""
        return is_densely_crossed(self.pattern, len(self._s))

    def solve(self, factors: Sequence[Floats]) -> Solution:
        """Factorise the system and solve for all coefficients.

        Parameters
        ----------
        factors : sequence of (k, k) arrays
            Relative covariance factor of every grouping factor, in the order of the model, for
            columns of unit root mean square.

        Raises
        ------
        FloatingPointError
            If the system is not positive definite to rounding.
        """
        pattern, s = self.pattern, self._s
        self.solves += 1
        if self.small is not None:
            return self._solve_small(self.small, factors)
        if self._last is not None and all(map(np.array_equal, self._last[0], factors)):
            return self._last[1]
        log_det = self._assemble(factors)
        ok = kernels.cholesky_small(s) if len(s) <= SMALL else lapack.cholesky_lower(s)
        pivots = s.diagonal()
        if not ok or not np.isfinite(log_det) or not pivots[-1] > 0.0:
            raise FloatingPointError("The penalised system is not positive definite.")
        logs = np.log(pivots)
        penalty = kernels.back_solve_rest(
            s, self._node, self._lam, pattern.n_rest, self._spherical, self._coefficient
        )
        penalty += self._back_solve_tiers()
        n_rest = pattern.n_rest
        solution = Solution(
            log_det=log_det + 2.0 * float(logs[:n_rest].sum()),
            log_det_fixed=2.0 * float(logs[n_rest:-1].sum()),
            pwrss=float(pivots[-1]) ** 2,
            penalty=penalty,
            beta=self._coefficient[n_rest:-1].copy(),
        )
        self._last = [f.copy() for f in factors], solution
        return solution

    def trailing_factor(self, factors: Sequence[Floats], size: int) -> Floats:
        """Last rows and columns (size, size) of the Cholesky factor, for several responses.

        Directions that rounding leaves without length get none.
        """
        s = self._s
        self._assemble(factors)
        # A response that vanishes (theta at zero) would stop the factorisation.
        for i in range(len(s) - size, len(s)):
            s[i, i] += 1e-12 * (1.0 + s[i, i])
        if not lapack.cholesky_lower(s):
            raise FloatingPointError("The penalised system is not positive definite.")
        return np.tril(s[-size:, -size:])

    def solve_lower(self, right: Floats) -> None:
        """Overwrite rows (m, N) by ``inv(L) row``, L being rest's and tail's factor as solved."""
        lapack.solve_lower(self._s, right)

    def modes(self) -> list[Floats]:
        """Conditional modes of the last solution, per factor of the model (q, k), internally."""
        pattern = self.pattern
        out: list[Floats] = [np.empty(0)] * len(pattern.sizes)
        for tier, work in zip(pattern.tiers, self._work, strict=True):
            out[tier.factor] = work.modes.copy()
        for f, at in pattern.rest_columns():
            out[f] = self._coefficient[at]
        return out

    def blocks(self) -> list[Floats]:
        """Diagonal blocks (q, k, k) of ``Z' inv(V) Z`` per factor of the model, last solution.

        V is the covariance over sigma**2 of the observations with the random effects that were
        eliminated before the factor; those eliminated after it count as known.
        """
        pattern = self.pattern
        out: list[Floats] = [np.empty(0)] * len(pattern.sizes)
        for tier, work in zip(pattern.tiers, self._work, strict=True):
            out[tier.factor] = work.d
        for f, at in pattern.rest_columns():
            if at.shape[1] == 1:
                out[f] = self._diagonal[at][:, :, None]
                continue
            rows, cols = at[:, :, None], at[:, None, :]
            upper = self._s[np.minimum(rows, cols), np.maximum(rows, cols)]
            out[f] = np.where(rows == cols, self._diagonal[rows], upper)
        return out

    def fixed_factor(self) -> Floats:
        """Lower Cholesky factor (r, r) of the fixed effects' Schur complement, last solution."""
        return np.tril(self._s[self.pattern.n_rest : -1, self.pattern.n_rest : -1])

    def derivatives(
        self,
        factors: Sequence[Floats],
        solution: Solution,
        degrees: int,
        *,
        reml: bool,
        variance: float = 0.0,
    ) -> list[Floats]:
        """Differentiate the objective by every factor, after :meth:`solve` with the same ones.

        Parameters
        ----------
        factors : sequence of (k, k) arrays
        solution : Solution
        degrees : int
            n, or n - p under REML.
        reml : bool
        variance : float
            Residual variance, internal units, where it is known; 0 where it is profiled out.

        Returns
        -------
        list of (k, k) arrays
            Only the lower triangles mean anything.
        """
        if self.small is not None:
            return self._derive_small(self.small, factors, degrees, reml=reml, variance=variance)
        n_inverse = self.pattern.n_rest + (self.cross.n_tail - 1 if reml else 0)
        weight = residual_weight(solution.pwrss, degrees, variance)
        return self._derive(n_inverse, weight, until=1)[0]

    def derive_and_invert(
        self, factors: Sequence[Floats]
    ) -> tuple[list[Floats], tuple[Floats, list[TierInverse]]]:
        """Derivatives of the determinants, as :meth:`derivatives`, and :meth:`selected_inverse`."""
        if self.small is not None:
            has_fixed = self.cross.n_tail > 1
            found = self._derive_small(self.small, factors, 0, reml=has_fixed, variance=0.0)
            self.solve(factors)
            return found, self.selected_inverse()
        n_inverse = self.pattern.n_rest + self.cross.n_tail - 1
        out, inverse = self._derive(n_inverse, 0.0, until=0)
        return out, (self._s, inverse)

    def apply_inverse(self, sums: Sequence[Floats]) -> list[Floats]:
        """As `apply_inverse` of :mod:`selected_inverse` tells, after the inverse was selected.

        Without a rest after :meth:`solve`.
        """
        return apply_inverse(self.pattern, self._work, self._s, sums)

    def _derive(
        self, n_inverse: int, weight: float, until: int
    ) -> tuple[list[Floats], list[TierInverse]]:
        """Derivatives by the factors, and the inverse's rows of the tiers from `until` on."""
        out: list[Floats] = [np.zeros((k, k)) for k in self.pattern.sizes]
        self._invert(n_inverse)
        self._derive_rest(n_inverse, weight, out)
        self._select_inverse(n_inverse)
        inner, inverse = self._tier_inverses(n_inverse, until=until)
        for tier, work, forms in zip(self.pattern.tiers, self._work, inner, strict=True):
            kernels_inverse.derivative_tier(
                work.d, work.x, work.m, forms, work.forms, weight, out[tier.factor]
            )
        return out, inverse

    def second_derivatives(
        self, factors: Sequence[Floats], entries: NDArray[np.intp], degrees: int, variance: float,
        *, reml: bool,
    ) -> tuple[Floats, Floats]:  # fmt: skip
        """As `differentiate_twice` tells, after :meth:`solve` with the same factors."""
        solved = self._work[0].m, self._s, self._diagonal
        return differentiate_twice(
            self.cross, solved, factors, entries, degrees, reml=reml, variance=variance
        )

    def conditional_covariances(self) -> list[Floats]:
        """Conditional covariance of the modes over sigma**2, after :meth:`solve`.

        Given the fixed effects, as lme4's ``condVar``: the diagonal blocks (q, k, k) of
        ``Lambda inv(Lambda'Z'Z Lambda + I) Lambda'`` for every factor, internal units.
        """
        pattern = self.pattern
        self._invert(pattern.n_rest)
        self._select_inverse(pattern.n_rest)
        inner = self._tier_inverses(pattern.n_rest, until=1)[0]
        out: list[Floats] = [np.empty(0)] * len(pattern.sizes)
        for tier, work, forms in zip(pattern.tiers, self._work, inner, strict=True):
            out[tier.factor] = np.empty_like(work.m)
            kernels_inverse.level_inverse(work.m, forms, out[tier.factor])
        for f, at in pattern.rest_columns():
            rows, cols = at[:, :, None], at[:, None, :]
            out[f] = self._s[np.minimum(rows, cols), np.maximum(rows, cols)]
        return out

    def inverse_of_rest(self) -> tuple[Floats, list[TierWork]]:
        """Upper triangle of the inverse in rest and basis, and what was eliminated before them.

        After :meth:`solve`; in unscaled columns. Overwrites the factorisation.
        """
        n_inverse = self.pattern.n_rest + self.cross.n_tail - 1
        self._invert(n_inverse)
        self._select_inverse(n_inverse)
        return self._s, self._work

    # -- set-up ---------------------------------------------------------------------------------

    def _make_small(self) -> SmallSystem | None:
        """Give the system in the form for compiled code, if it is small."""
        cross, pattern, n = self.cross, self.pattern, len(self._s)
        if len(pattern.sizes) == 1 and n <= SMALL and not is_wide(cross):
            return SingleSystem(cross, self._s, self._coefficient)
        is_large = pattern.n_rest and sparse_products(pattern) > self._most_products
        if n > WHOLE or is_large or is_wide(cross):
            return None
        return WholeSystem(
            cross, self._node, self._lam, self._s, self._diagonal, self._spherical,
            self._coefficient,
        )  # fmt: skip

    # -- steps ----------------------------------------------------------------------------------

    def _assemble(self, factors: Sequence[Floats]) -> float:
        """Leave the scaled matrix of rest and tail in S; return the chain's log-determinant."""
        self._last = None
        log_det = self._eliminate(factors)
        self._set_rest_factors(factors)
        self._scale_rest()
        return log_det

    def _set_rest_factors(self, factors: Sequence[Floats]) -> None:
        first = 0
        for f in self.pattern.rest_factors:
            k = self.pattern.sizes[f]
            self._lam[first : first + k * k] = factors[f].ravel()
            first += k * k
        if self._is_scalar:
            for f, start in zip(self.pattern.rest_factors, self.pattern.rest_offsets, strict=True):
                self._scale[start : start + self.pattern.levels[f]] = factors[f][0, 0]

    def _scale_rest(self) -> None:
        n_rest = self.pattern.n_rest
        if self._is_scalar:
            kernels_scalar.scale_rest(self._s, self._diagonal, self._scale, n_rest)
        else:
            kernels.scale_rest(self._s, self._diagonal, self._node, self._lam, n_rest)

    def _solve_small(self, small: SmallSystem, factors: Sequence[Floats]) -> Solution:
        # What is asked for afterwards (modes, covariances) is computed from these.
        self._set_rest_factors(factors)
        entries, point = flattened(factors)
        batch = small.evaluate(entries, point, 0, reml=False, derive=False)
        log_det, log_det_fixed, pwrss, penalty = batch.parts[0].tolist()
        if not pwrss > 0.0:
            raise FloatingPointError("The penalised system is not positive definite.")
        return Solution(log_det, log_det_fixed, pwrss, penalty, batch.betas[0])

    def _derive_small(
        self,
        small: SmallSystem,
        factors: Sequence[Floats],
        degrees: int,
        *,
        reml: bool,
        variance: float,
    ) -> list[Floats]:
        entries, point = flattened(factors)
        batch = small.evaluate(entries, point, degrees, reml=reml, derive=True, variance=variance)
        sizes = [f.size for f in factors]
        parts = np.split(batch.gradients[0], np.cumsum(sizes)[:-1])
        return [d.reshape(f.shape) for d, f in zip(parts, factors, strict=True)]

    def _derive_rest(self, n_inverse: int, weight: float, out: list[Floats]) -> None:
        """Fill in the derivatives by the factors of the rest."""
        pattern = self.pattern
        if not pattern.n_rest:
            return
        s, diagonal = self._s, self._diagonal
        u, b = self._spherical, self._coefficient
        if self._is_scalar:
            single = np.empty(pattern.n_rest)
            kernels_scalar.derivative_rest(
                s, diagonal, self._scale, pattern.n_rest, n_inverse, u, b, weight, single
            )
            for f, start in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
                out[f][0, 0] = single[start : start + pattern.levels[f]].sum()
            return
        flat = np.zeros_like(self._lam)
        kernels_inverse.derivative_rest(
            s, diagonal, self._node, self._lam, pattern.n_rest, n_inverse, u, b, weight, flat
        )
        first = 0
        for f in pattern.rest_factors:
            k = pattern.sizes[f]
            out[f] = flat[first : first + k * k].reshape(k, k)
            first += k * k

    def _select_inverse(self, n_inverse: int) -> None:
        if self._is_scalar:
            kernels_scalar.selected_inverse(self._s, self._scale, n_inverse)
        else:
            kernels_inverse.selected_inverse(self._s, self._node, self._lam, n_inverse)

    def _eliminate_sparse(self, tier: TierPattern, work: TierWork) -> None:
        n_tail = self.cross.n_tail
        where = (tier.ptr, tier.idx, tier.level, tier.by_column, tier.column_ptr)
        if work.m.shape[1] == 1:
            tail, w, m = work.u[:, -n_tail:, 0], squeezed(work.w), squeezed(work.m)
            if len(self._s) <= CACHED:
                kernels_scalar.eliminate_by_level(tail, w, m, tier.ptr, tier.idx, self._s)
            else:
                kernels_scalar.eliminate_sparse(tail, w, m, *where, self._s)
        else:
            kernels.eliminate_sparse(work.u, work.w, work.m, *where, n_tail, self._s)

    def _eliminate(self, factors: Sequence[Floats]) -> float:
        """Eliminate the chain; leaves ``A - C`` in the upper triangle of S."""
        pattern, cross, s = self.pattern, self.cross, self._s
        kernels.copy_upper(cross.rest, s)
        for products, work in zip(cross.tiers[1:], self._work[1:], strict=True):
            work.d[:] = products.d
            work.u[:] = products.u
            work.w[:] = products.w
        log_det = 0.0
        for position, (tier, work) in enumerate(zip(pattern.tiers, self._work, strict=True)):
            log_det += kernels.level_factors(work.d, factors[tier.factor], work.x, work.m)
            offset = 0
            for later, (parent, relative) in enumerate(
                zip(tier.parents, tier.relative, strict=True), start=position + 1
            ):
                outer = self._work[later]
                kernels.eliminate_parent(
                    work.u, work.w, work.m, tier.ptr, parent, relative, offset,
                    outer.d, outer.u, outer.w,
                )  # fmt: skip
                offset += outer.d.shape[1]
            if self._dense_rows is not None and self._dense_out is not None:
                kernels.dense_factor_rows(self._dense_rows, work.m, self._dense_out)
                lapack.subtract_outer(s, self._dense_out)
                continue
            eliminate_heads(work.u, work.m, self.cross.n_tail, s)
            if pattern.n_rest:
                self._eliminate_sparse(tier, work)
        return log_det

    def _back_solve_tiers(self) -> float:
        """Solve for the chain's modes, outermost factor first; return their ``|u|**2``."""
        pattern = self.pattern
        tail = self._coefficient[pattern.n_rest :]
        penalty = 0.0
        for position in range(len(pattern.tiers) - 1, -1, -1):
            tier, work = pattern.tiers[position], self._work[position]
            first = 0
            for later, parent in enumerate(tier.parents, start=position + 1):
                modes = self._work[later].modes
                work.head[:, first : first + modes.shape[1]] = modes[parent]
                first += modes.shape[1]
            work.head[:, first:] = tail
            penalty += kernels.back_solve_tier(
                work.u, work.w, work.x, work.m, tier.ptr, tier.idx, work.head,
                self._coefficient, work.forms, work.modes,
            )  # fmt: skip
        return penalty

    def _invert(self, n_inverse: int) -> None:
        """Replace the factor by the inverse, in the leading rows."""
        self._last = None
        if n_inverse == 0:
            return
        if len(self._s) <= SMALL:
            kernels_inverse.inverse_small(self._s, n_inverse)
        else:
            lapack.inverse_from_cholesky(self._s, n_inverse)

    def selected_inverse(self) -> tuple[Floats, list[TierInverse]]:
        """Entries of the inverse on the pattern of the data, after :meth:`solve`.

        That of the whole system but for the response, in unscaled columns: with H the fitted values
        as a function of the response, a row of the data times this is its row of what H is made of.
        Gives those of rest and tail, of which only the upper triangle means anything, and those of
        every tier. Overwrites the factorisation.
        """
        n_inverse = self.pattern.n_rest + self.cross.n_tail - 1
        self._invert(n_inverse)
        self._select_inverse(n_inverse)
        return self._s, self._tier_inverses(n_inverse, until=0)[1]

    def _tier_inverses(
        self, n_inverse: int, *, until: int
    ) -> tuple[list[Floats], list[TierInverse]]:
        dense = None
        if self._dense_rows is not None and self._dense_out is not None:
            dense = self._dense_rows, self._dense_out
        return tier_inverses(
            self.pattern, self._work, self._s, dense, self.cross.n_tail, n_inverse, until
        )
