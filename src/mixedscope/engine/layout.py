"""How the cross-products of a model are laid out for the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.pattern import Pattern
from mixedscope.engine.products import CrossProducts

__all__ = [
    "dense_rows",
    "flattened",
    "is_densely_crossed",
    "nodes_of_rest",
    "sparse_products",
    "squares",
    "squeezed",
]

Floats = NDArray[np.float64]

# How much faster a multiplication is inside BLAS than inside the sparse loop (measured).
DENSE_ADVANTAGE = 12
# Most numbers that the rows of a densely crossed factor may fill (1 GiB in three arrays).
DENSE_LIMIT = 2**27 // 3


def nodes_of_rest(cross: CrossProducts) -> tuple[NDArray[np.int64], Floats]:
    """Nodes of the rest and the tail (see kernels.scale_rest), and room for their factors."""
    pattern = cross.pattern
    count = sum([pattern.levels[f] for f in pattern.rest_factors])
    nodes = np.empty((count + cross.n_tail, 3), dtype=np.int64)
    at = offset = 0
    for f, first in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
        q, k = pattern.levels[f], pattern.sizes[f]
        nodes[at : at + q, 0] = np.arange(first, first + q * k, k)
        nodes[at : at + q, 1] = k
        nodes[at : at + q, 2] = offset
        at += q
        offset += k * k
    nodes[at:, 0] = np.arange(pattern.n_rest, pattern.n_rest + cross.n_tail)
    nodes[at:, 1] = 1
    nodes[at:, 2] = offset
    lam = np.zeros(offset + 1)
    lam[-1] = 1.0
    return nodes, lam


def dense_rows(cross: CrossProducts) -> Floats:
    """Rows A' of the only tier, (q k, N), zeros included."""
    own, tier = cross.pattern.tiers[0], cross.tiers[0]
    q, _, k = tier.u.shape
    rows = np.zeros((q, k, len(cross.rest)))
    rows[own.level, :, own.idx] = tier.w
    rows[:, :, cross.pattern.n_rest :] = tier.u.transpose(0, 2, 1)
    return rows.reshape(q * k, -1)


def sparse_products(pattern: Pattern) -> float:
    """Count the products of sparse rows that one evaluation forms."""
    return sum(
        float((np.diff(tier.ptr).astype(float) ** 2).sum()) * pattern.sizes[tier.factor] ** 2
        for tier in pattern.tiers
    )


def is_densely_crossed(pattern: Pattern, size: int) -> bool:
    """Whether rows of the only tier, with zeros to the `size` of the dense part, are faster."""
    if len(pattern.tiers) != 1 or pattern.n_rest == 0:
        return False
    tier = pattern.tiers[0]
    k = pattern.sizes[tier.factor]
    rows = pattern.levels[tier.factor] * k
    met = np.diff(tier.ptr).astype(float)
    sparse = float((met**2).sum()) * k
    dense = float(pattern.n_rest) ** 2 * rows
    return sparse * DENSE_ADVANTAGE > dense and rows * size <= DENSE_LIMIT


def flattened(factors: Sequence[Floats]) -> tuple[NDArray[np.int64], Floats]:
    """Give all entries of the factors as a point (1, entries), and their places."""
    point = np.concatenate([f.ravel() for f in factors])[None, :]
    return np.arange(point.size), point


def squeezed(array: Floats) -> Floats:
    """Drop the axes of length 1 that a single column has; a view."""
    return array.reshape(-1) if array.shape[-1] == 1 else array


def squares(flat: Floats, sizes: Sequence[int]) -> list[Floats]:
    """Cut entries into square matrices of these sizes, which share their memory."""
    ends = np.cumsum([size**2 for size in sizes])
    return [own.reshape(k, k) for own, k in zip(np.split(flat, ends[:-1]), sizes, strict=True)]
