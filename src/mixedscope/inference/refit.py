"""Fits of the same model to other responses: one, or thousands for a parametric bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.errors import DataError
from mixedscope.model.blocked import BlockedSystem
from mixedscope.model.kernels_single import refit_single
from mixedscope.model.objective import ProfiledObjective
from mixedscope.model.random_term import inverse_of_lower
from mixedscope.model.small import SingleSystem
from mixedscope.optimize import minimize

__all__ = [
    "SETTLED",
    "Refits",
    "check_responses",
    "inverse_hessian",
    "refit_many",
    "simulate_effects",
    "simulate_responses",
]

Floats = NDArray[np.float64]

# Objective still to be gained at which a refit stops, and most evaluations of one.
_TOLERANCE = 1e-9
_MOST = 500

#: Objective still to be gained up to which a refit counts as converged.
SETTLED = 1e-6


@dataclass(frozen=True)
class Refits:
    """Estimates of one model for many responses, a row each.

    Attributes
    ----------
    theta_names, beta_names : tuple of str
    objective : (m,) array
        -2 log-likelihood or REML criterion.
    theta : (m, k) array
    beta : (m, r) array
    sigma : (m,) array
    evaluations : (m,) array of int
    converged : (m,) array of bool
        Whether no more than 1e-6 of the objective is left to be gained, by the Newton decrement.
    """

    theta_names: tuple[str, ...]
    beta_names: tuple[str, ...]
    objective: Floats
    theta: Floats
    beta: Floats
    sigma: Floats
    evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]

    def frame(self) -> pd.DataFrame:
        """One row per response, one column per quantity."""
        columns = {"objective": self.objective, "sigma": self.sigma}
        columns |= {f"beta {n}": self.beta[:, j] for j, n in enumerate(self.beta_names)}
        columns |= {f"theta {n}": self.theta[:, j] for j, n in enumerate(self.theta_names)}
        frame = pd.DataFrame(columns)
        return frame.assign(evaluations=self.evaluations, converged=self.converged)


def simulate_responses(
    objective: ProfiledObjective, theta: Floats, count: int, rng: np.random.Generator
) -> Floats:
    """Draw responses from the fitted model, new random effects and residuals each.

    Returns
    -------
    (count, n) array
        In the units of the response.
    """
    return simulate_effects(objective, theta, count, rng)[0]


def simulate_effects(
    objective: ProfiledObjective, theta: Floats, count: int, rng: np.random.Generator
) -> tuple[Floats, list[Floats]]:
    """Draw responses from the fitted model, and give the random effects behind them too.

    Returns
    -------
    responses : (count, n) array
        In the units of the response.
    effects : list of (count, q, k) arrays
        Random effects per grouping factor, units of the data.
    """
    evaluation = objective.evaluate(theta)
    system = objective.system
    design = system.design
    mean = design.X[:, system.basis.kept] @ evaluation.beta
    out = rng.standard_normal((count, system.n))
    out *= evaluation.sigma / system.root_weights
    out += mean
    effects = []
    for term in system.terms:
        factor = term.factor(theta[term.theta]) * evaluation.sigma
        b = rng.standard_normal((count, len(term.design.levels), term.size)) @ factor.T
        for c in range(term.size):
            out += b[:, term.design.codes, c] * term.design.Z[:, c]
        effects.append(b)
    return out, effects


def inverse_hessian(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Inverse Hessian of the objective at theta (k, k), theta units, made positive definite.

    By central differences of the exact gradient in internal units; eigenvalues below 1/1000 of the
    largest are raised to it, so that a first step is bounded.
    """
    shape = np.diag(objective.scale) if objective.coordinates is None else objective.coordinates
    back = inverse_of_lower(shape)
    x = shape @ theta
    k = len(x)
    hessian = np.empty((k, k))
    for i in range(k):
        step = np.zeros(k)
        step[i] = 1e-4 * max(abs(x[i]), 0.1)
        _, above = objective.evaluate_gradient(back @ (x + step))
        _, below = objective.evaluate_gradient(back @ (x - step))
        hessian[i] = (above - below) @ back / (2.0 * step[i])
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    values = np.maximum(values, 1e-3 * values[-1])
    return np.asarray(back @ ((vectors / values) @ vectors.T) @ back.T)


