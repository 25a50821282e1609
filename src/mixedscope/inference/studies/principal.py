"""Levels in the principal axes of the random effects: where they stand, and where shrinkage is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.principal import principal_axes
from mixedscope.inference.estimates.references import within_group
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.principal import PRINCIPAL_LEVELS

__all__ = ["principal_study"]

Floats = NDArray[np.float64]


def principal_study(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Turn references and conditional modes into the principal axes of their fitted covariance.

    Gives ``principal``, a row per grouping factor and axis, ``principal_loadings``, one per axis
    and term, and ``principal_levels``, one per level and axis. Factors with something that the data
    do not determine have axes without numbers, and no coordinates.
    """
    joint = fit.joint_limit()
    evaluation = fit.objective.evaluate(fit.theta)
    system = fit.objective.system
    modes = system.modes()
    own = within_group(system, evaluation.beta)
    covariances = system.conditional_covariances(evaluation.sigma)
    open_groups = {group for _, group, _, _ in undetermined(fit.unidentified)}
    axes: list[dict[str, object]] = []
    loadings, levels = [], []
    for position, term in enumerate(system.terms):
        told = term.group not in open_groups
        found = principal_axes(term, fit.theta[term.theta], evaluation.sigma, told=told)
        numbers = np.arange(1, term.size + 1, dtype=np.int32)
        axes += [{"group": term.group, **axis._asdict()} for axis in found]
        matrix = np.array([axis.loadings for axis in found])
        loadings.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "component": np.repeat(numbers, term.size),
                    "term": np.tile(np.asarray(term.names, dtype=object), term.size),
                    "loading": matrix.ravel(),
                    "column_rms": np.tile(term.column_scale, term.size),
                }
            )
        )
        if not told:
            continue
        weights = matrix * term.column_scale
        names = term.design.levels
        n_obs = np.bincount(term.design.codes, minlength=len(names))
        squares = np.einsum("ai,qij,aj->qa", weights, covariances[position], weights)
        # Knowing the data leaves no more spread than there was, of a collapsed axis rounding.
        spread = np.minimum(np.sqrt(np.maximum(squares, 0.0)), [axis.sd for axis in found])
        levels.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "level": np.repeat(np.asarray(names, dtype=object), term.size),
                    "component": np.tile(numbers, len(names)),
                    "mode": _along(modes[position], weights).ravel(),
                    "std_dev": spread.ravel(),
                    "joint_limit": _along(joint.modes[position], weights).ravel(),
                    "within_group": _along(own[position], weights).ravel(),
                    "n_obs": np.repeat(n_obs, term.size).astype(np.int64),
                }
            )
        )
    empty = pd.DataFrame(columns=list(PRINCIPAL_LEVELS.columns or ()))
    return {
        "principal": pd.DataFrame(axes).drop(columns="loadings"),
        "principal_loadings": pd.concat(loadings, ignore_index=True),
        "principal_levels": pd.concat(levels, ignore_index=True) if levels else empty,
    }


def _along(values: Floats, weights: Floats) -> Floats:
    """Coordinates (q, k) of effects (q, k); missing where an effect that has weight is missing."""
    known = np.isfinite(values)
    out = np.where(known, values, 0.0) @ weights.T
    out[(~known).astype(float) @ (weights != 0.0).T > 0.0] = np.nan
    return np.asarray(out)
