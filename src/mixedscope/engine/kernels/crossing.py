"""Compiled passes over the pairs of levels that two crossed factors have in common.

Notation: the first factor, with k columns, is eliminated level by level; level i of it meets the
columns ``idx[ptr[i]:ptr[i + 1]]`` of the second, which has one, and w (pairs, k) holds their
cross-products, so that ``C_i`` (k, columns) is sparse. Arrays of vectors (columns, c) have one
vector a column, and every sum runs in the order of the pairs: the same bits on every machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel

__all__ = [
    "add_border",
    "collect_levels",
    "complement_diagonal",
    "complement_product",
    "conjugate_direction",
    "conjugate_step",
    "forms_of_levels",
    "scaled_pairs",
    "shadow_of_levels",
    "spread_levels",
    "squares_of_pairs",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = NDArray[np.uint32]


@compiled_kernel
def complement_product(ptr: Ints, idx: Columns, w: Floats, m: Floats, v: Floats) -> Floats:
    """``sum_i C_i' M_i C_i v`` for vectors v (columns, c)."""
    size, k = v.shape[1], w.shape[1]
    out = np.zeros(v.shape)
    met = np.empty((k, size))
    back = np.empty((k, size))
    for i in range(len(ptr) - 1):
        first, last = ptr[i], ptr[i + 1]
        if k == 1:
            own = met[0]
            for c in range(size):
                own[c] = 0.0
            for e in range(first, last):
                value = w[e, 0]
                source = v[idx[e]]
                for c in range(size):
                    own[c] += value * source[c]
            scale = m[i, 0, 0]
            for c in range(size):
                own[c] *= scale
            for e in range(first, last):
                value = w[e, 0]
                target = out[idx[e]]
                for c in range(size):
                    target[c] += value * own[c]
            continue
        for a in range(k):
            for c in range(size):
                met[a, c] = 0.0
        for e in range(first, last):
            source = v[idx[e]]
            for a in range(k):
                value = w[e, a]
                own = met[a]
                for c in range(size):
                    own[c] += value * source[c]
        for a in range(k):
            own = back[a]
            for c in range(size):
                own[c] = 0.0
            for b in range(k):
                value = m[i, a, b]
                other = met[b]
                for c in range(size):
                    own[c] += value * other[c]
        for e in range(first, last):
            target = out[idx[e]]
            for a in range(k):
                value = w[e, a]
                own = back[a]
                for c in range(size):
                    target[c] += value * own[c]
    return out


@compiled_kernel
def conjugate_step(
    p: Floats, product: Floats, lam: float, sizes: Floats, x: Floats, r: Floats, alpha: Floats
) -> Floats:
    """Go one step along the directions p (columns, c); return the squares (c,) of what is left.

    ``product``: that of p with the complement, of which ``S p = p - lam product``. ``sizes`` (c,):
    squares of the residuals r before the step. Fills `alpha` (c,), the lengths of the step.
    """
    q, size = p.shape
    left = np.zeros(size)
    for c in range(size):
        alpha[c] = 0.0
    for j in range(q):
        for c in range(size):
            alpha[c] += p[j, c] * (p[j, c] - lam * product[j, c])
    for c in range(size):
        # A residual of nothing has no direction to go.
        alpha[c] = sizes[c] / alpha[c] if alpha[c] > 0.0 else 0.0
    for j in range(q):
        for c in range(size):
            x[j, c] += alpha[c] * p[j, c]
            r[j, c] -= alpha[c] * (p[j, c] - lam * product[j, c])
            left[c] += r[j, c] * r[j, c]
    return left


@compiled_kernel
def conjugate_direction(r: Floats, beta: Floats, p: Floats) -> None:
    """Turn the directions p (columns, c) to ``r + beta p``."""
    for j in range(len(p)):
        for c in range(p.shape[1]):
            p[j, c] = r[j, c] + beta[c] * p[j, c]


@compiled_kernel
def collect_levels(ptr: Ints, idx: Columns, w: Floats, v: Floats) -> Floats:
    """``C_i v`` (q, k, c) of vectors v (columns, c)."""
    q, k, size = len(ptr) - 1, w.shape[1], v.shape[1]
    out = np.zeros((q, k, size))
    for i in range(q):
        for e in range(ptr[i], ptr[i + 1]):
            source = v[idx[e]]
            for a in range(k):
                value = w[e, a]
                target = out[i, a]
                for c in range(size):
                    target[c] += value * source[c]
    return out


@compiled_kernel
def spread_levels(ptr: Ints, idx: Columns, w: Floats, u: Floats, n_columns: int) -> Floats:
    """``sum_i C_i' u_i`` (columns, c) of vectors u (q, k, c)."""
    k, size = u.shape[1], u.shape[2]
    out = np.zeros((n_columns, size))
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            target = out[idx[e]]
            for a in range(k):
                value = w[e, a]
                source = u[i, a]
                for c in range(size):
                    target[c] += value * source[c]
    return out


