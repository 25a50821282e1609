"""Which entries a sparse Cholesky factor of all random effects has, and in which order.

The graph has a node for every level of every grouping factor; two are joined if they occur in a row
together. The levels of the first factor that the dense engine eliminates come first, as no two of
them are joined; those of the others in the order of minimum degree (Liu 1985, ACM Trans. Math.
Softw. 11) of the graph that is then left, found by SuperLU, which scipy brings along. All of it is
done once, before anything is factorised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.sparse_graph import (
    column_lengths,
    column_nodes,
    column_rows,
    elimination_tree,
    places_of_blocks,
)
from mixedscope.engine.pattern import Pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Elimination", "SparsePattern", "elimination_of", "share_of_graph", "sparse_pattern"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of the rest whose neighbours are counted to see how full its graph is.
_SAMPLE: Final = 128
# Share of a triangle from which on it is worked on as a dense matrix, by LAPACK.
_FULL: Final = 0.5


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
    def operations(self) -> float:
        """Multiplications of one factorisation in the sparse columns."""
        k = np.diff(self.first[: self.sparse + 1])
        return float((k * (self.rows[: self.sparse] + k).astype(float) ** 2).sum())


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
    nodes = graph.shape[0]
    rest = np.setdiff1d(np.arange(nodes), first)
    order = np.empty(nodes, dtype=np.int64)
    order[first] = np.arange(len(first))
    if len(rest):
        to_first = graph[first][:, rest]
        left = graph[rest][:, rest] + to_first.T @ to_first
        order[rest] = len(first) + _minimum_degree(left)
    del first, rest
    width = np.empty(nodes, dtype=np.int64)
    width[order] = np.array(pattern.sizes)[factor]
    placed = np.empty(nodes, dtype=np.int64)
    placed[order] = factor
    begin = np.concatenate([[0], np.cumsum(width)])
    gp, gi, ptr, idx = _permuted(graph, order)
    parent = elimination_tree(ptr, idx)
    counts, rows = column_lengths(ptr, idx, parent, width)
    own = width * rows + width * (width + 1) // 2
    # Entries from each node on, beside those of a full triangle.
    following = np.cumsum(own[::-1])[::-1]
    size = (begin[-1] - begin[:-1]).astype(float)
    is_full = following >= _FULL * size * (size + 1.0) / 2.0
    eliminated = pattern.levels[pattern.chain[0]]
    is_full[:eliminated] = False
    sparse = int(np.argmax(is_full)) if is_full.any() else nodes
    beyond = float(own[eliminated:].sum())
    share = beyond / max(pattern.n_rest * (pattern.n_rest + 1.0) / 2.0, 1.0)
    return Elimination(
        order, placed, begin, gp, gi, ptr, idx, parent, counts, rows, sparse, share
    )  # fmt: skip


def sparse_pattern(pattern: Pattern, elimination: Elimination) -> SparsePattern:
    """List the entries of the factor."""
    e = elimination
    width = np.diff(e.first)
    start = np.concatenate([[0], np.cumsum(e.nodes[: e.sparse])])
    nodes = column_nodes(e.ptr, e.idx, e.parent, start)
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


def _minimum_degree(graph: Any) -> Ints:
    """Place (m,) of each node of a symmetric graph (m, m) in an order of minimum degree."""
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import spilu

    # An incomplete factorisation that drops everything takes no longer than to find the order.
    m = graph.shape[0]
    light = csc_array(graph, dtype=np.float64)
    light.data[:] = 1e-3 / m
    made = spilu(
        csc_array(light + eye_array(m, format="csc")), drop_tol=1.0, fill_factor=1.0,
        permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True},
    )  # fmt: skip
    return np.asarray(made.perm_c, dtype=np.int64)


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
