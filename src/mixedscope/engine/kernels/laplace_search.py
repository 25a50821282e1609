"""Searches of generalised models with one grouping factor as one compiled call, for many responses.

Points are entries of the covariance factor, coefficients of the fixed-effects columns handed over
and, of families that have one, the logarithm of the size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, kernel
from mixedscope.engine.compile.logarithm import exp
from mixedscope.engine.kernels.laplace import (
    PARTS,
    Columns,
    Work,
    derive,
    information_at,
    value_at,
)
from mixedscope.engine.kernels.likelihoods import SIZED, rising
from mixedscope.engine.kernels.search import (
    ACCEPT,
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)

__all__ = ["count_above", "information_of", "refit_laplace", "run_laplace"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def run_laplace(
    kind: int,
    start: Ints,
    columns: Columns,
    y: Floats,
    above: Floats,
    places: Ints,
    inverse: Floats,
    tolerance: float,
    search: bool,
    derived: bool,
    modes: Floats,
    work: Work,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    values: Floats,
) -> tuple[int, int, float]:
    """Evaluate at given points, or search for the optimum and record every evaluation.

    Parameters
    ----------
    kind, start, columns, y, modes, work
        See :func:`mixedscope.engine.kernels.laplace.value_at`.
    above : (any,) array
        See :func:`mixedscope.engine.kernels.likelihoods.rising`; (0,) for families without size.
    places : (p,) array of int
        Where the first entries of a point stand in the flattened factor.
    inverse : (m, m) array
        First inverse Hessian of a search, positive definite; overwritten by the last.
    tolerance : float
        Newton decrement at which a search stops.
    search : bool
        From the first row of `points`; otherwise every row is evaluated.
    derived : bool
        Whether to compute gradients too, as a search must.
    points, gradients : (most, m) arrays
        A search fills in the points. The gradient is NaN where it was not computed: the step was
        refused for its objective.
    parts : (most, PARTS) array
    values : (most,) array
        -2 log-likelihood without the constant of the family, but for what depends on the size.

    Returns
    -------
    evaluations, best, decrement
        How many evaluations were made, which was the last accepted (-1: none), and the Newton
        decrement there by the last inverse Hessian.
    """
    k, r, p, m = modes.shape[1], columns[1].shape[1], len(places), points.shape[1]
    lam, by_factor = np.zeros((k, k)), np.empty((k, k))
    gamma, by_gamma = np.empty(r), np.empty(r)
    state = np.zeros(STATE)
    state[DECREMENT] = np.inf
    direction, trial, scratch = np.empty(m), np.empty(m), np.empty((3, m))
    for i in range(m):
        trial[i] = points[0, i]
    best = int(np.int64(-1))
    count = 0
    size = 1.0
    while count < len(points):
        for i in range(m):
            if search:
                points[count, i] = trial[i]
            gradients[count, i] = np.nan
        for i in range(p):
            lam[places[i] // k, places[i] % k] = points[count, i]
        for j in range(r):
            gamma[j] = points[count, p + j]
        if kind >= SIZED:
            size = exp(points[count, m - 1])
        new = value_at(
            kind, start, columns, y, lam, gamma, size, modes, work, parts[count]
        )  # fmt: skip
        if kind >= SIZED:
            new -= 2.0 * rising(above, size)[0]
        values[count] = new
        if not np.isfinite(new):
            # Modes of a point that failed are no place to begin at.
            for level in range(len(modes)):
                for a in range(k):
                    modes[level, a] = 0.0
        verdict = ACCEPT
        if search:
            verdict = accept_or_halve(new, best, points, direction, trial, state)
        count += 1
        if verdict == STOP:
            break
        if verdict == RETRY or not derived or not np.isfinite(new):
            continue
        by_size = derive(
            kind, start, columns, y, above, gamma, size, modes, work, by_factor, by_gamma
        )  # fmt: skip
        for i in range(p):
            gradients[count - 1, i] = by_factor[places[i] // k, places[i] % k]
        for j in range(r):
            gradients[count - 1, p + j] = by_gamma[j]
        if kind >= SIZED:
            gradients[count - 1, m - 1] = by_size
        if search:
            done = next_trial(
                new, best, count - 1, points, gradients, inverse, tolerance, direction, trial,
                scratch, state,
            )  # fmt: skip
            best = count - 1
            if done:
                break
    return count, best, state[DECREMENT]


@kernel
def information_of(
    kind: int,
    start: Ints,
    columns: Columns,
    y: Floats,
    places: Ints,
    point: Floats,
    modes: Floats,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> float:
    """Fill expected information, times two, by entries of the factor (p, p) and gamma (r, r).

    At a point (m,), after its modes were found; NaN is given back where there are none.
    """
    k, p, r = modes.shape[1], len(places), len(by_gamma)
    lam, gamma, parts = np.zeros((k, k)), np.empty(r), np.empty(PARTS)
    for i in range(p):
        lam[places[i] // k, places[i] % k] = point[i]
    for j in range(r):
        gamma[j] = point[p + j]
    size = exp(point[len(point) - 1]) if kind >= SIZED else 1.0
    value = value_at(kind, start, columns, y, lam, gamma, size, modes, work, parts)
    information_at(start, columns, lam, places, work, by_factor, by_gamma)
    return value


@kernel
def count_above(y: Floats, weights: Floats, above: Floats) -> None:
    """Fill `above`, zeros, with how many of the counts `y` (n,) are larger than 0, 1, ….

    ``weights`` (n,), or (0,): how many rows each row counts as.
    """
    for i in range(len(y)):
        if y[i] > 0.0:
            above[int(y[i]) - 1] += weights[i] if len(weights) > 0 else 1.0
    for j in range(len(above) - 2, -1, -1):
        above[j] += above[j + 1]


@compiled_kernel
def refit_laplace(
    kind: int,
    start: Ints,
    columns: Columns,
    responses: Floats,
    places: Ints,
    starts: Floats,
    start_inverse: Floats,
    tolerance: float,
    most: int,
    modes: Floats,
    work: Work,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    values: Floats,
    counts: Ints,
    decrements: Floats,
) -> None:
    """Fit every row of `responses` (m, n), sorted by level, each from its row of `starts` (m, k).

    Or evaluate there if `most` is 1. `points`, `gradients` (m, k), `parts` (m, PARTS) and `values`
    (m,) receive what :func:`run_laplace` says of where each search ended (NaN: it could not be
    evaluated at the start), `counts` and `decrements` (m,) the evaluations made and the Newton
    decrement.
    """
    k = starts.shape[1]
    n = responses.shape[1]
    all_points, all_gradients = np.empty((most, k)), np.empty((most, k))
    all_parts, all_values = np.empty((most, PARTS)), np.empty(most)
    inverse = np.empty((k, k))
    weights = columns[3]
    for row in range(len(responses)):
        y = responses[row]
        longest = 0
        if kind >= SIZED:
            for i in range(n):
                longest = max(longest, int(y[i]))
        above = np.zeros(longest)
        if kind >= SIZED:
            count_above(y, weights, above)
        for level in range(len(modes)):
            for a in range(modes.shape[1]):
                modes[level, a] = 0.0
        for i in range(k):
            all_points[0, i] = starts[row, i]
            for j in range(k):
                inverse[i, j] = start_inverse[i, j]
        counts[row], best, decrements[row] = run_laplace(
            kind, start, columns, y, above, places, inverse, tolerance, True, True, modes, work,
            all_points, all_gradients, all_parts, all_values,
        )  # fmt: skip
        at = max(best, 0)
        values[row] = all_values[at]
        for i in range(k):
            points[row, i] = all_points[at, i]
            gradients[row, i] = all_gradients[at, i]
        for i in range(PARTS):
            parts[row, i] = all_parts[at, i]
