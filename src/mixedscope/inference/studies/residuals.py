"""Residuals of a fit, brought to a standard deviation of 1, as pictures of them are drawn.

Standardised residuals are those of `mixedscope.inference.diagnostics.residuals`: Pearson residuals
over ``sigma sqrt(1 - h)``, given theta.  They are set against the population values ``X beta``,
with which they do not correlate if the model holds, as ``X' P = 0`` and residuals are ``sigma**2 P
y``.  With fitted values that hold modes they do, by ``sigma**2 (V - sigma**2 I) P``: as much as
modes are shrunken, and a model that is right would seem to be wrong.  Whether they depend on
population values is said by medians: of bins of about equally many observations, each with the
interval between two order statistics that holds the median of the distribution with a probability
of 95 % at least, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom, chi2

from mixedscope.core.arguments import door
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.design.other_rows import whole_terms
from mixedscope.engine.observations import Observations
from mixedscope.inference.diagnostics.leverage import told_observations
from mixedscope.inference.diagnostics.normal_quantiles import COVERAGE, normal_quantiles, spaced
from mixedscope.inference.diagnostics.residuals import (
    fitted_values,
    leverage_distances,
    residual_values,
)
from mixedscope.inference.predictions.predictions import refuse_undetermined
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["residuals_study"]

Floats = NDArray[np.float64]

#: Median of the absolute value of a standard normal variable, and its root.
_MEDIAN: Final = float(ndtri(0.75))
_ROOT: Final = _MEDIAN**0.5

#: Bins of fitted values at most, and observations of one at least.
_BINS: Final = 12
_LEAST: Final = 10

#: Cook's distances that have a contour, and places of one.
_DISTANCES: Final = (0.5, 1.0)
_CONTOUR: Final = 60

#: By each measure so many observations are kept in any case.
_EXTREMES: Final = 50
#: Order statistics kept, and at each end without exception.
_QUANTILES: Final = 500
_ENDS: Final = 60
#: Levels of a factor kept: the ends of the order of medians, and others evenly spaced.
_LEVELS: Final = 40
_FIRST: Final = 5


@door()
def residuals_study(fit: StudiedFit, *, most: int = 2000) -> dict[str, pd.DataFrame]:
    """Tabulate standardised residuals; of a generalised model simulated ones.

    Parameters
    ----------
    fit : StudiedFit
    most : int
        Observations kept at most; of more the extremes by residual, leverage and Cook's distance,
        and others evenly spaced in the order of population values. Bins, quantiles and numbers are
        of all.

    Returns
    -------
    dict
        ``residuals_points``, ``residuals_qq``, ``residuals_contours``, ``residuals_bins``,
        ``residuals_groups`` and ``residuals_numbers``.

    Raises
    ------
    UnsuitedError
        If the data do not tell residuals from random effects, or rounding leaves nothing of them.
    """
    if most < 4 * _EXTREMES:
        raise ModelError(f"most: at least {4 * _EXTREMES} observations are kept, not {most}.")
    if fit.estimation.is_generalized:
        return _simulated(fit, most)
    design = fit.objective.system.design
    refuse_undetermined(
        design,
        whole_terms(design),
        fit.unidentified,
        what="Residuals",
        instead="There are fit.residuals('marginal').",
    )
    values = residual_values(fit.objective, fit.theta, "standardised")
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise UnsuitedError("every observation is fitted exactly: there are no residuals")
    evaluation, own = told_observations(fit.objective, fit.theta)
    moved = _fixed_distances(fit, own, evaluation.sigma)[known]
    rows = design.rows[known]
    along = fitted_values(fit.objective, fit.theta, modes=False)
    by_rows = not float(np.ptp(along)) > 1e-9 * float(np.abs(along).max(initial=0.0))
    if by_rows:
        along = design.rows.astype(float)
    table = pd.DataFrame(
        {
            "row": rows.astype(np.int64),
            "unit": [str(label) for label in fit.data.index[rows]],
            "fitted": fitted_values(fit.objective, fit.theta)[known],
            "along": along[known],
            "residual": values[known],
            "leverage": own.leverage[known],
            "cooks_distance": leverage_distances(fit.objective, fit.theta)[known],
        }
    )
    residual, places = table["residual"].to_numpy(), table["along"].to_numpy()
    tables, found = _looked_into(table)
    numbers = {
        "observations": len(values),
        "told": len(known),
        "coefficients": fit.objective.system.n_fixed,
        "by_rows": int(by_rows),
        **found,
        **_breusch_pagan(places, residual),
        # Of the fixed effects alone, theta as it is; the others are about all that is fitted.
        "fixed_cooks_most": float(moved.max(initial=0.0)),
        "fixed_cooks_row": int(rows[int(moved.argmax())]),
        "cooks_above_half": int((table["cooks_distance"] > 0.5).sum()),
        "cooks_above_one": int((table["cooks_distance"] > 1.0).sum()),
    }
    return {
        "residuals_points": _kept(table, most),
        **tables,
        "residuals_contours": _contours(table, fit.objective.system.n_fixed),
        "residuals_groups": _by_group(fit, known, residual),
        "residuals_numbers": _as_table(numbers),
    }


def _simulated(fit: StudiedFit, most: int) -> dict[str, pd.DataFrame]:
    """The tables of a generalised model, whose residuals are ranks among responses drawn."""
    # Linear models load no families.
    from mixedscope.inference.studies import simulated_residuals as made

    table, by_rows = made.points_table(fit.objective, fit.theta, fit.data.index)
    tables, found = _looked_into(table)
    numbers = {
        "observations": len(table),
        "told": len(table),
        "coefficients": len(fit.objective.beta_names),
        "by_rows": int(by_rows),
        "draws": made.DRAWS,
        "seed": made.SEED,
        **found,
    }
    return {
        "residuals_points": _kept(table, most),
        **tables,
        "residuals_contours": pd.DataFrame(
            {name: np.empty(0) for name in ("distance", "leverage", "residual")}
        ),
        "residuals_groups": _by_group(fit, np.arange(len(table)), table["residual"].to_numpy()),
        "residuals_numbers": _as_table(numbers),
    }


def _looked_into(table: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Quantiles and bins of residuals, and the numbers that sum them up."""
    residual, places = table["residual"].to_numpy(), table["along"].to_numpy()
    quantiles = normal_quantiles(residual)
    kept = spaced(len(table), _QUANTILES, _ENDS)
    ordered = table.iloc[quantiles.order[kept]].reset_index(drop=True)
    bins = pd.concat(
        [
            _medians(places, residual).assign(of="residual"),
            _medians(places, np.sqrt(np.abs(residual))).assign(of="root"),
        ],
        ignore_index=True,
    )
    numbers = {
        "outside": int(quantiles.outside.sum()),
        "gap": quantiles.gap(residual),
        # The spread of the middle half, as that of a normal distribution.
        "middle_sd": float(np.ptp(np.quantile(residual, [0.25, 0.75]))) / (2.0 * _MEDIAN),
        **_summed(bins, "residual", 0.0),
        **_summed(bins, "root", _ROOT),
    }
    return {
        "residuals_qq": ordered[["row", "unit"]].assign(
            normal=quantiles.normal[kept],
            residual=ordered["residual"],
            lower=quantiles.lower[kept],
            upper=quantiles.upper[kept],
        ),
        "residuals_bins": bins[["of", *bins.columns.drop("of")]],
    }, numbers


