"""How the random effects of one level depend on each other once its data are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.mode import MODE_CORRELATIONS

__all__ = ["mode_correlations_study"]


def mode_correlations_study(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Give the conditional correlations of every two random effects of a level.

    Given the data and the fixed effects, as the standard deviations in ``modes`` are: with these
    they are the conditional covariances, of which the ellipse about a mode is drawn. NaN where a
    standard deviation is zero.
    """
    system = fit.objective.system
    frames: list[pd.DataFrame] = []
    covariances = []
    if any(term.size > 1 for term in system.terms):
        fit.estimation.begin()
        covariances = fit.estimation.mode_covariances(fit.theta)
    for term, own in zip(system.terms, covariances, strict=False):
        first, second = np.triu_indices(term.size, 1)
        if not len(first):
            continue
        sds = np.sqrt(np.einsum("qii->qi", own))
        product = sds[:, first] * sds[:, second]
        values = np.full(product.shape, np.nan)
        np.divide(own[:, first, second], product, out=values, where=product > 0.0)
        names = np.asarray(term.names, dtype=object)
        columns: dict[str, Any] = {
            "group": term.group,
            "level": np.repeat(np.asarray(term.design.levels, dtype=object), len(first)),
            "term": np.tile(names[first], len(own)),
            "term2": np.tile(names[second], len(own)),
            "correlation": np.clip(values, -1.0, 1.0).ravel(),
        }
        frames.append(pd.DataFrame(columns))
    empty = pd.DataFrame(columns=list(MODE_CORRELATIONS.columns or ()))
    return {"mode_correlations": pd.concat(frames, ignore_index=True) if frames else empty}
