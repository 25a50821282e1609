"""Estimates without a unit: at theta as it was, after one Newton step, or at the new optimum.

With ``S = inv(V)``, ``Phi = inv(X'SX)`` and ``P = S - S X Phi X'S`` at theta, an observation i is
left out in closed form (Christensen, Pearson & Johnson 1992, Technometrics 34, 38-45)::

    beta(i)  = beta - Phi X'S e_i (Py)_i / P_ii
    pwrss(i) = pwrss - (Py)_i**2 / P_ii,      Phi(i) = Phi + Phi X'S e_i (Phi X'S e_i)' / P_ii
    log|V(i)| = log|V| + log S_ii,            log|V(i)| + log|X'S(i)X| = ... + log P_ii

all of it from entries of one inverse. Sets of rows, and other theta, are worked out on
cross-products formed without them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import MixedscopeError, ModelError, OptimizerError, suggest
from mixedscope.core.progress import progress_bar
from mixedscope.core.wording import as_remark, duration
from mixedscope.engine.deletion import Deletion
from mixedscope.engine.objective import ProfiledSystem
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.accuracy.folds import subset
from mixedscope.inference.diagnostics.leverage import told_observations
from mixedscope.inference.diagnostics.residuals import residual_values
from mixedscope.inference.diagnostics.units import Units
from mixedscope.inference.estimates.compiled_refits import inverse_hessian
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.ladder.tangent import SMALL
from mixedscope.optimize.driver import minimize

__all__ = ["METHODS", "Estimates", "check_method", "estimates_without"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Method = Literal["fixed", "newton", "exact"]

#: How estimates without a unit are found.
METHODS: Final[tuple[Method, ...]] = get_args(Method)

#: Newton decrement at which compiled searches stop, and up to which their ends are taken.
_TOLERANCE: Final = 1e-12
_TAKEN: Final = 1e-9

#: Most evaluations of a compiled search; what takes more is fitted as any model is.
_MOST: Final = 100

#: Criterion left to be gained after one Newton step, by its Hessian, from which on that is said.
_LEFT: Final = 0.05

#: Seconds after which it is told how long the rest takes, if that is as many seconds.
_TRIED: Final = 2.0
_LONG: Final = 20.0

_LOGGER = logging.getLogger("mixedscope")

#: Share of a coefficient's row in a direction that is lost, up to which it is none of its own.
_APART: Final = 1e-9


@dataclass
class Estimates:
    """What m units leave behind, a row each; NaN where it cannot be told.

    Attributes
    ----------
    beta : (m, r) array
    std_error : (m, r) array
        Of the fixed effects without the unit.
    log_det : (m,) array
        Of their covariance matrix.
    sigma : (m,) array
    theta : (m, k) array
    objective : (m,) array
        Criterion of the rows that are left.
    evaluations : (m,) array of int
    notes : list of str
        What is to be said of a unit; mostly nothing.
    """

    beta: Floats
    std_error: Floats
    log_det: Floats
    sigma: Floats
    theta: Floats
    objective: Floats
    evaluations: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def unknown(cls, m: int, r: int, k: int) -> Estimates:
        """Give room for m units."""
        wide, narrow = np.full((m, r), np.nan), np.full(m, np.nan)
        return cls(
            wide, wide.copy(), narrow, narrow.copy(), np.full((m, k), np.nan), narrow.copy(),
            np.zeros(m, dtype=np.int64), [""] * m,
        )  # fmt: skip

    def fill(self, unit: int, objective: SearchableObjective, theta: Floats) -> None:
        """Take the estimates of an objective at theta for those without a unit."""
        evaluation = objective.evaluate(theta)
        covariance = objective.system.beta_covariance(evaluation.sigma)
        self.evaluations[unit] += 1
        self.theta[unit] = theta
        self.sigma[unit] = evaluation.sigma
        self.objective[unit] = evaluation.objective
        if covariance.shape == (self.beta.shape[1],) * 2:
            self.beta[unit] = evaluation.beta
            self.std_error[unit] = np.sqrt(covariance.diagonal())
            self.log_det[unit] = np.linalg.slogdet(covariance)[1]


def check_method(method: str) -> Method:
    """Give a method back, or say which there are."""
    for known in METHODS:
        if method == known:
            return known
    raise ModelError(
        f"Estimates without a unit are not found by {method!r}.{suggest(method, METHODS)} "
        f"Known are: {', '.join(METHODS)}."
    )


def estimates_without(
    objective: SearchableObjective,
    theta: Floats,
    units: Units,
    method: Method,
    *,
    progress: bool = False,
) -> Estimates:
    """Estimates of the model of `objective`, fitted at theta (k,), without every unit in turn.

    What takes long is announced when it is known how long the first took; ``progress``: show a bar
    as well. Raises UnsuitedError if rounding leaves nothing of the residuals.
    """
    evaluation, _ = told_observations(objective, theta)
    deletion = Deletion(objective)
    out = Estimates.unknown(len(units.rows), len(evaluation.beta), len(theta))
    alone = list(range(len(units.rows)))
    if method == "fixed" and units.by is None:
        alone = _closed(objective, theta, deletion, out)
    if not alone:
        return out
    work = _Work(objective, theta, deletion, method, out)
    bar = progress_bar(len(alone), "units") if progress else None
    begin, announced = perf_counter(), False
    try:
        for done, unit in enumerate(alone):
            taken = perf_counter() - begin
            if not announced and done and taken > _TRIED:
                announced = True
                if bar is not None:
                    bar.clear()
                _announce(taken / done, len(alone) - done, method, units.by)
            work.leave_out(unit, units.rows[unit])
            if bar is not None:
                bar.update(1)
    finally:
        if bar is not None:
            bar.close()
    return out


def _announce(each: float, left: int, method: Method, by: str | None) -> None:
    """Say how long it takes to leave out as many units more, if that is long."""
    if each * left < _LONG:
        return
    quicker = 'method="fixed"' if by is None else 'method="fixed" or "newton"'
    instead = {
        "exact": f" {quicker} takes fewer evaluations.",
        "newton": f" {quicker} takes none, theta staying as it was." if by is None else "",
        "fixed": "",
    }[method]
    what = "observation" if by is None else f"level of {by}"
    _LOGGER.warning(
        "Leaving out one %s by method %r takes %s here, the %s that are left about %s.%s",
        what, method, duration(each), f"{left:,}", duration(each * left), instead,
    )  # fmt: skip


def _closed(
    objective: SearchableObjective, theta: Floats, deletion: Deletion, out: Estimates
) -> list[int]:
    """Leave every observation out at theta, in closed form; give those for which there is none."""
    evaluation, own = told_observations(objective, theta)
    residual = residual_values(objective, theta, "pearson")
    objective.evaluate(theta)
    covariance = objective.system.beta_covariance(evaluation.sigma)
    degrees, variance = objective.degrees, evaluation.sigma**2
    is_known = objective.system.design.sigma is not None
    with np.errstate(divide="ignore", invalid="ignore"):
        left = 1.0 - own.leverage
        out.beta[:] = evaluation.beta - own.pull * (residual / left)[:, None]
        penalised = evaluation.residual_ss + evaluation.penalty - residual**2 / left
        variances = np.full(len(left), variance) if is_known else penalised / (degrees - 1)
        out.sigma[:] = np.sqrt(variances)
        unscaled = covariance.diagonal() / variance + own.pull**2 / left[:, None]
        out.std_error[:] = np.sqrt(variances[:, None] * unscaled)
        ratio = len(evaluation.beta) * np.log(variances / variance) + np.log(own.marginal / left)
        out.log_det[:] = np.linalg.slogdet(covariance)[1] + ratio
        lost = np.log(left if objective.reml else own.marginal)
        # Of the residual; where sigma is estimated the first term is the degrees of freedom.
        logs = penalised / variances + (degrees - 1) * np.log(2.0 * np.pi * variances)
        logs -= (evaluation.residual_ss + evaluation.penalty) / variance
        logs -= degrees * np.log(2.0 * np.pi * variance)
        weights = 2.0 * np.log(objective.system.root_weights)
        out.objective[:] = evaluation.objective + logs + lost + weights
    out.theta[:] = theta
    alone = np.flatnonzero(deletion.decisive() | ~np.isfinite(out.sigma)).tolist()
    for values in (out.beta, out.std_error, out.log_det, out.sigma, out.theta, out.objective):
        values[alone] = np.nan
    return alone


class _Work:
    """Leaves one unit out after the other."""

    def __init__(
        self,
        objective: SearchableObjective,
        theta: Floats,
        deletion: Deletion,
        method: Method,
        out: Estimates,
    ) -> None:
        self._objective, self._theta, self._deletion = objective, theta, deletion
        self._method, self._out = method, out
        self._inverse = np.empty((0, 0))
        if method != "fixed":
            self._inverse = inverse_hessian(objective, theta)
        self._is_interior = self._interior(theta)

    def _interior(self, theta: Floats) -> bool:
        """Whether no covariance is so near to a singular one that a search may be caught there."""
        factors = self._objective.system.standard_factors(theta)
        terms = self._objective.system.terms
        return all(
            float(np.linalg.svd(f, compute_uv=False)[t.rank - 1]) > SMALL
            for t, f in zip(terms, factors, strict=True)
        )

    def leave_out(self, unit: int, rows: Rows) -> None:
        """Fill in the estimates without these rows."""
        out = self._out
        lost = self._deletion.directions_lost(rows)
        try:
            if lost.shape[1]:
                self._by_itself(unit, rows, lost)
            elif self._objective.system.n - len(rows) <= out.beta.shape[1] + 1:
                out.notes[unit] = "too few rows are left"
            elif self._method != "exact":
                self._nearby(unit, self._deletion.without(rows))
            elif not (self._is_interior and self._searched(unit, rows)):
                self._by_itself(unit, rows, lost)
        except (FloatingPointError, OptimizerError) as error:
            out.notes[unit] = f"not estimated: {as_remark(str(error))}"
        except MixedscopeError as error:
            out.notes[unit] = f"no model is left: {as_remark(str(error))}"

    def _nearby(self, unit: int, objective: SearchableObjective) -> None:
        """Take theta as it was, or after one Newton step with the Hessian of all observations."""
        theta = self._theta
        if self._method == "newton":
            before, slope = objective.evaluate_gradient(theta)
            self._out.evaluations[unit] += 1
            theta = objective.canonical(theta - self._inverse @ slope)
            _, slope = objective.evaluate_gradient(theta)
            self._out.evaluations[unit] += 1
            self._out.fill(unit, objective, theta)
            left = 0.5 * float(slope @ self._inverse @ slope)
            if self._out.objective[unit] > before.objective + 1e-9 * abs(before.objective):
                self._out.notes[unit] = "the Newton step raises the criterion: use method='exact'"
            elif not left <= _LEFT:
                said = f"{left:.2g} of the criterion is left to be gained"
                self._out.notes[unit] = f"after one Newton step {said}: use method='exact'"
            return
        self._out.fill(unit, objective, theta)

    def _searched(self, unit: int, rows: Rows) -> bool:
        """Search in compiled code from theta as it was; say whether its end may be taken."""
        objective = self._deletion.without(rows)
        found = self._deletion.search(self._theta, self._inverse, tolerance=_TOLERANCE, most=_MOST)
        if found is None:
            return False
        self._out.evaluations[unit] += found.evaluations
        if not found.decrement <= _TAKEN or not self._interior(found.theta):
            return False
        self._out.fill(unit, objective, found.theta)
        return True

    def _by_itself(self, unit: int, rows: Rows, lost: Floats) -> None:
        """Make a model of the rows that are left, with columns of its own."""
        whole, out = self._objective, self._out
        kept = np.setdiff1d(np.arange(whole.system.n), rows)
        design = subset(whole.system.design, kept, "its variance cannot be told")
        objective = SearchableObjective(ProfiledSystem(design), reml=whole.reml)
        if self._method == "exact":
            result = minimize(objective, start=self._theta if self._is_interior else None)
            out.evaluations[unit] += len(result.trace)
            out.fill(unit, objective, result.theta)
            left = result.certificate["newton_decrement"]
            if result.certificate["unidentified"]:
                out.notes[unit] = "some covariance parameters are not determined without it"
            elif left is None or not left <= SETTLED:
                out.notes[unit] = "not converged"
        else:
            self._nearby(unit, objective)
        if lost.shape[1]:
            self._say_lost(unit, objective, lost)

    def _say_lost(self, unit: int, objective: SearchableObjective, lost: Floats) -> None:
        """Tell the coefficients that are determined without a unit from those that are not."""
        out, names = self._out, self._objective.beta_names
        evaluation = objective.evaluate(out.theta[unit])
        errors = np.sqrt(objective.system.beta_covariance(evaluation.sigma).diagonal())
        own = {
            name: (b, error)
            for name, b, error in zip(objective.beta_names, evaluation.beta, errors, strict=True)
        }
        # Coefficients have units of their own: each is judged beside all that it is made of.
        whole = np.linalg.norm(self._objective.system.r_inverse, axis=1)
        open_ = np.linalg.norm(lost, axis=1) > _APART * whole
        for j, name in enumerate(names):
            if not open_[j] and name in own:
                out.beta[unit, j], out.std_error[unit, j] = own[name]
        missing = [name for name, is_open in zip(names, open_, strict=True) if is_open]
        said = f"inestimable without it: {', '.join(missing)}"
        out.notes[unit] = f"{said}; {out.notes[unit]}" if out.notes[unit] else said
