"""What a sheet of checks of a generalised model shows: it is held against data drawn from the fit.

Random effects and responses are drawn anew, and of each draw the conditional modes found at the
parameters of the fit. Numbers of the data are set beside those of the draws: Pearson's statistic at
the modes, which tells over- and underdispersion (as check_overdispersion of the R package
performance computes it, whose chi-squared distribution is rough where modes are shrunken), the
number of zeros (as DHARMa does), ordered modes, and how responses are distributed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.density import bandwidth, counted_density
from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.diagnostics.normal_quantiles import COVERAGE, spaced
from mixedscope.inference.estimates.generalized_estimation import GeneralizedEstimation
from mixedscope.inference.generalized import simulated
from mixedscope.inference.studies.collinearity import inflation_factors
from mixedscope.inference.studies.drawn_modes import modes_and_means
from mixedscope.inference.studies.mode_distribution import ordered_modes
from mixedscope.inference.studies.simulated_residuals import population_means
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["DENSITY", "SHARES", "VALUES", "generalized_check"]

Floats = NDArray[np.float64]

DENSITY, VALUES, SHARES = 0, 1, 2
"""What ``check_density`` is of: densities, numbers of rows with a value, shares of successes by
population mean."""

#: Places of densities; values told one by one at most; bins of shares at most, and rows of one.
_PLACES: Final = 256
_VALUES: Final = 40
_BINS: Final = 20
_LEAST: Final = 20
#: Levels of a term kept at most, and at each end without exception.
_LEVELS: Final = 200
_ENDS: Final = 30
#: Numbers drawn at a time.
_AT_ONCE: Final = 2_000_000
#: A variance of modes below this share of that of the random effects is rounding.
_ROUNDING: Final = 1e-10


class _Distribution(NamedTuple):
    """What is told of how responses are distributed.

    Attributes
    ----------
    shown : int
        `DENSITY`, `VALUES` or `SHARES`.
    places : (m,) array
    weights : (m,) array or None
        Of places, where they are not the values themselves.
    told : callable
        Values (m,) of a response (n,).
    """

    shown: int
    places: Floats
    weights: Floats | None
    told: Callable[[Floats], Floats]


def generalized_check(fit: StudiedFit, draws: int, seed: int) -> dict[str, pd.DataFrame]:
    """The tables of `mixedscope.inference.studies.check.check_study`, of a generalised model."""
    objective, point = fit.objective, fit.theta
    system = objective.system
    y, left = system.response.y, system.n - len(objective.theta_names)
    has_zeros = system.family.name in ("poisson", "nbinom1", "nbinom2")
    distribution: _Distribution | None = None
    curves, pearson, zeros, drawn = [], [], [], []
    at_once = max(1, _AT_ONCE // system.n)
    for number, first in enumerate(range(0, draws, at_once)):
        count = min(at_once, draws - first)
        responses = simulated(objective, point, count, seed + number, conditional=False)
        if distribution is None:
            distribution = _distribution(objective, point, responses)
        made = modes_and_means(objective, point, responses)
        for response, (modes, mean) in zip(responses, made, strict=True):
            curves.append(distribution.told(response))
            pearson.append(_pearson(objective, point, response, mean) / left)
            zeros.append(float((response == 0.0).sum()))
            drawn.append(modes)
    assert distribution is not None
    objective.reset()
    observed = objective.modes_at(point)
    density = _banded(distribution.places, distribution.told(y), np.array(curves))
    seen = density["observed"].to_numpy()
    outside = (seen < density["lower"]) | (seen > density["upper"])
    weights = seen if distribution.weights is None else distribution.weights
    numbers = {
        "draws": float(draws),
        "seed": float(seed),
        "shown": float(distribution.shown),
        "places": float(len(density)),
        "mass_outside": float(weights[outside].sum() / weights.sum()),
    }
    own = _pearson(objective, point, y, system.family.link.mean(observed.eta)) / left
    if np.isfinite(own):
        numbers |= _beside("dispersion", own, np.array(pearson))
    if has_zeros:
        numbers |= _beside("zeros", float((y == 0.0).sum()), np.array(zeros))
    together = [np.stack(own) for own in zip(*drawn, strict=True)]
    effects, terms = _effects(objective, point, observed.b, together)
    covariance = GeneralizedEstimation(objective).covariance(point)
    k, r = objective.n_theta, objective.n_fixed
    of_beta = covariance[k : k + r, k : k + r]
    return {
        "check_density": density,
        "check_effects": effects,
        "check_terms": terms,
        "check_collinearity": inflation_factors(system.design, system.kept, of_beta),
        "check_numbers": pd.DataFrame({"name": list(numbers), "value": list(numbers.values())}),
    }


def _pearson(objective: LaplaceObjective, point: Floats, y: Floats, mean: Floats) -> float:
    """Sum of squared Pearson residuals; NaN where single outcomes tell nothing of dispersion."""
    system = objective.system
    family, counts = system.family, system.response.counts
    if family.name == "binomial" and system.response.trials is None:
        return np.nan
    dispersion = objective.split(np.asarray(point, dtype=float))[2]
    try:
        variance = family.variance(mean, dispersion)
    except UnsuitedError:
        return np.nan
    squares = (y - mean) ** 2 / variance
    return float(squares.sum() if counts is None else counts @ squares)


def _beside(name: str, own: float, drawn: Floats) -> dict[str, float]:
    """A number of the data, its limits in the draws, and how many of these are as extreme.

    The p value is two-sided, ``(1 + count) / (1 + draws)`` of the smaller side twice.
    """
    tail = 0.5 * (1.0 - COVERAGE)
    lower, upper = np.quantile(drawn, [tail, 1.0 - tail])
    below, above = int((drawn <= own).sum()), int((drawn >= own).sum())
    return {
        f"{name}_observed": own,
        f"{name}_lower": float(lower),
        f"{name}_mean": float(drawn.mean()),
        f"{name}_upper": float(upper),
        f"{name}_p": min(1.0, 2.0 * (1.0 + min(below, above)) / (1.0 + len(drawn))),
    }


def _distribution(objective: LaplaceObjective, point: Floats, responses: Floats) -> _Distribution:
    """What of responses (n,) is told; ``responses`` (m, n) are some drawn."""
    system = objective.system
    y, family = system.response.y, system.family.name
    if family == "binomial":
        return _shares(objective, point)
    if family not in ("gamma", "beta") and np.ptp(y) < _VALUES:
        first, count = int(y.min()), int(np.ptp(y)) + 1

        def counted(row: Floats) -> Floats:
            inside = row[(row >= first) & (row < first + count)]
            return np.bincount((inside - first).astype(np.int64), minlength=count).astype(float)

        return _Distribution(VALUES, first + np.arange(count, dtype=float), None, counted)
    width = bandwidth(y)
    ends = np.quantile(responses, [0.002, 0.998])
    low, high = min(ends[0], y.min()), max(ends[1], y.max())
    edges = np.linspace(low - 3.0 * width, high + 3.0 * width, _PLACES + 1)
    places = 0.5 * (edges[1:] + edges[:-1])
    return _Distribution(DENSITY, places, None, lambda row: counted_density(row, edges, width))


def _shares(objective: LaplaceObjective, point: Floats) -> _Distribution:
    """Shares of successes in bins of the population mean, equal means together."""
    system = objective.system
    along = population_means(objective, point)
    counts = system.response.counts
    times = np.ones(system.n) if counts is None else counts
    distinct, codes = np.unique(np.round(along, 10), return_inverse=True)
    if len(distinct) > _BINS:
        most = max(1, min(_BINS, system.n // _LEAST))
        cut = np.asarray(pd.qcut(along, most, labels=False, duplicates="drop"))
        codes = np.unique(cut, return_inverse=True)[1]
    rows = np.asarray(np.bincount(codes, times), dtype=float)
    places = np.bincount(codes, times * along) / rows
    return _Distribution(SHARES, places, rows, lambda row: np.bincount(codes, times * row) / rows)


def _banded(places: Floats, own: Floats, drawn: Floats) -> pd.DataFrame:
    """Values of the data with pointwise limits of those drawn (m, places)."""
    tail = 0.5 * (1.0 - COVERAGE)
    lower, middle, upper = np.quantile(drawn, [tail, 0.5, 1.0 - tail], axis=0)
    return pd.DataFrame(
        {"response": places, "observed": own, "lower": lower, "middle": middle, "upper": upper}
    )


def _effects(
    objective: LaplaceObjective, point: Floats, modes: list[Floats], drawn: list[Floats]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ordered modes over their standard deviation in the draws, and the envelope of those drawn."""
    theta = objective.split(np.asarray(point, dtype=float))[0]
    frames, told = [], []
    for term, own, b in zip(objective.system.terms, drawn, modes, strict=True):
        levels = np.asarray(term.design.levels, dtype=object)
        sds = np.linalg.norm(term.factor(theta[term.theta]), axis=1)
        values = term.data_modes(b)
        for j, name in enumerate(term.names):
            size = float(np.sqrt(np.mean(own[:, :, j] ** 2)))
            varies = size**2 > _ROUNDING * float(sds[j]) ** 2 and size > 0.0
            key = {"group": term.group, "term": name}
            if not varies:
                none = {"levels": 0, "varies": False, "outside": 0, "gap": 0.0, "likely": 0}
                told.append(key | none)
                continue
            table, counts = ordered_modes(values[:, j], levels, own[:, :, j].T)
            table[["mode", "lower", "upper"]] /= size
            outside = (table["mode"] < table["lower"]) | (table["mode"] > table["upper"])
            beyond = np.maximum(table["lower"] - table["mode"], table["mode"] - table["upper"])
            told.append(
                {
                    **key,
                    "levels": len(levels),
                    "varies": True,
                    "outside": int(outside.sum()),
                    "likely": int(counts["most"]),
                    "gap": float(beyond[outside].max()) if outside.any() else 0.0,
                }
            )
            kept = spaced(len(table), _LEVELS, _ENDS)
            frames.append(table.iloc[kept].assign(**key).rename(columns={"mode": "value"}))
    columns = ["group", "term", "level", "normal", "value", "lower", "upper"]
    effects = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return effects[columns], pd.DataFrame(told)
