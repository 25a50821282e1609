"""Searches of a small model for many responses, in one compiled call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.refits import (
    fixed_errors_single,
    fixed_errors_whole,
    project_rows,
    refit_whole,
)
from mixedscope.engine.kernels.single import refit_single
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.rounding import LARGE_RATIO
from mixedscope.engine.search.search import bounded_inverse
from mixedscope.engine.search.second_look import has_unequal_weights, spread_starts
from mixedscope.engine.search.starting import standard_information
from mixedscope.engine.small import SingleSystem, WholeSystem

__all__ = [
    "Ends",
    "Residuals",
    "fixed_errors",
    "is_compilable",
    "keep_digits",
    "other_starts",
    "residuals_of",
    "search_rows",
    "start_inverse",
]

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


@dataclass(frozen=True)
class Residuals:
    """What responses leave on the fixed effects, a row each.

    Attributes
    ----------
    rows : (m, n) array
        Weighted, at unit root mean square.
    units : (m,) array
        That root mean square, units of the data.
    coefficients : (m, r) array
        Of the orthonormal basis of the fixed effects, units of the data.
    largest : (m,) array
        Largest size of a weighted value of the response.
    """

    rows: Floats
    units: Floats
    coefficients: Floats
    largest: Floats


def residuals_of(objective: ProfiledObjective, responses: Floats) -> Residuals:
    """Take responses (m, n), units of the data, off the fixed effects."""
    system, m = objective.system, len(responses)
    out = Residuals(
        np.empty((m, system.n)), np.empty(m), np.empty((m, system.n_fixed)), np.empty(m)
    )
    project_rows(
        np.ascontiguousarray(responses), system.root_weights,
        np.ascontiguousarray(system.basis.q.T), out.rows, out.coefficients, out.units, out.largest,
    )  # fmt: skip
    return out


def is_compilable(objective: ProfiledObjective) -> bool:
    """Whether the model is of the kind that is searched here."""
    system = objective.system
    # Responses are searched in units of their own, in which a known sigma is another for each.
    return (
        system.blocked.small is not None
        and objective.entries is not None
        and system.design.sigma is None
    )


def other_starts(objective: ProfiledObjective) -> list[Floats]:
    """Thetas (k,) to search every response from too: none where all weights are equal."""
    return spread_starts(objective) if has_unequal_weights(objective) else []


def start_inverse(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse of the information about theta (k,), internal units (k, k), bounded."""
    return bounded_inverse(standard_information(objective, theta))


def keep_digits(objective: ProfiledObjective, ends: Ends) -> Chosen:
    """Whether doubles have the digits that each end needs (m,): `mixedscope.engine.rounding`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(objective.system.n / ends.betas[:, -1], (ends.points**2).sum(axis=1))
        return np.asarray(ratio <= LARGE_RATIO)


def search_rows(
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
    small = system.blocked.small
    m, r = len(residuals), system.n_fixed
    # A copy: an array that may not be written to is another type, compiled for once more.
    starts = np.array(np.broadcast_to(starts, (m, len(places))), order="C")
    ends = Ends(
        np.empty_like(starts), np.empty(m), np.empty((m, r + 1)), np.empty(m, dtype=np.int64),
        np.empty(m), np.zeros(m, dtype=bool),
    )  # fmt: skip
    variances = np.zeros(m)
    room = (ends.points, ends.values, ends.betas, ends.counts, ends.decrements)
    inverse = np.ascontiguousarray(inverse)
    if isinstance(small, SingleSystem):
        own, data, work = small.cleared(reml=objective.reml)
        factor = system.factors[0]
        refit_single(
            factor.codes, factor.z, residuals, own, data, work, places,
            starts, inverse, objective.degrees, variances, objective.reml, _TOLERANCE,
            most, *room,
        )  # fmt: skip
    else:
        assert isinstance(small, WholeSystem)
        where, codes, z = small.response_places(system.factors)
        table, pattern, node, data, work, n_rest = small.cleared(reml=objective.reml)
        refit_whole(
            where, codes, z, residuals, table, pattern, node, data, work, n_rest,
            small.places(places), starts, inverse, objective.degrees, variances, objective.reml,
            _TOLERANCE, most, *room,
        )  # fmt: skip
    return ends


def fixed_errors(objective: ProfiledObjective, points: Floats) -> Floats:
    """Standard errors of the fixed effects over sigma, (m, r), at points (m, k) internal units.

    NaN where the system cannot be factorised.
    """
    system = objective.system
    assert objective.entries is not None
    places, _ = objective.entries
    small = system.blocked.small
    r_inverse = np.ascontiguousarray(system.r_inverse)
    points = np.array(points, order="C")
    out = np.empty((len(points), system.n_fixed))
    if isinstance(small, SingleSystem):
        own, data, work = small.cleared(reml=objective.reml)
        fixed_errors_single(
            own, data, work, places, objective.degrees,
            objective.reml, r_inverse, points, out,
        )  # fmt: skip
    else:
        assert isinstance(small, WholeSystem)
        table, pattern, node, data, work, n_rest = small.cleared(reml=objective.reml)
        fixed_errors_whole(
            table, pattern, node, data, work, n_rest, small.places(places), objective.degrees,
            objective.reml, r_inverse, points, out,
        )  # fmt: skip
    return out
