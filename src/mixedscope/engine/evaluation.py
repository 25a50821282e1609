"""What one factorisation of the penalised system yields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solution", "gradients_by_row"]

Floats = NDArray[np.float64]


class Solution(NamedTuple):
    """What one factorisation gives, in the internal units of the cross-products.

    Attributes
    ----------
    log_det : float
        ``log |L|**2`` of the random effects.
    log_det_fixed : float
        ``log |R_X|**2`` on the orthonormal basis of the fixed effects.
    pwrss : float
        Penalised residual sum of squares.
    penalty : float
        ``|u|**2``, the penalty's share of it.
    beta : (r,) array
        Coefficients of the basis.
    """

    log_det: float
    log_det_fixed: float
    pwrss: float
    penalty: float
    beta: Floats


def gradients_by_row(
    evaluate_gradient: Callable[[Floats], tuple[Any, Floats]], points: Floats
) -> Floats:
    """Gradients (m, k) at every row of `points` (m, k), NaN where one fails."""
    out = np.empty_like(points)
    for i, point in enumerate(points):
        try:
            out[i] = evaluate_gradient(point)[1]
        except FloatingPointError:
            out[i] = np.nan
    return out
