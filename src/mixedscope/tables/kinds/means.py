"""Estimated marginal means of a fit."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, TEXT, TableSchema

__all__ = ["MEANS"]

MEANS: Final = TableSchema(
    "means",
    1,
    {
        **dict.fromkeys(("response", "variable", "level"), TEXT),
        "value": F64,
        **dict.fromkeys(("series", "panel"), TEXT),
        **dict.fromkeys(("mean", "std_error", "df", "lower", "upper", "coverage"), F64),
        **dict.fromkeys(("method", "remark"), TEXT),
    },
    frozenset({"response", "variable", "coverage", "method"}),
)
