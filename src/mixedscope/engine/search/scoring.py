"""A search for the optimum of a large model of crossed random intercepts, by information.

In the logarithms of relative standard deviations the likelihood of variance components is nearly
quadratic even far from the optimum, and the average information is nearly its Hessian. Of a system
that is factorised anyway the information costs one triangular solve, so that every step has its
own: three or four evaluations lead to the optimum.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.engine.evaluation import Solution
from mixedscope.engine.kernels import scalar as kernels_scalar
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.solvers import System
from mixedscope.engine.sparse.system import SparseSystem

__all__ = ["ScoringSearch", "is_scorable", "log_information", "search_scoring"]

Floats = NDArray[np.float64]

# Longest step of a logarithm, and the relative standard deviation below which a variance may as
# well be zero, which has no logarithm: both leave the model to the general search.
_LONGEST = 1.0
_SMALLEST = 0.02
# Least eigenvalue of the information, as a share of the largest, and most halvings of a step.
_LEAST = 1e-6
_HALVINGS = 6


class ScoringSearch:
    """Every evaluation of a search, in order.

    Attributes
    ----------
    thetas, gradients : (m, k) arrays
        Theta units; NaN where the gradient was not needed.
    objectives : list of float
        NaN where the evaluation failed.
    """

    def __init__(self, rows: list[tuple[Floats, Evaluation | None, Floats]]) -> None:
        self.thetas = np.array([theta for theta, _, _ in rows])
        self.gradients = np.array([gradient for _, _, gradient in rows])
        self._evaluations = [evaluation for _, evaluation, _ in rows]
        self.objectives = [math.nan if e is None else e.objective for e in self._evaluations]

    def evaluation(self, number: int) -> Evaluation | None:
        """Give all of one evaluation, counted from 0; None if it failed."""
        return self._evaluations[number]


def is_scorable(blocked: System) -> bool:
    """Whether a system is of the kind that :func:`search_scoring` serves.

    It is too large for compiled code, and every grouping factor has one column, one of them being
    eliminated before all others.
    """
    if isinstance(blocked, SparseSystem):
        sizes = blocked.cross.pattern.sizes
        return len(sizes) > 1 and all(size == 1 for size in sizes)
    pattern = blocked.pattern
    return (
        blocked.small is None
        and len(pattern.tiers) == 1
        and pattern.n_rest > 0
        and all(size == 1 for size in pattern.sizes)
    )


def log_information(
    blocked: System, factors: list[Floats], solution: Solution, degrees: int
) -> Floats:
    """Average information of the logarithms of relative standard deviations, sigma profiled out.

    ``blocked``: right after its ``solve``, of the kind of :func:`is_scorable`.
    ``factors`` (1, 1): what it was solved for, above zero. ``degrees``: n, or n - p under REML.
    Gives (k, k), ``q_i' P q_j / sigma**2`` of Gilmour, Thompson & Cullis (1995, Biometrics 51, eq.
    3). Here ``q_i = 2 Z_i b_i``, and with u_i the spherical modes of one factor, zero elsewhere,
    and A the matrix of the penalised system ``q_i' P q_j = 4 (u_i'u_j - u_i' inv(A) u_j)``.
    """
    if isinstance(blocked, SparseSystem):
        rows = blocked.spherical()
        sizes = (rows * rows).sum(axis=1)
        return _information(sizes, blocked.inner_products(rows), solution, degrees)
    cross, pattern = blocked.cross, blocked.pattern
    where, tier = pattern.tiers[0], cross.tiers[0]
    first_factor = where.factor
    spherical = [b[:, 0] / f[0, 0] for b, f in zip(blocked.modes(), factors, strict=True)]
    scale = float(factors[first_factor][0, 0])
    pivots = 1.0 + scale**2 * tier.d[:, 0, 0]
    right = np.zeros((len(factors), len(cross.rest)))
    for f, first in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
        right[f, first : first + len(spherical[f])] = spherical[f]
    # What is left of the right-hand side when the first factor is eliminated.
    own = spherical[first_factor]
    share = scale * own / pivots
    met = np.empty(pattern.n_rest)
    kernels_scalar.collect_sparse(tier.w[:, 0], where.idx, where.level, share, met)
    for f, first in zip(pattern.rest_factors, pattern.rest_offsets, strict=True):
        columns = slice(first, first + len(spherical[f]))
        right[first_factor, columns] = -float(factors[f][0, 0]) * met[columns]
    right[first_factor, pattern.n_rest :] = -(share @ tier.u[:, -cross.n_tail :, 0])
    blocked.solve_lower(right)
    right[:, -1] = 0.0  # the response is no part of A
    inner = right @ right.T
    inner[first_factor, first_factor] += float(own @ (own / pivots))
    sizes = np.array([float(u @ u) for u in spherical])
    return _information(sizes, inner, solution, degrees)


def _information(sizes: Floats, inner: Floats, solution: Solution, degrees: int) -> Floats:
    """Give the information from ``u_i'u_i`` (k,) and ``u_i' inv(A) u_j`` (k, k)."""
    shared = np.diag(sizes) - inner - np.outer(sizes, sizes) / solution.pwrss
    return np.asarray(4.0 * degrees / solution.pwrss * shared)


def search_scoring(
    objective: ProfiledObjective, theta: Floats, tolerance: float, most: int
) -> ScoringSearch | None:
    """Search for the optimum from theta (k,); see :meth:`SearchableObjective.quasi_newton`.

    Ends early where a variance goes to zero: what is left is for other methods. Gives None if theta
    is no point to start from: too near to zero, or not to be evaluated.
    """
    assert objective.entries is not None
    scales = objective.entries[1]
    theta = np.abs(theta)
    # A structure that fixes a standard deviation leaves fewer parameters than factors.
    if len(theta) != len(objective.system.terms) or np.any(theta * scales < _SMALLEST):
        return None
    rows: list[tuple[Floats, Evaluation | None, Floats]] = []
    evaluation, slope, information = _evaluate(objective, theta, rows)
    if evaluation is None:
        return None
    halvings = 0
    step = _scoring_step(slope, information)
    while len(rows) < most:
        size = max(1.0, abs(evaluation.objective) / 1e4)
        promise = -0.5 * float(slope @ step)
        trial = theta * np.exp(step)
        if promise <= tolerance * size or np.any(trial * scales < _SMALLEST):
            break
        found, new_slope, new_information = _evaluate(objective, trial, rows)
        # Nearer than this to the optimum the objective is flat in rounding.
        allowed = evaluation.objective + 1e-8 * size
        if found is None or not found.objective <= allowed:
            halvings += 1
            if halvings > _HALVINGS:
                break
            step = step / 4.0
            continue
        theta, evaluation, slope = trial, found, new_slope
        step = _scoring_step(slope, new_information)
    return ScoringSearch(rows)


def _evaluate(
    objective: ProfiledObjective,
    theta: Floats,
    rows: list[tuple[Floats, Evaluation | None, Floats]],
) -> tuple[Evaluation | None, Floats, Floats]:
    """Evaluate with gradient and information by the logarithms, and note it down."""
    blocked = objective.system.blocked
    factors = objective.factors(theta)
    try:
        solution = blocked.solve(factors)
        information = log_information(blocked, factors, solution, objective.degrees)
        evaluation, gradient = objective.evaluate_gradient(theta)
    except FloatingPointError:
        nothing = np.full(len(theta), np.nan)
        rows.append((theta, None, nothing))
        return None, nothing, nothing
    rows.append((theta, evaluation, gradient))
    return evaluation, gradient * theta, information


def _scoring_step(slope: Floats, information: Floats) -> Floats:
    """Step of the logarithms, none of them too long."""
    values, vectors = np.linalg.eigh(information)
    values = np.maximum(values, max(_LEAST * float(values[-1]), 1e-300))
    step = -(vectors / values) @ (vectors.T @ slope)
    return np.asarray(step * min(1.0, _LONGEST / max(float(np.abs(step).max()), 1e-300)))
