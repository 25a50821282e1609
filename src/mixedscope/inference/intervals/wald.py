"""Wald intervals of the fixed effects: estimates and so many standard errors to each side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.estimates import wald_ends
from mixedscope.inference.intervals.columns import fixed_only, no_value

if TYPE_CHECKING:
    from mixedscope.engine.search.searchable import SearchableObjective

__all__ = ["wald_intervals"]


def wald_intervals(
    objective: SearchableObjective,
    theta: NDArray[np.float64],
    level: float,
    estimates: pd.DataFrame,
) -> pd.DataFrame:
    """Give an interval for each fixed effect, and a row without one for each variance parameter.

    Estimates of standard deviations and correlations are far from normal where an interval is asked
    for, and end at bounds; the column ``remark`` says where to turn.
    """
    table = estimates.loc[estimates["kind"] != "theta"].reset_index(drop=True)
    is_fixed = table["kind"] == "beta"
    errors = table["std_error"].where(is_fixed)
    lower, upper = wald_ends(table["estimate"], errors, level)
    knows_sigma = objective.system.design.sigma is not None
    words = [
        None
        if kind == "beta"
        else no_value(kind, estimate, knows_sigma=knows_sigma) or fixed_only("wald")
        for kind, estimate in zip(table["kind"], table["estimate"], strict=True)
    ]
    return pd.DataFrame(
        {
            **{name: table[name] for name in ("kind", "group", "term", "term2", "estimate")},
            "lower": lower,
            "upper": upper,
            "std_error": errors,
            "df": np.where(is_fixed, np.inf, np.nan),
            "remark": pd.Series(words, dtype=object),
        }
    )
