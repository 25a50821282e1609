"""Columns of a model brought to types that a Parquet file keeps, without changing the model.

Parquet keeps no categories of numbers or truth values, no intervals, no mixed objects: read back,
such columns would be numbers, or nothing. What a model sees of them are labels and their order,
which text keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from mixedscope.core.errors import StoreError
from mixedscope.design.frame import is_numeric, numeric_column
from mixedscope.formula.expressions import label_of

__all__ = [
    "CATEGORIES",
    "INDEX_NAME",
    "category_types",
    "split_index",
    "storable",
    "with_categories",
    "with_index",
]

#: Column of a stored table that holds the labels of its rows.
_INDEX = ".index"

#: Key of its metadata for what these labels are called.
INDEX_NAME = "index_name"

#: Key for the types of categories that are not text, by column.
CATEGORIES = "categories"

#: What reads a category of a type back from its label.
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "integer": int, "number": float, "boolean": {"TRUE": True, "FALSE": False}.__getitem__,
}  # fmt: skip

#: Objects, as `pandas.api.types.infer_dtype` calls them, that Arrow keeps as what they are.
_KEPT = frozenset(
    {"string", "boolean", "bytes", "date", "datetime", "datetime64", "decimal", "floating",
     "integer", "mixed-integer-float", "time", "timedelta", "timedelta64"}
)  # fmt: skip


def storable(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the frame of the same rows and names whose columns a Parquet file keeps.

    Categories become their labels, in their order; other values that are neither numbers, truth
    values, times nor text become the labels that they have as levels.
    """
    return pd.DataFrame({name: _column(frame[name]) for name in frame.columns}, index=frame.index)


def category_types(frame: pd.DataFrame) -> dict[str, str]:
    """Types of the categories that are read back from labels: ``integer``, ``number``, ``boolean``.

    By column; others, mixed ones among them, are text when a file is read.
    """
    out = {}
    for name in frame.columns:
        dtype = frame[name].dtype
        if not isinstance(dtype, pd.CategoricalDtype):
            continue
        values = dtype.categories
        kinds = {"iu": "integer", "f": "number", "b": "boolean"}
        kind = next(
            (k for of, k in kinds.items() if getattr(values.dtype, "kind", "O") in of), None
        )
        if kind is None:
            continue
        try:
            read = [_READ[kind](label_of(value)) for value in values.tolist()]
        except (KeyError, ValueError):
            continue
        if read == values.tolist():
            out[str(name)] = kind
    return out


def with_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """Give categories of numbers and truth values, stored as their labels, their types back."""
    types = frame.attrs.get(CATEGORIES)
    if not types:
        return frame
    out = frame.copy(deep=False)
    for name, kind in types.items():
        labels = out[name].cat.categories
        out[name] = out[name].cat.rename_categories([_READ[kind](label) for label in labels])
    out.attrs = {key: value for key, value in frame.attrs.items() if key != CATEGORIES}
    return out


def with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Put the labels of the rows beside the columns, unless they are the numbers from 0 on.

    Labels of several levels are kept as text. Raises StoreError if a column has the name that is
    used for them.
    """
    if _INDEX in frame.columns:
        raise StoreError(
            f"A column named {_INDEX!r} cannot be stored, as the labels of the rows are: rename it."
        )
    index = frame.index
    if isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1:
        return frame
    labels = index.map(str) if isinstance(index, pd.MultiIndex) else index
    return frame.assign(**{_INDEX: _column(pd.Series(labels, index=index)).to_numpy()})


def split_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame that `with_index` made the labels of its rows back."""
    if _INDEX not in frame.columns:
        return frame
    out = frame.drop(columns=_INDEX).set_axis(frame[_INDEX].array)
    out.attrs = dict(frame.attrs)
    out.index.name = out.attrs.pop(INDEX_NAME, None)
    return out


def _column(series: pd.Series) -> pd.Series:
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_labels(series)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return series
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return series if dtype.itemsize in (4, 8) else series.astype(np.float64)
    if isinstance(dtype, pd.SparseDtype):
        return _column(pd.Series(np.asarray(series), index=series.index, name=series.name))
    if _is_kept(series):
        return series
    if is_numeric(series):
        return pd.Series(numeric_column(series), index=series.index, name=series.name)
    return pd.Series(_labels(series.tolist()), index=series.index, name=series.name, dtype=object)


def _is_kept(series: pd.Series) -> bool:
    """Whether Arrow keeps the values, and their labels with them."""
    if pd.api.types.is_object_dtype(series.dtype):
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind not in _KEPT or (kind == "string" and set(map(type, series.dropna())) != {str}):
            return False
    elif isinstance(series.dtype, pd.PeriodDtype | pd.IntervalDtype):
        return False
    try:
        pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _of_labels(series: pd.Series) -> pd.Series:
    """A categorical column whose categories are text; those that do not occur may go."""
    categories = series.cat.categories.tolist()
    if set(map(type, categories)) <= {str}:
        return series
    codes = np.asarray(series.array.codes)
    occurs = np.bincount(codes[codes >= 0], minlength=len(categories)) > 0
    place = np.append(np.cumsum(occurs) - 1, -1)
    labels = [label_of(value) for value, there in zip(categories, occurs, strict=True) if there]
    column = pd.Categorical.from_codes(
        place[codes].tolist(), categories=pd.Index(labels, dtype=object), ordered=series.cat.ordered
    )
    return pd.Series(column, index=series.index, name=series.name)


def _labels(values: list[Any]) -> list[str | None]:
    missing = [value is None or (np.ndim(value) == 0 and pd.isna(value)) for value in values]
    return [None if gone else label_of(value) for value, gone in zip(values, missing, strict=True)]
