"""Models with several grouping factors: evaluations and whole searches as compiled calls.

One sparse Cholesky factor of all random effects, see
:mod:`mixedscope.engine.kernels.laplace_several`: for nested factors, and for crossed ones as long
as those that are not eliminated level by level are few. Where they are many the dense blocks of
:class:`mixedscope.engine.generalized.system.GeneralizedSystem`, factorised by LAPACK, are faster.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import chosen
from mixedscope.engine.generalized.compiled import (
    CompiledLaplace,
    SortedRows,
    is_compiled,
)
from mixedscope.engine.generalized.starting import information_of_theta
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.kernels.laplace_several import fixed_information, places_of_pairs
from mixedscope.engine.kernels.laplace_steps import ROOM, ROWS, Graph, Work
from mixedscope.engine.pattern import Pattern

__all__ = ["SeveralLaplace"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]

#: Multiplications of a factorisation that take no longer than LAPACK's dense blocks and what goes
#: with them (measured): always, and more for each row.
_FEW: Final = 2_000_000
_PER_ROW: Final = 200

#: Random effects of a row at most: their products are as many as the square of that.
_WIDEST: Final = 12


class SeveralLaplace(CompiledLaplace):
    """The objective of a model with several grouping factors that `is_compiled`."""

    _is_single = False

    @classmethod
    def fits(cls, system: GeneralizedSystem, *, expected: bool) -> bool:
        """Whether a model has several grouping factors, small enough, and a family compiled."""
        pattern = system.pattern
        if len(system.terms) < 2 or sum(pattern.sizes) > _WIDEST:
            return False
        if not is_compiled(system, expected=expected):
            return False
        return _operations(pattern) <= _FEW + _PER_ROW * system.n

    @staticmethod
    def _sort(system: GeneralizedSystem) -> SortedRows:
        pattern = system.pattern
        factors = (*pattern.chain, *pattern.rest_factors)
        order = np.argsort(pattern.codes[factors[0]], kind="stable")
        sizes = np.array([pattern.sizes[f] for f in factors])
        begin = _first_columns(pattern)
        cells = np.hstack([
            begin[f] + pattern.codes[f][order][:, None] * pattern.sizes[f]
            + np.arange(pattern.sizes[f])
            for f in factors
        ]).astype(np.int32)  # fmt: skip
        lp, li = _entries(pattern, begin)
        pairs = np.empty((system.n, cells.shape[1] * (cells.shape[1] + 1) // 2), dtype=np.int32)
        places_of_pairs(cells, lp, li, pairs)
        layout = np.column_stack(
            [np.cumsum(sizes) - sizes, sizes, np.cumsum(sizes**2) - sizes**2]
        ).astype(np.int64)
        graph: Graph = (np.empty(0, dtype=np.int64), cells, pairs, lp, li, layout)
        return SortedRows.of(system, order, graph, factors)

    def _room(self, with_work: bool) -> tuple[Floats, Work]:
        n, lp, rest = self.system.n, self.rows.graph[3], self.system.pattern.n_rest
        size = len(lp) - 1
        shape = self.rows.columns[0].shape
        work = (
            np.empty(shape), np.empty(shape), np.empty((ROWS, n)), np.empty((ROOM, n)),
            np.empty((2, size)), np.empty((1, rest, rest)), np.empty(lp[-1] + size),
            np.empty(lp[-1] + size),
        )  # fmt: skip
        return np.zeros((2, size)), work

    def information(self, point: Floats) -> Floats | None:
        """Expected information, times two, by the coordinates of the search; None if it fails."""
        k, r = self.n_theta, self.n_fixed
        parts = self.run(self.checked(point)[None], derived=True)[2]
        if not np.isfinite(parts).all():
            return None
        by_gamma = np.empty((r, r))
        run, _ = chosen(fixed_information, self.size)
        run(self.rows.graph, self.rows.columns, self.work, by_gamma)
        theta = point[:k]
        factors = self.system.standard_factors(theta)
        covariances = [
            f @ block @ f.T for f, block in zip(factors, self._own_blocks(), strict=True)
        ]
        by_theta = information_of_theta(self.system, theta, covariances)
        back = self.back[:k, :k]
        # Of a dispersion each row tells about one half.
        out = np.diag(np.full(len(point), self.system.n / 2.0))
        out[:k, :k] = back.T @ by_theta @ back
        out[k : k + r, k : k + r] = by_gamma
        return out

    def _own_blocks(self) -> list[Floats]:
        """Blocks (q, k, k) of the inverse with themselves, per factor, after a gradient."""
        lp, inverse = self.rows.graph[3], self.work[7]
        pattern, below = self.system.pattern, lp[-1]
        begin = _first_columns(pattern)
        out = []
        for f, (q, k) in enumerate(zip(pattern.levels, pattern.sizes, strict=True)):
            columns = begin[f] + np.arange(q * k).reshape(q, k)
            block = np.empty((q, k, k))
            for a in range(k):
                block[:, a, a] = inverse[below + columns[:, a]]
                for b in range(a):
                    block[:, a, b] = block[:, b, a] = inverse[lp[columns[:, b]] + a - b - 1]
            out.append(block)
        return out


def _first_columns(pattern: Pattern) -> dict[int, int]:
    """Where the random effects of each factor begin: the chain's first, then those of the rest."""
    out, at = {}, 0
    for f in (*pattern.chain, *pattern.rest_factors):
        out[f] = at
        at += pattern.levels[f] * pattern.sizes[f]
    return out


def _operations(pattern: Pattern) -> float:
    """Multiplications of one factorisation, about."""
    total = pattern.n_rest**3 / 6.0
    later = 0
    for tier in reversed(pattern.tiers):
        k = pattern.sizes[tier.factor]
        rows = np.diff(tier.ptr).astype(float) + later + k
        total += 0.5 * k * float(rows @ rows)
        later += k
    return total


def _entries(pattern: Pattern, begin: dict[int, int]) -> tuple[Ints, Shorts]:
    """Rows below the diagonal of every column of the factor: where each list begins, and all."""
    sizes = pattern.sizes
    lengths = []
    for position, tier in enumerate(pattern.tiers):
        k = sizes[tier.factor]
        later = sum(sizes[f] for f in pattern.chain[position + 1 :])
        lengths.append((np.diff(tier.ptr)[:, None] + (later + k - 1 - np.arange(k))).ravel())
    lengths.append(np.arange(pattern.n_rest - 1, -1, -1))
    lp = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(lengths))])
    li = np.empty(lp[-1], dtype=np.int32)
    rest = sum(pattern.levels[f] * sizes[f] for f in pattern.chain)
    for position, tier in enumerate(pattern.tiers):
        f = tier.factor
        q, k = pattern.levels[f], sizes[f]
        for a in range(k):
            columns = begin[f] + a + k * np.arange(q)
            at = lp[columns]
            for b in range(a + 1, k):
                li[at] = columns + (b - a)
                at = at + 1
            for other, parent in zip(pattern.chain[position + 1 :], tier.parents, strict=True):
                for b in range(sizes[other]):
                    li[at] = begin[other] + parent * sizes[other] + b
                    at = at + 1
            if len(tier.idx):
                own = (at - tier.ptr[:-1])[tier.level] + np.arange(len(tier.idx))
                li[own] = rest + tier.idx.astype(np.int64)
    if pattern.n_rest > 1:
        li[lp[rest] :] = rest + np.triu_indices(pattern.n_rest, 1)[1]
    return lp, li
