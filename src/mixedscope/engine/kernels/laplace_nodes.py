"""Adaptive Gauss-Hermite quadrature of one random effect per level, compiled.

Of a level with mode u and ``H = L L`` there, -2 log-likelihood is that of Laplace's approximation
less twice the logarithm of a sum over nodes z,

    w(z) exp(z**2 / 2 - h(u + z / L) + h(u)),

see :mod:`mixedscope.engine.generalized.quadrature`; h has the rows' log-likelihoods and ``u**2 /
2``. Nodes and the logarithms of ``w(z) exp(z**2 / 2)`` are one list (2 points,), `rule`. With the
share p of each node in the sum, d its distance ``z / L`` from the mode, s scores of rows there and
``m = sum over rows of s z' Lambda`` less the node, what changes the objective of a level is

    (1 + sum p m d) / H by H,    -2 sum p m by u,    -2 sum p d sum s z by Lambda

beside what rows' mean scores ``sum p s`` do, as rows' scores at the mode do without quadrature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import exp, log
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.laplace import predictor
from mixedscope.engine.kernels.laplace_steps import (
    CHANGE,
    FIXED,
    MEAN_CHANGE,
    MEAN_SCORE,
    NODE_ETA,
    NODE_SCORE,
    NODE_SLOPE,
    NODE_WEIGHT,
    OF_LEVEL,
    ROOM,
)

__all__ = ["sum_over_nodes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_rows = laplace_steps.rows.call
_changes = laplace_steps.changes.call
_CHANGES = laplace_steps.ALL.index(laplace_steps.changes)


@part
def sum_over_nodes(
    numbers: Ints,
    level: int,
    first: int,
    last: int,
    z: Floats,
    turned: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    at_mode: float,
    u: Floats,
    root: Floats,
    rows: Floats,
    scratch: Floats,
    rule: Floats,
    sums: Floats,
) -> float:
    """Give the logarithm of the sum over the nodes of a level; NaN if no node has a mean.

    Leaves the means over nodes of what rows' log-likelihoods change by predictor and dispersion in
    `rows`, and in `sums` (OF_LEVEL q,) what changes the objective by H, u and Lambda.

    Parameters
    ----------
    numbers, y, counts, dispersion
        See :func:`mixedscope.engine.kernels.laplace.value_at`.
    level, first, last : int
        The level and its rows, from and up to.
    z, turned : (n, 1) arrays
    at_mode : float
        Log-likelihood of the rows at the mode.
    u : (1,) array
    root : (1, 1) array
        L.
    rows : (ROWS_OF_NODES, n) array
    scratch : (2 ROOM, n) array
        The second half is for rows at the nodes.
    rule : (2 points,) array
    sums : (OF_LEVEL q,) array
    """
    points = len(rule) // 2
    eta, score = rows[NODE_ETA], rows[NODE_SCORE]
    weight, slope = rows[NODE_WEIGHT], rows[NODE_SLOPE]
    mean_score, mean_change = rows[MEAN_SCORE], rows[MEAN_CHANGE]
    own, at = scratch[ROOM:], np.empty(1)
    has_dispersion = numbers[_CHANGES] != 0
    for i in range(first, last):
        mean_score[i] = mean_change[i] = 0.0
    top = -np.inf
    total = by_root = by_mode = by_factor = 0.0
    for node in range(points):
        distance = rule[node] / root[0, 0]
        at[0] = u[0] + distance
        predictor(first, last, rows[FIXED], turned, at, eta)
        value = _rows(
            numbers, numbers, first, last, eta, y, counts, dispersion, own, score, weight, slope
        )  # fmt: skip
        value += rule[points + node] - at_mode - distance * (0.5 * distance + u[0])
        # Where a node has no mean it has no share.
        if not np.isfinite(value):
            continue
        share = 1.0
        if value > top:
            # Shares are of the largest so far.
            less = exp(top - value)
            total, by_root, by_mode = less * total, less * by_root, less * by_mode
            by_factor = less * by_factor
            for i in range(first, last):
                mean_score[i] *= less
                mean_change[i] *= less
            top = value
        else:
            share = exp(value - top)
        total += share
        pull = of_score = 0.0
        for i in range(first, last):
            mean_score[i] += share * score[i]
            pull += turned[i, 0] * score[i]
            of_score += z[i, 0] * score[i]
        pull = share * (pull - at[0])
        by_mode += pull
        by_root += pull * distance
        by_factor += share * distance * of_score
        if has_dispersion:
            _changes(numbers, numbers, first, last, eta, y, dispersion, own)
            for i in range(first, last):
                mean_change[i] += share * own[CHANGE, i]
    if not total > 0.0:
        return np.nan
    for i in range(first, last):
        mean_score[i] /= total
        mean_change[i] /= total
    begin = OF_LEVEL * level
    sums[begin] = (1.0 + by_root / total) / (root[0, 0] * root[0, 0])
    sums[begin + 1] = -2.0 * by_mode / total
    sums[begin + 2] = -2.0 * by_factor / total
    return top + log(total)
