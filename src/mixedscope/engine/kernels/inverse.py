"""Compiled kernels of derivatives and conditional variances: entries of the inverse.

Notation and arrays are those of :mod:`mixedscope.engine.kernels.elimination`. K is the inverse of
the eliminated system in unscaled columns, ``Lambda P Lambda'``; only its entries on the pattern of
the data are ever computed (Takahashi, Fagan & Chen 1973), for the rest first and then tier by
tier upwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, kernel
from mixedscope.engine.kernels.narrow import (
    derivative_tier_1,
    derivative_tier_2,
    parent_forms_narrow,
)
from mixedscope.engine.kernels.wide import derivative_tier_wide, parent_forms_wide

__all__ = [
    "dense_forms",
    "derivative_rest",
    "derivative_tier",
    "fixed_forms",
    "head_forms",
    "inverse_small",
    "level_inverse",
    "parent_forms",
    "parent_products",
    "selected_inverse",
    "sparse_forms",
    "tier_inverse",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def inverse_small(s: Floats, size: int) -> None:
    """Lower triangle of the inverse from the Cholesky factor in the leading `size` rows."""
    inverse = np.zeros((size, size))
    for j in range(size):
        inverse[j, j] = 1.0 / s[j, j]
        for i in range(j + 1, size):
            value = 0.0
            for c in range(j, i):
                value -= s[i, c] * inverse[c, j]
            inverse[i, j] = value / s[i, i]
    for i in range(size):
        for j in range(i + 1):
            value = 0.0
            for c in range(i, size):
                value += inverse[c, i] * inverse[c, j]
            s[i, j] = value


@kernel
def derivative_rest(
    s: Floats,
    diagonal: Floats,
    node: Ints,
    lam: Floats,
    n_rest: int,
    n_inverse: int,
    spherical: Floats,
    coefficient: Floats,
    weight: float,
    out: Floats,
) -> None:
    """Add the derivative by the factors of the rest to `out` (laid out as `lam`).

    With P the inverse in the leading `n_inverse` rows (lower triangle of S), zero elsewhere, and
    v = (-u, -beta, 1): ``F = P + weight v v'`` and the derivative by one factor is twice the sum
    over its levels of the diagonal blocks of ``(A - C) Lambda F``.
    """
    tile = 32
    nodes = len(node)
    n = len(s)
    largest = 1
    for p in range(nodes):
        largest = max(largest, node[p, 1])
    g = np.empty((largest, largest))
    f = np.empty((largest, largest))
    t = np.empty((largest, largest))
    force = np.zeros(n)
    for p0 in range(0, nodes, tile):
        for r0 in range(p0, nodes, tile):
            for p in range(p0, min(p0 + tile, nodes)):
                i0, ki, li = node[p, 0], node[p, 1], node[p, 2]
                if i0 >= n_rest:
                    continue
                for r in range(max(p, r0), min(r0 + tile, nodes)):
                    j0, kj, lj = node[r, 0], node[r, 1], node[r, 2]
                    if ki == 1 and kj == 1:
                        if p == r:
                            value = diagonal[i0]
                            force[i0] += value * coefficient[i0]
                            out[li] += 2.0 * value * lam[li] * s[i0, i0]
                            continue
                        value = s[i0, j0]
                        force[i0] += value * coefficient[j0]
                        if j0 < n_inverse:
                            out[li] += 2.0 * value * lam[lj] * s[j0, i0]
                        if j0 < n_rest:
                            force[j0] += value * coefficient[i0]
                            out[lj] += 2.0 * value * lam[li] * s[j0, i0]
                        continue
                    for a in range(ki):
                        for b in range(kj):
                            if p == r:
                                g[a, b] = (
                                    diagonal[i0 + a]
                                    if a == b
                                    else s[i0 + min(a, b), i0 + max(a, b)]
                                )
                                f[a, b] = s[i0 + max(a, b), i0 + min(a, b)]
                            else:
                                g[a, b] = s[i0 + a, j0 + b]
                                f[a, b] = s[j0 + b, i0 + a] if j0 < n_inverse else 0.0
                    for a in range(ki):
                        for b in range(kj):
                            force[i0 + a] += g[a, b] * coefficient[j0 + b]
                            if p != r and j0 < n_rest:
                                force[j0 + b] += g[a, b] * coefficient[i0 + a]
                    if j0 >= n_inverse:
                        continue
                    # Block of p: G lam_r F'.
                    for a in range(ki):
                        for b in range(kj):
                            value = 0.0
                            for c in range(b, kj):
                                value += g[a, c] * lam[lj + c * kj + b]
                            t[a, b] = value
                    for a in range(ki):
                        for b in range(ki):
                            value = 0.0
                            for c in range(kj):
                                value += t[a, c] * f[b, c]
                            out[li + a * ki + b] += 2.0 * value
                    if p == r or j0 >= n_rest:
                        continue
                    # Block of r: G' lam_p F.
                    for a in range(kj):
                        for b in range(ki):
                            value = 0.0
                            for c in range(b, ki):
                                value += g[c, a] * lam[li + c * ki + b]
                            t[a, b] = value
                    for a in range(kj):
                        for b in range(kj):
                            value = 0.0
                            for c in range(ki):
                                value += t[a, c] * f[c, b]
                            out[lj + a * kj + b] += 2.0 * value
    for p in range(nodes):
        i0, k, offset = node[p, 0], node[p, 1], node[p, 2]
        if i0 >= n_rest:
            continue
        for a in range(k):
            for b in range(k):
                out[offset + a * k + b] += 2.0 * weight * force[i0 + a] * spherical[i0 + b]


@kernel
def selected_inverse(s: Floats, node: Ints, lam: Floats, n_inverse: int) -> None:
    """Fill the upper triangle of S with ``Lambda P Lambda'``, P being its lower triangle."""
    tile = 32
    nodes = len(node)
    n = len(s)
    largest = 1
    for p in range(nodes):
        largest = max(largest, node[p, 1])
    f = np.empty((largest, largest))
    t = np.empty((largest, largest))
    for p0 in range(0, nodes, tile):
        for r0 in range(p0, nodes, tile):
            for p in range(p0, min(p0 + tile, nodes)):
                i0, ki, li = node[p, 0], node[p, 1], node[p, 2]
                for r in range(max(p, r0), min(r0 + tile, nodes)):
                    j0, kj, lj = node[r, 0], node[r, 1], node[r, 2]
                    if j0 >= n_inverse:
                        for a in range(ki):
                            s[i0 + a, j0] = 0.0
                        continue
                    if ki == 1 and kj == 1:
                        s[i0, j0] = s[j0, i0] * lam[li] * lam[lj]
                        continue
                    for a in range(ki):
                        for b in range(kj):
                            if p == r:
                                f[a, b] = s[i0 + max(a, b), i0 + min(a, b)]
                            else:
                                f[a, b] = s[j0 + b, i0 + a]
                    for a in range(ki):
                        for b in range(kj):
                            value = 0.0
                            for c in range(a + 1):
                                value += lam[li + a * ki + c] * f[c, b]
                            t[a, b] = value
                    for a in range(ki):
                        for b in range(kj):
                            if p == r and a > b:
                                continue
                            value = 0.0
                            for c in range(b + 1):
                                value += t[a, c] * lam[lj + b * kj + c]
                            s[i0 + a, j0 + b] = value
    for i in range(n_inverse, n):
        for j in range(i, n):
            s[i, j] = 0.0