def check_responses(objective: ProfiledObjective, responses: Floats) -> Floats:
    """Give responses (m, n) back if the model can be fitted to them, else raise a DataError."""
    system = objective.system
    if responses.ndim != 2 or responses.shape[1] != system.n:
        raise DataError(
            f"Responses have shape {responses.shape}; expected (any number, {system.n}), one "
            "value per row of data used."
        )
    if not np.isfinite(responses).all():
        raise DataError("Responses contain values that are not finite.")
    return responses


def refit_many(
    objective: ProfiledObjective, theta: Floats, inverse_hessian: Floats, responses: Floats
) -> Refits:
    """Fit the model to every row of `responses`, starting from theta.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        Where to start: as a rule the estimate for the original response.
    inverse_hessian : (k, k) array
        Of the objective there, theta units; first approximation of every refit.
    responses : (m, n) array

    Returns
    -------
    Refits

    Raises
    ------
    DataError
        If the responses have the wrong shape or are not finite.
    """
    system = objective.system
    responses = check_responses(objective, responses)
    weighted = responses * system.root_weights
    projections = weighted @ system.basis.q
    residuals = weighted - projections @ system.basis.q.T
    residuals /= system.y_scale
    entries = objective.entries
    if system.blocked.is_single and entries is not None:
        found = _compiled(objective, theta, inverse_hessian, residuals)
    else:
        found = _one_by_one(objective, theta, residuals)
    thetas, values, betas, counts, decrements = found
    theta_hat = np.array([objective.canonical(row) for row in thetas])
    pwrss = betas[:, -1] * system.y_scale**2
    constant = objective.degrees * (
        1.0 + np.log(2.0 * np.pi / objective.degrees) + 2.0 * np.log(system.y_scale)
    )
    constant += (system.basis.log_det if objective.reml else 0.0) - system.log_weights
    coefficients = betas[:, :-1] * system.y_scale + projections
    return Refits(
        theta_names=objective.theta_names,
        beta_names=objective.beta_names,
        objective=values + constant,
        theta=theta_hat,
        beta=coefficients @ system.r_inverse.T,
        sigma=np.sqrt(pwrss / objective.degrees),
        evaluations=counts,
        converged=decrements <= SETTLED,
    )


_Arrays = tuple[Floats, Floats, Floats, NDArray[np.int64], Floats]


def _empty(count: int, k: int, r: int) -> _Arrays:
    return (
        np.empty((count, k)),
        np.empty(count),
        np.empty((count, r + 1)),
        np.empty(count, dtype=np.int64),
        np.empty(count),
    )


def _compiled(
    objective: ProfiledObjective, theta: Floats, inverse_hessian: Floats, residuals: Floats
) -> _Arrays:
    system = objective.system
    assert objective.entries is not None
    places, _ = objective.entries
    start = objective.to_entries(theta)
    inverse = objective.to_entries(objective.to_entries(inverse_hessian).T)
    factor, small = system.factors[0], system.blocked.small
    assert isinstance(small, SingleSystem)
    arrays = _empty(len(residuals), len(start), len(system.basis.kept))
    refit_single(
        factor.codes, factor.z, residuals, small.pattern, small.data, small.arrays, places, start,
        np.ascontiguousarray(inverse), objective.degrees, objective.reml or None, _TOLERANCE, _MOST,
        *arrays,
    )  # fmt: skip
    return objective.from_entries(arrays[0]), *arrays[1:]


def _one_by_one(objective: ProfiledObjective, theta: Floats, residuals: Floats) -> _Arrays:
    """Models of several factors: the same engine, one optimisation per response."""
    system = objective.system
    arrays = _empty(len(residuals), len(theta), len(system.basis.kept))
    thetas, values, betas, counts, decrements = arrays
    original = system.blocked
    try:
        for row, residual in enumerate(residuals):
            system.blocked = BlockedSystem(system.cross.with_response(residual))
            result = minimize(objective, optimizer="bfgs", start=theta)
            solution = system.blocked.solve(system.standard_factors(result.theta))
            thetas[row] = result.theta
            values[row] = solution.log_det + objective.degrees * np.log(solution.pwrss)
            if objective.reml:
                values[row] += solution.log_det_fixed
            betas[row] = [*solution.beta, solution.pwrss]
            counts[row] = len(result.trace)
            decrements[row] = result.certificate["newton_decrement"]
    finally:
        system.blocked = original
    return arrays
