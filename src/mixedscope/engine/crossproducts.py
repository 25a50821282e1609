"""Cross-products of a design, formed once; theta only rescales them afterwards.

The grouping factors are split in two. A *chain* of factors, each nested in the next (often just the
factor with most columns), is eliminated level by level, because its part of ``Z'Z`` is and stays
block-diagonal. The *rest*, the columns of all other factors, then the fixed-effects basis and the
response (the *tail*), forms one dense matrix. Per level of a chain factor the cross-products are

- its own block D (k, k),
- *head* rows U: with its one level of every later chain factor, then with the tail,
- *sparse* rows W: with the columns of the rest that occur together with the level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.basis import FixedBasis

__all__ = ["CrossProducts", "Factor", "Stage", "cross_products"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From so many observations, and up to so many rows of the tail, passes over the data are worth a
# kernel of their own (measured).
_LONG = 5000
_NARROW = 8


@dataclass(frozen=True)
class Factor:
    """One grouping factor with its random-effects columns.

    Attributes
    ----------
    group : str
    n_levels : int
    codes : (n,) array of int
        Level of each observation, from 0.
    z : (n, k) array
        Columns of unit root mean square, rows multiplied by the square roots of the weights.
    """

    group: str
    n_levels: int
    codes: Ints
    z: Floats

    @property
    def size(self) -> int:
        """Number of columns k."""
        return int(self.z.shape[1])


@dataclass(frozen=True)
class Stage:
    """Cross-products of one chain factor (see the module's text); levels run along the first axis.

    Attributes
    ----------
    d : (q, k, k) array
    u : (q, h, k) array
        Head rows: later chain factors, then the tail (fixed-effects basis, response).
    w : (nnz, k) array
        Sparse rows, level by level, ordered by column of the rest.
    ptr : (q + 1,) array of int
        Where the sparse rows of a level begin.
    idx : (nnz,) array of int
        Column of the rest of each sparse row.
    level : (nnz,) array of int
        Level each sparse row belongs to.
    by_column, column_ptr : (nnz,), (n_rest + 1,) arrays of int
        Sparse rows sorted by column, and where each column begins.
    parents : tuple of (q,) arrays of int
        Level of each later chain factor that contains the level.
    relative : tuple of (nnz,) arrays of int
        Where each sparse row stands among the sparse rows of the parent.
    """

    factor: int
    d: Floats
    u: Floats
    w: Floats
    ptr: Ints
    idx: NDArray[np.uint32]
    level: NDArray[np.int32]
    by_column: Ints
    column_ptr: Ints
    parents: tuple[Ints, ...]
    relative: tuple[Ints, ...]


@dataclass(frozen=True)
class CrossProducts:
    """All that the objective needs of the data.

    Attributes
    ----------
    chain, rest_factors : tuple of int
        Positions of the factors in the model, in the order of elimination and of the rest.
    stages : tuple of Stage
    rest : (N, N) array
        Upper triangle: cross-products of the rest and the tail. N = n_rest + r + 1.
    n_rest : int
        Number of random-effects columns in the rest.
    n_tail : int
        r + 1: fixed-effects basis and response.
    rest_offsets : tuple of int
        First column of every factor of the rest.
    """

    factors: tuple[Factor, ...]
    chain: tuple[int, ...]
    rest_factors: tuple[int, ...]
    stages: tuple[Stage, ...]
    rest: Floats
    n_rest: int
    n_tail: int
    rest_offsets: tuple[int, ...]

    def with_response(self, response: Floats) -> CrossProducts:
        """Exchange the response for one or several others; all other cross-products are shared.

        Parameters
        ----------
        response : (n,) or (n, m) array
            Weighted residuals on the fixed-effects basis, in the scale of the first response.
        """
        columns = response[:, None] if response.ndim == 1 else response
        m = columns.shape[1]
        stages = []
        for stage in self.stages:
            sums = self._response_sums(stage.factor, columns)
            u = np.concatenate([stage.u[:, :-1, :], sums], axis=1)
            stages.append(replace(stage, u=u))
        first = len(self.rest) - 1
        rest = np.zeros((first + m, first + m))
        rest[:first, :first] = self.rest[:first, :first]
        for position, offset in zip(self.rest_factors, self.rest_offsets, strict=True):
            sums = self._response_sums(position, columns)
            count = sums.shape[0] * sums.shape[2]
            rest[offset : offset + count, first:] = sums.transpose(0, 2, 1).reshape(count, m)
        # The responses are orthogonal to the basis by construction: those entries stay 0.
        rest[first:, first:] = columns.T @ columns
        return replace(self, stages=tuple(stages), rest=rest, n_tail=self.n_tail - 1 + m)

    def _response_sums(self, position: int, columns: Floats) -> Floats:
        """Cross-products (q, m, k) of responses with the columns of one factor."""
        factor = self.factors[position]
        products = columns[:, :, None] * factor.z[:, None, :]
        sums = gather.sums_by_level(
            factor.codes, products.reshape(len(columns), -1), factor.n_levels
        )
        return sums.reshape(factor.n_levels, columns.shape[1], factor.size)


def cross_products(
    factors: tuple[Factor, ...], basis: FixedBasis, response: Floats
) -> CrossProducts:
    """Form the cross-products of a model.

    Parameters
    ----------
    factors : tuple of Factor
        At least one.
    basis : FixedBasis
    response : (n,) array
        Weighted, orthogonal to the basis.
    """
    n = len(response)
    chain, steps = _elimination_chain(factors)
    rest_factors = tuple(
        sorted(
            (f for f in range(len(factors)) if f not in chain),
            key=lambda f: (-factors[f].n_levels * factors[f].size, f),
        )
    )
    offsets = []
    n_rest = 0
    for f in rest_factors:
        offsets.append(n_rest)
        n_rest += factors[f].n_levels * factors[f].size
    # One layout of the tail by rows (t, n), one by observations: large data have only what is used.
    rows = np.concatenate([basis.q.T, response[None, :]])
    n_tail = len(rows)
    is_long = n >= _LONG and n_tail <= _NARROW
    by_observation = np.empty((0, 0)) if is_long and not n_rest else np.ascontiguousarray(rows.T)

    rest_z = _beside([factors[f].z for f in rest_factors], n)
    rest_column = _rest_columns(factors, rest_factors, offsets, n)

    stages: list[Stage] = []
    for position, f in enumerate(chain):
        factor, later = factors[f], chain[position + 1 :]
        outer = [factors[g].z for g in later]
        if stages and factors[chain[position - 1]].z is factor.z:
            d, u = _sums_of(stages[-1], steps[position - 1], factor.n_levels)
        elif is_long and factor.size <= 2:
            d, u = gather.level_products_narrow(factor.codes, factor.z, rows, factor.n_levels)
            between = [_products_between(factor, z, d) for z in outer]
            u = np.concatenate([*between, u], axis=1) if between else u
        else:
            tail = np.ascontiguousarray(rows.T) if is_long else by_observation
            head = _beside([*outer, tail], n)
            d, u = gather.level_products(factor.codes, factor.z, head, factor.n_levels)
        ptr, idx, w, level, by_column, column_ptr = _sparse(factor, rest_column, rest_z, n_rest)
        parents = steps[position : position + 1]
        for step in steps[position + 1 :]:
            parents.append(step[parents[-1]])
        stages.append(Stage(f, d, u, w, ptr, idx, level, by_column, column_ptr, tuple(parents), ()))
    if len(stages) > 1:
        stages = [
            replace(stage, relative=_relative(stage, stages[position + 1 :], n_rest))
            for position, stage in enumerate(stages)
        ]

    if n_rest:
        rest = gather.rest_products(rest_column, rest_z, by_observation, n_rest)
    else:
        rest = np.zeros((n_tail, n_tail))
    # The basis is orthonormal, and the response orthogonal to it.
    for i in range(n_rest, len(rest) - 1):
        rest[i, i] = 1.0
    rest[-1, -1] = response @ response
    return CrossProducts(
        factors=factors,
        chain=chain,
        rest_factors=rest_factors,
        stages=tuple(stages),
        rest=rest,
        n_rest=n_rest,
        n_tail=n_tail,
        rest_offsets=tuple(offsets),
    )


def _sums_of(inner: Stage, parent: Ints, n_levels: int) -> tuple[Floats, Floats]:
    """Own blocks and head rows of a factor whose columns are those of the factor within it."""
    k = inner.d.shape[1]
    d, u = inner.d, inner.u[:, k:]
    sums = gather.sums_by_level(parent, d.reshape(len(d), -1), n_levels)
    more = gather.sums_by_level(parent, u.reshape(len(u), -1), n_levels)
    return sums.reshape(n_levels, k, k), more.reshape(n_levels, -1, k)


def _products_between(factor: Factor, outer: Floats, d: Floats) -> Floats:
    """Cross-products (q, m, k) with the columns (n, m) of a containing factor."""
    if outer is factor.z:
        return d
    return gather.products_between(factor.codes, factor.z, outer, factor.n_levels)


# Without a rest nothing below has anything to do: what is not called need not be compiled.


def _sparse(
    factor: Factor, rest_column: NDArray[np.int32], rest_z: Floats, n_rest: int
) -> tuple[Ints, NDArray[np.uint32], Floats, NDArray[np.int32], Ints, Ints]:
    """Sparse rows of one chain factor, as the fields of `Stage` from ``ptr`` on."""
    q = factor.n_levels
    if not n_rest:
        none = np.empty(0, dtype=np.int64)
        return (
            np.zeros(q + 1, dtype=np.int64),
            none.astype(np.uint32),
            np.empty((0, factor.size)),
            none.astype(np.int32),
            none,
            np.zeros(1, dtype=np.int64),
        )
    order, start = gather.counting_sort(factor.codes, q)
    return gather.sparse_rows(order, start, factor.z, rest_column, rest_z, n_rest)


def _relative(stage: Stage, later: list[Stage], n_rest: int) -> tuple[Ints, ...]:
    """Where the sparse rows of a stage stand among those of the stages that contain it."""
    if not n_rest:
        return tuple(np.empty(0, dtype=np.int64) for _ in later)
    return tuple(
        gather.relative_positions(stage.ptr, stage.idx, parent, outer.ptr, outer.idx, n_rest)
        for parent, outer in zip(stage.parents, later, strict=True)
    )


def _beside(parts: list[Floats], n: int) -> Floats:
    """Columns (n, any) of several arrays side by side; one alone is not copied."""
    if len(parts) == 1:
        return parts[0]
    return np.hstack(parts) if parts else np.empty((n, 0))


def _rest_columns(
    factors: tuple[Factor, ...], rest_factors: tuple[int, ...], offsets: Sequence[int], n: int
) -> NDArray[np.int32]:
    """Column of the rest of every nonzero of an observation, shape (n, width of the rest)."""
    parts = []
    for f, offset in zip(rest_factors, offsets, strict=True):
        columns: NDArray[np.int32] = factors[f].codes[:, None].astype(np.int32)
        if factors[f].size > 1:
            columns *= np.int32(factors[f].size)
            columns = np.add(columns, np.arange(factors[f].size, dtype=np.int32))
        parts.append(columns + np.int32(offset) if offset else columns)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts, axis=1) if parts else np.empty((n, 0), dtype=np.int32)


def _elimination_chain(factors: tuple[Factor, ...]) -> tuple[tuple[int, ...], list[Ints]]:
    """Choose the chain of nested factors that leaves the smallest dense rest.

    Also gives the level of the next factor of the chain that contains each level, per factor but
    the last.
    """
    if len(factors) == 1:
        return (0,), []
    columns = [factor.n_levels * factor.size for factor in factors]
    within: dict[tuple[int, int], Ints | None] = {}
    best: tuple[tuple[int, int, int], tuple[int, ...]] | None = None
    for start in range(len(factors)):
        chain = [start]
        others = sorted(
            (f for f in range(len(factors)) if f != start), key=lambda f: (-factors[f].n_levels, f)
        )
        for f in others:
            pair = (chain[-1], f)
            if pair not in within:
                within[pair] = _containing(factors[pair[0]], factors[f])
            if within[pair] is not None:
                chain.append(f)
        rest = sum(c for f, c in enumerate(columns) if f not in chain)
        candidate = ((rest, -columns[start], start), tuple(chain))
        if best is None or candidate[0] < best[0]:
            best = candidate
    assert best is not None
    found = [within[pair] for pair in pairwise(best[1])]
    return best[1], [step for step in found if step is not None]


def _containing(inner: Factor, outer: Factor) -> Ints | None:
    """Level of `outer` within which each level of `inner` lies; None where they do not."""
    if inner.n_levels < outer.n_levels:
        return None
    is_nested, parent = gather.containing_levels(inner.codes, outer.codes, inner.n_levels)
    return parent if is_nested else None
