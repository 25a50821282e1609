"""Searches of a model of one grouping factor for many responses, in one compiled call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.single import refit_single
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.rounding import LARGE_RATIO
from mixedscope.engine.search.search import bounded_inverse
from mixedscope.engine.search.starting import information_after
from mixedscope.engine.small import SingleSystem

__all__ = ["Ends", "is_compilable", "keep_digits", "search_single", "start_inverse"]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Objective still to be gained at which a search stops.
_TOLERANCE = 1e-9


@dataclass
class Ends:
    """Where refits ended, internal units, a row each.

    Attributes
    ----------
    points : (m, k) array
    values : (m,) array
        Objective without its constants; NaN where it could not be evaluated.
    betas : (m, r + 1) array
        Coefficients of the basis, then the penalised residual.
    counts : (m,) array of int
        Evaluations made.
    decrements : (m,) array
        Newton decrement at the end.
    sure : (m,) array of bool
        Whether the end may be taken for that of a fit by itself.
    """

    points: Floats
    values: Floats
    betas: Floats
    counts: NDArray[np.int64]
    decrements: Floats
    sure: Chosen

    def take(self, rows: NDArray[np.intp], other: Ends, chosen: Chosen) -> None:
        """Put the chosen rows of `other`, which are `rows` of these, in their place."""
        to = rows[chosen]
        for name in ("points", "values", "betas", "decrements"):
            getattr(self, name)[to] = getattr(other, name)[chosen]


def is_compilable(objective: ProfiledObjective) -> bool:
    """Whether the model is of the kind that is searched here."""
    return objective.system.blocked.is_single and objective.entries is not None


def start_inverse(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse of the information about theta (k,), internal units (k, k), bounded.

    It is made of cross-products alone: with one grouping factor no solution changes them.
    """
    return bounded_inverse(information_after(objective, objective.factors(theta)))


def keep_digits(objective: ProfiledObjective, ends: Ends) -> Chosen:
    """Whether doubles have the digits that each end needs (m,): `mixedscope.engine.rounding`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(objective.system.n / ends.betas[:, -1], (ends.points**2).sum(axis=1))
        return np.asarray(ratio <= LARGE_RATIO)


def search_single(
    objective: ProfiledObjective, starts: Floats, inverse: Floats, residuals: Floats, most: int
) -> Ends:
    """Search from `starts` (k,), or (m, k), internal units; if `most` is 1, evaluate there.

    ``objective``: of a model that `is_compilable`. ``inverse`` (k, k): of the Hessian at the
    starts. ``residuals`` (m, n): weighted, on the fixed effects, of unit root mean square.
    ``most``: evaluations of each.
    """
    system = objective.system
    assert objective.entries is not None
    places, _ = objective.entries
    factor, small = system.factors[0], system.blocked.small
    assert isinstance(small, SingleSystem)
    m, r = len(residuals), system.n_fixed
    # A copy: an array that may not be written to is another type, compiled for once more.
    starts = np.array(np.broadcast_to(starts, (m, len(places))), order="C")
    ends = Ends(
        np.empty_like(starts), np.empty(m), np.empty((m, r + 1)), np.empty(m, dtype=np.int64),
        np.empty(m), np.zeros(m, dtype=bool),
    )  # fmt: skip
    refit_single(
        factor.codes, factor.z, residuals, small.pattern, small.data, small.arrays, places, starts,
        np.ascontiguousarray(inverse), objective.degrees, 0.0, objective.reml or None,
        _TOLERANCE, most, ends.points, ends.values, ends.betas, ends.counts,
        ends.decrements,
    )  # fmt: skip
    return ends
