"""Marginal means of generalised models on the scale of the response, and ratios of pairs of them.

Means are those of the linear predictor brought to the response, as emmeans of R has them: of a
level whose random effects are zero. Standard errors by the delta method; intervals are those of the
linear predictor at both ends, so that they stay inside what a mean can be.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.families.links import Link

__all__ = ["RATIOS", "means_of_response", "ratios"]

Floats = NDArray[np.float64]

RATIOS: Final = ("logit", "log")
"""Links on which a difference is the logarithm of a ratio: of odds, of means."""

#: Step of the derivative of a mean by the linear predictor; differences are good to 1e-10.
_STEP: Final = 1e-5


def means_of_response(table: pd.DataFrame, link: Link) -> pd.DataFrame:
    """Bring a table of means (`mixedscope.inference.means.marginal_means`) to the response."""
    eta = table["mean"].to_numpy(dtype=float)
    with np.errstate(all="ignore"):
        rate = (link.mean(eta + _STEP) - link.mean(eta - _STEP)) / (2.0 * _STEP)
        # Some links fall.
        ends = np.array([link.mean(table[side].to_numpy(dtype=float)) for side in _SIDES])
        return table.assign(
            mean=link.mean(eta),
            std_error=table["std_error"] * np.abs(rate),
            lower=ends.min(axis=0),
            upper=ends.max(axis=0),
        )


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Bring a table of differences of logarithms to ratios; tests stay what they are."""
    estimate = np.exp(table["estimate"])
    return table.assign(
        estimate=estimate,
        std_error=estimate * table["std_error"],
        lower=np.exp(table["lower"]),
        upper=np.exp(table["upper"]),
    )


_SIDES: Final = ("lower", "upper")
