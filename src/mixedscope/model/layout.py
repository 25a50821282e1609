"""How the cross-products of a model are laid out for the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.crossproducts import CrossProducts, Stage

__all__ = ["dense_rows", "nodes_of_rest", "sparse_products"]

Floats = NDArray[np.float64]


def nodes_of_rest(cross: CrossProducts) -> tuple[NDArray[np.int64], Floats]:
    """Nodes of the rest and the tail (see kernels.scale_rest), and room for their factors."""
    parts = []
    offset = 0
    for f, first in zip(cross.rest_factors, cross.rest_offsets, strict=True):
        factor = cross.factors[f]
        k = factor.size
        starts = first + np.arange(factor.n_levels) * k
        parts.append(
            np.column_stack([starts, np.full_like(starts, k), np.full_like(starts, offset)])
        )
        offset += k * k
    tail = cross.n_rest + np.arange(cross.n_tail)
    parts.append(np.column_stack([tail, np.ones_like(tail), np.full_like(tail, offset)]))
    lam = np.zeros(offset + 1)
    lam[-1] = 1.0
    return np.ascontiguousarray(np.vstack(parts), dtype=np.int64), lam


def dense_rows(cross: CrossProducts) -> Floats:
    """Rows A' of the only stage, (q k, N), zeros included."""
    stage = cross.stages[0]
    q, _, k = stage.u.shape
    rows = np.zeros((q, k, len(cross.rest)))
    rows[stage.level, :, stage.idx] = stage.w
    rows[:, :, cross.n_rest :] = stage.u.transpose(0, 2, 1)
    return rows.reshape(q * k, -1)


def sparse_products(stages: Sequence[Stage]) -> float:
    """Count the products of sparse rows that one evaluation forms."""
    return sum(
        float((np.diff(stage.ptr).astype(float) ** 2).sum()) * stage.w.shape[1] ** 2
        for stage in stages
    )
