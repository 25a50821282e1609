"""The Laplace approximation of models with one grouping factor, compiled: value and exact gradient.

With one grouping factor the conditional modes of every level are found by themselves, so that all
of a level stays in the nearest cache. Formulas are those of
:mod:`mixedscope.engine.generalized.laplace`, rows are sorted by level. Models that have a step for
it sum over nodes at the modes of each level: :mod:`mixedscope.engine.kernels.laplace_nodes`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import inlined, part
from mixedscope.engine.compile.logarithm import log
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.laplace_steps import (
    CHANGE,
    ETA,
    FIXED,
    HALVINGS,
    LEVERAGE,
    LIKELIHOOD,
    LOG_DET,
    MEAN_CHANGE,
    MEAN_SCORE,
    MOVED,
    OF_LEVEL,
    PENALTY,
    SCORE,
    SLOPE,
    STEPS_TAKEN,
    WEIGHT,
    Columns,
    Graph,
    Work,
)

__all__ = [
    "GAIN",
    "MOST",
    "ROUNDING",
    "SETTLED",
    "SHORTEST",
    "SLACK",
    "blur",
    "derive",
    "information_at",
    "predictor",
    "shorter",
    "slopes_of_rows",
    "solve_small",
    "summed_up",
    "value_at",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_rows = laplace_steps.rows.call
_changes = laplace_steps.changes.call
_nodes = laplace_steps.nodes.call

# Of all searches for modes, those of :mod:`mixedscope.engine.generalized.modes` too.
#: Newton decrement at which a last step is taken; after it the modes are exact to rounding.
SETTLED = 1e-10
#: The decrement that is nothing but rounding, relative to h; and what h may rise by rounding of
#: itself or, where scores are large, of what they are multiplied by (`blur`).
ROUNDING = 2e-15
SLACK = 4e-16
#: Steps, and the shortest of them: from u = 0 far from the optimum 50 were seen.
MOST = 200
SHORTEST = 1e-8
#: Share of the predicted gain that a step has to bring (Armijo).
GAIN = 1e-4

# Where the numbers of what a dispersion changes, and of what sums over nodes, stand.
_CHANGES = laplace_steps.ALL.index(laplace_steps.changes)
_NODES = laplace_steps.ALL.index(laplace_steps.nodes)


@inlined
def shorter(length: float, rise: float, decrement: float) -> float:
    """A shorter step, at the minimum of a parabola if that is anywhere."""
    excess = rise + length * decrement
    out = 0.25 * length
    if np.isfinite(excess) and excess > 0.0:
        out = 0.5 * decrement * length * length / excess
        out = min(max(out, 0.1 * length), 0.5 * length)
    return out


@inlined
def blur(first: int, last: int, eta: Floats, score: Floats) -> float:
    """How much the log-likelihood of some rows may change as their predictors are rounded."""
    total = 0.0
    for i in range(first, last):
        total += abs(eta[i] * score[i])
    return SLACK * total


@inlined
def summed_up(
    likelihood: float, penalty: float, log_det: float, steps: int, halvings: int, parts: Floats
) -> float:
    """Fill `parts` (PARTS,); give -2 log-likelihood."""
    parts[LIKELIHOOD] = likelihood
    parts[PENALTY] = penalty
    parts[LOG_DET] = log_det
    parts[STEPS_TAKEN] = steps
    parts[HALVINGS] = halvings
    return penalty + log_det - 2.0 * likelihood


@part
def slopes_of_rows(
    numbers: Ints,
    first: int,
    last: int,
    x: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    score: Floats,
    change: Floats,
    rows: Floats,
    scratch: Floats,
    by_gamma: Floats,
) -> float:
    """Turn `rows[MOVED]` of some rows into slopes of the objective by their predictors.

    From how the predictor moves with the modes as these move with the determinant. ``score``,
    ``change`` (n,): what rows' log-likelihoods change by predictor and logarithm of a dispersion;
    that of the mode is put into the scratch. Adds what that is by gamma (r,), and gives what it is
    by the dispersion.
    """
    eta, weight, slope = rows[ETA], rows[WEIGHT], rows[SLOPE]
    leverage, moved = rows[LEVERAGE], rows[MOVED]
    r = len(by_gamma)
    has_dispersion = numbers[_CHANGES] != 0
    is_counted = len(counts) > 0
    if has_dispersion:
        _changes(numbers, numbers, first, last, eta, y, dispersion, scratch)
    by_dispersion = 0.0
    for i in range(first, last):
        along = moved[i]
        own = leverage[i] * slope[i] - weight[i] * along - 2.0 * score[i]
        moved[i] = own
        for j in range(r):
            by_gamma[j] += x[i, j] * own
        if has_dispersion:
            value = leverage[i] * scratch[CHANGE + 2, i] + along * scratch[CHANGE + 1, i]
            value -= 2.0 * change[i]
            by_dispersion += counts[i] * value if is_counted else value
    return by_dispersion


@part
def _information(
    first: int,
    last: int,
    z: Floats,
    score: Floats,
    weight: Floats,
    least: float,
    u: Floats,
    g: Floats,
    h: Floats,
) -> None:
    """Fill `g` (k,) with the slope of the penalised log-likelihood, `h` with its information.

    Rows that have less information than `least` count as if they had that.
    """
    k = len(u)
    for a in range(k):
        g[a] = -u[a]
        for b in range(a):
            h[a, b] = 0.0
        h[a, a] = 1.0
    for i in range(first, last):
        own_weight = max(weight[i], least)
        for a in range(k):
            own = z[i, a]
            g[a] += own * score[i]
            product = own * own_weight
            for b in range(a + 1):
                h[a, b] += product * z[i, b]


@part
def solve_small(root: Floats, right: Floats, out: Floats) -> None:
    """Solve a system whose lower Cholesky factor `root` (k, k) is."""
    k = len(out)
    for a in range(k):
        value = right[a]
        for b in range(a):
            value -= root[a, b] * out[b]
        out[a] = value / root[a, a]
    for back in range(k):
        a = k - 1 - back
        value = out[a]
        for b in range(a + 1, k):
            value -= root[b, a] * out[b]
        out[a] = value / root[a, a]


@part
def predictor(first: int, last: int, fixed: Floats, z: Floats, u: Floats, eta: Floats) -> None:
    """Fill linear predictors of some rows at the modes of their level."""
    k = len(u)
    for i in range(first, last):
        value = fixed[i]
        for c in range(k):
            value += z[i, c] * u[c]
        eta[i] = value


@part
def _level(
    numbers: Ints,
    first: int,
    last: int,
    z: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    enough: float,
    u: Floats,
    h: Floats,
    vectors: Floats,
    rows: Floats,
    scratch: Floats,
) -> tuple[float, int, int]:
    """Find the modes `u` (k,) of a level by Newton steps from where they are.

    Leaves the Cholesky factor of the information in `h`. Gives the log-likelihood, NaN if there is
    no mode, steps and halvings.
    """
    k = len(u)
    g, step, trial = vectors[0], vectors[1], vectors[2]
    fixed, eta = rows[FIXED], rows[ETA]
    score, weight, slope = rows[SCORE], rows[WEIGHT], rows[SLOPE]
    predictor(first, last, fixed, z, u, eta)
    value = _rows(
        numbers, numbers, first, last, eta, y, counts, dispersion, scratch, score, weight, slope
    )  # fmt: skip
    penalty = 0.0
    for a in range(k):
        penalty += u[a] * u[a]
    if not np.isfinite(value + penalty):
        for a in range(k):
            u[a] = 0.0
        penalty = 0.0
        predictor(first, last, fixed, z, u, eta)
        value = _rows(
            numbers, numbers, first, last, eta, y, counts, dispersion, scratch, score, weight, slope
        )  # fmt: skip
    steps = halvings = 0
    is_last = not np.isfinite(value)
    while not is_last:
        steps += 1
        here = 0.5 * penalty - value
        blurred = blur(first, last, eta, score)
        _information(first, last, z, score, weight, -np.inf, u, g, h)
        is_definite = steps <= MOST and cholesky_small(h)
        if steps <= MOST and not is_definite:
            # Where information is negative it counts as none: still a direction of descent.
            _information(first, last, z, score, weight, 0.0, u, g, h)
            is_definite = cholesky_small(h)
        if not is_definite:
            value = np.nan
            break
        solve_small(h, g, step)
        decrement = 0.0
        for a in range(k):
            decrement += g[a] * step[a]
        is_last = decrement < enough or decrement < ROUNDING * (1.0 + abs(here))
        length = 1.0
        while True:
            penalty = 0.0
            for a in range(k):
                trial[a] = u[a] + length * step[a]
                penalty += trial[a] * trial[a]
            predictor(first, last, fixed, z, trial, eta)
            value = _rows(
                numbers, numbers, first, last, eta, y, counts, dispersion, scratch, score, weight,
                slope,
            )  # fmt: skip
            there = 0.5 * penalty - value
            allowed = here - GAIN * length * decrement + SLACK * (1.0 + abs(here))
            if there <= allowed + blurred or (is_last and np.isfinite(there)):
                break
            halvings += 1
            length = shorter(length, there - here, decrement)
            if not length > SHORTEST:
                value = np.nan
                break
        for a in range(k):
            u[a] = trial[a]
        if not np.isfinite(value):
            break
    if np.isfinite(value):
        _information(first, last, z, score, weight, -np.inf, u, g, h)
        if not cholesky_small(h):
            value = np.nan
    return value, steps, halvings


@part
def value_at(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    y: Floats,
    lam: Floats,
    gamma: Floats,
    dispersion: float,
    modes: Floats,
    work: Work,
    parts: Floats,
) -> float:
    """Log-likelihood at the conditional modes less half of all else; fill `parts`.

    Parameters
    ----------
    numbers : (steps,) array of int
        See :mod:`mixedscope.engine.kernels.laplace_steps`, as of `graph`, `columns` and `work`.
    graph, columns : tuple
    y : (n,) array
    lam : (k k,) array
        Covariance factor.
    gamma : (r,) array
    dispersion : float
    modes : (q, k) array
        Spherical modes to begin with; overwritten by those found.
    work : tuple
    parts : (PARTS,) array
        Receives log-likelihood, penalty, log-determinant, steps and halvings.

    Returns
    -------
    float
        -2 log-likelihood without the constant of the family; NaN if it could not be found.
    """
    start = graph[0]
    z, x, offset, counts = columns
    turned, _, rows, scratch, vectors, roots, rule, sums = work
    n, k = z.shape
    r = len(gamma)
    q = len(modes)
    fixed = rows[FIXED]
    has_nodes = numbers[_NODES] != 0
    for i in range(n):
        value = offset[i]
        for j in range(r):
            value += x[i, j] * gamma[j]
        fixed[i] = value
        for a in range(k):
            value = 0.0
            for c in range(a, k):
                value += z[i, c] * lam[c * k + a]
            turned[i, a] = value
    likelihood = penalty = log_det = 0.0
    most = halvings = 0
    enough = SETTLED / q
    for level in range(q):
        u, h = modes[level], roots[level]
        first, last = start[level], start[level + 1]
        value, steps, halved = _level(
            numbers, first, last, turned, y, counts, dispersion, enough, u, h, vectors, rows,
            scratch,
        )  # fmt: skip
        likelihood += value
        most = max(most, steps)
        halvings += halved
        product = 1.0
        for a in range(k):
            penalty += u[a] * u[a]
            product *= h[a, a]
        log_det += 2.0 * log(product)
        if has_nodes:
            log_det -= 2.0 * _nodes(
                numbers, numbers, level, first, last, z, turned, y, counts, dispersion, value, u, h,
                rows, scratch, rule, sums,
            )  # fmt: skip
    return summed_up(likelihood, penalty, log_det, most, halvings, parts)


@part
def derive(
    numbers: Ints,
    graph: Graph,
    columns: Columns,
    y: Floats,
    gamma: Floats,
    dispersion: float,
    modes: Floats,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> float:
    """Derive after `value_at`: fill `by_factor` (k k,) and `by_gamma` (r,).

    Gives the derivative by the logarithm of a dispersion, if there is one, but for that of the
    family's constant.
    """
    start = graph[0]
    z, x, _, counts = columns
    turned, _, rows, scratch, vectors, roots, _, sums = work
    score, weight, slope = rows[SCORE], rows[WEIGHT], rows[SLOPE]
    leverage, moved = rows[LEVERAGE], rows[MOVED]
    k, r, q = z.shape[1], len(gamma), len(modes)
    inverse, product = roots[q], roots[q + 1]
    right, v, of_score, of_r = vectors[0], vectors[1], vectors[2], vectors[3]
    has_nodes = numbers[_NODES] != 0
    mean_score, mean_change = score, scratch[CHANGE]
    if has_nodes:
        mean_score, mean_change = rows[MEAN_SCORE], rows[MEAN_CHANGE]
    for a in range(k * k):
        by_factor[a] = 0.0
    for j in range(r):
        by_gamma[j] = 0.0
    by_dispersion = 0.0
    for level in range(q):
        u, root = modes[level], roots[level]
        first, last = start[level], start[level + 1]
        for b in range(k):
            for a in range(k):
                right[a] = 1.0 if a == b else 0.0
            solve_small(root, right, inverse[b])
        for a in range(k):
            right[a] = of_score[a] = of_r[a] = 0.0
            for b in range(k):
                product[a, b] = 0.0
        if has_nodes:
            inverse[0, 0] = sums[OF_LEVEL * level]
            right[0] = sums[OF_LEVEL * level + 1]
            by_factor[0] += sums[OF_LEVEL * level + 2]
        for i in range(first, last):
            square = 0.0
            for a in range(k):
                value = 0.0
                for b in range(k):
                    value += inverse[a, b] * turned[i, b]
                square += turned[i, a] * value
            leverage[i] = square
            t = square * slope[i]
            for a in range(k):
                right[a] += turned[i, a] * t
                of_score[a] += z[i, a] * score[i]
                value = z[i, a] * weight[i]
                for b in range(k):
                    product[a, b] += value * turned[i, b]
        solve_small(root, right, v)
        for i in range(first, last):
            along = 0.0
            for a in range(k):
                along += turned[i, a] * v[a]
            moved[i] = along
        by_dispersion += slopes_of_rows(
            numbers, first, last, x, y, counts, dispersion, mean_score, mean_change, rows, scratch,
            by_gamma,
        )  # fmt: skip
        for i in range(first, last):
            for a in range(k):
                of_r[a] += z[i, a] * moved[i]
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += product[a, c] * inverse[c, b]
                by_factor[a * k + b] += of_r[a] * u[b] + of_score[a] * v[b] + 2.0 * value
    return by_dispersion


@part
def information_at(
    graph: Graph,
    columns: Columns,
    lam: Floats,
    places: Ints,
    modes: Floats,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> None:
    """Fill expected information, times two, by entries of the factor and by gamma.

    That of the working linear model, after `value_at`: ``tr(Q D Q D)`` summed over levels, with
    ``Q = Z'WZ - Z'WZ Lambda inv(H) Lambda' Z'WZ`` and D the derivative of ``Lambda Lambda'``; and
    ``2 (X'WX - X'WZ Lambda inv(H) Lambda'Z'WX)``.
    """
    start = graph[0]
    z, x, _, _ = columns
    turned, _, rows, _, _, roots, _, _ = work
    weight = rows[WEIGHT]
    k, r, p = z.shape[1], x.shape[1], len(places)
    gram, crossed, solved = np.empty((k, k)), np.empty((r, k)), np.empty((r, k))
    half, q = np.empty((k, k)), np.empty((k, k))
    changes = np.empty((p, k, k))
    by_factor.fill(0.0)
    by_gamma.fill(0.0)
    for level in range(len(modes)):
        gram.fill(0.0)
        crossed.fill(0.0)
        for i in range(start[level], start[level + 1]):
            w = weight[i]
            for a in range(k):
                value = w * z[i, a]
                for b in range(a + 1):
                    gram[a, b] += value * z[i, b]
                value = w * turned[i, a]
                for j in range(r):
                    crossed[j, a] += value * x[i, j]
            for j in range(r):
                value = 2.0 * w * x[i, j]
                for m in range(j + 1):
                    by_gamma[j, m] += value * x[i, m]
        root = roots[level]
        for j in range(r):
            solve_small(root, crossed[j], solved[j])
            for m in range(j + 1):
                value = 0.0
                for a in range(k):
                    value += crossed[m, a] * solved[j, a]
                by_gamma[j, m] -= 2.0 * value
        # Rows of `half` are those of inv(L) Lambda' Z'WZ.
        for b in range(k):
            for a in range(k):
                value = 0.0
                for c in range(a, k):
                    value += lam[c * k + a] * (gram[c, b] if c >= b else gram[b, c])
                for c in range(a):
                    value -= root[a, c] * half[c, b]
                half[a, b] = value / root[a, a]
        for a in range(k):
            for b in range(k):
                value = gram[a, b] if a >= b else gram[b, a]
                for c in range(k):
                    value -= half[c, a] * half[c, b]
                q[a, b] = value
        for i in range(p):
            row, column = places[i] // k, places[i] % k
            for a in range(k):
                value = 0.0
                for c in range(k):
                    value += q[a, c] * lam[c * k + column]
                for b in range(k):
                    changes[i, a, b] = q[a, row] * lam[b * k + column]
                changes[i, a, row] += value
        for i in range(p):
            for j in range(i + 1):
                value = 0.0
                for a in range(k):
                    for b in range(k):
                        value += changes[i, a, b] * changes[j, b, a]
                by_factor[i, j] += value
    for i in range(p):
        for j in range(i):
            by_factor[j, i] = by_factor[i, j]
    for j in range(r):
        for m in range(j):
            by_gamma[m, j] = by_gamma[j, m]
