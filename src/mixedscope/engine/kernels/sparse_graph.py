"""Where a sparse Cholesky factor has its entries: what is known of it from the graph alone.

The graph has a *node* for every level of every grouping factor, numbered in the order of
elimination; `ptr` and `idx` list, for every node, those before it that occur in a row with it. See
George & Liu (1981, Computer Solution of Large Sparse Positive Definite Systems) and Davis (2006,
Direct Methods for Sparse Linear Systems, chapter 4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["column_lengths", "column_nodes", "column_rows", "elimination_tree", "places_of_blocks"]

Ints = NDArray[np.int64]


@kernel
def elimination_tree(ptr: Ints, idx: Ints) -> Ints:
    """Give the first node below the diagonal in the column of each node; -1 where there is none."""
    n = len(ptr) - 1
    parent = np.empty(n, dtype=np.int64)
    ancestor = np.empty(n, dtype=np.int64)
    for i in range(n):
        parent[i] = -1
        ancestor[i] = -1
        for p in range(ptr[i], ptr[i + 1]):
            k = idx[p]
            while k != -1 and k < i:
                above = ancestor[k]
                ancestor[k] = i
                if above == -1:
                    parent[k] = i
                k = above
    return parent


@kernel
def column_lengths(ptr: Ints, idx: Ints, parent: Ints, width: Ints) -> tuple[Ints, Ints]:
    """Count the nodes below the diagonal in the column of each node, and the rows of these."""
    n = len(parent)
    nodes = np.zeros(n, dtype=np.int64)
    rows = np.zeros(n, dtype=np.int64)
    seen = np.empty(n, dtype=np.int64)
    for i in range(n):
        seen[i] = i
        for p in range(ptr[i], ptr[i + 1]):
            k = idx[p]
            while seen[k] != i:
                seen[k] = i
                nodes[k] += 1
                rows[k] += width[i]
                k = parent[k]
    return nodes, rows


@kernel
def column_nodes(ptr: Ints, idx: Ints, parent: Ints, start: Ints) -> Ints:
    """List the nodes below the diagonal in the columns of the first nodes, ascending in each.

    `start` (m + 1,): where the list of each of the first m nodes begins.
    """
    n, first = len(parent), len(start) - 1
    out = np.empty(start[first], dtype=np.int64)
    place = np.empty(first, dtype=np.int64)
    for k in range(first):
        place[k] = start[k]
    seen = np.empty(n, dtype=np.int64)
    for i in range(n):
        seen[i] = i
        for p in range(ptr[i], ptr[i + 1]):
            k = idx[p]
            while k < first and seen[k] != i:
                seen[k] = i
                out[place[k]] = i
                place[k] += 1
                k = parent[k]
    return out


@kernel
def column_rows(start: Ints, nodes: Ints, first: Ints, begin: Ints) -> NDArray[np.int32]:
    """List the rows below the diagonal of single columns, those of the first nodes.

    `first` (all nodes + 1,): first column of each node. `begin` (columns + 1,): where the list of
    each column is to begin.
    """
    out = np.empty(begin[len(begin) - 1], dtype=np.int32)
    for node in range(len(start) - 1):
        end = first[node + 1]
        for column in range(first[node], end):
            at = begin[column]
            for row in range(column + 1, end):
                out[at] = row
                at += 1
            for p in range(start[node], start[node + 1]):
                for row in range(first[nodes[p]], first[nodes[p] + 1]):
                    out[at] = row
                    at += 1
    return out


@kernel
def places_of_blocks(gp: Ints, gi: Ints, start: Ints, nodes: Ints, first: Ints) -> Ints:
    """Tell how many rows of a column precede a block of the data, its node's own not counted.

    `gp` and `gi` list, for every node, itself and the later ones that occur in a row with it.
    """
    out = np.zeros(len(gi), dtype=np.int64)
    for node in range(len(start) - 1):
        p, rows = start[node], first[0]
        for e in range(gp[node] + 1, gp[node + 1]):
            while nodes[p] != gi[e]:
                rows += first[nodes[p] + 1] - first[nodes[p]]
                p += 1
            out[e] = rows
    return out
