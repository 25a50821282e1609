"""Fitted values and residuals of a model at theta, in the order of the rows used."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.diagnostics.leverage import told_observations
from mixedscope.inference.predictions.predictor import linear_predictor

__all__ = ["RESIDUALS", "check_kind", "fitted_values", "leverage_distances", "residual_values"]

Floats = NDArray[np.float64]

Kind = Literal["response", "pearson", "standardised", "marginal"]

#: Kinds of residuals.
RESIDUALS: Final[tuple[Kind, ...]] = ("response", "pearson", "standardised", "marginal")

#: Spellings that mean one of them.
_SPELLED: Final = {"standardized": "standardised"}

#: What is left of a residual of 1 below which there is nothing but rounding.
_EXACT: Final = 1e-10


def fitted_values(objective: ProfiledObjective, theta: Floats, *, modes: bool = True) -> Floats:
    """``X beta + Z b`` (n,) at theta, or ``X beta`` without `modes`, plus the offset."""
    explained = _explained(objective, theta, modes=modes)
    return objective.system.design.observed(explained)


def _explained(objective: ProfiledObjective, theta: Floats, *, modes: bool) -> Floats:
    """Share (n,) of fixed effects, and of random effects if asked for, without the offset."""
    system = objective.system
    evaluation = objective.evaluate(theta)
    terms = zip(system.terms, system.modes(), strict=True) if modes else ()
    return linear_predictor(
        system.fixed_columns, evaluation.beta, [(t.design.codes, t.design.Z, b) for t, b in terms]
    )


def check_kind(kind: str) -> Kind:
    """Give a kind of residuals back, or say which there are."""
    for known in RESIDUALS:
        if _SPELLED.get(kind, kind) == known:
            return known
    raise ModelError(
        f"There are no {kind!r} residuals.{suggest(kind, RESIDUALS)} "
        f"Known are: {', '.join(RESIDUALS)}."
    )


def residual_values(objective: ProfiledObjective, theta: Floats, kind: str) -> Floats:
    """Residuals (n,) at theta, of a kind of `RESIDUALS`; standardised ones NaN at leverage 1."""
    known = check_kind(kind)
    system = objective.system
    plain = system.design.y - _explained(objective, theta, modes=known != "marginal")
    if known in ("response", "marginal"):
        return np.asarray(plain, dtype=float)
    pearson = np.asarray(plain * system.root_weights, dtype=float)
    if known == "pearson":
        return pearson
    evaluation, own = told_observations(objective, theta)
    left = 1.0 - own.leverage
    out = np.full(system.n, np.nan)
    size = evaluation.sigma * np.sqrt(np.maximum(left, 0.0))
    return np.divide(pearson, size, out=out, where=left > _EXACT)


def leverage_distances(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Cook's distances (n,) as lme4 has them of a fit: from leverages, as in a linear model.

    NaN of a model without fixed effects, which has nothing to be distant.
    """
    evaluation, own = told_observations(objective, theta)
    pearson = residual_values(objective, theta, "pearson")
    left = 1.0 - own.leverage
    out = np.full(objective.system.n, np.nan)
    if not objective.system.n_fixed:
        return out
    size = evaluation.sigma**2 * objective.system.n_fixed * left**2
    return np.divide(pearson**2 * own.leverage, size, out=out, where=left > _EXACT)
