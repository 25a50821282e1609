"""Predictions of a fit for rows of data, with standard errors and intervals.

A row has columns x of the fixed effects and, of the random-effects terms that are taken along,
columns z at its own levels. Predicted is ``x'beta_hat + z'b_hat``. It errs from ``x'beta + z'b`` by
the variance ``sigma**2 n' C n`` for known levels, n being (x, z) and C the inverse of the matrix of
the mixed model equations (Henderson 1975, Biometrics 31, 423-447; McLean, Sanders & Stroup 1991,
Am. Stat. 45, 54-64), theta and sigma being taken as known. Modes of a level that the model has not
met are 0, and err by its own variance, ``z' Sigma z``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.arguments import named
from mixedscope.core.errors import DataError, ModelError, UnsuitedError, suggest
from mixedscope.design.design import Design
from mixedscope.design.other_rows import (
    OtherRows,
    OtherTerms,
    WantedTerms,
    wanted_terms,
    whole_terms,
)
from mixedscope.engine.marginal import error_variances
from mixedscope.engine.objective import ProfiledObjective, ProfiledSystem
from mixedscope.inference.estimates.estimates import wald_ends
from mixedscope.inference.estimates.leverage import DIGITS
from mixedscope.inference.estimates.parameters import undetermined
from mixedscope.inference.predictions.predictor import linear_predictor

if TYPE_CHECKING:  # families load what linear models have no use for
    from mixedscope.engine.generalized.system import GeneralizedSystem

__all__ = [
    "INTERVALS",
    "NEW_LEVELS",
    "OWN",
    "POPULATION",
    "NewLevels",
    "Predictions",
    "check_choice",
    "chosen_terms",
    "codes_of",
    "is_estimable",
    "on_all_rows",
    "predictions",
    "predictors",
    "refuse_undetermined",
]

Floats = NDArray[np.float64]
NewLevels = Literal["error", "population", "missing"]

_Word = TypeVar("_Word", bound=str)

#: The two words for which terms are taken along; anything else names terms.
OWN: Final = "own"
POPULATION: Final = "population"

#: What becomes of rows whose level the model has not met.
NEW_LEVELS: Final[tuple[NewLevels, ...]] = ("error", "population", "missing")

#: What an interval covers.
INTERVALS: Final = ("confidence", "prediction")

#: New levels that a message names.
_SHOWN: Final = 5

#: Share of a row of X that may be left over where coefficients were left out, as of a column that
#: counts as redundant.
_ESTIMABLE: Final = 1e-7


def check_choice(name: str, said: str, known: Sequence[_Word]) -> _Word:
    """Give a word back if it is known; raises ModelError if not."""
    for word in known:
        if said == word:
            return word
    raise ModelError(
        f"{name} must be one of {', '.join(map(repr, known))}, not {said!r}.{suggest(said, known)}"
    )


def chosen_terms(design: Design, levels: str | Sequence[str]) -> tuple[WantedTerms, ...]:
    """Random-effects terms that are taken along.

    ``levels``: ``own`` for all, ``population`` for none, or a subset as `wanted_terms` reads it, of
    which one may be alone. In a list the two words are names of grouping factors.
    """
    if isinstance(levels, str):
        if levels == OWN:
            return whole_terms(design)
        return () if levels == POPULATION else wanted_terms(design, [levels])
    if not isinstance(levels, Iterable) or not all(isinstance(one, str) for one in levels):
        raise ModelError(
            f"levels must be {OWN!r}, {POPULATION!r}, a grouping factor, a term such as "
            f"'(1 | {design.random[0].group})', or a list of factors and terms, "
            f"not {named(levels)}."
        )
    return wanted_terms(design, list(levels))


def refuse_undetermined(
    design: Design,
    wanted: Sequence[WantedTerms],
    unidentified: Sequence[Mapping[str, Any]],
    *,
    what: str = "Predictions",
    instead: str | None = None,
) -> None:
    """Refuse terms without others, where only the sum of their variances is determined.

    Raises UnsuitedError, with the reason that the certificate gives. ``what`` is of these terms,
    and ``instead`` what to ask for in its place, if that is not another choice of levels.
    """
    chosen = {(design.random[one.position].group, j) for one in wanted for j in one.columns}
    groups = {random.group: random for random in design.random}
    for entry in unidentified:
        named = undetermined([entry])
        together: set[tuple[str | None, int]] = set()
        for kind, group, term, _ in named:
            if kind == "sigma":
                together.add((None, 0))
            elif kind == "sd" and group is not None and term is not None:
                together.add((group, groups[group].names.index(term)))
        some = together & chosen
        if some and some != together:
            way = "" if (None, 0) in together else "Take such terms along together, or "
            raise UnsuitedError(
                f"{what} with the levels of {next(iter(some))[0]!r} are not determined: "
                f"{entry['reason']}. "
                + (instead or f"{way or 'Take '}none of them (levels={POPULATION!r}).")
            )


@dataclass(frozen=True)
class Predictions:
    """Predictions for all n rows given, NaN where there is none.

    Attributes
    ----------
    fit : (n,) array
        Units of the response, as all of these.
    std_error, lower, upper : (n,) array or None
        None where they were not asked for.
    without_estimate : (k,) int64 array
        Rows whose fixed effects the data do not determine.
    """

    fit: Floats
    std_error: Floats | None
    lower: Floats | None
    upper: Floats | None
    without_estimate: NDArray[np.int64]

    def columns(self) -> dict[str, Floats]:
        """What was asked for, by name."""
        named = {name: getattr(self, name) for name in ("fit", "std_error", "lower", "upper")}
        return {name: values for name, values in named.items() if values is not None}


def predictions(
    objective: ProfiledObjective,
    theta: Floats,
    rows: OtherRows,
    *,
    new_levels: NewLevels = "error",
    se: bool = False,
    interval: str | None = None,
    level: float = 0.95,
) -> Predictions:
    """Predict the rows from a fit.

    ``theta`` (k,): the estimates. ``rows``: with the terms taken along as ``own``; for intervals of
    new observations with all others as ``drawn``, and with weights if the model has some. Raises
    DataError at a new level where that is an error, UnsuitedError if rounding leaves nothing of
    standard errors.
    """
    evaluation = objective.evaluate(theta)
    system = objective.system
    modes = system.modes()
    lost = ~is_estimable(system, rows.X)
    fit = predictors(rows, system.design, system.kept, evaluation.beta, modes, new_levels)
    fit[lost] = np.nan
    known = ~np.isnan(fit)
    out: dict[str, Floats | None] = {"std_error": None, "lower": None, "upper": None}
    if se or interval is not None:
        variances = _error_variances(objective, theta, rows)
        variances[~known] = np.nan
        sigma = evaluation.sigma
        out["std_error"] = sigma * np.sqrt(variances)
        if interval == "prediction":
            variances = variances + _variances_drawn(system, theta, rows.drawn)
            with np.errstate(divide="ignore"):  # of weight 0 an observation may be anything
                variances += 1.0 if rows.weights is None else 1.0 / rows.weights
        if interval is not None:
            out["lower"], out["upper"] = wald_ends(fit, sigma * np.sqrt(variances), level)
    everywhere = {
        name: None if values is None else on_all_rows(values, rows)
        for name, values in {"fit": fit, **out}.items()
    }
    return Predictions(**everywhere, without_estimate=rows.rows[lost])  # type: ignore[arg-type]


def predictors(
    rows: OtherRows,
    design: Design,
    kept: NDArray[np.intp],
    beta: Floats,
    modes: Sequence[Floats],
    new_levels: NewLevels,
) -> Floats:
    """Linear predictors (m,) of the complete rows, offsets included; NaN where there is none.

    ``kept``: columns of X that have a coefficient of `beta`. ``modes``: per grouping factor (q, k),
    units of the data. Raises DataError at a new level where that is an error.
    """
    known = np.ones(len(rows.rows), dtype=bool)
    for term in rows.own:
        new = np.flatnonzero(codes_of(term) < 0)
        if not len(new) or new_levels == "population":
            continue
        if new_levels == "error":
            group = design.random[term.position].group
            raise DataError(_new_level(group, term, int(rows.rows[new[0]]), len(new)))
        known[new] = False
    fit = linear_predictor(
        rows.X[:, kept], beta,
        [(codes_of(t), t.Z, modes[t.position][:, t.columns]) for t in rows.own],
    )  # fmt: skip
    if rows.offset is not None:
        fit += rows.offset
    fit[~known] = np.nan
    return fit


def codes_of(term: OtherTerms) -> NDArray[np.int64]:
    """Levels (m,) of terms that are taken along, below 0 for new ones."""
    assert term.codes is not None
    return term.codes


def on_all_rows(values: Floats, rows: OtherRows) -> Floats:
    """Values (..., m) of the complete rows as values (..., n) of all rows given, NaN elsewhere."""
    out = np.full((*values.shape[:-1], rows.n), np.nan)
    out[..., rows.rows] = values
    return out


def _new_level(group: str, term: OtherTerms, row: int, count: int) -> str:
    shown = ", ".join(map(repr, term.new[:_SHOWN]))
    shown += f" and {len(term.new) - _SHOWN} more" if len(term.new) > _SHOWN else ""
    where = f"from row {row + 1} on, in {count} rows" if count > 1 else f"in row {row + 1}"
    return (
        f"newdata has levels of {group!r} that the model has not met: {shown} ({where}, counted "
        f"from 1). new_levels='population' predicts such rows with "
        "random effects of 0, new_levels='missing' leaves them out."
    )


def is_estimable(system: ProfiledSystem | GeneralizedSystem, x: Floats) -> NDArray[np.bool_]:
    """Rows (m,) of X (m, p) whose fixed effects do not depend on coefficients left out."""
    kept = system.kept
    lost = np.setdiff1d(np.arange(x.shape[1]), kept)
    if not len(lost):
        return np.ones(len(x), dtype=bool)
    sums = system.sums_of_kept(lost)
    parts = x[:, kept] @ sums
    size = np.abs(x[:, lost]) + np.abs(x[:, kept]) @ np.abs(sums)
    return np.asarray((np.abs(x[:, lost] - parts) <= _ESTIMABLE * size).all(axis=1))


def _error_variances(objective: ProfiledObjective, theta: Floats, rows: OtherRows) -> Floats:
    """Variances (m,) of what the predictions err by, over sigma squared."""
    system = objective.system
    factors = system.standard_factors(theta)
    try:
        rounding = objective.describe(factors, system.solve(factors)).rounding
    except FloatingPointError:
        rounding = np.inf
    if not rounding <= DIGITS:
        raise UnsuitedError(
            "Standard errors of predictions are lost to rounding: the random effects are too large "
            "beside sigma for doubles to hold both. Predict without them (se=False, no interval)."
        )
    m = len(rows.rows)
    levels = [(np.full(m, -1, dtype=np.int64), np.zeros((m, term.size))) for term in system.terms]
    for term in rows.own:
        levels[term.position][0][:] = np.maximum(codes_of(term), -1)
        levels[term.position][1][:, term.columns] = term.Z
    variances = error_variances(system, factors, rows.X[:, system.kept], levels)
    for term in rows.own:
        own = _variances_drawn(system, theta, [term])
        variances += np.where(codes_of(term) < 0, own, 0.0)
    return variances


def _variances_drawn(
    system: ProfiledSystem, theta: Floats, terms: Sequence[OtherTerms]
) -> Floats | float:
    """Variances (m,) of terms at levels that are not known, over sigma squared."""
    total: Floats | float = 0.0
    for one in terms:
        term = system.terms[one.position]
        factor = term.factor(theta[term.theta])[list(one.columns)]
        total = total + np.square(one.Z @ factor).sum(axis=1)
    return total
