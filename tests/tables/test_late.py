"""Tables that are made when they are asked for."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from mixedscope.tables.late import LateTables


def test_a_table_is_made_once_at_the_first_look() -> None:
    made = []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"a": [1.0]})

    tables = LateTables({"there": pd.DataFrame()})
    tables.later("late", make)
    assert (list(tables), len(tables), made) == (["there", "late"], 2, [])
    assert tables["late"] is tables["late"]
    assert made == [1]
    del tables["late"]
    with pytest.raises(KeyError, match="late"):
        tables["late"]


def test_what_makes_a_table_stays_in_its_process() -> None:
    tables = LateTables()
    tables.later("late", lambda: pd.DataFrame({"a": [1.0]}))
    again = pickle.loads(pickle.dumps(tables))
    pd.testing.assert_frame_equal(again["late"], tables["late"])
