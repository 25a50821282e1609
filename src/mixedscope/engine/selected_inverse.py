"""Entries of the inverse on the pattern of the data, tier by tier from what follows it.

Takahashi, Fagan & Chen (1973); see :mod:`mixedscope.engine.kernels.inverse`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import lapack
from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.heads import add_head_forms
from mixedscope.engine.kernels import inverse as kernels_inverse
from mixedscope.engine.kernels import scalar as kernels_scalar
from mixedscope.engine.kernels.working import eliminate_column, return_column, take_rows
from mixedscope.engine.layout import squeezed
from mixedscope.engine.pattern import Pattern, TierPattern
from mixedscope.engine.small import TierWork

__all__ = ["TierInverse", "apply_inverse", "tier_inverses"]

Floats = NDArray[np.float64]


class TierInverse(NamedTuple):
    """Rows of the inverse of one tier, laid out as its cross-products.

    See :class:`mixedscope.engine.products.Tier`: `d` (q, k, k) of each level with itself, `u`
    (q, h, k) with its head rows, `w` (nnz, k) with the columns of the rest that it meets.
    """

    d: Floats
    u: Floats
    w: Floats


def tier_inverses(
    pattern: Pattern,
    works: Sequence[TierWork],
    s: Floats,
    dense: tuple[Floats, Floats] | None,
    n_tail: int,
    n_inverse: int,
    until: int,
) -> tuple[list[Floats], list[TierInverse]]:
    """``A' K A`` (q, k, k) of every tier, and the rows of K of the tiers from `until` on.

    K, the inverse of what follows a tier, is above the diagonal of ``s`` for rest and tail; it is
    zero beyond the leading ``n_inverse`` rows. ``dense``: the rows of the only tier with zeros,
    and room for as many, where it is worked on so.
    """
    has_tail = n_inverse > pattern.n_rest
    out: list[Floats] = [np.empty(0)] * len(pattern.tiers)
    none = np.empty(0)
    inverse = [TierInverse(none, none, none)] * len(pattern.tiers)
    for position in range(len(pattern.tiers) - 1, -1, -1):
        tier, work = pattern.tiers[position], works[position]
        forms = np.zeros_like(work.m)
        out[position] = forms
        if dense is not None:
            rows, product = dense
            lapack.multiply_symmetric(s, rows, product)
            kernels_inverse.dense_forms(rows, product, forms)
            if until == 0:
                inverse[0] = _dense_inverse(pattern, work.m, product, forms)
            continue
        if position >= until and not (tier.parents or has_tail) and work.m.shape[1] == 1:
            inverse[position] = _scalar_inverse(pattern, tier, work, s, forms)
            continue
        offset = 0
        for later, (parent, relative) in enumerate(
            zip(tier.parents, tier.relative, strict=True), start=position + 1
        ):
            end = work.u.shape[1] - (0 if has_tail else n_tail)
            kernels_inverse.parent_forms(
                work.u, work.w, tier.ptr, parent, relative, offset, end, *inverse[later],
                forms,
            )  # fmt: skip
            offset += works[later].d.shape[1]
        if has_tail:
            add_head_forms(work.u, work.w, tier.ptr, tier.idx, s, n_tail, forms)
        if pattern.n_rest:
            sparse = kernels_scalar if work.m.shape[1] == 1 else kernels_inverse
            sparse.sparse_forms(
                squeezed(work.w), tier.ptr, tier.idx, tier.level, tier.by_column,
                tier.column_ptr, s, pattern.n_rest, squeezed(forms),
            )  # fmt: skip
        if position < until:
            continue
        kd, ku, kw = np.empty_like(work.m), np.zeros_like(work.u), np.zeros_like(work.w)
        offset = 0
        for later, (parent, relative) in enumerate(
            zip(tier.parents, tier.relative, strict=True), start=position + 1
        ):
            kernels_inverse.parent_products(
                work.u, work.w, tier.ptr, parent, relative, offset, *inverse[later], ku, kw
            )
            offset += works[later].d.shape[1]
        kernels_inverse.tier_inverse(
            work.u, work.w, work.m, tier.ptr, tier.idx, n_tail, s, forms, kd, ku, kw
        )
        inverse[position] = TierInverse(kd, ku, kw)
    return out, inverse


def _dense_inverse(pattern: Pattern, m: Floats, product: Floats, forms: Floats) -> TierInverse:
    """Rows of K of the only tier, from the `product` (q k, N) of its rows with the rest's K."""
    own = pattern.tiers[0]
    q, k = m.shape[:2]
    kd = np.empty_like(m)
    kernels_inverse.level_inverse(m, forms, kd)
    tail = product.reshape(q, k, -1)[:, :, pattern.n_rest :]
    rows = np.empty((len(own.idx), k))
    take_rows(own.level, own.idx, product, m, rows)
    return TierInverse(kd, -np.einsum("qen,qec->qnc", tail, m), rows)


