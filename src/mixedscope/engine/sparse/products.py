"""Cross-products of a design for the sparse factorisation: blocks of levels that meet in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine import gather
from mixedscope.engine.basis import FixedBasis, products_of_rows
from mixedscope.engine.kernels.sparse import add_products
from mixedscope.engine.products import GroupColumns, response_sums, tail_by_observation
from mixedscope.engine.sparse.graph import SparsePattern

__all__ = ["SparseProducts", "SparseWorkingProducts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SparseProducts:
    """All that the objective needs of the data.

    Attributes
    ----------
    pattern : SparsePattern
    factors : tuple of GroupColumns
    levels : tuple of pairs of arrays
        Per factor, of every level, its own block (q, k, k) and its products (q, r + 1, k) with the
        tail: fixed-effects basis and response.
    gx : (entries,) array
        Blocks of ``Z'Z``, see :class:`mixedscope.engine.sparse.graph.SparsePattern`.
    border : (columns, r + 1) array
        Products of the columns, in the order of elimination, with the tail.
    corner : (r + 1, r + 1) array
        Products of the tail with itself.
    basis : (r, n) array or None
        Rows of the fixed-effects basis where they are not orthonormal.
    """

    pattern: SparsePattern
    factors: tuple[GroupColumns, ...]
    levels: tuple[tuple[Floats, Floats], ...]
    gx: Floats
    border: Floats
    corner: Floats
    basis: Floats | None = None

    @classmethod
    def of(
        cls,
        pattern: SparsePattern,
        factors: tuple[GroupColumns, ...],
        basis: FixedBasis,
        response: Floats,
    ) -> SparseProducts:
        """Form the cross-products of a model; ``response`` (n,): orthogonal to the basis."""
        room = _room_of(pattern, basis.q.shape[1] + 1)
        levels = _form(pattern, factors, tail_by_observation(basis.q, response), room)
        corner = np.eye(basis.q.shape[1] + 1)
        corner[-1, -1] = response @ response
        return cls(pattern, factors, levels, *room, corner)

    @property
    def n_tail(self) -> int:
        """R + 1: fixed-effects basis and response."""
        return len(self.corner)

    def with_response(self, response: Floats) -> SparseProducts:
        """As :meth:`mixedscope.engine.products.CrossProducts.with_response`."""
        columns = response[:, None] if response.ndim == 1 else response
        first, m = len(self.corner) - 1, columns.shape[1]
        border = np.empty((len(self.border), first + m))
        border[:, :first] = self.border[:, :first]
        levels = []
        for f, (own, (d, u)) in enumerate(zip(self.factors, self.levels, strict=True)):
            sums = response_sums(own, columns)
            border[self.pattern.columns_of(f), first:] = sums.transpose(0, 2, 1)
            levels.append((d, np.concatenate([u[:, :first], sums], axis=1)))
        corner = np.zeros((first + m, first + m))
        corner[:first, :first] = self.corner[:first, :first]
        if self.basis is not None:
            corner[:first, first:] = self.basis @ columns
            corner[first:, :first] = corner[:first, first:].T
        corner[first:, first:] = columns.T @ columns
        return SparseProducts(
            self.pattern, self.factors, tuple(levels), self.gx, border, corner, self.basis
        )

    def between(self, one: int, other: int) -> tuple[Floats, Ints, Ints]:
        """Cross-products (pairs, k, m) of levels of two factors that meet, and the levels."""
        e = self.pattern.elimination
        column = np.repeat(np.arange(len(e.gp) - 1), np.diff(e.gp))
        level = np.empty(len(e.factor), dtype=np.int64)
        for place in self.pattern.place:
            level[place] = np.arange(len(place))
        parts: list[tuple[Floats, Ints, Ints]] = []
        for row_factor, column_factor in ((one, other), (other, one)):
            chosen = np.flatnonzero(
                (e.factor[e.gi] == row_factor) & (e.factor[column] == column_factor)
            )
            k, m = self.pattern.sizes[row_factor], self.pattern.sizes[column_factor]
            blocks = self.gx[self.pattern.gv[chosen][:, None] + np.arange(k * m)].reshape(-1, k, m)
            rows, columns = level[e.gi[chosen]], level[column[chosen]]
            if row_factor == one:
                parts.append((blocks, rows, columns))
            else:
                parts.append((blocks.transpose(0, 2, 1), columns, rows))
        blocks, ours, theirs = (np.concatenate(part) for part in zip(*parts, strict=True))
        return np.ascontiguousarray(blocks), ours, theirs


@dataclass(frozen=True)
class SparseWorkingProducts(SparseProducts):
    """Cross-products that are formed again and again, in arrays of their own.

    Attributes
    ----------
    given : tuple of GroupColumns
        The columns to which weights are applied; `factors` hold what that gave.
    given_basis : (r, n) array
        Rows of the fixed-effects basis to which weights are applied.
    """

    given: tuple[GroupColumns, ...] = ()
    given_basis: Any = None

    @classmethod
    def working(cls, cross: SparseProducts, basis: FixedBasis) -> SparseWorkingProducts:
        """Give room for other products of the same columns, undefined before `reform`."""
        room = _room_of(cross.pattern, cross.n_tail)
        factors = tuple(replace(f, z=np.empty(f.z.shape)) for f in cross.factors)
        levels = tuple((np.empty_like(d), np.empty_like(u)) for d, u in cross.levels)
        rows = np.ascontiguousarray(basis.q.T)
        return cls(
            cross.pattern, factors, levels, *room, np.empty_like(cross.corner),
            np.empty_like(rows), cross.factors, rows,
        )  # fmt: skip

    def reform(self, weights: Floats, response: Floats) -> None:
        """As :meth:`mixedscope.engine.products.WorkingProducts.reform`."""
        if not (np.isfinite(weights).all() and weights.min(initial=0.0) >= 0.0):
            raise FloatingPointError("Working weights must be finite and not negative.")
        root = np.sqrt(weights)
        for given, own in zip(self.given, self.factors, strict=True):
            np.multiply(given.z, root[:, None], out=own.z)
        assert self.basis is not None
        np.multiply(self.given_basis, root, out=self.basis)
        tail = np.concatenate([self.basis, (response * root)[None, :]])
        made = _form(
            self.pattern, self.factors, np.ascontiguousarray(tail.T), (self.gx, self.border)
        )
        for (d, u), (new_d, new_u) in zip(self.levels, made, strict=True):
            d[:], u[:] = new_d, new_u
        self.corner[:] = products_of_rows(tail)


def _room_of(pattern: SparsePattern, n_tail: int) -> tuple[Floats, Floats]:
    """Room for the blocks of ``Z'Z``, and for the products with the tail."""
    width = np.diff(pattern.elimination.first)
    last = int(width[-1]) ** 2
    return np.empty(int(pattern.gv[-1]) + last), np.empty((pattern.n_columns, n_tail))


def _form(
    pattern: SparsePattern,
    factors: Sequence[GroupColumns],
    tail: Floats,
    room: tuple[Floats, Floats],
) -> tuple[tuple[Floats, Floats], ...]:
    """Fill the room; give the own blocks and products with the tail (n, t) of every level."""
    gx, border = room
    e = pattern.elimination
    gx.fill(0.0)
    levels = []
    nodes = [place[codes] for place, codes in zip(pattern.place, pattern.codes, strict=True)]
    for f, factor in enumerate(factors):
        d, u = gather.level_products(factor.codes, factor.z, tail, factor.n_levels, None)
        k = factor.size
        own = pattern.gv[e.gp[pattern.place[f]]]
        gx[own[:, None] + np.arange(k * k)] = d.reshape(len(d), -1)
        border[pattern.columns_of(f)] = u.transpose(0, 2, 1)
        levels.append((d, u))
        for g in range(f):
            add_products(nodes[f], nodes[g], factor.z, factors[g].z, e.gp, e.gi, pattern.gv, gx)
    return tuple(levels)
