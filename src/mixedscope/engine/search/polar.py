"""Searches of small models with some coordinates held, see :mod:`mixedscope.engine.kernels.polar`.

Where fixed effects are held too, cross-products are turned, not formed: in an orthonormal basis of
which the last columns are what theirs add to the others', those are left out, and the response
differs by multiples of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.covariance.registry import Full, ReducedRank, ZeroCorr
from mixedscope.engine.kernels.polar import DIAGONAL, TRIANGLE, search_polar
from mixedscope.engine.layout import nodes_of_rest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.products import CrossProducts, Tier
from mixedscope.engine.rounding import LARGE_RATIO, largest_ratio
from mixedscope.engine.small import WholeSystem

__all__ = ["PolarEnd", "PolarSearch"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST: Final = 200
#: Logarithms of sigma beyond this have no square.
_LARGEST: Final = 300.0


class PolarEnd(NamedTuple):
    """Where a search ended.

    Attributes
    ----------
    x : (m,) array
    theta : (k,) array
    slope : (m,) array
    value : float
    fixed_effects : callable
        Gives the fixed effects (r,) there that are not held.
    log_det_fixed : float
        ``log |X' inv(V) X|``, V the covariance over sigma squared.
    inverse : (f, f) array
        Of the Hessian by the free coordinates, approximately.
    """

    x: Floats
    theta: Floats
    slope: Floats
    value: float
    fixed_effects: Callable[[], Floats]
    log_det_fixed: float
    inverse: Floats


class PolarSearch:
    """Room for such searches of one objective; made by :meth:`of`.

    Parameters
    ----------
    objective : ProfiledObjective
        Of a small system, theta being entries of factors.
    layout : (parts, 5) array of int
        See :mod:`mixedscope.engine.kernels.polar`.
    cross : CrossProducts
        Of the system, or of one with fewer fixed effects.
    triangle : (r, r) array
        Columns of the fixed effects in the basis of `cross`.
    projection : (r,) array
        The response in that basis, units of the data.
    """

    def __init__(
        self,
        objective: ProfiledObjective,
        layout: Ints,
        cross: CrossProducts,
        triangle: Floats,
        projection: Floats,
    ) -> None:
        assert objective.entries is not None
        self._objective = objective
        self._layout = layout
        # All kinds of small systems in one form.
        whole = _whole(cross)
        self._places = whole.places(objective.entries[0])
        self._table, self._pattern, self._node, self._data, self._work, self._n_rest = (
            whole.cleared(reml=objective.reml)
        )
        self._scales = np.ascontiguousarray(objective.entries[1], dtype=float)
        self._inverse, self._projection = np.linalg.inv(triangle), projection
        self._log_det_basis = 2.0 * float(np.log(np.abs(np.diag(triangle))).sum())
        p = len(self._places)
        self._room = np.empty((1, p)), np.empty((1, p)), np.empty((1, 4))
        # Of fixed effects that are held: what of the response goes with each column of the basis
        # that is left out, and the columns of X in all of the basis.
        self._first: tuple[Floats, Floats] | None = None
        self._moves: list[tuple[Floats, Floats]] = []
        self._share = np.empty(0)
        self._among, self._own = np.empty((0, 0)), np.empty((0, 0))
        self._given = projection

    @classmethod
    def of(cls, objective: ProfiledObjective) -> PolarSearch | None:
        """Room for searches of an objective; None if they must be made from Python."""
        small, entries = objective.system.blocked.small, objective.entries
        if small is None or entries is None or objective.coordinates is not None:
            return None
        rows, own, at = [], 1, 0
        for term in objective.system.terms:
            for structure in term.structures:
                if isinstance(structure, ZeroCorr):
                    kind = DIAGONAL
                elif isinstance(structure, Full | ReducedRank):
                    kind = TRIANGLE
                else:
                    return None
                rows.append((kind, structure.size, structure.rank, own, at))
                own, at = own + structure.n_theta, at + structure.n_theta
        system = objective.system
        layout, cross = np.array(rows, dtype=np.int64), system.cross
        assert isinstance(cross, CrossProducts)  # as of every small system
        return cls(objective, layout, cross, system.basis.r, system.projection)

    def without(self, columns: Sequence[int]) -> PolarSearch | None:
        """Room for searches with some fixed effects held too, at values given to :meth:`hold`.

        ``columns``: positions among those estimated. None where it must be made from data anew.
        """
        system = self._objective.system
        cross, r = system.cross, system.n_fixed
        assert isinstance(cross, CrossProducts)
        if self._objective.reml or cross.basis is not None:
            return None
        rest = [c for c in range(r) if c not in columns]
        left = len(rest)
        turn, triangle = np.linalg.qr(system.basis.r[:, [*rest, *columns]])
        projection = turn.T @ system.projection
        turned = [np.matmul(turn.T, tier.u[:, -r - 1 : -1]) for tier in cross.tiers]
        heads = [
            np.concatenate([tier.u[:, : -r - 1], own[:, :left], tier.u[:, -1:]], axis=1)
            for tier, own in zip(cross.tiers, turned, strict=True)
        ]
        first = cross.pattern.n_rest
        kept = [*range(first + left), first + r]
        inner = cross.rest.copy()
        inner[:first, first:-1] = inner[:first, first:-1] @ turn
        tiers = [Tier(t.d, u, t.w) for t, u in zip(cross.tiers, heads, strict=True)]
        fewer = replace(cross, tiers=tuple(tiers), rest=inner[np.ix_(kept, kept)], n_tail=left + 1)
        other = PolarSearch(
            self._objective, self._layout, fewer, triangle[:left, :left], projection[:left]
        )
        d, u, w, corner = other._data
        other._first = u, corner
        other._data = d, u.copy(), w, corner.copy()
        other._share = projection[left:]
        other._among, other._own = triangle[:left, left:], triangle[left:, left:]
        for i in range(left, r):
            moves = [np.zeros_like(head) for head in heads]
            for move, own in zip(moves, turned, strict=True):
                move[:, -1] = own[:, i]
            response = inner[: first + left + 1, first + i].copy()
            response[first:] = 0.0
            other._moves.append((np.concatenate([m.ravel() for m in moves]), response))
        other.hold(np.zeros(r - left))
        return other

    def hold(self, values: Floats) -> None:
        """Hold the fixed effects that were taken out at these values."""
        assert self._first is not None
        _, u, _, rest = self._data
        u[:], rest[:] = self._first
        shares = (self._share - self._own @ values) / self._objective.system.y_scale
        for share, (by_u, by_rest) in zip(shares.tolist(), self._moves, strict=True):
            u += share * by_u
            rest[:, -1] += share * by_rest
        rest[-1, -1] += shares @ shares
        self._given = self._projection - self._among @ values

    def search(self, x: Floats, free: Ints, inverse: Floats, tolerance: float) -> PolarEnd | None:
        """Search from x (m,) by the free coordinates; None if it must be made from Python.

        ``inverse`` (f, f): of the Hessian by the free coordinates, to begin with. Evaluations that
        need more digits than doubles have are not made here.
        """
        objective = self._objective
        x, slope = np.array(x, dtype=float), np.zeros(len(x))
        inverse = np.array(inverse, dtype=float, order="C")
        points, gradients, parts = self._room
        betas = np.empty((1, len(self._inverse)))
        unit = objective.system.y_scale
        count, found = search_polar(
            self._table, self._pattern, self._node, self._data, self._work, self._n_rest,
            self._places, self._layout, self._scales, unit, x, free, inverse, objective.degrees,
            objective.reml, tolerance, _MOST, points, gradients, parts, betas, slope,
        )  # fmt: skip
        if not (found and count < _MOST and abs(x[0]) < _LARGEST):
            return None
        variance = (math.exp(x[0]) / unit) ** 2
        log_det, log_det_fixed, pwrss, _ = parts[0].tolist()
        value = objective.criterion(log_det, log_det_fixed, pwrss, variance)
        # NaN, where an evaluation failed, is no small ratio either.
        squares = float(self._data[3][-1, -1])
        is_safe = largest_ratio(squares, pwrss, [points]) <= LARGE_RATIO
        if not (is_safe and math.isfinite(value)):
            return None
        given, back = self._given, self._inverse

        def fixed_effects() -> Floats:
            return np.asarray(back @ (betas[0] * unit + given))

        return PolarEnd(
            x, points[0] / self._scales, slope, value, fixed_effects,
            log_det_fixed + self._log_det_basis, inverse,
        )  # fmt: skip


def _whole(cross: CrossProducts) -> WholeSystem:
    """A small system in the form of those of several grouping factors."""
    n = len(cross.rest)
    room = np.empty((n, n)), np.empty(n), np.empty(n), np.empty(n)
    return WholeSystem(cross, *nodes_of_rest(cross), *room)
