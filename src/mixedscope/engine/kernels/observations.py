"""Compiled kernels of what single observations have of the inverse: their leverages.

Notation and arrays are those of :mod:`mixedscope.engine.kernels.inverse`. With a the row of an
observation, random-effects columns and fixed-effects basis, these add up ``a' K a`` and the columns
of ``a' K`` that belong to the basis; a has entries in one level of every factor only, which meet in
it, so that all entries of K that are needed are on the pattern of the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["add_rest", "add_tier"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def add_rest(
    s: Floats,
    rest_column: NDArray[np.int32],
    rest_z: Floats,
    basis: Floats,
    n_rest: int,
    leverage: Floats,
    fixed: Floats,
) -> None:
    """Add the parts of rest and basis to `leverage` (n,) and `fixed` (n, r); K is above S."""
    n, width = rest_z.shape
    r = basis.shape[1]
    for i in range(n):
        total = 0.0
        for a in range(width):
            row, value = rest_column[i, a], rest_z[i, a]
            source = s[row]
            inner = 0.5 * source[row] * value
            for b in range(a + 1, width):
                inner += source[rest_column[i, b]] * rest_z[i, b]
            for t in range(r):
                entry = source[n_rest + t]
                inner += entry * basis[i, t]
                fixed[i, t] += entry * value
            total += inner * value
        for t in range(r):
            source = s[n_rest + t]
            own = basis[i, t]
            inner = 0.5 * source[n_rest + t] * own
            fixed[i, t] += source[n_rest + t] * own
            for v in range(t + 1, r):
                entry = source[n_rest + v]
                inner += entry * basis[i, v]
                fixed[i, t] += entry * basis[i, v]
                fixed[i, v] += entry * own
            total += inner * own
        leverage[i] += 2.0 * total


@kernel
def add_tier(
    codes: Ints,
    z: Floats,
    head: Floats,
    slots: NDArray[np.int32],
    rest_z: Floats,
    kd: Floats,
    ku: Floats,
    kw: Floats,
    leverage: Floats,
    fixed: Floats,
) -> None:
    """Add the parts of one tier; `head` (n, h) are the columns of its head rows, the basis last.

    `slots` (n, width): sparse row of each column of the rest. The response's row of the head is
    left out of `head`, so that ku has one row more.
    """
    n, k = z.shape
    h, r = head.shape[1], fixed.shape[1]
    width = rest_z.shape[1]
    for i in range(n):
        level = codes[i]
        total = 0.0
        for a in range(k):
            inner = 0.0
            for b in range(k):
                inner += 0.5 * kd[level, a, b] * z[i, b]
            for row in range(h):
                inner += ku[level, row, a] * head[i, row]
            for t in range(r):
                fixed[i, t] += ku[level, h - r + t, a] * z[i, a]
            for m in range(width):
                inner += kw[slots[i, m], a] * rest_z[i, m]
            total += inner * z[i, a]
        leverage[i] += 2.0 * total
