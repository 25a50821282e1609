"""The same rows by every way in: the same design and digest, and no more than is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import mixedscope as ms
from mixedscope.core.errors import DataError
from mixedscope.core.progress import counted_rows
from mixedscope.data import text_values
from mixedscope.data.digest import frame_digest
from mixedscope.data.prepare import load_dataset, prepare_dataset
from mixedscope.design.design import Design, build_design
from mixedscope.design.frame import as_frame

FORMULA = "rating ~ 1 + age + kind + (1 | user) + (1 | item)"


def _table() -> pa.Table:
    """Ratings in several pieces: ids as text and as numbers, missing values, dates, a long text."""
    rng = np.random.default_rng(5)
    n = 400
    missing = rng.random((3, n)) < 0.05
    user = [f"u{k:02d}" for k in rng.integers(0, 40, n)]
    item = rng.integers(100, 130, n) * 7
    columns = {
        "user": pa.array(user, mask=missing[0]),
        "item": pa.array(item),
        "rating": pa.array(np.round(rng.standard_normal(n), 2), mask=missing[1]),
        "age": pa.array(rng.integers(18, 80, n)),
        "kind": pa.array(rng.choice(["film", "Buch", "äther"], n)),
        "day": pa.array(rng.integers(11_000, 11_400, n).astype(np.int32)).cast(pa.date32()),
        "said": pa.array([f"{i} words" for i in range(n)]),
    }
    table = pa.table(columns)
    return pa.concat_tables([table.slice(a, 150) for a in (0, 150, 300)])


def _csv(folder: Path) -> Any:
    csv.write_csv(_table(), folder / "d.csv")
    return load_dataset(folder / "d.csv")


def _parquet(folder: Path) -> Any:
    parquet.write_table(_table(), folder / "d.parquet", row_group_size=120)
    return load_dataset(folder / "d.parquet")


def _feather(folder: Path) -> Any:
    feather.write_feather(_table(), str(folder / "d.feather"))
    return load_dataset(folder / "d.feather")


WAYS: dict[str, Callable[[Path], Any]] = {
    "Parquet": _parquet,
    "Arrow file": _feather,
    "text": _csv,
    "Arrow": lambda _: _table(),
    "Arrow in one piece": lambda _: _table().combine_chunks(),
    "polars": lambda _: pl.from_arrow(_table()),
    "pandas of objects": lambda _: _table().to_pandas().astype({"user": object, "kind": object}),
    "pandas of Arrow": lambda _: _table().to_pandas(types_mapper=pd.ArrowDtype),
    "dictionaries": lambda _: _encoded(_table()),
}


def _encoded(table: pa.Table) -> pd.DataFrame:
    """Ids as pandas' categories, in their sorted order."""
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({"user": "category", "item": "category", "kind": "category"})


def _parts(design: Design) -> list[Any]:
    arrays = [design.y, design.X, design.rows]
    for random in design.random:
        arrays += [random.codes, random.Z]
    return arrays


@pytest.fixture(scope="module")
def plain() -> Design:
    """The design of plain Python lists."""
    columns = {name: _table()[name].to_pylist() for name in ("user", "item", "age", "kind")}
    rating = [np.nan if v is None else v for v in _table()["rating"].to_pylist()]
    return build_design(FORMULA, {**columns, "rating": rating})


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("large", [False, True])
def test_every_way_in_gives_the_same_design(
    way: Callable[[Path], Any],
    large: bool,
    plain: Design,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if large:
        monkeypatch.setattr(text_values, "_LARGE", 0)
    model = ms.LinearMixedModel(FORMULA, way(tmp_path))
    found = model.design
    assert 0 < plain.n_dropped == found.n_dropped
    assert found.x_names == plain.x_names
    assert [r.levels for r in found.random] == [r.levels for r in plain.random]
    for one, other in zip(_parts(found), _parts(plain), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    # What models keep has the columns used, by which they are made again.
    assert sorted(model.data.columns) == ["age", "item", "kind", "rating", "user"]
    again = model.with_structure("zerocorr").design
    np.testing.assert_array_equal(again.random[0].codes, plain.random[0].codes)


def test_every_file_of_a_table_has_one_digest(tmp_path: Path) -> None:
    _csv(tmp_path), _parquet(tmp_path), _feather(tmp_path)
    found = {
        name: prepare_dataset(
            {"source": name, "columns": ["user", "item", "rating", "age", "kind", "said"]},
            directory=tmp_path,
        ).description["sha256"]
        for name in ("d.csv", "d.parquet", "d.feather")
    }
    assert len(set(found.values())) == 1


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "", "ä", "a,b", "long " * 40],
        [None, None],
        ["x"] * 3,
        [],
    ],
)
def test_the_digest_of_text_is_that_of_its_characters(values: list[str | None]) -> None:
    objects = pd.DataFrame({"t": pd.Series(values, dtype=object)})
    own = pd.DataFrame({"t": pd.Series(values, dtype="str")})
    pieces = pa.chunked_array([values[:1], values[1:], []], type=pa.large_string())
    arrow = pd.DataFrame({"t": pd.Series(pieces.to_pandas(), dtype="str")})
    # A slice, whose memory begins before it.
    sliced = pd.DataFrame({"t": pd.Series(["before", *values, "after"], dtype="str")}).iloc[1:-1]
    expected = frame_digest(objects)
    for frame in (own, arrow, sliced.reset_index(drop=True)):
        assert frame_digest(frame) == expected


