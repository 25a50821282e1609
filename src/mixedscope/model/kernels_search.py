"""Quasi-Newton fits of a model with one grouping factor, compiled as a whole.

Such a model takes a few evaluations of a few microseconds to fit, less than one call from Python
into an optimiser: the search runs in compiled code and hands back every evaluation it made. A
parametric bootstrap refits the model thousands of times in one call.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mixedscope.model.kernels import level_factors
from mixedscope.model.kernels_single import derivative_single, solve_single

__all__ = ["expected_information", "refit_single", "search_single"]

Floats = NDArray[np.float64]

# Sufficient decrease (Nocedal & Wright 2006, eq. 3.4) and most halvings of a step.
_ARMIJO = 1e-4
_HALVINGS = 30


@njit(cache=True)
def _bfgs_update(inverse: Floats, step: Floats, change: Floats, work: Floats) -> None:
    """BFGS update of the inverse Hessian (Nocedal & Wright 2006, eq. 6.17), if curvature allows."""
    k = len(step)
    curvature = 0.0
    for i in range(k):
        curvature += step[i] * change[i]
    if curvature <= 1e-300:
        return
    quadratic = 0.0
    for i in range(k):
        value = 0.0
        for j in range(k):
            value += inverse[i, j] * change[j]
        work[i] = value
        quadratic += change[i] * value
    factor = (1.0 + quadratic / curvature) / curvature
    for i in range(k):
        for j in range(k):
            inverse[i, j] += (
                factor * step[i] * step[j] - (work[i] * step[j] + step[i] * work[j]) / curvature
            )


@njit(cache=True)
def search_single(
    d: Floats,
    u: Floats,
    w: Floats,
    ptr: NDArray[np.int64],
    idx: NDArray[np.uint32],
    corner: Floats,
    places: NDArray[np.int64],
    start: Floats,
    inverse: Floats,
    degrees: int,
    reml: bool,
    tolerance: float,
    points: Floats,
    gradients: Floats,
    parts: Floats,
    betas: Floats,
) -> tuple[int, int, float]:
    """Minimise by BFGS with halved steps, recording every evaluation.

    Parameters
    ----------
    places : (k,) array of int
        Where theta stands in the flattened factor.
    start : (k,) array
        Theta in internal units.
    inverse : (k, k) array
        First inverse Hessian, positive definite; overwritten by the last.
    tolerance : float
        Newton decrement at which to stop.
    points, gradients : (most, k) arrays
        Receive theta and gradient of every evaluation; the gradient is NaN where the step was
        refused before it was computed.
    parts : (most, 4) array
        ``log |L|**2``, ``log |R_X|**2``, penalised residual, ``|u|**2`` (NaN: failed).
    betas : (most, r) array

    Returns
    -------
    evaluations, best, decrement
        How many evaluations were made, which was the last accepted (-1: none), and the Newton
        decrement there by the last inverse Hessian.
    """
    q, h, size = u.shape
    k = len(start)
    most = len(points)
    n_inverse = h - 1 if reml else 0
    lam = np.zeros((size, size))
    flat = lam.reshape(-1)
    x = np.empty((q, size, size))
    m = np.empty((q, size, size))
    head = np.empty((q, h))
    forms = np.empty((q, size))
    modes = np.empty((q, size))
    inner = np.empty((q, size, size))
    s = np.empty((h, h))
    coefficient = np.empty(h)
    out = np.empty((size, size))
    flat_out = out.reshape(-1)
    direction = np.empty(k)
    step = np.empty(k)
    change = np.empty(k)
    work = np.empty(k)
    trial = start.copy()
    best = -1
    value = np.inf
    slope = 0.0
    length = 1.0
    halvings = 0
    decrement = np.inf
    count = 0
    while count < most:
        for i in range(k):
            flat[places[i]] = trial[i]
            points[count, i] = trial[i]
            gradients[count, i] = np.nan
        parts[count] = solve_single(
            d, u, w, ptr, idx, lam, corner, x, m, head, forms, modes, s, coefficient
        )
        betas[count] = coefficient[: h - 1]
        pwrss = parts[count, 2]
        new = parts[count, 0] + degrees * np.log(pwrss)
        if reml:
            new += parts[count, 1]
        count += 1
        # A step that fails, or does not lower the objective enough, is halved.
        rounding = 1e-13 * abs(new)
        if best >= 0 and not new <= value + _ARMIJO * length * slope + rounding:
            halvings += 1
            if halvings > _HALVINGS:
                break
            length *= 0.5
            for i in range(k):
                trial[i] = points[best, i] + length * direction[i]
            continue
        if not np.isfinite(new):
            break
        derivative_single(d, u, w, ptr, idx, x, m, forms, s, inner, degrees / pwrss, n_inverse, out)
        for i in range(k):
            gradients[count - 1, i] = flat_out[places[i]]
        if best >= 0:
            for i in range(k):
                step[i] = trial[i] - points[best, i]
                change[i] = gradients[count - 1, i] - gradients[best, i]
            _bfgs_update(inverse, step, change, work)
        gain = value - new
        best = count - 1
        value = new
        halvings = 0
        length = 1.0
        slope = 0.0
        for i in range(k):
            move = 0.0
            for j in range(k):
                move -= inverse[i, j] * gradients[best, j]
            direction[i] = move
            slope += move * gradients[best, i]
        decrement = -0.5 * slope
        if decrement <= tolerance or (gain <= rounding and decrement <= 1e3 * tolerance):
            break
        for i in range(k):
            trial[i] = points[best, i] + direction[i]
    return count, best, decrement


@njit(cache=True)
def expected_information(
    d: Floats, lam: Floats, rows: NDArray[np.int64], cols: NDArray[np.int64], degrees: int
) -> Floats:
    """Expected information of theta (k, k), sigma profiled out, the fixed effects taken as known.

    The sum over levels of ``tr(B W_i B W_j)`` with ``B = Z'inv(V)Z``, ``W_i`` the derivative of
    ``lam lam'``, less the share that sigma takes up (Searle, Casella & McCulloch 1992, sec. 6.3).
    """
    q, size = d.shape[0], d.shape[1]
    k = len(rows)
    x = np.empty((q, size, size))
    m = np.empty((q, size, size))
    level_factors(d, lam, x, m)
    total = np.zeros((k, k))
    trace = np.zeros(k)
    b = np.empty((size, size))
    t = np.empty((size, size))
    products = np.empty((k, size, size))
    for level in range(q):
        # B = D - D M D.
        for i in range(size):
            for j in range(size):
                value = 0.0
                for c in range(size):
                    value += m[level, i, c] * d[level, c, j]
                t[i, j] = value
        for i in range(size):
            for j in range(size):
                value = d[level, i, j]
                for c in range(size):
                    value -= d[level, i, c] * t[c, j]
                b[i, j] = value
        # W_i = e_r lam_c' + lam_c e_r' with r the row and c the column of the entry.
        for e in range(k):
            r, c = rows[e], cols[e]
            for i in range(size):
                value = 0.0
                for j in range(size):
                    value += b[i, j] * lam[j, c]
                for j in range(size):
                    products[e, i, j] = b[i, r] * lam[j, c]
                products[e, i, r] += value
        for e in range(k):
            for i in range(size):
                trace[e] += products[e, i, i]
            for f in range(e + 1):
                value = 0.0
                for i in range(size):
                    for j in range(size):
                        value += products[e, i, j] * products[f, j, i]
                total[e, f] += value
    for e in range(k):
        for f in range(e + 1):
            total[e, f] -= trace[e] * trace[f] / degrees
            total[f, e] = total[e, f]
    return total


@njit(cache=True)
def refit_single(
    codes: NDArray[np.int64],
    z: Floats,
    responses: Floats,
    d: Floats,
    u: Floats,
    w: Floats,
    ptr: NDArray[np.int64],
    idx: NDArray[np.uint32],
    corner: Floats,
    places: NDArray[np.int64],
    start: Floats,
    start_inverse: Floats,
    degrees: int,
    reml: bool,
    tolerance: float,
    most: int,
    points: Floats,
    values: Floats,
    betas: Floats,
    counts: NDArray[np.int64],
    decrements: Floats,
) -> None:
    """Fit every row of `responses` (m, n): residuals on the fixed effects, internal units.

    `points` (m, k) receives theta in internal units, `values` (m,) the objective without its
    constants, `betas` (m, r + 1) the basis coefficients and the penalised residual, `counts` and
    `decrements` (m,) the evaluations made and the Newton decrement at the end.
    """
    h, size = u.shape[1], u.shape[2]
    k = len(start)
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
        inverse[:] = start_inverse
        counts[row], best, decrements[row] = search_single(
            d, u, w, ptr, idx, corner, places, start, inverse, degrees, reml, tolerance,
            all_points, all_gradients, all_parts, all_betas,
        )  # fmt: skip
        points[row] = all_points[best]
        values[row] = all_parts[best, 0] + degrees * np.log(all_parts[best, 2])
        if reml:
            values[row] += all_parts[best, 1]
        betas[row, : h - 1] = all_betas[best]
        betas[row, h - 1] = all_parts[best, 2]
