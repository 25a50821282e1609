"""Compiled passes over the observations for systems whose weights change: sums by level.

Weights may be negative: they multiply products, not their roots the rows. What stands where is told
in :mod:`mixedscope.engine.pattern`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["fill_slots", "weighted_levels", "weighted_rest", "weighted_sparse"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def weighted_levels(
    codes: Ints, own: Floats, head: Floats, weight: Floats, column: Floats, d: Floats, u: Floats
) -> None:
    """Fill `d` (q, k, k) with ``own' W own``, `u` (q, h + 1, k) with ``head' W own`` by level.

    The last row of u is ``column' own``, unweighted.
    """
    k, h = own.shape[1], head.shape[1]
    d.fill(0.0)
    u.fill(0.0)
    for i in range(len(codes)):
        level = codes[i]
        block, target = d[level], u[level]
        for c in range(k):
            z = own[i, c]
            product = weight[i] * z
            for a in range(c + 1):
                block[a, c] += own[i, a] * product
            for a in range(h):
                target[a, c] += head[i, a] * product
            target[h, c] += column[i] * z
    for level in range(len(d)):
        for c in range(k):
            for a in range(c):
                d[level, c, a] = d[level, a, c]


@kernel
def fill_slots(
    order: Ints,
    start: Ints,
    rest_column: NDArray[np.int32],
    ptr: Ints,
    idx: NDArray[np.uint32],
    n_rest: int,
    out: NDArray[np.int32],
) -> None:
    """Find which sparse row each column of the rest of an observation is in (n, width)."""
    place = np.empty(n_rest, dtype=np.int64)
    for i in range(len(start) - 1):
        for pos in range(ptr[i], ptr[i + 1]):
            place[idx[pos]] = pos
        for s in range(start[i], start[i + 1]):
            row = order[s]
            for m in range(rest_column.shape[1]):
                out[row, m] = place[rest_column[row, m]]


@kernel
def weighted_sparse(
    own: Floats, rest_z: Floats, slots: NDArray[np.int32], weight: Floats, w: Floats
) -> None:
    """Fill the sparse rows `w` (nnz, k) with ``rest' W own``."""
    k, width = own.shape[1], rest_z.shape[1]
    w.fill(0.0)
    for i in range(len(own)):
        for m in range(width):
            target = w[slots[i, m]]
            value = weight[i] * rest_z[i, m]
            for c in range(k):
                target[c] += value * own[i, c]


@kernel
def weighted_rest(
    rest_column: NDArray[np.int32],
    rest_z: Floats,
    basis: Floats,
    weight: Floats,
    column: Floats,
    n_rest: int,
    out: Floats,
) -> None:
    """Fill the upper triangle of rest and tail: the tail is `basis` (n, r), then `column` (n,)."""
    n, width = rest_z.shape
    r = basis.shape[1]
    out.fill(0.0)
    for i in range(n):
        for a in range(width):
            row, z = rest_column[i, a], rest_z[i, a]
            value = weight[i] * z
            # Columns of one observation ascend, as the factors of the rest follow one another.
            for b in range(a, width):
                out[row, rest_column[i, b]] += value * rest_z[i, b]
            for t in range(r):
                out[row, n_rest + t] += value * basis[i, t]
            out[row, n_rest + r] += column[i] * z
        for t in range(r):
            value = weight[i] * basis[i, t]
            for v in range(t, r):
                out[n_rest + t, n_rest + v] += value * basis[i, v]
            out[n_rest + t, n_rest + r] += column[i] * basis[i, t]
