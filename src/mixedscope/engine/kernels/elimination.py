"""Compiled kernels of the blocked factorisation: elimination, and the way back to coefficients.

Notation, per level i of a chain factor with relative covariance factor lam (k, k):
``H = lam' D lam + I``, ``X = lam inv(H)``, ``M = X lam'``; nothing is divided by lam, so that
theta = 0 is ordinary. The Schur complement on what follows loses ``A M A'``, A being the head and
sparse rows of the level. Arrays are those of :mod:`mixedscope.engine.pattern`.

The square array S keeps two things at once: its upper triangle the unscaled Schur complement
``A - C`` (which the derivative needs), its lower triangle the scaled matrix, then its Cholesky
factor, then its inverse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel
from mixedscope.engine.kernels.narrow import (
    eliminate_head_narrow,
    eliminate_parent_narrow,
    level_factors_1,
    level_factors_2,
)
from mixedscope.engine.kernels.wide import (
    eliminate_head_wide,
    eliminate_parent_wide,
    level_factors_wide,
)

__all__ = [
    "back_solve_rest",
    "back_solve_tier",
    "cholesky_small",
    "copy_upper",
    "dense_factor_rows",
    "eliminate_head",
    "eliminate_parent",
    "eliminate_sparse",
    "level_factors",
    "scale_rest",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def copy_upper(source: Floats, target: Floats) -> None:
    """Copy the upper triangle."""
    n = len(source)
    for i in range(n):
        for j in range(i, n):
            target[i, j] = source[i, j]


@kernel
def level_factors(d: Floats, lam: Floats, x: Floats, m: Floats) -> float:
    """Fill X and M, both (q, k, k), for all levels; return the sum of log-determinants of H.

    Returns NaN where an H is not positive definite.
    """
    k = d.shape[1]
    if k == 1:
        return level_factors_1(d, lam, x, m)
    if k == 2:
        return level_factors_2(d, lam, x, m)
    return level_factors_wide(d, lam, x, m)


@kernel
def eliminate_head(u: Floats, m: Floats, n_tail: int, s: Floats) -> None:
    """Subtract the share of all levels from the tail-by-tail corner of S."""
    if u.shape[2] <= 2:
        eliminate_head_narrow(u, m, n_tail, s)
    else:
        eliminate_head_wide(u, m, n_tail, s)


@kernel
def eliminate_sparse(
    u: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    level: NDArray[np.int32],
    by_column: Ints,
    column_ptr: Ints,
    n_tail: int,
    s: Floats,
) -> None:
    """Subtract the share of all levels from the rows of the rest in S.

    Row by row of the result (Gustavson 1978, ACM Trans. Math. Softw. 4): the row being summed
    stays in the fastest cache while the levels that touch it are read one after another.
    """
    h, k = u.shape[1], u.shape[2]
    first, n_rest = h - n_tail, len(s) - n_tail
    wm = np.empty(k)
    for row in range(n_rest):
        target = s[row]
        for at in range(column_ptr[row], column_ptr[row + 1]):
            pos = by_column[at]
            i = level[pos]
            end = ptr[i + 1]
            if k == 1:
                value = w[pos, 0] * m[i, 0, 0]
                for other in range(pos, end):
                    target[idx[other]] -= value * w[other, 0]
                for t in range(n_tail):
                    target[n_rest + t] -= value * u[i, first + t, 0]
                continue
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value += w[pos, e] * m[i, e, c]
                wm[c] = value
            for other in range(pos, end):
                value = 0.0
                for c in range(k):
                    value += wm[c] * w[other, c]
                target[idx[other]] -= value
            for t in range(n_tail):
                value = 0.0
                for c in range(k):
                    value += wm[c] * u[i, first + t, c]
                target[n_rest + t] -= value


@kernel
def eliminate_parent(
    u: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    parent: Ints,
    relative: Ints,
    offset: int,
    parent_d: Floats,
    parent_u: Floats,
    parent_w: Floats,
) -> None:
    """Subtract the share of all levels from the cross-products of the levels that contain them.

    `offset` is where the parent's block begins among the head rows of the child.
    """
    if len(w) == 0 and u.shape[2] <= 2 and parent_d.shape[1] <= 2:
        eliminate_parent_narrow(u, m, parent, offset, parent_d, parent_u)
    else:
        eliminate_parent_wide(u, w, m, ptr, parent, relative, offset, parent_d, parent_u, parent_w)


@kernel
def dense_factor_rows(rows: Floats, m: Floats, out: Floats) -> None:
    """Rows B of the levels as rows of a matrix, with ``B'B`` the sum of ``A M A'``.

    `rows` and `out` are (q k, any): the levels' rows A', one after another. ``M = lam inv(H) lam' =
    G G'`` with G the (possibly singular) lower Cholesky factor of M.
    """
    q, k = m.shape[0], m.shape[1]
    n = rows.shape[1]
    g = np.zeros((k, k))
    for i in range(q):
        # Semi-definite Cholesky: a pivot lost in rounding is a direction without variance.
        for a in range(k):
            value = m[i, a, a]
            for c in range(a):
                value -= g[a, c] * g[a, c]
            if value <= 1e-15 * m[i, a, a]:
                for b in range(a, k):
                    g[b, a] = 0.0
                continue
            g[a, a] = np.sqrt(value)
            for b in range(a + 1, k):
                value = m[i, b, a]
                for c in range(a):
                    value -= g[b, c] * g[a, c]
                g[b, a] = value / g[a, a]
        for c in range(k):
            target = out[i * k + c]
            for j in range(n):
                target[j] = 0.0
            for a in range(c, k):
                factor = g[a, c]
                if factor != 0.0:
                    source = rows[i * k + a]
                    for j in range(n):
                        target[j] += factor * source[j]


@kernel
def scale_rest(s: Floats, diagonal: Floats, node: Ints, lam: Floats, n_rest: int) -> None:
    """Fill the lower triangle of S with ``Lambda' (A - C) Lambda + I``.

    Parameters
    ----------
    s : (N, N) array
        Upper triangle: A - C.
    diagonal : (N,) array
        Receives the diagonal of A - C.
    node : (nodes, 3) array of int
        First column, number of columns and offset into `lam` of every level of the rest, then
        of every column of the tail (number of columns 1, offset that of a 1).
    lam : (L,) array
        Relative covariance factors of the rest, row by row.
    """
    n = len(s)
    for i in range(n):
        diagonal[i] = s[i, i]
    tile = 32
    nodes = len(node)
    largest = 1
    for p in range(nodes):
        largest = max(largest, node[p, 1])
    t = np.empty((largest, largest))
    for p0 in range(0, nodes, tile):
        for r0 in range(p0, nodes, tile):
            for p in range(p0, min(p0 + tile, nodes)):
                i0, ki, li = node[p, 0], node[p, 1], node[p, 2]
                for r in range(max(p, r0), min(r0 + tile, nodes)):
                    j0, kj, lj = node[r, 0], node[r, 1], node[r, 2]
                    if ki == 1 and kj == 1:
                        value = s[i0, j0] * lam[li] * lam[lj]
                        if p == r and i0 < n_rest:
                            value += 1.0
                        s[j0, i0] = value
                        continue
                    # t = G lam_j, then lam_i' t.
                    for a in range(ki):
                        for b in range(kj):
                            value = 0.0
                            for c in range(b, kj):
                                # Within one level only the upper triangle holds G; the diagonal
                                # of S may have been overwritten already.
                                if p == r:
                                    g = (
                                        diagonal[i0 + a]
                                        if a == c
                                        else s[i0 + min(a, c), i0 + max(a, c)]
                                    )
                                else:
                                    g = s[i0 + a, j0 + c]
                                value += g * lam[lj + c * kj + b]
                            t[a, b] = value
                    for a in range(ki):
                        for b in range(kj):
                            if p == r and a > b:
                                continue
                            value = 0.0
                            for c in range(a, ki):
                                value += lam[li + c * ki + a] * t[c, b]
                            if p == r and a == b:
                                value += 1.0
                            s[j0 + b, i0 + a] = value


@kernel
def cholesky_small(s: Floats) -> bool:
    """Cholesky factor in the lower triangle, for matrices too small to be worth a LAPACK call."""
    n = len(s)
    for i in range(n):
        for j in range(i):
            value = s[i, j]
            for c in range(j):
                value -= s[i, c] * s[j, c]
            s[i, j] = value / s[j, j]
        value = s[i, i]
        for c in range(i):
            value -= s[i, c] * s[i, c]
        if not value > 0.0:
            return False
        s[i, i] = np.sqrt(value)
    return True


@kernel
def back_solve_rest(
    s: Floats, node: Ints, lam: Floats, n_rest: int, spherical: Floats, coefficient: Floats
) -> float:
    """Solve for the random effects of the rest, whose ``|u|**2`` is returned, and for beta.

    `spherical` (N,) receives u and beta, `coefficient` (N,) ``b = Lambda u``, beta and -1, the
    coefficients of the residual ``Zb + X beta - y``.
    """
    n = len(s)
    for j in range(n - 1):
        spherical[j] = s[n - 1, j]
    for back in range(n - 1):
        j = n - 2 - back
        value = spherical[j] / s[j, j]
        spherical[j] = value
        for c in range(j):
            spherical[c] -= value * s[j, c]
    spherical[n - 1] = -1.0
    penalty = 0.0
    for p in range(len(node)):
        i0, k, offset = node[p, 0], node[p, 1], node[p, 2]
        for a in range(k):
            value = 0.0
            for c in range(a + 1):
                value += lam[offset + a * k + c] * spherical[i0 + c]
            coefficient[i0 + a] = value
            if i0 < n_rest:
                penalty += spherical[i0 + a] * spherical[i0 + a]
    return penalty


@kernel
def back_solve_tier(
    u: Floats,
    w: Floats,
    x: Floats,
    m: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    head: Floats,
    coefficient: Floats,
    forms: Floats,
    modes: Floats,
) -> float:
    """Solve for the modes of one chain factor; return its share of ``|u|**2``.

    Parameters
    ----------
    head : (q, h) array
        Coefficients of the head rows: modes of the containing levels, then the tail.
    coefficient : (N,) array
    forms, modes : (q, k) arrays
        Receive ``A' c`` and ``b = -M A' c``.
    """
    q, h, k = u.shape
    penalty = 0.0
    for i in range(q):
        for c in range(k):
            value = 0.0
            for row in range(h):
                value += u[i, row, c] * head[i, row]
            forms[i, c] = value
        for pos in range(ptr[i], ptr[i + 1]):
            b = coefficient[idx[pos]]
            for c in range(k):
                forms[i, c] += w[pos, c] * b
        for a in range(k):
            mode = 0.0
            spherical = 0.0
            for c in range(k):
                mode -= m[i, a, c] * forms[i, c]
                spherical -= x[i, c, a] * forms[i, c]
            modes[i, a] = mode
            penalty += spherical * spherical
    return penalty
