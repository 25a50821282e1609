"""Matrices of grouping factors nested in each other: Cholesky factors, solutions, adjoints.

A tier is one factor of the chain, the finest first. Of ``H = I + Lambda'Z'WZ Lambda`` a level of
tier t has a block with itself and one with the level of every coarser tier s that contains it, and
eliminating the finest tiers first fills in no others: ``H = L L'`` has the blocks of H.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.gather import sums_by_level
from mixedscope.engine.generalized.system import blocks_by_level
from mixedscope.engine.pattern import Pattern

__all__ = ["Blocks", "Chain", "Root"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Blocks = dict[tuple[int, int], Floats]
"""Of tiers ``(s, t)``, s as coarse as t or coarser, arrays (q, k_s, k_t) along the levels of t."""


@dataclass(frozen=True)
class Root:
    """Lower triangular L of ``H = L L'``.

    Attributes
    ----------
    blocks : Blocks
    inverses : tuple of (q, k, k) arrays
        Per tier, of the blocks ``(t, t)``.
    """

    blocks: Blocks
    inverses: tuple[Floats, ...]


@dataclass(frozen=True)
class Chain:
    """Which levels contain which.

    Attributes
    ----------
    codes : tuple of (n,) arrays
        Level of every row, per tier.
    levels, sizes : tuple of int
        Levels, and columns, per tier.
    parents : tuple of tuples of (q,) arrays
        Per tier t the level of every tier ``t + 1, t + 2, ...`` that contains each of its levels.
    """

    codes: tuple[Ints, ...]
    levels: tuple[int, ...]
    sizes: tuple[int, ...]
    parents: tuple[tuple[Ints, ...], ...]

    @classmethod
    def of(cls, pattern: Pattern) -> Chain:
        """The chain of a pattern without a rest."""
        order = pattern.chain
        return cls(
            tuple(pattern.codes[f] for f in order),
            tuple(pattern.levels[f] for f in order),
            tuple(pattern.sizes[f] for f in order),
            tuple(tier.parents for tier in pattern.tiers),
        )

    @property
    def depth(self) -> int:
        """Number of tiers."""
        return len(self.levels)

    def parent(self, tier: int, coarser: int) -> Ints:
        """Level of a coarser tier that contains each level of a tier."""
        return self.parents[tier][coarser - tier - 1]

    def to_parents(self, tier: int, coarser: int, values: Floats) -> Floats:
        """Sum values (q, ...) of the levels of a tier by the level of a coarser one."""
        flat = np.ascontiguousarray(values.reshape(len(values), -1))
        sums = sums_by_level(self.parent(tier, coarser), flat, self.levels[coarser])
        return np.asarray(sums.reshape(self.levels[coarser], *values.shape[1:]))

    def products(self, columns: Sequence[Floats], weight: Floats) -> Blocks:
        """Blocks of ``columns' W columns``, of columns (n, k) per tier."""
        out = {}
        for t, codes in enumerate(self.codes):
            own, q = columns[t], self.levels[t]
            out[t, t] = blocks_by_level(codes, own, weight, q)
            for s in range(t + 1, self.depth):
                other = columns[s] * weight[:, None]
                products = (other[:, :, None] * own[:, None, :]).reshape(len(own), -1)
                shape = q, self.sizes[s], self.sizes[t]
                out[s, t] = sums_by_level(codes, products, q).reshape(shape)
        return out

    def penalised(self, products: Blocks, factors: Sequence[Floats]) -> Blocks:
        """Blocks of ``I + Lambda'Z'WZ Lambda``, of those of Z'WZ and covariance factors (k, k)."""
        out = {(s, t): factors[s].T @ made @ factors[t] for (s, t), made in products.items()}
        for t, size in enumerate(self.sizes):
            out[t, t] = out[t, t] + np.eye(size)
        return out

    def factorise(self, blocks: Blocks) -> Root:
        """Cholesky factor of a positive definite matrix; LinAlgError if it is not."""
        left: Blocks = dict(blocks)
        roots: Blocks = {}
        inverses: list[Floats] = []
        for t in range(self.depth):
            roots[t, t] = np.asarray(np.linalg.cholesky(left[t, t]), dtype=np.float64)
            inverses.append(np.asarray(np.linalg.inv(roots[t, t]), dtype=np.float64))
            turned = np.swapaxes(inverses[t], 1, 2)
            above = range(t + 1, self.depth)
            for s in above:
                roots[s, t] = left[s, t] @ turned
            for s in above:
                for r in range(s, self.depth):
                    taken = roots[r, t] @ np.swapaxes(roots[s, t], 1, 2)
                    left[r, s] = left[r, s] - self.to_parents(t, s, taken)
        return Root(roots, tuple(inverses))

    def pulled(self, root: Root, tier: int, moved: Sequence[Floats | None]) -> Floats:
        """What coarser tiers, moved by (q, k) each, take off the right side of ``L'x = z``."""
        out = np.zeros((self.levels[tier], self.sizes[tier]))
        for s in range(tier + 1, self.depth):
            own = moved[s]
            assert own is not None
            out += np.einsum("qab,qa->qb", root.blocks[s, tier], own[self.parent(tier, s)])
        return out

    def solve(self, root: Root, right: Sequence[Floats]) -> list[Floats]:
        """Solve ``H v = right``, of right sides (q, k) per tier."""
        left = list(right)
        for t in range(self.depth):
            left[t] = np.einsum("qab,qb->qa", root.inverses[t], left[t])
            for s in range(t + 1, self.depth):
                taken = np.einsum("qab,qb->qa", root.blocks[s, t], left[t])
                left[s] = left[s] - self.to_parents(t, s, taken)
        out: list[Floats | None] = [None] * self.depth
        for t in reversed(range(self.depth)):
            rest = left[t] - self.pulled(root, t, out)
            out[t] = np.einsum("qba,qb->qa", root.inverses[t], rest)
        return [own for own in out if own is not None]

    def adjoint(self, root: Root, by_root: Blocks) -> Blocks:
        """Derivatives by H of what has these by L: ``dF = sum of G dH``, G symmetric.

        By Cholesky's adjoint (Murray 2016, arXiv:1602.07527), the coarsest tier first.
        """
        slopes: Blocks = dict(by_root)
        out: Blocks = {}
        for t in reversed(range(self.depth)):
            inverse, own = root.inverses[t], root.blocks[t, t]
            turned = np.swapaxes(inverse, 1, 2)
            above = range(t + 1, self.depth)
            for r in above:
                for s in above:
                    outer = self.parent(t, min(r, s))
                    made = out[max(r, s), min(r, s)][outer]
                    if s > r:
                        made = np.swapaxes(made, 1, 2)
                    slopes[r, t] = slopes[r, t] - 2.0 * made @ root.blocks[s, t]
            for s in above:
                back = slopes[s, t] @ inverse
                slopes[t, t] = slopes[t, t] - np.swapaxes(back, 1, 2) @ root.blocks[s, t]
                out[s, t] = 0.5 * back
            half = np.tril(np.swapaxes(own, 1, 2) @ slopes[t, t])
            diagonal = np.arange(self.sizes[t])
            half[:, diagonal, diagonal] *= 0.5
            out[t, t] = 0.5 * turned @ (half + np.swapaxes(half, 1, 2)) @ inverse
        return out
