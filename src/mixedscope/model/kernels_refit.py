"""Many responses, one design: quasi-Newton fits of a single-factor model, compiled as a whole.

A parametric bootstrap refits a small model thousands of times; started from the fit with its
inverse Hessian a refit takes a few evaluations of a few microseconds, less than one call from
Python into an optimiser.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mixedscope.model.kernels_single import derivative_single, solve_single

__all__ = ["refit_single"]

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

    `start` (k,) and `points` (m, k) are theta in internal units, `places` (k,) where its entries
    stand in the flattened factor. `values` (m,) receives the objective without its constants,
    `betas` (m, r + 1) the basis coefficients and the penalised residual, `decrements` (m,) the
    Newton decrement at the end by the last inverse Hessian, which starts from `start_inverse`.
    """
    q, h, size = u.shape
    k = len(start)
    n_inverse = h - 1 if reml else 0
    u = u.copy()
    corner = corner.copy()
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
    gradient = np.empty(k)
    new_gradient = np.empty(k)
    direction = np.empty(k)
    point = np.empty(k)
    trial = np.empty(k)
    step = np.empty(k)
    change = np.empty(k)
    work = np.empty(k)
    inverse = np.empty((k, k))
    for row in range(len(responses)):
        y = responses[row]
        for i in range(q):
            for c in range(size):
                u[i, h - 1, c] = 0.0
        total = 0.0
        for i in range(len(y)):
            total += y[i] * y[i]
            for c in range(size):
                u[codes[i], h - 1, c] += y[i] * z[i, c]
        for i in range(h - 1):
            corner[i, h - 1] = 0.0
        corner[h - 1, h - 1] = total
        inverse[:] = start_inverse
        trial[:] = start
        value = np.inf
        slope = 0.0
        length = 1.0
        halvings = 0
        count = 0
        decrement = np.inf
        first = True
        while count < most:
            for i in range(k):
                flat[places[i]] = trial[i]
            log_det, fixed, pwrss, _ = solve_single(
                d, u, w, ptr, idx, lam, corner, x, m, head, forms, modes, s, coefficient
            )
            count += 1
            new = log_det + degrees * np.log(pwrss)
            if reml:
                new += fixed
            # A step that fails, or does not lower the objective enough, is halved.
            rounding = 1e-13 * abs(new)
            if not first and not new <= value + _ARMIJO * length * slope + rounding:
                halvings += 1
                if halvings > _HALVINGS:
                    break
                length *= 0.5
                for i in range(k):
                    trial[i] = point[i] + length * direction[i]
                continue
            betas[row, : h - 1] = coefficient[: h - 1]
            betas[row, h - 1] = pwrss
            derivative_single(
                d, u, w, ptr, idx, x, m, forms, s, inner, degrees / pwrss, n_inverse, out
            )
            for i in range(k):
                new_gradient[i] = flat_out[places[i]]
            if not first:
                for i in range(k):
                    step[i] = trial[i] - point[i]
                    change[i] = new_gradient[i] - gradient[i]
                _bfgs_update(inverse, step, change, work)
            gain = value - new
            first = False
            halvings = 0
            length = 1.0
            value = new
            slope = 0.0
            for i in range(k):
                point[i] = trial[i]
                gradient[i] = new_gradient[i]
            for i in range(k):
                move = 0.0
                for j in range(k):
                    move -= inverse[i, j] * gradient[j]
                direction[i] = move
                slope += move * gradient[i]
            decrement = -0.5 * slope
            if decrement <= tolerance or (gain <= rounding and decrement <= 1e3 * tolerance):
                break
            for i in range(k):
                trial[i] = point[i] + direction[i]
        points[row] = point
        values[row] = value
        counts[row] = count
        decrements[row] = decrement
