"""Tables and factors."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedscope.core.errors import DataError
from mixedscope.design.frame import (
    as_frame,
    cross,
    factorize,
    is_numeric,
    missing_values,
    numeric_column,
)

COLUMNS = {"y": [1.0, 2.0, 3.0], "g": ["b", "a", "b"]}


@pytest.mark.parametrize(
    "data", [COLUMNS, pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS), pa.table(COLUMNS)]
)
def test_every_kind_of_table_becomes_the_same_frame(data: object) -> None:
    frame = as_frame(data)
    assert frame["y"].tolist() == [1.0, 2.0, 3.0]
    assert factorize(frame["g"]).levels == ("a", "b")


def test_lazy_polars_is_collected() -> None:
    assert len(as_frame(pl.DataFrame(COLUMNS).lazy())) == 3


def test_polars_enum_keeps_its_order_and_categorical_is_sorted() -> None:
    enum = pl.Series("e", ["b", "a"], dtype=pl.Enum(["b", "a"]))
    loose = pl.Series("c", ["b", "a"], dtype=pl.Categorical)
    frame = as_frame(pl.DataFrame([enum, loose]))
    assert factorize(frame["e"]).levels == ("b", "a")
    assert factorize(frame["c"]).levels == ("a", "b")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame({"y": []}), "no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column name 'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), "Duplicate column name 'a'"),
        ({"a": [1, 2], "b": [1]}, "one length"),
        ({"a": 1}, "a scalar"),
        ([1, 2], "not list"),
        (pl.Series("y", [1]), "polars table"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "flatten"),
    ],
)
def test_what_is_no_table_is_refused(data: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_frame(data)


def test_the_index_of_a_frame_does_not_matter() -> None:
    assert as_frame(pd.DataFrame(COLUMNS, index=[5, 5, 5])).index.tolist() == [0, 1, 2]


def test_an_index_stored_in_arrow_is_a_column_again() -> None:
    table = pa.Table.from_pandas(pd.DataFrame(COLUMNS).set_index("g"))
    assert sorted(as_frame(table).columns) == ["g", "y"]
    unnamed = pa.Table.from_pandas(pd.DataFrame(COLUMNS).iloc[::-1])
    assert sorted(as_frame(unnamed).columns) == ["g", "y"]


def test_numbers_sort_as_numbers_and_text_as_text() -> None:
    assert factorize(pd.Series([10, 9, 100])).levels == ("9", "10", "100")
    assert factorize(pd.Series(["10", "9", "100"])).levels == ("10", "100", "9")


def test_whole_floats_read_as_whole_numbers() -> None:
    assert factorize(pd.Series([308.0, 309.5])).levels == ("308", "309.5")


def test_categories_keep_their_order_and_lose_what_does_not_occur() -> None:
    factor = factorize(pd.Series(pd.Categorical(["c", "a"], categories=["c", "b", "a"])))
    assert factor.levels == ("c", "a")
    assert factor.codes.tolist() == [0, 1]


def test_truth_values_have_the_levels_of_r() -> None:
    assert factorize(pd.Series([True, False])).levels == ("FALSE", "TRUE")
    assert factorize(pd.Series([True, False], dtype="boolean")).codes.tolist() == [1, 0]


def test_unusual_level_names_pass_through_as_text() -> None:
    names = ("<script>alert(1)</script>", "a|b", "ä ö", "")
    assert set(factorize(pd.Series(list(names))).levels) == set(names)


def test_values_that_read_the_same_are_refused() -> None:
    with pytest.raises(DataError, match="read the same"):
        factorize(pd.Series([1, "1"], dtype=object))


def test_numbers_in_object_columns_are_numbers() -> None:
    assert is_numeric(pd.Series([1, 2.5, None], dtype=object))
    assert is_numeric(pd.Series([Decimal("1.5")], dtype=object))
    assert not is_numeric(pd.Series([1, "a"], dtype=object))
    assert not is_numeric(pd.Series([True, None], dtype=object))


def test_interactions_hold_the_combinations_that_occur() -> None:
    a, b = factorize(pd.Series(["x", "y", "x", "y"])), factorize(pd.Series([2, 1, 1, 1]))
    crossed = cross(a, b)
    assert crossed.levels == ("x:1", "x:2", "y:1")
    assert crossed.codes.tolist() == [1, 2, 0, 2]


def test_interactions_of_labels_with_colons_stay_apart() -> None:
    a, b = factorize(pd.Series(["a:b", "a"])), factorize(pd.Series(["c", "b:c"]))
    assert len(set(cross(a, b).levels)) == 2


def test_a_million_rows_are_coded_quickly() -> None:
    import time

    codes = pd.Series(np.random.default_rng(1).integers(0, 50_000, 1_000_000))
    start = time.process_time()
    factor = cross(factorize(codes), factorize(codes % 7))
    assert len(factor.codes) == 1_000_000
    assert time.process_time() - start < 3.0


def test_missing_values_are_found_in_every_kind_of_column() -> None:
    none = [[1.0, 2.0], [1, 2], [True, False], ["a", "b"], pd.Categorical(["a", "b"])]
    some = [[1.0, np.nan], ["a", None], pd.Categorical(["a", None]), pd.array([1, None])]
    assert [missing_values(pd.Series(values)) for values in none] == [None] * 5
    for values in some:
        found = missing_values(pd.Series(values))
        assert found is not None
        assert found.tolist() == [False, True]


def test_numbers_do_not_share_the_memory_of_their_column() -> None:
    column = pd.Series([1.0, 2.0])
    assert not np.shares_memory(numeric_column(column), column.to_numpy())
