"""Tests, means and variances of generalised models: lme4, car, emmeans and performance.

Numbers of R 4.2.2 with lme4 1.1-31 (``tolPwrss = 1e-12``), car, emmeans and performance 0.10.2.
lme4's covariance of the fixed effects is of differences: they agree to about 1e-5.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reference.glmm_cases import frame_of
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError

CONTRACEPTION = "y ~ age + age2 + livch + urban + (1 | district)"


@cache
def fitted(formula: str = CONTRACEPTION, link: str = "logit", points: int = 1) -> ms.GeneralizedFit:
    return ms.glmer(formula, frame_of("contraception-agq1"), "binomial", link=link, nAGQ=points)


def test_likelihood_ratios_are_those_of_lme4_with_boundaries() -> None:
    small, whole = fitted("y ~ age + age2 + (1 | district)"), fitted()
    row = ms.lrtest(small, whole).iloc[1]
    assert row["statistic"] == pytest.approx(63.60153, abs=1e-5)
    assert row["df"] == 4
    assert row["p_value"] == pytest.approx(chi2.sf(row["statistic"], 4))
    slopes = fitted(CONTRACEPTION.replace("(1 |", "(1 + urban |"))
    row = ms.lrtest(whole, slopes).iloc[1]
    # lme4's anova has 12.1183 on 2 degrees of freedom, without the boundary.
    assert row["statistic"] == pytest.approx(12.1183, abs=1e-4)
    expected = 0.5 * (chi2.sf(row["statistic"], 1) + chi2.sf(row["statistic"], 2))
    assert row["p_value"] == pytest.approx(expected)
    # Of no random effects the likelihood is that of the generalised linear model: R's glm.
    none = ms.lrtest(whole)
    assert none["objective"].iloc[0] == pytest.approx(2417.658870, abs=1e-5)
    assert none["p_value"].iloc[1] == pytest.approx(0.5 * chi2.sf(none["statistic"].iloc[1], 1))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: fitted("y ~ age + (1 | district)", "probit"), "different families"),
        (lambda: fitted("y ~ age + (1 | district)", "logit", 3), "different approximations"),
        (lambda: ms.lmer("y ~ age + (1 | district)", frame_of("contraception-agq1")), "one kind"),
        (
            lambda: ms.glmer("y ~ age + (1 | district)", frame_of("contraception-agq1").iloc[1:]),
            "different rows",
        ),
        (lambda: fitted("y ~ age + (1 | livch)"), "not found to be a special case"),
    ],
)
def test_likelihoods_that_do_not_compare_are_refused(other: object, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        ms.lrtest(fitted(), other())  # type: ignore[operator]


def test_terms_are_tested_as_by_car_and_lme4() -> None:
    fit = fitted("y ~ age * urban + livch + (1 | district)")
    third = fit.anova(type="III").set_index("term")["statistic"]
    assert third["age"] == pytest.approx(12.15731, abs=1e-4)
    assert third["urban"] == pytest.approx(37.96432, abs=3e-4)
    assert third["livch"] == pytest.approx(80.15621, abs=2e-3)
    test = fitted().test("livch1 = livch2, livch2 = livch3+").iloc[0]
    assert (test["num_df"], test["statistic"]) == (2, pytest.approx(0.45653, abs=1e-4))
    dropped = fitted().drop1().set_index("term")
    # The model without it, fitted by itself.
    alone = fitted("y ~ age + age2 + livch + (1 | district)")
    assert dropped.loc["urban", "objective"] == pytest.approx(alone.objective, abs=1e-6)
    with pytest.raises(UnsuitedError, match="are for large samples"):
        fit.anova(df="satterthwaite")


def test_a_coefficient_at_infinity_has_no_wald_test() -> None:
    data = frame_of("contraception-agq1").iloc[:400].copy()
    data.loc[data["livch"] == "2", "y"] = 1.0
    fit = ms.glmer("y ~ livch + urban + (1 | district)", data, "binomial")
    assert fit.certificate["at_infinity"] == ["livch2"]
    assert math.isnan(fit.test("livch2 = 0")["p_value"].iloc[0])
    assert "without a finite estimate" in fit.anova().set_index("term").loc["livch", "remark"]
    urban = fit.test("urbanY = 0")
    assert urban["remark"].iloc[0] is None
    assert urban["statistic"].iloc[0] > 0.0
    assert fit.drop1().set_index("term").loc["livch", "statistic"] > 20.0


def test_means_are_those_of_emmeans() -> None:
    means = fitted().means("livch")
    table = means.table
    assert table["mean"].tolist() == pytest.approx(
        [0.2579079166, 0.4398362343, 0.4649604245, 0.4646097137], abs=1e-5
    )
    assert table["std_error"].tolist() == pytest.approx(
        [0.02803516159, 0.03415559226, 0.03653989770, 0.03108172480], abs=1e-5
    )
    assert table["lower"].tolist() == pytest.approx(
        [0.2068583212, 0.3743650565, 0.3945395706, 0.4045116127], abs=1e-5
    )
    pairs = means.pairs()
    assert pairs["comparison"].unique().tolist() == ["odds ratio"]
    assert pairs["estimate"].iloc[0] == pytest.approx(0.4426198464, abs=1e-5)
    ends = pairs[["std_error", "lower", "upper"]].iloc[0].tolist()
    assert ends == pytest.approx([0.07229263639, 0.2909391082, 0.6733791469], abs=2e-5)
    assert pairs["p_value"].iloc[3] == pytest.approx(0.9350, abs=1e-4)
    link = fitted().means("livch", scale="link").table
    assert link["mean"].iloc[0] == pytest.approx(-1.0568707285, abs=2e-5)


def test_shares_of_the_variance_are_those_of_performance() -> None:
    assert fitted().r2().tolist() == pytest.approx([0.115275244117, 0.172111607525], abs=2e-6)
    slopes = fitted(CONTRACEPTION.replace("(1 |", "(1 + urban |"))
    assert slopes.r2().tolist() == pytest.approx([0.116861360718, 0.197783173246], abs=1e-6)
    icc = slopes.icc().loc["all"]
    assert icc[["adjusted", "unadjusted"]].tolist() == pytest.approx(
        [0.0916297950613, 0.0809218125281], abs=1e-6
    )


def test_logarithmic_links_take_their_variance_at_the_mean_of_all_levels() -> None:
    data = frame_of("grouseticks-brood-agq1")
    fit = ms.glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", data, "poisson")
    null = ms.glmer("TICKS ~ 1 + (1 | BROOD)", data, "poisson")
    mean = math.exp(float(null.beta[0]) + 0.5 * float(null.theta[0]) ** 2)
    between = float(fit.theta[0]) ** 2
    for approximation, own in (("lognormal", math.log1p(1.0 / mean)), ("delta", 1.0 / mean)):
        found = fit.icc(approximation).loc["BROOD", "adjusted"]
        assert found == pytest.approx(between / (between + own), rel=1e-5)
    assert 0.0 < fit.icc("trigamma").loc["BROOD", "adjusted"] < 1.0
    with pytest.raises(UnsuitedError, match="'theoretical' is not for the family 'poisson'"):
        fit.r2("theoretical")


def test_tables_set_families_side_by_side() -> None:
    data = frame_of("quine-nb")
    formula = "Days ~ Sex + (1 | cell)"
    poisson, nb = ms.glmer(formula, data, "poisson"), ms.glmer(formula, data, "nbinom2")
    printed = str(ms.table(poisson, nb))
    assert "poisson (log)" in printed
    assert "Dispersion: size" in printed
    linear = str(ms.table(nb, ms.lmer(formula, data)))
    assert "linear and generalised" in linear
    assert "normal" in linear


def test_what_is_of_linear_models_says_so() -> None:
    with pytest.raises(UnsuitedError, match=r"of linear models.*the family 'binomial'"):
        ms.efficiency(fitted())


def test_draws_do_not_depend_on_others_and_refits_are_fits(tmp_path: Path) -> None:
    data = frame_of("cbpp-agq1")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    fit = ms.glmer(formula, data)
    first = fit.parametric_bootstrap(4, seed=5)
    again = ms.glmer(formula, data).parametric_bootstrap(7, seed=5)
    pd.testing.assert_frame_equal(first.table, again.table.iloc[:4])
    longer = fit.parametric_bootstrap(7, seed=5)
    pd.testing.assert_frame_equal(longer.table, again.table)
    assert fit.draws is not None
    fit.profile(["sd"], levels=[0.5])
    fit.save(tmp_path / "fit")
    loaded = ms.load_fit(tmp_path / "fit")
    assert loaded.draws is not None
    assert loaded.draws.origin.difference(longer.origin) is None
    pd.testing.assert_frame_equal(loaded.draws.table, longer.table)
    assert loaded.profile().table["kind"].unique().tolist() == ["sd"]
    # A draw fitted by itself.
    from mixedscope.inference.bootstrap.generalized import generalized_responses

    laplace = fit.model.laplace
    responses = generalized_responses(laplace, fit.parameters.to_numpy(), range(7), 5)
    trials = data["size"].to_numpy()
    for i in (1, 6):
        drawn = data.assign(incidence=np.rint(responses[i] * trials))
        alone = ms.glmer(formula, drawn)
        assert longer.objective[i] == pytest.approx(alone.objective, abs=1e-6)
        assert longer.beta[i] == pytest.approx(alone.beta, abs=1e-4)
        assert longer.sd[i, 0] == pytest.approx(float(alone.theta[0]), abs=1e-3)


def test_a_bootstrap_of_no_variance_finds_draws_that_have_some() -> None:
    data = frame_of("cbpp-agq1")
    fit = ms.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", data)
    made = fit.parametric_bootstrap(40, seed=2, theta=[0.0])
    assert made.converged.all()
    assert 0 < int(made.singular.sum()) < 40
    # Half of the draws or more have none where there is none.
    assert int(made.singular.sum()) >= 12
    table = made.confint(0.9, "percentile").set_index("kind")
    assert 0.0 <= table.loc["sd", "lower"] < 1e-4
    assert 0.1 < table.loc["sd", "upper"] < 1.0
    # From none, mirrored there.
    basic = made.confint(0.9, "basic").set_index("kind")
    assert basic.loc["sd", "lower"] == pytest.approx(-table.loc["sd", "upper"])
