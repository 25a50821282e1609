"""Values in the course of evaluating an expression: columns as numbers, truth values or text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Array",
    "Kind",
    "Value",
    "column_value",
    "days_of",
    "is_time",
    "label_of",
    "number_value",
]

Array = NDArray[Any]
Kind = Literal["number", "boolean", "text"]


@dataclass(frozen=True)
class Value:
    """A column, or a scalar as an array without dimensions, in the course of evaluation.

    Attributes
    ----------
    kind : {"number", "boolean", "text"}
    data : array
        float64, bool or object (str); arbitrary where missing.
    missing : array of bool
        Same shape as `data`.
    """

    kind: Kind
    data: Array
    missing: Array


def number_value(data: Array) -> Value:
    """Take numbers into the evaluator; NaN is missing."""
    data = np.asarray(data, dtype=np.float64)
    return Value("number", data, np.isnan(data))


def column_value(series: pd.Series) -> Value:
    """Take a column of a data frame into the evaluator."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        return number_value(series.to_numpy())  # most columns: pandas takes its time
    import pandas as pd

    missing = series.isna().to_numpy(dtype=bool)
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
        data = series.fillna(False).to_numpy(dtype=bool) if missing.any() else series.to_numpy(bool)
        return Value("boolean", data, missing)
    if pd.api.types.is_numeric_dtype(dtype):
        return Value("number", series.to_numpy(dtype=np.float64, na_value=np.nan), missing)
    if isinstance(dtype, pd.CategoricalDtype):
        labels = np.array([*map(str, dtype.categories), ""], dtype=object)
        return Value("text", labels[series.cat.codes.to_numpy()], missing)
    values = series.to_numpy(dtype=object)
    present = values[~missing]
    if len(present) and all(isinstance(v, (bool, np.bool_)) for v in present):
        return Value("boolean", np.where(missing, False, values).astype(bool), missing)
    data = np.full(len(values), "", dtype=object)
    data[~missing] = [v if isinstance(v, str) else _text_of(v) for v in present]
    return Value("text", data, missing)


def _text_of(value: Any) -> str:
    return label_of(value) if isinstance(value, datetime) else str(value)


def is_time(series: pd.Series) -> bool:
    """Whether a column holds dates or durations, in whatever type."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    return kind.startswith(("date", "timedelta", "period"))


def days_of(series: pd.Series) -> Array:
    """Days since 1970-01-01 of dates, or of durations, as numbers; NaN where there is none.

    Raises ValueError if the column holds none.
    """
    import pandas as pd

    kind = pd.api.types.infer_dtype(series, skipna=True)
    day = pd.Timedelta(days=1)
    if kind.startswith("timedelta"):
        return (pd.to_timedelta(series) / day).to_numpy(dtype=np.float64)
    if kind == "period":
        series = pd.Series([pd.NaT if pd.isna(v) else v.to_timestamp() for v in series])
    elif kind not in ("date", "datetime", "datetime64", "string", "categorical"):
        raise ValueError(kind)
    dates = pd.to_datetime(series.astype(object), errors="coerce", utc=True, format="ISO8601")
    return ((dates - pd.Timestamp(0, tz="UTC")) / day).to_numpy(dtype=np.float64)


def label_of(value: Any) -> str:
    """Write one value as a level name: ``308.0`` is 308, and truth is as in R, ``TRUE``.

    A time at midnight is its date, so that dates read the same in whatever type they come.
    """
    if isinstance(value, (bool, np.bool_)):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(value, datetime) and value.tzinfo is None and value.time() == time():
        return value.date().isoformat()
    return value if isinstance(value, str) else str(value)
