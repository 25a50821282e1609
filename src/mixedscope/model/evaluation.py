"""What one evaluation of the objective yields."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evaluation"]

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
    """

    objective: float
    beta: Floats
    sigma: float
    log_det: float
    residual_ss: float
    penalty: float
