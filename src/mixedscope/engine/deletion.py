"""A model without some of its observations: the same columns, levels and pattern, other products.

Rows that are left out have weight 0 in the cross-products, which are formed again in one pass over
the observations; nothing is subtracted, so that nothing cancels. A level that is left without rows
has no say: its block of the penalised system is the identity.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.solvers import factorisation_of, working_products

__all__ = ["Deletion", "LocalSearch"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Share of the length of a direction of the basis, squared, up to which nothing of it is left.
_LOST: Final = 1e-12

#: Sum of the squares of a unit's rows of the basis up to which no direction is its own.
_SURE: Final = 0.5


@dataclass(frozen=True)
class LocalSearch:
    """Where a search from a theta nearby ended.

    Attributes
    ----------
    theta : (k,) array
    evaluations : int
    decrement : float
        Objective still to be gained there, by the last approximation of the Hessian.
    """

    theta: Floats
    evaluations: int
    decrement: float


class Deletion:
    """The objective of a model without some rows, which change from call to call.

    Parameters
    ----------
    objective : ProfiledObjective
        Of the whole model; left as it is.
    """

    def __init__(self, objective: ProfiledObjective) -> None:
        whole = objective.system
        self._whole = whole
        self._weights = np.ones(whole.n)
        self._logs = 2.0 * np.log(whole.root_weights)
        self._basis = np.ascontiguousarray(whole.basis.q)
        self._last: Rows = np.empty(0, dtype=np.intp)
        self._products = working_products(whole.cross, whole.basis)
        system = copy(whole)
        system.cross = self._products
        system.blocked = factorisation_of(self._products)
        # Twice the digits would be those of all rows.
        system.__dict__["_precise"] = None
        self._system = system
        self._objective = SearchableObjective(system, reml=objective.reml)

    def decisive(self) -> NDArray[np.bool_]:
        """Which single observations (n,) have a combination of the fixed effects to themselves."""
        return np.asarray(1.0 - (self._basis**2).sum(axis=1) <= _LOST)

    def directions_lost(self, rows: Rows) -> Floats:
        """Combinations (r, m) of the fixed effects that the other rows say nothing of.

        Directions of the coefficients, orthonormal on the basis of the fixed effects.
        """
        own = self._basis[rows]
        # No length is above the root of the sum of all squares: of most units that is enough.
        if float(np.vdot(own, own)) < _SURE:
            return np.empty((own.shape[1], 0))
        # What the basis keeps of its length 1: the rows that are left out have the rest.
        if len(rows) < len(own.T):
            _, lengths, directions = np.linalg.svd(own, full_matrices=False)
            kept = 1.0 - lengths**2
            lost = directions[kept <= _LOST].T
        else:
            kept, vectors = np.linalg.eigh(np.eye(own.shape[1]) - own.T @ own)
            lost = vectors[:, kept <= _LOST]
        return np.asarray(self._whole.r_inverse @ lost)

    def without(self, rows: Rows) -> SearchableObjective:
        """Give the objective without these rows, good until the next call.

        Every fixed effect must be left with something to be told from (:meth:`directions_lost`).
        """
        self._weights[self._last] = 1.0
        self._weights[rows] = 0.0
        self._last = rows
        whole, system = self._whole, self._system
        system.blocked.reform(self._weights, whole.response)
        system.n = whole.n - len(rows)
        system.log_weights = whole.log_weights - float(self._logs[rows].sum())
        self._objective.count_rows()
        return self._objective

    def search(
        self, theta: Floats, inverse: Floats, *, tolerance: float, most: int
    ) -> LocalSearch | None:
        """Search from theta (k,), close by, without the rows last left out.

        ``inverse`` (k, k): of the Hessian, theta units. None if the model is not of the kind that
        is searched in compiled code.
        """
        objective = self._objective
        small = objective.system.blocked.small
        if small is None or objective.entries is None:
            return None
        there = objective.to_entries(objective.to_entries(inverse).T)
        there = np.ascontiguousarray(there)
        batch = small.search(
            objective.entries[0], objective.to_entries(theta), there, objective.degrees,
            reml=objective.reml, tolerance=tolerance, most=most, variance=objective.system.variance,
        )  # fmt: skip
        values = [objective.criterion(*row[:3]) for row in batch.parts.tolist()]
        # Rows of refused steps have no gradient.
        sound = np.isfinite(batch.gradients).all(axis=1) & np.isfinite(values)
        if not sound.any():
            return LocalSearch(theta, len(batch.points), np.inf)
        end = int(np.flatnonzero(sound)[-1])
        slope = batch.gradients[end]
        left = 0.5 * float(slope @ there @ slope)
        found = objective.canonical(objective.from_entries(batch.points[end]))
        return LocalSearch(found, len(batch.points), left)
