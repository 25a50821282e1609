"""Which rows of the data a model uses, and what is said of each: its weight and its offset."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.arguments import named, number_array
from mixedscope.core.errors import DataError, suggest
from mixedscope.design.frame import (
    factorize,
    is_numeric,
    missing_values,
    numeric_column,
    refuse_unusable,
)
from mixedscope.design.variables import check_text
from mixedscope.formula.expressions import (
    column_value,
    evaluate_condition,
    evaluate_expression,
)
from mixedscope.formula.learned import Learned

__all__ = ["named_offset", "read_offset", "read_subset", "read_weights", "usable_rows"]


def read_weights(
    weights: str | ArrayLike | None, frame: pd.DataFrame
) -> NDArray[np.float64] | None:
    """Weights of all rows (n,), NaN where they are missing.

    Raises DataError if they are no numbers, negative or infinite, or not one for every row.
    """
    if weights is None:
        return None
    if isinstance(weights, str):
        if weights not in frame.columns:
            raise DataError(
                f"The weights column {weights!r} is not in the data."
                f"{suggest(weights, frame.columns)} Columns: {', '.join(frame.columns[:30])}."
            )
        if pd.api.types.is_bool_dtype(frame[weights].dtype):
            raise DataError(_truth(f"The weights column {weights!r}", weights))
        if not is_numeric(frame[weights]):
            raise DataError(f"The weights column {weights!r} is not numeric{_why(frame[weights])}.")
        values = numeric_column(frame[weights])
    else:
        if _are_truths(weights):
            raise DataError(_truth("The array of weights", "keep"))
        wanted = f"the name of a column or an array of {len(frame)} numbers"
        values = number_array("weights", weights, wanted, DataError, missing=True)
        if values.shape != (len(frame),):
            raise DataError(
                f"Weights must be one number per row, {len(frame)}, not of shape {values.shape}."
            )
    bad = (values < 0) | np.isinf(values)
    if bad.any():
        first = int(bad.argmax())
        named = f" of column {weights!r}" if isinstance(weights, str) else ""
        raise DataError(
            f"Weights must be finite and not negative, but row {first + 1} (counted from 1){named} "
            f"has {values[first]:g}."
        )
    return values


def _are_truths(values: ArrayLike) -> bool:
    """Whether values are truth values rather than numbers."""
    try:
        return np.asarray(values).dtype == np.bool_
    except ValueError:  # rows of several lengths
        return False


def _truth(what: str, name: str) -> str:
    return (
        f"{what} holds truth values, and weights are inverse variances. To use some of the rows "
        f"only, name the condition: subset={name!r}."
    )


def read_offset(
    offset: str | ArrayLike | None,
    frame: pd.DataFrame,
    inside: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64] | None:
    """Offsets of all rows (n,), NaN where they are missing or not inside the subset.

    ``offset``: a column, a safe expression of columns, or values. Raises DataError or FormulaError
    if they are no numbers, infinite, or not one for every row.
    """
    if offset is None:
        return None
    if isinstance(offset, str):
        if offset in frame.columns:
            refuse_unusable(frame[offset])
            if not is_numeric(frame[offset]):
                raise DataError(
                    f"The offset column {offset!r} is not numeric{_why(frame[offset])}."
                )
            values = numeric_column(frame[offset])
        else:
            rows = np.arange(len(frame)) if inside is None else np.flatnonzero(inside)
            values = np.full(len(frame), np.nan)
            values[rows] = named_offset(offset, frame, rows, None)
    else:
        wanted = f"a column, an expression of columns or an array of {len(frame)} numbers"
        values = number_array("offset", offset, wanted, DataError, missing=True)
        if values.shape != (len(frame),):
            raise DataError(
                f"An offset must be one number per row, {len(frame)}, not of shape {values.shape}."
            )
    infinite = np.isinf(values) if inside is None else np.isinf(values) & inside
    if infinite.any():
        first = int(infinite.argmax())
        raise DataError(
            f"Offsets must be finite, but row {first + 1} (counted from 1) has {values[first]:g}."
        )
    return values


def named_offset(
    offset: str, frame: pd.DataFrame, rows: NDArray[np.int64], learned: Learned | None
) -> NDArray[np.float64]:
    """Offsets (m,) of some rows by a column or a safe expression; NaN where they are missing.

    ``learned``: what functions of whole columns learn from these rows, or learned from others.
    """
    if offset in frame.columns:
        return numeric_column(frame[offset])[rows]
    found = evaluate_expression(offset, frame.iloc[rows], rows, learned)
    if found.kind != "number":
        raise DataError(f"The offset {offset!r} gives a {found.kind}, not numbers.")
    return np.where(found.missing, np.nan, found.data)


def read_subset(subset: str | ArrayLike | None, frame: pd.DataFrame) -> NDArray[np.bool_] | None:
    """Which of all rows (n,) to use; None if all.

    ``subset``: a safe condition on columns, or truth values; where they are missing a row is not
    used. Raises DataError or FormulaError if they are none, or not one for every row.
    """
    if subset is None:
        return None
    if isinstance(subset, str) and subset in frame.columns:
        truth = column_value(frame[subset])
        if truth.kind != "boolean":
            raise DataError(
                f"The subset column {subset!r} holds no truth values: write a condition, such as "
                f"subset='{subset} > 0'."
            )
        inside, what = truth.data & ~truth.missing, f"The column {subset!r}"
    elif isinstance(subset, str):
        inside = evaluate_condition(subset, frame)
        what = f"The condition subset={subset!r}"
    else:
        what = "The array given as subset"
        made = np.asarray(subset)
        values = pd.Series(made.tolist() if made.ndim == 1 else [None], dtype=object)
        kinds = values[~values.isna()].map(lambda value: isinstance(value, bool | np.bool_))
        if made.ndim != 1 or not kinds.all() or (len(made) and not len(kinds)):
            raise DataError(
                "subset must be a condition on columns, such as 'age > 60', or an array of "
                f"{len(frame)} truth values, not {named(subset)}."
            )
        if len(made) != len(frame):
            raise DataError(
                f"subset must be one truth value per row, {len(frame)}, not {len(made)}."
            )
        inside = (values == True).to_numpy(dtype=np.bool_)  # noqa: E712
    if not inside.any():
        raise DataError(f"{what} holds in none of the {len(frame)} rows.")
    return inside


def _why(series: pd.Series) -> str:
    """The first value of a column of text that is no number."""
    rows = np.flatnonzero(series.notna().to_numpy(dtype=bool))
    if isinstance(series.dtype, pd.CategoricalDtype) or not len(rows):
        return ""
    found = check_text(factorize(series.iloc[rows]))
    return "" if found.first is None else f": row {rows[found.first] + 1} holds {found.value!r}"


def usable_rows(
    columns: Mapping[str, pd.Series],
    n: int,
    weights: NDArray[np.float64] | None = None,
    offset: NDArray[np.float64] | None = None,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], int, int]:
    """Rows of the n that can be used, and how many of those inside are missing or have weight 0."""
    absent = {f"column {name!r} alone lacks": missing_values(x) for name, x in columns.items()}
    if weights is not None:
        absent["the weights alone lack"] = np.isnan(weights)
    if offset is not None:
        absent["the offset alone lacks"] = np.isnan(offset)
    found = {words: mask for words, mask in absent.items() if mask is not None}
    if not found and inside is None:
        return np.arange(n, dtype=np.int64), 0, 0
    used = np.ones(n, dtype=np.bool_) if inside is None else inside
    missing = np.zeros(n, dtype=np.bool_)
    for mask in found.values():
        missing |= mask
    missing &= used
    zero = np.zeros_like(missing)
    if weights is not None:
        zero = (weights == 0) & used & ~missing
    rows = np.flatnonzero(used & ~missing & ~zero).astype(np.int64)
    count = int(used.sum())
    if int(missing.sum()) == count:
        counts = {words: int((mask & used).sum()) for words, mask in found.items()}
        worst = max(counts, key=counts.__getitem__)
        raise DataError(
            f"All {count} rows{'' if inside is None else ' of the subset'} have a missing value in "
            f"a variable of the model; {worst} {counts[worst]}."
        )
    if not len(rows):
        raise DataError("No rows remain: all weights are 0 or missing.")
    return rows, int(missing.sum()), int(zero.sum())
