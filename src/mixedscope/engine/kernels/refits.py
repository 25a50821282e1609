"""Many responses of one model: what each leaves on the fixed effects, and a search for each.

Every row is worked on by itself, in one order of sums: what comes of it does not depend on the rows
beside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, inlined
from mixedscope.engine.kernels.criterion import inlined_criterion, inlined_residual
from mixedscope.engine.kernels.search import RETRY, STOP, accept_or_halve, next_trial
from mixedscope.engine.kernels.single import Data, run_single
from mixedscope.engine.kernels.single import Pattern as SinglePattern
from mixedscope.engine.kernels.whole import Pattern as WholePattern
from mixedscope.engine.kernels.whole import run_whole

__all__ = [
    "advance_rows",
    "fixed_errors_single",
    "fixed_errors_whole",
    "project_rows",
    "refit_whole",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Work = tuple[Floats, ...]

# Length of a residual, over that of the response, below which rounding in the projection shows.
_CANCELLED = 1e-2


@inlined
def _dot(a: Floats, b: Floats) -> float:
    """Product of two vectors, by four sums at a time: one alone waits for each addition."""
    n = len(a)
    s0 = s1 = s2 = s3 = 0.0
    for at in range(0, n - 3, 4):
        s0 += a[at] * b[at]
        s1 += a[at + 1] * b[at + 1]
        s2 += a[at + 2] * b[at + 2]
        s3 += a[at + 3] * b[at + 3]
    for at in range(n - n % 4, n):
        s0 += a[at] * b[at]
    return (s0 + s1) + (s2 + s3)


@compiled_kernel
def project_rows(
    responses: Floats,
    root_weights: Floats,
    basis: Floats,
    residuals: Floats,
    coefficients: Floats,
    units: Floats,
    largest: Floats,
) -> None:
    """Weight responses (m, n) and take them off the fixed effects.

    `basis` (r, n): orthonormal rows. `residuals` (m, n) receives what is left, at unit root mean
    square; `units` (m,) that root mean square; `coefficients` (m, r) the coefficients of the basis
    and `largest` (m,) the largest size of a weighted value.
    """
    m, n = responses.shape
    r = len(basis)
    step = np.empty(r)
    for row in range(m):
        y = residuals[row]
        size = 0.0
        for i in range(n):
            value = responses[row, i] * root_weights[i]
            y[i] = value
            size = max(size, abs(value))
        largest[row] = size
        before = _dot(y, y)
        after = before
        for j in range(r):
            coefficients[row, j] = 0.0
        # Twice is enough, see engine/basis.py.
        for _ in range(2):
            for j in range(r):
                step[j] = _dot(y, basis[j])
                coefficients[row, j] += step[j]
            for j in range(r):
                value = step[j]
                for i in range(n):
                    y[i] -= value * basis[j, i]
            after = _dot(y, y)
            if after > _CANCELLED**2 * before:
                break
        unit = np.sqrt(after / n)
        units[row] = unit
        if unit > 0.0:
            for i in range(n):
                y[i] /= unit


@compiled_kernel
def refit_whole(
    places_of_factors: Ints,
    codes: Ints,
    z: Floats,
    responses: Floats,
    table: Ints,
    pattern: WholePattern,
    node: Ints,
    data: Data,
    work: Work,
    n_rest: int,
    places: Ints,
    starts: Floats,
    start_inverse: Floats,
    degrees: int,
    variances: Floats,
    reml: bool,
    tolerance: float,
    most: int,
    points: Floats,
    values: Floats,
    betas: Floats,
    gradients: Floats,
    counts: Ints,
    decrements: Floats,
) -> None:
    """Fit every row of `responses` (m, n); `mixedscope.engine.kernels.single.refit_single`.

    `codes` (factors, n) and `z` (n, columns): levels and columns of all factors side by side.
    `places_of_factors` (factors, 6): the first column of each in `z` and how many it has; how many
    levels; where the products of its first level with the response begin, and how far those of the
    next level are, in the flat head rows of the tiers or, if the last entry is 0, in the last
    column of the rest.
    """
    d, first_u, w, first_rest = data
    u = first_u.copy()
    rest = first_rest.copy()
    size = len(rest)
    r = size - n_rest - 1
    k = starts.shape[1]
    all_points = np.empty((most, k))
    all_gradients = np.empty((most, k))
    all_parts = np.empty((most, 4))
    all_betas = np.empty((most, r))
    inverse = np.empty((k, k))
    for i in range(n_rest, size - 1):
        rest[i, size - 1] = 0.0
    for row in range(len(responses)):
        y = responses[row]
        for f in range(len(places_of_factors)):
            column, width, levels = (
                places_of_factors[f, 0], places_of_factors[f, 1], places_of_factors[f, 2],
            )  # fmt: skip
            begin, step = places_of_factors[f, 3], places_of_factors[f, 4]
            own = codes[f]
            if places_of_factors[f, 5] != 0:
                for level in range(levels):
                    for c in range(width):
                        u[begin + level * step + c] = 0.0
                for i in range(len(y)):
                    at = begin + own[i] * step
                    for c in range(width):
                        u[at + c] += y[i] * z[i, column + c]
            else:
                for level in range(levels):
                    for c in range(width):
                        rest[begin + level * step + c, size - 1] = 0.0
                for i in range(len(y)):
                    at = begin + own[i] * step
                    for c in range(width):
                        rest[at + c, size - 1] += y[i] * z[i, column + c]
        rest[size - 1, size - 1] = _dot(y, y)
        for i in range(k):
            for j in range(k):
                inverse[i, j] = start_inverse[i, j]
        counts[row], best, decrements[row] = run_whole(
            table, pattern, node, (d, u, w, rest), work, n_rest, places, starts[row], inverse,
            degrees, variances[row], reml, tolerance, True, True, False, all_points,
            all_gradients, all_parts, all_betas,
        )  # fmt: skip
        if best < 0:
            values[row] = np.nan
            for i in range(k):
                points[row, i] = starts[row, i]
                gradients[row, i] = np.nan
            for i in range(r + 1):
                betas[row, i] = np.nan
            continue
        residual = inlined_residual(all_parts[best, 2], degrees, variances[row])
        values[row] = inlined_criterion(all_parts[best, 0], all_parts[best, 1], residual, reml)
        for i in range(k):
            points[row, i] = all_points[best, i]
            gradients[row, i] = all_gradients[best, i]
        for i in range(r):
            betas[row, i] = all_betas[best, i]
        betas[row, r] = all_parts[best, 2]


@compiled_kernel
def advance_rows(
    rows: Ints,
    values: Floats,
    slopes: Floats,
    points: Floats,
    gradients: Floats,
    inverses: Floats,
    directions: Floats,
    states: Floats,
    tolerance: float,
    verdicts: Ints,
) -> None:
    """Go on with some of many searches by BFGS, after an evaluation of each.

    `rows` (a,): which searches. `values` (a,), `slopes` (a, k): objective and gradient at their
    trials. `points`, `gradients` (m, 2, k): of each search the best so far, then the trial, which
    is given anew; where there is none yet the first gradient is NaN. `inverses` (m, k, k),
    `directions` (m, k), `states` (m, STATE): see :mod:`mixedscope.engine.kernels.search`.
    `verdicts` (a,) receives whether a trial was taken (bit 1) and whether its search is done (2).
    """
    k = points.shape[2]
    trial, scratch = np.empty(k), np.empty((3, k))
    for i in range(len(rows)):
        row = rows[i]
        verdicts[i] = 0
        best = -1 if np.isnan(gradients[row, 0, 0]) else 0
        for a in range(k):
            trial[a] = points[row, 1, a]
        verdict = accept_or_halve(values[i], best, points[row], directions[row], trial, states[row])
        if verdict == STOP:
            verdicts[i] = 2
            continue
        if verdict == RETRY:
            for a in range(k):
                points[row, 1, a] = trial[a]
            continue
        for a in range(k):
            gradients[row, 1, a] = slopes[i, a]
        done = next_trial(
            values[i], best, 1, points[row], gradients[row], inverses[row], tolerance,
            directions[row], trial, scratch, states[row],
        )  # fmt: skip
        verdicts[i] = 3 if done else 1
        for a in range(k):
            points[row, 0, a] = points[row, 1, a]
            gradients[row, 0, a] = gradients[row, 1, a]
            points[row, 1, a] = trial[a]


@inlined
def _errors(s: Floats, first: int, contrasts: Floats, solved: Floats, errors: Floats) -> None:
    """Lengths (c,) of the rows of `contrasts` (c, r) after a forward substitution.

    The triangle stands in `s` from row `first` on.
    """
    r = contrasts.shape[1]
    for i in range(len(contrasts)):
        total = 0.0
        for a in range(r):
            value = contrasts[i, a]
            for b in range(a):
                value -= s[first + a, first + b] * solved[b]
            solved[a] = value / s[first + a, first + a]
            total += solved[a] * solved[a]
        errors[i] = np.sqrt(total)


@compiled_kernel
def fixed_errors_single(
    pattern: SinglePattern,
    data: Data,
    work: Work,
    places: Ints,
    degrees: int,
    reml: bool,
    contrasts: Floats,
    points: Floats,
    errors: Floats,
) -> None:
    """Standard errors (m, c) of contrasts over sigma at every row of `points` (m, k).

    ``contrasts`` (c, r): of the basis of the fixed effects.
    NaN where the system cannot be factorised; the other arguments are those of
    :func:`mixedscope.engine.kernels.single.run_single`, with one grouping factor.
    """
    s = work[7]
    r, k = contrasts.shape[1], points.shape[1]
    none = np.empty((1, k))
    start = np.empty(k)
    inverse = np.empty((k, k))
    parts = np.empty((1, 4))
    betas = np.empty((1, r))
    solved = np.empty(r)
    for row in range(len(points)):
        run_single(
            pattern, data, work, places, start, inverse, degrees, 0.0, reml, 0.0, False,
            False, points[row : row + 1], none, parts, betas,
        )  # fmt: skip
        _errors(s, 0, contrasts, solved, errors[row])
        if not np.isfinite(parts[0, 1]):
            for i in range(len(contrasts)):
                errors[row, i] = np.nan


@compiled_kernel
def fixed_errors_whole(
    table: Ints,
    pattern: WholePattern,
    node: Ints,
    data: Data,
    work: Work,
    n_rest: int,
    places: Ints,
    degrees: int,
    reml: bool,
    contrasts: Floats,
    points: Floats,
    errors: Floats,
) -> None:
    """Standard errors of contrasts as `fixed_errors_single`, with several grouping factors."""
    s = work[13]
    r, k = contrasts.shape[1], points.shape[1]
    none = np.empty((1, k))
    start = np.empty(k)
    inverse = np.empty((k, k))
    parts = np.empty((1, 4))
    betas = np.empty((1, r))
    solved = np.empty(r)
    for row in range(len(points)):
        run_whole(
            table, pattern, node, data, work, n_rest, places, start, inverse, degrees, 0.0, reml,
            0.0, False, False, False, points[row : row + 1], none, parts, betas,
        )  # fmt: skip
        _errors(s, n_rest, contrasts, solved, errors[row])
        if not np.isfinite(parts[0, 1]):
            for i in range(len(contrasts)):
                errors[row, i] = np.nan
