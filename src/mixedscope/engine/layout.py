"""How the cross-products of a model are laid out for the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.crossproducts import CrossProducts, Stage

__all__ = ["dense_rows", "nodes_of_rest", "sparse_products"]

Floats = NDArray[np.float64]


def nodes_of_rest(cross: CrossProducts) -> tuple[NDArray[np.int64], Floats]:
    """Nodes of the rest and the tail (see kernels.scale_rest), and room for their factors."""
    rest = [cross.factors[f] for f in cross.rest_factors]
    nodes = np.empty((sum(f.n_levels for f in rest) + cross.n_tail, 3), dtype=np.int64)
    at = offset = 0
    for factor, first in zip(rest, cross.rest_offsets, strict=True):
        k, end = factor.size, at + factor.n_levels
        nodes[at:end, 0] = np.arange(first, first + factor.n_levels * k, k)
        nodes[at:end, 1] = k
        nodes[at:end, 2] = offset
        at = end
        offset += k * k
    nodes[at:, 0] = np.arange(cross.n_rest, cross.n_rest + cross.n_tail)
    nodes[at:, 1] = 1
    nodes[at:, 2] = offset
    lam = np.zeros(offset + 1)
    lam[-1] = 1.0
    return nodes, lam


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
