"""Data of groups with their own, mixed and population lines."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT64, TEXT, TableSchema

__all__ = ["PANELS", "PANELS_AXES", "PANELS_LINES", "PANELS_POINTS"]

PANELS: Final = TableSchema(
    "panels",
    1,
    {
        "group": TEXT,
        "level": TEXT,
        "n_obs": INT64,
        "pull": F64,
        "own": F64S,
        "mode": F64S,
        "by_pull": INT64,
        "by_few": INT64,
        "by_random": INT64,
        "by_name": INT64,
    },
    frozenset({"group", "level", "n_obs", "mode", "by_pull", "by_few", "by_random"}),
    study=True,
)

PANELS_AXES: Final = TableSchema(
    "panels_axes",
    1,
    {
        "group": TEXT,
        "variable": TEXT,
        "kind": TEXT,
        "varies": BOOL,
        "held": TEXT,
        "own_values": TEXT,
        "others": TEXT,
        "offset": BOOL,
        "levels": INT64,
        "told": INT64,
        "median_pull": F64,
        "count": INT64,
        "seed": INT64,
    },
    frozenset({"group", "kind", "varies", "offset", "levels", "told", "count", "seed"}),
    {"kind": frozenset({"numeric", "categorical", "order"})},
    {"averaged": BOOL, "counted": BOOL},
    study=True,
)

PANELS_LINES: Final = TableSchema(
    "panels_lines",
    1,
    {
        "group": TEXT,
        "level": TEXT,
        "x": F64,
        "category": TEXT,
        "own": F64,
        "mixed": F64,
        "population": F64,
    },
    frozenset({"group", "level", "mixed", "population"}),
    study=True,
)

PANELS_POINTS: Final = TableSchema(
    "panels_points",
    1,
    {"group": TEXT, "level": TEXT, "row": INT64, "x": F64, "category": TEXT, "y": F64},
    frozenset({"group", "level", "row", "y"}),
    more={"n": F64},
    study=True,
)
