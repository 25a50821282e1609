"""Estimates of a generalised model without a unit: after one Newton step, or at the new optimum.

A unit is left out by a weight of 0: its rows say nothing then, of a level that is left without any
the mode is 0, and the objective is -2 log-likelihood of the other rows. Everything that is searched
is estimated anew: theta, fixed effects and dispersion. Covariances of the fixed effects, in which
Cook's distances are measured, are those with theta and dispersion as known, as of linear models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.core.progress import progress_bar
from mixedscope.core.wording import as_remark
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.inference.diagnostics.deletions import Estimates, check_method
from mixedscope.inference.diagnostics.influence import Influence, factors_of
from mixedscope.inference.diagnostics.units import Units
from mixedscope.inference.estimates.parameters import sds_and_correlations
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.generalized import parameter_covariance
from mixedscope.inference.ladder.tangent import raised
from mixedscope.inference.profiles.constrained import bounded_inverse, hessian, minimize
from mixedscope.inference.profiles.generalized_space import GeneralizedSpace
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["GeneralizedInfluence", "generalized_influence"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

#: Newton decrement, deviance units, at which a search ends.
_TOLERANCE: Final = 1e-10

#: Objective left to be gained after one Newton step from which on that is said.
_LEFT: Final = 0.05

#: What is left of a direction of the fixed effects that counts as nothing.
_LOST: Final = 1e-9

#: Change of a linear predictor from which on fixed effects may be on their way to infinity.
_FAR: Final = 8.0


@dataclass(frozen=True, repr=False)
class GeneralizedInfluence(Influence):
    """What estimates of a generalised model are without every unit in turn.

    Made by :meth:`mixedscope.GeneralizedFit.influence`; attributes are those of
    :class:`mixedscope.Influence`. There is no sigma; ``estimates`` has the dispersion in its place,
    where the family has one, and so has ``parameters``.
    """

    _dispersion: tuple[Floats, float] | None = None

    @property
    def _laplace(self) -> LaplaceObjective:
        return cast("LaplaceObjective", self._objective)

    @property
    def estimates(self) -> pd.DataFrame:
        """What is estimated without each unit, a row each, labelled by it."""
        found, objective = self._without, self._laplace
        columns: dict[str, Any] = {"objective": found.objective}
        if self._dispersion is not None:
            columns[str(objective.system.family.dispersion)] = self._dispersion[0]
        for kind, values in (("beta", found.beta), ("std_error", found.std_error)):
            columns |= {
                f"{kind} {name}": values[:, j] for j, name in enumerate(objective.beta_names)
            }
        for j, name in enumerate(objective.theta_names[: objective.n_theta]):
            columns[f"theta {name}"] = found.theta[:, j]
        note = pd.Series([text or None for text in found.notes], index=self.units, dtype=object)
        columns |= {"evaluations": found.evaluations, "note": note}
        return pd.DataFrame(columns, index=self.units)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """A row per unit and parameter, as the stored table ``influence_parameters``."""
        objective, found, whole = self._laplace, self._without, self._whole
        frames = []
        for j, name in enumerate(objective.beta_names):
            own = self._long("beta", None, name, None, found.beta[:, j], whole.beta[0, j])
            frames.append(own.assign(scaled=self.dfbetas.iloc[:, j].to_numpy()))
        if self._dispersion is not None:
            scale = objective.system.family.dispersion
            frames.append(self._long("dispersion", None, scale, None, *self._dispersion))
        for term in objective.system.terms:
            frames += list(self._of_term(term))
        return pd.concat(frames, ignore_index=True)

    def _of_term(self, term: GroupEffects) -> Iterator[pd.DataFrame]:
        """Standard deviations, correlations and theta of a term."""
        found, whole = self._without, self._whole
        sides = [
            sds_and_correlations(
                term, factors_of(term, e.theta[:, term.theta]), np.ones(len(e.theta))
            )
            for e in (found, whole)
        ]
        for (kind, a, b, values), (*_, all_of_it) in zip(*sides, strict=True):
            yield self._long(kind, term.group, a, b, values, float(all_of_it[0]))
        columns = found.theta[:, term.theta].T, whole.theta[0, term.theta]
        for name, values, value in zip(term.theta_names(), *columns, strict=True):
            yield self._long("theta", term.group, name, None, values, float(value))


def generalized_influence(
    objective: LaplaceObjective,
    point: Floats,
    units: Units,
    method: str,
    info: Mapping[str, Any] | None = None,
    *,
    progress: bool = False,
) -> GeneralizedInfluence:
    """Leave every unit out of the fit at a point (k,) in turn.

    Raises ModelError if there is no such method, UnsuitedError for ``fixed``, as fixed effects are
    searched together with theta, and where one Newton step cannot be taken.
    """
    known = check_method(method)
    if known == "fixed":
        raise UnsuitedError(
            "method='fixed' is of linear models, whose fixed effects follow from theta: of a "
            "generalised model all is searched together; take 'newton' or 'exact'."
        )
    work = _Work(objective, np.asarray(point, dtype=float), known, len(units.rows))
    bar = progress_bar(len(units.rows), "units") if progress else None
    try:
        for unit, rows in enumerate(units.rows):
            work.leave_out(unit, rows)
            if bar is not None:
                bar.update(1)
    finally:
        if bar is not None:
            bar.close()
    objective.forget()
    whole = Estimates.unknown(1, objective.n_fixed, objective.n_theta)
    dispersion = np.ones(1)
    _fill(whole, dispersion, 0, objective, work.point)
    has = objective.system.family.dispersion is not None
    return GeneralizedInfluence(
        units.by, known, units.labels, work.out, whole, objective,  # type: ignore[arg-type]
        objective.fixed_covariance(work.point), units, {("sigma", None, None, None)}, info or {},
        (work.dispersion, float(dispersion[0])) if has else None,
    )  # fmt: skip


def _fill(
    out: Estimates, dispersion: Floats, unit: int, objective: LaplaceObjective, point: Floats
) -> None:
    """Take the estimates at a point for those without a unit."""
    evaluation = objective.evaluate(point)
    theta, beta, dispersion[unit] = objective.split(point)
    out.evaluations[unit] += 1
    out.theta[unit], out.beta[unit] = theta, beta
    out.objective[unit] = evaluation.objective
    covariance = objective.fixed_covariance(point)
    objective.forget()
    out.std_error[unit] = np.sqrt(covariance.diagonal())
    out.log_det[unit] = np.linalg.slogdet(covariance)[1]


class _Work:
    """Leaves one unit out after the other."""

    def __init__(self, objective: LaplaceObjective, point: Floats, method: str, count: int) -> None:
        self.point = objective.canonical(point)
        self.out = Estimates.unknown(count, objective.n_fixed, objective.n_theta)
        self.dispersion = np.full(count, np.nan)
        self._objective, self._exact = objective, method == "exact"
        # Orthonormal columns of the fixed effects.
        self._basis = np.linalg.qr(objective.system.X)[0]
        if self._exact:
            self._space = GeneralizedSpace(objective)
            # Where a variance is zero the slope is too, whatever is left out.
            self._start = self._space.coordinates(raised(objective, self.point))
            self._space.begin()
            self._free = np.arange(1, self._space.size)
            own = hessian(self._space, self._start)[np.ix_(self._free, self._free)]
            self._inverse = bounded_inverse(own, self._space.unit(self._start)[self._free])
            return
        self._inverse = 0.5 * parameter_covariance(objective, self.point)
        if not np.isfinite(self._inverse).all():
            raise UnsuitedError(
                "One Newton step cannot be taken where the objective is flat along a direction of "
                "the parameters; the certificate says which: take method='exact'."
            )

    def leave_out(self, unit: int, rows: Rows) -> None:
        """Fill in the estimates without these rows."""
        out, system = self.out, self._objective.system
        own = self._basis[rows]
        if own.shape[1]:
            left = np.eye(own.shape[1]) - own.T @ own
            if not float(np.linalg.eigvalsh(left)[0]) > _LOST:
                out.notes[unit] = "a fixed effect is inestimable without it"
                return
        if system.n - len(rows) <= len(self.point):
            out.notes[unit] = "too few rows are left"
            return
        known = system.response.weights
        weights = np.ones(system.n) if known is None else known.copy()
        weights[rows] = 0.0
        other = system.of_response(replace(system.response, weights=weights))
        objective = self._objective.like(other)
        try:
            (self._searched if self._exact else self._nearby)(unit, objective)
        except EVALUATION_ERRORS as error:
            out.notes[unit] = f"not estimated: {as_remark(str(error))}"

    def _nearby(self, unit: int, objective: LaplaceObjective) -> None:
        """Take one Newton step with the Hessian of all observations."""
        before, slope = objective.evaluate_gradient(self.point)
        point = objective.canonical(self.point - self._inverse @ slope)
        after, slope = objective.evaluate_gradient(point)
        self.out.evaluations[unit] += 2
        left = 0.5 * float(slope @ self._inverse @ slope)
        if after.objective > before.objective + 1e-9 * abs(before.objective):
            note = "the Newton step raises the objective: use method='exact'"
        elif not left <= _LEFT:
            note = f"after one Newton step {left:.2g} is left to be gained: use method='exact'"
        else:
            note = ""
        self.out.notes[unit] = note
        _fill(self.out, self.dispersion, unit, objective, point)

    def _searched(self, unit: int, objective: LaplaceObjective) -> None:
        """Search from the estimates with all observations."""
        space = self._space.of(objective)
        found = minimize(space, self._start, self._free, self._inverse, tolerance=_TOLERANCE)
        slope = found.point.slope[self._free]
        left = 0.5 * float(slope @ found.inverse @ slope)
        point = objective.canonical(found.point.theta)
        self.out.evaluations[unit] += space.evaluations
        k, r = objective.n_theta, objective.n_fixed
        moved = objective.system.X @ (point - self.point)[k : k + r]
        notes = ["not converged"] * (not left <= SETTLED)
        if r and float(np.abs(moved).max()) > _FAR:
            notes.append("fixed effects may be at infinity without it")
        self.out.notes[unit] = "; ".join(notes)
        _fill(self.out, self.dispersion, unit, objective, point)
