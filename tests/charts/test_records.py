"""Tables as rows of a specification: those that Altair makes, or none."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from mixedscope.charts.common import records, vega
from mixedscope.charts.common.records import plain_records
from mixedscope.charts.common.vega import compact, to_spec

PLAIN: dict[str, Any] = {
    "floats": np.array([0.1, -0.0, np.nan, np.inf, -np.inf, 1e300]),
    "short floats": np.array([0.1, 1, 2, 3, np.nan, np.inf], dtype=np.float32),
    "integers": np.array([1, -2, 3, 4, 5, 2**62]),
    "bytes": np.arange(6, dtype=np.uint8),
    "truths": np.array([True, False, True, False, True, False]),
    "words": ["a", "b\x00", "", "ü", "</script>", "f"],
    "text": pd.Series(["a", None, "c", None, "e", "f"], dtype="string"),
    "levels": pd.Categorical(["a", "b", None, "a", "b", "c"]),
    "truths, some missing": pd.Series([True, None, False, None, True, False], dtype=object),
    "nothing": pd.Series([None] * 6, dtype=object),
}

#: Columns that Altair has to look at.
OTHERS: dict[str, Any] = {
    "dates": pd.date_range("2024-01-01", periods=6),
    "numbers among words": pd.Series([1, "b", 2.5, None, "e", "f"], dtype=object),
    "numbered levels": pd.Categorical([1, 2, 1, 2, 1, 2]),
    "lists": pd.Series([[1], [2], [3], [4], [5], [6]], dtype=object),
    "arrays": pd.Series([np.arange(2)] * 6, dtype=object),
    "nullable": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
}


def altairs(table: pd.DataFrame) -> Any:
    return alt.to_values(table)["values"]


@pytest.mark.parametrize("column", PLAIN)
def test_rows_are_those_of_altair(column: str) -> None:
    table = pd.DataFrame({column: PLAIN[column], "n": range(6)})
    ours = plain_records(table)
    assert ours is not None
    assert repr(ours) == repr(altairs(table))


def test_rows_of_many_columns_and_of_none() -> None:
    table = pd.DataFrame(PLAIN).set_index(pd.RangeIndex(6, 0, -1))
    assert repr(plain_records(table)) == repr(altairs(table))
    assert plain_records(table.iloc[:0]) == altairs(table.iloc[:0]) == []


def test_what_is_missing_among_words_is_null() -> None:
    # Altair's rows have NaN here with pandas 3, which no JSON holds.
    column = pd.Series(["a", None, "c", np.nan], dtype=object)
    assert plain_records(pd.DataFrame({"w": column})) == [{"w": w} for w in ("a", None, "c", None)]


@pytest.mark.parametrize("column", OTHERS)
def test_other_columns_are_left_to_altair(column: str) -> None:
    assert plain_records(pd.DataFrame({"n": range(6), column: OTHERS[column]})) is None


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({1: [1.0]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])),
        pd.DataFrame(index=range(3)),
    ],
)
def test_other_tables_are_left_to_altair(table: pd.DataFrame) -> None:
    assert plain_records(table) is None


def points(table: Any) -> alt.Chart:
    # All columns are shown, as those that are not are left out.
    given = table.columns if isinstance(table, pd.DataFrame) else next(iter(table.values), {})
    shown = [alt.Tooltip(name, type="nominal") for name in given]
    return alt.Chart(table).mark_point().encode(x="n:Q", y="n:Q", tooltip=shown)


def test_specifications_are_those_of_altair() -> None:
    table = pd.DataFrame({**PLAIN, "n": range(6)}).drop(columns=["words", "nothing"])
    dates = pd.DataFrame({"n": range(6), "at": OTHERS["dates"]})
    chart = alt.layer(points(table), points(table), points(dates), points(alt.Data(values=[])))
    assert compact(to_spec(chart)) == compact(chart.to_dict())


def test_a_way_that_was_chosen_stays_and_the_usual_one_returns() -> None:
    def chosen(_: Any) -> dict[str, Any]:
        return {"url": "elsewhere.csv"}

    alt.data_transformers.register("chosen", chosen)
    chart = points(pd.DataFrame({"n": [1]}))
    try:
        with alt.data_transformers.enable("chosen"):
            assert to_spec(chart)["data"] == {"url": "elsewhere.csv"}
    finally:
        alt.data_transformers.register("chosen", None)
    before = alt.data_transformers.active, alt.data_transformers.options
    assert to_spec(chart)["datasets"]
    assert (alt.data_transformers.active, alt.data_transformers.options) == before
    assert records._NAME not in alt.data_transformers.names()


@pytest.fixture(params=["\x00", "\x08", "\x0c", "\x1f", "\ud800", "\ufffe", "\uffff"])
def no_text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_no_text_file_may_hold_is_found_wherever_it_is(no_text: str) -> None:
    # Tables of pandas hold no half of a pair of surrogates as text.
    words = pd.Series(["fine", f"a{no_text}b"], dtype=object)
    table = pd.DataFrame({"n": [1, 2]}).assign(level=words)
    drawn = [
        points(table),
        points(pd.DataFrame({"n": [1]})).properties(title=f"a{no_text}b"),
        points(alt.Data(values=[{"n": 1, f"a{no_text}b": "fine"}])),
    ]
    for chart in drawn:
        text = compact(to_spec(chart))
        assert "a\ufffdb" in text
        assert vega._NO_TEXT.search(text) is None
        assert no_text not in text


@pytest.mark.parametrize("fine", ["\\b", "\\u0001", "a\tb\nc\rd", "\x7f", "é\U0001f600"])
def test_what_a_text_file_may_hold_stays(fine: str) -> None:
    spec = to_spec(points(pd.DataFrame({"n": [1], "level": [fine]})))
    assert next(iter(spec["datasets"].values()))[0]["level"] == fine
