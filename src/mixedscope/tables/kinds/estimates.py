"""Estimates of a fit."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, TEXT, TableSchema

__all__ = ["ESTIMATES"]

ESTIMATES: Final = TableSchema(
    "estimates",
    1,
    {
        "kind": TEXT,
        "group": TEXT,
        "term": TEXT,
        "term2": TEXT,
        "estimate": F64,
        "std_error": F64,
        "lower": F64,
        "upper": F64,
        "statistic": F64,
        "p_value": F64,
    },
    frozenset({"kind"}),
    {"kind": frozenset({"beta", "sigma", "sd", "correlation", "theta", "dispersion"})},
)
