"""Residuals of generalised models: where each response lies among responses drawn from the fit.

The rank of a response among draws of its row, ties broken at random, is uniform if the model holds,
whatever its distribution; as a normal quantile it is read like a residual (Dunn & Smyth 1996, J.
Comput. Graph. Stat. 5; as DHARMa simulates them). Random effects are drawn anew: shrunken modes
would make residuals of a model that is right depend on what is fitted.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from mixedscope.core.seeds import generator
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.generalized import simulated

__all__ = ["DRAWS", "SEED", "points_table", "simulated_residuals"]

Floats = NDArray[np.float64]

#: Responses drawn of every row, and the seed of these and of broken ties.
DRAWS: Final = 250
SEED: Final = 0

#: Numbers drawn at a time.
_AT_ONCE: Final = 2_000_000


def simulated_residuals(objective: LaplaceObjective, point: Floats) -> Floats:
    """Normal quantiles (n,) of the ranks of the responses among those drawn at a point (k,)."""
    system = objective.system
    y = system.response.y
    per_time = max(1, _AT_ONCE // system.n)
    below, equal = np.zeros(system.n), np.zeros(system.n)
    for number, first in enumerate(range(0, DRAWS, per_time)):
        count = min(per_time, DRAWS - first)
        drawn = simulated(objective, point, count, SEED + number, conditional=False)
        # Shares of trials come from divisions.
        same = np.isclose(drawn, y, rtol=1e-12, atol=0.0)
        below += ((drawn < y) & ~same).sum(axis=0)
        equal += same.sum(axis=0)
    ties = generator(SEED, "simulated residuals").random(system.n)
    return np.asarray(ndtri((below + ties * (equal + 1.0)) / (DRAWS + 1.0)))


def population_means(objective: LaplaceObjective, point: Floats) -> Floats:
    """Means (n,) of the rows with random effects of 0."""
    beta = objective.split(np.asarray(point, dtype=float))[1]
    system = objective.system
    return np.asarray(system.family.link.mean(system.fixed_part(beta)))


def fitted_means(objective: LaplaceObjective, point: Floats) -> Floats:
    """Means (n,) of the rows at the conditional modes."""
    objective.reset()
    return np.asarray(objective.system.family.link.mean(objective.modes_at(point).eta))


def points_table(
    objective: LaplaceObjective, point: Floats, index: pd.Index
) -> tuple[pd.DataFrame, bool]:
    """A row per observation: what it is called, fitted mean, place, residual.

    ``index``: labels of all rows given. Gives too whether places are rows in their order, as the
    population means are all the same.
    """
    rows = objective.system.design.rows
    along = population_means(objective, point)
    by_rows = not float(np.ptp(along)) > 1e-9 * float(np.abs(along).max(initial=0.0))
    table = pd.DataFrame(
        {
            "row": rows.astype(np.int64),
            "unit": [str(label) for label in index[rows]],
            "fitted": fitted_means(objective, point),
            "along": rows.astype(float) if by_rows else along,
            "residual": simulated_residuals(objective, point),
            "leverage": np.nan,
            "cooks_distance": np.nan,
        }
    )
    return table, by_rows