@kernel
def sparse_forms(
    w: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    level: NDArray[np.int32],
    by_column: Ints,
    column_ptr: Ints,
    s: Floats,
    n_rest: int,
    out: Floats,
) -> None:
    """Add ``W' K W`` of every level to `out` (q, k, k), K being the upper triangle of S."""
    k = w.shape[1]
    t = np.empty(k)
    for row in range(n_rest):
        source = s[row]
        for at in range(column_ptr[row], column_ptr[row + 1]):
            pos = by_column[at]
            i = level[pos]
            end = ptr[i + 1]
            if k == 1:
                value = 0.5 * source[row] * w[pos, 0]
                for other in range(pos + 1, end):
                    value += source[idx[other]] * w[other, 0]
                out[i, 0, 0] += 2.0 * value * w[pos, 0]
                continue
            for c in range(k):
                t[c] = 0.5 * source[row] * w[pos, c]
            for other in range(pos + 1, end):
                value = source[idx[other]]
                for c in range(k):
                    t[c] += value * w[other, c]
            for a in range(k):
                for b in range(k):
                    out[i, a, b] += w[pos, a] * t[b] + t[a] * w[pos, b]


@kernel
def head_forms(
    u: Floats,
    w: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    s: Floats,
    n_tail: int,
    out: Floats,
) -> None:
    """Add the tail's part of ``A' K A`` of every level to `out` (q, k, k)."""
    q, h, k = u.shape
    first, n_rest = h - n_tail, len(s) - n_tail
    t = np.empty((n_tail, k))
    for i in range(q):
        for v in range(n_tail):
            source = s[n_rest + v, n_rest:]
            for c in range(k):
                value = 0.5 * source[v] * u[i, first + v, c]
                for other in range(v + 1, n_tail):
                    value += source[other] * u[i, first + other, c]
                t[v, c] = value
        for pos in range(ptr[i], ptr[i + 1]):
            source = s[idx[pos], n_rest:]
            for c in range(k):
                value = w[pos, c]
                for v in range(n_tail):
                    t[v, c] += source[v] * value
        for v in range(n_tail):
            for a in range(k):
                for b in range(k):
                    out[i, a, b] += u[i, first + v, a] * t[v, b] + t[v, a] * u[i, first + v, b]


