"""The kernels of :mod:`mixedscope.engine.kernels.elimination` where every term has one column.

Crossed random intercepts are the large models of practice. Without blocks within a level the loops
run over plain vectors, several times faster. `scale` (N,) holds the relative standard deviation of
every column of the rest, and 1 for the tail.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = [
    "collect_sparse",
    "derivative_rest",
    "eliminate_by_level",
    "eliminate_sparse",
    "scale_rest",
    "selected_inverse",
    "sparse_forms",
    "sparse_rows",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = NDArray[np.uint32]

# Rows and columns of a tile: two tiles of numbers fit the fastest cache.
_TILE = 48


@kernel
def eliminate_sparse(
    tail: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    idx: Columns,
    level: NDArray[np.int32],
    by_column: Ints,
    column_ptr: Ints,
    s: Floats,
) -> None:
    """Subtract the share of all levels from the rows of the rest in S.

    `tail` (q, t), `w` (nnz,) and `m` (q,) as in the general kernel, without the axis of length 1.
    """
    n_tail = tail.shape[1]
    n_rest = len(s) - n_tail
    for row in range(n_rest):
        target = s[row]
        target_tail = target[n_rest:]
        for pos in by_column[column_ptr[row] : column_ptr[row + 1]]:
            i = level[pos]
            end = ptr[i + 1]
            value = w[pos] * m[i]
            columns = idx[pos:end]
            values = w[pos:end]
            for other in range(len(columns)):
                target[columns[other]] -= value * values[other]
            own = tail[i]
            for t in range(n_tail):
                target_tail[t] -= value * own[t]


@kernel
def eliminate_by_level(
    tail: Floats, w: Floats, m: Floats, ptr: Ints, idx: Columns, s: Floats
) -> None:
    """Do what :func:`eliminate_sparse` does level by level; faster while S stays in a cache."""
    n_tail = tail.shape[1]
    n_rest = len(s) - n_tail
    for i in range(len(m)):
        columns = idx[ptr[i] : ptr[i + 1]]
        values = w[ptr[i] : ptr[i + 1]]
        own = tail[i]
        for first in range(len(columns)):
            target = s[columns[first]]
            value = values[first] * m[i]
            for other in range(first, len(columns)):
                target[columns[other]] -= value * values[other]
            for t in range(n_tail):
                target[n_rest + t] -= value * own[t]


@kernel
def scale_rest(s: Floats, diagonal: Floats, scale: Floats, n_rest: int) -> None:
    """Fill the lower triangle of S with ``Lambda' (A - C) Lambda + I``."""
    n = len(s)
    for i in range(n):
        diagonal[i] = s[i, i]
        s[i, i] = s[i, i] * scale[i] * scale[i] + (1.0 if i < n_rest else 0.0)
    for i0 in range(0, n, _TILE):
        i1 = min(i0 + _TILE, n)
        for j0 in range(i0, n, _TILE):
            j1 = min(j0 + _TILE, n)
            for j in range(j0, j1):
                target = s[j]
                factor = scale[j]
                for i in range(i0, min(i1, j)):
                    target[i] = s[i, j] * factor * scale[i]


@kernel
def derivative_rest(
    s: Floats,
    diagonal: Floats,
    scale: Floats,
    n_rest: int,
    n_inverse: int,
    spherical: Floats,
    coefficient: Floats,
    weight: float,
    out: Floats,
) -> None:
    """Fill `out` (n_rest,) with the derivative by the scale of every single column."""
    n = len(s)
    force = np.zeros(n)
    shares = np.zeros(n)
    for i in range(n_rest):
        force[i] = diagonal[i] * coefficient[i]
        shares[i] = diagonal[i] * scale[i] * s[i, i]
    for i0 in range(0, n_rest, _TILE):
        i1 = min(i0 + _TILE, n_rest)
        for j0 in range(i0, n, _TILE):
            j1 = min(j0 + _TILE, n)
            for i in range(i0, i1):
                row = s[i]
                own_force = 0.0
                own_share = 0.0
                own_coefficient = coefficient[i]
                own_scale = scale[i]
                for j in range(max(i + 1, j0), j1):
                    value = row[j]
                    own_force += value * coefficient[j]
                    force[j] += value * own_coefficient
                    if j < n_inverse:
                        product = value * s[j, i]
                        own_share += product * scale[j]
                        shares[j] += product * own_scale
                force[i] += own_force
                shares[i] += own_share
    for i in range(n_rest):
        out[i] = 2.0 * (shares[i] + weight * force[i] * spherical[i])


@kernel
def selected_inverse(s: Floats, scale: Floats, n_inverse: int) -> None:
    """Fill the upper triangle of S with ``Lambda P Lambda'``, P being its lower triangle."""
    n = len(s)
    for i0 in range(0, n, _TILE):
        i1 = min(i0 + _TILE, n)
        for j0 in range(i0, n, _TILE):
            j1 = min(j0 + _TILE, n)
            for i in range(i0, i1):
                row = s[i]
                factor = scale[i]
                for j in range(max(i + 1, j0), j1):
                    row[j] = s[j, i] * factor * scale[j] if j < n_inverse else 0.0
    for i in range(n):
        s[i, i] = s[i, i] * scale[i] * scale[i] if i < n_inverse else 0.0


@kernel
def sparse_forms(
    w: Floats,
    ptr: Ints,
    idx: Columns,
    level: NDArray[np.int32],
    by_column: Ints,
    column_ptr: Ints,
    s: Floats,
    n_rest: int,
    out: Floats,
) -> None:
    """Add ``W' K W`` of every level to `out` (q,), K being the upper triangle of S."""
    for row in range(n_rest):
        source = s[row]
        half = 0.5 * source[row]
        for pos in by_column[column_ptr[row] : column_ptr[row + 1]]:
            i = level[pos]
            own = w[pos]
            columns = idx[pos + 1 : ptr[i + 1]]
            values = w[pos + 1 : ptr[i + 1]]
            value = half * own
            for other in range(len(columns)):
                value += source[columns[other]] * values[other]
            out[i] += 2.0 * value * own


@kernel
def sparse_rows(
    w: Floats,
    ptr: Ints,
    idx: Columns,
    level: NDArray[np.int32],
    by_column: Ints,
    column_ptr: Ints,
    s: Floats,
    n_rest: int,
    out: Floats,
) -> None:
    """Add ``K W`` of every level to its sparse rows `out` (nnz,), K being the upper triangle of S.

    Row by row of K, as `eliminate_sparse`: level by level K would be read all over.
    """
    for row in range(n_rest):
        source = s[row]
        diagonal = source[row]
        for pos in by_column[column_ptr[row] : column_ptr[row + 1]]:
            end = ptr[level[pos] + 1]
            own = w[pos]
            columns = idx[pos + 1 : end]
            values = w[pos + 1 : end]
            target = out[pos + 1 : end]
            value = diagonal * own
            for other in range(len(columns)):
                entry = source[columns[other]]
                value += entry * values[other]
                target[other] += entry * own
            out[pos] += value


@kernel
def collect_sparse(
    w: Floats, idx: Columns, level: NDArray[np.int32], values: Floats, out: Floats
) -> None:
    """Fill `out` (n_rest,) with ``W' values``, for one value a level."""
    out[:] = 0.0
    for pos in range(len(w)):
        out[idx[pos]] += w[pos] * values[level[pos]]
