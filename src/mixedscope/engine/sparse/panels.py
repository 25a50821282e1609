"""Columns of a sparse factor that have long lists of nearly the same rows, worked on by LAPACK.

A panel takes nothing from those after it: each is factorised, and what it takes away from the
columns of its rows is subtracted at once (Liu 1992, SIAM Review 34, on supernodes). Entries of the
inverse come the other way round, from the last panel to the first.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import lapack
from mixedscope.engine.kernels import sparse_panels as kernels
from mixedscope.engine.sparse.graph import SparsePattern

__all__ = ["factorise_panels", "invert_panels"]

Floats = NDArray[np.float64]

# Rows of a panel whose products are formed at a time.
_PIECE: Final = 256


def factorise_panels(
    pattern: SparsePattern, lx: Floats, pivot: Floats, w: Floats, s: Floats
) -> bool:
    """Factorise all panels; subtract what they take away from S. Gives whether that was possible.

    Arrays are those of :mod:`mixedscope.engine.kernels.sparse`.
    """
    if not pattern.elimination.panels:
        return True
    with lapack.on_one_thread():
        return _factorise(pattern, lx, pivot, w, s)


def _factorise(pattern: SparsePattern, lx: Floats, pivot: Floats, w: Floats, s: Floats) -> bool:
    t = w.shape[1]
    for begin, end in pattern.elimination.panels:
        k = end - begin
        rows = pattern.li[pattern.lp[end - 1] : pattern.lp[end]]
        panel = np.zeros((k, k + len(rows) + t))
        kernels.take_panel(begin, pattern.lp, lx, pivot, w, t, panel)
        if not lapack.factorise_panel(panel):
            return False
        kernels.put_panel(begin, pattern.lp, lx, pivot, w, t, panel)
        below = panel[:, k:]
        for b0 in range(0, len(rows), _PIECE):
            block = below[:, b0 : min(b0 + _PIECE, len(rows))].T @ below[:, b0:]
            kernels.subtract_block(
                b0, block, rows, pattern.lp, pattern.li, lx, pivot, w, s, pattern.panel
            )
    return True


def invert_panels(
    pattern: SparsePattern,
    factor: tuple[Floats, Floats, Floats],
    s: Floats,
    r: int,
    inverse: tuple[Floats, Floats, Floats],
) -> None:
    """Fill in the entries of the inverse that belong to panels, r columns of the tail taking part.

    ``factor``, ``inverse``: entries, diagonal, and products with the tail.
    """
    if not pattern.elimination.panels:
        return
    with lapack.on_one_thread():
        _invert(pattern, factor, s, r, inverse)


def _invert(
    pattern: SparsePattern,
    factor: tuple[Floats, Floats, Floats],
    s: Floats,
    r: int,
    inverse: tuple[Floats, Floats, Floats],
) -> None:
    lx, pivot, w = factor
    zx, zd, zw = inverse
    for begin, end in reversed(pattern.elimination.panels):
        k = end - begin
        rows = pattern.li[pattern.lp[end - 1] : pattern.lp[end]]
        m = len(rows)
        panel = np.zeros((k, k + m + r))
        kernels.take_panel(begin, pattern.lp, lx, pivot, w, r, panel)
        lapack.invert_panel(panel)
        right = panel[:, k:]
        met = np.zeros((k, m + r))
        for b0 in range(0, m + r, _PIECE):
            block = np.empty((min(_PIECE, m + r - b0), m + r - b0))
            kernels.collect_block(
                b0, r, rows, pattern.lp, pattern.li, zx, zd, zw, s, pattern.panel, block
            )
            b1 = b0 + len(block)
            met[:, b0:] += right[:, b0:b1] @ block
            met[:, b0:b1] += right[:, b1:] @ block[:, len(block) :].T
        panel[:, :k] += met @ right.T
        np.negative(met, out=panel[:, k:])
        kernels.put_panel(begin, pattern.lp, zx, zd, zw, r, panel)
