"""Arrow tables as frames: one way for tables in memory, Parquet files and Arrow files."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["frame_of_arrow"]


def frame_of_arrow(table: Any) -> pd.DataFrame:
    """Turn a pyarrow table into a frame, the same for memory, Parquet and Arrow files."""
    import pyarrow as pa
    import pyarrow.compute as pc

    frame = pd.DataFrame(table.to_pandas(ignore_metadata=True))
    for column in table.schema:
        values = table.column(column.name)
        # The order of polars' Categorical is that of appearance in the process; Enum states one.
        if any(key.startswith(b"_PL_CATEGORICAL") for key in column.metadata or ()):
            frame[column.name] = frame[column.name].astype("str")
        if pa.types.is_integer(column.type) and values.null_count:
            ends = pc.min_max(values).as_py().values()
            # Beside missing values pandas has whole numbers as float64, which runs these together.
            if any(end is not None and abs(end) > 2**53 for end in ends):
                kind = "UInt64" if pa.types.is_unsigned_integer(column.type) else "Int64"
                whole = pd.api.types.pandas_dtype(kind)
                frame[column.name] = values.to_pandas(types_mapper=lambda _, w=whole: w)
    return frame
