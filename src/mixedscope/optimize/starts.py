"""Where a search begins, by name."""

from __future__ import annotations

import numpy as np

from mixedscope.core.errors import OptimizerError, suggest
from mixedscope.optimize.objective import FloatArray, SmoothObjective

__all__ = ["START_NAMES", "named_start"]

START_NAMES = ("independent", "moments", "identity", "random")


def named_start(objective: SmoothObjective, name: str, *, seed: int = 0) -> FloatArray | None:
    """Give the theta (k,) that a start of this name stands for; None for the optimiser's own.

    ``independent`` is each optimiser's own start, whatever other fits have found; ``moments`` are
    covariances estimated by moments of the data; ``identity`` stands for random effects, on columns
    of unit root mean square, that vary as much as residuals and are uncorrelated; ``random`` is
    drawn from the standard normal distribution with ``seed``, on such columns, with canonical
    signs. Raises OptimizerError if there is no start of this name, or the objective has no estimate
    by moments.
    """
    if name == "independent":
        return None
    if name == "identity":
        return np.asarray(objective.start, dtype=np.float64)
    if name == "random":
        draws = np.random.default_rng(seed).standard_normal(len(objective.theta_names))
        shape = objective.coordinates
        if shape is not None:
            return objective.canonical(np.asarray(np.linalg.solve(shape, draws)))
        return objective.canonical(draws / objective.scale)
    if name != "moments":
        raise OptimizerError(
            f"unknown start {name!r}; a start is an array of theta or one of "
            f"{', '.join(START_NAMES)}.{suggest(name, START_NAMES)}"
        )
    start = objective.moment_start()
    if start is None:
        raise OptimizerError("this objective has no estimate by moments to start from")
    return start
