"""Conditional modes along a fit, not of the best so far alone: the study ``motion``."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TEXT, TableSchema

__all__ = ["MODES_EVERY"]

MODES_EVERY: Final = TableSchema(
    "modes_every",
    1,
    {"evaluation": INT32, "group": TEXT, "level": TEXT, "term": TEXT, "mode": F64},
    frozenset({"evaluation", "group", "level", "term", "mode"}),
    study=True,
)
