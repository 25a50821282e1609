"""Residuals of generalised models at the conditional modes, by the names that lme4 has for them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["GENERALIZED_KINDS", "generalized_residuals"]

Floats = NDArray[np.float64]

#: Kinds of residuals, the usual one first.
GENERALIZED_KINDS: Final = ("deviance", "pearson", "working", "response")


def generalized_residuals(objective: LaplaceObjective, point: Floats, kind: str) -> Floats:
    """Residuals (n,) of the rows used at a point (k,); weights are trials times prior weights.

    Raises ModelError if there is no such kind, UnsuitedError if the family has none of it.
    """
    if kind not in GENERALIZED_KINDS:
        raise ModelError(
            f"Residuals of a generalised model are {', '.join(GENERALIZED_KINDS)}, not {kind!r}."
            f"{suggest(kind, GENERALIZED_KINDS)}"
        )
    objective.reset()
    eta = objective.modes_at(point).eta
    dispersion = objective.split(point)[2]
    family, response = objective.system.family, objective.system.response
    mean, y = family.link.mean(eta), response.y
    rest = y - mean
    if kind == "response":
        return rest
    if kind == "working":
        return np.asarray(rest / family.link.mean_slope(eta))
    counts = 1.0 if response.counts is None else response.counts
    if kind == "pearson":
        return np.asarray(rest * np.sqrt(counts / family.variance(mean, dispersion)))
    # Rounding may leave a row that is told without a miss less than nothing.
    lost = np.maximum(family.deviances(y, mean, dispersion), 0.0)
    return np.asarray(np.sign(rest) * np.sqrt(counts * lost))
