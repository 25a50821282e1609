"""Compiled kernels of quadratic forms of the inverse in rows that need not be those of the data.

Notation and arrays are those of :mod:`mixedscope.engine.kernels.inverse`. Of a row with the part z
in a level of a tier and the part v in all that follows, ``a' K a`` is ``z' M z`` and the form of
what follows in ``v - A M z``: the tiers are eliminated from the rows as from the data, so that
combinations of levels that do not occur are no different from others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["add_forms", "eliminate_rows"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def eliminate_rows(
    level: Ints,
    z: Floats,
    m: Floats,
    u: Floats,
    w: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    n_basis: int,
    forms: Floats,
    mz: Floats,
    rest: Floats,
) -> None:
    """Eliminate a level (m,), -1 for none, of one tier from every row.

    Adds ``z' M z`` to `forms` (m,), leaves ``M z`` in `mz` (m, k), and subtracts ``A M z`` from the
    columns of rest and basis (m, N).
    """
    n, k = z.shape
    # Of the tail the response comes last: rows have no part in it.
    tail = u.shape[1] - n_basis - 1
    n_rest = rest.shape[1] - n_basis
    for i in range(n):
        at = level[i]
        if at < 0:
            continue
        total = 0.0
        for a in range(k):
            value = 0.0
            for b in range(k):
                value += m[at, a, b] * z[i, b]
            mz[i, a] = value
            total += value * z[i, a]
        forms[i] += total
        for t in range(n_basis):
            value = 0.0
            for a in range(k):
                value += u[at, tail + t, a] * mz[i, a]
            rest[i, n_rest + t] -= value
        for pos in range(ptr[at], ptr[at + 1]):
            value = 0.0
            for a in range(k):
                value += w[pos, a] * mz[i, a]
            rest[i, idx[pos]] -= value


@kernel
def add_forms(rest: Floats, s: Floats, forms: Floats) -> None:
    """Add ``v' K v`` of every row v of `rest` (m, N), K being the upper triangle of S."""
    n, width = rest.shape
    places = np.empty(width, dtype=np.int64)
    for i in range(n):
        count = 0
        for j in range(width):
            if rest[i, j] != 0.0:
                places[count] = j
                count += 1
        total = 0.0
        for a in range(count):
            row = places[a]
            source = s[row]
            inner = 0.5 * source[row] * rest[i, row]
            for b in range(a + 1, count):
                inner += source[places[b]] * rest[i, places[b]]
            total += inner * rest[i, row]
        forms[i] += 2.0 * total