@compiled_kernel
def scaled_pairs(idx: Columns, w: Floats, scale: Floats, out: Floats) -> None:
    """Fill `out` (pairs, k) with w times the scale (columns,) of their columns."""
    for e in range(len(idx)):
        value = scale[idx[e]]
        for a in range(w.shape[1]):
            out[e, a] = value * w[e, a]


@compiled_kernel
def complement_diagonal(ptr: Ints, idx: Columns, w: Floats, m: Floats, n_columns: int) -> Floats:
    """Diagonal (columns,) of ``sum_i C_i' M_i C_i``."""
    out = np.zeros(n_columns)
    k = w.shape[1]
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            total = 0.0
            for a in range(k):
                inner = 0.0
                for b in range(k):
                    inner += m[i, a, b] * w[e, b]
                total += w[e, a] * inner
            out[idx[e]] += total
    return out


@compiled_kernel
def squares_of_pairs(ptr: Ints, w: Floats, shares: Floats) -> Floats:
    """``sum_i E_i C_i C_i' E_i'`` (k, k), E (q, k, k) being `shares`."""
    k = w.shape[1]
    out = np.zeros((k, k))
    turned = np.empty(k)
    for i in range(len(ptr) - 1):
        for e in range(ptr[i], ptr[i + 1]):
            for a in range(k):
                total = 0.0
                for b in range(k):
                    total += shares[i, a, b] * w[e, b]
                turned[a] = total
            for a in range(k):
                for b in range(k):
                    out[a, b] += turned[a] * turned[b]
    return out


@compiled_kernel
def forms_of_levels(
    ptr: Ints, idx: Columns, w: Floats, shares: Floats, z: Floats, x: Floats
) -> tuple[Floats, Floats]:
    """Sums over levels of ``(E_i C_i z)(E_i C_i x)'`` and of the same with z twice, (k, k, c).

    ``z``, ``x`` are vectors (columns, c), ``shares`` the matrices E (q, k, k).
    """
    k, size = w.shape[1], z.shape[1]
    mixed = np.zeros((k, k, size))
    own = np.zeros((k, k, size))
    met_z, met_x = np.empty((k, size)), np.empty((k, size))
    turned_z, turned_x = np.empty((k, size)), np.empty((k, size))
    for i in range(len(ptr) - 1):
        for a in range(k):
            for c in range(size):
                met_z[a, c] = 0.0
                met_x[a, c] = 0.0
        for e in range(ptr[i], ptr[i + 1]):
            one, other = z[idx[e]], x[idx[e]]
            for a in range(k):
                value = w[e, a]
                for c in range(size):
                    met_z[a, c] += value * one[c]
                    met_x[a, c] += value * other[c]
        for a in range(k):
            for c in range(size):
                turned_z[a, c] = 0.0
                turned_x[a, c] = 0.0
            for b in range(k):
                value = shares[i, a, b]
                for c in range(size):
                    turned_z[a, c] += value * met_z[b, c]
                    turned_x[a, c] += value * met_x[b, c]
        for a in range(k):
            for b in range(k):
                for c in range(size):
                    mixed[a, b, c] += turned_z[a, c] * turned_x[b, c]
                    own[a, b, c] += turned_z[a, c] * turned_z[b, c]
    return mixed, own


@compiled_kernel
def shadow_of_levels(left: Floats, m: Floats, right: Floats) -> Floats:
    """``sum_i left_i' M_i right_i`` (c, d) of ``left`` (q, k, c) and ``right`` (q, k, d)."""
    q, k, size = left.shape
    width = right.shape[2]
    out = np.zeros((size, width))
    turned = np.empty(width)
    for i in range(q):
        for a in range(k):
            for d in range(width):
                turned[d] = 0.0
            for b in range(k):
                value = m[i, a, b]
                for d in range(width):
                    turned[d] += value * right[i, b, d]
            for c in range(size):
                value = left[i, a, c]
                for d in range(width):
                    out[c, d] += value * turned[d]
    return out


@compiled_kernel
def add_border(
    codes: Ints, own: Floats, column: NDArray[np.int32], values: Floats, out: Floats
) -> None:
    """Add to `out` (q, k, any) the products of columns (n, k) with those of a border, by level.

    ``column``, ``values`` (n, width): where an observation is not zero in the border, and what.
    """
    for i in range(len(codes)):
        for a in range(own.shape[1]):
            target = out[codes[i], a]
            for b in range(column.shape[1]):
                target[column[i, b]] += own[i, a] * values[i, b]
