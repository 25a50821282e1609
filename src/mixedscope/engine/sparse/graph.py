"""Which entries a sparse Cholesky factor of all random effects has, and in which order.

The graph has a node for every level of every grouping factor; two are joined if they occur in a row
together. The levels of the first factor that the dense engine eliminates come first, as no two of
them are joined; those of the others in an order of minimum degree of the graph that is then left
(:mod:`mixedscope.engine.kernels.minimum_degree`). Columns of nearly the same rows, where they are
long, are *panels*, whose columns are given all rows of the last, and which are worked on as dense
matrices. All of it is done once, before anything is factorised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.minimum_degree import minimum_degree
from mixedscope.engine.kernels.sparse_graph import (
    column_lengths,
    column_nodes,
    column_rows,
    elimination_tree,
    join_columns,
    places_of_blocks,
    postorder,
)
from mixedscope.engine.pattern import Pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Elimination", "SparsePattern", "elimination_of", "share_of_graph", "sparse_pattern"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of the rest whose neighbours are counted to see how full its graph is; and that are looked
# at together where all are.
_SAMPLE: Final = 128
# How many times as long as in the dense matrix of the last columns a multiplication takes in the
# others: what tells where that begins.
_LONGER: Final = 4.0
# How many times as long as one of LAPACK's in a large matrix a multiplication takes in columns that
# are in no panel, and in panels, where numbers are moved to and fro (measured).
_ALONE: Final = 40.0
_IN_PANELS: Final = 8.0
# Multiplications of a panel from which on LAPACK gains more than the calls take.
_PANEL: Final = 5e5
# A panel of more columns than these has no larger share of zeros than those.
_COLUMNS: Final = (8, 32)
_ZEROS: Final = (0.5, 0.2, 0.05)
# Levels that meet more others than so many times the root of their number come last, unsorted.
_BUSY: Final = 10.0
# Members up to which sets are looked through for others with the same.
_SETS_SOUGHT: Final = 8


@dataclass(frozen=True)
class Elimination:
    """An order of elimination, and how many entries the factor has.

    Attributes
    ----------
    order : (nodes,) array of int
        Place of each node, factor by factor, level by level.
    factor : (nodes,) array of int
        Grouping factor of each node, by place; as in all that follows.
    first : (nodes + 1,) array of int
        First column of each node.
    gp, gi : arrays of int
        The node itself and the later nodes that it is joined with, one list after another.
    ptr, idx : arrays of int
        The earlier nodes that it is joined with.
    parent : (nodes,) array of int
        First node below the diagonal in the factor's column; -1 where there is none.
    nodes, rows : (nodes,) arrays of int
        Nodes below the diagonal in the factor's column of blocks, and rows of these.
    last : (nodes,) array of int
        Last node of the panel that each is in; -1 where it is in none.
    sparse : int
        Nodes whose columns are sparse; those that follow are worked on as a dense matrix.
    share : float
        Entries of the factor beyond the first grouping factor, over those of the dense rest.
    """

    order: Ints
    factor: Ints
    first: Ints
    gp: Ints
    gi: Ints
    ptr: Ints
    idx: Ints
    parent: Ints
    nodes: Ints
    rows: Ints
    last: Ints
    sparse: int
    share: float

    @property
    def columns(self) -> int:
        """Number of sparse columns."""
        return int(self.first[self.sparse])

    @property
    def entries(self) -> int:
        """Number of entries below the diagonal of the sparse columns."""
        k = np.diff(self.first[: self.sparse + 1])
        return int((k * self.rows[: self.sparse] + k * (k - 1) // 2).sum())

    @property
    def dense(self) -> int:
        """Number of columns that are worked on as a dense matrix."""
        return int(self.first[-1]) - self.columns

    @property
    def work(self) -> float:
        """Multiplications of one factorisation, as of a large dense matrix, that take as long."""
        width = np.diff(self.first[: self.sparse + 1])
        own = _multiplications(width, self.rows[: self.sparse])
        longer = np.where(self.last[: self.sparse] == -1, _ALONE, _IN_PANELS)
        return float((longer * own).sum()) + float(self.dense) ** 3 / 3.0

    @cached_property
    def panels(self) -> list[tuple[int, int]]:
        """First column and the one after the last of each panel, in the order of elimination."""
        inside = np.flatnonzero(self.last[: self.sparse] != -1)
        final, at = np.unique(self.last[inside], return_index=True)
        begin = inside[at]
        return list(zip(self.first[begin].tolist(), self.first[final + 1].tolist(), strict=True))


@dataclass(frozen=True)
class SparsePattern:
    """Where the entries are; the same for all weights, responses and theta.

    Attributes
    ----------
    codes : tuple of (n,) arrays of int
        Level of each observation, per factor of the model.
    levels, sizes : tuple of int
        Numbers of levels and of columns, per factor of the model.
    elimination : Elimination
    place : tuple of (q,) arrays of int
        Node of every level, per factor of the model.
    gv : (blocks,) array of int
        Where the numbers of each block of ``Z'Z`` begin.
    rel : (blocks,) array of int
        Rows of the sparse column before the block, its node's own not counted.
    at : (nodes,) array of int
        Where the factor of each node begins among the entries of all of them.
    lp, li : arrays of int
        Rows below the diagonal in the sparse columns: where each list begins, and the lists.
    panel : (columns,) array of int
        The column after the last one of the panel that a sparse column is in; -1: in none.
    """

    codes: tuple[Ints, ...]
    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    elimination: Elimination
    place: tuple[Ints, ...]
    gv: Ints
    rel: Ints
    at: Ints
    lp: Ints
    li: NDArray[np.int32]
    panel: Ints

    @property
    def n_columns(self) -> int:
        """Number of random effects."""
        return int(self.elimination.first[-1])

    def columns_of(self, factor: int) -> Ints:
        """Columns (q, k), in the order of elimination, of the levels of a factor."""
        own = np.arange(self.sizes[factor])
        return self.elimination.first[self.place[factor]][:, None] + own


def share_of_graph(pattern: Pattern) -> float:
    """Tell how full the graph of the rest is once the first factor is eliminated, 1 being all.

    Counted for some columns, evenly spaced, and what they have in common with others through levels
    of that factor; a factor has at least as many entries.
    """
    from scipy.sparse import csr_array

    tier, n_rest = pattern.tiers[0], pattern.n_rest
    columns = tier.idx.astype(np.int32)
    met = csr_array(
        (np.ones(len(columns), dtype=np.int32), columns, tier.ptr),
        shape=(len(tier.ptr) - 1, n_rest),
    )
    some = np.unique(np.linspace(0, n_rest - 1, _SAMPLE).astype(np.int64))
    across = met.tocsc()[:, some].T @ met
    return float(across.nnz / (len(some) * n_rest))


def elimination_of(pattern: Pattern) -> Elimination:
    """Choose the order of elimination, and count the entries of the factor."""
    graph, factor, first = _graph_of(pattern)
    nodes, eliminated = graph.shape[0], len(first)
    width = np.array(pattern.sizes)[factor]
    rest = np.setdiff1d(np.arange(nodes), first)
    order = np.empty(nodes, dtype=np.int64)
    order[first] = np.arange(eliminated)
    if len(rest):
        order[rest] = eliminated + _minimum_degree(graph[first][:, rest])
    gp, gi, ptr, idx = _permuted(graph, order)
    parent = elimination_tree(ptr, idx)
    # The same factor with columns of like rows side by side; what is longest comes last.
    rows = column_lengths(ptr, idx, parent, _placed(width, order))[1]
    by_length = np.argsort(rows[eliminated:], kind="stable")
    above = parent[eliminated:] - eliminated * (parent[eliminated:] != -1)
    order[rest] = eliminated + postorder(above, by_length)[order[rest] - eliminated]
    gp, gi, ptr, idx = _permuted(graph, order)
    parent = elimination_tree(ptr, idx)
    width, placed = _placed(width, order), _placed(factor, order)
    begin = np.concatenate([[0], np.cumsum(width)])
    counts, rows = column_lengths(ptr, idx, parent, width)
    sparse = _where_dense(width, rows, eliminated)
    beyond = float((width * rows + width * (width + 1) // 2)[eliminated:].sum())
    share = beyond / max(pattern.n_rest * (pattern.n_rest + 1.0) / 2.0, 1.0)
    last = join_columns(
        parent, width, rows, eliminated, sparse, _PANEL, np.array(_COLUMNS), np.array(_ZEROS)
    )
    inside = np.flatnonzero(last != -1)
    final = last[inside]
    counts[inside] = final - inside + counts[final]
    rows[inside] = begin[final + 1] - begin[inside + 1] + rows[final]
    return Elimination(
        order, placed, begin, gp, gi, ptr, idx, parent, counts, rows, last, sparse, share
    )  # fmt: skip


def _where_dense(width: Ints, rows: Ints, eliminated: int) -> int:
    """Give the first node of those that take least time as one dense matrix of all that is left."""
    work = np.concatenate([[0.0], np.cumsum(_multiplications(width, rows))])
    left = float(width.sum()) - np.concatenate([[0.0], np.cumsum(width)])
    seconds = _LONGER * work + left**3 / 3.0
    return eliminated + int(np.argmin(seconds[eliminated:]))


def _multiplications(width: Ints, rows: Ints) -> NDArray[np.float64]:
    """Multiplications (nodes,) that it takes to factorise the columns of each node."""
    k = width.astype(float)
    return np.asarray(k * (rows + k) ** 2)


def _placed(values: Ints, order: Ints) -> Ints:
    """Give what nodes have, by place."""
    out = np.empty_like(values)
    out[order] = values
    return out


def sparse_pattern(pattern: Pattern, elimination: Elimination) -> SparsePattern:
    """List the entries of the factor."""
    e = elimination
    width = np.diff(e.first)
    start = np.concatenate([[0], np.cumsum(e.nodes[: e.sparse])])
    nodes = column_nodes(e.ptr, e.idx, e.parent, start, e.last)
    # Single columns of a node have what is below the diagonal of its own block, and its rows.
    owner = np.repeat(np.arange(e.sparse), width[: e.sparse])
    below = e.first[owner + 1] - 1 - np.arange(e.columns)
    lp = np.concatenate([[0], np.cumsum(below + e.rows[owner])])
    sizes = width[e.gi] * np.repeat(width, np.diff(e.gp))
    factors = np.concatenate([[0], np.cumsum(np.array(pattern.sizes) ** 2)])
    ends = np.cumsum(pattern.levels)
    return SparsePattern(
        codes=pattern.codes,
        levels=pattern.levels,
        sizes=pattern.sizes,
        elimination=e,
        place=tuple(np.split(e.order, ends[:-1])),
        gv=np.cumsum(sizes) - sizes,
        rel=places_of_blocks(e.gp, e.gi, start, nodes, e.first),
        at=factors[e.factor],
        lp=lp,
        li=column_rows(start, nodes, e.first, lp),
        panel=np.where(e.last[owner] == -1, -1, e.first[e.last[owner] + 1]),
    )


def _graph_of(pattern: Pattern) -> tuple[csr_array, Ints, Ints]:
    """Join the nodes of each row; also the factor of each node, and the nodes of the first one."""
    from scipy.sparse import csr_array  # slow to import and no need of small models

    offsets = np.concatenate([[0], np.cumsum(pattern.levels)])
    count, n = len(pattern.codes), len(pattern.codes[0])
    columns = np.empty((n, count), dtype=np.int32)
    for f, codes in enumerate(pattern.codes):
        columns[:, f] = codes + offsets[f]
    ones = np.ones(n * count, dtype=np.int32)
    rows = csr_array(
        (ones, columns.ravel(), np.arange(0, n * count + 1, count)), shape=(n, int(offsets[-1]))
    )
    graph = (rows.T @ rows).tocsr()
    graph.data[:] = 1
    factor = np.repeat(np.arange(count), pattern.levels)
    own = pattern.chain[0]
    return graph, factor, np.arange(offsets[own], offsets[own + 1])


def _minimum_degree(sets: Any) -> Ints:
    """Place (m,) of each node in an order of minimum degree; rows of `sets` (q, m) join nodes."""
    from scipy.sparse import csr_array

    m = sets.shape[1]
    members = csr_array(sets)
    members.sort_indices()
    members = members[_different(members)]
    # Who has met nearly everybody has no place in an order, but would be looked at every time.
    is_busy = _are_busy(members, max(16.0, _BUSY * np.sqrt(m)))
    calm = np.flatnonzero(~is_busy)
    place = np.empty(m, dtype=np.int64)
    place[is_busy] = np.arange(len(calm), m)
    members = members[:, calm]
    members = members[np.diff(members.indptr) > 1]
    inside = members.tocsc()
    rank = np.empty(len(calm), dtype=np.int64)
    minimum_degree(
        members.indptr.astype(np.int64), members.indices.astype(np.int64),
        inside.indptr.astype(np.int64), inside.indices.astype(np.int64), rank,
    )  # fmt: skip
    place[calm[np.argsort(rank, kind="stable")]] = np.arange(len(calm))
    return place


def _are_busy(members: Any, most: float) -> NDArray[np.bool_]:
    """Which columns of a matrix share rows with more than so many others."""
    by_column = members.tocsc()
    out = np.diff(by_column.indptr) > most
    asked = np.flatnonzero(out)
    for begin in range(0, len(asked), _SAMPLE):
        some = asked[begin : begin + _SAMPLE]
        across = (by_column[:, some].T @ members).tocsr()
        out[some] = np.diff(across.indptr) - 1 > most
    return np.asarray(out)


def _different(members: Any) -> Ints:
    """Rows of a matrix without those that join nothing, and without some that join the same."""
    length = np.diff(members.indptr)
    chosen = [np.flatnonzero(length > _SETS_SOUGHT)]
    for size in range(2, _SETS_SOUGHT + 1):
        own = np.flatnonzero(length == size)
        if not len(own):
            continue
        of_each = members.indices[members.indptr[own][:, None] + np.arange(size)]
        chosen.append(own[np.unique(of_each, axis=0, return_index=True)[1]])
    return np.sort(np.concatenate(chosen))


def _permuted(graph: Any, order: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Lists of later nodes, each with itself first, and of earlier ones, by place."""
    from scipy.sparse import csr_array

    found = graph.tocoo()
    one, other = order[found.row], order[found.col]
    out: list[Ints] = []
    for chosen in (other >= one, other < one):
        lists = csr_array(
            (np.ones(int(chosen.sum()), dtype=np.int8), (one[chosen], other[chosen])),
            shape=graph.shape,
        )
        lists.sort_indices()
        out += [lists.indptr.astype(np.int64), lists.indices.astype(np.int64)]
    return out[0], out[1], out[2], out[3]
