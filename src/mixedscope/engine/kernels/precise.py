"""The whole system in numbers of twice the digits, for factors so large that doubles lose them.

A number is the sum of two doubles, the second below half a unit in the last place of the first
(Dekker 1971, Numer. Math. 18). Columns are those of the random effects, the fixed-effects basis and
the response. They are factorised as ``L D L'``, one after another, passing over zeros: levels of a
factor that is eliminated first do not meet each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel, part

__all__ = ["precise_factor", "precise_products", "precise_solve"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SPLIT = 134217729.0  # 2**27 + 1


@part
def _add(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    total = a + b
    back = total - a
    low = (a - (total - back)) + (b - back) + (a_low + b_low)
    high = total + low
    return high, low - (high - total)


@part
def _multiply(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    product = a * b
    t = _SPLIT * a
    a1 = t - (t - a)
    a2 = a - a1
    t = _SPLIT * b
    b1 = t - (t - b)
    b2 = b - b1
    low = ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2 + (a * b_low + a_low * b)
    high = product + low
    return high, low - (high - product)


@part
def _divide(a: float, a_low: float, b: float, b_low: float) -> tuple[float, float]:
    first = a / b
    high, low = _multiply(first, 0.0, b, b_low)
    rest, rest_low = _add(a, a_low, -high, -low)
    second = rest / b
    high, low = _multiply(second, 0.0, b, b_low)
    rest, rest_low = _add(rest, rest_low, -high, -low)
    high, low = _add(first, 0.0, second, 0.0)
    return _add(high, low, rest / b, 0.0)


@kernel
def precise_products(columns: NDArray[np.int64], values: Floats, high: Floats, low: Floats) -> None:
    """Add up the lower triangle of the cross-products.

    Parameters
    ----------
    columns : (n, w) array of int
        In which columns an observation has its values, ascending.
    values : (n, w) array
    high, low : (N, N) arrays
        Zero at first.
    """
    n, width = values.shape
    for i in range(n):
        for a in range(width):
            row, value = columns[i, a], values[i, a]
            if value == 0.0:
                continue
            for b in range(a + 1):
                column = columns[i, b]
                if values[i, b] == 0.0:
                    continue
                product, rest = _multiply(value, 0.0, values[i, b], 0.0)
                high[row, column], low[row, column] = _add(
                    high[row, column], low[row, column], product, rest
                )


@kernel
def precise_factor(
    high: Floats,
    low: Floats,
    node: Ints,
    lam: Floats,
    n_random: int,
    factor: Floats,
    factor_low: Floats,
    pivots: Floats,
    pivots_low: Floats,
) -> bool:
    """Factorise ``Lambda' C Lambda + I`` as ``L D L'``; False where it is not positive definite.

    Parameters
    ----------
    high, low : (N, N) arrays
        Lower triangle of the cross-products C.
    node : (nodes, 3) array of int
        First column, number of columns and offset into `lam` of every level, then of every other
        column (number of columns 1, offset that of a 1).
    lam : (L,) array
        Relative covariance factors row by row.
    n_random : int
        Columns to which the identity is added.
    factor, factor_low : (N, N) arrays
        Receive L, whose diagonal of ones is not written down.
    pivots, pivots_low : (N,) arrays
        Receive D.
    """
    n = len(high)
    nodes = len(node)
    largest = 1
    for p in range(nodes):
        largest = max(largest, node[p, 1])
    t = np.zeros((largest, largest))
    t_low = np.zeros((largest, largest))
    for r in range(nodes):
        j0, kj, lj = node[r, 0], node[r, 1], node[r, 2]
        for p in range(r + 1):
            i0, ki, li = node[p, 0], node[p, 1], node[p, 2]
            met = False
            for a in range(kj):
                for c in range(ki):
                    factor[j0 + a, i0 + c] = 0.0
                    factor_low[j0 + a, i0 + c] = 0.0
                    met = met or high[max(j0 + a, i0 + c), min(j0 + a, i0 + c)] != 0.0
            if not met and p < r:
                continue
            for a in range(kj):
                for b in range(ki):
                    total = rest = 0.0
                    for c in range(b, ki):
                        scale = lam[li + c * ki + b]
                        row, column = max(j0 + a, i0 + c), min(j0 + a, i0 + c)
                        x, y = _multiply(high[row, column], low[row, column], scale, 0.0)
                        total, rest = _add(total, rest, x, y)
                    t[a, b] = total
                    t_low[a, b] = rest
            for a in range(kj):
                for b in range(ki):
                    total = rest = 0.0
                    if p == r and a < b:
                        continue
                    for c in range(a, kj):
                        x, y = _multiply(t[c, b], t_low[c, b], lam[lj + c * kj + a], 0.0)
                        total, rest = _add(total, rest, x, y)
                    if p == r and a == b and j0 < n_random:
                        total, rest = _add(total, rest, 1.0, 0.0)
                    factor[j0 + a, i0 + b] = total
                    factor_low[j0 + a, i0 + b] = rest
    below = np.empty(n, dtype=np.int64)
    for j in range(n):
        pivot, pivot_low = factor[j, j], factor_low[j, j]
        if not pivot > 0.0:
            return False
        pivots[j] = pivot
        pivots_low[j] = pivot_low
        count = 0
        for i in range(j + 1, n):
            if factor[i, j] != 0.0:
                below[count] = i
                count += 1
        for b in range(count):
            k = below[b]
            x, y = _divide(factor[k, j], factor_low[k, j], pivot, pivot_low)
            for a in range(b, count):
                i = below[a]
                # Its own row comes last, and is still undivided then.
                u, v = _multiply(factor[i, j], factor_low[i, j], x, y)
                factor[i, k], factor_low[i, k] = _add(factor[i, k], factor_low[i, k], -u, -v)
            factor[k, j] = x
            factor_low[k, j] = y
    return True


@kernel
def precise_solve(factor: Floats, factor_low: Floats, out: Floats) -> None:
    """Solve for the coefficients (N - 1,) of the response, the last column, on all others."""
    n = len(out)
    rest = np.empty(n)
    for back in range(n):
        j = n - 1 - back
        high, low = factor[n, j], factor_low[n, j]
        for i in range(j + 1, n):
            if factor[i, j] != 0.0:
                x, y = _multiply(factor[i, j], factor_low[i, j], out[i], rest[i])
                high, low = _add(high, low, -x, -y)
        out[j] = high
        rest[j] = low
