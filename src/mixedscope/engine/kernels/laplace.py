"""The Laplace approximation of models with one grouping factor, compiled: value and exact gradient.

With one grouping factor the conditional modes of every level are found by themselves, so that all
of a level stays in the nearest cache. Formulas are those of
:mod:`mixedscope.engine.generalized.laplace`, rows are sorted by level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import log
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.likelihoods import SIZED, rising, rows_at, slopes_by_size

__all__ = [
    "HALVINGS",
    "LIKELIHOOD",
    "LOG_DET",
    "PARTS",
    "PENALTY",
    "STEPS",
    "derive",
    "information_at",
    "value_at",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: ``z``, ``x``, ``offset`` and ``counts``, rows sorted by level.
Columns = tuple[Floats, Floats, Floats, Floats]
#: What of `room` in :mod:`mixedscope.engine.generalized.single` is worked in.
Work = tuple[Floats, ...]

#: Places of what an evaluation yields, and how many there are.
LIKELIHOOD, PENALTY, LOG_DET, STEPS, HALVINGS = range(5)
PARTS = 5

# As in :mod:`mixedscope.engine.generalized.modes`: the decrement of all levels together at which a
# last step is taken, what of it is rounding, most steps, shortest of them, Armijo's share.
_SETTLED = 1e-10
_ROUNDING = 2e-15
_SLACK = 4e-16
_MOST = 200
_SHORTEST = 1e-8
_GAIN = 1e-4


@part
def _information(
    first: int, last: int, z: Floats, score: Floats, weight: Floats, u: Floats, g: Floats, h: Floats
) -> None:
    """Fill `g` (k,) with the slope of the penalised log-likelihood, `h` with its information."""
    k = len(u)
    for a in range(k):
        g[a] = -u[a]
        for b in range(a):
            h[a, b] = 0.0
        h[a, a] = 1.0
    for i in range(first, last):
        for a in range(k):
            own = z[i, a]
            g[a] += own * score[i]
            product = own * weight[i]
            for b in range(a + 1):
                h[a, b] += product * z[i, b]


@part
def _solve(root: Floats, right: Floats, out: Floats) -> None:
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
def _level(
    kind: int,
    first: int,
    last: int,
    fixed: Floats,
    z: Floats,
    y: Floats,
    counts: Floats,
    size: float,
    enough: float,
    u: Floats,
    h: Floats,
    vectors: Floats,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> tuple[float, int, int]:
    """Find the modes `u` (k,) of a level by Newton steps from where they are.

    Leaves the Cholesky factor of the information in `h`. Gives the log-likelihood, NaN if there is
    no mode, steps and halvings.
    """
    k = len(u)
    g, step, trial = vectors[0], vectors[1], vectors[2]
    value = rows_at(
        kind, first, last, fixed, z, u, y, counts, size, score, weight, slope
    )  # fmt: skip
    penalty = 0.0
    for a in range(k):
        penalty += u[a] * u[a]
    if not np.isfinite(value + penalty):
        for a in range(k):
            u[a] = 0.0
        penalty = 0.0
        value = rows_at(
            kind, first, last, fixed, z, u, y, counts, size, score, weight, slope
        )  # fmt: skip
    steps = halvings = 0
    is_last = not np.isfinite(value)
    while not is_last:
        steps += 1
        here = 0.5 * penalty - value
        _information(first, last, z, score, weight, u, g, h)
        if steps > _MOST or not cholesky_small(h):
            value = np.nan
            break
        _solve(h, g, step)
        decrement = 0.0
        for a in range(k):
            decrement += g[a] * step[a]
        is_last = decrement < enough or decrement < _ROUNDING * (1.0 + abs(here))
        length = 1.0
        while True:
            penalty = 0.0
            for a in range(k):
                trial[a] = u[a] + length * step[a]
                penalty += trial[a] * trial[a]
            value = rows_at(
                kind, first, last, fixed, z, trial, y, counts, size, score, weight, slope
            )  # fmt: skip
            there = 0.5 * penalty - value
            allowed = here - _GAIN * length * decrement + _SLACK * (1.0 + abs(here))
            if there <= allowed or (is_last and np.isfinite(there)):
                break
            halvings += 1
            excess = there - here + length * decrement
            shorter = 0.25 * length
            if np.isfinite(excess) and excess > 0.0:
                shorter = 0.5 * decrement * length * length / excess
                shorter = min(max(shorter, 0.1 * length), 0.5 * length)
            length = shorter
            if not length > _SHORTEST:
                value = np.nan
                break
        for a in range(k):
            u[a] = trial[a]
        if not np.isfinite(value):
            break
    if np.isfinite(value):
        _information(first, last, z, score, weight, u, g, h)
        if not cholesky_small(h):
            value = np.nan
    return value, steps, halvings


@part
def value_at(
    kind: int,
    start: Ints,
    columns: Columns,
    y: Floats,
    lam: Floats,
    gamma: Floats,
    size: float,
    modes: Floats,
    work: Work,
    parts: Floats,
) -> float:
    """Log-likelihood at the conditional modes less half of all else; fill `parts`.

    Parameters
    ----------
    kind : int
        Family and link, see :mod:`mixedscope.engine.kernels.likelihoods`.
    start : (q + 1,) array of int
        First row of every level.
    columns : tuple
        Random-effects columns (n, k), those of the fixed effects (n, r), offset (n,), and how many
        rows each row counts as (n,), or (0,).
    y : (n,) array
    lam : (k, k) array
        Covariance factor.
    gamma : (r,) array
    size : float
    modes : (q, k) array
        Spherical modes to begin with; overwritten by those found.
    work : tuple
        See :func:`mixedscope.engine.generalized.single.room_of`.
    parts : (PARTS,) array
        Receives log-likelihood, penalty, log-determinant, steps and halvings.

    Returns
    -------
    float
        -2 log-likelihood without the constant of the family; NaN if it could not be found.
    """
    z, x, offset, counts = columns
    turned, fixed, score, weight, slope, roots, vectors, _, _ = work
    n, k = z.shape
    r = len(gamma)
    q = len(modes)
    for i in range(n):
        value = offset[i]
        for j in range(r):
            value += x[i, j] * gamma[j]
        fixed[i] = value
        for a in range(k):
            value = 0.0
            for c in range(a, k):
                value += z[i, c] * lam[c, a]
            turned[i, a] = value
    likelihood = penalty = log_det = 0.0
    most = halvings = 0
    enough = _SETTLED / q
    for level in range(q):
        u, h = modes[level], roots[level]
        value, steps, halved = _level(
            kind, start[level], start[level + 1], fixed, turned, y, counts, size, enough, u, h,
            vectors, score, weight, slope,
        )  # fmt: skip
        likelihood += value
        most = max(most, steps)
        halvings += halved
        product = 1.0
        for a in range(k):
            penalty += u[a] * u[a]
            product *= h[a, a]
        log_det += 2.0 * log(product)
    parts[LIKELIHOOD] = likelihood
    parts[PENALTY] = penalty
    parts[LOG_DET] = log_det
    parts[STEPS] = most
    parts[HALVINGS] = halvings
    return penalty + log_det - 2.0 * likelihood


@part
def derive(
    kind: int,
    start: Ints,
    columns: Columns,
    y: Floats,
    above: Floats,
    gamma: Floats,
    size: float,
    modes: Floats,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> float:
    """Derive after `value_at`: fill `by_factor` (k, k) and `by_gamma` (r,), give that by log(size).

    ``above``: see :func:`mixedscope.engine.kernels.likelihoods.rising`.
    """
    z, x, _, counts = columns
    turned, fixed, score, weight, slope, roots, vectors, blocks, leverage = work
    k, r = z.shape[1], len(gamma)
    inverse, product = blocks[0], blocks[1]
    right, v, of_score, of_r = vectors[0], vectors[1], vectors[2], vectors[3]
    is_sized = kind >= SIZED
    is_counted = len(counts) > 0
    for a in range(k):
        for b in range(k):
            by_factor[a, b] = 0.0
    for j in range(r):
        by_gamma[j] = 0.0
    by_size = 0.0
    for level in range(len(modes)):
        u, root = modes[level], roots[level]
        first, last = start[level], start[level + 1]
        for b in range(k):
            for a in range(k):
                right[a] = 1.0 if a == b else 0.0
            _solve(root, right, inverse[b])
        for a in range(k):
            right[a] = of_score[a] = of_r[a] = 0.0
            for b in range(k):
                product[a, b] = 0.0
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
        _solve(root, right, v)
        for i in range(first, last):
            along = 0.0
            for a in range(k):
                along += turned[i, a] * v[a]
            own = leverage[i] * slope[i] - weight[i] * along - 2.0 * score[i]
            for a in range(k):
                of_r[a] += z[i, a] * own
            for j in range(r):
                by_gamma[j] += x[i, j] * own
            if is_sized:
                eta = fixed[i]
                for a in range(k):
                    eta += turned[i, a] * u[a]
                by_value, by_score, by_weight = slopes_by_size(eta, y[i], size)
                change = leverage[i] * by_weight + along * by_score - 2.0 * by_value
                by_size += counts[i] * change if is_counted else change
        for a in range(k):
            for b in range(k):
                value = 0.0
                for c in range(k):
                    value += product[a, c] * inverse[c, b]
                by_factor[a, b] += of_r[a] * u[b] + of_score[a] * v[b] + 2.0 * value
    if is_sized:
        by_size -= 2.0 * rising(above, size)[1]
    return by_size


@part
def information_at(
    start: Ints,
    columns: Columns,
    lam: Floats,
    places: Ints,
    work: Work,
    by_factor: Floats,
    by_gamma: Floats,
) -> None:
    """Fill expected information, times two, by entries of the factor and by gamma.

    That of the working linear model, after `value_at`: ``tr(Q D Q D)`` summed over levels, with
    ``Q = Z'WZ - Z'WZ Lambda inv(H) Lambda' Z'WZ`` and D the derivative of ``Lambda Lambda'``; and
    ``2 (X'WX - X'WZ Lambda inv(H) Lambda'Z'WX)``.
    """
    z, x, _, _ = columns
    turned, _, _, weight, _, roots, _, _, _ = work
    k, r, p = z.shape[1], x.shape[1], len(places)
    gram, crossed, solved = np.empty((k, k)), np.empty((r, k)), np.empty((r, k))
    half, q = np.empty((k, k)), np.empty((k, k))
    changes = np.empty((p, k, k))
    by_factor.fill(0.0)
    by_gamma.fill(0.0)
    for level in range(len(roots)):
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
            _solve(root, crossed[j], solved[j])
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
                    value += lam[c, a] * (gram[c, b] if c >= b else gram[b, c])
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
                    value += q[a, c] * lam[c, column]
                for b in range(k):
                    changes[i, a, b] = q[a, row] * lam[b, column]
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
