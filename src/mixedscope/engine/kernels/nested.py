"""What levels of a small model have to do with the levels that contain them.

Steps of :mod:`mixedscope.engine.kernels.whole` that only models of nested factors come to; arrays
are the flat ones of :mod:`mixedscope.engine.kernels.tiers`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel
from mixedscope.engine.kernels import steps
from mixedscope.engine.kernels.inverse import tier_inverse
from mixedscope.engine.kernels.tiers import (
    BLOCKS,
    COLUMNS,
    HEADS,
    MODES,
    NNZ,
    PARENT,
    RELATIVE,
    SPARSE,
    H,
    K,
    Q,
    cube,
    square,
)

__all__ = [
    "add_parents",
    "eliminate_parents",
    "invert_tier",
    "modes_of_parents",
    "parents_of_inverse",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_eliminate_parent_narrow = steps.eliminate_parent_narrow.call
_eliminate_parent = steps.eliminate_parent.call
_add_parent_narrow = steps.add_parent_narrow.call
_parent_forms_narrow = steps.parent_forms_narrow.call
_parent_forms = steps.parent_forms.call
_parent_products = steps.parent_products.call


@kernel
def eliminate_parents(
    table: Ints,
    tier: int,
    u: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    all_parent: Ints,
    all_relative: Ints,
    own_d: Floats,
    own_u: Floats,
    own_w: Floats,
) -> None:
    """Subtract the share of all levels of a tier from the levels that contain them."""
    q, k, nnz = table[tier, Q], table[tier, K], table[tier, NNZ]
    step = table[tier, COLUMNS:]
    offset = int(np.int64(0))
    for later in range(tier + 1, len(table)):
        outer_q, outer_h, size = table[later, Q], table[later, H], table[later, K]
        skipped = later - tier - 1
        at = table[tier, PARENT] + skipped * q
        where = table[tier, RELATIVE] + skipped * nnz
        parent = all_parent[at : at + q]
        outer_d = cube(own_d, table[later, BLOCKS], outer_q, size, size)
        outer_u = cube(own_u, table[later, HEADS], outer_q, outer_h, size)
        if nnz == 0 and k <= 2 and size <= 2:
            _eliminate_parent_narrow(step, u, m, parent, offset, outer_d, outer_u)
        else:
            _eliminate_parent(
                step, u, w, m, ptr, parent,
                all_relative[where : where + nnz], offset, outer_d, outer_u,
                square(own_w, table[later, SPARSE], table[later, NNZ], size),
            )  # fmt: skip
        offset += size


@kernel
def add_parents(
    table: Ints, tier: int, u: Floats, all_parent: Ints, all_modes: Floats, forms: Floats
) -> None:
    """Add what the modes of the containing levels contribute to the forms of a narrow tier."""
    q = table[tier, Q]
    offset = int(np.int64(0))
    for later in range(tier + 1, len(table)):
        size = table[later, K]
        at = table[tier, PARENT] + (later - tier - 1) * q
        _add_parent_narrow(
            table[tier, COLUMNS:], u, all_parent[at : at + q], offset,
            square(all_modes, table[later, MODES], table[later, Q], size), forms,
        )  # fmt: skip
        offset += size


@kernel
def modes_of_parents(
    table: Ints, tier: int, all_parent: Ints, all_modes: Floats, head: Floats
) -> None:
    """Copy the modes of the containing levels to the head rows of a tier."""
    q = table[tier, Q]
    offset = int(np.int64(0))
    for later in range(tier + 1, len(table)):
        size = table[later, K]
        outer_modes = square(all_modes, table[later, MODES], table[later, Q], size)
        at = table[tier, PARENT] + (later - tier - 1) * q
        for i in range(q):
            for c in range(size):
                head[i, offset + c] = outer_modes[all_parent[at + i], c]
        offset += size


@kernel
def parents_of_inverse(
    table: Ints,
    tier: int,
    end: int,
    u: Floats,
    w: Floats,
    ptr: Ints,
    all_parent: Ints,
    all_relative: Ints,
    all_kd: Floats,
    all_ku: Floats,
    all_kw: Floats,
    forms: Floats,
) -> None:
    """Add the part of ``A' K A`` that containing levels take part in to the forms of a tier.

    Where other tiers lie within this one, also theirs of ``K_rr A``.
    """
    q, h, k, nnz = table[tier, Q], table[tier, H], table[tier, K], table[tier, NNZ]
    step = table[tier, COLUMNS:]
    ku = cube(all_ku, table[tier, HEADS], q, h, k)
    kw = square(all_kw, table[tier, SPARSE], nnz, k)
    # The entries of the inverse in the rows of a tier serve the tiers within it.
    is_innermost = tier == 0
    if not is_innermost:
        for i in range(table[tier, HEADS], table[tier, HEADS] + q * h * k):
            all_ku[i] = 0.0
        for i in range(table[tier, SPARSE], table[tier, SPARSE] + nnz * k):
            all_kw[i] = 0.0
    offset = int(np.int64(0))
    for later in range(tier + 1, len(table)):
        outer_q, outer_h, size = table[later, Q], table[later, H], table[later, K]
        skipped = later - tier - 1
        at = table[tier, PARENT] + skipped * q
        where = table[tier, RELATIVE] + skipped * nnz
        parent = all_parent[at : at + q]
        relative = all_relative[where : where + nnz]
        outer_kd = cube(all_kd, table[later, BLOCKS], outer_q, size, size)
        outer_ku = cube(all_ku, table[later, HEADS], outer_q, outer_h, size)
        outer_kw = square(all_kw, table[later, SPARSE], table[later, NNZ], size)
        if nnz == 0 and k <= 2:
            _parent_forms_narrow(step, u, parent, offset, end, outer_kd, outer_ku, forms)
        else:
            _parent_forms(
                step, u, w, ptr, parent, relative, offset, end, outer_kd,
                outer_ku, outer_kw, forms,
            )  # fmt: skip
        if not is_innermost:
            _parent_products(
                step, u, w, ptr, parent, relative, offset, outer_kd,
                outer_ku, outer_kw, ku, kw,
            )  # fmt: skip
        offset += size


@kernel
def invert_tier(
    table: Ints,
    tier: int,
    u: Floats,
    w: Floats,
    m: Floats,
    ptr: Ints,
    idx: NDArray[np.uint32],
    n_tail: int,
    s: Floats,
    forms: Floats,
    all_kd: Floats,
    all_ku: Floats,
    all_kw: Floats,
) -> None:
    """Entries of the inverse in the rows of a tier, for the tiers within it."""
    q, h, k, nnz = table[tier, Q], table[tier, H], table[tier, K], table[tier, NNZ]
    kd = cube(all_kd, table[tier, BLOCKS], q, k, k)
    ku = cube(all_ku, table[tier, HEADS], q, h, k)
    kw = square(all_kw, table[tier, SPARSE], nnz, k)
    tier_inverse(u, w, m, ptr, idx, n_tail, s, forms, kd, ku, kw)
