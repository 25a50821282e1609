"""Refits of generalised models with one grouping factor in compiled code, a thousand a second.

As of linear models (`mixedscope.inference.estimates.compiled_refits`): searches begin inside the
parameter space, for a search that begins where a variance is zero never leaves it, and those that
end near its boundary look a second time. Standard deviations within reach of zero are put at
exactly zero where that costs nothing. Rows in which a search did not settle, or that end where a
covariance of several random effects is singular, are left to whoever asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.single import SingleEnds, SingleLaplace, by_columns
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.ladder.tangent import SMALL, raised
from mixedscope.optimize.certificate import rounding

__all__ = ["CompiledRefits", "compiled_refits"]

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

#: Newton decrement, deviance units, at which a search ends; and evaluations of it at most.
_TOLERANCE: Final = 1e-9
_MOST: Final = 200

#: Step of the differences that give the first metric, in coordinates of the search, and least
#: curvature as a share of the largest.
_STEP: Final = 1e-4
_LEAST: Final = 1e-3

#: A standard deviation below this is tried at exactly zero, as of any fit.
_TINY: Final = 0.02


@dataclass(frozen=True)
class CompiledRefits:
    """Where refits ended, a row each.

    Attributes
    ----------
    points : (m, k) array
        Canonical, as the objective has them.
    values : (m,) array
    evaluations : (m,) array of int
    sure : (m,) array of bool
        Whether the end may be taken for that of a fit by itself.
    """

    points: Floats
    values: Floats
    evaluations: NDArray[np.int64]
    sure: Chosen


def compiled_refits(
    objective: SingleLaplace, point: Floats, inverse: Floats | None, responses: Floats
) -> tuple[CompiledRefits, Floats]:
    """Fit the model to responses (m, n), from near a point (k,).

    ``inverse``: what the call before gave as its second part, if there was one with this point.
    """
    start = objective.to_points(raised(objective, point))
    if inverse is None:
        inverse = _inverse_hessian(objective, start)
    ends = objective.refit(start, inverse, responses, _TOLERANCE, _MOST)
    sizes = _least_sizes(objective, ends.points)
    near = np.flatnonzero(sizes < SMALL)
    if len(near):
        own, k = responses[near], objective.n_theta
        identity = ends.points[near].copy()
        identity[:, :k] = objective.to_points(objective.start)[:k]
        lifted = objective.to_points(
            np.array([raised(objective, p) for p in objective.from_points(ends.points[near])])
        )
        for starts in (identity, lifted):
            again = objective.refit(starts, inverse, own, _TOLERANCE, _MOST)
            ends.counts[near] += again.counts
            lower = again.values < ends.values[near] - _rounding(again.values)
            ends.take(near, again, lower | ~np.isfinite(ends.values[near]))
    _clean(objective, ends, responses)
    # By what the search began with and by what it ended with: what BFGS has learnt of a narrow
    # valley may say that it is at its bottom when it is not.
    left = 0.5 * (by_columns(ends.gradients, inverse) * ends.gradients).sum(axis=1)
    sure = np.isfinite(ends.values) & (np.maximum(left, ends.decrements) <= SETTLED)
    if objective.system.terms[0].size > 1:
        sure &= ~(_least_sizes(objective, ends.points) < SMALL)
    values = objective.objectives(ends, responses)
    points = objective.from_points(ends.points)
    for i in np.flatnonzero(sure).tolist():
        points[i] = objective.canonical(points[i])
    return CompiledRefits(points, values, ends.counts, sure), inverse


def _inverse_hessian(objective: SingleLaplace, x: Floats) -> Floats:
    """Inverse Hessian (k, k) at coordinates x (k,), positive definite, by differences of slopes."""
    steps = _STEP * np.maximum(np.abs(x), 0.1)
    beside = np.concatenate([x + np.diag(steps), x - np.diag(steps)])
    objective.reset()
    slopes = objective.gradients(objective.from_points(beside)) @ objective.back
    hessian = (slopes[: len(x)] - slopes[len(x) :]) / (2.0 * steps[:, None])
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    sizes = np.abs(values)
    return np.asarray((vectors / np.maximum(sizes, _LEAST * sizes.max())) @ vectors.T)


def _least_sizes(objective: SingleLaplace, points: Floats) -> Floats:
    """Least principal standard deviation (m,) that the structure allows; units of the search."""
    term = objective.system.terms[0]
    if term.size == 1:
        return np.abs(points[:, 0])
    thetas = objective.from_points(points)[:, : objective.n_theta]
    out = np.full(len(points), np.nan)
    fine = np.isfinite(thetas).all(axis=1)
    factors = np.array([term.standard_factor(theta) for theta in thetas[fine]])
    if len(factors):
        out[fine] = np.linalg.svd(factors, compute_uv=False)[:, term.rank - 1]
    return out


def _clean(objective: SingleLaplace, ends: SingleEnds, responses: Floats) -> None:
    """Put standard deviations of a single random effect at exactly zero where that costs nothing.

    As `mixedscope.optimize.polish` does it for a fit.
    """
    if objective.system.terms[0].size > 1:
        return
    tiny = np.flatnonzero((np.abs(ends.points[:, 0]) < _TINY) & (ends.points[:, 0] != 0.0))
    if not len(tiny):
        return
    trial = ends.points[tiny].copy()
    trial[:, 0] = 0.0
    k = trial.shape[1]
    there = objective.refit(trial, np.eye(k), responses[tiny], _TOLERANCE, 1)
    ends.counts[tiny] += 1
    there.decrements[:] = ends.decrements[tiny]  # of the search; there it has no step to judge
    ends.take(tiny, there, there.values <= ends.values[tiny] + _rounding(there.values))


def _rounding(values: Floats) -> Floats:
    """Rounding errors (m,) of objectives of these sizes."""
    return np.array([rounding(value) for value in values.tolist()])
