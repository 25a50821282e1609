"""Dates, times and durations: refused alike as predictors, alike as groups, days on demand."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, FormulaError
from mixedscope.data.prepare import load_dataset

N_DAYS = 5
_DATES = [dt.date(2020, 1, 1 + i) for i in range(N_DAYS)]
_STAMPS = [pd.Timestamp(date) for date in _DATES]

COLUMNS: dict[str, pd.Series] = {
    "datetime64": pd.Series(_STAMPS),
    "nanoseconds": pd.Series(np.array(_STAMPS, dtype="datetime64[ns]")),
    "stamps as objects": pd.Series(_STAMPS, dtype=object),
    "dates": pd.Series(_DATES, dtype=object),
    "periods": pd.Series(pd.period_range("2020-01-01", periods=N_DAYS, freq="D")),
    "date32": pd.Series(pd.array(_DATES, dtype=pd.ArrowDtype(pa.date32()))),
    "durations": pd.Series(pd.to_timedelta(range(N_DAYS), unit="D")),
    "times": pd.Series([dt.time(i) for i in range(N_DAYS)], dtype=object),
    "with zone": pd.Series(_STAMPS).dt.tz_localize("UTC"),
}


def table(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = 60
    day = COLUMNS[kind].repeat(n // N_DAYS).reset_index(drop=True)
    return pd.DataFrame({"y": rng.normal(size=n), "day": day, "g": np.tile(list("abcd"), n // 4)})


def stored(frame: pd.DataFrame, how: str, directory: Path) -> Any:
    if how == "pandas":
        return frame
    if how == "polars":
        return pl.from_pandas(frame)
    if how == "arrow":
        return pa.Table.from_pandas(frame)
    path = directory / f"d.{how}"
    frame.to_parquet(path) if how == "parquet" else frame.to_feather(path)
    return load_dataset(path)


WAYS = ["pandas", "polars", "arrow", "parquet", "feather"]


def skip_what_polars_lacks(kind: str, how: str) -> None:
    if how == "polars" and kind == "periods":
        pytest.skip("polars has no periods")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", list(COLUMNS))
def test_no_date_is_a_predictor_by_itself(kind: str, how: str, tmp_path: Path) -> None:
    skip_what_polars_lacks(kind, how)
    data = stored(table(kind), how, tmp_path)
    for formula in ("y ~ day + (1 | g)", "y ~ 1 + (1 + day | g)", "y ~ scale(day) + (1 | g)"):
        with pytest.raises(DataError, match="Column 'day' holds ") as caught:
            ms.LinearMixedModel(formula, data)
        assert "days(day)" in str(caught.value)
        assert "categorical: [day]" in str(caught.value)
    with pytest.raises(DataError, match="Column 'day' holds "):
        ms.LinearMixedModel("day ~ 1 + (1 | g)", data)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    "kind", ["datetime64", "nanoseconds", "stamps as objects", "dates", "periods", "date32"]
)
def test_groups_of_dates_have_the_same_levels(kind: str, how: str, tmp_path: Path) -> None:
    skip_what_polars_lacks(kind, how)
    model = ms.LinearMixedModel("y ~ 1 + (1 | day)", stored(table(kind), how, tmp_path))
    assert model.design.random[0].levels == tuple(date.isoformat() for date in _DATES)


@pytest.mark.parametrize("how", ["parquet", "feather", "csv"])
@pytest.mark.parametrize("kind", [k for k in COLUMNS if k not in ("times", "durations")])
def test_days_are_counted_from_1970(kind: str, how: str, tmp_path: Path) -> None:
    frame, path = table(kind), tmp_path / f"d.{how}"
    if how == "csv":
        frame.to_csv(path, index=False)
    else:
        stored(frame, how, tmp_path)
    made = load_dataset({"source": str(path), "derive": {"x": "days(day)"}})
    assert sorted(made["x"].unique()) == [18262 + i for i in range(N_DAYS)]


def test_durations_are_counted_in_days(tmp_path: Path) -> None:
    frame = table("durations").assign(day=lambda d: d["day"] / 2)
    frame.to_parquet(tmp_path / "d.parquet")
    made = load_dataset({"source": str(tmp_path / "d.parquet"), "derive": {"x": "days(day)"}})
    assert sorted(made["x"].unique()) == [0, 0.5, 1, 1.5, 2]


def test_missing_dates_stay_missing(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("day,g\n1970-01-02,a\nNA,b\n1970-01-03 12:00,a\n")
    made = load_dataset({"source": str(tmp_path / "d.csv"), "derive": {"x": "days(day)"}})
    assert made["x"].dropna().tolist() == [1, 2.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("days(day)", "cannot read '31.12.2020' (row 2)"),
        ("days(n)", "'n' holds none"),
        ("days(n + 1)", "takes one column"),
        ("log(day)", "needs numbers"),
    ],
)
def test_what_is_no_date_is_explained(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("day,n\n2020-12-31,1\n31.12.2020,2\n")
    with pytest.raises(FormulaError, match=re.escape(words)):
        load_dataset({"source": str(tmp_path / "d.csv"), "derive": {"x": text}})


def test_functions_of_dates_point_to_days(tmp_path: Path) -> None:
    table("dates").to_parquet(tmp_path / "d.parquet")
    with pytest.raises(FormulaError, match=r"write days\(day\)"):
        load_dataset({"source": str(tmp_path / "d.parquet"), "derive": {"x": "day - 18262"}})


def test_filters_of_dates_read_alike(tmp_path: Path) -> None:
    for kind in ("datetime64", "dates", "periods", "date32"):
        table(kind).to_parquet(tmp_path / "d.parquet")
        spec = {"source": str(tmp_path / "d.parquet"), "filter": "day > '2020-01-03'"}
        assert len(load_dataset(spec)) == 24


@pytest.mark.parametrize("kind", list(COLUMNS))
def test_declared_dates_are_categories(kind: str, tmp_path: Path) -> None:
    table(kind).to_parquet(tmp_path / "d.parquet")
    data = load_dataset({"source": str(tmp_path / "d.parquet"), "categorical": ["day"]})
    model = ms.LinearMixedModel("y ~ day + (1 | g)", data)
    assert len(model.fixed_names) == N_DAYS


def test_complex_numbers_are_refused() -> None:
    data = table("dates").assign(z=1 + 2j)
    with pytest.raises(DataError, match="'z' holds complex numbers"):
        ms.LinearMixedModel("y ~ z + (1 | g)", data)
    with pytest.raises(DataError, match="'z' holds complex numbers"):
        ms.LinearMixedModel("y ~ z + (1 | g)", data.assign(z=data["z"].astype(object)))


# -- other types that files and frames must read alike ---------------------------------------------
@pytest.mark.parametrize("how", ["memory", "parquet", "arrow"])
def test_the_base_level_of_polars_categories_does_not_depend_on_the_file(
    how: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    frame = pl.DataFrame(
        {
            "y": rng.normal(size=24),
            "c": pl.Series(["b", "a", "c"] * 8, dtype=pl.Categorical),
            "e": pl.Series(["b", "a"] * 12, dtype=pl.Enum(["b", "a"])),
            "g": ["u", "u", "u", "v", "v", "v", "w", "w"] * 3,
        }
    )
    data: Any = frame
    if how == "parquet":
        frame.write_parquet(tmp_path / "d.parquet")
        data = load_dataset(tmp_path / "d.parquet")
    elif how == "arrow":
        frame.write_ipc(tmp_path / "d.arrow")
        data = load_dataset(tmp_path / "d.arrow")
    model = ms.LinearMixedModel("y ~ c + e + (1 | g)", data)
    assert model.fixed_names == ("(Intercept)", "cb", "cc", "ea")


@pytest.mark.parametrize(
    "how", ["pandas", "polars", "arrow", "parquet", "feather", "csv", "stored"]
)
def test_long_identifiers_beside_missing_ones_stay_apart(how: str, tmp_path: Path) -> None:
    ids = pd.array(([2**53 + i for i in range(4)] + [None]) * 4, dtype="Int64")
    frame = pd.DataFrame({"y": np.arange(20.0) ** 2 % 7, "id": ids})
    if how == "csv":
        frame.to_csv(tmp_path / "d.csv", index=False)
        data: Any = load_dataset(tmp_path / "d.csv")
    elif how == "stored":
        from mixedscope.tables.table_files import read_table
        from mixedscope.workflow.steps import prepare

        frame.to_csv(tmp_path / "d.csv", index=False)
        prepare(spec={"source": str(tmp_path / "d.csv")}, output=tmp_path / "out.parquet")
        data = read_table(tmp_path / "out.parquet", "data")
    else:
        data = stored(frame, how, tmp_path)
    model = ms.LinearMixedModel("y ~ 1 + (1 | id)", data)
    assert model.design.random[0].levels == tuple(str(2**53 + i) for i in range(4))