@kernel
def fixed_forms(
    u: Floats, w: Floats, ptr: Ints, idx: NDArray[np.uint32], s: Floats, out: Floats
) -> None:
    """Fill `out` (q, k, k) with ``A' K A`` where fixed effects and response are all that follows.

    S holds the Cholesky factor of these; its upper triangle receives K, its lower one is lost.
    """
    n = len(s)
    for i in range(out.shape[0]):
        for a in range(out.shape[1]):
            for b in range(out.shape[2]):
                out[i, a, b] = 0.0
    inverse_small(s, n - 1)
    for i in range(n):
        for j in range(i, n):
            s[i, j] = s[j, i] if j < n - 1 else 0.0
    head_forms(u, w, ptr, idx, s, n, out)


@kernel
def parent_forms(
    u: Floats,
    w: Floats,
    ptr: Ints,
    parent: Ints,
    relative: Ints,
    offset: int,
    end: int,
    parent_kd: Floats,
    parent_ku: Floats,
    parent_kw: Floats,
    out: Floats,
) -> None:
    """Add the part of ``A' K A`` that a containing factor takes part in to `out` (q, k, k).

    K is zero for head rows from `end` on.
    """
    if len(w) == 0 and u.shape[2] <= 2:
        parent_forms_narrow(u, parent, offset, end, parent_kd, parent_ku, out)
    else:
        parent_forms_wide(
            u, w, ptr, parent, relative, offset, end, parent_kd, parent_ku, parent_kw, out
        )


@compiled_kernel
def dense_forms(rows: Floats, product: Floats, out: Floats) -> None:
    """Fill `out` (q, k, k) with ``A' K A`` from the dense rows A' and their product with K."""
    q, k = out.shape[0], out.shape[1]
    for i in range(q):
        for a in range(k):
            for b in range(a + 1):
                value = np.dot(product[i * k + a], rows[i * k + b])
                out[i, a, b] = value
                out[i, b, a] = value


