"""What the columns of a stored table have to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["BOOL", "F64", "F64S", "INT32", "INT64", "TEXT", "TableSchema"]

#: Types of columns; the last is a list of numbers.
INT32, INT64, F64, TEXT, BOOL = pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.bool_()
F64S = pa.list_(F64)


@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of table.

    Attributes
    ----------
    kind : str
        Its name, which a stored table carries.
    version : int
        Raised with every change that a reader could notice.
    columns : dict of str to pyarrow.DataType, or None
        In order.  None: the columns are the user's (a prepared data set).
    required : frozenset of str
        Columns that hold no nulls.
    values : dict of str to frozenset of str
        Columns with a fixed vocabulary.
    more : dict of str to pyarrow.DataType
        Columns that tables of generalised models have behind the others, all of them, and tables of
        linear models have not.
    estimated : dict of str to pyarrow.DataType
        Columns that tables of fits by the iterative engine have behind the others, all of them.
    study : bool
        Stored beside a fit but no part of it: of `mixedscope.inference.studies.registry`, or asked
        for by itself, as profiles and bootstraps are.
    """

    kind: str
    version: int
    columns: Mapping[str, pa.DataType] | None
    required: frozenset[str] = frozenset()
    values: Mapping[str, frozenset[str]] | None = None
    more: Mapping[str, pa.DataType] = field(default_factory=dict)
    estimated: Mapping[str, pa.DataType] = field(default_factory=dict)
    study: bool = False

    def columns_of(self, names: Collection[str]) -> Mapping[str, pa.DataType]:
        """The columns that a table with columns of these names should have, in order."""
        own = dict(self.columns or {})
        for further in (self.more, self.estimated):
            if any(name in further for name in names):
                own.update(further)
        return own
