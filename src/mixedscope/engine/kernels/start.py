"""Compiled kernels for where a search starts: sums over the levels of grouping factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import inlined, kernel
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.inverse import inverse_small
from mixedscope.engine.kernels.steps import level_factors

__all__ = ["information_sums", "invert", "own_moments", "shared_moments", "solve_moments"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_level_factors = level_factors.call


@kernel
def information_sums(
    step: Ints,
    d: Floats,
    lam: Floats,
    rows: Ints,
    cols: Ints,
    degrees: int,
    first: int,
    out: Floats,
) -> None:
    """Sum ``tr(B W_i B W_j)`` over levels, less the share of sigma.

    This is the product of the sums of ``tr(B W_i)`` over the degrees of freedom.
    ``B = D - D M D`` per level, and ``W_i = e_r lam_c' + lam_c e_r'`` is the derivative of
    ``lam lam'`` by entry (r, c) of lam; with ``V = B lam`` the traces are
    ``2 (B_rs (lam'V)_ce + V_sc V_re)`` and ``2 V_rc``, (s, e) being entry j.

    Parameters
    ----------
    step : array of int
        What :func:`mixedscope.engine.linking.steps_of_information` gives.
    d : (q, k, k) array
        M is that of :func:`mixedscope.engine.kernels.elimination.level_factors`.
    lam : (k, k) array
    rows, cols : (p,) arrays of int
        Entries of the factor.
    degrees : int
    first : int
        Where they stand in `out`.
    out : (n, n) array
    """
    q, k = d.shape[0], d.shape[1]
    x = np.empty(d.shape)
    m = np.empty(d.shape)
    _level_factors(step, d, lam, x, m)
    md = np.empty((k, k))
    b = np.empty((k, k))
    v = np.empty((k, k))
    inner = np.empty((k, k))
    p = len(rows)
    traces = np.zeros(p)
    products = np.zeros((p, p))
    if k == 1:  # half of the time for scalar terms of many levels
        scale = lam[0, 0]
        for level in range(q):
            own = d[level, 0, 0]
            inside = (own - own * m[level, 0, 0] * own) * scale
            traces[0] += 2.0 * inside
            products[0, 0] += 4.0 * inside * inside
        q = 0
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
        for j in range(i + 1):
            value = products[i, j] - traces[i] * traces[j] / degrees
            out[first + i, first + j] = value
            out[first + j, first + i] = value


@kernel
def invert(matrix: Floats, inverse: Floats) -> float:
    """Invert a symmetric matrix (k, k); infinity where it is not positive definite.

    Returns the product of the Frobenius norms of the two, which bounds the condition.
    """
    k = len(matrix)
    one = 0.0
    for i in range(k):
        for j in range(k):
            inverse[i, j] = matrix[i, j]
            one += matrix[i, j] * matrix[i, j]
    if not cholesky_small(inverse):
        return np.inf
    inverse_small(inverse, k)
    other = 0.0
    for i in range(k):
        for j in range(i):
            inverse[j, i] = inverse[i, j]
            other += 2.0 * (inverse[i, j] * inverse[i, j])
        other += inverse[i, i] * inverse[i, i]
    return float(np.sqrt(one * other))


@kernel
def solve_moments(forms: Floats, traces: Floats, times: Floats, tol: float) -> bool:
    """Solve the equations of moments, ``traces * times``, in place of `forms`.

    The symmetric `traces` (n, n) are brought to a unit diagonal and factorised. Returns whether
    this could be done: not if the square of a pivot is below `tol`.
    """
    n = len(forms)
    size = np.empty(n)
    for i in range(n):
        size[i] = np.sqrt(traces[i, i])
    scaled = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            scaled[i, j] = traces[i, j] / (size[i] * size[j])
    if not cholesky_small(scaled):
        return False
    for i in range(n):
        if not scaled[i, i] * scaled[i, i] > tol:
            return False
    for i in range(n):
        value = forms[i] / size[i]
        for j in range(i):
            value -= scaled[i, j] * forms[j]
        forms[i] = value / scaled[i, i]
    for back in range(n):
        i = n - 1 - back
        value = forms[i]
        for j in range(i + 1, n):
            value -= scaled[j, i] * forms[j]
        forms[i] = value / scaled[i, i]
    for i in range(n):
        forms[i] /= size[i] * times[i]
    return True


@inlined
def _add_products(
    a: Floats, t: Floats, rows: Ints, cols: Ints, others: Ints, seconds: Ints,
    at: int, to: int, out: Floats,
) -> None:  # fmt: skip
    """Add ``(A - T)_ca (A - T)_db - T_ca T_db``, the mean of (a, b) and (b, a), to every entry.

    (c, d) are the pairs of columns of the first factor, (a, b) those of the second; `a` and `t`
    are of the size of a block (k, m). Entries of `out` begin at row `at` and column `to`.
    """
    for i in range(len(rows)):
        c, d = rows[i], cols[i]
        for j in range(len(others)):
            e, f = others[j], seconds[j]
            ce, df, cf, de = t[c, e], t[d, f], t[c, f], t[d, e]
            direct = (a[c, e] - ce) * (a[d, f] - df) - ce * df
            out[at + i, to + j] += 0.5 * (direct + (a[c, f] - cf) * (a[d, e] - de) - cf * de)


@inlined
def _start_products(
    first: Floats, second: Floats, k: int, m: int, rows: Ints, cols: Ints,
    others: Ints, seconds: Ints, at: int, to: int, out: Floats,
) -> None:  # fmt: skip
    """Fill `out` with the part of all pairs of levels: sums of ``T_ca T_db`` by the sums of Q'Z.

    `first` (r k, r k) and `second` (r m, r m) are sums over levels of ``t_xc t_yd``.
    """
    r = len(first) // k
    for i in range(len(rows)):
        c, d = rows[i], cols[i]
        for j in range(len(others)):
            e, f = others[j], seconds[j]
            value = 0.0
            for x in range(r):
                for y in range(r):
                    value += first[x * k + c, y * k + d] * (
                        second[x * m + e, y * m + f] + second[x * m + f, y * m + e]
                    )
            out[at + i, to + j] = 0.5 * value


@kernel
def own_moments(
    blocks: Floats,
    u: Floats,
    skipped: int,
    squares: Floats,
    rows: Ints,
    cols: Ints,
    first: int,
    forms: Floats,
    traces: Floats,
    times: Floats,
) -> None:
    """Fill in what the equations of moments have for one grouping factor.

    Parameters
    ----------
    blocks : (q, k, k) array
        ``A = Z'Z`` per level.
    u : (q, h, k) array
        Its rows from `skipped` on hold ``Q'Z`` (r of them) and ``y'Z``.
    squares : (r k, r k) array
        Sums over levels of ``t_xc t_yd``, t being ``Q'Z``.
    rows, cols : (p,) arrays of int
        Pairs of columns that have a covariance.
    first : int
        Where its equations begin.
    forms : (n,) array
        Receives the sums over levels of ``(z_c'y)(z_d'y)``.
    traces : (n, n) array
        Receives the sums over pairs of levels of ``B_ca B_db``, and in the last row and column
        those of ``B_cd``.
    times : (n,) array
        Receives how often a covariance occurs.
    """
    q, h, k = u.shape
    r, last = h - skipped - 1, len(forms) - 1
    a = np.empty((k, k))
    t = np.empty((k, k))
    scores = np.zeros((k, k))
    inner = np.zeros((k, k))
    _start_products(squares, squares, k, k, rows, cols, rows, cols, first, first, traces)
    if k == 1:  # half of the time for scalar terms of many levels
        total = 0.0
        for level in range(q):
            value = 0.0
            for x in range(skipped, skipped + r):
                value += u[level, x, 0] * u[level, x, 0]
            rest = blocks[level, 0, 0] - value
            inner[0, 0] += rest
            total += rest * rest - value * value
            scores[0, 0] += u[level, h - 1, 0] * u[level, h - 1, 0]
        traces[first, first] += total
        q = 0
    for level in range(q):
        for c in range(k):
            for d in range(k):
                value = 0.0
                for x in range(skipped, skipped + r):
                    value += u[level, x, c] * u[level, x, d]
                t[c, d] = value
                a[c, d] = blocks[level, c, d]
                inner[c, d] += a[c, d] - value
                scores[c, d] += u[level, h - 1, c] * u[level, h - 1, d]
        _add_products(a, t, rows, cols, rows, cols, first, first, traces)
    for i in range(len(rows)):
        c, d = rows[i], cols[i]
        forms[first + i] = scores[c, d]
        traces[first + i, last] = inner[c, d]
        traces[last, first + i] = inner[c, d]
        times[first + i] = 1.0 if c == d else 2.0


@kernel
def shared_moments(
    blocks: Floats,
    levels: Ints,
    others_levels: Ints,
    u: Floats,
    skipped: int,
    v: Floats,
    v_skipped: int,
    first: Floats,
    second: Floats,
    rows: Ints,
    cols: Ints,
    others: Ints,
    seconds: Ints,
    at: int,
    to: int,
    traces: Floats,
) -> None:
    """Fill in what the equations of moments have for two grouping factors together.

    Parameters
    ----------
    blocks : (pairs, k, m) array
        ``A = Z_l'Z_m`` of the levels that occur together.
    levels, others_levels : (pairs,) arrays of int
        Which these are.
    u, v : (q, h, k) and (s, g, m) arrays
        As for :func:`own_moments`, of either factor; `skipped` and `v_skipped` likewise.
    first, second : (r k, r k) and (r m, r m) arrays
        As `squares` there.
    rows, cols, others, seconds
        Pairs of columns of the one factor and of the other.
    at, to : int
        Where the equations of the one and of the other begin.
    traces : (n, n) array
        Receives the sums, on both sides of its diagonal.
    """
    k, m = u.shape[2], v.shape[2]
    r = u.shape[1] - skipped - 1
    a = np.empty((k, m))
    t = np.empty((k, m))
    _start_products(first, second, k, m, rows, cols, others, seconds, at, to, traces)
    pairs = len(blocks)
    if k == 1 and m == 1:  # as above
        total = 0.0
        for pair in range(pairs):
            own, other = levels[pair], others_levels[pair]
            value = 0.0
            for x in range(r):
                value += u[own, skipped + x, 0] * v[other, v_skipped + x, 0]
            rest = blocks[pair, 0, 0] - value
            total += rest * rest - value * value
        traces[at, to] += total
        pairs = 0
    for pair in range(pairs):
        own, other = levels[pair], others_levels[pair]
        for c in range(k):
            for e in range(m):
                value = 0.0
                for x in range(r):
                    value += u[own, skipped + x, c] * v[other, v_skipped + x, e]
                t[c, e] = value
                a[c, e] = blocks[pair, c, e]
        _add_products(a, t, rows, cols, others, seconds, at, to, traces)
    for i in range(len(rows)):
        for j in range(len(others)):
            traces[to + j, at + i] = traces[at + i, to + j]
