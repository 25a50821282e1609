"""Searches of a small model for many responses: compiled, in one call or in step with each other.

Searches work on points (m, k): entries of the factors in internal units where theta are entries,
and otherwise theta times its scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.kernels.refits import (
    advance_rows,
    fixed_errors_single,
    fixed_errors_whole,
    project_rows,
    refit_whole,
)
from mixedscope.engine.kernels.search import DECREMENT, STATE
from mixedscope.engine.kernels.single import refit_single
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.rounding import LARGE_RATIO
from mixedscope.engine.search.search import bounded_inverse
from mixedscope.engine.search.second_look import elsewhere, has_unequal_weights, spread_starts
from mixedscope.engine.search.starting import standard_information
from mixedscope.engine.small import SingleSystem, WholeSystem

__all__ = [
    "Ends",
    "Residuals",
    "elsewhere",
    "factors_of",
    "fixed_errors",
    "from_points",
    "is_compilable",
    "keep_digits",
    "other_starts",
    "residuals_of",
    "search_rows",
    "start_inverse",
    "to_points",
]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Objective still to be gained at which a search stops.
_TOLERANCE = 1e-9


@dataclass
class Ends:
    """Where refits ended, a row each.

    Attributes
    ----------
    points : (m, k) array
    gradients : (m, k) array
        Of the objective there.
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
    gradients: Floats
    values: Floats
    betas: Floats
    counts: NDArray[np.int64]
    decrements: Floats
    sure: Chosen

    @classmethod
    def room(cls, m: int, k: int, r: int) -> Ends:
        """Room for the ends of m searches by k parameters, with r fixed effects."""
        return cls(
            np.empty((m, k)), np.empty((m, k)), np.empty(m), np.empty((m, r + 1)),
            np.zeros(m, dtype=np.int64), np.empty(m), np.zeros(m, dtype=bool),
        )  # fmt: skip

    def take(self, rows: NDArray[np.intp], other: Ends, chosen: Chosen) -> None:
        """Put the chosen rows of `other`, which are `rows` of these, in their place."""
        to = rows[chosen]
        for name in ("points", "gradients", "values", "betas", "decrements"):
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
    variances : (m,) array
        The residual variance in these units where sigma is known, 0 where it is estimated.
    """

    rows: Floats
    units: Floats
    coefficients: Floats
    largest: Floats
    variances: Floats

    def chosen(self, rows: NDArray[np.intp]) -> Residuals:
        """Give some of the rows."""
        return Residuals(*[a[rows] for a in vars(self).values()])


def residuals_of(objective: ProfiledObjective, responses: Floats) -> Residuals:
    """Take responses (m, n), units of the data, off the fixed effects."""
    system, m = objective.system, len(responses)
    out = Residuals(
        np.empty((m, system.n)), np.empty(m), np.empty((m, system.n_fixed)), np.empty(m),
        np.zeros(m),
    )  # fmt: skip
    project_rows(
        np.ascontiguousarray(responses), system.root_weights,
        np.ascontiguousarray(system.basis.q.T), out.rows, out.coefficients, out.units, out.largest,
    )  # fmt: skip
    if system.design.sigma is not None:
        with np.errstate(divide="ignore"):
            out.variances[:] = (system.design.sigma / out.units) ** 2
    return out


def is_compilable(objective: ProfiledObjective) -> bool:
    """Whether the model is of the kind that is searched here."""
    # Columns that are mixed for one part, and theta that are no entries in another, do not go
    # together.
    plain = objective.entries is not None or objective.coordinates is None
    return objective.system.blocked.small is not None and plain


def to_points(objective: ProfiledObjective, thetas: Floats) -> Floats:
    """Points (..., k) of theta (..., k)."""
    return thetas * objective.scale if objective.entries is None else objective.to_entries(thetas)


def from_points(objective: ProfiledObjective, points: Floats) -> Floats:
    """Theta (m, k) of points (m, k), each as by itself."""
    if objective.entries is None:
        return points / objective.scale
    if objective.coordinates is None:
        return objective.from_entries(points)
    return np.array([objective.from_entries(point) for point in points])


def factors_of(objective: ProfiledObjective, points: Floats) -> list[Floats]:
    """Relative covariance factors (m, k, k) for the engine's columns, per grouping factor."""
    terms = objective.system.terms
    if objective.entries is None:
        thetas = from_points(objective, points)
        return [term.standard_factor(thetas[:, term.theta]) for term in terms]
    sizes = [term.size for term in terms]
    flat = np.zeros((len(points), sum(size**2 for size in sizes)))
    flat[:, objective.entries[0]] = points
    ends = np.cumsum([size**2 for size in sizes])
    return [
        flat[:, end - size**2 : end].reshape(-1, size, size)
        for size, end in zip(sizes, ends.tolist(), strict=True)
    ]