def _scalar_inverse(
    pattern: Pattern, tier: TierPattern, work: TierWork, s: Floats, forms: Floats
) -> TierInverse:
    """Rows of K of a tier of one column that only the rest follows; fills its `forms` (q, 1, 1)."""
    w, m = squeezed(work.w), squeezed(work.m)
    rows = np.zeros(len(w))
    if pattern.n_rest:
        kernels_scalar.sparse_rows(
            w, tier.ptr, tier.idx, tier.level, tier.by_column, tier.column_ptr, s, pattern.n_rest,
            rows,
        )  # fmt: skip
        forms[:, 0, 0] = np.bincount(tier.level, w * rows, len(m))
        rows *= -m[tier.level]
    kd = np.empty_like(work.m)
    kernels_inverse.level_inverse(work.m, forms, kd)
    return TierInverse(kd, np.zeros_like(work.u), rows[:, None])


def apply_inverse(
    pattern: Pattern, works: Sequence[TierWork], s: Floats, sums: Sequence[Floats]
) -> list[Floats]:
    """``Lambda inv(H) Lambda' c`` of sums c (q, k) by level, per factor of the model.

    H is the system of the random effects as it was solved, and where there is a rest its selected
    inverse above the diagonal of ``s``: other right sides cost no other factorisation.
    """
    out = [np.array(c) for c in sums]
    rest = np.zeros((1, len(s)))
    for f, at in pattern.rest_columns():
        rest[0, at] = out[f]
    for position, (tier, work) in enumerate(zip(pattern.tiers, works, strict=True)):
        own = np.empty_like(out[tier.factor])
        eliminate_column(work.w, work.m, tier.ptr, tier.idx, out[tier.factor], own, rest[0])
        for outer, parent, block in _outer(pattern, works, position):
            taken = np.einsum("qhk,qk->qh", block, own)
            out[outer] -= sums_by_level(parent, taken, pattern.levels[outer])
    solved = np.zeros_like(rest)
    if pattern.n_rest:
        lapack.multiply_symmetric(s, rest, solved)
    for f, at in pattern.rest_columns():
        out[f] = solved[0, at]
    for position in range(len(pattern.tiers) - 1, -1, -1):
        tier, work = pattern.tiers[position], works[position]
        own = out[tier.factor]
        for outer, parent, block in _outer(pattern, works, position):
            own -= np.einsum("qhk,qh->qk", block, out[outer][parent])
        return_column(work.w, work.m, tier.ptr, tier.idx, solved[0], own)
    return out


def _outer(
    pattern: Pattern, works: Sequence[TierWork], position: int
) -> Iterator[tuple[int, NDArray[np.int64], Floats]]:
    """Factors that contain a tier's, the level that contains each level, and the head rows."""
    offset = 0
    for later, parent in enumerate(pattern.tiers[position].parents, start=position + 1):
        size = works[later].d.shape[1]
        outer = pattern.tiers[later].factor
        yield outer, parent, works[position].u[:, offset : offset + size]
        offset += size
