"""Compiled passes over the observations for systems whose weights change: sums by level.

Weights may be negative: they multiply products, not their roots the rows. What stands where is told
in :mod:`mixedscope.engine.pattern`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, kernel

__all__ = [
    "add_effects",
    "add_level_sums",
    "eliminate_column",
    "fill_slots",
    "logistic_rows",
    "put_rows",
    "return_column",
    "take_rows",
    "weighted_crossed",
    "weighted_levels",
    "weighted_rest",
    "weighted_sparse",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Factors of a product whose logarithm is taken at once: each is 2 at most.
_AT_ONCE = 64
# Numbers so small that they are, to rounding, the logarithm of one more.
_TINY = 1e-9


@compiled_kernel
def logistic_rows(
    eta: Floats,
    small: Floats,
    y: Floats,
    counts: Floats,
    score: Floats,
    weight: Floats,
) -> float:
    """Log-likelihood of shares `y` (n,) of successes under the logit link; fill score and weight.

    ``small``: ``exp(-|eta|)``. ``counts`` (n,), or (0,) where rows count as one each. The
    logarithms of ``1 + small`` are those of products of many.
    """
    n = len(eta)
    is_counted = len(counts) > 0
    total, product = 0.0, 1.0
    for first in range(0, n, _AT_ONCE):
        product = 1.0
        for i in range(first, min(first + _AT_ONCE, n)):
            e = small[i]
            larger = 1.0 / (1.0 + e)
            smaller = e * larger
            share = y[i]
            if eta[i] >= 0.0:
                mean = larger
                value = (share - 1.0) * eta[i]
            else:
                mean = smaller
                value = share * eta[i]
            if is_counted:
                count = counts[i]
                total += count * (value - math.log1p(e))
                score[i] = count * (share - mean)
                weight[i] = count * (smaller * larger)
            else:
                total += value
                if e < _TINY:
                    total -= e
                else:
                    product *= 1.0 + e
                score[i] = share - mean
                weight[i] = smaller * larger
        total -= math.log(product)
    return total


@compiled_kernel
def add_effects(codes: Ints, z: Floats, effects: Floats, out: Floats) -> None:
    """Add to `out` (n,) the rows of `z` (n, k) times the effects (q, k) of their levels."""
    k = z.shape[1]
    if k == 1:
        for i in range(len(out)):
            out[i] += z[i, 0] * effects[codes[i], 0]
        return
    for i in range(len(out)):
        own = effects[codes[i]]
        total = 0.0
        for c in range(k):
            total += z[i, c] * own[c]
        out[i] += total


@compiled_kernel
def add_level_sums(codes: Ints, z: Floats, values: Floats, out: Floats) -> None:
    """Add to `out` (q, k) the sums by level of the rows of `z` (n, k) times `values` (n,)."""
    k = z.shape[1]
    if k == 1:
        for i in range(len(codes)):
            out[codes[i], 0] += z[i, 0] * values[i]
        return
    for i in range(len(codes)):
        target = out[codes[i]]
        value = values[i]
        for c in range(k):
            target[c] += z[i, c] * value


@compiled_kernel
def eliminate_column(
    w: Floats,
    m: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    sums: Floats,
    own: Floats,
    rest: Floats,
) -> None:
    """Fill `own` (q, k) with M times `sums` (q, k), whose share is taken from `rest` (n_rest,)."""
    k = m.shape[1]
    for i in range(len(m)):
        for a in range(k):
            value = 0.0
            for c in range(k):
                value += m[i, a, c] * sums[i, c]
            own[i, a] = value
        for pos in range(ptr[i], ptr[i + 1]):
            value = 0.0
            for c in range(k):
                value += w[pos, c] * own[i, c]
            rest[idx[pos]] -= value


@compiled_kernel
def return_column(
    w: Floats, m: Floats, ptr: Ints, idx: NDArray[np.uint32], rest: Floats, sums: Floats
) -> None:
    """Replace `sums` (q, k) by M times what is left of them less the share of `rest` (n_rest,)."""
    k = m.shape[1]
    left = np.empty(k)
    for i in range(len(m)):
        for c in range(k):
            left[c] = sums[i, c]
        for pos in range(ptr[i], ptr[i + 1]):
            value = rest[idx[pos]]
            for c in range(k):
                left[c] -= w[pos, c] * value
        for a in range(k):
            value = 0.0
            for c in range(k):
                value += m[i, a, c] * left[c]
            sums[i, a] = value


@compiled_kernel
def put_rows(
    level: NDArray[np.int32], idx: NDArray[np.uint32], w: Floats, u: Floats, out: Floats
) -> None:
    """Put sparse rows `w` (nnz, k) and heads `u` (q, h, k) into dense rows (q k, n_rest + h)."""
    q, h, k = u.shape
    first = out.shape[1] - h
    for pos in range(len(idx)):
        for c in range(k):
            out[level[pos] * k + c, idx[pos]] = w[pos, c]
    for i in range(q):
        for c in range(k):
            for row in range(h):
                out[i * k + c, first + row] = u[i, row, c]


@compiled_kernel
def take_rows(
    level: NDArray[np.int32], idx: NDArray[np.uint32], product: Floats, m: Floats, out: Floats
) -> None:
    """Do the reverse: fill `out` (nnz, k) from rows `product` (q k, any), times minus M."""
    k = m.shape[1]
    for pos in range(len(idx)):
        i = level[pos]
        for c in range(k):
            value = 0.0
            for e in range(k):
                value -= product[i * k + e, idx[pos]] * m[i, e, c]
            out[pos, c] = value


@kernel
def weighted_crossed(
    codes: Ints,
    own: Floats,
    rest_column: NDArray[np.int32],
    rest_z: Floats,
    slots: NDArray[np.int32],
    weight: Floats,
    column: Floats,
    d: Floats,
    u: Floats,
    w: Floats,
    rest: Floats,
) -> None:
    """Do in one pass what the three kernels below do for two crossed factors of one column each."""
    last = len(rest) - 1
    d.fill(0.0)
    u.fill(0.0)
    w.fill(0.0)
    rest.fill(0.0)
    for i in range(len(codes)):
        level, row = codes[i], rest_column[i, 0]
        z, other = own[i, 0], rest_z[i, 0]
        product = weight[i] * z
        d[level, 0, 0] += product * z
        u[level, 0, 0] += column[i] * z
        w[slots[i, 0], 0] += product * other
        rest[row, row] += weight[i] * other * other
        rest[row, last] += column[i] * other


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
    if k == 1 and h == 0:
        for i in range(len(codes)):
            z = own[i, 0]
            d[codes[i], 0, 0] += weight[i] * z * z
            u[codes[i], 0, 0] += column[i] * z
        return
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
