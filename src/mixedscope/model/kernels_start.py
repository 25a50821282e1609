"""Compiled kernels for where a search starts: sums over the levels of a grouping factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.compiled import kernel

__all__ = ["information_sums"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def information_sums(
    d: Floats, m: Floats, lam: Floats, rows: Ints, cols: Ints, products: Floats, traces: Floats
) -> None:
    """Sum ``tr(B W_i B W_j)`` and ``tr(B W_i)`` over levels.

    ``B = D - D M D`` per level, and ``W_i = e_r lam_c' + lam_c e_r'`` is the derivative of
    ``lam lam'`` by entry (r, c) of lam; with ``V = B lam`` the traces are
    ``2 (B_rs (lam'V)_ce + V_sc V_re)`` and ``2 V_rc``, (s, e) being entry j.

    Parameters
    ----------
    d, m : (q, k, k) arrays
        M as of :func:`mixedscope.model.kernels.level_factors`.
    lam : (k, k) array
    rows, cols : (p,) arrays of int
        Entries of the factor.
    products : (p, p) array
        Receives the sums of products.
    traces : (p,) array
        Receives the sums of traces.
    """
    q, k = d.shape[0], d.shape[1]
    md = np.empty((k, k))
    b = np.empty((k, k))
    v = np.empty((k, k))
    inner = np.empty((k, k))
    p = len(rows)
    for i in range(p):
        traces[i] = 0.0
        for j in range(p):
            products[i, j] = 0.0
    for level in range(q):
        own, middle = d[level], m[level]
        for a in range(k):
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value += middle[a, e] * own[e, c]
                md[a, c] = value
        for a in range(k):
            for c in range(k):
                value = own[a, c]
                for e in range(k):
                    value -= own[a, e] * md[e, c]
                b[a, c] = value
        for a in range(k):
            for c in range(k):
                value = 0.0
                for e in range(c, k):
                    value += b[a, e] * lam[e, c]
                v[a, c] = value
        for a in range(k):
            for c in range(k):
                value = 0.0
                for e in range(a, k):
                    value += lam[e, a] * v[e, c]
                inner[a, c] = value
        for i in range(p):
            r, c = rows[i], cols[i]
            traces[i] += 2.0 * v[r, c]
            for j in range(i + 1):
                s, e = rows[j], cols[j]
                products[i, j] += 2.0 * (b[r, s] * inner[c, e] + v[s, c] * v[r, e])
    for i in range(p):
        for j in range(i):
            products[j, i] = products[i, j]
