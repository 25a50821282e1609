"""Iterated columns that belong together: those of a level, with those of the levels within it.

An effect of a shop and those of the items that it alone sells are hardly told apart by the rows:
together they are one block, solved for exactly. Every factor whose levels lie within those of
another iterated one joins the outermost of these; a factor that has none within it, and lies in
none, is a block a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.products import GroupColumns

__all__ = ["Cluster", "Clusters", "clusters_of", "roots_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Cluster(NamedTuple):
    """Blocks of one composition.

    Attributes
    ----------
    rows : (g, s) array of int
        Columns of every block.
    parts : tuple of (int, int)
        Iterated factors, by their number, and how many levels of each: in the order of the columns.
    """

    rows: Ints
    parts: tuple[tuple[int, int], ...]


class Clusters(NamedTuple):
    """All columns, parted into blocks; numbered by cluster, of which all entries are one array.

    Attributes
    ----------
    groups : tuple of Cluster
    block, place : (N,) arrays of int
        Block of every column, and its place there.
    begin, size : (blocks,) arrays of int
        Where the entries of every block begin, and how many columns it has.
    is_plain : bool
        Whether every block is a level.
    """

    groups: tuple[Cluster, ...]
    block: Ints
    place: Ints
    begin: Ints
    size: Ints
    is_plain: bool

    @property
    def n_entries(self) -> int:
        """Number of entries of all blocks."""
        return int((self.size**2).sum())

    def views(self, entries: Floats) -> list[Floats]:
        """Blocks (g, s, s) of every cluster, as views of all entries."""
        out, at = [], 0
        for group in self.groups:
            g, s = group.rows.shape
            out.append(entries[at : at + g * s * s].reshape(g, s, s))
            at += g * s * s
        return out

    def entries_of(self, rows: Ints, columns: Ints) -> Ints:
        """Where entries are; rows and columns (...) are of one block each."""
        own = self.block[rows]
        return np.asarray(self.begin[own] + self.place[rows] * self.size[own] + self.place[columns])

    def order_of(self, ptr: Ints, idx: NDArray[np.uint32]) -> Ints:
        """Order of pairs such that those of a level and a block follow one another, or empty."""
        if self.is_plain:
            return np.empty(0, dtype=np.int64)
        level = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
        return np.lexsort((self.place[idx], self.block[idx], level))


def roots_of(levels: Sequence[tuple[Ints, int]]) -> list[tuple[int, Ints | None]]:
    """Outermost factor that each lies within, and which of its levels; itself and None if none.

    ``levels``: codes (n,) and number of levels of every factor.
    """
    out: list[tuple[int, Ints | None]] = []
    sizes = sorted((q, f) for f, (_, q) in enumerate(levels))
    for f, (codes, q) in enumerate(levels):
        out.append((f, None))
        for other, g in sizes:
            if (other, g) >= (q, f):
                break
            found, parent = gather.containing_levels(codes, levels[g][0], q)
            if found and (parent >= 0).all():
                out[-1] = (g, parent)
                break
    return out


def clusters_of(iterated: Sequence[GroupColumns]) -> Clusters:
    """Part the columns of iterated factors into blocks."""
    counts = [factor.n_levels * factor.size for factor in iterated]
    firsts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    roots = roots_of([(factor.codes, factor.n_levels) for factor in iterated])
    groups = []
    for root, factor in enumerate(iterated):
        if roots[root][0] != root:
            continue
        inner = [
            (f, *gather.counting_sort(parent, factor.n_levels))
            for f, (g, parent) in enumerate(roots)
            if g == root and parent is not None
        ]
        kinds = np.zeros((1, 0), dtype=np.int64)
        which = np.zeros(factor.n_levels, dtype=np.int64)
        if inner:
            have = np.column_stack([np.diff(start) for *_, start in inner])
            kinds, which = np.unique(have, axis=0, return_inverse=True)
        for kind, numbers in enumerate(kinds.tolist()):
            levels = np.flatnonzero(which.reshape(-1) == kind)
            rows = [_columns(levels[:, None], firsts[root], factor.size)]
            parts = [(root, 1)]
            for (f, order, start), number in zip(inner, numbers, strict=True):
                within = order[start[levels][:, None] + np.arange(number)]
                rows.append(_columns(within, firsts[f], iterated[f].size))
                parts.append((f, number))
            groups.append(Cluster(np.ascontiguousarray(np.hstack(rows)), tuple(parts)))
    block, place = np.empty(firsts[-1], dtype=np.int64), np.empty(firsts[-1], dtype=np.int64)
    sizes = np.concatenate([np.full(len(g.rows), g.rows.shape[1]) for g in groups])
    at = 0
    for group in groups:
        block[group.rows] = np.arange(at, at + len(group.rows))[:, None]
        place[group.rows] = np.arange(group.rows.shape[1])
        at += len(group.rows)
    begin = np.concatenate([[0], np.cumsum(sizes**2)[:-1]])
    plain = all(len(group.parts) == 1 for group in groups)
    return Clusters(tuple(groups), block, place, begin, sizes.astype(np.int64), plain)


def _columns(levels: Ints, first: int, k: int) -> Ints:
    """Columns (g, m k) of levels (g, m) of a factor whose columns begin at `first`."""
    columns = first + levels[:, :, None] * k + np.arange(k)
    return np.asarray(columns.reshape(len(levels), -1), dtype=np.int64)
