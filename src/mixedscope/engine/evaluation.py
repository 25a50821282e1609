"""What one evaluation of the objective yields, inside the engine and outside."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation", "Solution"]

Floats = NDArray[np.float64]


class Evaluation(NamedTuple):
    """One evaluation of the objective, in the units of the response.

    Attributes
    ----------
    objective : float
        -2 profiled log-likelihood, or the REML criterion.
    beta : (r,) array
        Fixed effects given theta.
    sigma : float
        Residual standard deviation given theta.
    log_det : float
        ``log |L|**2``.
    residual_ss : float
        ``|y - X beta - Z b|**2`` (weighted).
    penalty : float
        ``|u|**2``.
    rounding : float
        How far the objective may be from its exact value because differences of large numbers
        were rounded, deviance units; see :mod:`mixedscope.engine.rounding`.
    """

    objective: float
    beta: Floats
    sigma: float
    log_det: float
    residual_ss: float
    penalty: float
    rounding: float = 0.0


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
