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

from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.refits import (
    Ends,
    keep_digits,
    other_starts,
    search_rows,
    start_inverse,
)
from mixedscope.inference.ladder.tangent import SMALL
from mixedscope.optimize.certificate import rounding

__all__ = ["Start", "below", "compiled_refits", "factors_of"]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

# Most evaluations of a refit.
_MOST = 500

#: Objective still to be gained up to which a search counts as settled.
_SETTLED = 1e-6

#: Theta closer to zero than this fraction of the largest is tried at exactly it, as for any fit.
_TINY = 0.02


@dataclass(frozen=True)
class Start:
    """Where searches begin: theta (k,) and the inverse Hessian (k, k) there, theta units."""

    theta: Floats
    inverse: Floats


def compiled_refits(objective: ProfiledObjective, first: Start, residuals: Floats) -> Ends:
    """Fit the model to residuals (m, n) on the fixed effects, of unit root mean square.

    ``objective``: of a model that is compilable (`mixedscope.engine.search.refits`). ``first``:
    inside the parameter space. ``residuals`` is (m, n).
    """
    inverse = objective.to_entries(objective.to_entries(first.inverse).T)
    ends = search_rows(objective, objective.to_entries(first.theta), inverse, residuals, _MOST)
    near = np.flatnonzero(below(objective, ends.points, SMALL))
    if len(near):
        identity = objective.to_entries(objective.start)
        known = start_inverse(objective, objective.start)
        for starts, guess in ((identity, known), (_raised(objective, ends.points[near]), inverse)):
            again = search_rows(objective, starts, guess, residuals[near], _MOST)
            _take_lower(ends, near, again)
    for theta in other_starts(objective):
        guess = start_inverse(objective, theta)
        again = search_rows(objective, objective.to_entries(theta), guess, residuals, _MOST)
        _take_lower(ends, np.arange(len(residuals)), again)
    _clean(objective, residuals, ends)
    ends.sure = (ends.decrements <= _SETTLED) & keep_digits(objective, ends)
    ends.sure &= np.isfinite(ends.values) & ~_hides_directions(objective, ends.points)
    return ends


def _take_lower(ends: Ends, rows: NDArray[np.intp], other: Ends) -> None:
    """Put ends of other searches of some rows in the place of those that they are lower than."""
    ends.counts[rows] += other.counts
    lower = other.values < ends.values[rows] - _rounding(other.values)
    ends.take(rows, other, lower | ~np.isfinite(ends.values[rows]))


def factors_of(objective: ProfiledObjective, points: Floats) -> list[Floats]:
    """Relative covariance factors (m, k, k) of points (m, k), internal units, per factor."""
    assert objective.entries is not None
    sizes = [term.size for term in objective.system.terms]
    flat = np.zeros((len(points), sum(size**2 for size in sizes)))
    flat[:, objective.entries[0]] = points
    ends = np.cumsum([size**2 for size in sizes])
    return [
        flat[:, end - size**2 : end].reshape(-1, size, size)
        for size, end in zip(sizes, ends.tolist(), strict=True)
    ]


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
    assert objective.entries is not None
    parts = []
    for factors in factors_of(objective, points):
        values, vectors = np.linalg.eigh(factors @ factors.transpose(0, 2, 1))
        raised = vectors * np.maximum(values, SMALL**2)[:, None, :] @ vectors.transpose(0, 2, 1)
        parts.append(np.linalg.cholesky(raised).reshape(len(points), -1))
    return np.asarray(np.concatenate(parts, axis=1)[:, objective.entries[0]])


def _tiny(points: Floats) -> Chosen:
    """Which entries (m, k) are small enough to be tried at exactly zero."""
    largest = np.maximum(1.0, np.abs(points).max(axis=1))
    return np.asarray(np.abs(points) < _TINY * largest[:, None])


def _hides_directions(objective: ProfiledObjective, points: Floats) -> Chosen:
    """Whether a standard deviation is tiny, or zero, and its column of the factor is not.

    Its covariances with others are then products of something tiny: their directions hardly show
    in the gradient, and a search by gradients alone may settle short of the optimum.
    """
    column = objective.columns
    tiny = _tiny(points)
    hidden: Chosen = np.zeros(len(points), dtype=bool)
    for i in np.flatnonzero(objective.lower == 0.0).tolist():
        filled = np.any(points[:, column == column[i]] != 0.0, axis=1)
        hidden |= tiny[:, i] & filled
    return hidden


def _clean(objective: ProfiledObjective, residuals: Floats, ends: Ends) -> None:
    """Put standard deviations at exactly zero where that costs nothing: all that are tiny, or one.

    As `mixedscope.optimize.polish` does it for a fit.
    """
    tiny = _tiny(ends.points)
    bounded = np.flatnonzero(objective.lower == 0.0)
    # With an element of a column of the factor all of the column may go.
    column = objective.columns
    parts = []
    for i in bounded.tolist():
        own = column == column[i]
        part = np.zeros_like(tiny)
        part[:, own] = tiny[:, own].all(axis=1, keepdims=True)
        part[:, i] = tiny[:, i]
        parts.append(part)
    pending: Chosen = np.asarray(tiny[:, bounded].any(axis=1))
    for number, part in enumerate([np.logical_or.reduce(parts), *parts]):
        rows = np.flatnonzero(pending & (part & (ends.points != 0.0)).any(axis=1))
        if not len(rows) or (number and len(parts) == 1):
            continue
        trial = np.where(part[rows], 0.0, ends.points[rows])
        k = trial.shape[1]
        there = search_rows(objective, trial, np.zeros((k, k)), residuals[rows], 1)
        ends.counts[rows] += 1
        there.decrements[:] = ends.decrements[rows]  # of the search; there it has no step to judge
        free = there.values <= ends.values[rows] + _rounding(there.values)
        ends.take(rows, there, free)
        if number == 0:
            pending[rows[free]] = False


def _rounding(values: Floats) -> Floats:
    """Rounding errors (m,) of objectives of these sizes."""
    return np.array([rounding(value) for value in values.tolist()])
