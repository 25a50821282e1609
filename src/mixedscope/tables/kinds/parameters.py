"""Theta along the trace as standard deviations and correlations."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TEXT, TableSchema

__all__ = ["PARAMETERS"]

PARAMETERS: Final = TableSchema(
    "parameters",
    1,
    {
        "evaluation": INT32,
        "kind": TEXT,
        "group": TEXT,
        "term": TEXT,
        "term2": TEXT,
        "value": F64,
    },
    frozenset({"evaluation", "kind"}),
    {"kind": frozenset({"sd", "correlation", "sigma", "dispersion"})},
    study=True,
)
