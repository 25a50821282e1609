"""The penalised least-squares problem of a mixed model, factorised as one sparse matrix.

Does what :class:`mixedscope.engine.blocked.BlockedSystem` does, for models whose rest would be a
large dense matrix of few numbers: workers in firms that few of them leave, neighbouring levels,
graphs of several parts. Everything is exact; entries of the inverse are computed where the factor
has entries, and no others are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import lapack
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.kernels import sparse as kernels
from mixedscope.engine.kernels import sparse_inverse as kernels_inverse
from mixedscope.engine.kernels.criterion import residual_weight
from mixedscope.engine.layout import squares
from mixedscope.engine.sparse.panels import factorise_panels, invert_panels
from mixedscope.engine.sparse.products import SparseProducts, SparseWorkingProducts

__all__ = ["SparseSystem"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows of a triangle that are copied at a time.
_PIECE = 256
# Numbers in the dense part of rows that are worked on together.
_AT_ONCE = 2**21


class SparseSystem:
    """Factorises the system of one set of cross-products again and again.

    Parameters
    ----------
    cross : SparseProducts

    Notes
    -----
    The arrays are reused from call to call; an instance is not safe for several threads.
    """

    #: Of compiled searches, and of kernels for one grouping factor: these are for other systems.
    small = None
    is_single = False

    def __init__(self, cross: SparseProducts) -> None:
        self.cross = cross
        pattern = cross.pattern
        e = pattern.elimination
        t, c, n = cross.n_tail, e.columns, pattern.n_columns
        self._lx = np.empty(e.entries)
        self._pivot = np.empty(c)
        self._w = np.empty((c, t))
        self._s = np.zeros((e.dense + t, e.dense + t))
        self._lam = np.empty(sum(k * k for k in pattern.sizes))
        self._spherical, self._coefficient = np.empty(n + t), np.empty(n + t)
        # Entries of the inverse, made when first asked for.
        self._inverse: tuple[Floats, Floats, Floats] | None = None
        self._last: tuple[list[Floats], Solution] | None = None
        self.solves = 0

    def reform(self, weights: Floats, response: Floats) -> None:
        """As :meth:`mixedscope.engine.blocked.BlockedSystem.reform`."""
        if not isinstance(self.cross, SparseWorkingProducts):
            raise TypeError("Only a system of SparseWorkingProducts can be formed again.")
        with lapack.limited_for(len(weights)):
            self.cross.reform(weights, response)
        self._last = None

    def solve(self, factors: Sequence[Floats]) -> Solution:
        """Factorise the system and solve for all coefficients.

        Parameters and errors are those of :meth:`mixedscope.engine.blocked.BlockedSystem.solve`.
        """
        self.solves += 1
        if self._last is not None and all(map(np.array_equal, self._last[0], factors)):
            return self._last[1]
        s, pattern = self._s, self.cross.pattern
        is_positive = self._assemble(factors) and lapack.cholesky_lower(s)
        pivots = s.diagonal()
        if not is_positive or not np.isfinite(pivots).all() or not pivots[-1] > 0.0:
            raise FloatingPointError("The penalised system is not positive definite.")
        dense, n = pattern.elimination.dense, pattern.n_columns
        penalty = kernels.back_solve(
            pattern.elimination.first, pattern.at, self._lam, pattern.lp, pattern.li, self._lx,
            self._pivot, self._w, s, self._spherical, self._coefficient,
        )  # fmt: skip
        log_det = float(np.log(self._pivot).sum()) + float(np.log(pivots[:dense]).sum())
        if not np.isfinite(log_det):
            raise FloatingPointError("The penalised system is not positive definite.")
        solution = Solution(
            log_det=2.0 * log_det,
            log_det_fixed=2.0 * float(np.log(pivots[dense:-1]).sum()),
            pwrss=float(pivots[-1]) ** 2,
            penalty=penalty,
            beta=self._coefficient[n:-1].copy(),
        )
        self._last = [f.copy() for f in factors], solution
        return solution

    def trailing_factor(self, factors: Sequence[Floats], size: int) -> Floats:
        """As :meth:`mixedscope.engine.blocked.BlockedSystem.trailing_factor`."""
        s = self._s
        is_positive = self._assemble(factors)
        for i in range(len(s) - size, len(s)):
            s[i, i] += 1e-12 * (1.0 + s[i, i])
        if not (is_positive and lapack.cholesky_lower(s)):
            raise FloatingPointError("The penalised system is not positive definite.")
        return np.tril(s[-size:, -size:])

    def modes(self) -> list[Floats]:
        """Conditional modes of the last solution, per factor of the model (q, k), internally."""
        pattern = self.cross.pattern
        return [self._coefficient[pattern.columns_of(f)] for f in range(len(pattern.sizes))]

    def spherical(self) -> Floats:
        """Spherical modes (factors, columns) of the last solution, a row a factor, else zero."""
        pattern = self.cross.pattern
        out = np.zeros((len(pattern.sizes), pattern.n_columns))
        for f in range(len(pattern.sizes)):
            at = pattern.columns_of(f)
            out[f, at] = self._spherical[at]
        return out

    def inner_products(self, right: Floats) -> Floats:
        """``right inv(A) right'`` of rows (m, columns) in the order of elimination.

        A is the matrix of the penalised system, fixed effects included, as last solved.
        """
        right = np.array(right)
        pattern = self.cross.pattern
        dense = np.empty((len(right), len(self._s)))
        kernels.eliminate_full(pattern.lp, pattern.li, self._lx, self._pivot, self._w, right, dense)
        lapack.solve_lower(self._s, dense)
        dense[:, -1] = 0.0  # the response is no part of A
        sparse = right[:, : len(self._pivot)]
        return np.asarray(sparse @ sparse.T + dense @ dense.T)

    def blocks(self) -> list[Floats]:
        """Diagonal blocks (q, k, k) of ``Z' inv(V) Z`` per factor of the model, last solution.

        V is the covariance over sigma**2 of the observations with the random effects of the factor
        that is eliminated first; all others count as known.
        """
        assert self._last is not None
        pattern, cross = self.cross.pattern, self.cross
        e = pattern.elimination
        own = int(e.factor[0])
        lam = self._last[0][own]
        d = cross.levels[own][0]
        h = lam.T @ d @ lam + np.eye(len(lam))
        m = lam @ np.linalg.solve(h, np.broadcast_to(lam.T, d.shape))
        out = []
        for f, (block, _) in enumerate(cross.levels):
            if f != own:
                met, ours, theirs = cross.between(f, own)
                taken = met @ m[theirs] @ met.transpose(0, 2, 1)
                sums = sums_by_level(ours, taken.reshape(len(taken), -1), len(block))
                block = block - sums.reshape(block.shape)
            out.append(block)
        return out

    def fixed_factor(self) -> Floats:
        """Lower Cholesky factor (r, r) of the fixed effects' Schur complement, last solution."""
        dense = self.cross.pattern.elimination.dense
        return np.tril(self._s[dense:-1, dense:-1])

    def derivatives(
        self,
        factors: Sequence[Floats],
        solution: Solution,
        degrees: int,
        *,
        reml: bool,
        variance: float = 0.0,
    ) -> list[Floats]:
        """As :meth:`mixedscope.engine.blocked.BlockedSystem.derivatives`."""
        pattern, cross = self.cross.pattern, self.cross
        e = pattern.elimination
        r = cross.n_tail - 1 if reml else 0
        zx, zd, zw = self._select_inverse(r)
        out = np.zeros(len(self._lam))
        kernels_inverse.differentiate(
            e.gp, e.gi, pattern.gv, cross.gx, pattern.rel, e.first, pattern.at, self._lam,
            cross.border, pattern.lp, zx, zd, zw, self._s, r, self._spherical, self._coefficient,
            residual_weight(solution.pwrss, degrees, variance), out,
        )  # fmt: skip
        return squares(out, pattern.sizes)

    def conditional_covariances(self) -> list[Floats]:
        """As :meth:`mixedscope.engine.blocked.BlockedSystem.conditional_covariances`."""
        pattern = self.cross.pattern
        zx, zd, _ = self._select_inverse(0)
        out = []
        for place, k in zip(pattern.place, pattern.sizes, strict=True):
            blocks = np.empty((len(place), k, k))
            kernels_inverse.own_blocks(
                place, pattern.elimination.first, pattern.at, self._lam, pattern.lp, zx, zd,
                self._s, blocks,
            )  # fmt: skip
            out.append(blocks)
        return out

    def row_forms(self, basis: Floats) -> tuple[Floats, Floats]:
        """Forms (n,) of the inverse in the rows of the data, and its products (n, r) with `basis`.

        After :meth:`solve`: the inverse is that of the whole system but for the response. ``basis``
        (n, r): rows of the fixed effects. Overwrites the factorisation.
        """
        assert self._last is not None
        pattern, cross = self.cross.pattern, self.cross
        e = pattern.elimination
        factors = self._last[0]
        zx, zd, zw = self._select_inverse(cross.n_tail - 1)
        values = np.concatenate(
            [own.z @ lam for own, lam in zip(cross.factors, factors, strict=True)], axis=1
        )
        nodes = np.stack(
            [place[codes] for place, codes in zip(pattern.place, pattern.codes, strict=True)],
            axis=1,
        )
        leverage, fixed = np.zeros(len(basis)), np.zeros(basis.shape)
        kernels_inverse.row_forms(
            nodes, values, e.gp, e.gi, pattern.rel, e.first, pattern.lp, zx, zd, zw, self._s, basis,
            leverage, fixed,
        )  # fmt: skip
        return leverage, fixed

    def error_forms(self, basis: Floats, rows: Sequence[tuple[Ints, Floats]]) -> Floats:
        """``(x, z)' C (x, z)`` (m,) of any rows, C as in `mixedscope.engine.marginal`.

        After :meth:`solve`. ``basis`` (m, r): their part in the fixed effects. ``rows``: per factor
        of the model levels (m,), -1 for none, and internal columns (m, k).
        """
        assert self._last is not None
        pattern = self.cross.pattern
        n, dense = pattern.n_columns, pattern.elimination.dense
        columns, values = [], []
        for f, (codes, z) in enumerate(rows):
            at = pattern.columns_of(f)[np.maximum(codes, 0)]
            columns.append(np.where(codes[:, None] >= 0, at, -1))
            values.append(z @ self._last[0][f])
        all_columns, all_values = np.hstack(columns), np.hstack(values)
        out = np.zeros(len(basis))
        step = max(1, _AT_ONCE // len(self._s))
        for begin in range(0, len(basis), step):
            part = slice(begin, begin + step)
            left = np.zeros((len(basis[part]), len(self._s)))
            left[:, dense:-1] = basis[part]
            kernels.eliminate_rows(
                all_columns[part], all_values[part], pattern.lp, pattern.li, self._lx, self._pivot,
                self._w, n, out[part], left,
            )  # fmt: skip
            lapack.solve_lower(self._s, left)
            left[:, -1] = 0.0  # the response is no part of it
            out[part] += np.einsum("ij,ij->i", left, left)
        return out

    # -- steps ----------------------------------------------------------------------------------

    def _assemble(self, factors: Sequence[Floats]) -> bool:
        """Eliminate the sparse columns; leave in S's lower triangle what is to be factorised."""
        self._last = None
        cross, s, w = self.cross, self._s, self._w
        pattern = cross.pattern
        e = pattern.elimination
        self._lam[:] = np.concatenate([f.ravel() for f in factors])
        is_positive = kernels.factorise(
            e.gp, e.gi, pattern.gv, cross.gx, e.first, pattern.at, self._lam, cross.border,
            pattern.lp, pattern.li, self._lx, self._pivot, w, s, pattern.panel,
        )  # fmt: skip
        if not (is_positive and factorise_panels(pattern, self._lx, self._pivot, w, s)):
            return False
        s[e.dense :, e.dense :] = cross.corner - w.T @ w
        for begin in range(0, len(s), _PIECE):
            end = begin + _PIECE
            s[begin:end, :begin] = s[:begin, begin:end].T
            own = s[begin:end, begin:end]
            own[:] = np.triu(own) + np.triu(own, 1).T
        return True

    def _select_inverse(self, r: int) -> tuple[Floats, Floats, Floats]:
        """Entries of the inverse, r columns of the tail taking part; overwrites S."""
        self._last = None
        pattern = self.cross.pattern
        size = pattern.elimination.dense + r
        if size:
            lapack.inverse_from_cholesky(self._s, size)
        if self._inverse is None:
            shapes = self._lx.shape, self._pivot.shape, self._w.shape
            self._inverse = np.empty(shapes[0]), np.empty(shapes[1]), np.empty(shapes[2])
        zx, zd, zw = self._inverse
        factor = self._lx, self._pivot, self._w
        invert_panels(pattern, factor, self._s, r, self._inverse)
        kernels_inverse.select_inverse(
            pattern.lp, pattern.li, *factor, self._s, pattern.n_columns, r, zx, zd, zw,
            pattern.panel,
        )  # fmt: skip
        return self._inverse