@kernel
def tier_inverse(
    u: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    n_tail: int,
    s: Floats,
    forms: Floats,
    kd: Floats,
    ku: Floats,
    kw: Floats,
) -> None:
    """Entries of ``Lambda P Lambda'`` in the rows of a chain factor, for the factors within it.

    ``K_ll = M + M G M`` with ``G = A' K A`` (`forms`), ``K_rl = -K_rr A M``: the recurrence of
    Takahashi, Fagan & Chen (1973). `ku` and `kw` must hold, for the rows of later chain factors,
    ``K_rr A`` already; the tail's and the sparse rows' part is added here.
    """
    q, h, k = u.shape
    first, n_rest = h - n_tail, len(s) - n_tail
    t = np.empty(k)
    for i in range(q):
        for v in range(n_tail):
            for other in range(n_tail):
                value = s[n_rest + min(v, other), n_rest + max(v, other)]
                for c in range(k):
                    ku[i, first + v, c] += value * u[i, first + other, c]
            for pos in range(ptr[i], ptr[i + 1]):
                value = s[idx[pos], n_rest + v]
                for c in range(k):
                    ku[i, first + v, c] += value * w[pos, c]
                    kw[pos, c] += value * u[i, first + v, c]
        for pos in range(ptr[i], ptr[i + 1]):
            for other in range(ptr[i], ptr[i + 1]):
                value = s[min(idx[pos], idx[other]), max(idx[pos], idx[other])]
                for c in range(k):
                    kw[pos, c] += value * w[other, c]
        for row in range(h):
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value -= ku[i, row, e] * m[i, e, c]
                t[c] = value
            for c in range(k):
                ku[i, row, c] = t[c]
        for pos in range(ptr[i], ptr[i + 1]):
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value -= kw[pos, e] * m[i, e, c]
                t[c] = value
            for c in range(k):
                kw[pos, c] = t[c]
    level_inverse(m, forms, kd)


@kernel
def level_inverse(m: Floats, forms: Floats, kd: Floats) -> None:
    """``K_ll = M + M G M`` for all levels."""
    q, k = m.shape[0], m.shape[1]
    t = np.empty((k, k))
    for i in range(q):
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += m[i, a, c] * forms[i, c, b]
                t[a, b] = value
        for a in range(k):
            for b in range(k):
                value = m[i, a, b]
                for c in range(k):
                    value += t[a, c] * m[i, c, b]
                kd[i, a, b] = value


@kernel
def parent_products(
    u: Floats,
    w: Floats,
    ptr: Ints,
    parent: Ints,
    relative: Ints,
    offset: int,
    parent_kd: Floats,
    parent_ku: Floats,
    parent_kw: Floats,
    ku: Floats,
    kw: Floats,
) -> None:
    """Add the part of ``K_rr A`` that a containing factor takes part in to `ku` and `kw`."""
    q, h, k = u.shape
    size = parent_kd.shape[1]
    for i in range(q):
        outer = parent[i]
        for p in range(size):
            for c in range(k):
                value = 0.0
                for r in range(size):
                    value += parent_kd[outer, p, r] * u[i, offset + r, c]
                own = u[i, offset + p, c]
                for row in range(offset + size, h):
                    entry = parent_ku[outer, row - offset - size, p]
                    value += entry * u[i, row, c]
                    ku[i, row, c] += entry * own
                for pos in range(ptr[i], ptr[i + 1]):
                    entry = parent_kw[relative[pos], p]
                    value += entry * w[pos, c]
                    kw[pos, c] += entry * own
                ku[i, offset + p, c] += value


@kernel
def derivative_tier(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Add the derivative by the factor of a chain factor to `out` (k, k).

    Twice the sum over levels of ``D X - G X + D M G X`` with ``G = A' K A + weight g g'``; `inner`
    (q, k, k) holds ``A' K A`` and `forms` (q, k) holds g.
    """
    k = d.shape[1]
    if k == 1:
        derivative_tier_1(d, x, m, inner, forms, weight, out)
    elif k == 2:
        derivative_tier_2(d, x, m, inner, forms, weight, out)
    else:
        derivative_tier_wide(d, x, m, inner, forms, weight, out)
