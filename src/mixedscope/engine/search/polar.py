"""Searches of small models with some coordinates held, see :mod:`mixedscope.engine.kernels.polar`.

With responses that differ by multiples of given columns the cross-products of the tail are linear
in the multiples: they are set, not formed, where fixed effects are held too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.covariance.registry import Full, ReducedRank, ZeroCorr
from mixedscope.engine.kernels.polar import DIAGONAL, TRIANGLE, search_polar
from mixedscope.engine.layout import nodes_of_rest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.rounding import LARGE_RATIO, largest_ratio
from mixedscope.engine.small import Batch, WholeSystem
from mixedscope.engine.system import ProfiledSystem

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
    describe : callable
        Gives the evaluation there.
    fixed_effects : callable
        Gives the fixed effects (r,) there, without all the rest.
    log_det_fixed : float
        ``log |X' inv(V) X|``, V the covariance over sigma squared.
    inverse : (f, f) array
        Of the Hessian by the free coordinates, approximately.
    """

    x: Floats
    theta: Floats
    slope: Floats
    value: float
    describe: Callable[[], Evaluation]
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
    """

    def __init__(self, objective: ProfiledObjective, layout: Ints) -> None:
        assert objective.entries is not None
        self._objective = objective
        self._layout = layout
        # All kinds of small systems in one form.
        whole = _whole(objective.system)
        self._places = whole.places(objective.entries[0])
        self._table, self._pattern, self._node, self._data, self._work, self._n_rest = (
            whole.cleared(reml=objective.reml)
        )
        self._scales = np.ascontiguousarray(objective.entries[1], dtype=float)
        self._log_det_basis = objective.system.basis.log_det
        self._centre: tuple[Floats, Floats] | None = None
        self._moves: list[tuple[Floats, Floats]] = []
        # What the columns taken off the response have in common with the fixed effects.
        self._shared = np.empty((0, objective.system.n_fixed))
        self._shift = np.zeros(objective.system.n_fixed)
        self._corner = np.empty((0, 0))

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
        return cls(objective, np.array(rows, dtype=np.int64))

    def vary(self, columns: Sequence[Floats]) -> None:
        """Let responses differ from that of the objective by multiples of columns (n,)."""
        system = self._objective.system
        d, u, w, rest = self._data
        self._centre = u, rest
        self._data = d, u.copy(), w, rest.copy()
        others = [system.with_response(system.design.y - x) for x in columns]
        reml = self._objective.reml
        for other in others:
            _, moved, _, moved_rest = _whole(other).cleared(reml=reml)[3]
            self._moves.append((moved - u, moved_rest - rest))
        none = system.beta(np.zeros(system.n_fixed))
        self._shared = np.array([other.beta(np.zeros(system.n_fixed)) - none for other in others])
        apart = np.array([other.response - system.response for other in others])
        inner = np.vstack([system.response, apart])
        self._corner = inner @ inner.T

    def set(self, multiples: Floats) -> None:
        """Take so many of the columns off the response."""
        assert self._centre is not None
        _, u, _, rest = self._data
        u[:], rest[:] = self._centre
        for share, (by_u, by_rest) in zip(multiples.tolist(), self._moves, strict=True):
            u += share * by_u
            rest += share * by_rest
        self._shift = multiples @ self._shared
        weights = np.concatenate([[1.0], multiples])
        rest[-1, -1] = weights @ self._corner @ weights

    def search(self, x: Floats, free: Ints, inverse: Floats, tolerance: float) -> PolarEnd | None:
        """Search from x (m,) by the free coordinates; None if it must be made from Python.

        ``inverse`` (f, f): of the Hessian by the free coordinates, to begin with. Evaluations that
        need more digits than doubles have are not made here.
        """
        objective = self._objective
        p, r = len(self._places), objective.system.n_fixed
        batch = Batch.empty(1, p, r)
        x, slope = np.array(x, dtype=float), np.zeros(len(x))
        inverse = np.array(inverse, dtype=float, order="C")
        count, found = search_polar(
            self._table, self._pattern, self._node, self._data, self._work, self._n_rest,
            self._places, self._layout, self._scales, objective.system.y_scale, x, free, inverse,
            objective.degrees, objective.reml, tolerance, _MOST, batch.points, batch.gradients,
            batch.parts, batch.betas, slope,
        )  # fmt: skip
        if not (found and count < _MOST and abs(x[0]) < _LARGEST):
            return None
        variance = float(np.exp(x[0]) / objective.system.y_scale) ** 2
        log_det, log_det_fixed, pwrss, _ = batch.parts[0].tolist()
        value = objective.criterion(log_det, log_det_fixed, pwrss, variance)
        # NaN, where an evaluation failed, is no small ratio either.
        is_safe = largest_ratio(objective.system.n, pwrss, [batch.points]) <= LARGE_RATIO
        if not (is_safe and math.isfinite(value)):
            return None

        shift = self._shift

        def fixed_effects() -> Floats:
            return objective.system.beta(batch.betas[0]) + shift

        def describe() -> Evaluation:
            evaluation = objective.describe_row(batch, 0, variance)
            assert evaluation is not None
            return evaluation._replace(beta=fixed_effects())

        return PolarEnd(
            x, batch.points[0] / self._scales, slope, value, describe, fixed_effects,
            log_det_fixed + self._log_det_basis, inverse,
        )  # fmt: skip


def _whole(system: ProfiledSystem) -> WholeSystem:
    """A small system in the form of those of several grouping factors."""
    n = len(system.cross.rest)
    room = np.empty((n, n)), np.empty(n), np.empty(n), np.empty(n)
    return WholeSystem(system.cross, *nodes_of_rest(system.cross), *room)
