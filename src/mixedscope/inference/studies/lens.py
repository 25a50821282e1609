r"""Shrinkage as a lens: the map from any estimate of a level's own to its conditional mode.

Given the fixed effects and the effects of the other factors, the mode of a level is

.. math:: \hat b_g = W_g\, \tilde b_g, \qquad
          W_g = \Lambda (\Lambda' A_g \Lambda + I)^{-1} \Lambda' A_g, \qquad A_g = Z_g' Z_g

of its own least-squares estimate (the shrinkage matrix of Lindley & Smith 1972; here with the
relative factor of a mixed model, so that a collapsed covariance is no exception).  What the model
does to a level thus depends on its data only by how much they are.

Of generalised models the estimate is that linearised at the mode, which the same map takes to the
mode, with :math:`A_g = Z_g' W_g Z_g` of the working weights there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.studies.studied_fit import StudiedFit
from mixedscope.tables.kinds.lens import LENS, LENS_KEPT

__all__ = ["lens_study"]

Floats = NDArray[np.float64]

#: Levels whose maps differ by no more than this, as shares kept, have the same.
_SAME: Final = 1e-6


def lens_study(fit: StudiedFit) -> dict[str, pd.DataFrame]:
    """Give the map of the levels of every factor with the least, the median and the most data.

    Of levels whose own estimate exists; how much their data are is told by what the map keeps of
    volume. Where all have the same map there is one. ``lens`` has a row per factor, such level and
    pair of terms: ``weight`` is what of the estimate of ``term2`` comes into the mode of ``term``.
    ``lens_kept`` has the shares kept along the directions that the map only shortens, its
    eigenvalues, the largest first. Factors that the data leave open have no rows.
    """
    system = fit.objective.system
    own = fit.estimation.own_estimates(fit.theta)
    information = fit.estimation.level_information(fit.theta)
    left_open = {group for _, group, _, _ in undetermined(fit.unidentified)}
    rows: list[pd.DataFrame] = []
    kept: list[pd.DataFrame] = []
    for position, term in enumerate(system.terms):
        if term.group in left_open:
            continue
        factor = system.factors[position]
        k, q, gram = factor.size, factor.n_levels, information[position]
        told = np.flatnonzero(np.isfinite(own[position]).all(axis=1))
        if not told.size:
            continue
        units = term.data_modes(np.eye(k)).T
        relative = np.linalg.solve(units, term.factor(fit.theta[term.theta]))
        inner = np.swapaxes(relative, -1, -2) @ gram[told] @ relative
        values = np.linalg.eigvalsh(inner)[:, ::-1].clip(0.0)
        shares = values / (1.0 + values)
        # The more of volume is kept, the more the data are; collapsed directions say nothing.
        volume = np.log1p(values).sum(axis=1)
        order = np.argsort(volume, kind="stable")
        chosen = {"least": order[0], "median": order[(len(order) - 1) // 2], "most": order[-1]}
        if np.abs(shares - shares[order[0]]).max() <= _SAME:
            chosen = {"every": order[0]}
        n_obs = np.bincount(term.design.codes, minlength=q)
        spread = _spread(own[position])
        for role, at in chosen.items():
            level = int(told[at])
            middle = np.linalg.solve(inner[at] + np.eye(k), relative.T @ gram[level])
            weight = units @ relative @ middle @ np.linalg.inv(units)
            names = np.asarray(term.names, dtype=object)
            common: dict[str, Any] = {"group": term.group, "role": role}
            rows.append(
                pd.DataFrame(
                    {
                        **common,
                        "level": str(term.design.levels[level]),
                        "n_obs": int(n_obs[level]),
                        "term": np.repeat(names, k),
                        "term2": np.tile(names, k),
                        "weight": weight.ravel(),
                        "spread": np.repeat(spread, k),
                    }
                )
            )
            kept.append(
                pd.DataFrame({**common, "direction": np.arange(1, k + 1), "kept": shares[at]})
            )
    return {"lens": _joined(rows, LENS), "lens_kept": _joined(kept, LENS_KEPT)}


def _spread(own: Floats) -> Floats:
    """Standard deviations (k,) of levels' own estimates (q, k); missing of fewer than two."""
    known = np.isfinite(own).all(axis=1)
    if known.sum() < 2:
        return np.full(own.shape[1], np.nan)
    return np.asarray(np.std(own[known], axis=0, ddof=1))


def _joined(parts: list[pd.DataFrame], schema: Any) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*schema.columns])