def test_the_digest_of_times_is_that_of_how_they_read() -> None:
    times = ["2001-02-03", None, "2001-02-03 10:30", "1969-12-31", "2001-02-03"]
    column = pd.Series(pd.to_datetime(pd.Series(times), format="ISO8601"))
    read = ["2001-02-03", None, "2001-02-03 10:30:00", "1969-12-31", "2001-02-03"]
    for kind in ("ms", "ns"):
        found = frame_digest(pd.DataFrame({"t": column.astype(f"datetime64[{kind}]")}))
        assert found == frame_digest(pd.DataFrame({"t": pd.Series(read, dtype="str")}))
        assert found == frame_digest(pd.DataFrame({"t": column.astype(object)}))


def test_dates_are_of_one_type_and_have_the_levels_that_they_read_as(tmp_path: Path) -> None:
    frame = _parquet(tmp_path)
    assert frame["day"].dtype.kind == "M"
    objects = frame.assign(day=_table()["day"].to_pylist())
    assert objects["day"].dtype == object
    formula = "rating ~ 1 + (1 | day)"
    one, other = (build_design(formula, data) for data in (frame, objects))
    assert one.random[0].levels == other.random[0].levels
    np.testing.assert_array_equal(one.random[0].codes, other.random[0].codes)
    assert frame_digest(frame) == frame_digest(objects)


@pytest.mark.parametrize("convert", [lambda t: t, pl.from_arrow], ids=["Arrow", "polars"])
def test_columns_that_nobody_reads_are_not_brought_over(convert: Callable[..., Any]) -> None:
    table = _table()
    frame = as_frame(convert(table), only={"user", "rating", "absent"})
    assert list(frame.columns) == table.column_names
    assert isinstance(frame["said"].dtype, pd.ArrowDtype)
    assert isinstance(frame["day"].dtype, pd.ArrowDtype)
    assert not isinstance(frame["user"].dtype, pd.ArrowDtype)
    assert frame["rating"].dtype == np.float64
    whole = as_frame(convert(table))
    pd.testing.assert_series_equal(frame["user"], whole["user"])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"formula": "ratin ~ 1 + (1 | user)"}, "Did you mean .rating.[^@]*said"),
        ({"weights": "wheights"}, "wheights.*said"),
        ({"subset": "agee > 30"}, "Did you mean 'age'"),
    ],
)
def test_errors_name_columns_that_were_not_brought_over(said: dict[str, str], words: str) -> None:
    formula = said.pop("formula", FORMULA)
    with pytest.raises(DataError, match=words):
        ms.LinearMixedModel(formula, _table(), **said)  # type: ignore[arg-type]


def test_conditions_weights_and_offsets_find_their_columns() -> None:
    table = _table().append_column("row weight", pa.array(np.linspace(1.0, 2.0, 400)))
    said: dict[str, Any] = {
        "weights": "row weight", "subset": "age > 30 and said != '3 words'", "offset": "age / 100",
    }  # fmt: skip
    formula = "rating ~ 1 + kind + (1 | user)"
    found, plain = (
        ms.LinearMixedModel(formula, data, **said).design for data in (table, table.to_pandas())
    )
    for one, other in zip(_parts(found), _parts(plain), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.weights, plain.weights)


def test_zero_rows_of_a_file_are_refused(tmp_path: Path) -> None:
    parquet.write_table(_table().slice(0, 0), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="no rows under the columns user, item"):
        load_dataset(tmp_path / "d.parquet")


def test_pieces_are_handed_on_whether_a_bar_counts_them_or_not() -> None:
    batches = _table().to_batches()
    for progress in (False, True):
        assert list(counted_rows(iter(batches), 400, progress=progress)) == batches
    given = counted_rows(iter(batches), 400, progress=True)
    next(given)
    given.close()  # whoever stops early leaves no bar behind


def test_a_bar_counts_the_rows_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[int | None, int]] = []

    class Bar:
        def __init__(self, total: int | None, *_: Any) -> None:
            self.total, self.seen = total, 0

        def update(self, rows: int) -> None:
            self.seen += rows

        def close(self) -> None:
            shown.append((self.total, self.seen))

    monkeypatch.setattr("mixedscope.core.progress.progress_bar", Bar)
    monkeypatch.setattr(text_values, "_LARGE", 0)
    _csv(tmp_path), _parquet(tmp_path)
    assert shown == []
    for name in ("d.parquet", "d.csv"):
        load_dataset(tmp_path / name, progress=True)
    assert [seen for _, seen in shown] == [400, 400]
    assert shown[0][0] == 400
