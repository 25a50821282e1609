"""Leverages of observations, by the closed form: never a matrix of observations by observations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.observations import Observations, observations
from mixedscope.inference.estimates.leverage import DIGITS, hidden

__all__ = ["told_observations"]

Floats = NDArray[np.float64]


def told_observations(
    objective: ProfiledObjective, theta: Floats
) -> tuple[Evaluation, Observations]:
    """Give what observations have of the fit at theta, and the evaluation that it belongs to.

    Raises UnsuitedError if rounding leaves nothing of the residuals.
    """
    system = objective.system
    try:
        evaluation = objective.evaluate(theta)
        factors = [f.copy() for f in objective.factors(theta)]
        # Entries of the inverse are those of doubles, whatever the evaluation was made in.
        plain = objective.describe(factors, system.solve(factors))
        if not plain.rounding <= DIGITS:
            raise hidden()
        return evaluation, observations(system, factors)
    except FloatingPointError as error:
        raise hidden() from error
