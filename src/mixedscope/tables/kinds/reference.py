"""Conditional modes at a theta that was given, and what is estimated there."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, TEXT, TableSchema

__all__ = ["REFERENCE_ESTIMATES", "REFERENCE_MODES"]

REFERENCE_MODES: Final = TableSchema(
    "reference_modes",
    1,
    {**dict.fromkeys(("group", "level", "term"), TEXT), "mode": F64, "std_dev": F64},
    frozenset({"group", "level", "term", "mode"}),
    study=True,
)

REFERENCE_ESTIMATES: Final = TableSchema(
    "reference_estimates",
    1,
    {**dict.fromkeys(("kind", "group", "term", "term2"), TEXT), "estimate": F64},
    frozenset({"kind"}),
    study=True,
)
