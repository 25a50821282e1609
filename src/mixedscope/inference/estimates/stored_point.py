"""Where a stored fit ended, read from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.parameters import undetermined

__all__ = ["stored_point"]

Floats = NDArray[np.float64]


def stored_point(info: Mapping[str, Any], estimates: pd.DataFrame) -> Floats:
    """All that was searched (k,) of a stored fit: theta of a linear model.

    Of a generalised one theta, fixed effects and the logarithm of the dispersion.
    """
    theta = _theta(info, estimates)
    if info.get("family") is None:
        return theta
    beta = estimates.loc[estimates["kind"] == "beta", "estimate"].to_numpy(dtype=float)
    made = info.get("dispersion")
    more = [] if made is None else [np.nan if made["log"] is None else float(made["log"])]
    if info["quadrature"] == 0:  # fixed effects are found with the modes
        return np.concatenate([theta, more])
    return np.concatenate([theta, beta, more])


def _theta(info: Mapping[str, Any], estimates: pd.DataFrame) -> Floats:
    """Theta (k,) that a stored fit ended at.

    ``estimates`` has none along directions that the data do not determine; these, and only these,
    are taken from ``fit.json``.
    """
    rows = estimates[estimates["kind"] == "theta"]
    theta = rows["estimate"].to_numpy(dtype=float)
    missing = undetermined(info["certificate"].get("unidentified", ()))
    names = zip(rows["group"], rows["term"], strict=True)
    hidden = np.array([("theta", group, term, None) in missing for group, term in names], bool)
    if "theta" not in info or not hidden.any():  # not in info: stored by earlier versions
        return theta
    return np.where(np.isnan(theta) & hidden, np.array(info["theta"], dtype=float), theta)
