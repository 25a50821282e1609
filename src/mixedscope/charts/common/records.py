"""Tables of charts as the rows that a specification holds.

Altair makes a table fit for JSON column by column with pandas, a copy at every step, for every
layer that shows it: of a chart of a hundred layers that is half of the time to draw it.  A table of
plain values, as ours are, is written here at once; the rows are those of Altair, which writes every
other table.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

__all__ = ["plain_records", "quick_tables"]

_NAME: Final = "mixedscope"

#: What stands in a column that is not one of numbers: numbers among words are left to Altair.
_WORDS: Final = (str, bool)


@contextmanager
def quick_tables() -> Generator[None]:
    """Have tables written here where Altair would write them in its usual way."""
    if alt.data_transformers.active != "default":
        yield
        return
    # Layers that share a table share its rows. A table that is held keeps its identity.
    known: dict[int, tuple[Any, Any]] = {}

    def written(data: Any) -> Any:
        if id(data) not in known:
            rows = plain_records(data) if type(data) is pd.DataFrame else None
            known[id(data)] = data, alt.to_values(data) if rows is None else {"values": rows}
        return known[id(data)][1]

    alt.data_transformers.register(_NAME, written)
    try:
        with alt.data_transformers.enable(_NAME):
            yield
    finally:
        alt.data_transformers.register(_NAME, None)


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]] | None:
    """The rows of a table, null for what is missing or infinite; None if a column is not plain."""
    names = list(table.columns)
    if not names or len(set(names)) < len(names) or not all(type(n) is str for n in names):
        return None
    if isinstance(table.index, pd.MultiIndex):
        return None
    columns = [_plain(column) for _, column in table.items()]
    if any(column is None for column in columns):
        return None
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(column: pd.Series) -> list[Any] | None:
    """The values of a column; None if Altair has to look at them."""
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "words"
    if kind in "biu":
        return column.tolist()
    if kind == "f":
        return [value if math.isfinite(value) else None for value in column.tolist()]
    if kind != "O" and not isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype):
        return None
    missing = column.isna().tolist()
    values = [None if no else v for v, no in zip(column.tolist(), missing, strict=True)]
    return values if all(v is None or type(v) in _WORDS for v in values) else None
