"""Compiled passes over the observations that sum cross-products by level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = [
    "containing_levels",
    "counting_sort",
    "level_products",
    "level_products_narrow",
    "products_between",
    "relative_positions",
    "rest_products",
    "sparse_pattern",
    "sparse_sums",
    "sums_by_level",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def counting_sort(codes: Ints, n_levels: int) -> tuple[Ints, Ints]:
    """Return the stable order of `codes`, and where each level begins in it."""
    start = np.zeros(n_levels + 1, dtype=np.int64)
    for i in range(len(codes)):
        start[codes[i] + 1] += 1
    for level in range(n_levels):
        start[level + 1] += start[level]
    place = np.empty(n_levels, dtype=np.int64)
    for level in range(n_levels):
        place[level] = start[level]
    order = np.empty(len(codes), dtype=np.int64)
    for i in range(len(codes)):
        level = codes[i]
        order[place[level]] = i
        place[level] += 1
    return order, start


@kernel
def containing_levels(inner: Ints, outer: Ints, n_inner: int) -> tuple[bool, Ints]:
    """Find the one level of `outer` within which each of `inner` lies; False if there are more."""
    parent = np.full(n_inner, -1, dtype=np.int64)
    for i in range(len(inner)):
        level = inner[i]
        if parent[level] < 0:
            parent[level] = outer[i]
        elif parent[level] != outer[i]:
            return False, parent
    return True, parent


@kernel
def level_products(
    codes: Ints, own: Floats, head: Floats, n_levels: int, room: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """Sum ``own' own`` and ``head' own`` by level: shapes (q, k, k) and (q, h, k).

    In new arrays, which takes up to a quarter less time than in those of `room`: the compiler then
    knows that they have nothing in common with the others.
    """
    k, h = own.shape[1], head.shape[1]
    if room is None:
        d = np.zeros((n_levels, k, k))
        u = np.zeros((n_levels, h, k))
    else:
        d, u = room
        d.fill(0.0)
        u.fill(0.0)
    for i in range(len(codes)):
        level = codes[i]
        for c in range(k):
            z = own[i, c]
            for a in range(k):
                d[level, a, c] += own[i, a] * z
            for a in range(h):
                u[level, a, c] += head[i, a] * z
    return d, u


@kernel
def level_products_narrow(
    codes: Ints, own: Floats, head: Floats, n_levels: int, room: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """Do what `level_products` does for one or two columns and few rows `head` (h, n).

    Written out it takes half the time; small data have no use for a second kernel.
    """
    k, h = own.shape[1], len(head)
    if room is None:
        d = np.zeros((n_levels, k, k))
        u = np.zeros((n_levels, h, k))
    else:
        d, u = room
        d.fill(0.0)
        u.fill(0.0)
    if k == 1:
        for i in range(len(codes)):
            level, z = codes[i], own[i, 0]
            d[level, 0, 0] += z * z
            target = u[level]
            for a in range(h):
                target[a, 0] += head[a, i] * z
        return d, u
    for i in range(len(codes)):
        level, z, other = codes[i], own[i, 0], own[i, 1]
        block, target = d[level], u[level]
        block[0, 0] += z * z
        block[1, 0] += z * other
        block[1, 1] += other * other
        for a in range(h):
            value = head[a, i]
            target[a, 0] += value * z
            target[a, 1] += value * other
    for level in range(n_levels):
        d[level, 0, 1] = d[level, 1, 0]
    return d, u


@kernel
def products_between(codes: Ints, own: Floats, outer: Floats, n_levels: int) -> Floats:
    """Sum ``outer' own`` by level: shape (q, columns of `outer`, columns of `own`)."""
    out = np.zeros((n_levels, outer.shape[1], own.shape[1]))
    for i in range(len(codes)):
        target = out[codes[i]]
        for a in range(outer.shape[1]):
            for c in range(own.shape[1]):
                target[a, c] += outer[i, a] * own[i, c]
    return out


@kernel
def sums_by_level(codes: Ints, values: Floats, n_levels: int) -> Floats:
    """Sum the rows of `values` (n, k) by level: shape (q, k)."""
    out = np.zeros((n_levels, values.shape[1]))
    for i in range(len(codes)):
        for c in range(values.shape[1]):
            out[codes[i], c] += values[i, c]
    return out


