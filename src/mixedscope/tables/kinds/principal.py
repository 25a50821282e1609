"""Levels of a fit in the principal axes of its random effects."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, INT64, TEXT, TableSchema

__all__ = ["PRINCIPAL", "PRINCIPAL_LEVELS", "PRINCIPAL_LOADINGS"]

PRINCIPAL: Final = TableSchema(
    "principal",
    1,
    {
        "group": TEXT,
        "component": INT32,
        "sd": F64,
        "share": F64,
        "allowed": BOOL,
        "collapsed": BOOL,
        "name": TEXT,
    },
    frozenset({"group", "component", "allowed", "collapsed"}),
    study=True,
)

PRINCIPAL_LOADINGS: Final = TableSchema(
    "principal_loadings",
    1,
    {"group": TEXT, "component": INT32, "term": TEXT, "loading": F64, "column_rms": F64},
    frozenset({"group", "component", "term", "column_rms"}),
    study=True,
)

PRINCIPAL_LEVELS: Final = TableSchema(
    "principal_levels",
    1,
    {
        "group": TEXT,
        "level": TEXT,
        "component": INT32,
        "mode": F64,
        "std_dev": F64,
        "joint_limit": F64,
        "within_group": F64,
        "n_obs": INT64,
    },
    frozenset({"group", "level", "component", "mode", "std_dev", "n_obs"}),
    more={"linearised": F64},
    study=True,
)
