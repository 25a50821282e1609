"""Compiled passes over the observations that sum cross-products by level."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "counting_sort",
    "level_products",
    "relative_positions",
    "rest_products",
    "sparse_rows",
    "sums_by_level",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True)
def counting_sort(codes: Ints, n_levels: int) -> tuple[Ints, Ints]:
    """Return the stable order of `codes`, and where each level begins in it."""
    start = np.zeros(n_levels + 1, dtype=np.int64)
    for i in range(len(codes)):
        start[codes[i] + 1] += 1
    for level in range(n_levels):
        start[level + 1] += start[level]
    place = start[:-1].copy()
    order = np.empty(len(codes), dtype=np.int64)
    for i in range(len(codes)):
        level = codes[i]
        order[place[level]] = i
        place[level] += 1
    return order, start


@njit(cache=True)
def level_products(codes: Ints, own: Floats, head: Floats, n_levels: int) -> tuple[Floats, Floats]:
    """Sum ``own' own`` and ``head' own`` by level: shapes (q, k, k) and (q, h, k)."""
    k, h = own.shape[1], head.shape[1]
    d = np.zeros((n_levels, k, k))
    u = np.zeros((n_levels, h, k))
    for i in range(len(codes)):
        level = codes[i]
        for c in range(k):
            z = own[i, c]
            for a in range(k):
                d[level, a, c] += own[i, a] * z
            for a in range(h):
                u[level, a, c] += head[i, a] * z
    return d, u


@njit(cache=True)
def sums_by_level(codes: Ints, values: Floats, n_levels: int) -> Floats:
    """Sum the rows of `values` (n, k) by level: shape (q, k)."""
    out = np.zeros((n_levels, values.shape[1]))
    for i in range(len(codes)):
        for c in range(values.shape[1]):
            out[codes[i], c] += values[i, c]
    return out


@njit(cache=True)
def sparse_rows(
    order: Ints,
    start: Ints,
    own: Floats,
    rest_column: NDArray[np.int32],
    rest_z: Floats,
    n_rest: int,
) -> tuple[Ints, NDArray[np.uint32], Floats]:
    """Sum ``rest' own`` by level, keeping only the columns of the rest that a level meets."""
    n_levels, k, width = len(start) - 1, own.shape[1], rest_z.shape[1]
    # First pass: which columns does each level meet?
    seen = np.full(n_rest, -1, dtype=np.int64)
    ptr = np.zeros(n_levels + 1, dtype=np.int64)
    for level in range(n_levels):
        count = 0
        for s in range(start[level], start[level + 1]):
            for m in range(width):
                column = rest_column[order[s], m]
                if seen[column] != level:
                    seen[column] = level
                    count += 1
        ptr[level + 1] = ptr[level] + count
    idx = np.empty(ptr[n_levels], dtype=np.uint32)
    w = np.zeros((ptr[n_levels], k))
    seen[:] = -1
    place = np.empty(n_rest, dtype=np.int64)
    for level in range(n_levels):
        end = ptr[level]
        for s in range(start[level], start[level + 1]):
            for m in range(width):
                column = rest_column[order[s], m]
                if seen[column] != level:
                    seen[column] = level
                    idx[end] = column
                    end += 1
        idx[ptr[level] : end] = np.sort(idx[ptr[level] : end])
        for pos in range(ptr[level], end):
            place[idx[pos]] = pos
        for s in range(start[level], start[level + 1]):
            i = order[s]
            for m in range(width):
                pos = place[rest_column[i, m]]
                value = rest_z[i, m]
                for c in range(k):
                    w[pos, c] += value * own[i, c]
    return ptr, idx, w


@njit(cache=True)
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


@njit(cache=True)
def rest_products(
    rest_column: NDArray[np.int32], rest_z: Floats, tail: Floats, n_rest: int
) -> Floats:
    """Upper triangle of the cross-products of the rest with itself and with the tail."""
    n, width = rest_z.shape
    n_tail = tail.shape[1]
    out = np.zeros((n_rest + n_tail, n_rest + n_tail))
    for i in range(n):
        for a in range(width):
            row, value = rest_column[i, a], rest_z[i, a]
            # Columns of one observation ascend, as the factors of the rest follow one another.
            for b in range(a, width):
                out[row, rest_column[i, b]] += value * rest_z[i, b]
            for t in range(n_tail):
                out[row, n_rest + t] += value * tail[i, t]
    return out
