"""What shrinkage makes of any estimate that a level of so much data could have."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT64, TEXT, TableSchema

__all__ = ["LENS", "LENS_KEPT"]

LENS: Final = TableSchema(
    "lens",
    1,
    {
        "group": TEXT,
        "role": TEXT,
        "level": TEXT,
        "n_obs": INT64,
        "term": TEXT,
        "term2": TEXT,
        "weight": F64,
        "spread": F64,
    },
    frozenset({"group", "role", "level", "n_obs", "term", "term2", "weight"}),
    study=True,
)

LENS_KEPT: Final = TableSchema(
    "lens_kept",
    1,
    {"group": TEXT, "role": TEXT, "direction": INT64, "kept": F64},
    frozenset({"group", "role", "direction", "kept"}),
    study=True,
)
