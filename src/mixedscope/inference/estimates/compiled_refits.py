"""Refits of a small model in compiled code, thousands a second.

A search that begins where a variance is zero never leaves it: the gradient vanishes there by
symmetry, whatever the response. All therefore begin inside the parameter space, and those that end
near its boundary look a second time, from where random effects vary as much as residuals. Where
weights differ, observations of large weight and those of small weight may each suggest a variance:
then every row is searched from several places. What ends within reach of zero is put at exactly
zero where that costs nothing, as any fit is. Rows in which a search did not settle, or in which
rounding counts, are left to whoever asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.group_effects import inverse_of_lower
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.refits import (
    Ends,
    Residuals,
    elsewhere,
    factors_of,
    from_points,
    keep_digits,
    other_starts,
    search_rows,
    start_inverse,
    to_points,
)
from mixedscope.inference.ladder.tangent import SMALL, raised
from mixedscope.optimize.certificate import rounding
from mixedscope.optimize.second_look import HOPE, HOPEFUL

__all__ = ["Start", "below", "compiled_refits", "inverse_hessian"]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Most evaluations of a refit.
_MOST = 500

#: Objective still to be gained up to which a search counts as settled.
_SETTLED = 1e-6

#: Share of the largest eigenvalue of a covariance below which others are rounding.
_DIGITS = 1e-12

#: Theta closer to zero than this fraction of the largest is tried at exactly it, as for any fit.
_TINY = 0.02


@dataclass(frozen=True)
class Start:
    """Where searches begin: theta (k,) and the inverse Hessian (k, k) there, theta units."""

    theta: Floats
    inverse: Floats


def compiled_refits(objective: ProfiledObjective, first: Start, residuals: Residuals) -> Ends:
    """Fit the model to residuals on the fixed effects, of m responses.

    ``objective``: of a model that is compilable (`mixedscope.engine.search.refits`). ``first``:
    inside the parameter space.
    """
    inverse = to_points(objective, to_points(objective, first.inverse).T)
    ends = search_rows(objective, to_points(objective, first.theta), inverse, residuals, _MOST)
    near = np.flatnonzero(below(objective, ends.points, SMALL))
    if len(near):
        own = residuals.chosen(near)
        known = _start_inverse(objective, objective.start)
        identity = to_points(objective, objective.start)
        for starts, guess in ((identity, known), (_raised(objective, ends.points[near]), inverse)):
            again = search_rows(objective, starts, guess, own, _MOST)
            _take_lower(ends, near, again)
    for theta in other_starts(objective):
        guess = _start_inverse(objective, theta)
        again = search_rows(objective, to_points(objective, theta), guess, residuals, _MOST)
        _take_lower(ends, np.arange(len(ends.points)), again)
    _search_elsewhere(objective, residuals, ends, inverse)
    _clean(objective, residuals, ends)
    ends.sure = (ends.decrements <= _SETTLED) & keep_digits(objective, ends)
    ends.sure &= np.isfinite(ends.values) & ~_hides_directions(objective, ends.points)
    _look_beyond(objective, residuals, ends)
    return ends


def _search_elsewhere(
    objective: ProfiledObjective, residuals: Residuals, ends: Ends, inverse: Floats
) -> None:
    """Search from where structures have other minima, from the lowest of such points of each row.

    As `mixedscope.optimize.second_look` does it for a fit.
    """
    points = elsewhere(objective, from_points(objective, ends.points))
    if not points:
        return
    trials = to_points(objective, np.array(points))
    k = trials.shape[-1]
    none = np.zeros((k, k))
    values = np.array([search_rows(objective, t, none, residuals, 1).values for t in trials])
    ends.counts += len(trials)
    limits = ends.values + HOPE
    for places in np.argsort(values, axis=0)[:HOPEFUL]:
        each = np.arange(len(places))
        rows = np.flatnonzero(values[places, each] < limits)
        if len(rows):
            starts = trials[places[rows], rows]
            again = search_rows(objective, starts, inverse, residuals.chosen(rows), _MOST)
            _take_lower(ends, rows, again)


def _start_inverse(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse of the Hessian by points, or of what stands for it, at theta (k,): (k, k)."""
    if objective.entries is not None:
        return start_inverse(objective, theta)
    inverse = inverse_hessian(objective, theta)
    return to_points(objective, to_points(objective, inverse).T)


