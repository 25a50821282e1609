"""Searches of generalised models as one compiled call, of those with one factor for many responses.

Points are entries of the covariance factors, coefficients of the fixed-effects columns handed over
and, of families that have one, the logarithm of the dispersion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, kernel, part
from mixedscope.engine.compile.logarithm import exp
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.laplace import information_at, solve_small
from mixedscope.engine.kernels.laplace_steps import (
    ETA,
    PARTS,
    SCORE,
    SLOPE,
    WEIGHT,
    Columns,
    Graph,
    Work,
)
from mixedscope.engine.kernels.search import (
    ACCEPT,
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)

__all__ = ["fit_fixed", "information_of", "refit_laplace", "run_laplace", "table_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_value = laplace_steps.value.call
_rows = laplace_steps.rows.call
_derive = laplace_steps.derive.call
_constant = laplace_steps.constant.call
_tally = laplace_steps.tally.call


@part
def _is_warm(modes: Floats) -> bool:
    """Whether any mode to begin with is not zero."""
    for level in range(len(modes)):
        for a in range(modes.shape[1]):
            if modes[level, a] != 0.0:
                return True
    return False


@kernel
def run_laplace(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    y: Floats,
    table: Floats,
    places: Ints,
    entries: int,
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
    numbers, graph, columns, y, modes, work
        See :func:`mixedscope.engine.kernels.laplace.value_at`.
    table : (any,) array
        See :func:`table_of`.
    places : (p,) array of int
        Where the first entries of a point stand in the flattened factors, one after another.
    entries : int
        Of all factors.
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
        -2 log-likelihood without the constant of the family, but for what the dispersion changes.

    Returns
    -------
    evaluations, best, decrement
        How many evaluations were made, which was the last accepted (-1: none), and the Newton
        decrement there by the last inverse Hessian.
    """
    r, p, m = columns[1].shape[1], len(places), points.shape[1]
    lam, by_factor = np.zeros(entries), np.empty(entries)
    gamma, by_gamma = np.empty(r), np.empty(r)
    constant = np.zeros(2)
    state = np.zeros(STATE)
    state[DECREMENT] = np.inf
    direction, trial, scratch = np.empty(m), np.empty(m), np.empty((3, m))
    for i in range(m):
        trial[i] = points[0, i]
    best = int(np.int64(-1))
    count = 0
    dispersion = 1.0
    has_dispersion = m > p + r
    while count < len(points):
        for i in range(m):
            if search:
                points[count, i] = trial[i]
            gradients[count, i] = np.nan
        for i in range(p):
            lam[places[i]] = points[count, i]
        for j in range(r):
            gamma[j] = points[count, p + j]
        new = np.nan
        if has_dispersion:
            dispersion = exp(points[count, m - 1])
        if dispersion > 0.0 and dispersion < np.inf:
            for _ in range(2):
                is_warm = _is_warm(modes)
                new = _value(
                    numbers, numbers, graph, columns, y, lam, gamma, dispersion, modes, work,
                    parts[count],
                )  # fmt: skip
                if np.isfinite(new):
                    break
                # Modes of a point far away, or that failed, are no place to begin at.
                for level in range(len(modes)):
                    for a in range(modes.shape[1]):
                        modes[level, a] = 0.0
                if not is_warm:
                    break
            if has_dispersion:
                _constant(numbers, table, dispersion, constant)
                new -= 2.0 * constant[0]
        else:
            for i in range(PARTS):
                parts[count, i] = np.nan
        values[count] = new
        verdict = ACCEPT
        if search:
            verdict = accept_or_halve(new, best, points, direction, trial, state)
        count += 1
        if verdict == STOP:
            break
        if verdict == RETRY or not derived or not np.isfinite(new):
            continue
        by_dispersion = _derive(
            numbers, numbers, graph, columns, y, gamma, dispersion, modes, work, by_factor, by_gamma
        )  # fmt: skip
        for i in range(p):
            gradients[count - 1, i] = by_factor[places[i]]
        for j in range(r):
            gradients[count - 1, p + j] = by_gamma[j]
        if has_dispersion:
            gradients[count - 1, m - 1] = by_dispersion - 2.0 * constant[1]
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
    numbers: Ints,
    graph: Graph,
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
    lam, gamma, parts = np.zeros(k * k), np.empty(r), np.empty(PARTS)
    for i in range(p):
        lam[places[i]] = point[i]
    for j in range(r):
        gamma[j] = point[p + j]
    dispersion = exp(point[len(point) - 1]) if len(point) > p + r else 1.0
    value = _value(
        numbers, numbers, graph, columns, y, lam, gamma, dispersion, modes, work, parts
    )  # fmt: skip
    information_at(graph, columns, lam, places, modes, work, by_factor, by_gamma)
    return value


