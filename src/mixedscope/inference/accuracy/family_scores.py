"""Scores of held-out rows by models with a family.

A model fitted to the rest says of a row: its linear predictor is normal, with the fixed effects and
conditional modes of the rest as mean, and as variance what the rest leaves open of its random
effects, that of the model where a level is new. Of a new level of the only grouping factor that is
what the model says; of known levels it is the normal approximation at the modes, which Laplace's is
made of too. The row's density is the family's, averaged over that distribution; its prediction the
mean, a probability of binomial families, averaged likewise. Parameters are taken as known.

Rows are scored one by one: of several rows of one level the density is not that of all together,
which would take an integral of many dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError
from mixedscope.core.vocabulary import NO_RANDOM
from mixedscope.design.design import Design
from mixedscope.design.relearned import relearned
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.making import family_of, objective_of_design, response_of
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.families.family import Family, Response
from mixedscope.inference.accuracy.folds import grouping, refuse_lost, rest_of, subset
from mixedscope.inference.accuracy.predictive import check_link, log_densities, predictive_means
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.generalized import predictor_variances
from mixedscope.inference.hypotheses.generalized_ratios import without_random
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["FamilyPrediction", "FamilyScores", "predict_family"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class FamilyPrediction:
    """What a fit to some rows says of others.

    Attributes
    ----------
    mean : (m,) array
        Predicted means of the responses.
    log_density : (m,) array
        Of each held-out row by itself, given the other rows.
    status : str
        ``converged`` or ``stopped``: whether the fit arrived at an optimum.
    """

    mean: Floats
    log_density: Floats
    status: str


def predict_family(
    spec: ModelSpec, design: Design, held: Ints, *, random: bool = True
) -> FamilyPrediction:
    """Fit the rows of a design that are not held out, and predict the m that are.

    ``random``: with random effects; else by the model without any. Raises ModelError or DataError
    if the rest cannot be fitted, or leaves a fixed effect undetermined.
    """
    family = family_of(spec)
    rest = rest_of(design, held)
    objective = objective_of_design(spec, subset(design, rest), family)
    kept = objective.system.kept
    refuse_lost(design, kept)
    if random:
        result = minimize(objective, progress=False)
        point = result.theta
        left = result.certificate["newton_decrement"]
        status = "converged" if left is not None and left <= SETTLED else "stopped"
    else:
        point = without_random(objective, objective.moment_start())[1]
        status = "converged"
    theta, beta, dispersion = objective.split(point)
    response = response_of(design, family)
    offset = 0.0 if design.offset is None else design.offset
    fixed = offset + design.X[:, kept] @ beta
    mean, variance = fixed, np.zeros(len(fixed))
    if random:
        own = np.concatenate([theta, point[len(theta) + len(beta) :]])
        mean, variance = _predictors(objective, design, response, fixed, rest, own)
    mean, variance = mean[held], variance[held]
    seen = _rows_of(response, held)
    return FamilyPrediction(
        predictive_means(family, mean, variance),
        log_densities(family, seen, mean, variance, dispersion),
        status,
    )


def _predictors(
    objective: LaplaceObjective,
    design: Design,
    response: Response,
    fixed: Floats,
    rest: Ints,
    point: Floats,
) -> tuple[Floats, Floats]:
    """Means and variances (n,) of the linear predictors of all rows, given those of the rest.

    Rows that are held out are in the system with a weight of zero: the levels of all factors meet
    there as in the data, and say nothing.
    """
    if not objective.has_factorisation:
        raise ModelError(
            "Predictions of rows that are held out are not computed by the iterative engine: fit "
            "the model with solver='exact'."
        )
    weights = np.zeros(len(design.y))
    weights[rest] = 1.0 if response.weights is None else response.weights[rest]
    silent = replace(response, weights=weights)
    none = np.empty((len(fixed), 0))
    known = replace(design, X=none, x_names=(), offset=fixed)
    system = GeneralizedSystem(known, silent, objective.system.family)
    return predictor_variances(LaplaceObjective(system), point)


def _rows_of(response: Response, rows: Ints) -> Response:
    weights, trials = response.weights, response.trials
    return Response(
        response.y[rows],
        None if weights is None else weights[rows],
        None if trials is None else trials[rows],
    )


@dataclass
class FamilyScores:
    """Scores of models with a family, by structure, beside the model without random effects.

    A row of weight two counts as two rows; of trials each is an outcome.

    Attributes
    ----------
    specs : dict of str to ModelSpec
        What the models are, by structure.
    """

    specs: Mapping[str, ModelSpec]
    beside = NO_RANDOM
    _seen: list[pd.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_link(self._family)

    @property
    def _first(self) -> ModelSpec:
        return next(iter(self.specs.values()))

    @property
    def _family(self) -> Family:
        return family_of(self._first)

    def of_fold(
        self, structure: str, design: Design, data: Any, held: Ints, by: str
    ) -> tuple[list[dict[str, object]], dict[str, object]]:
        """See `mixedscope.inference.accuracy.crossvalidation.Scores`."""
        try:
            design = relearned(design, data, rest_of(design, held))
            found = predict_family(self.specs[structure], design, held)
        except (ModelError, DataError, *EVALUATION_ERRORS) as error:
            rows = self._rows(structure, design, held, by, None)
            return rows, {"status": "failed", "error": str(error)}
        rows = self._rows(structure, design, held, by, found)
        return rows, {"status": found.status, "error": None}

    def of_fold_beside(
        self, design: Design, data: Any, held: Ints, by: str
    ) -> list[dict[str, object]]:
        """The model without random effects."""
        try:
            design = relearned(design, data, rest_of(design, held))
            found = predict_family(self._first, design, held, random=False)
        except (ModelError, DataError, *EVALUATION_ERRORS):
            found = None
        return self._rows(NO_RANDOM, design, held, by, found)

    def areas(self, scheme: str) -> pd.DataFrame | None:
        """Outcomes and probabilities of the rows seen since the last scheme."""
        seen, self._seen = self._seen, []
        return pd.concat(seen, ignore_index=True) if seen else None

    def _rows(
        self, structure: str, design: Design, held: Ints, by: str, found: FamilyPrediction | None
    ) -> list[dict[str, object]]:
        """Rows of the table of groups; what areas are made of is kept."""
        family = self._family
        own = _rows_of(response_of(design, family), held)
        group = grouping(design, by)
        levels, codes = np.unique(group.codes[held], return_inverse=True)
        names = [group.levels[level] for level in levels.tolist()]
        times = np.ones(len(held)) if own.weights is None else own.weights
        counts = np.ones(len(held)) if own.counts is None else own.counts
        sums = {"outcomes": counts}
        sums |= dict.fromkeys(
            ("squared_error", "absolute_error", "log_density"), np.full(len(held), np.nan)
        )
        if found is not None:
            yes, no = counts * own.y, counts * (1.0 - own.y)
            mean = found.mean
            if family.name == "binomial":
                sums["squared_error"] = yes * (1.0 - mean) ** 2 + no * mean**2
                sums["absolute_error"] = yes * (1.0 - mean) + no * mean
                told = {"structure": structure, "level": np.array(names, dtype=object)[codes]}
                told |= {"yes": yes, "no": no, "probability": mean}
                self._seen.append(pd.DataFrame(told))
            else:
                sums["squared_error"] = counts * (own.y - mean) ** 2
                sums["absolute_error"] = counts * np.abs(own.y - mean)
            sums["log_density"] = times * found.log_density
        table = pd.DataFrame(
            {
                "level": names,
                "n": np.bincount(codes),
                **{name: np.bincount(codes, values) for name, values in sums.items()},
            }
        )
        return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
