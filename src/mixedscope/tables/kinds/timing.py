"""Seconds that the evaluations of a fit took."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TableSchema

__all__ = ["TIMING"]

TIMING: Final = TableSchema(
    "timing",
    2,
    {"evaluation": INT32, "seconds": F64, "compile_seconds": F64},
    frozenset({"evaluation", "seconds", "compile_seconds"}),
)
