"""Intervals and tests of a run, and the truth that they are about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import FormulaError, ModelError, UnsuitedError
from mixedscope.core.vocabulary import OPTIMA
from mixedscope.data.true_parameters import Key
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.estimates.generalized_estimation import GeneralizedEstimation
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.hypotheses.effect_tests import effect_tests
from mixedscope.inference.hypotheses.ratio import LikelihoodRatio
from mixedscope.inference.hypotheses.terms import term_hypotheses
from mixedscope.inference.hypotheses.wald import Wald
from mixedscope.inference.intervals.columns import FIXED_ONLY
from mixedscope.inference.intervals.registry import GENERALIZED_METHODS, METHODS, intervals
from mixedscope.inference.profiles.parameters import KEY, label_of
from mixedscope.optimize.driver import OptimizationResult
from mixedscope.optimize.problem import EVALUATION_ERRORS
from mixedscope.sweeps.keys import RATIO

__all__ = ["measured"]

Floats = NDArray[np.float64]

#: Distance of a contrast from its value, over what its terms add, that is rounding.
_ROUNDING: Final = 1e-8


def measured(
    estimation: Estimation,
    result: OptimizationResult,
    asked: Mapping[str, Any],
    truth: Mapping[Key, float],
) -> dict[str, Any]:
    """Give the columns of ``sweep_batch`` about intervals and tests.

    ``asked``: ``level``, and ``intervals`` (a method), ``tests`` (settings of `effect_tests`).
    ``truth``: true parameters by key. What does not exist for this fit is missing, with the reason
    in words; so is all of a fit that did not converge.
    """
    objective, theta = estimation.objective, np.asarray(result.theta, dtype=float)
    verdict = str(result.certificate["verdict"])
    endless = tuple(result.certificate.get("at_infinity", ()))
    # Where something is at infinity profiles have an end, and likelihoods their limit.
    is_told = verdict in OPTIMA or bool(endless)
    refused = None if is_told else f"no optimum was found: {verdict}"
    methods = GENERALIZED_METHODS if estimation.is_generalized else METHODS
    out: dict[str, Any] = {}
    if "intervals" in asked:
        method, level = asked["intervals"], asked["level"]

        def ends() -> pd.DataFrame:
            estimates = estimation.estimates(theta, unidentified=result.certificate["unidentified"])
            return intervals(
                objective, theta, level, estimates, method=method, settings={}, methods=methods
            )

        table, reason = _made(ends, refused)
        out |= {"interval_remarks": reason}
        if table is not None:
            out |= _interval_columns(table, method, truth, endless)
    if "tests" in asked:
        settings = {**asked["tests"], "level": asked["level"]}

        def tests() -> pd.DataFrame:
            if not isinstance(estimation, GeneralizedEstimation):
                return effect_tests(objective, theta, **settings)
            own = {key: value for key, value in settings.items() if key != "df"}
            by = _large_samples(estimation, result, settings["df"], endless)
            return effect_tests(objective, theta, **own, method=by)

        table, reason = _made(tests, refused)
        out |= {"test_remarks": reason}
        if table is not None:
            out |= _test_columns(objective, table, settings, truth)
    return out


def _large_samples(
    estimation: GeneralizedEstimation,
    result: OptimizationResult,
    name: str,
    endless: Sequence[str],
) -> Wald:
    """How a generalised model is tested: by Wald, or by likelihood ratio."""
    objective, point = estimation.objective, np.asarray(result.theta, dtype=float)
    covariance = estimation.covariance(point)
    if name == RATIO:
        value = result.evaluation.objective
        return LikelihoodRatio(objective, point, covariance, value, endless)
    return Wald(objective, point, covariance, endless)


def _made(
    make: Callable[[], pd.DataFrame], refused: str | None
) -> tuple[pd.DataFrame | None, str | None]:
    """Make a table, or tell why there is none."""
    if refused is not None:
        return None, refused
    try:
        return make(), None
    except (UnsuitedError, ModelError, FormulaError) as error:
        return None, str(error)
    except EVALUATION_ERRORS as error:
        return None, f"it needs numbers that cannot be computed at this fit ({error})"


def _interval_columns(
    table: pd.DataFrame, method: str, truth: Mapping[Key, float], endless: Sequence[str]
) -> dict[str, Any]:
    """Intervals by name; what is at infinity is estimated to be where its interval has no end."""
    remarks = table["remark"] if "remark" in table.columns else [None] * len(table)
    table = table.assign(said=pd.Series(list(remarks), dtype=object))
    if method in FIXED_ONLY:
        table = table[table["kind"] == "beta"]
    keys = [_key(row) for row in table[list(KEY)].itertuples(index=False)]
    others = {label_of(key) for key in keys if key[0] != "beta"}  # a column may be named sigma
    names = [
        str(key[2]) if key[0] == "beta" and key[2] not in others else label_of(key) for key in keys
    ]
    lower, upper = (table[end].to_numpy(dtype=float) for end in ("lower", "upper"))
    open_ended = ~(np.isfinite(lower) & np.isfinite(upper))
    estimates = table["estimate"].to_numpy(dtype=float).copy()
    for end in (lower, upper):
        gone = np.isinf(end) & [name in endless for name in names]
        estimates[gone] = end[gone]
    return {
        "interval_names": _listed(names),
        "interval_estimates": estimates,
        "lower": lower,
        "upper": upper,
        "interval_truths": np.array([truth.get(key, np.nan) for key in keys]),
        "interval_remarks": _remarks(names, table["said"], open_ended),
    }


def _test_columns(
    objective: SearchableObjective,
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    truth: Mapping[Key, float],
) -> dict[str, Any]:
    numbers = {
        name: pd.to_numeric(table[name]).to_numpy(dtype=float)
        for name in ("statistic", "num_df", "den_df", "p_value")
    }
    coefficients = set(table.loc[table["kind"] == "coefficient", "name"])
    names = [
        f"{kind} {name}"
        if kind == "term" or (kind == "hypothesis" and name in coefficients)
        else str(name)
        for kind, name in zip(table["kind"], table["name"], strict=True)
    ]
    return {
        "test_names": _listed(names),
        **numbers,
        "null_true": _null_true(objective, settings, truth),
        "test_remarks": _remarks(names, table["remark"], np.isnan(numbers["p_value"])),
    }


def _null_true(
    objective: SearchableObjective, settings: Mapping[str, Any], truth: Mapping[Key, float]
) -> Floats:
    """Whether each hypothesis holds of the truth, in the order of `effect_tests`: 1, 0, or NaN."""
    system = objective.system
    names = objective.beta_names
    beta = np.array([truth.get(("beta", None, name, None), np.nan) for name in names])
    # Solving for coefficients leaves errors as large as the largest part of the response allows.
    sizes = np.abs(system.design.X[:, system.kept]).max(axis=0, initial=0.0)
    largest = float(np.nanmax(np.abs(beta) * sizes, initial=0.0))
    scale = np.maximum(np.abs(np.nan_to_num(beta)), largest / np.maximum(sizes, 1e-300))

    def holds(rows: Floats, values: Floats) -> float:
        used = np.any(rows != 0.0, axis=0)
        if not len(rows) or np.isnan(beta[used]).any():
            return np.nan
        off = np.abs(rows[:, used] @ beta[used] - values)
        return float((off <= _ROUNDING * (np.abs(rows) @ scale + np.abs(values))).all())

    found = [holds(row[None], np.zeros(1)) for row in np.eye(len(names))]
    for hypothesis in term_hypotheses(system.design, system.kept, settings["type"]):
        rows = hypothesis.rows
        found.append(holds(rows, np.zeros(len(rows))))
    for text in settings["hypotheses"]:
        contrasts = contrasts_of(objective, text)
        found.append(holds(contrasts.rows, contrasts.values))
    return np.array(found)


def _key(row: Sequence[Any]) -> Key:
    kind, group, term, term2 = (None if pd.isna(value) else str(value) for value in row)
    return str(kind), group, term, term2


def _listed(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def _remarks(names: Sequence[str], said: Iterable[Any], lacking: Any) -> str | None:
    """What is to be said of the entries that are missing or endless; None if none is."""
    told = [
        f"{name}: {'not determined' if pd.isna(words) else words}"
        for name, words, is_lacking in zip(names, said, lacking, strict=True)
        if is_lacking
    ]
    return "; ".join(told) or None