@kernel
def sparse_pattern(
    order: Ints, start: Ints, rest_column: NDArray[np.int32], n_rest: int
) -> tuple[Ints, NDArray[np.uint32], NDArray[np.int32], Ints, Ints]:
    """Find by level which columns of the rest it meets.

    Returns ``ptr``, ``idx``, ``level``, ``by_column`` and ``column_ptr`` of a
    :class:`mixedscope.engine.pattern.TierPattern`.
    """
    n_levels, width = len(start) - 1, rest_column.shape[1]
    # First pass: how many columns does each level meet, and how many levels each column?
    seen = np.empty(n_rest, dtype=np.int64)
    for column in range(n_rest):
        seen[column] = -1
    ptr = np.zeros(n_levels + 1, dtype=np.int64)
    column_ptr = np.zeros(n_rest + 1, dtype=np.int64)
    for i in range(n_levels):
        count = 0
        for s in range(start[i], start[i + 1]):
            for m in range(width):
                column = rest_column[order[s], m]
                if seen[column] != i:
                    seen[column] = i
                    column_ptr[column + 1] += 1
                    count += 1
        ptr[i + 1] = ptr[i] + count
    for column in range(n_rest):
        column_ptr[column + 1] += column_ptr[column]
        seen[column] = -1
    # Second pass: the levels of each column, which read off column by column come out sorted by
    # column within each level.
    total = ptr[n_levels]
    by_column = np.empty(total, dtype=np.int64)
    place = np.empty(n_rest, dtype=np.int64)
    for column in range(n_rest):
        place[column] = column_ptr[column]
    for i in range(n_levels):
        for s in range(start[i], start[i + 1]):
            for m in range(width):
                column = rest_column[order[s], m]
                if seen[column] != i:
                    seen[column] = i
                    by_column[place[column]] = i
                    place[column] += 1
    idx = np.empty(total, dtype=np.uint32)
    level = np.empty(total, dtype=np.int32)
    end = np.empty(n_levels, dtype=np.int64)
    for i in range(n_levels):
        end[i] = ptr[i]
    for column in range(n_rest):
        for at in range(column_ptr[column], column_ptr[column + 1]):
            i = by_column[at]
            pos = end[i]
            end[i] += 1
            idx[pos] = column
            level[pos] = i
            by_column[at] = pos
    return ptr, idx, level, by_column, column_ptr


@kernel
def sparse_sums(
    order: Ints,
    start: Ints,
    own: Floats,
    rest_column: NDArray[np.int32],
    rest_z: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    n_rest: int,
    w: Floats,
) -> None:
    """Fill the sparse rows `w` (nnz, k) with the sums of ``rest' own`` by level."""
    k, width = own.shape[1], rest_z.shape[1]
    place = np.empty(n_rest, dtype=np.int64)
    for i in range(len(start) - 1):
        for pos in range(ptr[i], ptr[i + 1]):
            place[idx[pos]] = pos
            for c in range(k):
                w[pos, c] = 0.0
        for s in range(start[i], start[i + 1]):
            row = order[s]
            for m in range(width):
                pos = place[rest_column[row, m]]
                value = rest_z[row, m]
                for c in range(k):
                    w[pos, c] += value * own[row, c]


@kernel
def relative_positions(
    ptr: Ints,
    idx: NDArray[np.uint32],
    parent: Ints,
    parent_ptr: Ints,
    parent_idx: NDArray[np.uint32],
    n_rest: int,
) -> Ints:
    """Find every sparse row of a level among the sparse rows of the level that contains it."""
    out = np.empty(len(idx), dtype=np.int64)
    place = np.empty(n_rest, dtype=np.int64)
    for level in range(len(parent)):
        outer = parent[level]
        for pos in range(parent_ptr[outer], parent_ptr[outer + 1]):
            place[parent_idx[pos]] = pos
        for pos in range(ptr[level], ptr[level + 1]):
            out[pos] = place[idx[pos]]
    return out


@kernel
def rest_products(
    rest_column: NDArray[np.int32], rest_z: Floats, tail: Floats, n_rest: int, out: Floats
) -> None:
    """Add the cross-products of the rest with itself and with the tail to an upper triangle."""
    n, width = rest_z.shape
    n_tail = tail.shape[1]
    for i in range(n):
        for a in range(width):
            row, value = rest_column[i, a], rest_z[i, a]
            # Columns of one observation ascend, as the factors of the rest follow one another.
            for b in range(a, width):
                out[row, rest_column[i, b]] += value * rest_z[i, b]
            for t in range(n_tail):
                out[row, n_rest + t] += value * tail[i, t]
