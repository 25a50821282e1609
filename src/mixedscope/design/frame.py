"""Data in: any table becomes a pandas frame, and any column becomes numbers or factor codes."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arrow import frame_of_arrow
from mixedscope.core.errors import DataError
from mixedscope.formula.expressions import label_of

__all__ = [
    "Crossing",
    "Factor",
    "as_frame",
    "codes_among",
    "cross",
    "cross_among",
    "crossing",
    "factorize",
    "frame_of_table",
    "in_order_of",
    "is_numeric",
    "missing_values",
    "numeric_column",
    "refuse_unusable",
    "unusable_kind",
]


@dataclass(frozen=True)
class Factor:
    """A categorical variable as codes into its levels.

    Attributes
    ----------
    codes : (n,) int64 array
        0 … q − 1; every level occurs. Of rows that are coded by levels known before some may not
        occur, and -1 stands for a value that is none of them.
    levels : tuple of str
    """

    codes: NDArray[np.int64]
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Crossing:
    """The combinations of two factors that occur.

    Attributes
    ----------
    width : int
        Number of levels of the second factor.
    pairs : (q,) int64 array
        Code of the first times `width` plus code of the second, ascending.
    levels : tuple of str
        What the q combinations are called.
    """

    width: int
    pairs: NDArray[np.int64]
    levels: tuple[str, ...]


def in_order_of(values: Any, index: pd.Index[Any]) -> Any:
    """Bring a Series that has these labels in another order to theirs; all else stays as it is."""
    if not isinstance(values, pd.Series) or len(values) != len(index):
        return values
    if values.index.equals(index) or not (index.is_unique and values.index.is_unique):
        return values
    return values.reindex(index) if index.isin(values.index).all() else values


def as_frame(
    data: Any, *, empty: bool = False, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Turn tabular data into a pandas DataFrame without copying more than it must.

    Column names are text and rows are numbered from 0. ``only``: the columns that will be read; of
    tables that are not pandas' no others are brought over, but for their names. Raises DataError if
    it is no table, repeats a column name, or has no rows or columns, unless it may be ``empty``.
    """
    frame = _convert(data, only)
    if frame.columns.nlevels > 1:
        raise DataError("Columns with several levels of names cannot be used: flatten them.")
    if not _are_names(frame.columns):
        given = list(frame.columns)
        names = [str(name) for name in given]
        if len(set(names)) < len(names):
            repeated = sorted({name for name in names if names.count(name) > 1})
            raise DataError(
                f"Duplicate column name {', '.join(map(repr, repeated))}: rename or remove one."
            )
        if not names and not empty:
            raise DataError("The data are empty: there are no columns.")
        if names != given:
            frame = frame.set_axis(names, axis=1).reset_index(drop=True)
    if not len(frame) and not empty:
        shown = ", ".join(frame.columns[:20])
        raise DataError(f"The data are empty: no rows under the columns {shown}.")
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index(drop=True)


def _are_names(columns: pd.Index[Any]) -> bool:
    """Whether all names of columns are texts, and differ: pandas keeps what it found of them."""
    return columns.inferred_type == "string" and columns.is_unique and not columns.hasnans


def _convert(data: Any, only: Collection[str] | None) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    module = type(data).__module__.partition(".")[0]
    if module == "polars":
        return _from_polars(data, only)
    if module == "pyarrow" and hasattr(data, "to_pandas"):
        if not hasattr(data, "column_names"):
            raise DataError(f"A pyarrow table is needed, not pyarrow.{type(data).__name__}.")
        return frame_of_table(data, only=only)
    if isinstance(data, Mapping):
        lengths = {str(k): np.shape(v)[0] if np.ndim(v) else None for k, v in data.items()}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            shown = ", ".join(f"{k}: {v if v is not None else 'a scalar'}"
                              for k, v in lengths.items())  # fmt: skip
            raise DataError(f"All columns must be sequences of one length, not {shown}.")
        return pd.DataFrame(dict(data))
    raise DataError(
        f"Data must be a pandas, polars or pyarrow table or a mapping of columns, "
        f"not {type(data).__name__}."
        + (" Read a file first: ms.load_dataset(path)." if isinstance(data, str | PathLike) else "")
    )


