"""Planned studies of generalised models: designs, draws, z tests, likelihood ratios, profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import derive_seed, generator
from mixedscope.design.design import Design
from mixedscope.design.design_of_rows import design_of_rows
from mixedscope.design.fixed_terms import FixedTerms
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.making import (
    family_of,
    generalized_objective,
    objective_of_design,
)
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Response
from mixedscope.inference.bootstrap.generalized import (
    GeneralizedRefitter,
    drawn_response,
    generalized_origin,
    generalized_responses,
)
from mixedscope.inference.bootstrap.result import Bootstrap
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.generalized import parameter_covariance
from mixedscope.inference.hypotheses.contrasts import Contrasts
from mixedscope.inference.hypotheses.wald import Wald
from mixedscope.inference.ladder.tangent import raised
from mixedscope.inference.power.held_contrasts import (
    NO_RATIO,
    chi_squared_tail,
    profile_ends,
    without_contrast,
)
from mixedscope.inference.power.outcomes import Outcomes
from mixedscope.inference.power.planned_rows import offset_of
from mixedscope.inference.power.plans import Grown, layouts_differ, simulated, theta_of, thinned
from mixedscope.inference.power.study import tested_contrasts, with_effects
from mixedscope.inference.profiles.constrained import (
    TOLERANCE,
    bounded_inverse,
    hessian,
    minimize,
)
from mixedscope.inference.profiles.generalized_space import GeneralizedSpace
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["GeneralizedPlan", "planned_generalized", "simulated_generalized"]

Floats = NDArray[np.float64]

#: Numbers of responses that are in memory at once, about.
_AT_ONCE: Final = 1 << 20


@dataclass
class GeneralizedLayout:
    """A generalised model for rows that nobody has observed yet.

    Attributes
    ----------
    spec : ModelSpec
    objective : LaplaceObjective
    point : (k,) array
        The truth: theta, fixed effects, logarithm of the dispersion.
    contrasts : Contrasts
    test : str
    level : float
    """

    spec: ModelSpec
    objective: LaplaceObjective
    point: Floats
    contrasts: Contrasts
    test: str
    level: float

    @property
    def n(self) -> int:
        """Rows."""
        return self.objective.system.n

    @property
    def truths(self) -> Floats:
        """What the contrasts are (c,)."""
        return self.contrasts.rows @ self._beta_of(self.point)

    def _beta_of(self, point: Floats) -> Floats:
        k = self.objective.n_theta
        return point[k : k + self.objective.n_fixed]

    @cached_property
    def _refitter(self) -> GeneralizedRefitter:
        return GeneralizedRefitter(self.objective, self.point)

    @cached_property
    def _held(self) -> list[GeneralizedRefitter]:
        """What fits the model with a contrast held, for each of them."""
        out = []
        k = self.objective.n_theta
        for row, value in zip(self.contrasts.rows, self.contrasts.values, strict=True):
            system = self.objective.system
            columns, direction, kept = without_contrast(system.X, row)
            held = system.design.offset
            own = value * direction
            offset = own if held is None else held + own
            poorer = _of_columns(self.spec, system, columns, offset=offset)
            beta = self._beta_of(self.point)[kept]
            point = np.concatenate([self.point[:k], beta, self.point[k + len(row) :]])
            out.append(GeneralizedRefitter(poorer, point))
        return out

    @cached_property
    def _profiled(self) -> list[ProfiledContrast]:
        """What follows the profile of each contrast."""
        return [
            ProfiledContrast(self.spec, self.objective, self.point, row)
            for row in self.contrasts.rows
        ]

    def outcomes(self, draws: Sequence[int], seed: int) -> Outcomes:
        """Draw responses by number, fit the model to each and test."""
        step = max(1, _AT_ONCE // self.n)
        parts = [self._some(list(draws[at : at + step]), seed) for at in range(0, len(draws), step)]
        return Outcomes.joined(parts)

    def _some(self, numbers: list[int], seed: int) -> Outcomes:
        objective, rows = self.objective, self.contrasts.rows
        responses = generalized_responses(objective, self.point, numbers, seed)
        whole = self._described(self._refitter, responses, numbers, seed)
        out = Outcomes.room(len(numbers), len(rows))
        made = np.isfinite(whole.objective) & np.isfinite(whole.beta).all(axis=1)
        out.certified[:] = whole.converged & made
        out.failed[:] = ~made
        out.singular[:] = whole.singular
        for j, row in enumerate(rows):
            out.estimate[:, j] = (whole.beta * row).sum(axis=1)
        if self.test != "lrt":
            for i in np.flatnonzero(out.certified).tolist():
                self._wald(whole, i, responses[i], out)
            out.finish(self.contrasts.values, self.level)
        if self.test != "wald":
            for j, refitter in enumerate(self._held):
                poorer = self._described(refitter, responses, numbers, seed)
                value = np.where(poorer.converged, poorer.objective, np.nan)
                out.p_value[:, j] = chi_squared_tail(value, whole.objective)
            for i in np.flatnonzero(out.certified & np.isnan(out.p_value).any(axis=1)).tolist():
                out.remarks[i] = NO_RATIO
        if self.test == "profile":
            for j, profiled in enumerate(self._profiled):
                out.lower[:, j], out.upper[:, j] = profiled.ends(
                    responses, whole, out.estimate[:, j], out.std_error[:, j], self.level
                )
        return out.without(~out.certified)

    def _wald(self, whole: Bootstrap, i: int, response: Floats, out: Outcomes) -> None:
        """Standard errors of one draw, from the curvature at its end."""
        objective = self.objective
        system = objective.system
        own = objective.like(system.of_response(replace(system.response, y=response)))
        point = _point_of(whole, i)
        try:
            method = Wald(own, point, parameter_covariance(own, point))
        except EVALUATION_ERRORS as error:
            out.say(i, error)
            return
        out.std_error[i] = method.errors(self.contrasts.rows)
        out.df[i] = np.inf
        if np.isnan(out.std_error[i]).any():
            out.remarks[i] = "the likelihood is flat along an effect: it is not estimated"

    @staticmethod
    def _described(
        refitter: GeneralizedRefitter, responses: Floats, draws: Sequence[int], seed: int
    ) -> Bootstrap:
        origin = generalized_origin(refitter.objective, refitter.point, seed=seed)
        return refitter.described(responses, draws, origin)


class ProfiledContrast:
    """The model with one contrast of its fixed effects as a coefficient that can be held.

    Parameters
    ----------
    spec : ModelSpec
    objective : LaplaceObjective
    point : (k,) array
        The truth: theta, fixed effects, logarithm of the dispersion.
    row : (r,) array
        The contrast.
    """

    def __init__(
        self, spec: ModelSpec, objective: LaplaceObjective, point: Floats, row: Floats
    ) -> None:
        columns, direction, self._kept = without_contrast(objective.system.X, row)
        self._row, self._first = row, objective.n_theta
        # The contrast comes last: the others do not change where it is held.
        turned = np.column_stack([columns, direction])
        self._objective = _of_columns(
            spec, objective.system, turned, offset=objective.system.design.offset
        )
        self._space = GeneralizedSpace(self._objective, [len(row) - 1])
        dispersion = len(point) - self._first - len(row)
        self._place = self._space.size - 1 - dispersion
        self._free = np.array([i for i in range(1, self._space.size) if i != self._place])
        start = self._start(point)
        self._space.begin()
        curvature = hessian(self._space, start)[np.ix_(self._free, self._free)]
        self._inverse = bounded_inverse(curvature, self._space.unit(start)[self._free])

    def _start(self, point: Floats) -> Floats:
        """Coordinates of a point of the model as it is written; variances of zero are raised."""
        own = slice(self._first, self._first + len(self._row))
        beta = point[own]
        turned = np.array(point, dtype=float)
        turned[own] = [*beta[self._kept], self._row @ beta]
        return self._space.coordinates(raised(self._objective, turned))

    def ends(
        self, responses: Floats, whole: Bootstrap, estimates: Floats, errors: Floats, level: float
    ) -> tuple[Floats, Floats]:
        """Ends (m,) and (m,) of the profile intervals for responses (m, n)."""

        def deviances(rows: NDArray[np.intp], at: Floats) -> Floats:
            return np.array(
                [
                    self._deviance(responses[i], _point_of(whole, i), value)
                    for i, value in zip(rows.tolist(), at.tolist(), strict=True)
                ]
            )

        return profile_ends(deviances, whole.objective, estimates, errors, level)

    def _deviance(self, response: Floats, point: Floats, value: float) -> float:
        """Least deviance with the contrast held; NaN where it is not found."""
        system = self._objective.system
        other = system.of_response(replace(system.response, y=response))
        space = self._space.of(self._objective.like(other))
        x = self._start(point)
        x[self._place] = value
        try:
            found = minimize(space, x, self._free, self._inverse, tolerance=TOLERANCE)
        except EVALUATION_ERRORS:
            return np.nan
        slope = found.point.slope[self._free]
        left = 0.5 * float(slope @ found.inverse @ slope)
        return found.point.value if left <= SETTLED else np.nan


def _point_of(whole: Bootstrap, i: int) -> Floats:
    """All that was searched of one draw (k,)."""
    scale = [np.log(whole.sigma[i])] if np.isfinite(whole.sigma[i]) else []
    return np.concatenate([whole.theta[i], whole.beta[i], scale])


def _of_columns(
    spec: ModelSpec, system: GeneralizedSystem, columns: Floats, *, offset: Floats | None
) -> LaplaceObjective:
    """The objective of a model with other columns of fixed effects (n, any), and this offset."""
    design = replace(
        system.design,
        X=np.ascontiguousarray(columns),
        x_names=tuple(f"{j}" for j in range(columns.shape[1])),
        fixed=FixedTerms(),
        offset=offset,
    )
    return objective_of_design(spec, design, family_of(spec))


@dataclass(frozen=True)
class GeneralizedPlan:
    """Layouts of a generalised model whose parameters are known; as `LinearPlan`."""

    made: Callable[[Mapping[str, int], int], tuple[ModelSpec, LaplaceObjective, Floats]]
    hypotheses: Any
    test: str
    level: float
    random: Callable[[Mapping[str, int]], bool]
    criterion: str = "ML"

    def layout(self, sizes: Mapping[str, int], block: int, seed: int) -> GeneralizedLayout:
        """See `mixedscope.inference.power.study.Plan`."""
        spec, objective, point = self.made(sizes, derive_seed(seed, "power layout", block=block))
        contrasts = tested_contrasts(objective, self.hypotheses)
        return GeneralizedLayout(spec, objective, point, contrasts, self.test, self.level)

    def is_random(self, sizes: Mapping[str, int]) -> bool:
        """See `mixedscope.inference.power.study.Plan`."""
        return self.random(sizes)


def planned_generalized(
    spec: ModelSpec,
    objective: LaplaceObjective,
    point: Floats,
    rows: pd.DataFrame,
    *,
    weights: str | None = None,
    effects: Mapping[str, float] | None,
    hypotheses: Any,
    test: str,
    level: float,
    missing: float,
) -> GeneralizedPlan:
    """Plan studies whose rows are made of those of a fit, or of others that are given.

    As `planned_fit` of linear models. ``weights``: the column of the rows that has their weights.
    """
    k, names = objective.n_theta, objective.system.fixed_names
    own = slice(k, k + len(names))
    truth = np.array(point, dtype=float)
    truth[own] = with_effects(truth[own], names, effects)
    # A dispersion without end is one to draw from: that of the family without it.
    endless = [
        name for name in objective.at_infinity(np.asarray(point, dtype=float))
        if name in objective.theta_names[: own.stop] and name not in (effects or {})
    ]  # fmt: skip
    if endless:
        raise ModelError(
            f"The data of the fit bound no estimate of {', '.join(endless)}. Say in effects what "
            "the true value of a coefficient is, or plan from a specification."
        )
    grown = Grown(rows, spec.formula)
    family = family_of(spec)
    base, parts = objective.system, objective.split(truth)

    def made(sizes: Mapping[str, int], seed: int) -> tuple[ModelSpec, LaplaceObjective, Floats]:
        planned = thinned(grown.to(sizes), missing, seed)
        offset = offset_of(planned, base.design.training)
        there = design_of_rows(
            base.design, planned, weights=weights, offset=offset, what="the planned study"
        )
        there = replace(
            there, X=np.ascontiguousarray(there.X[:, base.kept]), x_names=names, fixed=FixedTerms()
        )
        if base.response.trials is not None and there.trials is None:
            # Weights of shares are trials: of drawn ones, which may all be 0 or 1, nothing tells.
            there = replace(there, trials=there.weights, weights=None)
        return spec, objective_of_design(spec, _drawn(there, base, parts), family), truth

    return GeneralizedPlan(made, hypotheses, test, level, lambda sizes: missing > 0.0)


def _drawn(design: Design, base: GeneralizedSystem, parts: tuple[Floats, Floats, float]) -> Design:
    """The design with a response of these parameters: families refuse what none of theirs can be.

    Raises ModelError if its rows do not determine the fixed effects.
    """
    own = Response(design.y, design.weights, design.trials)
    system = type(base)(design, own, base.family)
    lost = [name for name in design.x_names if name not in system.fixed_names]
    if lost:
        raise ModelError(
            f"The planned rows do not determine the fixed effects {', '.join(lost)}, which the "
            "model has: add rows that tell them from the others."
        )
    rng = generator(0, "response of rows that nobody has observed")
    return replace(design, y=drawn_response(system, *parts, rng))


def simulated_generalized(
    spec: Mapping[str, Any],
    *,
    effects: Mapping[str, float] | None,
    hypotheses: Any,
    test: str,
    level: float,
    missing: float,
    structure: str = "full",
) -> GeneralizedPlan:
    """Plan studies that a specification with a family describes."""
    model = ModelSpec(
        str(spec["formula"]), structure=structure, contrasts=spec.get("contrasts", {}),
        family=str(spec["family"]), link=spec.get("link"),
    )  # fmt: skip

    def made(sizes: Mapping[str, int], seed: int) -> tuple[ModelSpec, LaplaceObjective, Floats]:
        simulation = simulated(spec, sizes, seed)
        objective = generalized_objective(model, thinned(simulation.frame, missing, seed))
        system = objective.system
        names = system.fixed_names
        if set(names) != set(simulation.beta):
            lost = sorted(set(simulation.beta) - set(names))
            raise ModelError(
                f"The planned rows do not determine the fixed effects {', '.join(lost)}."
            )
        beta = with_effects(np.array([simulation.beta[n] for n in names]), names, effects)
        theta = [theta_of(term, simulation.covariance[term.group]) for term in system.terms]
        scale = [] if simulation.dispersion is None else [np.log([simulation.dispersion])]
        return model, objective, np.concatenate([*theta, beta, *scale])

    return GeneralizedPlan(
        made, hypotheses, test, level, lambda sizes: missing > 0.0 or layouts_differ(spec, sizes)
    )
