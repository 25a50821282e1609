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

__all__ = [
    "column_lengths",
    "column_nodes",
    "column_rows",
    "elimination_tree",
    "join_columns",
    "places_of_blocks",
    "postorder",
]

Ints = NDArray[np.int64]
Nodes = NDArray[np.int32]


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
def postorder(parent: Ints, by_length: Ints) -> Ints:
    """Number the nodes so that each comes right after the last of those below it in the tree.

    `by_length`: the nodes in the order in which those of one parent are to come.
    """
    n = len(parent)
    head = np.empty(n, dtype=np.int64)
    following = np.empty(n, dtype=np.int64)
    for i in range(n):
        head[i] = -1
    root = -1
    for back in range(n):
        i = by_length[n - 1 - back]
        above = parent[i]
        if above == -1:
            following[i] = root
            root = i
        else:
            following[i] = head[above]
            head[above] = i
    place = np.empty(n, dtype=np.int64)
    stack = np.empty(n, dtype=np.int64)
    number = 0
    while root != -1:
        depth = 0
        stack[0] = root
        root = following[root]
        while depth >= 0:
            i = stack[depth]
            below = head[i]
            if below == -1:
                place[i] = number
                number += 1
                depth -= 1
            else:
                head[i] = following[below]
                depth += 1
                stack[depth] = below
    return place


@kernel
def join_columns(
    parent: Ints, width: Ints, rows: Ints, begin: int, end: int, least: float, some: Ints,
    share: NDArray[np.float64],
) -> Ints:  # fmt: skip
    """Give the last node of the panel of each of the nodes `begin` to `end` (all nodes,); -1: none.

    The columns of a panel have all rows of its last one. A node joins those before it that it is
    the parent of, as long as no more than ``share[i]`` of the entries are zeros then, i being how
    many of the numbers of columns `some` there are more than. Panels of fewer than `least`
    multiplications are none, but if they take from others.
    """
    last = np.empty(len(parent), dtype=np.int64)
    is_above = np.empty(len(parent), dtype=np.bool_)
    for i in range(len(parent)):
        last[i] = -1
        is_above[i] = False
    first = begin
    while first < end:
        final = first
        columns = width[first]
        # Entries of the columns as they are: what is below the diagonal.
        own = columns * rows[first] + columns * (columns - 1) // 2
        while final + 1 < end and parent[final] == final + 1:
            k = width[final + 1]
            joined = columns + k
            true = own + k * rows[final + 1] + k * (k - 1) // 2
            entries = joined * rows[final + 1] + joined * (joined - 1) // 2
            bound = 0
            while bound < len(some) and joined > some[bound]:
                bound += 1
            if entries - true > share[bound] * entries:
                break
            final += 1
            columns = joined
            own = true
        size = float(columns) * float(rows[final] + columns) * float(rows[final] + columns)
        is_panel = size >= least
        for i in range(first, final + 1):
            is_panel = is_panel or is_above[i]
        if is_panel:
            for i in range(first, final + 1):
                last[i] = final
            if parent[final] != -1:
                is_above[parent[final]] = True
        first = final + 1
    return last


@kernel
def column_nodes(ptr: Ints, idx: Ints, parent: Ints, start: Ints, last: Ints) -> Nodes:
    """List the nodes below the diagonal in the columns of the first nodes, ascending in each.

    `start` (m + 1,): where the list of each of the first m nodes begins. `last` (nodes,): last node
    of the panel of each, whose list all of it have; -1 for those in none.
    """
    n, first = len(parent), len(start) - 1
    out = np.empty(start[first], dtype=np.int32)
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
                if last[k] == -1 or last[k] == k:
                    out[place[k]] = i
                    place[k] += 1
                k = parent[k]
    for k in range(first):
        if last[k] > k:
            p = start[k]
            for i in range(k + 1, last[k] + 1):
                out[p] = i
                p += 1
            for q in range(start[last[k]], start[last[k] + 1]):
                out[p] = out[q]
                p += 1
    return out


@kernel
def column_rows(start: Ints, nodes: Nodes, first: Ints, begin: Ints) -> Nodes:
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
def places_of_blocks(gp: Ints, gi: Ints, start: Ints, nodes: Nodes, first: Ints) -> Ints:
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
