"""Kernels for levels of one or two columns, written out: most models have no wider ones.

Loops of a length that only the data know cost more than the one or two products in them. Notation
and arrays are those of :mod:`mixedscope.model.kernels` and
:mod:`mixedscope.model.kernels_inverse`, whose kernels call these; two columns are served by the
same code as one where the second simply drops out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.compiled import part

__all__ = [
    "derivative_stage_1",
    "derivative_stage_2",
    "eliminate_head_narrow",
    "eliminate_parent_narrow",
    "level_factors_1",
    "level_factors_2",
    "parent_forms_narrow",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A logarithm costs as much as all else about a level: determinants are multiplied up to here first.
_PRODUCT = 1e100


@part
def level_factors_1(d: Floats, lam: Floats, x: Floats, m: Floats) -> float:
    """Do what ``level_factors`` does for one column."""
    s = lam[0, 0]
    total, product = 0.0, 1.0
    for i in range(len(d)):
        h = s * s * d[i, 0, 0] + 1.0
        if not h > 0.0:
            return np.nan
        share = s / h
        x[i, 0, 0] = share
        m[i, 0, 0] = s * share
        if h > _PRODUCT:
            total += np.log(h)
            continue
        product *= h
        if product > _PRODUCT:
            total += np.log(product)
            product = 1.0
    return total + np.log(product)


@part
def level_factors_2(d: Floats, lam: Floats, x: Floats, m: Floats) -> float:
    """Do what ``level_factors`` does for two columns: ``H = [1, 0; r, 1] diag(h, e) [1, r; 0, 1]``.

    The pivots are those of Cholesky's factorisation.
    """
    a, b, c = lam[0, 0], lam[1, 0], lam[1, 1]
    total, product = 0.0, 1.0
    for i in range(len(d)):
        cross = d[i, 1, 0] * a + d[i, 1, 1] * b
        h = 1.0 + a * (d[i, 0, 0] * a + d[i, 1, 0] * b) + b * cross
        below = c * cross
        r = below / h
        e = 1.0 + c * c * d[i, 1, 1] - r * below
        if not (h > 0.0 and e > 0.0):
            return np.nan
        last = -r * a / e
        head = a / h - r * last
        x[i, 0, 0] = head
        x[i, 0, 1] = last
        m[i, 0, 0] = head * a
        last = (c - r * b) / e
        head = b / h - r * last
        x[i, 1, 0] = head
        x[i, 1, 1] = last
        m[i, 0, 1] = head * a
        m[i, 1, 0] = head * a
        m[i, 1, 1] = head * b + last * c
        if h > _PRODUCT or e > _PRODUCT:
            total += np.log(h) + np.log(e)
            continue
        product *= h * e
        if product > _PRODUCT:
            total += np.log(product)
            product = 1.0
    return total + np.log(product)


@part
def eliminate_head_narrow(u: Floats, m: Floats, n_tail: int, s: Floats) -> None:
    """Subtract the share of all levels from the tail-by-tail corner of S."""
    q, h, k = u.shape
    first, corner = h - n_tail, len(s) - n_tail
    if k == 1:
        for i in range(q):
            rows, middle = u[i, first:, 0], m[i, 0, 0]
            for t in range(n_tail):
                value = rows[t] * middle
                target = s[corner + t, corner:]
                for v in range(t, n_tail):
                    target[v] -= value * rows[v]
        return
    for i in range(q):
        pairs = u[i, first:]
        left, middle, right = m[i, 0, 0], m[i, 1, 0], m[i, 1, 1]
        for t in range(n_tail):
            value = pairs[t, 0] * left + pairs[t, 1] * middle
            other = pairs[t, 0] * middle + pairs[t, 1] * right
            target = s[corner + t, corner:]
            for v in range(t, n_tail):
                target[v] -= value * pairs[v, 0] + other * pairs[v, 1]


@part
def eliminate_parent_narrow(
    u: Floats, m: Floats, parent: Ints, offset: int, parent_d: Floats, parent_u: Floats
) -> None:
    """Subtract the share of all levels from those that contain them, without sparse rows."""
    q, h, k = u.shape
    size = parent_d.shape[1]
    beyond = offset + size
    for i in range(q):
        outer = parent[i]
        own, block = u[i], parent_d[outer]
        rows = parent_u[outer]
        for a in range(size):
            first = own[offset + a, 0] * m[i, 0, 0]
            if k == 1:
                for b in range(size):
                    block[b, a] -= first * own[offset + b, 0]
                for row in range(beyond, h):
                    rows[row - beyond, a] -= first * own[row, 0]
                continue
            first += own[offset + a, 1] * m[i, 1, 0]
            second = own[offset + a, 0] * m[i, 1, 0] + own[offset + a, 1] * m[i, 1, 1]
            for b in range(size):
                block[b, a] -= first * own[offset + b, 0] + second * own[offset + b, 1]
            for row in range(beyond, h):
                rows[row - beyond, a] -= first * own[row, 0] + second * own[row, 1]


@part
def parent_forms_narrow(
    u: Floats,
    parent: Ints,
    offset: int,
    end: int,
    parent_kd: Floats,
    parent_ku: Floats,
    out: Floats,
) -> None:
    """Add the part of ``A' K A`` that a containing factor takes part in, without sparse rows."""
    q, _, k = u.shape
    size = parent_kd.shape[1]
    beyond = offset + size
    for i in range(q):
        outer = parent[i]
        own, block, rows = u[i], parent_kd[outer], parent_ku[outer]
        for p in range(size):
            first = second = 0.0
            for r in range(size):
                value = 0.5 * block[p, r]
                first += value * own[offset + r, 0]
                if k == 2:
                    second += value * own[offset + r, 1]
            for row in range(beyond, end):
                value = rows[row - beyond, p]
                first += value * own[row, 0]
                if k == 2:
                    second += value * own[row, 1]
            left = own[offset + p, 0]
            out[i, 0, 0] += 2.0 * left * first
            if k == 2:
                right = own[offset + p, 1]
                mixed = left * second + right * first
                out[i, 0, 1] += mixed
                out[i, 1, 0] += mixed
                out[i, 1, 1] += 2.0 * right * second


