"""What many levels and a wide tail have to do with each other, by products of matrices.

The kernels sum four products at a time over all levels, which is fast where the fixed effects are
few. Of twenty in a hundred thousand groups there are hundreds of sums: as rows of a matrix, a
piece at a time, the levels are added up inside BLAS, at the speed at which they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels import elimination as kernels
from mixedscope.engine.kernels import inverse as kernels_inverse
from mixedscope.engine.products import CrossProducts

__all__ = ["add_head_forms", "eliminate_heads", "is_wide"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows of the tail, and products with these, from which BLAS is faster; and products from which it
# makes up for what working on a model as a whole saves (measured).
_ROWS: Final = 8
_SOME: Final = 1e6
_MANY: Final = 1e7
# Rows of a piece, which a cache holds with what is made of them.
_PIECE: Final = 1024


def is_wide(cross: CrossProducts) -> bool:
    """Whether the tail makes so many products with one factor that BLAS is to add them up."""
    t = cross.n_tail
    return t >= _ROWS and any(np.prod(tier.d.shape[:2]) * t**2 > _MANY for tier in cross.tiers)


def eliminate_heads(u: Floats, m: Floats, n_tail: int, s: Floats) -> None:
    """Subtract the share of all levels from the tail-by-tail corner of S, its upper triangle.

    Arrays as of :func:`mixedscope.engine.kernels.elimination.eliminate_head`.
    """
    if not _pays(u, n_tail):
        kernels.eliminate_head(u, m, n_tail, s)
        return
    total = np.zeros((n_tail, n_tail))
    for levels, rows in _pieces(u, n_tail):
        out = np.empty_like(rows)
        kernels.dense_factor_rows(rows, m[levels], out)
        total += out.T @ out
    upper = np.triu_indices(n_tail)
    s[-n_tail:, -n_tail:][upper] -= total[upper]  # below may be anything


def add_head_forms(
    u: Floats, w: Floats, ptr: Ints, idx: NDArray[np.uint32], s: Floats, n_tail: int, out: Floats
) -> None:
    """Add the tail's part of ``A' K A`` of every level to `out` (q, k, k).

    Arrays as of :func:`mixedscope.engine.kernels.inverse.head_forms`.
    """
    if not _pays(u, n_tail):
        kernels_inverse.head_forms(u, w, ptr, idx, s, n_tail, out)
        return
    from scipy.sparse import csr_array  # slow to import and no need of small models

    n_rest, (q, _, k) = len(s) - n_tail, u.shape
    upper = np.triu(s[n_rest:, n_rest:])
    own = (upper + np.triu(upper, 1).T) / 2.0  # every product counts twice, below
    met = [
        csr_array((w[:, c], idx, ptr), shape=(q, n_rest)) @ s[:n_rest, n_rest:] for c in range(k)
    ]
    for levels, rows in _pieces(u, n_tail):
        product = (rows @ own).reshape(-1, k, n_tail)
        for c in range(k):
            product[:, c] += met[c][levels]
        half = np.einsum("qav,qbv->qab", rows.reshape(product.shape), product)
        out[levels] += half + half.transpose(0, 2, 1)


def _pays(u: Floats, n_tail: int) -> bool:
    return n_tail >= _ROWS and u.shape[0] * u.shape[2] * n_tail**2 >= _SOME


def _pieces(u: Floats, n_tail: int) -> Iterator[tuple[slice, Floats]]:
    """Levels, and their rows of the tail (levels k, t), a piece at a time in the same array."""
    q, _, k = u.shape
    step = max(1, _PIECE // k)
    rows = np.empty((step * k, n_tail))
    for begin in range(0, q, step):
        end = min(begin + step, q)
        own = rows[: (end - begin) * k]
        own.reshape(-1, k, n_tail)[:] = u[begin:end, -n_tail:].transpose(0, 2, 1)
        yield slice(begin, end), own
