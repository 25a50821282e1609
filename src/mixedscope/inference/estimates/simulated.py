"""Responses drawn from a model: fixed effects, new random effects, new residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem

__all__ = ["Truth", "drawn_responses", "simulate_effects", "simulate_responses", "truth_at"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """The parameters that responses are drawn from.

    Attributes
    ----------
    beta : (r,) array
        Fixed effects that the model estimates, units of the data.
    sigma : float
        Residual standard deviation of an observation of weight 1, units of the response.
    theta : (k,) array
        Relative covariance parameters.
    """

    beta: Floats
    sigma: float
    theta: Floats


def truth_at(
    objective: ProfiledObjective,
    theta: Floats,
    *,
    beta: Floats | None = None,
    sigma: float | None = None,
) -> Truth:
    """Parameters of a model: theta (k,), and what is not given as estimated there.

    Raises ModelError if one has the wrong length, is not finite, or sigma is not above zero.
    """
    named = (("beta", beta, objective.beta_names), ("theta", theta, objective.theta_names))
    for name, values, wanted in named:
        if values is None:
            continue
        if values.shape != (len(wanted),):
            raise ModelError(
                f"{name} has {values.size} values in shape {values.shape}; this model has "
                f"{len(wanted)}: {', '.join(wanted)}."
            )
        if not np.isfinite(values).all():
            which = wanted[int(np.argmin(np.isfinite(values)))]
            raise ModelError(f"{name} is not finite for {which}.")
    if sigma is not None and not (np.isfinite(sigma) and sigma > 0.0):
        raise ModelError(f"sigma must be a finite number above zero, not {sigma}.")
    if beta is None or sigma is None:
        evaluation = objective.evaluate(theta)
        beta = evaluation.beta if beta is None else beta
        sigma = evaluation.sigma if sigma is None else sigma
    return Truth(np.array(beta, dtype=float), float(sigma), np.array(theta, dtype=float))


def drawn_responses(
    system: ProfiledSystem, truth: Truth, residuals: Floats, effects: Sequence[Floats]
) -> list[Floats]:
    """Turn standard normal numbers into responses: residuals (m, n), overwritten by them.

    ``effects`` (m, q, k) per grouping factor. Gives the random effects (m, q, k), units of the
    data. Of each response the numbers are those it has by itself, whatever is drawn beside it.
    """
    residuals *= truth.sigma / system.root_weights
    residuals += system.fixed_columns @ truth.beta
    out = []
    for term, standard in zip(system.terms, effects, strict=True):
        factor = term.factor(truth.theta[term.theta]) * truth.sigma
        design = term.design
        drawn = np.zeros_like(standard)
        for c in range(term.size):
            for a in np.flatnonzero(factor[c]).tolist():
                drawn[:, :, c] += standard[:, :, a] * factor[c, a]
            own = drawn[:, design.codes, c]
            own *= design.Z[:, c]
            residuals += own
        out.append(drawn)
    return out


def simulate_responses(
    objective: ProfiledObjective,
    theta: Floats,
    count: int,
    rng: np.random.Generator,
    *,
    beta: Floats | None = None,
    sigma: float | None = None,
) -> Floats:
    """Draw responses (count, n) from a model, new random effects and residuals each.

    They are in the units of the response, less the offset if there is one. ``beta`` (r,) and
    ``sigma``: by default as estimated at theta (k,).
    """
    return simulate_effects(objective, theta, count, rng, beta=beta, sigma=sigma)[0]


def simulate_effects(
    objective: ProfiledObjective,
    theta: Floats,
    count: int,
    rng: np.random.Generator,
    *,
    beta: Floats | None = None,
    sigma: float | None = None,
) -> tuple[Floats, list[Floats]]:
    """Draw responses as `simulate_responses`, and give the random effects behind them too.

    ``responses`` (count, n): in the units of the response. ``effects`` (count, q, k): random
    effects per grouping factor, units of the data.
    """
    truth = truth_at(objective, theta, beta=beta, sigma=sigma)
    system = objective.system
    responses = rng.standard_normal((count, system.n))
    standard = [
        rng.standard_normal((count, len(term.design.levels), term.size)) for term in system.terms
    ]
    return responses, drawn_responses(system, truth, responses, standard)
