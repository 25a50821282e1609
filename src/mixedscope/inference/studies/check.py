"""What a sheet of checks shows beside residuals: simulated data, random effects, collinearity."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import door
from mixedscope.core.density import bandwidth, counted_density
from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import generator
from mixedscope.design.other_rows import whole_terms
from mixedscope.engine.marginal import MarginalCovariances
from mixedscope.inference.diagnostics.normal_quantiles import COVERAGE, normal_quantiles, spaced
from mixedscope.inference.estimates.estimates import SINGULAR
from mixedscope.inference.estimates.simulated import simulate_responses
from mixedscope.inference.predictions.predictions import refuse_undetermined
from mixedscope.inference.studies.collinearity import inflation_factors
from mixedscope.inference.studies.studied_fit import StudiedFit

__all__ = ["check_study"]

Floats = NDArray[np.float64]

#: Places at which densities are worked out, and numbers drawn at a time.
_PLACES: Final = 256
_AT_ONCE: Final = 2_000_000
#: Levels of a term kept at most, and at each end without exception.
_LEVELS: Final = 200
_ENDS: Final = 30


@door()
def check_study(fit: StudiedFit, *, draws: int = 200, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Simulate responses, and tabulate standardised modes and variance inflation.

    Parameters
    ----------
    fit : StudiedFit
    draws : int
        Responses drawn from the fitted model, random effects anew.
    seed : int
        From which they are drawn.

    Returns
    -------
    dict
        ``check_density`` (of the response, and pointwise limits of 95 % of those drawn),
        ``check_effects`` (conditional modes over their standard deviations under the model against
        normal quantiles), ``check_terms`` (how many of them lie outside their limits),
        ``check_collinearity`` (generalised variance inflation factors of terms, Fox & Monette 1992,
        as the R package car has them) and ``check_numbers``.

    Raises
    ------
    UnsuitedError
        If the data do not tell random effects from the residuals.
    """
    if draws < 40:
        raise ModelError(f"draws: limits of 95 % take 40 draws at least, not {draws}.")
    if fit.estimation.is_generalized:
        # Linear models load no families.
        from mixedscope.inference.studies.generalized_check import generalized_check

        return generalized_check(fit, draws, seed)
    system = fit.objective.system
    refuse_undetermined(
        system.design,
        whole_terms(system.design),
        fit.unidentified,
        what="Checks",
        instead="There are fit.residuals('marginal').",
    )
    density = _density(fit, draws, generator(seed, "check"))
    observed = density["observed"].to_numpy()
    outside = (observed < density["lower"]) | (observed > density["upper"])
    numbers = {
        "draws": float(draws),
        "seed": float(seed),
        "mass_outside": float(observed[outside].sum() / observed.sum()),
    }
    effects, terms = _effects(fit)
    return {
        "check_density": density,
        "check_effects": effects,
        "check_terms": terms,
        "check_collinearity": inflation_factors(
            system.design, system.kept, system.beta_covariance(1.0)
        ),
        "check_numbers": pd.DataFrame({"name": list(numbers), "value": list(numbers.values())}),
    }


def _density(fit: StudiedFit, draws: int, rng: np.random.Generator) -> pd.DataFrame:
    """Kernel densities of the response and of responses drawn, its bandwidth for all."""
    y = fit.objective.system.design.y
    width = bandwidth(y)
    per_time = max(1, _AT_ONCE // len(y))
    edges = None
    densities = []
    for first in range(0, draws, per_time):
        count = min(per_time, draws - first)
        drawn = simulate_responses(fit.objective, fit.theta, count, rng)
        if edges is None:
            ends = np.quantile(drawn, [0.002, 0.998])
            low, high = min(ends[0], y.min()), max(ends[1], y.max())
            edges = np.linspace(low - 3.0 * width, high + 3.0 * width, _PLACES + 1)
        densities += [counted_density(row, edges, width) for row in drawn]
    assert edges is not None
    tail = 0.5 * (1.0 - COVERAGE)
    lower, middle, upper = np.quantile(np.array(densities), [tail, 0.5, 1.0 - tail], axis=0)
    return pd.DataFrame(
        {
            "response": 0.5 * (edges[1:] + edges[:-1]),
            "observed": counted_density(y, edges, width),
            "lower": lower,
            "middle": middle,
            "upper": upper,
        }
    )


def _effects(fit: StudiedFit) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Modes over their standard deviations, ``Var(b_hat) = Sigma - Var(b_hat - b)``.

    Fixed effects are estimated, theta is known: they are standard normal then if random effects
    and residuals are normal.
    """
    system = fit.objective.system
    sigma = fit.objective.evaluate(fit.theta).sigma
    modes = system.modes()
    errors = MarginalCovariances(system).at(system.standard_factors(fit.theta))
    frames, told = [], []
    for position, term in enumerate(system.terms):
        factor = term.factor(fit.theta[term.theta])
        whole = (factor**2).sum(axis=1) * sigma**2
        alive = np.sqrt((term.unit_factor(fit.theta[term.theta]) ** 2).sum(axis=1)) > SINGULAR
        levels = np.asarray(term.design.levels, dtype=object)
        for j, name in enumerate(term.names):
            left = whole[j] - sigma**2 * errors[position][:, j, j]
            # What the data say nothing of has a mode of zero, and no spread.
            known = np.flatnonzero(left > 1e-6 * whole[j]) if alive[j] else np.empty(0, dtype=int)
            values = modes[position][known, j] / np.sqrt(left[known])
            found = normal_quantiles(values)
            told.append(
                {
                    "group": term.group,
                    "term": name,
                    "levels": len(known),
                    "varies": bool(alive[j]),
                    "outside": int(found.outside.sum()),
                    "gap": found.gap(values),
                }
            )
            kept = spaced(len(known), _LEVELS, _ENDS)
            frames.append(
                pd.DataFrame(
                    {
                        "group": term.group,
                        "term": name,
                        "level": levels[known[found.order[kept]]],
                        "normal": found.normal[kept],
                        "value": values[found.order[kept]],
                        "lower": found.lower[kept],
                        "upper": found.upper[kept],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True), pd.DataFrame(told)
