"""Numeric or categorical: what a model says of its variables, and what it doubts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, DataWarning, FormulaError
from mixedscope.workflow.steps import job, prepare

N = 60


def frame(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(list("abcdef"), N // 6)
    y = rng.normal(size=N) + np.repeat(rng.normal(size=6), N // 6)
    return pd.DataFrame({"y": y, "g": g, **columns})


def built(formula: str, data: pd.DataFrame, **said: Any) -> tuple[ms.LinearMixedModel, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = ms.LinearMixedModel(formula, data, **said)
    assert all(warning.category is DataWarning for warning in caught)
    return model, [str(warning.message) for warning in caught]


NUMBERS = [str(i % 7) for i in range(N)]


def with_odd(*odd: str, values: list[str] | None = None) -> list[str]:
    """Numbers as text, with other values from the third row on."""
    text = list(values or NUMBERS)
    text[2 : 2 + len(odd)] = odd
    return text


# -- doubts ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("x", "words"),
    [
        (with_odd("."), ["8 levels", "row 3 holds '.'", "59 of its 60 values are numbers"]),
        (with_odd("-", "timeout"), ["row 3 holds '-'", "58 of its 60", "categorical: [x]"]),
        (with_odd("1O"), ["row 3 holds '1O'"]),
        ([f"{i % 9},5" for i in range(N)], ["row 1 holds '0,5'", "decimal: ','"]),
        (with_odd("0,5", "1,5"), ["row 3 holds '0,5'", "decimal: ','"]),
        ([f"{i % 9}.5" for i in range(N)], ["numbers written as text"]),
        ([f"2020-01-{1 + i % 9:02}" for i in range(N)], ["look like dates", "days(x)"]),
        ([f"{1 + i % 28:02}.01.2020" for i in range(N)], ["look like dates, as '01.01.2020'"]),
        ([f"{1 + i % 28}/1/2020" for i in range(N)], ["look like dates", "2020-12-31", "days(x)"]),
        ([f"{1 + i % 9:02}/{13 + i % 9}/20" for i in range(N)], ["look like dates"]),
        ([f"{1 + i % 9}. 1. 2020 12:30" for i in range(N)], ["look like dates"]),
        ([f"2020/1/{1 + i % 9}" for i in range(N)], ["look like dates", "2020-12-31"]),
        ([f"{1 + i % 9:02}-01-2020" for i in range(N)], ["look like dates", "2020-12-31"]),
        ([f"s{i % 40}" for i in range(N)], ["40 levels in 60 rows", "(1 | x)"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ 1 + (1 | g) + (0 + x | h)"])
def test_a_category_that_may_be_a_number_is_doubted(
    x: list[str], words: list[str], formula: str
) -> None:
    if "h" in formula and len(set(x)) > 20:
        pytest.skip("more random effects than rows")
    data = frame(x=x, h=np.tile(list("uv"), N // 2))
    model, said = built(formula, data)
    assert len(said) == 1
    for word in words:
        assert word in said[0]
    assert "\n" not in said[0]
    assert list(model.design.notes) == said


def test_rows_are_counted_in_the_data_and_not_in_what_is_used() -> None:
    data = frame(x=with_odd("."))
    data.loc[[0, 1], "y"] = np.nan
    _, said = built("y ~ x + (1 | g)", data)
    assert "row 3 holds '.'" in said[0]


@pytest.mark.parametrize(
    "x",
    [
        NUMBERS,
        pd.Categorical(with_odd(".")),
        [f"s{i % 30}" for i in range(N)],
        ["control", "treated"] * (N // 2),
        [i % 2 == 0 for i in range(N)],
        [None, "a", "b"] * (N // 3),
        ["1", "2", "none"] * (N // 3),
        ["1.2.3", "1.2.4", "2.0.1"] * (N // 3),
        ["10/20", "20/30", "30/40"] * (N // 3),
        ["01.02.2020", "01.03.2020"] * (N // 2),
    ],
    ids=str,
)
def test_plain_categories_are_not_doubted(x: Any) -> None:
    _, said = built("y ~ x + (1 | g)", frame(x=x))
    assert said == []


def test_groups_and_variables_with_contrasts_are_not_doubted() -> None:
    data = frame(x=with_odd("."), h=[f"s{i % 40}" for i in range(N)])
    assert built("y ~ 1 + (1 | x) + (1 | h)", data)[1] == []
    assert built("y ~ x + (1 | g)", data, contrasts={"x": "sum"})[1] == []


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (with_odd("."), "row 3 holds '.'; 59 of its 60 values are numbers"),
        (with_odd("512,3", values=[f"{i},5" for i in range(N)]), "row 1 holds '0,5'; if commas"),
        (NUMBERS, "its numbers are written as text"),
        (["u", "v"] * (N // 2), "row 1 holds 'u'; choose a numeric column"),
        ([True, False] * (N // 2), "truth values; derive a number: if_else(y, 1, 0)"),
        (pd.Categorical(NUMBERS), "it is categorical"),
    ],
)
def test_a_response_that_is_no_number_names_the_first_value(y: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        ms.LinearMixedModel("y ~ 1 + (1 | g)", frame().assign(y=y))
    assert str(caught.value).startswith("The response 'y' is not numeric: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("formula", ["log(x) ~ 1 + (1 | g)", "y ~ scale(x) + (1 | g)"])
def test_functions_of_text_name_the_first_value_in_rows_of_the_data(formula: str) -> None:
    data = frame(x=with_odd("."))
    data.loc[0, ["x", "y"]] = None
    with pytest.raises(FormulaError, match=r"this is text \(row 3 holds '\.'\)"):
        ms.LinearMixedModel(formula, data)
    with pytest.raises(FormulaError, match=r"number\(\) reads it"):
        ms.LinearMixedModel(formula, frame(x=NUMBERS))


def test_weights_that_are_text_name_the_first_value() -> None:
    data = frame(w=with_odd("high"))
    data.loc[0, "w"] = None
    with pytest.raises(DataError, match="'w' is not numeric: row 3 holds 'high'"):
        ms.LinearMixedModel("y ~ 1 + (1 | g)", data, weights="w")


# -- what a fit says ------------------------------------------------------------------------------
def test_a_fit_says_what_is_numeric_and_how_categories_are_coded(tmp_path: Path) -> None:
    data = frame(
        x=np.arange(N) % 5 + 0.5,
        cond=["b", "a", "c"] * (N // 3),
        late=[True, False] * (N // 2),
        w=1.0,
    )
    data.loc[:3, "w"] = 0
    model = ms.LinearMixedModel(
        "y ~ log(x) + x + cond + late + (1 | g)", data, contrasts={"cond": "sum"}, weights="w"
    )
    fit = model.fit()
    said = (
        "Variables: numeric log(x), x; categorical cond (3 levels, sum contrasts, -1 for 'c'); "
        "categorical late (2 levels, treatment contrasts, base 'FALSE')."
    )
    assert said in str(fit)
    assert "4 rows of weight 0 were left out." in str(fit)
    assert "base &#x27;FALSE&#x27;" in fit._repr_html_()
    fit.save(tmp_path / "f")
    assert str(ms.load_fit(tmp_path / "f")) == str(fit)


def test_indicators_have_no_base() -> None:
    data = frame(cond=["b", "a", "c"] * (N // 3))
    model = ms.LinearMixedModel("y ~ 0 + cond + (1 | g)", data)
    assert model.design.variables["cond"]["coding"] == "indicators"
    assert model.design.variables["cond"]["base"] is None
    other = ms.LinearMixedModel("y ~ 1 + cond + (0 + cond || g)", data)
    assert other.design.variables["cond"]["base"] == "a"


@pytest.mark.parametrize("base", ["a", "b", "c"])
def test_the_base_is_the_level_without_a_column(base: str) -> None:
    data = frame(cond=["b", "a", "c"] * (N // 3))
    model = ms.LinearMixedModel(
        "y ~ cond + (1 | g)", data, contrasts={"cond": {"treatment": {"base": base}}}
    )
    assert model.design.variables["cond"]["base"] == base
    assert f"cond{base}" not in model.fixed_names


def test_a_column_with_blanks_in_its_name_is_described() -> None:
    data = frame(**{"my cond": ["b", "a"] * (N // 2)})
    model = ms.LinearMixedModel("y ~ `my cond` + (1 | g)", data)
    (entry,) = model.design.variables.values()
    assert entry["base"] == "a"


def test_doubts_are_printed_with_the_fit() -> None:
    model, said = built("y ~ x + (1 | g)", frame(x=with_odd(".")))
    assert said[0] in str(model.fit())


# -- the log of a preparation ---------------------------------------------------------------------
def test_the_log_of_prepare_says_what_columns_hold(tmp_path: Path) -> None:
    data = frame(x=with_odd("."), day=[f"2020-01-{1 + i % 9:02}" for i in range(N)], n=1)
    data.to_csv(tmp_path / "d.csv", sep=";", index=False)
    with job(tmp_path / "log"):
        prepare(spec={"source": str(tmp_path / "d.csv")}, output=tmp_path / "d.parquet")
    log = (tmp_path / "log").read_text()
    assert "Cells are separated by ';'" in log
    assert "Numeric: y, n\n" in log
    assert "g (6 levels, first 'a')" in log
    assert "Column 'x' is taken as categorical with 8 levels: row 3 holds '.'" in log
    assert "Column 'day' is taken as categorical with 9 levels, which look like dates" in log
    assert "Warning" not in log
