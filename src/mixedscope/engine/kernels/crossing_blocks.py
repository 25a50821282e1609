"""Compiled passes over blocks of iterated columns that belong together.

Notation as in :mod:`mixedscope.engine.kernels.crossing`; the columns are parted into blocks, of a
level or of one with the levels within it. Column j has the place ``place[j]`` in block
``block[j]``, whose ``size[b]**2`` entries stand from ``begin[b]`` on in an array of all blocks.
``order``: the pairs of every eliminated level such that those of one block follow one another;
empty where they do anyway.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel

__all__ = ["add_blocks_times", "blocks_of_pairs", "forms_of_blocks"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = NDArray[np.uint32]


@compiled_kernel
def add_blocks_times(blocks: Floats, rows: Ints, v: Floats, out: Floats, transposed: bool) -> None:
    """Add to `out` (N, c) the products of blocks (g, s, s) with their rows (g, s) of v (N, c)."""
    s, size = rows.shape[1], v.shape[1]
    for i in range(len(rows)):
        for a in range(s):
            target = out[rows[i, a]]
            for b in range(s):
                value = blocks[i, b, a] if transposed else blocks[i, a, b]
                source = v[rows[i, b]]
                for c in range(size):
                    target[c] += value * source[c]


@compiled_kernel
def blocks_of_pairs(
    ptr: Ints, idx: Columns, w: Floats, m: Floats, order: Ints,
    block: Ints, place: Ints, begin: Ints, size: Ints, out: Floats,
) -> None:  # fmt: skip
    """Add the blocks of ``sum_i C_i' M_i C_i`` to `out`, the array of all blocks."""
    k = w.shape[1]
    turned = np.empty(k)
    for i in range(len(ptr) - 1):
        first, end = ptr[i], ptr[i + 1]
        while first < end:
            own = block[idx[order[first] if len(order) else first]]
            last = first + 1
            while last < end and block[idx[order[last] if len(order) else last]] == own:
                last += 1
            for one in range(first, last):
                e = order[one] if len(order) else one
                for a in range(k):
                    total = 0.0
                    for b in range(k):
                        total += m[i, a, b] * w[e, b]
                    turned[a] = total
                row = begin[own] + place[idx[e]] * size[own]
                for other in range(first, last):
                    f = order[other] if len(order) else other
                    total = 0.0
                    for a in range(k):
                        total += turned[a] * w[f, a]
                    out[row + place[idx[f]]] += total
            first = last


@compiled_kernel
def forms_of_blocks(
    ptr: Ints, idx: Columns, w: Floats, shares: Floats, order: Ints,
    block: Ints, place: Ints, begin: Ints, size: Ints, entries: Floats,
) -> Floats:  # fmt: skip
    """``sum_i E_i C_i Q C_i' E_i'`` (k, k): E (q, k, k) are `shares`, Q has blocks in `entries`."""
    k = w.shape[1]
    most = 0
    for b in range(len(size)):
        most = max(most, size[b])
    out = np.zeros((k, k))
    turned = np.empty((most, k))
    spread = np.empty(k)
    for i in range(len(ptr) - 1):
        first, end = ptr[i], ptr[i + 1]
        while first < end:
            own = block[idx[order[first] if len(order) else first]]
            last = first
            while last < end:
                e = order[last] if len(order) else last
                if block[idx[e]] != own:
                    break
                for a in range(k):
                    total = 0.0
                    for b in range(k):
                        total += shares[i, a, b] * w[e, b]
                    turned[last - first, a] = total
                last += 1
            for one in range(first, last):
                e = order[one] if len(order) else one
                row = begin[own] + place[idx[e]] * size[own]
                for a in range(k):
                    spread[a] = 0.0
                for other in range(first, last):
                    f = order[other] if len(order) else other
                    value = entries[row + place[idx[f]]]
                    for a in range(k):
                        spread[a] += value * turned[other - first, a]
                for a in range(k):
                    for b in range(k):
                        out[a, b] += turned[one - first, a] * spread[b]
            first = last
    return out
