"""Generalised models as users meet them: responses, weights, tables, errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, FormulaError, ModelError


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 160
    data = pd.DataFrame({"g": rng.integers(0, 16, n).astype(str), "x": rng.normal(size=n)})
    eta = 0.3 + 0.5 * data["x"] + rng.normal(size=16)[data["g"].astype(int)]
    data["trials"] = rng.integers(1, 7, n)
    data["successes"] = rng.binomial(data["trials"], 1.0 / (1.0 + np.exp(-eta)))
    data["failures"] = data["trials"] - data["successes"]
    data["share"] = data["successes"] / data["trials"]
    data["answer"] = np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-eta)), "yes", "no")
    data["count"] = rng.poisson(np.exp(eta))
    data["exposure"] = rng.uniform(0.5, 2.0, n)
    return data


def test_all_ways_to_write_successes_and_trials_are_one() -> None:
    data = frame()
    fits = [
        ms.glmer("cbind(successes, failures) ~ x + (1 | g)", data),
        ms.glmer("cbind(successes, trials - successes) ~ x + (1 | g)", data),
        ms.glmer("successes / trials ~ x + (1 | g)", data),
        ms.glmer("successes / trials ~ x + (1 | g)", data, weights="trials"),
        ms.glmer("share ~ x + (1 | g)", data, weights="trials"),
    ]
    for fit in fits[1:]:
        assert fit.objective == pytest.approx(fits[0].objective, abs=1e-9)


def test_of_two_categories_the_second_is_the_success() -> None:
    data = frame()
    data["number"] = (data["answer"] == "yes").astype(int)
    data["truth"] = data["answer"] == "yes"
    fits = [ms.glmer(f"{y} ~ x + (1 | g)", data) for y in ("answer", "number", "truth")]
    assert len({fit.objective for fit in fits}) == 1
    assert "Success is answer = yes." in str(fits[0])
    turned = data.assign(answer=pd.Categorical(data["answer"], ["yes", "no"]))
    other = ms.glmer("answer ~ x + (1 | g)", turned)
    np.testing.assert_allclose(other.beta, -fits[0].beta, rtol=1e-6)


def test_an_offset_is_added_to_the_predictor() -> None:
    data = frame().assign(log_exposure=lambda d: np.log(d["exposure"]))
    one = ms.glmer("count ~ x + offset(log(exposure)) + (1 | g)", data, "poisson")
    other = ms.glmer("count ~ x + (1 | g)", data, "poisson", offset="log_exposure")
    assert one.objective == pytest.approx(other.objective, abs=1e-9)
    # A constant offset moves the intercept and nothing else.
    plain = ms.glmer("count ~ x + (1 | g)", data, "poisson")
    moved = ms.glmer("count ~ x + (1 | g)", data, "poisson", offset=np.full(len(data), 2.0))
    np.testing.assert_allclose(moved.beta, plain.beta - [2.0, 0.0], atol=1e-5)
    assert moved.objective == pytest.approx(plain.objective, abs=1e-8)


def test_tables_say_what_the_numbers_say() -> None:
    fit = ms.glmer("count ~ x + (1 + x | g)", frame(), "poisson")
    table = fit.fixed_effects()
    np.testing.assert_array_equal(table["estimate"], fit.beta)
    np.testing.assert_allclose(table["statistic"], table["estimate"] / table["std_error"])
    modes = fit.conditional_modes()
    assert len(modes) == 2 * 16
    ranef = fit.ranef()["g"]
    np.testing.assert_array_equal(ranef.to_numpy().ravel(), modes["mode"])
    eta = fit.fitted("link")
    data = frame()
    own = ranef.loc[data["g"]].to_numpy()
    by_hand = fit.beta[0] + fit.beta[1] * data["x"] + own[:, 0] + own[:, 1] * data["x"]
    np.testing.assert_allclose(eta, by_hand, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.fitted(), np.exp(eta))
    assert fit.dof == 5
    assert fit.aic == pytest.approx(fit.objective + 10.0)
    assert fit.trace["newton_steps"].min() >= 1
    for format in ("text", "markdown", "html", "latex"):
        assert "poisson" in str(fit.summary(format)).lower()


def test_the_trace_has_steps_to_where_no_dispersion_is_a_number() -> None:
    fit = ms.glmer("count ~ x + (1 | g)", frame(), "nbinom2")
    assert fit._result is not None
    there = np.append(fit._result.theta[:-1], 800.0)
    fit._result.trace.append("restart", there, None, None, fit._result.seconds)
    last = fit.trace.iloc[-1]
    assert last["status"] == "failed"
    assert last["dispersion"] == np.inf


def test_the_reference_of_a_mode_is_one_step_without_penalty() -> None:
    fit = ms.glmer("count ~ x + (1 | g)", frame(), "poisson")
    modes, data = fit.conditional_modes(), frame()
    mean = fit.fitted()
    # b + inv(Z'WZ) Z'd, with scores y - mu and weights mu; and the mode is d times the variance.
    by_level = (data["count"] - mean).groupby(data["g"]).sum()
    weight = mean.groupby(data["g"]).sum()
    own = modes.set_index("level")
    np.testing.assert_allclose(
        own["linearised"], own["mode"] + (by_level / weight).loc[own.index], rtol=1e-9
    )
    variance = fit.theta[0] ** 2
    np.testing.assert_allclose(own["mode"], variance * by_level.loc[own.index], rtol=1e-6)


def test_derivative_free_searches_end_at_the_same_optimum() -> None:
    model = ms.GeneralizedLinearMixedModel("answer ~ x + (1 | g)", frame())
    best = model.fit().objective
    for optimizer in ("pybobyqa", "nlopt-bobyqa", "scipy-lbfgsb"):
        fit = model.fit(optimizer)
        assert fit.objective == pytest.approx(best, abs=1e-6)
        assert fit.converged


def test_a_variance_of_zero_is_a_boundary_optimum() -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 8).astype(str)})
    data["y"] = np.tile([0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0], 20)
    data["x"] = rng.normal(size=160)
    fit = ms.glmer("y ~ x + (1 | g)", data)
    assert fit.certificate["verdict"] == "boundary optimum"
    assert fit.theta[0] == pytest.approx(0.0, abs=1e-5)
    assert np.isfinite(fit.fixed_effects()["std_error"]).all()


@pytest.mark.parametrize(
    ("formula", "family", "change", "error", "words"),
    [
        ("count ~ x + (1 | g)", "binomial", {}, DataError, "must be 0 or 1"),
        ("x ~ exposure + (1 | g)", "poisson", {}, DataError, "must be counts"),
        ("x ~ exposure + (1 | g)", "gamma", {}, DataError, "must be above 0"),
        ("answer ~ x + (1 | g)", "poisson", {}, ModelError, "goes with the family 'binomial'"),
        ("count ~ x", "poisson", {}, ModelError, "no random-effects term"),
        ("count ~ x + (1 | g)", "possion", {}, ModelError, "Did you mean 'poisson'"),
        ("cbind(successes) ~ x + (1 | g)", "binomial", {}, DataError, "must have two columns"),
        ("g ~ x + (1 | g)", "binomial", {}, DataError, "has 16 categories"),
        (
            "cbind(successes, failures) ~ x + (1 | g)",
            "binomial",
            {"successes": 0, "failures": 0},
            DataError,
            "row 1 has 0 and 0",
        ),
        (
            "cbind(successes, failures) ~ x + (1 | g)",
            "binomial",
            {"failures": -1},
            DataError,
            r"must not be below 0; row 1 has \d and -1, 160 rows in all. If the second is",
        ),
        (
            "cbind(successes, failures) ~ x + (1 | g)",
            "binomial",
            {"failures": 0.5},
            DataError,
            "must be whole",
        ),
        (
            "cbind(successes, failures) ~ x + (1 | g)",
            "poisson",
            {},
            ModelError,
            "whatever the trials, are the successes alone",
        ),
        (
            "successes / trials ~ x + (1 | g)",
            "binomial",
            {"trials": 6.5, "failures": 0},
            DataError,
            "trials of the response 'successes/trials' must be whole",
        ),
        ("successes / trials ~ x + (1 | g)", "binomial", {"trials": 0.5}, DataError, "share"),
    ],
)
def test_what_is_no_such_model_is_refused(
    formula: str, family: str, change: dict[str, float], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        ms.glmer(formula, frame().assign(**change), family)


def test_weights_below_zero_and_names_of_no_column_are_refused() -> None:
    data = frame().assign(w=-1.0)
    with pytest.raises(DataError, match="negative|below 0"):
        ms.glmer("count ~ x + (1 | g)", data, "poisson", weights="w")
    with pytest.raises(DataError, match="Did you mean 'count'"):
        ms.glmer("coutn ~ x + (1 | g)", data, "poisson")
    with pytest.raises(FormulaError):
        ms.glmer("count ~ x + 1 | g", data, "poisson")
    with pytest.raises(ModelError, match="information must be"):
        ms.glmer("count ~ x + (1 | g)", data, "poisson", information="exspected")


def test_linear_models_say_where_successes_and_failures_go() -> None:
    with pytest.raises(ModelError, match="ms.glmer"):
        ms.lmer("cbind(successes, failures) ~ x + (1 | g)", frame())


def test_quadrature_is_refused_where_the_integral_has_no_levels() -> None:
    data = frame().assign(h=lambda d: (d.index % 5).astype(str))
    with pytest.raises(ModelError, match="models with one grouping factor"):
        ms.glmer("count ~ x + (1 | g) + (1 | h)", data, "poisson", nAGQ=9)
    with pytest.raises(ModelError, match="choose 27 points or fewer"):
        ms.glmer("count ~ x + (1 + x + exposure | g)", data, "poisson", quadrature=40)
    with pytest.raises(ModelError, match="quadrature must be a whole number from 0, not -1"):
        ms.glmer("count ~ x + (1 | g)", data, "poisson", nAGQ=-1)
    with pytest.raises(ModelError, match="give one of them"):
        ms.glmer("count ~ x + (1 | g)", data, "poisson", nAGQ=5, quadrature=5)


def test_quadrature_is_told() -> None:
    fit = ms.glmer("answer ~ x + (1 | g)", frame(), nAGQ=9)
    assert "(adaptive quadrature, 9 points)" in str(fit)
    # Where Laplace's next term is small it says where quadrature goes.
    laplace = ms.glmer("answer ~ x + (1 | g)", frame())
    gained = fit.objective - laplace.objective
    assert laplace.approximation.correction == pytest.approx(gained, rel=0.2)


def test_predictions_of_the_own_rows_are_the_fitted_values() -> None:
    data = frame().astype({"count": float})
    data.loc[3, "count"] = np.nan
    fit = ms.glmer("count ~ poly(x, 2) + offset(log(exposure)) + (1 + x | g)", data, "poisson")
    own = fit.predict()
    assert own.index.equals(data.index)
    np.testing.assert_allclose(own.drop(3), fit.fitted(), rtol=1e-12)
    assert np.isnan(own[3])
    # The same rows by name, in another order, columns as the model learned them.
    again = fit.predict(data.drop(columns="count").iloc[::-1])
    np.testing.assert_allclose(again.drop(3), own.drop(3)[::-1], rtol=1e-9)
    assert np.isfinite(again[3])


def test_new_levels_are_refused_or_have_no_random_effect() -> None:
    fit = ms.glmer("answer ~ x + (1 | g)", frame())
    new = pd.DataFrame({"x": [0.0, 1.0], "g": ["3", "new"]}, index=["a", "b"])
    with pytest.raises(DataError, match="levels of 'g' that the model has not met: 'new'"):
        fit.predict(new)
    link = fit.predict(new, new_levels="population", scale="link")
    assert link["b"] == pytest.approx(fit.beta.sum(), rel=1e-12)
    mode = fit.ranef()["g"].loc["3", "(Intercept)"]
    assert link["a"] == pytest.approx(fit.beta[0] + mode, rel=1e-9)
    means = fit.predict(new, new_levels="population")
    np.testing.assert_allclose(means, 1.0 / (1.0 + np.exp(-link)), rtol=1e-12)
    assert fit.predict(new, new_levels="missing").isna().tolist() == [False, True]
    everyone = fit.predict({"x": [0.0, 1.0]}, levels="population", scale="link")
    np.testing.assert_allclose(everyone, [fit.beta[0], fit.beta.sum()], rtol=1e-12)


def test_what_was_left_out_is_not_predicted() -> None:
    data = frame().assign(twice=lambda d: 2.0 * d["x"])
    fit = ms.glmer("answer ~ x + twice + (1 | g)", data)
    assert fit.model.dropped_coefficients == ("twice",)
    new = pd.DataFrame({"x": [1.0, 1.0], "twice": [2.0, 0.0]})
    assert fit.predict(new, levels="population").isna().tolist() == [False, True]


def test_coefficients_are_logarithms_of_ratios() -> None:
    fit = ms.glmer("answer ~ x + (1 | g)", frame())
    plain, ratios = fit.fixed_effects(), fit.fixed_effects(exponentiate=True)
    for column in ("estimate", "lower", "upper"):
        np.testing.assert_allclose(ratios[column], np.exp(plain[column]), rtol=1e-12)
    np.testing.assert_array_equal(ratios["p_value"], plain["p_value"])
    # The odds at x = 1 over those at x = 0, at one level.
    chances = fit.predict({"x": [0.0, 1.0]}, levels="population")
    odds = chances / (1.0 - chances)
    assert odds[1] / odds[0] == pytest.approx(ratios["estimate"][1], rel=1e-12)
    probit = ms.glmer("answer ~ x + (1 | g)", frame(), link="probit")
    with pytest.raises(ModelError, match="no logarithms of ratios"):
        probit.fixed_effects(exponentiate=True)


def test_simulated_responses_are_those_of_the_model() -> None:
    fit = ms.glmer("count ~ x + (1 | g)", frame(), "poisson")
    drawn = fit.simulate(4000, seed=3)
    np.testing.assert_array_equal(drawn, fit.simulate(4000, seed=3))
    assert drawn.shape == (4000, fit.nobs)
    # The mean over random effects of a lognormal rate.
    eta = fit.predict(levels="population", scale="link").to_numpy()
    marginal = np.exp(eta + fit.theta[0] ** 2 / 2.0)
    error = drawn.std(axis=0) / np.sqrt(4000)
    assert (np.abs(drawn.mean(axis=0) - marginal) < 6.0 * error).all()
    own = fit.simulate(4000, seed=3, conditional=True)
    error = own.std(axis=0) / np.sqrt(4000)
    assert (np.abs(own.mean(axis=0) - fit.fitted().to_numpy()) < 6.0 * error).all()


@pytest.mark.parametrize(
    ("response", "family", "link"),
    [
        ("event", "binomial", "log"),
        ("count", "poisson", "identity"),
        ("amount", "gamma", "inverse"),
    ],
)
def test_links_whose_predictors_end_find_a_start(response: str, family: str, link: str) -> None:
    rng = np.random.default_rng(6)
    data = pd.DataFrame({"g": np.repeat(np.arange(15), 40).astype(str), "x": rng.normal(size=600)})
    eta = -1.8 + 0.3 * data["x"] + 0.3 * rng.normal(size=15)[data["g"].astype(int)]
    data["event"] = (rng.random(600) < np.minimum(np.exp(eta), 1.0)).astype(int)
    data["count"] = rng.poisson(np.exp(1.5 + 2.0 * eta + 3.6))
    data["amount"] = rng.gamma(4.0, 1.0 / np.maximum(2.0 + eta, 0.1)) + 0.01
    formula = f"{response} ~ x + (1 | g)"
    best = ms.glmer(formula, data, family, link=link)
    other = ms.glmer(formula, data, family, link=link, optimizer="pybobyqa")
    assert best.objective <= other.objective + 1e-6
    side = best.model.family.link.side
    assert (side * best.fitted("link") > 0.0).all()
    with pytest.raises(ModelError, match="give the model an intercept"):
        ms.glmer(f"{response} ~ 0 + x + (1 | g)", data, family, link=link)
