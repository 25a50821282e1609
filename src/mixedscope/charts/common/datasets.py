"""The data of a chart of many marks, kept apart from the marks.

Altair copies a chart every time it becomes part of another, with all data in it. A chart of many
layers refers to its tables by name; they are added once, to the whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

__all__ = ["Datasets"]


class Datasets:
    """Tables by a name that their content gives; equal tables are one.

    Parameters
    ----------
    digits : int
        Significant digits of what is drawn.
    exact : sequence of str
        Columns that keep all their digits, as they are read.
    """

    def __init__(self, digits: int = 6, exact: Sequence[str] = ()) -> None:
        self._digits = digits
        self._exact = frozenset(exact)
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def chart(self, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> alt.Chart:
        """Begin a chart of one table; ``rows``: missing values become null."""
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
        columns = {str(name): self._values(str(name), frame[name]) for name in frame.columns}
        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values())]
        text = json.dumps(records, sort_keys=True, ensure_ascii=False)
        name = f"data-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self.tables[name] = records
        return alt.Chart(alt.NamedData(name=name))

    def _values(self, name: str, column: pd.Series) -> list[Any]:
        if column.dtype == np.float64 and name not in self._exact:
            return [
                float(f"{v:.{self._digits}g}") if np.isfinite(v) else None for v in column.tolist()
            ]
        return [None if pd.isna(v) else v for v in column.tolist()]

    def give(self, chart: Any) -> Any:
        """Add the tables to the outermost chart."""
        return chart.properties(datasets=self.tables)
