"""Kernels for levels of any number of columns, beside those for one or two.

Notation and arrays are those of :mod:`mixedscope.engine.kernels.elimination` and
:mod:`mixedscope.engine.kernels.inverse`, whose kernels call these; counterparts of
:mod:`mixedscope.engine.kernels.narrow`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import log

__all__ = [
    "derivative_tier_wide",
    "eliminate_head_wide",
    "eliminate_parent_wide",
    "level_factors_wide",
    "parent_forms_wide",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@part
def level_factors_wide(d: Floats, lam: Floats, x: Floats, m: Floats) -> float:
    """Do what `level_factors` does for any number of columns."""
    q, k = d.shape[0], d.shape[1]
    total = 0.0
    h_ = np.empty((k, k))
    t = np.empty((k, k))
    for i in range(q):
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(b, k):
                    value += d[i, a, c] * lam[c, b]
                t[a, b] = value
        for a in range(k):
            for b in range(a + 1):
                value = 1.0 if a == b else 0.0
                for c in range(a, k):
                    value += lam[c, a] * t[c, b]
                h_[a, b] = value
        # Cholesky of H in its lower triangle.
        for a in range(k):
            for b in range(a):
                value = h_[a, b]
                for c in range(b):
                    value -= h_[a, c] * h_[b, c]
                h_[a, b] = value / h_[b, b]
            value = h_[a, a]
            for c in range(a):
                value -= h_[a, c] * h_[a, c]
            if not value > 0.0:
                return np.nan
            total += log(value)
            h_[a, a] = np.sqrt(value)
        # X' = inv(H) lam', one column of lam' at a time.
        for r in range(k):
            for a in range(k):
                value = lam[r, a]
                for c in range(a):
                    value -= h_[a, c] * t[c, r]
                t[a, r] = value / h_[a, a]
            for back in range(k):
                a = k - 1 - back
                value = t[a, r]
                for c in range(a + 1, k):
                    value -= h_[c, a] * t[c, r]
                t[a, r] = value / h_[a, a]
        for r in range(k):
            for a in range(k):
                x[i, r, a] = t[a, r]
        for a in range(k):
            for b in range(a + 1):
                value = 0.0
                for c in range(k):
                    value += x[i, a, c] * lam[b, c]
                m[i, a, b] = value
                m[i, b, a] = value
    return total


@part
def eliminate_head_wide(u: Floats, m: Floats, n_tail: int, s: Floats) -> None:
    """Do what `eliminate_head` does for any number of columns."""
    q, h, k = u.shape
    first, corner = h - n_tail, len(s) - n_tail
    um = np.empty((n_tail, k))
    for i in range(q):
        for t in range(n_tail):
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value += u[i, first + t, e] * m[i, e, c]
                um[t, c] = value
        for t in range(n_tail):
            for v in range(t, n_tail):
                value = 0.0
                for c in range(k):
                    value += um[t, c] * u[i, first + v, c]
                s[corner + t, corner + v] -= value


@part
def eliminate_parent_wide(
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
    """Do what `eliminate_parent` does for any number of columns."""
    q, h, k = u.shape
    size = parent_d.shape[1]
    um = np.empty((size, k))
    for i in range(q):
        outer = parent[i]
        for a in range(size):
            for c in range(k):
                value = 0.0
                for e in range(k):
                    value += u[i, offset + a, e] * m[i, e, c]
                um[a, c] = value
        for a in range(size):
            for b in range(size):
                value = 0.0
                for c in range(k):
                    value += um[a, c] * u[i, offset + b, c]
                parent_d[outer, b, a] -= value
            for row in range(offset + size, h):
                value = 0.0
                for c in range(k):
                    value += um[a, c] * u[i, row, c]
                parent_u[outer, row - offset - size, a] -= value
            for pos in range(ptr[i], ptr[i + 1]):
                value = 0.0
                for c in range(k):
                    value += um[a, c] * w[pos, c]
                parent_w[relative[pos], a] -= value


@part
def parent_forms_wide(
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
    """Do what `parent_forms` does for any number of columns."""
    k, size = u.shape[2], parent_kd.shape[1]
    t = np.empty(k)
    for i in range(len(u)):
        outer = parent[i]
        for p in range(size):
            for c in range(k):
                value = 0.0
                for r in range(size):
                    value += 0.5 * parent_kd[outer, p, r] * u[i, offset + r, c]
                for row in range(offset + size, end):
                    value += parent_ku[outer, row - offset - size, p] * u[i, row, c]
                for pos in range(ptr[i], ptr[i + 1]):
                    value += parent_kw[relative[pos], p] * w[pos, c]
                t[c] = value
            for a in range(k):
                for b in range(k):
                    out[i, a, b] += u[i, offset + p, a] * t[b] + t[a] * u[i, offset + p, b]


@part
def derivative_tier_wide(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Do what `derivative_tier` does for any number of columns."""
    q, k = d.shape[0], d.shape[1]
    g = np.empty((k, k))
    t = np.empty((k, k))
    r = np.empty((k, k))
    for i in range(q):
        for a in range(k):
            for b in range(k):
                g[a, b] = inner[i, a, b] + weight * forms[i, a] * forms[i, b]
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += m[i, a, c] * g[c, b]
                t[a, b] = value
        for a in range(k):
            for b in range(k):
                value = d[i, a, b] - g[a, b]
                for c in range(k):
                    value += d[i, a, c] * t[c, b]
                r[a, b] = value
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += r[a, c] * x[i, c, b]
                out[a, b] += 2.0 * value
