"""Cross-products of working weights, formed again for every step of the conditional modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.working import (
    fill_slots,
    weighted_crossed,
    weighted_levels,
    weighted_rest,
    weighted_sparse,
)
from mixedscope.engine.pattern import Pattern, Scatter
from mixedscope.engine.products import CrossProducts, GroupColumns, room_of

__all__ = ["WeightedProducts", "rest_slots"]

Floats = NDArray[np.float64]

#: In place of the square of the last column, so that what is left of it is never negative: of it
#: nothing is used.
_LONG: Final = 1e200


def rest_slots(pattern: Pattern, scatter: Scatter) -> tuple[NDArray[np.int32], ...]:
    """Per tier the sparse row of each column of the rest of an observation, (n, width)."""
    if not pattern.n_rest:
        return ()
    slots = []
    for (order, start), tier in zip(scatter.sorted_by, pattern.tiers, strict=True):
        own = np.empty(scatter.rest_column.shape, dtype=np.int32)
        fill_slots(order, start, scatter.rest_column, tier.ptr, tier.idx, pattern.n_rest, own)
        slots.append(own)
    return tuple(slots)


@dataclass(frozen=True)
class WeightedProducts(CrossProducts):
    """Cross-products ``[Z Q]' W [Z Q]`` and ``[Z Q]' c`` of weights W, of any sign, and a column c.

    Attributes
    ----------
    q : (n, r) array
        Fixed-effects basis; without columns where its coefficients are known.
    heads : tuple of (n, h) arrays
        Per tier the columns of later chain factors and of the basis.
    rest_z : (n, width) array
        Columns of the rest.
    rest_column : (n, width) array of int
        Where they stand.
    slots : tuple of (n, width) arrays of int
        Per tier the sparse row of each.
    """

    q: Floats
    heads: tuple[Floats, ...]
    rest_z: Floats
    rest_column: NDArray[np.int32]
    slots: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(
        cls, pattern: Pattern, scatter: Scatter, factors: tuple[GroupColumns, ...], q: Floats
    ) -> WeightedProducts:
        """Give room for the products of these columns; undefined before the first `reform`."""
        n_tail = q.shape[1] + 1
        tiers, rest = room_of(pattern, n_tail)
        heads = [
            np.hstack([*(factors[g].z for g in pattern.chain[position + 1 :]), q])
            for position in range(len(pattern.tiers))
        ]
        rest_z, rest_column = np.empty((len(q), 0)), np.empty((len(q), 0), dtype=np.int32)
        if pattern.n_rest:
            rest_z = np.hstack([factors[f].z for f in pattern.rest_factors])
            rest_column = scatter.rest_column
        return cls(
            pattern, factors, tiers, rest, n_tail, None, q, tuple(heads), rest_z, rest_column,
            rest_slots(pattern, scatter),
        )  # fmt: skip

    @property
    def _is_plain(self) -> bool:
        """Whether these are of two crossed factors with one column each, and no basis."""
        return self.rest_z.shape[1] == 1 and self.pattern.sizes == (1, 1) and not self.q.shape[1]

    def reform(self, weights: Floats, column: Floats) -> None:
        """Form all products again, in place.

        ``weights`` (n,): of any sign. ``column`` (n,): what stands for the weighted response.
        Of a system that was made of them, call `BlockedSystem.reform` instead: it keeps copies.
        """
        pattern = self.pattern
        if self._is_plain:
            factor, tier = self.factors[pattern.chain[0]], self.tiers[0]
            weighted_crossed(
                factor.codes, factor.z, self.rest_column, self.rest_z, self.slots[0], weights,
                column, tier.d, tier.u, tier.w, self.rest,
            )  # fmt: skip
            self.rest[-1, -1] = _LONG
            return
        for position, (own, tier) in enumerate(zip(pattern.tiers, self.tiers, strict=True)):
            factor = self.factors[own.factor]
            head = self.heads[position]
            weighted_levels(factor.codes, factor.z, head, weights, column, tier.d, tier.u)
            if pattern.n_rest:
                weighted_sparse(factor.z, self.rest_z, self.slots[position], weights, tier.w)
        if self.rest.size > 1:  # else nothing but the column itself
            weighted_rest(
                self.rest_column, self.rest_z, self.q, weights, column, pattern.n_rest, self.rest
            )
        self.rest[-1, -1] = _LONG
