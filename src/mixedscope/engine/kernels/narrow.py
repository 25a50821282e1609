"""Kernels for levels of one or two columns, written out: most models have no wider ones.

Loops of a length that only the data know cost more than the one or two products in them. Notation
and arrays are those of :mod:`mixedscope.engine.kernels.elimination` and
:mod:`mixedscope.engine.kernels.inverse`, whose kernels call these; two columns are served by the
same code as one where the second simply drops out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import log

__all__ = [
    "add_parent_narrow",
    "back_solve_narrow",
    "derivative_tier_1",
    "derivative_tier_2",
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
            total += log(h)
            continue
        product *= h
        if product > _PRODUCT:
            total += log(product)
            product = 1.0
    return total + log(product)


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
            total += log(h) + log(e)
            continue
        product *= h * e
        if product > _PRODUCT:
            total += log(product)
            product = 1.0
    return total + log(product)


@part
def eliminate_head_narrow(u: Floats, m: Floats, n_tail: int, s: Floats) -> None:
    """Subtract the share of all levels from the tail-by-tail corner of S.

    Four sums at a time: loops over so few rows within each level would cost more than the sums.
    """
    q, h, k = u.shape
    first, corner, last = h - n_tail, len(s) - n_tail, h - 1
    for t in range(n_tail):
        own = first + t
        for v in range(t, n_tail, 4):
            row = first + v
            row_1, row_2, row_3 = min(row + 1, last), min(row + 2, last), min(row + 3, last)
            sum_0 = sum_1 = sum_2 = sum_3 = 0.0
            for i in range(q):
                value = u[i, own, 0] * m[i, 0, 0]
                if k == 2:
                    value += u[i, own, 1] * m[i, 1, 0]
                    other = u[i, own, 0] * m[i, 1, 0] + u[i, own, 1] * m[i, 1, 1]
                    sum_0 += other * u[i, row, 1]
                    sum_1 += other * u[i, row_1, 1]
                    sum_2 += other * u[i, row_2, 1]
                    sum_3 += other * u[i, row_3, 1]
                sum_0 += value * u[i, row, 0]
                sum_1 += value * u[i, row_1, 0]
                sum_2 += value * u[i, row_2, 0]
                sum_3 += value * u[i, row_3, 0]
            target = s[corner + t, corner + v :]
            target[0] -= sum_0
            if len(target) > 1:
                target[1] -= sum_1
            if len(target) > 2:
                target[2] -= sum_2
            if len(target) > 3:
                target[3] -= sum_3


@part
def _subtract(
    outer: int, a: int, row: int, value: float, parent_d: Floats, parent_u: Floats
) -> None:
    """Subtract from an entry of a containing level; rows count from its own block on."""
    size = parent_d.shape[1]
    if row < size:
        parent_d[outer, row, a] -= value
    elif row < size + parent_u.shape[1]:
        parent_u[outer, row - size, a] -= value


@part
def _eliminate_parent_directly(
    u: Floats, m: Floats, parent: Ints, offset: int, parent_d: Floats, parent_u: Floats
) -> None:
    """Do what `eliminate_parent_narrow` does, level by level."""
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
def eliminate_parent_narrow(
    u: Floats, m: Floats, parent: Ints, offset: int, parent_d: Floats, parent_u: Floats
) -> None:
    """Subtract the share of all levels from those that contain them, without sparse rows.

    Four sums at a time, handed over where the next level lies within another one, if that is not
    often.
    """
    q, h, k = u.shape
    last = h - 1
    changes = 0
    for i in range(1, q):
        if parent[i] != parent[i - 1]:
            changes += 1
    if changes * 4 > q:
        _eliminate_parent_directly(u, m, parent, offset, parent_d, parent_u)
        return
    for a in range(parent_d.shape[1]):
        own = offset + a
        for first in range(0, h - offset, 4):
            row = offset + first
            row_1, row_2, row_3 = min(row + 1, last), min(row + 2, last), min(row + 3, last)
            sum_0 = sum_1 = sum_2 = sum_3 = 0.0
            for i in range(q):
                value = u[i, own, 0] * m[i, 0, 0]
                if k == 2:
                    value += u[i, own, 1] * m[i, 1, 0]
                    other = u[i, own, 0] * m[i, 1, 0] + u[i, own, 1] * m[i, 1, 1]
                    sum_0 += other * u[i, row, 1]
                    sum_1 += other * u[i, row_1, 1]
                    sum_2 += other * u[i, row_2, 1]
                    sum_3 += other * u[i, row_3, 1]
                sum_0 += value * u[i, row, 0]
                sum_1 += value * u[i, row_1, 0]
                sum_2 += value * u[i, row_2, 0]
                sum_3 += value * u[i, row_3, 0]
                outer = parent[i]
                if i == q - 1 or parent[i + 1] != outer:
                    _subtract(outer, a, first, sum_0, parent_d, parent_u)
                    _subtract(outer, a, first + 1, sum_1, parent_d, parent_u)
                    _subtract(outer, a, first + 2, sum_2, parent_d, parent_u)
                    _subtract(outer, a, first + 3, sum_3, parent_d, parent_u)
                    sum_0 = sum_1 = sum_2 = sum_3 = 0.0


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
    if k == 1 and size == 1 and beyond >= end:
        for i in range(q):
            out[i, 0, 0] += u[i, offset, 0] * u[i, offset, 0] * parent_kd[parent[i], 0, 0]
        return
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
def add_parent_narrow(
    u: Floats, parent: Ints, offset: int, outer_modes: Floats, forms: Floats
) -> None:
    """Add what the modes of the containing levels contribute to the forms ``A' c`` (q, k)."""
    q, _, k = u.shape
    for c in range(outer_modes.shape[1]):
        row = offset + c
        for i in range(q):
            mode = outer_modes[parent[i], c]
            forms[i, 0] += u[i, row, 0] * mode
            if k == 2:
                forms[i, 1] += u[i, row, 1] * mode