def _as_table(numbers: Mapping[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"name": list(numbers), "value": [float(v) for v in numbers.values()]})


def _kept(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """Observations that are stored: all, or extremes and some of the others."""
    measures = (table["residual"].abs(), table["leverage"], table["cooks_distance"])
    extreme = np.zeros(len(table), dtype=bool)
    for measure in measures:
        if measure.isna().all():  # of simulated residuals there are no leverages
            continue
        extreme[np.argsort(-measure.to_numpy(), kind="stable")[:_EXTREMES]] = True
    table = table.assign(extreme=extreme)
    if len(table) <= most:
        return table
    others = np.flatnonzero(~extreme)
    others = others[np.argsort(table["along"].to_numpy()[others], kind="stable")]
    some = others[spaced(len(others), most - int(extreme.sum()), 1)]
    return table.iloc[np.sort([*np.flatnonzero(extreme), *some])].reset_index(drop=True)


def _fixed_distances(fit: StudiedFit, own: Observations, sigma: float) -> Floats:
    """Cook's distances (n,) of the fixed effects without each observation, theta as it is.

    As `mixedscope.inference.diagnostics.deletions` has the change of the estimates; NaN at leverage
    1 counts as none.
    """
    count = fit.objective.system.n_fixed
    pearson = residual_values(fit.objective, fit.theta, "pearson")
    if not count:
        return np.zeros(len(pearson))
    fit.objective.evaluate(fit.theta)
    covariance = fit.objective.system.beta_covariance(sigma)
    left = 1.0 - own.leverage
    change = np.divide(pearson, left, out=np.zeros_like(pearson), where=left > 1e-10)
    moved = own.pull * change[:, None]
    # Coefficients have units of their own: correlations are what is inverted.
    size = np.sqrt(covariance.diagonal())
    root = np.linalg.cholesky(covariance / np.outer(size, size))
    return np.asarray((np.linalg.solve(root, (moved / size).T) ** 2).sum(axis=0) / count)


def _contours(table: pd.DataFrame, coefficients: int) -> pd.DataFrame:
    """Standardised residuals of each leverage that make Cook's distances of 0.5 and of 1."""
    leverage = table["leverage"].to_numpy()
    low, high = max(float(leverage.min()), 1e-3 * float(leverage.max())), float(leverage.max())
    places = np.linspace(low, min(1.1 * high, 0.999), _CONTOUR) if high > 0.0 else np.empty(0)
    return pd.DataFrame(
        {
            "distance": np.repeat(_DISTANCES, len(places)),
            "leverage": np.tile(places, len(_DISTANCES)),
            "residual": np.concatenate(
                [np.sqrt(d * coefficients * (1.0 - places) / places) for d in _DISTANCES]
            ),
        }
    )


def _medians(along: Floats, values: Floats) -> pd.DataFrame:
    """Medians in bins of another variable, equal values of it together, each with its interval."""
    count = max(1, min(_BINS, len(values) // _LEAST))
    distinct, codes = np.unique(along, return_inverse=True)
    if len(distinct) > count:
        codes = pd.qcut(along, count, labels=False, duplicates="drop")
    rows = []
    for code in np.unique(codes):
        own = np.sort(values[codes == code])
        at = along[codes == code]
        n = len(own)
        # As many smaller ones, at most, as leave the tail: one less is the rank from 0.
        rank = int(binom.ppf(0.5 * (1.0 - COVERAGE), n, 0.5)) - 1
        rows.append(
            {
                "begin": at.min(),
                "end": at.max(),
                "along": np.median(at),
                "n_obs": n,
                "median": np.median(own),
                "lower": own[rank] if rank >= 0 else np.nan,
                "upper": own[n - 1 - rank] if rank >= 0 else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _summed(bins: pd.DataFrame, of: str, expected: float) -> dict[str, float]:
    """How many intervals of bins miss what is expected, by how much, and the ends of medians."""
    own = bins[bins["of"] == of]
    off = (own["median"] - expected).abs()
    missed = (own["lower"] > expected) | (own["upper"] < expected)
    return {
        f"{of}_bins": len(own),
        f"{of}_missed": int(missed.sum()),
        # So many or fewer of as many independent bins miss it, of 20 times 19.
        f"{of}_likely": float(binom.ppf(0.95, len(own), 1.0 - COVERAGE)),
        f"{of}_worst": float(off[missed].max()) if missed.any() else 0.0,
        f"{of}_least": float(own["median"].min()),
        f"{of}_most": float(own["median"].max()),
    }


def _breusch_pagan(along: Floats, residual: Floats) -> dict[str, float]:
    """The score test of Breusch & Pagan (1979) for a variance that follows a variable.

    Squared standardised residuals, 1 on average if the model holds, are regressed on it; half the
    sum of squares explained is chi-squared with 1 degree of freedom.
    """
    spread = along - along.mean()
    square = float(spread @ spread)
    if not square > 0.0:
        return {"breusch_pagan": np.nan, "breusch_pagan_p": np.nan}
    statistic = 0.5 * float(spread @ residual**2) ** 2 / square
    return {"breusch_pagan": statistic, "breusch_pagan_p": float(chi2.sf(statistic, 1))}


def _by_group(fit: StudiedFit, known: NDArray[np.intp], residual: Floats) -> pd.DataFrame:
    """Least, quartiles and most of the residuals of levels, in the order of their medians."""
    frames = []
    for random in fit.objective.system.design.random:
        grouped = pd.Series(residual).groupby(random.codes[known])
        found: dict[str, Any] = {
            name: grouped.quantile(share)
            for name, share in (
                ("least", 0.0),
                ("lower", 0.25),
                ("median", 0.5),
                ("upper", 0.75),
                ("most", 1.0),
            )
        }
        table = pd.DataFrame({"n_obs": grouped.size(), **found}).sort_values(
            "median", kind="stable"
        )
        names = np.asarray(random.levels, dtype=object)[table.index]
        table = table.reset_index(drop=True)
        table.insert(0, "levels", len(table))
        table.insert(0, "rank", np.arange(1, len(table) + 1))
        table.insert(0, "level", names)
        table.insert(0, "group", random.group)
        frames.append(table.iloc[spaced(len(table), _LEVELS, _FIRST)])
    return pd.concat(frames, ignore_index=True)
