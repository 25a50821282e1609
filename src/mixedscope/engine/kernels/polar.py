"""The least deviance of a small model with some coordinates held: a whole search as one call.

The coordinates are those of :mod:`mixedscope.covariance.polar` with the logarithm of sigma before
them: rows of a relative covariance factor as lengths, times sigma, and angles. Profiles make such a
search for every point; called from Python, each of its evaluations would take many times longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, part
from mixedscope.engine.kernels.search import (
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)
from mixedscope.engine.kernels.whole import Data, Pattern, Work, run_whole

__all__ = ["DIAGONAL", "LAYOUT", "TRIANGLE", "search_polar"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Columns of a layout, a row for each part of a term: its kind, its columns, how many columns of its
# factor are free, and where its coordinates and its theta begin.
_KIND, _SIZE, _RANK, _OWN, _THETA = range(5)
LAYOUT = 5
TRIANGLE, DIAGONAL = range(2)


@part
def _entries(x: Floats, layout: Ints, scales: Floats, point: Floats) -> None:
    """Entries of the factors, `point`, at coordinates x; `scales` bring theta to them."""
    sigma = np.exp(x[0])
    for row in range(len(layout)):
        size, rank = layout[row, _SIZE], layout[row, _RANK]
        own, theta = layout[row, _OWN], layout[row, _THETA]
        if layout[row, _KIND] == DIAGONAL:
            for a in range(size):
                point[theta + a] = x[own + a] / sigma * scales[theta + a]
            continue
        angle = own + size
        for a in range(size):
            width = min(a + 1, rank)
            left = x[own + a] / sigma
            at = theta + a
            for j in range(width):
                value = left
                if j < width - 1:
                    value = left * np.sin(x[angle])
                    left *= np.cos(x[angle])
                    angle += 1
                point[at] = value * scales[at]
                at += size - j - 1


@part
def _pull_back(x: Floats, layout: Ints, scales: Floats, gradient: Floats, slope: Floats) -> None:
    """Add to `slope`, by the coordinates, what a gradient by the entries makes of it."""
    sigma = np.exp(x[0])
    for row in range(len(layout)):
        size, rank = layout[row, _SIZE], layout[row, _RANK]
        own, theta = layout[row, _OWN], layout[row, _THETA]
        if layout[row, _KIND] == DIAGONAL:
            for a in range(size):
                by_length = gradient[theta + a] * scales[theta + a] / sigma
                slope[own + a] = by_length
                slope[0] -= by_length * x[own + a]
            continue
        first = own + size
        for a in range(size):
            width = min(a + 1, rank)
            # From the last entry to the first: `inner` is the sum over the entries from j on, each
            # without the cosines before it.
            at = theta + a
            for j in range(width - 1):
                at += size - j - 1
            inner = gradient[at] * scales[at]
            for back in range(width - 1):
                j = width - 2 - back
                at -= size - j - 1
                sine, cosine = np.sin(x[first + j]), np.cos(x[first + j])
                own_part = gradient[at] * scales[at]
                before = x[own + a] / sigma
                for i in range(j):
                    before *= np.cos(x[first + i])
                slope[first + j] = before * (own_part * cosine - sine * inner)
                inner = own_part * sine + cosine * inner
            by_length = inner / sigma
            slope[own + a] = by_length
            slope[0] -= by_length * x[own + a]
            first += width - 1


@compiled_kernel
def search_polar(
    table: Ints,
    pattern: Pattern,
    node: Ints,
    data: Data,
    work: Work,
    n_rest: int,
    places: Ints,
    layout: Ints,
    scales: Floats,
    unit: float,
    x: Floats,
    free: Ints,
    inverse: Floats,
    degrees: int,
    reml: bool,
    tolerance: float,
    most: int,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    betas: Floats,
    slope: Floats,
) -> tuple[int, bool]:
    """Search for the least deviance by the free coordinates, by BFGS.

    Parameters
    ----------
    table, pattern, node, data, work, n_rest, places
        As of :func:`mixedscope.engine.kernels.whole.run_whole`.
    layout : (parts, LAYOUT) array of int
    scales : (p,) array
        Bring theta to the entries of the factors.
    unit : float
        Of the response, internally.
    x : (m,) array
        Where to start; receives where the search ended.
    free : (f,) array of int
    inverse : (f, f) array
        First inverse Hessian by the free coordinates; overwritten by the last.
    degrees : int
    reml : bool
    tolerance : float
        Newton decrement at which to stop.
    most : int
        Evaluations at most.
    points, gradients : (1, p) arrays
    parts : (1, 4) array
    betas : (1, r) array
        Receive, with `slope` (m,), what the evaluation gave where the search ended.

    Returns
    -------
    evaluations, found
        How many were made, and whether any could be.
    """
    f, m, p, r = len(free), len(x), points.shape[1], betas.shape[1]
    trials, slopes = np.empty((most, f)), np.empty((most, f))
    state = np.zeros(STATE)
    state[DECREMENT] = np.inf
    direction, trial, scratch = np.empty(f), np.empty(f), np.empty((3, f))
    own_parts, own_betas, own_slope = np.empty((1, 4)), np.empty((1, r)), np.empty(m)
    none = np.empty((0, 0))
    start = np.empty(p)
    for i in range(f):
        trial[i] = x[free[i]]
    best = int(np.int64(-1))
    count = 0
    while count < most:
        for i in range(f):
            trials[count, i] = trial[i]
            x[free[i]] = trial[i]
        variance = (np.exp(x[0]) / unit) ** 2
        _entries(x, layout, scales, points[0])
        run_whole(
            table, pattern, node, data, work, n_rest, places, start, none, degrees, variance, reml,
            0.0, False, True, False, points, gradients, own_parts, own_betas,
        )  # fmt: skip
        squares = own_parts[0, 2] / variance
        new = own_parts[0, 0] + squares + degrees * np.log(variance)
        if reml:
            new += own_parts[0, 1]
        verdict = accept_or_halve(new, best, trials, direction, trial, state)
        count += 1
        if verdict == STOP:
            break
        if verdict == RETRY:
            continue
        for i in range(m):
            own_slope[i] = 0.0
        own_slope[0] = 2.0 * (degrees - squares)
        _pull_back(x, layout, scales, gradients[0], own_slope)
        for i in range(f):
            slopes[count - 1, i] = own_slope[free[i]]
        for i in range(m):
            slope[i] = own_slope[i]
        for i in range(4):
            parts[0, i] = own_parts[0, i]
        for i in range(r):
            betas[0, i] = own_betas[0, i]
        done = next_trial(
            new, best, count - 1, trials, slopes, inverse, tolerance, direction, trial, scratch,
            state,
        )  # fmt: skip
        best = count - 1
        if done:
            break
    if best >= 0:
        for i in range(f):
            x[free[i]] = trials[best, i]
        _entries(x, layout, scales, points[0])
    return count, best >= 0
