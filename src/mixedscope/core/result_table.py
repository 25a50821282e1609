"""A data frame that prints whole: all columns within the width, numbers to be read, remarks below.

pandas cuts a frame off in the middle where a terminal is narrow, and the p values with it.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pandas as pd

__all__ = ["MISSING", "ResultTable", "p_text", "whole"]

#: In the place of a number that is not known.
MISSING: Final = "\u2013"

#: Columns of probabilities, and of degrees of freedom.
_P_VALUES: Final = frozenset({"p_value", "p_low", "p_high", "p.value"})
_DEGREES: Final = frozenset({"df", "num_df", "den_df", "df.residual"})

#: Columns in the units of estimates, and those of them that say how well estimates are known.
_ERRORS: Final = frozenset({"std_error", "std.error"})
_UNITS: Final = _ERRORS | {"estimate", "mean", "lower", "upper", "conf.low", "conf.high"}

#: Columns of which differences count, however large the numbers.
_CRITERIA: Final = frozenset({"objective", "aic", "AIC", "BIC", "logLik", "deviance", "REMLcrit"})

#: Columns of words on a row, which stand below the table.
_REMARKS: Final = frozenset({"remark", "note"})

#: Significant digits of the smallest number of a column, and most decimals of any.
_DIGITS: Final = 4
_MOST: Final = 6


class ResultTable(pd.DataFrame):
    """A data frame in every respect, but for how it shows itself.

    Text is as wide as pandas' option ``display.width`` says, 80 columns by default: columns that
    find no room go on below, with the labels of their rows. What is made of it, a selection of
    columns or rows or a copy, is a plain frame.

    ``pandas.testing.assert_frame_equal(frame, table)`` wants the first to be of the type of the
    second: give it the table first, its copy, or ``check_frame_type=False``.
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __repr__(self) -> str:
        shown, notes = _shown(self)
        width = pd.get_option("display.width") or 80
        rows = {key: pd.get_option(f"display.{key}") for key in ("max_rows", "min_rows")}
        lines = [shown.to_string(line_width=width, **rows) if len(self) else repr(shown)]
        lines += [textwrap.fill(note, width, subsequent_indent="    ") for note in notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        shown, notes = _shown(self)
        rows = pd.get_option("display.max_rows")
        table = shown.to_html(border=0, max_rows=rows)
        below = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
        return f'<div style="overflow-x: auto">{table}</div>{below}'


def whole(frame: pd.DataFrame) -> ResultTable:
    """Give a frame, with its ``attrs``, that prints whole."""
    table = ResultTable(frame)
    table.attrs = frame.attrs
    return table


def p_text(p: float) -> str:
    """A probability with four decimals, or its size where these would be zeros."""
    if p < 1e-99:
        return "<1e-99"
    return f"{p:.4f}" if p >= 1e-4 else f"{p:.0e}"


def _shown(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table in texts, and what is said below it."""
    columns: list[pd.Series] = []
    notes: dict[str, int] = {}
    decimals = _decimals_of_units(table)
    for place, name in enumerate(table.columns):
        values = table.iloc[:, place]
        if name not in _REMARKS:
            cells = _texts(name, values, decimals)
        elif not (cells := _marks(values, notes)):
            continue
        columns.append(pd.Series(cells, index=table.index, name=name, dtype=object))
    shown = pd.DataFrame(dict(enumerate(columns)), index=table.index)
    shown.columns = pd.Index([column.name for column in columns], dtype=object)
    marked = any(column.name in _REMARKS for column in columns)
    return shown, [f"[{number}] {note}" if marked else note for note, number in notes.items()]


def _marks(values: pd.Series, notes: dict[str, int]) -> list[str]:
    """Where each remark stands among the notes; nothing if all rows have the same, or none."""
    said = ["" if _is_missing(value) else str(value) for value in values]
    for text in filter(None, said):
        notes.setdefault(text, len(notes) + 1)
    if len(set(said)) < 2:
        return []
    return [f"[{notes[text]}]" if text else "" for text in said]


def _texts(name: Any, values: pd.Series, of_units: int | None) -> list[str]:
    """The cells of a column."""
    if not pd.api.types.is_float_dtype(values.dtype):
        return ["" if _is_missing(value) else str(value) for value in values]
    numbers = [float("nan") if _is_missing(v) else float(v) for v in values]
    known = _sizes(numbers)
    if name in _P_VALUES:
        return [MISSING if math.isnan(v) else p_text(v) for v in numbers]
    whole = all(abs(v - round(v)) < 5e-7 * v for v in known)
    if name in _DEGREES:
        return [_fixed(v, 0 if whole else 2) for v in numbers]
    if name in _CRITERIA:
        return [_fixed(v, 3) for v in numbers]
    decimals = of_units if name in _UNITS else 0 if whole else _decimals(known)
    if decimals is None:
        return [MISSING if math.isnan(v) else f"{v:.{_DIGITS + 1}g}" for v in numbers]
    return [_fixed(v, decimals) for v in numbers]


def _decimals_of_units(table: pd.DataFrame) -> int | None:
    """Decimals of estimates and all that has their units: what their errors are worth."""
    places = [place for place, name in enumerate(table.columns) if name in _UNITS]
    errors = [place for place in places if table.columns[place] in _ERRORS]
    found = [table.iloc[:, place] for place in errors or places]
    floats = [own for own in found if pd.api.types.is_float_dtype(own.dtype)]
    return _decimals([size for own in floats for size in _sizes(own.tolist())])


def _sizes(numbers: Iterable[Any]) -> list[float]:
    """Sizes of the numbers that are known and not zero."""
    return [abs(v) for v in numbers if not _is_missing(v) and math.isfinite(v) and v != 0.0]


def _decimals(sizes: Sequence[float]) -> int | None:
    """Decimals at which the smallest has digits enough; None where powers of ten are needed."""
    if not sizes or max(sizes) >= 10.0**9 or max(sizes) > 10.0**_MOST * min(sizes):
        return None
    return min(max(_DIGITS - 1 - math.floor(math.log10(min(sizes))), 0), _MOST)


def _fixed(value: float, decimals: int) -> str:
    if math.isnan(value):
        return MISSING
    text = f"{value:.{decimals}f}"
    return text if float(text) else text.removeprefix("-")


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value
