"""What a model says of its observations, aligned with the rows of the data given."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.design import Design

__all__ = ["columns_used", "index_of_rows", "on_rows"]


class Rowed(Protocol):
    """A model of any kind: its data, and which rows of them it uses."""

    @property
    def data(self) -> pd.DataFrame: ...
    @property
    def design(self) -> Design: ...


def index_of_rows(model: Rowed, *, all_rows: bool = False) -> pd.Index[Any]:
    """Labels of the rows used, or of all rows given, in their order in the data."""
    index = model.data.index
    return index if all_rows else index[model.design.rows]


def on_rows(
    model: Rowed, values: NDArray[np.float64], name: str, *, all_rows: bool = False
) -> pd.Series:
    """Put values (n,) of the rows used on the index of the data; with `all_rows` others are NaN."""
    index = index_of_rows(model, all_rows=all_rows)
    if all_rows:
        known = values
        values = np.full(len(index), np.nan)
        values[model.design.rows] = known
    return pd.Series(values, index=index, name=name)


def columns_used(model: Rowed) -> dict[str, pd.Series]:
    """Columns of the data by name, of the rows used."""
    data = model.data.iloc[model.design.rows]
    return {str(name): data[name] for name in data.columns}
