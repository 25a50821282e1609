"""What an evaluation of a generalised model's objective gives, and where else to search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["GeneralizedEvaluation", "ManyStarts"]

Floats = NDArray[np.float64]


class GeneralizedEvaluation(NamedTuple):
    """One evaluation of the Laplace approximation.

    Attributes
    ----------
    objective : float
        -2 log-likelihood.
    beta : (r,) array
        The fixed effects at which it was evaluated.
    dispersion : float
        The family's parameter; 1 for families without one.
    log_det : float
        ``log |H|``.
    conditional_deviance : float
        -2 log-likelihood given the modes.
    penalty : float
        ``|u|**2``.
    newton_steps, halvings : int
        Steps to the conditional modes, and how often one was shortened.
    rounding : float
        What rounding may have changed the objective by.
    """

    objective: float
    beta: Floats
    dispersion: float
    log_det: float
    conditional_deviance: float
    penalty: float
    newton_steps: int
    halvings: int
    rounding: float = 0.0


class ManyStarts(NamedTuple):
    """Where another minimum may lie; see `mixedscope.optimize.objective.ManyMinima`."""

    rays: Sequence[Floats] = ()
    starts: Sequence[Floats] = ()
    hopeful: Sequence[Floats] = ()
    rivals: Sequence[Floats] = ()