def _entries_of(objective: ProfiledObjective, points: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Places in the factors, flattened one after another, and the entries (m, p) that stand there.

    All that are not zero throughout, where theta are no entries.
    """
    if objective.entries is not None:
        return objective.entries[0], points
    places, first = [], 0
    for term in objective.system.terms:
        rows, columns = term.free_entries
        places.append(first + rows * term.size + columns)
        first += term.size**2
    m = len(points)
    flat = np.concatenate([f.reshape(m, -1) for f in factors_of(objective, points)], axis=1)
    chosen = np.concatenate(places)
    return chosen, flat[:, chosen]


def _slopes_of(
    objective: ProfiledObjective, points: Floats, places: NDArray[np.intp], gradients: Floats
) -> Floats:
    """Gradients (m, k) by the points of those (m, p) by entries at these places."""
    thetas, m = from_points(objective, points), len(points)
    terms = objective.system.terms
    flat = np.zeros((m, sum(term.size**2 for term in terms)))
    flat[:, places] = gradients
    out, first = np.empty_like(points), 0
    for term in terms:
        last = first + term.size**2
        own = flat[:, first:last].reshape(m, term.size, term.size)
        out[:, term.theta] = term.pullback(thetas[:, term.theta], own)
        first = last
    return out / objective.scale


def other_starts(objective: ProfiledObjective) -> list[Floats]:
    """Thetas (k,) to search every response from too: none where all weights are equal."""
    return spread_starts(objective) if has_unequal_weights(objective) else []


def start_inverse(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse of the information about theta (k,), internal units (k, k), bounded."""
    return bounded_inverse(standard_information(objective, theta))


def keep_digits(objective: ProfiledObjective, ends: Ends) -> Chosen:
    """Whether doubles have the digits that each end needs (m,): `mixedscope.engine.rounding`."""
    _, entries = _entries_of(objective, ends.points)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(objective.system.n / ends.betas[:, -1], (entries**2).sum(axis=1))
        return np.asarray(ratio <= LARGE_RATIO)


def search_rows(
    objective: ProfiledObjective, starts: Floats, inverse: Floats, residuals: Residuals, most: int
) -> Ends:
    """Search from `starts` (k,), or (m, k), points; if `most` is 1, evaluate there.

    ``objective``: of a model that `is_compilable`. ``inverse`` (k, k): of the Hessian at the
    starts. ``residuals``: of m responses. ``most``: evaluations of each.
    """
    # A copy: an array that may not be written to is another type, compiled for once more.
    starts = np.array(np.broadcast_to(starts, (len(residuals.rows), starts.shape[-1])), order="C")
    if objective.entries is None:
        return _search_in_step(objective, starts, inverse, residuals, most)
    return _run(objective, objective.entries[0], starts, inverse, residuals, most)


def _search_in_step(
    objective: ProfiledObjective, starts: Floats, inverse: Floats, residuals: Residuals, most: int
) -> Ends:
    """Make all searches at once, an evaluation of each in turn; those that are done drop out."""
    (m, k), rows = starts.shape, np.arange(len(starts))
    ends = Ends.room(m, k, objective.system.n_fixed)
    ends.points[:] = starts
    ends.values[:] = ends.decrements[:] = ends.betas[:] = ends.gradients[:] = np.nan
    points = np.array(np.broadcast_to(starts[:, None], (m, 2, k)), order="C")
    gradients = np.full((m, 2, k), np.nan)
    inverses = np.array(np.broadcast_to(inverse, (m, k, k)), order="C")
    directions, states = np.zeros((m, k)), np.zeros((m, STATE))
    for _ in range(most):
        trials = points[rows, 1]
        places, entries = _entries_of(objective, trials)
        none = np.zeros((entries.shape[1], entries.shape[1]))
        own = residuals if len(rows) == m else residuals.chosen(rows)
        there = _run(objective, places, entries, none, own, 1)
        slopes = _slopes_of(objective, trials, places, there.gradients)
        verdicts = np.empty(len(rows), dtype=np.int64)
        advance_rows(
            rows, there.values, slopes, points, gradients, inverses, directions, states,
            _TOLERANCE, verdicts,
        )  # fmt: skip
        ends.counts[rows] += 1
        taken = (verdicts & 1) > 0
        there.points, there.gradients = trials, slopes
        there.decrements = states[rows, DECREMENT]
        ends.take(rows, there, taken)
        rows = rows[verdicts < 2]
        if not len(rows):
            break
    return ends


def _run(
    objective: ProfiledObjective,
    places: NDArray[np.intp],
    starts: Floats,
    inverse: Floats,
    residuals: Residuals,
    most: int,
) -> Ends:
    """Search by entries (m, p) at these places of the factors, in one compiled call."""
    system = objective.system
    small = system.blocked.small
    m, p = starts.shape
    ends = Ends.room(m, p, system.n_fixed)
    room = (ends.points, ends.values, ends.betas, ends.gradients, ends.counts, ends.decrements)
    starts, inverse = np.ascontiguousarray(starts), np.ascontiguousarray(inverse)
    if isinstance(small, SingleSystem):
        own, data, work = small.cleared(reml=objective.reml)
        factor = system.factors[0]
        refit_single(
            factor.codes, factor.z, residuals.rows, own, data, work, places,
            starts, inverse, objective.degrees, residuals.variances, objective.reml, _TOLERANCE,
            most, *room,
        )  # fmt: skip
    else:
        assert isinstance(small, WholeSystem)
        where, codes, z = small.response_places(system.factors)
        table, pattern, node, data, work, n_rest = small.cleared(reml=objective.reml)
        refit_whole(
            where, codes, z, residuals.rows, table, pattern, node, data, work, n_rest,
            small.places(places), starts, inverse, objective.degrees, residuals.variances,
            objective.reml, _TOLERANCE, most, *room,
        )  # fmt: skip
    return ends


def fixed_errors(
    objective: ProfiledObjective, points: Floats, rows: Floats | None = None
) -> Floats:
    """Standard errors over sigma, (m, c), at points (m, k), of contrasts (c, r) in ``rows``.

    By default of the fixed effects one by one. NaN where the system cannot be factorised.
    """
    system = objective.system
    places, points = _entries_of(objective, points)
    small = system.blocked.small
    own = system.r_inverse if rows is None else rows @ system.r_inverse
    contrasts = np.ascontiguousarray(own)
    points = np.array(points, order="C")
    out = np.empty((len(points), len(contrasts)))
    if isinstance(small, SingleSystem):
        pattern, data, work = small.cleared(reml=objective.reml)
        fixed_errors_single(
            pattern, data, work, places, objective.degrees,
            objective.reml, contrasts, points, out,
        )  # fmt: skip
    else:
        assert isinstance(small, WholeSystem)
        table, whole, node, data, work, n_rest = small.cleared(reml=objective.reml)
        fixed_errors_whole(
            table, whole, node, data, work, n_rest, small.places(places), objective.degrees,
            objective.reml, contrasts, points, out,
        )  # fmt: skip
    return out
