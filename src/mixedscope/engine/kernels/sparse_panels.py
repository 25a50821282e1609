"""To and from the panels of a sparse factor, on which LAPACK works: nothing but moving numbers.

A panel is a matrix with a row for each of its columns: those of the panel, the rows that all of
them have, the tail. Notation and arrays are those of :mod:`mixedscope.engine.kernels.sparse` and
:mod:`mixedscope.engine.kernels.sparse_inverse`; `stop` is the column after the last one of a panel,
by sparse column, -1 where that is in none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel, part

__all__ = ["collect_block", "put_panel", "subtract_block", "take_panel"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]


@kernel
def take_panel(
    j0: int, lp: Ints, lx: Floats, pivot: Floats, w: Floats, t: int, out: Floats
) -> None:  # fmt: skip
    """Fill the rows of `out` from the diagonal on: columns from `j0` on, and t of their tail."""
    k, m = out.shape
    for i in range(k):
        j = j0 + i
        out[i, i] = pivot[j]
        for p in range(lp[j], lp[j + 1]):
            out[i, i + 1 + p - lp[j]] = lx[p]
        for u in range(t):
            out[i, m - t + u] = w[j, u]


@kernel
def put_panel(
    j0: int, lp: Ints, lx: Floats, pivot: Floats, w: Floats, t: int, given: Floats
) -> None:  # fmt: skip
    """Put the rows of `given` into the columns from `j0` on, t numbers of their tail with them."""
    k, m = given.shape
    for i in range(k):
        j = j0 + i
        pivot[j] = given[i, i]
        for p in range(lp[j], lp[j + 1]):
            lx[p] = given[i, i + 1 + p - lp[j]]
        for u in range(t):
            w[j, u] = given[i, m - t + u]


@part
def _places(lp: Ints, li: Rows, rows: Rows, b: int, out: Ints) -> None:
    """Tell where the rows after the b-th one stand in its column, all of which are there."""
    p = lp[rows[b]]
    begin = p
    for a in range(b + 1, len(rows)):
        while li[p] != rows[a]:
            p += 1
        out[a] = p - begin


@kernel
def subtract_block(
    b0: int, block: Floats, rows: Rows, lp: Ints, li: Rows, lx: Floats, pivot: Floats, w: Floats,
    s: Floats, stop: Ints,
) -> None:  # fmt: skip
    """Subtract what a panel takes away from later columns, those of the rows from the `b0`-th on.

    `block` (columns, rows from `b0` on and tail): products of rows of the panel.
    """
    c, t, m = len(pivot), w.shape[1], len(rows)
    n = len(s) - t
    place = np.empty(m, dtype=np.int64)
    until, first = 0, 0
    for i in range(len(block)):
        b = b0 + i
        j = rows[b]
        if j >= c:
            target = s[j - c]
            for a in range(b, m):
                target[rows[a] - c] -= block[i, a - b0]
            for u in range(t):
                target[n + u] -= block[i, m - b0 + u]
            continue
        if j >= until:
            _places(lp, li, rows, b, place)
            until, first = stop[j], j
        pivot[j] -= block[i, i]
        begin = lp[j] - (j - first)
        for a in range(b + 1, m):
            lx[begin + place[a]] -= block[i, a - b0]
        for u in range(t):
            w[j, u] -= block[i, m - b0 + u]


@kernel
def collect_block(
    b0: int, r: int, rows: Rows, lp: Ints, li: Rows, zx: Floats, zd: Floats, zw: Floats, s: Floats,
    stop: Ints, out: Floats,
) -> None:  # fmt: skip
    """Fill `out` with P, in rows and columns of a list and then r of the tail, from `b0` on.

    `out` (columns, all rows from `b0` on): the leading square, too, is filled whole.
    """
    c, m = len(zd), len(rows)
    n = len(s) - zw.shape[1]
    place = np.empty(m, dtype=np.int64)
    until, first = 0, 0
    for i in range(len(out)):
        b = b0 + i
        if b >= m or rows[b] >= c:
            own = n + b - m
            if b < m:
                own = rows[b] - c
            for a in range(b, m):
                out[i, a - b0] = s[rows[a] - c, own]
            for u in range(max(0, b - m), r):
                out[i, m - b0 + u] = s[n + u, own]
        else:
            j = rows[b]
            if j >= until:
                _places(lp, li, rows, b, place)
                until, first = stop[j], j
            out[i, i] = zd[j]
            begin = lp[j] - (j - first)
            for a in range(b + 1, m):
                out[i, a - b0] = zx[begin + place[a]]
            for u in range(r):
                out[i, m - b0 + u] = zw[j, u]
        for a in range(i + 1, len(out)):
            out[a, i] = out[i, a]
