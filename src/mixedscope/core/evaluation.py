"""What one evaluation of an objective yields, for who computes it and for who minimises."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EstimatedEvaluation", "Evaluated", "Evaluation"]


class Evaluated(Protocol):
    """What an evaluation of any objective yields; its parts are named by the objective."""

    @property
    def objective(self) -> float: ...  # noqa: D102
    @property
    def beta(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def rounding(self) -> float: ...  # noqa: D102


class Evaluation(NamedTuple):
    """One evaluation of the profiled objective, in the units of the response.

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
    beta: NDArray[np.float64]
    sigma: float
    log_det: float
    residual_ss: float
    penalty: float
    rounding: float = 0.0


class EstimatedEvaluation(NamedTuple):
    """One evaluation of a profiled objective that is estimated, in the units of the response.

    What `Evaluation` does not have:

    Attributes
    ----------
    objective_se : float
        Standard error of the objective over sets of probes, deviance units. Fixed effects, sigma,
        residual and penalty are exact.
    gradient_se : (k,) array
        Those of the gradient, theta units; NaN where it was not computed.
    cg_iterations : int
        Iterations of the equation that took most.
    cg_residual : float
        Largest length of what was left of a right-hand side of the data, over its own.
    probes : int
        Number of random probes.
    """

    objective: float
    beta: NDArray[np.float64]
    sigma: float
    log_det: float
    residual_ss: float
    penalty: float
    objective_se: float
    gradient_se: NDArray[np.float64]
    cg_iterations: int
    cg_residual: float
    probes: int
    rounding: float = 0.0