@part
def back_solve_narrow(
    u: Floats, x: Floats, m: Floats, tail: Floats, forms: Floats, modes: Floats
) -> float:
    """Do what ``back_solve_tier`` does without sparse rows, given the coefficients of the tail.

    The forms hold the part of the containing levels already.
    """
    q, h, k = u.shape
    n_tail, last = len(tail), h - 1
    for first in range(0, n_tail, 4):
        row = h - n_tail + first
        row_1, row_2, row_3 = min(row + 1, last), min(row + 2, last), min(row + 3, last)
        value = tail[first]
        value_1 = tail[first + 1] if first + 1 < n_tail else 0.0
        value_2 = tail[first + 2] if first + 2 < n_tail else 0.0
        value_3 = tail[first + 3] if first + 3 < n_tail else 0.0
        for i in range(q):
            for c in range(k):
                forms[i, c] += (
                    u[i, row, c] * value
                    + u[i, row_1, c] * value_1
                    + u[i, row_2, c] * value_2
                    + u[i, row_3, c] * value_3
                )
    penalty = 0.0
    for i in range(q):
        if k == 1:
            force = forms[i, 0]
            modes[i, 0] = -m[i, 0, 0] * force
            spherical = x[i, 0, 0] * force
            penalty += spherical * spherical
            continue
        force, other = forms[i, 0], forms[i, 1]
        modes[i, 0] = -(m[i, 0, 0] * force + m[i, 0, 1] * other)
        modes[i, 1] = -(m[i, 1, 0] * force + m[i, 1, 1] * other)
        spherical = x[i, 0, 0] * force + x[i, 1, 0] * other
        penalty += spherical * spherical
        spherical = x[i, 0, 1] * force + x[i, 1, 1] * other
        penalty += spherical * spherical
    return penalty


@part
def derivative_tier_1(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Do what ``derivative_tier`` does for one column."""
    total = 0.0
    for i in range(len(d)):
        own, force = d[i, 0, 0], forms[i, 0]
        g = inner[i, 0, 0] + weight * force * force
        total += (own - g + own * m[i, 0, 0] * g) * x[i, 0, 0]
    out[0, 0] += 2.0 * total


@part
def derivative_tier_2(
    d: Floats, x: Floats, m: Floats, inner: Floats, forms: Floats, weight: float, out: Floats
) -> None:
    """Do what ``derivative_tier`` does for two columns, in the lower triangle."""
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