def frame_of_table(
    table: Any, *, spent: bool = False, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Turn a pyarrow table into a frame, ``spent`` and ``only`` as `frame_of_arrow` has them.

    Raises DataError if it repeats a column name.
    """
    names = list(table.column_names)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(
            f"Duplicate column name {', '.join(map(repr, repeated))}: rename or remove one."
        )
    # Without pandas' metadata a column that once was an index is a column like any other.
    kept = [name for name in names if not name.startswith("__index_level_")]
    if len(kept) < len(names):
        table = table.select(kept)
    return frame_of_arrow(table, spent=spent, only=only)


def _from_polars(data: Any, only: Collection[str] | None) -> pd.DataFrame:
    import polars as pl

    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if not isinstance(data, pl.DataFrame):
        raise DataError(f"A polars table is needed, not polars.{type(data).__name__}.")
    return frame_of_arrow(data.to_arrow(), only=only)


#: What `pandas.api.types.infer_dtype` calls values that are neither numbers nor categories.
_UNUSABLE = {
    "date": "dates",
    "datetime": "dates",
    "datetime64": "dates",
    "period": "dates",
    "time": "times of day",
    "timedelta": "durations",
    "timedelta64": "durations",
    "complex": "complex numbers",
}


def unusable_kind(series: pd.Series) -> str | None:
    """Dates, times, durations or complex numbers, in whatever type they come; otherwise None."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return None
    if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
        return None
    if isinstance(dtype, pd.StringDtype) or pd.api.types.is_numeric_dtype(dtype):
        return "complex numbers" if pd.api.types.is_complex_dtype(dtype) else None
    return _UNUSABLE.get(pd.api.types.infer_dtype(series, skipna=True))


def refuse_unusable(series: pd.Series) -> None:
    """Refuse a predictor or response of dates, times, durations or complex numbers."""
    kind = unusable_kind(series)
    if kind is None:
        return
    name = series.name
    if kind == "complex numbers":
        raise DataError(
            f"Column {name!r} holds complex numbers: use columns of their real and imaginary parts."
        )
    raise DataError(
        f"Column {name!r} holds {kind}, which are neither numbers nor categories: make numbers of "
        f"them (derive: {{{name}_number: days({name})}} in a data set), or declare them "
        f"categorical (categorical: [{name}] in a data set, astype(str) in pandas)."
    )


def is_numeric(series: pd.Series) -> bool:
    """Whether a column holds numbers rather than categories."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return dtype.kind in "iuf"
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(dtype):
        return False
    if pd.api.types.is_object_dtype(dtype):
        return pd.api.types.infer_dtype(series, skipna=True) in (
            "integer",
            "floating",
            "mixed-integer-float",
            "decimal",
        )
    return bool(pd.api.types.is_numeric_dtype(dtype)) and not pd.api.types.is_complex_dtype(dtype)


def missing_values(series: pd.Series) -> NDArray[np.bool_] | None:
    """Which values of a column are missing, (n,); None if none is."""
    # Of a column without missing values nothing is written that is as long as the column.
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = _codes(series)
        return None if codes.min(initial=0) >= 0 else codes < 0
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iub":
            return None
        if dtype.kind == "f":
            values = series.to_numpy()
            return np.isnan(values) if math.isnan(values.min(initial=np.inf)) else None
    missing = series.isna().to_numpy(dtype=bool)
    return missing if missing.any() else None


def _codes(series: pd.Series) -> NDArray[Any]:
    """Codes of a categorical column; through its accessor ``cat`` they take ten times as long."""
    return np.asarray(series.array.codes)


def numeric_column(series: pd.Series) -> NDArray[np.float64]:
    """Numbers of a column as float64, missing values as NaN; never the column's own memory."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        return np.array(series.to_numpy(), dtype=np.float64)
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def factorize(series: pd.Series) -> Factor:
    """Code a column without missing values as a factor.

    Levels stand in the order of the categories for categorical columns (those that do not occur
    are dropped), in numerical order for numbers, and sorted as text otherwise. Truth values have
    the levels ``FALSE`` and ``TRUE``.
    """
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = _codes(series).astype(np.int64)
        uniques: list[Any] = dtype.categories.tolist()
    elif is_numeric(series) and not pd.api.types.is_object_dtype(dtype):
        raw, values = pd.factorize(series.to_numpy(), sort=True)
        codes, uniques = raw.astype(np.int64), np.asarray(values).tolist()
    else:
        try:
            raw, index = pd.factorize(series)
        except TypeError:  # what cannot be hashed
            kinds = sorted({type(value).__name__ for value in series})
            raise DataError(
                f"Column {series.name!r} holds {', '.join(kinds)} as values: a column that is used "
                "has one number, text or truth value in every row. Make columns of their parts."
            ) from None
        found = np.asarray(index, dtype=object).tolist()
        numeric = pd.api.types.is_object_dtype(dtype) and is_numeric(series)
        order = sorted(range(len(found)), key=lambda i: found[i] if numeric else label_of(found[i]))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        codes, uniques = rank[raw], [found[i] for i in order]
    codes, kept = _compact(codes, len(uniques))
    found = uniques if len(kept) == len(uniques) else [uniques[i] for i in kept.tolist()]
    if set(map(type, found)) <= {str}:
        return Factor(codes, tuple(found))  # text that differs reads differently
    levels = tuple(map(label_of, found))
    if len(set(levels)) < len(levels):
        raise DataError(
            f"Column {series.name!r} has different values that read the same, such as 1 and '1': "
            "make them all text or all numbers."
        )
    return Factor(codes, levels)


def codes_among(series: pd.Series, levels: Sequence[str]) -> Factor:
    """Code a column without missing values by levels known before; -1 for values that are none.

    Values are compared as `factorize` reads them: 308, 308.0 and "308" are one level.
    """
    found = factorize(series)
    place = {level: i for i, level in enumerate(levels)}
    known = np.array([place.get(level, -1) for level in found.levels], dtype=np.int64)
    return Factor(known[found.codes], tuple(levels))


def _compact(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Renumber codes so that each occurs; also the old codes that were kept, in order."""
    occurs = np.bincount(codes, minlength=size) > 0
    kept = np.flatnonzero(occurs)
    if len(kept) < size:
        codes = (np.cumsum(occurs) - 1)[codes]
    return codes, kept


def cross(a: Factor, b: Factor) -> Factor:
    """Interaction of two factors: the combinations that occur, those of `a` slowest."""
    q = len(b.levels)
    raw, found = pd.factorize(a.codes * q + b.codes)
    order = np.argsort(found)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    pairs = np.asarray(found)[order]
    first, second = (pairs // q).tolist(), (pairs % q).tolist()
    levels = tuple(f"{a.levels[i]}:{b.levels[j]}" for i, j in zip(first, second, strict=True))
    if len(set(levels)) < len(levels):
        # Labels with colons of their own can collide, as a + b:c and a:b + c do: quote them then.
        levels = tuple(
            f"`{a.levels[i]}`:`{b.levels[j]}`" for i, j in zip(first, second, strict=True)
        )
    return Factor(rank[raw], levels)


def cross_among(a: Factor, b: Factor, known: Crossing) -> Factor:
    """Interaction of two factors coded by combinations known before; -1 where it is none."""
    raw = a.codes * known.width + b.codes
    place = np.searchsorted(known.pairs, raw)
    place[place == len(known.pairs)] = 0
    is_known = (a.codes >= 0) & (b.codes >= 0) & (known.pairs[place] == raw)
    return Factor(np.where(is_known, place, -1), known.levels)


def crossing(a: Factor, b: Factor, crossed: Factor) -> Crossing:
    """Keep which combinations of two factors their interaction by `cross` has."""
    q = len(b.levels)
    pairs = np.empty(len(crossed.levels), dtype=np.int64)
    pairs[crossed.codes] = a.codes * q + b.codes
    return Crossing(q, pairs, crossed.levels)