@kernel
def fit_fixed(
    numbers: Ints,
    columns: Columns,
    y: Floats,
    dispersion: float,
    work: Work,
    settled: float,
    most: int,
    coefficients: Floats,
) -> bool:
    """Find the coefficients (r,) of the model without random effects, by Newton steps from them.

    Until one gains no more than `settled` of the log-likelihood. Gives whether that was found: not
    where there is none to begin with, or the information is not positive definite.
    """
    _, x, offset, counts = columns
    rows, scratch = work[2], work[3]
    eta, score, weight, slope = rows[ETA], rows[SCORE], rows[WEIGHT], rows[SLOPE]
    n, r = x.shape
    gram, g, step, trial = np.empty((r, r)), np.empty(r), np.empty(r), np.empty(r)
    for j in range(r):
        step[j] = 0.0
    here = -np.inf
    for count in range(most):
        length = 1.0
        while True:
            for j in range(r):
                trial[j] = coefficients[j] + length * step[j]
            for i in range(n):
                value = offset[i]
                for j in range(r):
                    value += x[i, j] * trial[j]
                eta[i] = value
            there = _rows(
                numbers, numbers, 0, n, eta, y, counts, dispersion, scratch, score, weight, slope
            )  # fmt: skip
            if there >= here - 1e-12 * abs(here) and np.isfinite(there):
                break
            length *= 0.5
            if count == 0 or not length > 1e-6:
                return False
        for j in range(r):
            coefficients[j] = trial[j]
        if there - here < settled * (1.0 + abs(here)):
            return True
        here = there
        for j in range(r):
            g[j] = 0.0
            for m in range(r):
                gram[j, m] = 0.0
        for i in range(n):
            for j in range(r):
                g[j] += x[i, j] * score[i]
                product = x[i, j] * weight[i]
                for m in range(j + 1):
                    gram[j, m] += product * x[i, m]
        if not cholesky_small(gram):
            return False
        solve_small(gram, g, step)
    return True


@kernel
def table_of(numbers: Ints, y: Floats, counts: Floats) -> Floats:
    """What a family needs to know of responses (n,) to say what a dispersion alone adds.

    ``counts`` (n,), or (0,): how many rows each row counts as.
    """
    table = np.zeros(0)
    length = _tally(numbers, y, counts, table)
    if length > 0:
        table = np.zeros(length)
        _tally(numbers, y, counts, table)
    return table


@compiled_kernel
def refit_laplace(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    responses: Floats,
    places: Ints,
    entries: int,
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
    has_dispersion = k > len(places) + columns[1].shape[1]
    all_points, all_gradients = np.empty((most, k)), np.empty((most, k))
    all_parts, all_values = np.empty((most, PARTS)), np.empty(most)
    inverse = np.empty((k, k))
    weights = columns[3]
    for row in range(len(responses)):
        y = responses[row]
        table = np.zeros(0)
        if has_dispersion:
            table = table_of(numbers, y, weights)
        for level in range(len(modes)):
            for a in range(modes.shape[1]):
                modes[level, a] = 0.0
        for i in range(k):
            all_points[0, i] = starts[row, i]
            for j in range(k):
                inverse[i, j] = start_inverse[i, j]
        counts[row], best, decrements[row] = run_laplace(
            numbers, graph, columns, y, table, places, entries, inverse, tolerance, True, True,
            modes, work, all_points, all_gradients, all_parts, all_values,
        )  # fmt: skip
        at = max(best, 0)
        values[row] = all_values[at]
        for i in range(k):
            points[row, i] = all_points[at, i]
            gradients[row, i] = all_gradients[at, i]
        for i in range(PARTS):
            parts[row, i] = all_parts[at, i]
