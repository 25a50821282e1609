"""Compiled passes over the observations of two crossed factors whose rows have weights.

What stands where is told in :mod:`mixedscope.engine.kernels.crossing`; `slots` (n,) is the pair of
levels that each observation belongs to. Every sum runs in the order of the rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel

__all__ = ["changed_rows", "row_products", "weighted_pairs", "weighted_sums"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@compiled_kernel
def weighted_pairs(
    codes: Ints,
    own: Floats,
    far_codes: Ints,
    far: Floats,
    slots: NDArray[np.int32],
    weight: Floats,
    d: Floats,
    w: Floats,
    squares: Floats,
) -> None:
    """Fill `d` (q, k, k), `w` (pairs, k) and `squares` (N,) with the products of weighted rows.

    ``own`` (n, k) and ``far`` (n, 1) are the columns of the two factors, ``weight`` (n,).
    """
    k = own.shape[1]
    d.fill(0.0)
    w.fill(0.0)
    squares.fill(0.0)
    if k == 1:
        for i in range(len(codes)):
            other = far[i, 0]
            value, product = weight[i] * other, weight[i] * own[i, 0]
            w[slots[i], 0] += own[i, 0] * value
            d[codes[i], 0, 0] += product * own[i, 0]
            squares[far_codes[i]] += value * other
        return
    for i in range(len(codes)):
        block = d[codes[i]]
        target = w[slots[i]]
        other = far[i, 0]
        value = weight[i] * other
        for a in range(k):
            target[a] += own[i, a] * value
            product = own[i, a] * weight[i]
            for b in range(k):
                block[a, b] += product * own[i, b]
        squares[far_codes[i]] += value * other


@compiled_kernel
def row_products(
    codes: Ints,
    own: Floats,
    far_codes: Ints,
    far: Floats,
    of_z: Floats,
    of_x: Floats,
    z: Floats,
    x: Floats,
    columns: Floats,
) -> tuple[Floats, Floats]:
    """Sums over rows of ``c (y'z)(y'x)`` and of ``c (y'z)**2``, (m, p) each, c being `columns`.

    The vector y of a row is its column of the far factor less what its own level sees of it:
    ``y'z = far z[far_codes] - own of_z[codes]``, ``z`` and ``x`` (N, p), ``of_z`` and ``of_x``
    (q, k, p), ``columns`` (n, m).
    """
    k, size, m = own.shape[1], z.shape[1], columns.shape[1]
    mixed = np.zeros((m, size))
    squared = np.zeros((m, size))
    one, both = np.empty(size), np.empty(size)
    for i in range(len(codes)):
        value = far[i, 0]
        near_z, near_x = of_z[codes[i]], of_x[codes[i]]
        far_z, far_x = z[far_codes[i]], x[far_codes[i]]
        for c in range(size):
            one[c] = value * far_z[c]
            both[c] = value * far_x[c]
        for a in range(k):
            value = own[i, a]
            for c in range(size):
                one[c] -= value * near_z[a, c]
                both[c] -= value * near_x[a, c]
        for c in range(size):
            both[c] *= one[c]
            one[c] *= one[c]
        for j in range(m):
            value = columns[i, j]
            target, other = mixed[j], squared[j]
            for c in range(size):
                target[c] += value * both[c]
                other[c] += value * one[c]
    return mixed, squared


@compiled_kernel
def weighted_sums(codes: Ints, own: Floats, weight: Floats, columns: Floats, out: Floats) -> None:
    """Add to `out` (q, k, m) the sums by level of ``own' W columns`` of rows (n, k) and (n, m)."""
    k, m = own.shape[1], columns.shape[1]
    for i in range(len(codes)):
        level = out[codes[i]]
        for a in range(k):
            value = weight[i] * own[i, a]
            target = level[a]
            for j in range(m):
                target[j] += value * columns[i, j]


@compiled_kernel
def changed_rows(
    codes: Ints,
    own: Floats,
    far_codes: Ints,
    far: Floats,
    weight: Floats,
    columns: Floats,
    of_own: Floats,
    of_far: Floats,
    out: Floats,
    sums_own: Floats,
    sums_far: Floats,
    gram: Floats,
) -> None:
    """Fill `out` (n, m) with columns less the effects (q, k, m) and (N, m) of their levels.

    Adds ``Z'W out`` to `sums_own` and `sums_far`, of the same shapes, and ``columns'W out`` to
    `gram` (m, m).
    """
    k, m = own.shape[1], columns.shape[1]
    for i in range(len(codes)):
        level, other = of_own[codes[i]], of_far[far_codes[i]]
        target, source = out[i], columns[i]
        value = far[i, 0]
        for j in range(m):
            target[j] = source[j] - value * other[j]
        for a in range(k):
            value = own[i, a]
            for j in range(m):
                target[j] -= value * level[a, j]
        value = weight[i] * far[i, 0]
        reached = sums_far[far_codes[i]]
        for j in range(m):
            reached[j] += value * target[j]
        met = sums_own[codes[i]]
        for a in range(k):
            value = weight[i] * own[i, a]
            for j in range(m):
                met[a, j] += value * target[j]
        for j in range(m):
            value = weight[i] * source[j]
            row = gram[j]
            for c in range(m):
                row[c] += value * target[c]
