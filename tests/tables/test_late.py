"""Tables that are made when they are asked for."""

from __future__ import annotations

import pickle

import pandas as pd
import pytest

from mixedscope.tables.late import LateTables
from mixedscope.tables.schemas import SCHEMAS


def ledger() -> pd.DataFrame:
    return pd.DataFrame({name: [1.0] for name in SCHEMAS["ledger"].columns or ()})


def test_a_table_is_made_once_at_the_first_look() -> None:
    made = []

    def make() -> pd.DataFrame:
        made.append(1)
        return ledger()

    tables = LateTables({"there": pd.DataFrame()})
    tables.later("ledger", make)
    assert (list(tables), len(tables), made) == (["there", "ledger"], 2, [])
    assert tables["ledger"] is tables["ledger"]
    assert made == [1]
    del tables["ledger"]
    with pytest.raises(KeyError, match="ledger"):
        tables["ledger"]


def test_what_makes_a_table_stays_in_its_process() -> None:
    tables = LateTables()
    tables.later("ledger", ledger)
    again = pickle.loads(pickle.dumps(tables))
    pd.testing.assert_frame_equal(again["ledger"], tables["ledger"])


def test_tables_have_the_types_that_reading_them_would_give() -> None:
    tables = LateTables()
    tables["ledger"] = ledger()
    assert tables["ledger"]["evaluation"].dtype == "int32"
    tables["parameters"] = pd.DataFrame(
        {"evaluation": [1, 2], "kind": "sd", "group": ["g", None], "term": None, "term2": None,
         "value": [1.0, None]}
    )  # fmt: skip
    assert tables["parameters"]["kind"].dtype == "str"
    assert tables["parameters"]["group"].tolist() == ["g", None]
