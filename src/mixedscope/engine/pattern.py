"""Which blocks the system of a model has, and what is eliminated when: all of it but the numbers.

The grouping factors are split in two. A *chain* of factors, each nested in the next (often just the
factor with most columns), is eliminated level by level, because its part of ``Z'Z`` is and stays
block-diagonal; each of its factors is a *tier*. The *rest*, the columns of all other factors, then
the *tail*, the fixed-effects basis Q and the response y, form one dense matrix. Pupils within
schools, crossed with teachers::

                  tier 0     tier 1     rest         tail
                  pupil       school      teacher      Q     y
    pupil       | d         |           |            |           |
                |   d       |           |            |           |
                |     d     |           |            |           |
    school      | u u       | d         |            |           |
                |     u     |   d       |            |           |
    teacher     | w   w     | w w       | rest       |           |
                |   w w     | w w       | rest  rest |           |
    tail   Q    | u u u     | u u       | rest  rest | rest      |
           y    | u u u     | u u       | rest  rest | rest rest |

Per level of a chain factor there are its own block ``d`` (k, k); *head* rows ``u``, one block for
its one level of every later chain factor, then the tail; and *sparse* rows ``w``, for the columns
of the rest that occur together with the level. `Pattern` says where they are,
:class:`mixedscope.engine.products.CrossProducts` what is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather

__all__ = ["Pattern", "Scatter", "TierPattern", "make_pattern"]

Ints = NDArray[np.int64]
Sparse = tuple[Ints, NDArray[np.uint32], NDArray[np.int32], Ints, Ints]

# Those of a level that meets no column of the rest: `idx`, `level`, `by_column`, `column_ptr`.
_NO_ROWS = (
    np.empty(0, dtype=np.uint32),
    np.empty(0, dtype=np.int32),
    np.empty(0, dtype=np.int64),
    np.zeros(1, dtype=np.int64),
)


class TierPattern(NamedTuple):
    """Blocks of one chain factor (see the module's text); levels run along the first axis.

    Attributes
    ----------
    factor : int
        Position of the factor in the model.
    ptr : (q + 1,) array of int
        Where the sparse rows of a level begin; they are ordered by column of the rest.
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
    ptr: Ints
    idx: NDArray[np.uint32]
    level: NDArray[np.int32]
    by_column: Ints
    column_ptr: Ints
    parents: tuple[Ints, ...]
    relative: tuple[Ints, ...]


class Scatter(NamedTuple):
    """Where a pass over the observations puts its products; not needed after it.

    Attributes
    ----------
    rest_column : (n, width) array of int
        Columns of the rest in which an observation is not zero; empty without a rest.
    sorted_by : tuple of pairs of arrays of int
        Per tier the observations in the order of its levels, (n,), and where each level begins,
        (q + 1,); nothing without a rest.
    """

    rest_column: NDArray[np.int32]
    sorted_by: tuple[tuple[Ints, Ints], ...]


_NOTHING_TO_SCATTER = Scatter(np.empty((0, 0), dtype=np.int32), ())


@dataclass(frozen=True)
class Pattern:
    """Where the blocks of a system are; the same for all weights, responses and theta.

    Attributes
    ----------
    codes : tuple of (n,) arrays of int
        Level of each observation, per factor of the model.
    levels, sizes : tuple of int
        Numbers of levels and of columns, per factor of the model.
    chain, rest_factors : tuple of int
        Positions of the factors in the model, in the order of elimination and of the rest.
    tiers : tuple of TierPattern
        One per factor of the chain.
    rest_offsets : tuple of int
        First column of every factor of the rest.
    n_rest : int
        Number of random-effects columns in the rest.
    """

    codes: tuple[Ints, ...]
    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    chain: tuple[int, ...]
    rest_factors: tuple[int, ...]
    tiers: tuple[TierPattern, ...]
    rest_offsets: tuple[int, ...]
    n_rest: int

    def rest_columns(self) -> list[tuple[int, NDArray[np.int64]]]:
        """Columns (q, k) of the rest, of the levels of each of its factors: `(factor, columns)`."""
        out = []
        for f, first in zip(self.rest_factors, self.rest_offsets, strict=True):
            q, k = self.levels[f], self.sizes[f]
            out.append((f, first + np.arange(q * k).reshape(q, k)))
        return out

    def scatter(self) -> Scatter:
        """Say where the observations go."""
        return _scatter(
            self.codes, self.levels, self.sizes, self.chain, self.rest_factors, self.rest_offsets
        )


def make_pattern(
    codes: tuple[Ints, ...], levels: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[Pattern, Scatter]:
    """Find the blocks of a model of these grouping factors, at least one."""
    if len(codes) == 1:  # the most frequent kind, and the one in which microseconds show
        only = TierPattern(0, np.zeros(levels[0] + 1, dtype=np.int64), *_NO_ROWS, (), ())
        return Pattern(codes, levels, sizes, (0,), (), (only,), (), 0), _NOTHING_TO_SCATTER
    chain, steps = _elimination_chain(codes, levels, sizes)
    counts = [q * k for q, k in zip(levels, sizes, strict=True)]
    others = [f for f in range(len(codes)) if f not in chain]
    rest_factors = tuple(sorted(others, key=lambda f: (-counts[f], f)))
    *offsets, n_rest = accumulate([counts[f] for f in rest_factors], initial=0)
    scatter = _scatter(codes, levels, sizes, chain, rest_factors, offsets)
    sparse = [_sparse(levels[f], scatter, i, n_rest) for i, f in enumerate(chain)]
    tiers = []
    for position, f in enumerate(chain):
        parents = steps[position : position + 1]
        for step in steps[position + 1 :]:
            parents.append(step[parents[-1]])
        relative = _relative(sparse[position], parents, sparse[position + 1 :], n_rest)
        tiers.append(TierPattern(f, *sparse[position], tuple(parents), relative))
    pattern = Pattern(
        codes, levels, sizes, chain, rest_factors, tuple(tiers), tuple(offsets), n_rest
    )
    return pattern, scatter


def _scatter(
    codes: tuple[Ints, ...],
    levels: tuple[int, ...],
    sizes: tuple[int, ...],
    chain: tuple[int, ...],
    rest_factors: tuple[int, ...],
    offsets: Sequence[int],
) -> Scatter:
    # Without a rest nothing is to be sorted: what is not called need not be compiled.
    if not rest_factors:
        return _NOTHING_TO_SCATTER
    parts = []
    for f, offset in zip(rest_factors, offsets, strict=True):
        columns: NDArray[np.int32] = codes[f][:, None].astype(np.int32)
        if sizes[f] > 1:
            columns *= np.int32(sizes[f])
            columns = np.add(columns, np.arange(sizes[f], dtype=np.int32))
        parts.append(columns + np.int32(offset) if offset else columns)
    rest_column = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return Scatter(rest_column, tuple(gather.counting_sort(codes[f], levels[f]) for f in chain))


def _sparse(q: int, scatter: Scatter, position: int, n_rest: int) -> Sparse:
    """Where the sparse rows of one tier are, as the fields of `TierPattern` from ``ptr`` on."""
    if not n_rest:
        return np.zeros(q + 1, dtype=np.int64), *_NO_ROWS
    order, start = scatter.sorted_by[position]
    return gather.sparse_pattern(order, start, scatter.rest_column, n_rest)


def _relative(
    own: Sparse, parents: list[Ints], later: list[Sparse], n_rest: int
) -> tuple[Ints, ...]:
    """Where the sparse rows of a tier stand among those of the tiers that contain it."""
    if not n_rest:
        return tuple([_NO_ROWS[2] for _ in later])
    return tuple(
        gather.relative_positions(own[0], own[1], parent, outer[0], outer[1], n_rest)
        for parent, outer in zip(parents, later, strict=True)
    )


def _elimination_chain(
    codes: tuple[Ints, ...], levels: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[tuple[int, ...], list[Ints]]:
    """Choose the chain of nested factors that leaves the smallest dense rest.

    Also gives the level of the next factor of the chain that contains each level, per factor but
    the last.
    """
    columns = [q * k for q, k in zip(levels, sizes, strict=True)]
    within: dict[tuple[int, int], Ints | None] = {}
    best: tuple[tuple[int, int, int], tuple[int, ...]] | None = None
    for start in range(len(codes)):
        chain = [start]
        others = sorted((f for f in range(len(codes)) if f != start), key=lambda f: (-levels[f], f))
        for f in others:
            pair = (chain[-1], f)
            if pair not in within:
                inner, outer = pair
                within[pair] = _containing(codes[inner], codes[outer], levels[inner], levels[outer])
            if within[pair] is not None:
                chain.append(f)
        rest = sum(c for f, c in enumerate(columns) if f not in chain)
        candidate = ((rest, -columns[start], start), tuple(chain))
        if best is None or candidate[0] < best[0]:
            best = candidate
    assert best is not None
    found = [within[pair] for pair in pairwise(best[1])]
    return best[1], [step for step in found if step is not None]


def _containing(inner: Ints, outer: Ints, n_inner: int, n_outer: int) -> Ints | None:
    """Level of `outer` within which each level of `inner` lies; None where they do not."""
    if n_inner < n_outer:
        return None
    is_nested, parent = gather.containing_levels(inner, outer, n_inner)
    return parent if is_nested else None
