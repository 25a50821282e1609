"""The statistic of every test where the poorer model is true, draw by draw."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, TEXT, TableSchema

__all__ = ["BOOTSTRAP"]

BOOTSTRAP: Final = TableSchema(
    "bootstrap",
    1,
    {
        "poorer": TEXT,
        "richer": TEXT,
        "draw": INT32,
        "statistic": F64,
        "failed": BOOL,
    },
    frozenset({"poorer", "richer", "draw", "failed"}),
)
