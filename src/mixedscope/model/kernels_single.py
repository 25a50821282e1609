"""One grouping factor: a whole evaluation, or a whole gradient, as one compiled call.

With a single factor the rest is empty and only the tail (fixed-effects basis and response) is left
to factorise. For small data the calls into compiled code would cost more than the work.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mixedscope.model.kernels import (
    back_solve_stage,
    cholesky_small,
    eliminate_head,
    level_factors,
)
from mixedscope.model.kernels_inverse import derivative_stage, head_forms, inverse_small

__all__ = ["derivative_single", "solve_single"]

Floats = NDArray[np.float64]


@njit(cache=True)
def solve_single(
    d: Floats,
    u: Floats,
    w: Floats,
    ptr: NDArray[np.int64],
    idx: NDArray[np.uint32],
    lam: Floats,
    corner: Floats,
    x: Floats,
    m: Floats,
    head: Floats,
    forms: Floats,
    modes: Floats,
    s: Floats,
    coefficient: Floats,
) -> tuple[float, float, float, float]:
    """Return ``log |L|**2``, ``log |R_X|**2``, the penalised residual, ``|u|**2``; NaN if broken.

    Arguments as in :mod:`mixedscope.model.kernels`; `corner` (t, t) holds the cross-products of
    the tail in its upper triangle, `s` and `coefficient` (t,) receive factor and coefficients.
    """
    n = len(corner)
    log_det = level_factors(d, lam, x, m)
    for i in range(n):
        for j in range(i, n):
            s[i, j] = corner[i, j]
    eliminate_head(u, m, n, s)
    for i in range(n):
        for j in range(i):
            s[i, j] = s[j, i]
    if not np.isfinite(log_det) or not cholesky_small(s):
        return np.nan, np.nan, np.nan, np.nan
    log_det_fixed = 0.0
    for i in range(n - 1):
        log_det_fixed += 2.0 * np.log(s[i, i])
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
    penalty = back_solve_stage(u, w, x, m, ptr, idx, head, coefficient, forms, modes)
    return log_det, log_det_fixed, s[n - 1, n - 1] ** 2, penalty


@njit(cache=True)
def derivative_single(
    d: Floats,
    u: Floats,
    w: Floats,
    ptr: NDArray[np.int64],
    idx: NDArray[np.uint32],
    x: Floats,
    m: Floats,
    forms: Floats,
    s: Floats,
    inner: Floats,
    weight: float,
    n_inverse: int,
    out: Floats,
) -> None:
    """Fill `out` (k, k) with the derivative by the factor; `n_inverse` is r under REML, else 0."""
    n = len(s)
    inner[:] = 0.0
    out[:] = 0.0
    if n_inverse > 0:
        inverse_small(s, n_inverse)
        for i in range(n):
            for j in range(i, n):
                s[i, j] = s[j, i] if j < n_inverse else 0.0
        head_forms(u, w, ptr, idx, s, n, inner)
    derivative_stage(d, x, m, inner, forms, weight, out)
