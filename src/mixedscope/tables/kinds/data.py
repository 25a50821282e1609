"""A prepared data set: its columns are the user's."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import TableSchema

__all__ = ["DATA"]

DATA: Final = TableSchema("data", 1, None)
