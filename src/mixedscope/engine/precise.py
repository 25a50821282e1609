"""Evaluations with twice the digits, for random effects hundreds of times as large as sigma.

Cross-products lose what a residual of 1e-7 times the response would need: its square is below half
a unit in the last place of theirs. They are therefore formed, and factorised, in numbers of twice
the digits; what remains is the rounding of the data themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.evaluation import Solution
from mixedscope.engine.products import CrossProducts

__all__ = ["MOST_COLUMNS", "PreciseSystem", "is_affordable"]

Floats = NDArray[np.float64]

#: Most columns, and most multiplications (about 20 ns each) in one evaluation and in forming the
#: cross-products: models beyond that keep to doubles.
MOST_COLUMNS: Final = 2000
_PRODUCTS: Final = 1e7
_FORMING: Final = 1e8

#: Step of the differences, relative to an entry or to the smallest entry that has a meaning: far
#: above the rounding of these numbers, and its square below that of doubles.
_STEP: Final = 1e-8
_SMALLEST: Final = 1e-3


def is_affordable(cross: CrossProducts, n: int) -> bool:
    """Whether an evaluation of n rows with twice the digits takes less than about 0.2 seconds."""
    pattern = cross.pattern
    tail = cross.n_tail
    width = sum(pattern.sizes) + tail
    if len(cross.rest) + sum(s.d.shape[0] * s.d.shape[1] for s in cross.tiers) > MOST_COLUMNS:
        return False
    products = float(pattern.n_rest + tail) ** 3 / 6.0
    for own, tier in zip(pattern.tiers, cross.tiers, strict=True):
        k = tier.d.shape[1]
        met = tier.u.shape[1] + np.diff(own.ptr).astype(float) + k
        products += k * float((met * met).sum())
    return products <= _PRODUCTS and n * width**2 <= _FORMING


class PreciseSystem:
    """The system of a model, factorised column by column with twice the digits.

    Parameters
    ----------
    cross : CrossProducts
        Those of a system that :func:`is_affordable`.
    tail : (n, p + 1) array
        Rows of the fixed-effects basis, and of the response beside it.
    """

    def __init__(self, cross: CrossProducts, tail: Floats) -> None:
        from mixedscope.engine.kernels.precise import precise_products

        # Those eliminated first come first.
        self._order = (*cross.pattern.chain, *cross.pattern.rest_factors)
        self._sizes = list(cross.pattern.sizes)
        columns, values, nodes = [], [], []
        counts = [cross.factors[f].n_levels * cross.factors[f].size for f in self._order]
        first = entry = 0
        for f in self._order:
            factor = cross.factors[f]
            k = factor.size
            columns.append(first + factor.codes[:, None] * k + np.arange(k))
            values.append(factor.z)
            begins = first + k * np.arange(factor.n_levels)
            nodes.append(
                np.column_stack([begins, np.full_like(begins, k), np.full_like(begins, entry)])
            )
            first += k * factor.n_levels
            entry += k * k
        self._n_random = first
        self._levels = [f.n_levels for f in cross.factors]
        self._firsts = dict(zip(self._order, np.cumsum([0, *counts]).tolist(), strict=False))
        ends = first + np.arange(tail.shape[1])
        columns.append(np.broadcast_to(ends, tail.shape))
        values.append(tail)
        nodes.append(np.column_stack([ends, np.ones_like(ends), np.full_like(ends, entry)]))
        self._node = np.ascontiguousarray(np.concatenate(nodes), dtype=np.int64)
        n = first + tail.shape[1]
        self._solved: tuple[list[Floats], Floats, Floats]
        self._products = np.zeros((n, n)), np.zeros((n, n))
        self._factor = np.empty((n, n)), np.empty((n, n))
        precise_products(
            np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.int64),
            np.ascontiguousarray(np.concatenate(values, axis=1)),
            *self._products,
        )

    def solve(self, factors: Sequence[Floats]) -> Solution:
        """Do what :meth:`mixedscope.engine.blocked.BlockedSystem.solve` does."""
        from mixedscope.engine.kernels.precise import precise_solve

        pivots = self._pivots(factors)[0]
        logs = np.log(pivots)
        coefficients = np.empty(len(pivots) - 1)
        precise_solve(*self._factor, coefficients)
        spherical = coefficients[: self._n_random]
        self._solved = [f.copy() for f in factors], pivots, spherical
        return Solution(
            log_det=math.fsum(logs[: self._n_random].tolist()),
            log_det_fixed=math.fsum(logs[self._n_random : -1].tolist()),
            pwrss=float(pivots[-1]),
            penalty=float(spherical @ spherical),
            beta=coefficients[self._n_random :].copy(),
        )

    # Of the last solution, as `mixedscope.engine.blocked.BlockedSystem` gives them.

    def modes(self) -> list[Floats]:
        """Conditional modes per grouping factor (q, k), internal units."""
        factors, _, spherical = self._solved
        return [spherical[at] @ f.T for f, at in zip(factors, self._places(), strict=True)]

    def fixed_factor(self) -> Floats:
        """Lower Cholesky factor (r, r) of the fixed effects' Schur complement."""
        return self._lower(slice(self._n_random, -1))

    def conditional_covariances(self) -> list[Floats]:
        """Conditional covariances of the modes over sigma**2 (q, k, k), internal units."""
        from scipy.linalg import solve_triangular

        root = self._lower(slice(0, self._n_random))
        half = solve_triangular(root, np.eye(len(root)), lower=True)
        out: list[Floats] = []
        for factor, at in zip(self._solved[0], self._places(), strict=True):
            # Squared last: what cancels, cancels in numbers, not in their squares.
            columns = half[:, at] @ factor.T
            out.append(np.einsum("nqi,nqj->qij", columns, columns))
        return out

    def _places(self) -> list[NDArray[np.intp]]:
        """Columns (q, k) of the effects of every grouping factor."""
        return [
            self._firsts[f] + np.arange(levels * size).reshape(levels, size)
            for f, (levels, size) in enumerate(zip(self._levels, self._sizes, strict=True))
        ]

    def _lower(self, own: slice) -> Floats:
        """Lower Cholesky factor of a diagonal block of what is left before its columns."""
        unit = np.tril(self._factor[0][own, own], -1)
        np.fill_diagonal(unit, 1.0)
        return np.asarray(unit * np.sqrt(self._solved[1][own]))

    def derivatives(
        self, factors: Sequence[Floats], degrees: int, *, reml: bool, variance: float = 0.0
    ) -> list[Floats]:
        """Do what :meth:`mixedscope.engine.blocked.BlockedSystem.derivatives` does.

        By central differences, which with so many digits are as exact as doubles can be.
        """
        weights = np.ones(len(self._products[0]))
        weights[self._n_random :] = 1.0 if reml else 0.0
        # The last pivot is the penalised residual: this is what its logarithm counts for.
        weights[-1] = self._solved[1][-1] / variance if variance > 0.0 else degrees
        out = [np.zeros_like(f) for f in factors]
        moved = [f.copy() for f in factors]
        for position, factor in enumerate(factors):
            least = _SMALLEST * max(1.0, float(np.abs(factor).max()))
            for row, column in zip(*np.tril_indices(len(factor)), strict=True):
                own = float(factor[row, column])
                step = _STEP * max(abs(own), least)
                ends = []
                for at in (own + step, own - step):
                    moved[position][row, column] = at
                    ends.append((at, *self._pivots(moved)))
                moved[position][row, column] = own
                (above, high, low), (below, other, other_low) = ends
                ratios = ((high - other) + (low - other_low)) / other
                change = math.fsum((weights * np.log1p(ratios)).tolist())
                out[position][row, column] = change / (above - below)
        return out

    def _pivots(self, factors: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Squared pivots of all columns, in two parts."""
        from mixedscope.engine.kernels.precise import precise_factor

        lam = np.concatenate([*[factors[f].ravel() for f in self._order], np.ones(1)])
        high = np.empty(len(self._products[0]))
        low = np.empty_like(high)
        if not precise_factor(
            *self._products, self._node, lam, self._n_random, *self._factor, high, low
        ):
            raise FloatingPointError("The penalised system is not positive definite.")
        return high, low