@part
def derivative_stage_1(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Do what ``derivative_stage`` does for one column."""
    total = 0.0
    for i in range(len(d)):
        own, force = d[i, 0, 0], forms[i, 0]
        g = inner[i, 0, 0] + weight * force * force
        total += (own - g + own * m[i, 0, 0] * g) * x[i, 0, 0]
    out[0, 0] += 2.0 * total


@part
def derivative_stage_2(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Do what ``derivative_stage`` does for two columns, in the lower triangle."""
    corner = below = last = 0.0
    for i in range(len(d)):
        force, other = forms[i, 0], forms[i, 1]
        g00 = inner[i, 0, 0] + weight * force * force
        g01 = inner[i, 0, 1] + weight * force * other
        g11 = inner[i, 1, 1] + weight * other * other
        m00, m01, m11 = m[i, 0, 0], m[i, 0, 1], m[i, 1, 1]
        # I + M G.
        t00 = 1.0 + m00 * g00 + m01 * g01
        t01 = m00 * g01 + m01 * g11
        t10 = m01 * g00 + m11 * g01
        t11 = 1.0 + m01 * g01 + m11 * g11
        d00, d01, d11 = d[i, 0, 0], d[i, 0, 1], d[i, 1, 1]
        r00 = d00 * t00 + d01 * t10 - g00
        r01 = d00 * t01 + d01 * t11 - g01
        r10 = d01 * t00 + d11 * t10 - g01
        r11 = d01 * t01 + d11 * t11 - g11
        corner += r00 * x[i, 0, 0] + r01 * x[i, 1, 0]
        below += r10 * x[i, 0, 0] + r11 * x[i, 1, 0]
        last += r10 * x[i, 0, 1] + r11 * x[i, 1, 1]
    out[0, 0] += 2.0 * corner
    out[1, 0] += 2.0 * below
    out[1, 1] += 2.0 * last
