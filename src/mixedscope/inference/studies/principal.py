"""Levels in the principal axes of the random effects: where they stand, and where shrinkage is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.estimates.principal import principal_axes
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
    estimation, system = fit.estimation, fit.objective.system
    is_generalized = estimation.is_generalized
    own = estimation.own_estimates(fit.theta)
    limit = [np.full_like(one, np.nan) for one in own]
    if not is_generalized:
        limit = fit.joint_limit().modes
    estimation.begin()
    scale = estimation.scale_of(fit.objective.evaluate(fit.theta))
    modes = estimation.modes_at(fit.theta)
    covariances = estimation.mode_covariances(fit.theta)
    open_groups = {group for _, group, _, _ in undetermined(fit.unidentified)}
    axes: list[dict[str, object]] = []
    loadings, levels = [], []
    for position, term in enumerate(system.terms):
        told = term.group not in open_groups
        found = principal_axes(term, fit.theta[term.theta], scale, told=told)
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
                    "column_rms": np.tile(term.column_scale * term.unit, term.size),
                }
            )
        )
        if not told:
            continue
        weights = matrix * (term.column_scale * term.unit)
        names = term.design.levels
        n_obs = np.bincount(term.design.codes, minlength=len(names))
        squares = np.einsum("ai,qij,aj->qa", weights, covariances[position], weights)
        # Knowing the data leaves no more spread than there was, of a collapsed axis rounding.
        spread = np.minimum(np.sqrt(np.maximum(squares, 0.0)), [axis.sd for axis in found])
        along = _along(own[position], weights).ravel()
        levels.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "level": np.repeat(np.asarray(names, dtype=object), term.size),
                    "component": np.tile(numbers, len(names)),
                    "mode": _along(modes[position], weights).ravel(),
                    "std_dev": spread.ravel(),
                    "joint_limit": _along(limit[position], weights).ravel(),
                    "within_group": np.nan if is_generalized else along,
                    "n_obs": np.repeat(n_obs, term.size).astype(np.int64),
                    **({"linearised": along} if is_generalized else {}),
                }
            )
        )
    more = PRINCIPAL_LEVELS.more if is_generalized else ()
    empty = pd.DataFrame(columns=[*(PRINCIPAL_LEVELS.columns or ()), *more])
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
