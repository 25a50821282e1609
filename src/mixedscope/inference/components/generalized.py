"""Shares of the variance of generalised models, on the scale of the linear predictor.

Nakagawa, Johnson & Schielzeth (2017, J. R. Soc. Interface 14, 20170213): beside the variances of
``X beta`` and of ``Z b`` stands that of a response given its mean, brought to the link's scale. Of
binomial responses it is that of the distribution whose quantiles the link is ("theoretical"), or
the delta method's at the mean probability; of a logarithmic link ``log(1 + CV**2)`` ("lognormal"),
``CV**2`` ("delta") or the trigamma function at ``1 / CV**2`` ("trigamma"), CV being the coefficient
of variation of a response at the mean. The mean is that of all levels, of the model with the same
random effects and no other fixed effect than the intercept.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.components.explained import Variances
from mixedscope.optimize.driver import minimize

__all__ = ["APPROXIMATIONS", "check_approximation", "generalized_variances"]

Floats = NDArray[np.float64]

APPROXIMATIONS: Final = ("theoretical", "delta", "lognormal", "trigamma")
"""Ways to the variance of a response given its mean."""

#: Variances of the distributions whose quantiles links of probabilities are.
_THEORETICAL: Final = {"logit": math.pi**2 / 3.0, "probit": 1.0, "cloglog": math.pi**2 / 6.0}


def check_approximation(objective: LaplaceObjective, name: str | None) -> str:
    """The approximation that is meant: by default that of the link.

    Raises ModelError if there is none of this name, UnsuitedError if it is not for this family.
    """
    family = objective.system.family
    if name is not None and name not in APPROXIMATIONS:
        raise ModelError(
            f"There is no approximation {name!r}.{suggest(name, APPROXIMATIONS)} "
            f"Known are: {', '.join(APPROXIMATIONS)}."
        )
    link = family.link.name
    known: tuple[str, ...]
    if family.name == "binomial" and link in _THEORETICAL:
        known = ("theoretical", "delta") if link == "logit" else ("theoretical",)
    elif family.name != "binomial" and link == "log":
        known = ("lognormal", "delta", "trigamma")
    else:
        raise UnsuitedError(
            f"The variance of a response of the family {family.name!r} given its mean is not known "
            f"on the scale of the link {link!r}: R² and ICC are of binomial responses under the "
            "links logit, probit and cloglog, and of counts and amounts under the link log."
        )
    if name is not None and name not in known:
        raise UnsuitedError(
            f"The approximation {name!r} is not for the family {family.name!r} with the link "
            f"{link!r}, which has {', '.join(known)}."
        )
    return name or known[0]


def generalized_variances(
    objective: LaplaceObjective, point: Floats, approximation: str | None = None
) -> Variances:
    """Take the variance on the link's scale apart at a point (k,).

    ``residual``: that of a response given its mean. ``approximation``: see `check_approximation`.
    """
    how = check_approximation(objective, approximation)
    system = objective.system
    theta, beta, dispersion = objective.split(np.asarray(point, dtype=float))
    mean = system.X @ beta
    mean -= mean[0]  # what is constant has no variance, not that of its rounding
    random = _random(objective, theta)
    if how == "theoretical":
        residual = _THEORETICAL[system.family.link.name]
    else:
        residual = _given_mean(objective, point, dispersion, how)
    whole = residual + sum(random.values())
    return Variances(float(np.var(mean, ddof=1)), random, residual, whole)


def _random(objective: LaplaceObjective, theta: Floats) -> dict[str, float]:
    """Variance of ``Z b`` on average over the rows, by grouping factor (Johnson 2014)."""
    out = {}
    for term in objective.system.terms:
        half = term.design.Z @ term.factor(theta[term.theta])
        out[term.group] = float(np.einsum("ij,ij->i", half, half).mean())
    return out


def _given_mean(objective: LaplaceObjective, point: Floats, dispersion: float, how: str) -> float:
    """Variance of a response given its mean, on the link's scale, at the mean of all levels."""
    from scipy.special import polygamma

    intercept, spread = _null(objective, point)
    family = objective.system.family
    if family.name == "binomial":
        # McCulloch, Searle & Neuhaus (2008), as Nakagawa et al. (2017), eq. 6.8.
        bend = math.tanh(intercept * (1.0 + 2.0 * math.exp(-0.5 * spread)) / 6.0)
        probability = 1.0 / (1.0 + math.exp(-(intercept - 0.5 * spread * bend)))
        return 1.0 / (probability * (1.0 - probability))
    mean = math.exp(intercept + 0.5 * spread)
    squared = {
        "poisson": 1.0 / mean,
        "nbinom2": 1.0 / mean + 1.0 / dispersion,
        "nbinom1": (1.0 + dispersion) / mean,
        "gamma": 1.0 / dispersion,
    }[family.name]
    if how == "lognormal":
        return math.log1p(squared)
    return squared if how == "delta" else float(polygamma(1, 1.0 / squared))


def _null(objective: LaplaceObjective, point: Floats) -> tuple[float, float]:
    """Intercept, and variance of ``Z b``, of the model without other fixed effects."""
    system = objective.system
    k, r = objective.n_theta, objective.n_fixed
    design = replace(system.design, X=np.ones((system.n, 1)), x_names=("(Intercept)",))
    null = objective.like(system.of_design(design))
    start = np.concatenate([point[:k], null.start[k : k + 1], point[k + r :]])
    found = minimize(null, start=start).theta
    return float(found[k]), sum(_random(null, found[:k]).values())
