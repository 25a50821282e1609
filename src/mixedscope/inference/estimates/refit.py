"""Fits of the same model to other responses: one, or thousands for a parametric bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, OptimizerError
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.refits import (
    fixed_errors,
    from_points,
    is_compilable,
    residuals_of,
    start_inverse,
)
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.compiled_refits import Start, compiled_refits, inverse_hessian
from mixedscope.inference.ladder.tangent import raised
from mixedscope.optimize.driver import OptimizationResult, minimize

__all__ = [
    "SETTLED",
    "Refits",
    "check_responses",
    "fit_alone",
    "is_settled",
    "refit_many",
]

Floats = NDArray[np.float64]

#: Residuals on the fixed effects, over the response, up to which they explain it exactly.
_EXPLAINED = 1e-13

#: Objective still to be gained up to which a refit counts as converged.
SETTLED = 1e-6


#: Numbers of responses that are worked on together: their memory stays in a cache.
_IN_CACHE = 1 << 17


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
    std_error : (m, r) array
        Standard errors of beta, theta taken as known.
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
    std_error: Floats
    sigma: Floats
    evaluations: NDArray[np.int64]
    converged: NDArray[np.bool_]

    def part(self, rows: slice) -> Refits:
        """Give some of the rows, which share their numbers with these."""
        names = ("objective", "theta", "beta", "std_error", "sigma", "evaluations", "converged")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def frame(self) -> pd.DataFrame:
        """One row per response, one column per quantity."""
        columns = {"objective": self.objective, "sigma": self.sigma}
        columns |= {f"beta {n}": self.beta[:, j] for j, n in enumerate(self.beta_names)}
        columns |= {f"theta {n}": self.theta[:, j] for j, n in enumerate(self.theta_names)}
        frame = pd.DataFrame(columns)
        return frame.assign(evaluations=self.evaluations, converged=self.converged)


def check_responses(objective: ProfiledObjective, responses: Floats) -> Floats:
    """Give responses (m, n) back if the model can be fitted to them, else raise a DataError."""
    system = objective.system
    if responses.ndim != 2 or responses.shape[1] != system.n:
        raise DataError(
            f"Responses have shape {responses.shape}; expected (any number, {system.n}), one "
            "value per row of data used."
        )
    if (bad := np.argwhere(~np.isfinite(responses))).size:
        row, place = bad[0].tolist()
        raise DataError(
            f"Responses must be finite numbers: response {row + 1} has {responses[row, place]} for "
            f"row {place + 1} of the data used (both counted from 1)."
        )
    return responses


def refit_many(objective: ProfiledObjective, theta: Floats, responses: Floats) -> Refits:
    """Fit the model to every row of `responses`.

    Small models (`mixedscope.engine.search.refits.is_compilable`) are refitted in compiled code
    where that is sure of its end, see `mixedscope.inference.estimates.compiled_refits`; all others
    are fits of their own, by ``auto``. What comes of a row does not depend on the other rows.

    ``theta`` (k,): near which to look first: as a rule the estimate for the original response.
    ``responses`` is (m, n). Gives NaN, and not converged, where the objective could not be
    evaluated. Raises DataError if the responses have the wrong shape, are not finite, or the fixed
    effects explain one exactly.
    """
    responses = check_responses(objective, responses)
    m, k, r = len(responses), len(theta), len(objective.beta_names)
    out = Refits(
        theta_names=objective.theta_names,
        beta_names=objective.beta_names,
        objective=np.full(m, np.nan),
        theta=np.full((m, k), np.nan),
        beta=np.full((m, r), np.nan),
        std_error=np.full((m, r), np.nan),
        sigma=np.full(m, np.nan),
        evaluations=np.zeros(m, dtype=np.int64),
        converged=np.zeros(m, dtype=bool),
    )
    sure: NDArray[np.bool_] = np.zeros(m, dtype=bool)
    if m and is_compilable(objective):
        start = raised(objective, theta)
        first = Start(start, _first_inverse(objective, start))
        step = max(1, _IN_CACHE // objective.system.n)
        for at in range(0, m, step):
            rows = slice(at, at + step)
            sure[rows] = _compiled(objective, first, responses[rows], out.part(rows), at)
    for row in np.flatnonzero(~sure).tolist():
        _alone(objective, responses, row, out)
    return out


def _first_inverse(objective: ProfiledObjective, start: Floats) -> Floats:
    """First inverse Hessian of searches, (k, k), theta units."""
    try:
        return inverse_hessian(objective, start)
    except FloatingPointError:  # the model's own response has no objective there
        if objective.entries is None:
            return np.diag(1.0 / objective.scale**2)
        return objective.from_entries(objective.from_entries(start_inverse(objective, start)).T)


def _compiled(
    objective: ProfiledObjective, first: Start, responses: Floats, out: Refits, number: int
) -> NDArray[np.bool_]:
    """Fill in what compiled code is sure of, and give which (m,) that are.

    ``number``: of the first response, for messages.
    """
    system = objective.system
    residuals = residuals_of(objective, responses)
    unit = residuals.units
    exact = np.flatnonzero(unit <= _EXPLAINED * residuals.largest)
    if len(exact):
        raise _explained(number + int(exact[0]))
    ends = compiled_refits(objective, first, residuals)
    # Kernels leave constants out, and these responses have units of their own.
    if system.design.sigma is None:
        constant = objective.criterion(0.0, 0.0, 1.0)
        scales = 2.0 * objective.degrees * np.log(unit / system.y_scale)
        out.sigma[:] = np.sqrt(ends.betas[:, -1] / objective.degrees) * unit
    else:
        variance = system.variance
        constant = objective.criterion(0.0, 0.0, variance, variance) - 1.0
        scales = np.zeros(1)
        out.sigma[:] = system.design.sigma
    out.objective[:] = ends.values + (constant + scales)
    out.theta[:] = _canonical(objective, from_points(objective, ends.points))
    coefficients = ends.betas[:, :-1] * unit[:, None] + residuals.coefficients
    # Column by column: what a product of matrices gives a row depends on how many there are.
    out.beta[:] = 0.0
    for j in range(coefficients.shape[1]):
        out.beta[:] += coefficients[:, j, None] * system.r_inverse[:, j]
    out.std_error[:] = fixed_errors(objective, ends.points) * out.sigma[:, None]
    out.evaluations[:] = ends.counts
    out.converged[:] = ends.decrements <= SETTLED
    return ends.sure


def _canonical(objective: ProfiledObjective, thetas: Floats) -> Floats:
    """Bring every row of thetas (m, k) to its canonical range."""
    out = thetas + 0.0
    edges = objective.edges
    # Signs of columns and turns of angles: most rows are as they should be.
    fine = (thetas[:, objective.lower == 0.0] > 0.0).all(axis=1)
    fine &= ~(np.abs(thetas) > np.where(edges > 0.0, edges, np.inf)).any(axis=1)
    for row in np.flatnonzero(~fine).tolist():
        out[row] = objective.canonical(thetas[row])
    return out


def fit_alone(
    objective: ProfiledObjective, response: Floats, number: int
) -> tuple[SearchableObjective, OptimizationResult] | None:
    """Make a fit of its own of one response: the engine, the optimiser and the start of any fit.

    None where the objective could not be evaluated. ``number``: of the response, for messages.
    """
    other = SearchableObjective(objective.system.with_response(response), reml=objective.reml)
    if np.abs(other.system.response).max() * other.system.y_scale <= _EXPLAINED * np.abs(
        response * other.system.root_weights
    ).max(initial=0.0):
        raise _explained(number)
    try:
        return other, minimize(other)
    except OptimizerError:
        return None


def is_settled(certificate: Mapping[str, Any]) -> bool:
    """Whether a certificate leaves no more than `SETTLED` to be gained."""
    left = certificate["newton_decrement"]
    return left is not None and bool(left <= SETTLED)


def _alone(objective: ProfiledObjective, responses: Floats, row: int, out: Refits) -> None:
    """Fill in what a fit of its own makes of one row."""
    found = fit_alone(objective, responses[row], row)
    if found is None:
        out.objective[row] = out.sigma[row] = np.nan
        out.theta[row] = out.beta[row] = out.std_error[row] = np.nan
        out.converged[row] = False
        return
    other, result = found
    out.objective[row] = result.evaluation.objective
    out.theta[row] = result.theta
    out.beta[row] = result.evaluation.beta
    out.sigma[row] = result.evaluation.sigma
    out.std_error[row] = _standard_errors(other, result.theta)
    out.evaluations[row] += len(result.trace)
    out.converged[row] = is_settled(result.certificate)


def _standard_errors(objective: ProfiledObjective, theta: Floats) -> Floats:
    """Standard errors (r,) of the fixed effects at theta, which are taken as known."""
    sigma = objective.evaluate(theta).sigma
    return np.sqrt(np.diag(objective.system.beta_covariance(sigma)))


def _explained(row: int) -> DataError:
    return DataError(
        f"The fixed effects explain response {row} (counted from 0) exactly; there is no variance "
        "left to divide between groups and observations."
    )
