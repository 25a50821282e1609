"""Planned studies of generalised models: designs, draws, z tests and likelihood ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.core.seeds import derive_seed
from mixedscope.data.simulate import simulate_dataset
from mixedscope.design.fixed_terms import FixedTerms
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.making import (
    family_of,
    generalized_objective,
    objective_of_design,
)
from mixedscope.inference.bootstrap.generalized import (
    GeneralizedRefitter,
    generalized_origin,
    generalized_responses,
)
from mixedscope.inference.bootstrap.result import Bootstrap
from mixedscope.inference.generalized import parameter_covariance
from mixedscope.inference.hypotheses.contrasts import Contrasts
from mixedscope.inference.hypotheses.wald import Wald
from mixedscope.inference.power.held_contrasts import chi_squared_tail, without_contrast
from mixedscope.inference.power.outcomes import Outcomes
from mixedscope.inference.power.planned_rows import planned_rows
from mixedscope.inference.power.plans import (
    columns_of_fixed,
    columns_of_groups,
    layouts_differ,
    resized,
    theta_of,
    thinned,
)
from mixedscope.inference.power.study import tested_contrasts, with_effects
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["GeneralizedPlan", "planned_generalized", "simulated_generalized"]

Floats = NDArray[np.float64]

#: Names the row that a planned one repeats.
_SOURCE: Final = "\0row"


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
            design = replace(
                system.design,
                X=np.ascontiguousarray(columns),
                x_names=tuple(f"{j}" for j in range(columns.shape[1])),
                fixed=FixedTerms(),
                offset=own if held is None else held + own,
            )
            poorer = objective_of_design(self.spec, design, family_of(self.spec))
            beta = self._beta_of(self.point)[kept]
            point = np.concatenate([self.point[:k], beta, self.point[k + len(row) :]])
            out.append(GeneralizedRefitter(poorer, point))
        return out

    def outcomes(self, draws: Sequence[int], seed: int) -> Outcomes:
        """Draw responses by number, fit the model to each and test."""
        objective, rows = self.objective, self.contrasts.rows
        numbers = list(draws)
        responses = generalized_responses(objective, self.point, numbers, seed)
        whole = self._described(self._refitter, responses, numbers, seed)
        out = Outcomes.room(len(numbers), len(rows))
        made = np.isfinite(whole.objective) & np.isfinite(whole.beta).all(axis=1)
        out.certified[:] = whole.converged & made
        out.failed[:] = ~made
        out.singular[:] = whole.singular
        for j, row in enumerate(rows):
            out.estimate[:, j] = (whole.beta * row).sum(axis=1)
        if self.test == "lrt":
            for j, refitter in enumerate(self._held):
                poorer = self._described(refitter, responses, numbers, seed)
                value = np.where(poorer.converged, poorer.objective, np.nan)
                out.p_value[:, j] = chi_squared_tail(value, whole.objective)
        else:
            for i in np.flatnonzero(out.certified).tolist():
                self._wald(whole, i, responses[i], out)
            out.finish(self.contrasts.values, self.level)
        return out.without(~out.certified)

    def _wald(self, whole: Bootstrap, i: int, response: Floats, out: Outcomes) -> None:
        """Standard errors of one draw, from the curvature at its end."""
        objective = self.objective
        system = objective.system
        own = objective.like(system.of_response(replace(system.response, y=response)))
        scale = [np.log(whole.sigma[i])] if system.family.dispersion is not None else []
        point = np.concatenate([whole.theta[i], whole.beta[i], scale])
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
    effects: Mapping[str, float] | None,
    hypotheses: Any,
    test: str,
    level: float,
    missing: float,
) -> GeneralizedPlan:
    """Plan studies whose rows are made of those of a fit; as `planned_fit` of linear models."""
    groups, fixed = columns_of_groups(spec.formula), columns_of_fixed(spec.formula)
    parents = columns_of_groups(spec.formula, alone=True)
    k, names = objective.n_theta, objective.system.fixed_names
    own = slice(k, k + len(names))
    truth = np.array(point, dtype=float)
    truth[own] = with_effects(truth[own], names, effects)
    known = rows.assign(**{_SOURCE: np.arange(len(rows))})
    base = objective.system.design

    def made(sizes: Mapping[str, int], seed: int) -> tuple[ModelSpec, LaplaceObjective, Floats]:
        planned = thinned(planned_rows(known, sizes, groups, fixed, parents), missing, seed)
        there = generalized_objective(spec, planned.drop(columns=_SOURCE))
        source = planned[_SOURCE].to_numpy()
        design = there.system.design
        if there.system.fixed_names != names or not np.allclose(design.X, base.X[source]):
            raise ModelError(
                "Columns of the planned rows mean other things than those of the fit: a centre, a "
                "polynomial or a level comes from all rows. Make such columns before the fit."
            )
        return spec, there, truth

    return GeneralizedPlan(made, hypotheses, test, level, lambda sizes: missing > 0.0)


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
        simulation = simulate_dataset(resized(spec, sizes, seed))
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
