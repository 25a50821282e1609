"""Cross-validated prediction error of several covariance structures, on the data as they are.

Parts of the data are held out, every structure is fitted to the rest and predicts what was held
out (see `mixedscope.inference.accuracy.folds` for what is). A prediction is the fixed effects plus
the conditional modes of all levels that the rest of the data know; a new level has the mode 0. Two
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
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, ModelError, UnsuitedError
from mixedscope.core.vocabulary import UNSHRUNKEN
from mixedscope.core.wording import counted
from mixedscope.design.design import Design
from mixedscope.design.relearned import relearned
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem, estimable_columns
from mixedscope.inference.accuracy.folds import (
    SCHEMES,
    Scheme,
    fold_of_rows,
    grouping,
    levels_kept,
    subset,
)
from mixedscope.inference.estimates.references import joint_limit
from mixedscope.inference.estimates.refit import SETTLED
from mixedscope.inference.predictions.predictor import linear_predictor
from mixedscope.optimize.driver import minimize
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Prediction", "crossvalidation_summary", "crossvalidation_tables", "predict"]

Floats = NDArray[np.float64]

#: Numbers of groups below which a standard error over groups means nothing.
_FEWEST: Final = 3


def crossvalidation_tables(
    designs: Mapping[str, Design],
    data: Any,
    *,
    by: str | None = None,
    schemes: Sequence[Scheme] = SCHEMES,
    folds: int | None = None,
    reml: bool = False,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Cross-validate several structures of one model on the same folds.

    ``designs`` are by structure, on the same rows of ``data``; the first is the one that others are
    compared with. What columns learn of numbers, as those of ``poly`` do, they learn in every fold
    of the rows that are not held out. Levels of the grouping factor ``by``, by default the first,
    are held out whole (scheme "new") or in part ("known"). ``folds`` are those of
    `mixedscope.inference.accuracy.folds.fold_of_rows`, and rows are dealt to them from ``seed``.
    Gives ``crossvalidation`` (per structure), ``crossvalidation_groups`` (per structure and level)
    and ``crossvalidation_fits`` (how each fit ended), see ``docs/formats.md``. Raises ModelError if
    there is no such factor, too few folds, or no structure is left in all of them.
    """
    first = next(iter(designs.values()))
    groups, fits = [], []
    for scheme in schemes:
        group = grouping(first, by)
        fold = fold_of_rows(group, scheme, folds, seed=seed)
        for number in range(int(fold.max()) + 1):
            held = np.flatnonzero(fold == number)
            for structure, design in designs.items():
                found, fit = _one_fold(design, data, held, group.group, reml=reml)
                named = {"scheme": scheme, "fold": number, "structure": structure}
                fits.append({**named, "by": group.group, **fit})
                groups += [{**named, "by": group.group, **row} for row in found]
                if structure == next(iter(designs)):
                    # The limit has no theta: it is the same under all structures.
                    named["structure"] = UNSHRUNKEN
                    rows = _unshrunken(design, data, held, group.group)
                    groups += [{**named, "by": group.group, **row} for row in rows]
    order = {name: i for i, name in enumerate([*designs, UNSHRUNKEN])}
    table = pd.DataFrame(groups)
    table = table.sort_values(
        ["scheme", "structure", "fold"],
        key=lambda c: c.map(order) if c.name == "structure" else c,
        kind="stable",
        ignore_index=True,
    )
    told = pd.DataFrame(fits)
    return {
        "crossvalidation": crossvalidation_summary(table),
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
    rest = _rest(design, held)
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


def _rest(design: Design, held: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions of the rows that are not held out."""
    return np.setdiff1d(np.arange(len(design.y)), held)


def _identified(design: Design, trained: Design) -> ProfiledSystem:
    """System of the rest, in which every fixed effect has to be determined."""
    system = ProfiledSystem(trained)
    lost = np.setdiff1d(estimable_columns(design), system.kept)
    if len(lost):
        raise UnsuitedError(
            f"The fixed effect {design.x_names[int(lost[0])]!r} cannot be estimated while a fold "
            "is held out: its only rows are in that fold. Use more folds."
        )
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


def _one_fold(
    design: Design, data: Any, held: NDArray[np.intp], by: str, *, reml: bool
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Rows of the table of groups, and how the fit ended."""
    try:
        design = relearned(design, data, _rest(design, held))
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
    rest = _rest(design, held)
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


# -- summary --------------------------------------------------------------------------------------


def crossvalidation_summary(groups: pd.DataFrame) -> pd.DataFrame:
    """The table ``crossvalidation``: errors of every structure, and how it differs from the first.

    Standard errors take the levels as independent; a level that some structure could not be
    predicted for is left out for all of them. Raises ModelError if no level is left.
    """
    rows = []
    for scheme in [s for s in SCHEMES if s in set(groups["scheme"])]:
        own = groups[groups["scheme"] == scheme]
        names = [n for n in own["structure"].unique() if n != UNSHRUNKEN]
        by = str(own["by"].iloc[0])
        # A level may be in several folds.
        scores = own.groupby(["structure", "level"], sort=False)
        sums = scores[["n", "squared_error", "log_density"]].sum(min_count=1)
        failed = own["squared_error"].isna()
        bad = own.loc[failed & (own["structure"] != UNSHRUNKEN), "level"].unique()
        whole = pd.DataFrame(sums.unstack("structure")).drop(index=list(bad))
        if len(whole) < _FEWEST:
            raise UnsuitedError(
                f"Only {counted(len(whole), 'level')} of {by!r} could be predicted by every "
                "structure; see the table crossvalidation_fits for why others failed."
            )
        n = whole["n"][names[0]].to_numpy(dtype=float)
        has_limit = UNSHRUNKEN in set(own.loc[~failed, "structure"]) and not bool(
            whole["squared_error"][UNSHRUNKEN].isna().any()
        )
        squares = {s: whole["squared_error"][s].to_numpy(dtype=float) for s in names}
        if has_limit:
            squares[UNSHRUNKEN] = whole["squared_error"][UNSHRUNKEN].to_numpy(dtype=float)
        first = _root(squares[names[0]], n)
        for structure, own_squares in squares.items():
            rmse, influence = _root(own_squares, n)
            row: dict[str, object] = {
                "scheme": scheme,
                "by": by,
                "structure": structure,
                "groups": len(whole),
                "groups_failed": len(bad),
                "n": int(n.sum()),
                "rmse": rmse,
                "rmse_se": _error(influence),
                "difference": rmse - first[0],
                "difference_se": _error(influence - first[1]),
                "log_density": np.nan,
                "density_difference": np.nan,
                "density_difference_se": np.nan,
            }
            if structure != UNSHRUNKEN:
                own_density = whole["log_density"][structure].to_numpy(dtype=float)
                gained = own_density - whole["log_density"][names[0]].to_numpy(dtype=float)
                row["log_density"] = float(own_density.sum())
                row["density_difference"] = float(gained.sum())
                row["density_difference_se"] = _error(gained - gained.mean())
            rows.append(row)
    return pd.DataFrame(rows)


def _root(squares: Floats, n: Floats) -> tuple[float, Floats]:
    """Root of the mean over all observations, and what every group adds to its deviation."""
    mean = float(squares.sum() / n.sum())
    root = math.sqrt(mean)
    return root, (squares - mean * n) / (2.0 * root * n.sum())


def _error(influence: Floats) -> float:
    """Standard error of a sum of independent contributions with mean 0."""
    count = len(influence)
    return float(np.sqrt(count / (count - 1) * (influence**2).sum()))
