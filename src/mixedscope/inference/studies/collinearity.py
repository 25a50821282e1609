"""How much of the variances of fixed effects is owed to their being correlated."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.design import Design

__all__ = ["inflation_factors"]

Floats = NDArray[np.float64]


def inflation_factors(design: Design, kept: NDArray[np.intp], covariance: Floats) -> pd.DataFrame:
    """Generalised variance inflation factors ``|R_11| |R_22| / |R|`` of the terms of fixed effects.

    R holds the correlations of the estimates but for the intercept, R_11 those of a term and R_22
    those of the others. ``covariance`` (r, r) is that of the fixed effects of the columns ``kept``
    (r,), in any unit. Columns left out of the model count for nothing; of one term there is no
    factor.
    """
    place = {int(column): at for at, column in enumerate(kept)}
    owners = {
        term.name: [place[c] for c in term.columns if c in place]
        for term in design.fixed.terms
        if term.variables
    }
    own = [at for columns in owners.values() for at in columns]
    size = np.sqrt(covariance.diagonal())
    correlations = covariance / np.outer(size, size)

    def log_det(columns: list[int]) -> float:
        return float(np.linalg.slogdet(correlations[np.ix_(columns, columns)])[1])

    told = sum(bool(columns) for columns in owners.values()) > 1
    rows = []
    for name, columns in owners.items():
        others = [at for at in own if at not in columns]
        vif = np.nan
        if told and columns:
            vif = float(np.exp(log_det(columns) + log_det(others) - log_det(own)))
        rows.append({"term": name, "df": len(columns), "vif": vif})
    return pd.DataFrame(rows, columns=["term", "df", "vif"])
