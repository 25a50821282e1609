"""Cross-validated prediction error of several covariance structures, on the data as they are.

Parts of the data are held out, every structure is fitted to the rest and predicts what was held
out (see `mixedscope.inference.accuracy.folds` for what is). What is told of generalised models is
in `mixedscope.inference.accuracy.family_scores`. A prediction of a linear model is the fixed
effects plus the conditional modes of all levels that the rest knows; a new level has mode 0. Two
scores: the squared error of the prediction, and the log density that the fitted model gives to what
was observed, which counts the uncertainty of a prediction too.

The density of the held-out rows of a level given the rest needs no conditional covariances: it is
the ratio of two marginal densities at the same parameters, those of the rest with and without the
rows, each of which is one factorisation of the penalised least-squares system.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError, UnsuitedError
from mixedscope.core.vocabulary import UNSHRUNKEN
from mixedscope.design.design import Design
from mixedscope.design.relearned import relearned
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.accuracy.crossvalidation_summary import crossvalidation_summary
from mixedscope.inference.accuracy.folds import (
    SCHEMES,
    Scheme,
    fold_of_rows,
    grouping,
    levels_kept,
    refuse_lost,
    rest_of,
    subset,
)
from mixedscope.inference.estimates.references import joint_limit
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.predictions.predictor import linear_predictor
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["LinearScores", "Prediction", "Scores", "crossvalidation_tables", "predict"]

Floats = NDArray[np.float64]


class Scores(Protocol):
    """What is told of held-out rows, of linear models or of those with a family."""

    @property
    def beside(self) -> str:
        """What structures are compared with, in the place of one."""
        ...

    def of_fold(
        self, structure: str, design: Design, data: Any, held: NDArray[np.intp], by: str
    ) -> tuple[list[dict[str, object]], dict[str, object]]:
        """Rows of the table of groups, and how the fit ended; the design as all rows made it."""
        ...

    def of_fold_beside(
        self, design: Design, data: Any, held: NDArray[np.intp], by: str
    ) -> list[dict[str, object]]:
        """Rows of the table of groups of what structures are compared with."""
        ...

    def areas(self, scheme: str) -> pd.DataFrame | None:
        """Outcomes and their probabilities by row, of a scheme; None where there are none."""
        ...


def crossvalidation_tables(
    designs: Mapping[str, Design],
    data: Any,
    *,
    by: str | None = None,
    schemes: Sequence[Scheme] = SCHEMES,
    folds: int | None = None,
    seed: int = 0,
    scores: Scores | None = None,
) -> dict[str, pd.DataFrame]:
    """Cross-validate several structures of one model on the same folds.

    ``designs`` are by structure, on the same rows of ``data``; the first is the one that others are
    compared with. What columns learn of numbers, as those of ``poly`` do, they learn in every fold
    of the rows that are not held out. Levels of the grouping factor ``by``, by default the first,
    are held out whole (scheme "new") or in part ("known"). ``folds`` are those of
    `mixedscope.inference.accuracy.folds.fold_of_rows`, and rows are dealt to them from ``seed``.
    ``scores`` fits and predicts, by default linear models by maximum likelihood.
    Gives ``crossvalidation`` (per structure), ``crossvalidation_groups`` (per structure and level)
    and ``crossvalidation_fits`` (how each fit ended), see ``docs/formats.md``. Raises ModelError if
    there is no such factor, too few folds, or no structure is left in all of them.
    """
    scores = LinearScores() if scores is None else scores
    first = next(iter(designs.values()))
    if first.solver == "iterative":
        raise UnsuitedError(
            "Cross-validation needs the covariances of predictions, which solver='iterative' does "
            "without: fit the model with solver='exact' or solver='sparse' for it."
        )
    groups, fits = [], []
    areas: dict[str, pd.DataFrame | None] = {}
    for scheme in schemes:
        group = grouping(first, by)
        fold = fold_of_rows(group, scheme, folds, seed=seed)
        for number in range(int(fold.max()) + 1):
            held = np.flatnonzero(fold == number)
            for structure, design in designs.items():
                found, fit = scores.of_fold(structure, design, data, held, group.group)
                named = {"scheme": scheme, "fold": number, "structure": structure}
                fits.append({**named, "by": group.group, **fit})
                groups += [{**named, "by": group.group, **row} for row in found]
                if structure == next(iter(designs)):
                    # It has no theta: it is the same under all structures.
                    named["structure"] = scores.beside
                    rows = scores.of_fold_beside(design, data, held, group.group)
                    groups += [{**named, "by": group.group, **row} for row in rows]
        areas[scheme] = scores.areas(scheme)
    order = {name: i for i, name in enumerate([*designs, scores.beside])}
    table = pd.DataFrame(groups)
    table = table.sort_values(
        ["scheme", "structure", "fold"],
        key=lambda c: c.map(order) if c.name == "structure" else c,
        kind="stable",
        ignore_index=True,
    )
    told = pd.DataFrame(fits)
    return {
        "crossvalidation": crossvalidation_summary(table, areas),
        "crossvalidation_groups": table,
        "crossvalidation_fits": told,
    }


@dataclass(frozen=True)
class Prediction:
    """What a fit to some rows says of others.

    Attributes
    ----------
    mean : (m,) array
        Predictions, units of the response.
    log_density : dict of str to float
        Of the held-out rows of each level together, given the other rows.
    status : str
        ``converged`` or ``stopped``: whether the fit arrived at an optimum.
    """

    mean: Floats
    log_density: dict[str, float]
    status: str


def predict(design: Design, held: NDArray[np.intp], by: str, *, reml: bool = False) -> Prediction:
    """Fit the rows of a design that are not held out, and predict the m that are.

    Densities are told by levels of the grouping factor ``by``. Raises ModelError or DataError if
    the rest cannot be fitted, or leaves a fixed effect undetermined.
    """
    rest = rest_of(design, held)
    trained = subset(design, rest)
    system = _identified(design, trained)
    objective = SearchableObjective(system, reml=reml)
    result = minimize(objective, progress=False)
    evaluation = objective.evaluate(result.theta)
    mean = _mean(design, held, trained, system, evaluation.beta, system.modes())
    left = result.certificate["newton_decrement"]
    density = _Density(design, system, evaluation.beta, evaluation.sigma, result.theta)
    before = density.of(rest)
    group = grouping(design, by)
    codes = group.codes[held]
    densities = {}
    for code in np.unique(codes).tolist():
        rows = np.union1d(rest, held[codes == code])
        densities[group.levels[code]] = density.of(rows) - before
    settled = left is not None and left <= SETTLED
    return Prediction(mean, densities, "converged" if settled else "stopped")


def _identified(design: Design, trained: Design) -> ProfiledSystem:
    """System of the rest, in which every fixed effect has to be determined."""
    system = ProfiledSystem(trained)
    refuse_lost(design, system.kept)
    return system


def _mean(
    design: Design,
    held: NDArray[np.intp],
    trained: Design,
    system: ProfiledSystem,
    beta: Floats,
    modes: Sequence[Floats],
) -> Floats:
    """Fixed effects plus modes, 0 for levels that the rest of the data do not have."""
    terms = []
    places = levels_kept(design.random, trained.random)
    for random, place, b in zip(design.random, places, modes, strict=True):
        kept = np.full(len(random.levels), -1, dtype=np.int64)
        kept[place] = np.arange(len(place))
        terms.append((kept[random.codes[held]], random.Z[held], b))
    return linear_predictor(design.X[np.ix_(held, system.kept)], beta, terms)


class _Density:
    """Log densities of parts of the response, with parameters that are given."""

    def __init__(
        self,
        design: Design,
        system: ProfiledSystem,
        beta: Floats,
        sigma: float,
        theta: Floats,
    ) -> None:
        self._sigma, self._theta = sigma, theta
        rest = design.y - design.X[:, system.kept] @ beta
        none = np.empty((len(rest), 0))
        self._design = Design(**{**vars(design), "y": rest, "X": none, "x_names": ()})

    def of(self, rows: NDArray[np.intp]) -> float:
        """Marginal log density of some rows together."""
        system = ProfiledSystem(subset(self._design, rows))
        solution = system.solve(system.standard_factors(self._theta))
        variance = self._sigma**2
        return -0.5 * (
            system.n * math.log(2.0 * math.pi * variance)
            + solution.log_det
            - system.log_weights
            + solution.pwrss * system.y_scale**2 / variance
        )


# -- folds ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinearScores:
    """Squared errors, and densities of the rows of a level together, of linear models.

    Attributes
    ----------
    reml : bool
    """

    reml: bool = False
    beside = UNSHRUNKEN

    def of_fold(
        self, structure: str, design: Design, data: Any, held: NDArray[np.intp], by: str
    ) -> tuple[list[dict[str, object]], dict[str, object]]:
        """See `Scores`."""
        return _one_fold(design, data, held, by, reml=self.reml)

    def of_fold_beside(
        self, design: Design, data: Any, held: NDArray[np.intp], by: str
    ) -> list[dict[str, object]]:
        """The joint least-squares limit."""
        return _unshrunken(design, data, held, by)

    def areas(self, scheme: str) -> None:
        """There are no outcomes of two kinds."""


def _one_fold(
    design: Design, data: Any, held: NDArray[np.intp], by: str, *, reml: bool
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Rows of the table of groups, and how the fit ended."""
    try:
        design = relearned(design, data, rest_of(design, held))
        found = predict(design, held, by, reml=reml)
    except (ModelError, DataError, *EVALUATION_ERRORS) as error:
        nothing = np.full(len(held), np.nan)
        return _rows(design, held, by, nothing, {}), {"status": "failed", "error": str(error)}
    rows = _rows(design, held, by, found.mean, found.log_density)
    return rows, {"status": found.status, "error": None}


def _unshrunken(
    design: Design, data: Any, held: NDArray[np.intp], by: str
) -> list[dict[str, object]]:
    """Predictions without shrinkage: the joint least-squares limit of the rest."""
    rest = rest_of(design, held)
    try:
        design = relearned(design, data, rest)
        trained = subset(design, rest)
        system = _identified(design, trained)
        limit = joint_limit(system)
    except (ModelError, DataError, *EVALUATION_ERRORS):
        return _rows(design, held, by, np.full(len(held), np.nan), {})
    mean = _mean(design, held, trained, system, limit.beta, limit.modes)
    return _rows(design, held, by, mean, {})


def _rows(
    design: Design,
    held: NDArray[np.intp],
    by: str,
    mean: Floats,
    densities: Mapping[str, float],
) -> list[dict[str, object]]:
    group = grouping(design, by)
    codes = group.codes[held]
    squares = (design.y[held] - mean) ** 2
    return [
        {
            "level": group.levels[code],
            "n": int((codes == code).sum()),
            "squared_error": float(squares[codes == code].sum()),
            "log_density": densities.get(group.levels[code], np.nan),
        }
        for code in np.unique(codes).tolist()
    ]