def inverse_hessian(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse Hessian of the objective at theta (k, k), theta units, made positive definite.

    By central differences of the exact gradient in internal units; eigenvalues below 1/1000 of the
    largest count as that, negative ones as positive, so that a first step is bounded and downhill.
    """
    shape = np.diag(objective.scale) if objective.coordinates is None else objective.coordinates
    back = inverse_of_lower(shape)
    x = shape @ theta
    k = len(x)
    hessian = np.empty((k, k))
    for i in range(k):
        step = np.zeros(k)
        step[i] = 1e-4 * max(abs(x[i]), 0.1)
        _, above = objective.evaluate_gradient(back @ (x + step))
        _, below = objective.evaluate_gradient(back @ (x - step))
        hessian[i] = (above - below) @ back / (2.0 * step[i])
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    sizes = np.abs(values)
    values = np.maximum(sizes, 1e-3 * sizes.max())
    return np.asarray(back @ ((vectors / values) @ vectors.T) @ back.T)


def _take_lower(ends: Ends, rows: NDArray[np.intp], other: Ends) -> None:
    """Put ends of other searches of some rows in the place of those that they are lower than."""
    ends.counts[rows] += other.counts
    lower = other.values < ends.values[rows] - _rounding(other.values)
    ends.take(rows, other, lower | ~np.isfinite(ends.values[rows]))


def below(objective: ProfiledObjective, points: Floats, limit: float) -> Chosen:
    """Whether a principal standard deviation that the structure allows is below a limit.

    ``limit``: over sigma, for columns of unit root mean square.
    """
    found: Chosen = np.zeros(len(points), dtype=bool)
    for term, factors in zip(objective.system.terms, factors_of(objective, points), strict=True):
        if term.size == 1:
            found |= np.abs(factors[:, 0, 0]) < limit
            continue
        open_rows = ~found
        if term.rank == term.size:
            # All singular values make up the determinant, and none is above the Frobenius norm:
            # where that puts the smallest above the limit, with room for rounding, none need be
            # computed.
            norms = np.sqrt(np.einsum("ijk,ijk->i", factors, factors))
            shares = factors.diagonal(axis1=1, axis2=2) / np.maximum(norms, 1e-300)[:, None]
            open_rows &= ~(np.abs(shares.prod(axis=1)) * norms > 1.001 * limit)
        rows = np.flatnonzero(open_rows)
        if len(rows):
            sizes = np.linalg.svd(factors[rows], compute_uv=False)
            found[rows] = sizes[:, term.rank - 1] < limit
    return found


def _raised(objective: ProfiledObjective, points: Floats) -> Floats:
    """Move every point off the boundary, as `inference.ladder.tangent.raised` does one."""
    if objective.entries is None:
        return np.array(
            [to_points(objective, raised(objective, t)) for t in from_points(objective, points)]
        )
    parts = []
    for factors in factors_of(objective, points):
        values, vectors = np.linalg.eigh(factors @ factors.transpose(0, 2, 1))
        # Covariances that grow without end have digits of their largest values alone.
        least = np.maximum(SMALL**2, _DIGITS * values[:, -1:])
        lifted = vectors * np.maximum(values, least)[:, None, :] @ vectors.transpose(0, 2, 1)
        parts.append(np.linalg.cholesky(lifted).reshape(len(points), -1))
    return np.asarray(np.concatenate(parts, axis=1)[:, objective.entries[0]])


def _edges(objective: ProfiledObjective) -> Floats:
    """Sizes (k,) of points at the ends of their ranges, NaN where there are none."""
    return objective.edges if objective.entries is not None else objective.edges * objective.scale


def _tiny(objective: ProfiledObjective, points: Floats) -> Chosen:
    """Which parameters (m, k) are close enough to an end to be tried at exactly it, or to zero."""
    largest = np.maximum(1.0, np.abs(points).max(axis=1))
    edges = np.nan_to_num(_edges(objective))
    return np.asarray(np.abs(np.abs(points) - edges) < _TINY * largest[:, None])


def _hides_directions(objective: ProfiledObjective, points: Floats) -> Chosen:
    """Whether a standard deviation is tiny, or zero, and its column of the factor is not.

    Its covariances with others are then products of something tiny: their directions hardly show
    in the gradient, and a search by gradients alone may settle short of the optimum.
    """
    column = objective.columns
    tiny = _tiny(objective, points)
    hidden: Chosen = np.zeros(len(points), dtype=bool)
    for i in np.flatnonzero(objective.lower == 0.0).tolist():
        filled = np.any(points[:, column == column[i]] != 0.0, axis=1)
        hidden |= tiny[:, i] & filled
    return hidden


def _clean(objective: ProfiledObjective, residuals: Residuals, ends: Ends) -> None:
    """Put parameters exactly at ends of their ranges where that costs nothing: all close, or one.

    As `mixedscope.optimize.polish` does it for a fit.
    """
    tiny = _tiny(objective, ends.points)
    edges = _edges(objective)
    bounded = np.flatnonzero(~np.isnan(edges))
    # With an element of a column of the factor all of the column may go.
    column = objective.columns
    parts = []
    for i in bounded.tolist():
        part = np.zeros_like(tiny)
        if column[i] >= 0 and edges[i] == 0.0:
            own = column == column[i]
            part[:, own] = tiny[:, own].all(axis=1, keepdims=True)
        part[:, i] = tiny[:, i]
        parts.append(part)
    target = np.where(edges > 0.0, np.copysign(np.nan_to_num(edges), ends.points), 0.0)
    pending: Chosen = np.asarray(tiny[:, bounded].any(axis=1))
    for number, part in enumerate([np.logical_or.reduce(parts), *parts]):
        rows = np.flatnonzero(pending & (part & (ends.points != target)).any(axis=1))
        if not len(rows) or (number and len(parts) == 1):
            continue
        trial = np.where(part[rows], target[rows], ends.points[rows])
        k = trial.shape[1]
        there = search_rows(objective, trial, np.zeros((k, k)), residuals.chosen(rows), 1)
        ends.counts[rows] += 1
        there.decrements[:] = ends.decrements[rows]  # of the search; there it has no step to judge
        free = there.values <= ends.values[rows] + _rounding(there.values)
        ends.take(rows, there, free)
        if number == 0:
            pending[rows[free]] = False


def _look_beyond(objective: ProfiledObjective, residuals: Residuals, ends: Ends) -> None:
    """Be not sure of ends beside which the objective falls unseen by slopes and curvature."""
    if not any(s.hides_directions for term in objective.system.terms for s in term.structures):
        return
    at_end = ends.sure & (ends.points == 0.0)[:, objective.edges == 0.0].any(axis=1)
    places, trials = [], []
    for row in np.flatnonzero(at_end).tolist():
        for theta in objective.beyond(from_points(objective, ends.points[row : row + 1])[0]):
            places.append(row)
            trials.append(to_points(objective, theta))
    if not places:
        return
    rows, k = np.array(places), ends.points.shape[1]
    there = search_rows(objective, np.array(trials), np.zeros((k, k)), residuals.chosen(rows), 1)
    ends.counts += np.bincount(rows, minlength=len(ends.counts))
    lower = there.values < ends.values[rows] - _rounding(there.values)
    ends.sure[rows[lower]] = False


def _rounding(values: Floats) -> Floats:
    """Rounding errors (m,) of objectives of these sizes."""
    return np.array([rounding(value) for value in values.tolist()])
