"""One grouping factor: evaluations, gradients or a whole search as one compiled call.

With a single factor the rest is empty and only the tail (fixed-effects basis and response) is left
to factorise. For small data the calls into compiled code would cost more than the work. A
parametric bootstrap refits such a model thousands of times in one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import compiled_kernel, inlined, kernel
from mixedscope.engine.compile.logarithm import log
from mixedscope.engine.kernels import steps
from mixedscope.engine.kernels.criterion import (
    inlined_criterion,
    inlined_residual,
    inlined_weight,
)
from mixedscope.engine.kernels.elimination import cholesky_small
from mixedscope.engine.kernels.search import (
    ACCEPT,
    DECREMENT,
    RETRY,
    STATE,
    STOP,
    accept_or_halve,
    next_trial,
)

__all__ = ["refit_single", "run_single"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pattern = tuple[Ints, NDArray[np.uint32], Ints]
Data = tuple[Floats, Floats, Floats, Floats]
Work = tuple[Floats, ...]

_level_factors = steps.level_factors.call
_eliminate_head = steps.eliminate_head.call
_back_solve = steps.back_solve.call
_fixed_forms = steps.fixed_forms.call
_derivative_tier = steps.derivative_tier.call


@inlined
def _solve(pattern: Pattern, data: Data, work: Work) -> tuple[float, float, float, float]:
    """Return ``log |L|**2``, ``log |R_X|**2``, the penalised residual, ``|u|**2``; NaN if broken.

    Factor and coefficients are left in the `s` and `coefficient` of `work`.
    """
    ptr, idx, step = pattern
    d, u, w, corner = data
    lam, x, m, head, forms, modes, _, s, coefficient, _ = work
    n = len(corner)
    log_det = _level_factors(step, d, lam, x, m)
    for i in range(n):
        for j in range(i, n):
            s[i, j] = corner[i, j]
    _eliminate_head(step, u, m, n, s)
    for i in range(n):
        for j in range(i):
            s[i, j] = s[j, i]
    log_det_fixed = pwrss = penalty = np.nan
    if np.isfinite(log_det) and cholesky_small(s):
        log_det_fixed = 0.0
        for i in range(n - 1):
            log_det_fixed += 2.0 * log(s[i, i])
            coefficient[i] = s[n - 1, i]
        for back in range(n - 1):
            j = n - 2 - back
            value = coefficient[j] / s[j, j]
            coefficient[j] = value
            for c in range(j):
                coefficient[c] -= value * s[j, c]
        coefficient[n - 1] = -1.0
        for i in range(len(head)):
            for j in range(n):
                head[i, j] = coefficient[j]
        pwrss = s[n - 1, n - 1] * s[n - 1, n - 1]
        penalty = _back_solve(step, u, w, x, m, ptr, idx, head, coefficient, forms, modes)
    return log_det, log_det_fixed, pwrss, penalty


@kernel
def run_single(
    pattern: Pattern,
    data: Data,
    work: Work,
    places: Ints,
    start: Floats,
    inverse: Floats,
    degrees: int,
    variance: float,
    reml: bool,
    tolerance: float,
    search: bool,
    derive: bool,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    betas: Floats,
) -> tuple[int, int, float]:
    """Evaluate at given points, or search for the optimum and record every evaluation.

    Parameters
    ----------
    pattern : tuple
        ``ptr`` and ``idx`` of the tier, and the addresses of the steps, see
        :mod:`mixedscope.engine.kernels.steps`.
    data : tuple
        ``d``, ``u``, ``w`` of the tier, and the cross-products of the tail.
    work : tuple
        ``lam`` (k, k), zero where theta does not stand; ``x``, ``m``, ``head``, ``forms``,
        ``modes``, ``inner`` (zero unless under REML), ``s``, ``coefficient`` of the sizes in
        :mod:`mixedscope.engine.small`; ``out`` (k, k).
    places : (p,) array of int
        Where theta stands in the flattened factor.
    start : (p,) array
        Where a search starts, internal units.
    inverse : (p, p) array
        First inverse Hessian of a search, positive definite; overwritten by the last.
    degrees : int
        n, or n - p under REML.
    variance : float
        Residual variance, internal units, where it is known; 0 where it is profiled out.
    reml : bool
    tolerance : float
        Newton decrement at which a search stops.
    search : bool
        Otherwise every row of `points` is evaluated.
    derive : bool
        Whether to compute gradients too, as a search must.
    points, gradients : (most, p) arrays
        A search fills in the points. The gradient is NaN where it was not computed: the step was
        refused for its objective.
    parts : (most, 4) array
        Receives ``log |L|**2``, ``log |R_X|**2``, penalised residual, ``|u|**2`` (NaN: failed).
    betas : (most, r) array

    Returns
    -------
    evaluations, best, decrement
        How many evaluations were made, which was the last accepted (-1: none), and the Newton
        decrement there by the last inverse Hessian.
    """
    lam, x, m, _, forms, _, inner, s, coefficient, out = work
    size, r, p = lam.shape[0], len(s) - 1, len(places)
    state = np.zeros(STATE)
    state[DECREMENT] = np.inf
    direction = np.empty(p)
    trial = np.empty(p)
    scratch = np.empty((3, p))
    for i in range(p):
        trial[i] = start[i]
    best = int(np.int64(-1))
    count = 0
    while count < len(points):
        for i in range(p):
            if search:
                points[count, i] = trial[i]
            gradients[count, i] = np.nan
            lam[places[i] // size, places[i] % size] = points[count, i]
        log_det, log_det_fixed, pwrss, penalty = _solve(pattern, data, work)
        parts[count, 0] = log_det
        parts[count, 1] = log_det_fixed
        parts[count, 2] = pwrss
        parts[count, 3] = penalty
        for i in range(r):
            betas[count, i] = coefficient[i]
        residual = inlined_residual(pwrss, degrees, variance)
        new = inlined_criterion(log_det, log_det_fixed, residual, reml)
        verdict = ACCEPT
        if search:
            verdict = accept_or_halve(new, best, points, direction, trial, state)
        count += 1
        if verdict == STOP:
            break
        if verdict == RETRY or not derive:
            continue
        for i in range(size):
            for j in range(size):
                out[i, j] = 0.0
        if reml:
            _fixed_forms(pattern[2], data[1], data[2], pattern[0], pattern[1], s, inner)
        weight = inlined_weight(pwrss, degrees, variance)
        _derivative_tier(pattern[2], data[0], x, m, inner, forms, weight, out)
        for i in range(p):
            gradients[count - 1, i] = out[places[i] // size, places[i] % size]
        if search:
            done = next_trial(
                new, best, count - 1, points, gradients, inverse, tolerance, direction, trial,
                scratch, state,
            )  # fmt: skip
            best = count - 1
            if done:
                break
    return count, best, state[DECREMENT]


@compiled_kernel
def refit_single(
    codes: Ints,
    z: Floats,
    responses: Floats,
    pattern: Pattern,
    data: Data,
    work: Work,
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
    """Fit every row of `responses` (m, n): residuals on the fixed effects, internal units.

    Each from its row of `starts` (m, k), or evaluated there if `most` is 1. `variances` (m,): the
    residual variance where it is known, 0 where it is profiled out. `points` (m, k)
    receives theta in internal units, `values` (m,) the objective without its constants (NaN: it
    could not be evaluated at the start), `betas` (m, r + 1) the basis coefficients and the
    penalised residual, `gradients` (m, k) the gradient, `counts` and `decrements` (m,) the
    evaluations made and the Newton decrement at the end.
    """
    d, u, w, corner = data
    h, size = u.shape[1], u.shape[2]
    k = starts.shape[1]
    u = u.copy()
    corner = corner.copy()
    all_points = np.empty((most, k))
    all_gradients = np.empty((most, k))
    all_parts = np.empty((most, 4))
    all_betas = np.empty((most, h - 1))
    inverse = np.empty((k, k))
    for i in range(h - 1):
        corner[i, h - 1] = 0.0
    for row in range(len(responses)):
        y = responses[row]
        for i in range(len(u)):
            for c in range(size):
                u[i, h - 1, c] = 0.0
        total = 0.0
        for i in range(len(y)):
            total += y[i] * y[i]
            for c in range(size):
                u[codes[i], h - 1, c] += y[i] * z[i, c]
        corner[h - 1, h - 1] = total
        for i in range(k):
            for j in range(k):
                inverse[i, j] = start_inverse[i, j]
        counts[row], best, decrements[row] = run_single(
            pattern, (d, u, w, corner), work, places, starts[row], inverse, degrees, variances[row],
            reml, tolerance, True, True, all_points, all_gradients, all_parts, all_betas,
        )  # fmt: skip
        if best < 0:
            values[row] = np.nan
            for i in range(k):
                points[row, i] = starts[row, i]
                gradients[row, i] = np.nan
            for i in range(h):
                betas[row, i] = np.nan
            continue
        residual = inlined_residual(all_parts[best, 2], degrees, variances[row])
        values[row] = inlined_criterion(all_parts[best, 0], all_parts[best, 1], residual, reml)
        for i in range(k):
            points[row, i] = all_points[best, i]
            gradients[row, i] = all_gradients[best, i]
        for i in range(h - 1):
            betas[row, i] = all_betas[best, i]
        betas[row, h - 1] = all_parts[best, 2]
