"""Arrow tables as frames: one way for tables in memory, Parquet files and Arrow files."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

__all__ = ["frame_of_arrow"]


def frame_of_arrow(
    table: Any, *, spent: bool = False, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Turn a pyarrow table into a frame, the same for memory, Parquet and Arrow files.

    Numbers in one piece without missing values stay where they are. Text stays in Arrow's memory,
    and dates are of pandas' type of time: nothing is an object of Python's that need not be one.
    ``spent``: nobody else needs the table, which may be taken apart column by column. ``only``: the
    columns that will be read; of others there is but the name, with what Arrow has.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if only is not None and not set(table.column_names) <= set(only):
        kept = [name for name in table.column_names if name in only]
        frame = frame_of_arrow(table.select(kept))
        for place, name in enumerate(table.column_names):
            if name not in only:
                values = pd.arrays.ArrowExtensionArray(table.column(name))
                frame.insert(place, name, pd.Series(values))
        return frame
    whole: dict[str, pd.Series] = {}
    for column in table.schema:
        if pa.types.is_integer(column.type):
            values = table.column(column.name)
            ends = pc.min_max(values).as_py().values() if values.null_count else ()
            # Beside missing values pandas has whole numbers as float64, which runs these together.
            if any(end is not None and abs(end) > 2**53 for end in ends):
                name = "UInt64" if pa.types.is_unsigned_integer(column.type) else "Int64"
                kind = pd.api.types.pandas_dtype(name)
                whole[column.name] = values.to_pandas(types_mapper=lambda _, kind=kind: kind)
    # The order of polars' Categorical is that of appearance in the process; Enum states one.
    unordered = [
        column.name
        for column in table.schema
        if any(key.startswith(b"_PL_CATEGORICAL") for key in column.metadata or ())
    ]
    made = table.to_pandas(
        ignore_metadata=True, date_as_object=False, split_blocks=True, self_destruct=spent
    )
    del table
    frame = pd.DataFrame(made)
    for name in unordered:
        frame[name] = frame[name].astype("str")
    for name, series in whole.items():
        frame[name] = series
    return frame
