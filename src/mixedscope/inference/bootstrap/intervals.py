"""Intervals of the parameters of a fit by parametric bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import named
from mixedscope.core.errors import ModelError
from mixedscope.inference.bootstrap.draws import bootstrap_part, estimated_truth, origin_of
from mixedscope.inference.bootstrap.ends import check_interval
from mixedscope.inference.bootstrap.result import Bootstrap

if TYPE_CHECKING:
    from mixedscope.engine.search.searchable import SearchableObjective

__all__ = ["bootstrap_intervals", "check_draws", "intervals_of_draws"]


def bootstrap_intervals(
    objective: SearchableObjective,
    theta: NDArray[np.float64],
    level: float,
    estimates: pd.DataFrame,
    *,
    draws: int | Bootstrap = 1000,
    seed: int = 0,
    interval: str = "percentile",
) -> pd.DataFrame:
    """Give an interval for each parameter, from draws that are there or so many new ones.

    ``interval`` is that of `Bootstrap.confint`, which says what the columns are.
    """
    check_interval(interval)
    check_draws(draws)
    if not isinstance(draws, Bootstrap):
        missing = estimates.loc[estimates["kind"].isin(["sd", "correlation", "sigma"])]
        missing = missing.loc[missing["estimate"].isna(), ["kind", "group", "term", "term2"]]
        truth = estimated_truth(objective, theta)
        origin = origin_of(
            objective, truth, seed=seed, undetermined=missing.to_numpy(dtype=object).tolist()
        )
        draws = bootstrap_part(objective, truth, range(draws), origin)
    return intervals_of_draws(draws, level, estimates, interval)


def check_draws(draws: object) -> None:
    """Raise ModelError if these are neither draws nor how many."""
    if isinstance(draws, Bootstrap):
        return
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ModelError(
            "draws must be a whole number from 1, or what fit.parametric_bootstrap gives, "
            f"not {named(draws)}."
        )


def intervals_of_draws(
    draws: Bootstrap, level: float, estimates: pd.DataFrame, interval: str
) -> pd.DataFrame:
    """Give an interval for each parameter of a table of estimates, in its order."""
    table = draws.with_estimates(estimates).confint(level, interval)
    key = ["kind", "group", "term", "term2"]
    wanted = estimates.loc[estimates["kind"] != "theta", key].fillna("")
    own = table.set_index(pd.MultiIndex.from_frame(table[key].fillna("")))
    return own.loc[pd.MultiIndex.from_frame(wanted)].reset_index(drop=True)
