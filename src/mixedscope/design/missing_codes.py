"""Numbers such as -999 among others: perhaps a code of what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.wording import counted
from mixedscope.design.frame import is_numeric, numeric_column

__all__ = ["MissingCode", "code_notes", "finding", "found_codes"]

#: Numbers that often stand for a missing value.
_CODES: Final = frozenset(
    {-9, *(s * n for s in (1, -1) for n in (99, 999, 9999, 99999, 88, 888, 77, 777))}
)
#: What stands between a finding and the advice.
_IF: Final = ": if that means missing, "


@dataclass(frozen=True)
class MissingCode:
    """A value far from all others of its column.

    Attributes
    ----------
    value : float
    rows : int
        How many hold it.
    low, high : float
        The others lie between.
    """

    value: float
    rows: int
    low: float
    high: float

    def told(self, name: str, advice: str) -> str:
        """The sentence on it, of a column of this name."""
        held = f"holds {self.value:g} in {counted(self.rows, 'row')}"
        return (
            f"Column {name!r} {held}, and {self.low:g} to {self.high:g} in the others{_IF}{advice}"
        )


def found_codes(values: NDArray[Any]) -> list[MissingCode]:
    """Values of (n,) that are usual codes and far from all others, ascending; NaN is none.

    Far: negative beside what is never negative, or farther off than all the rest is wide.
    """
    # Such a value is the least or the greatest: nearly all columns are not looked at any further.
    if (
        not len(values)
        or not {float(np.fmin.reduce(values)), float(np.fmax.reduce(values))} & _CODES
    ):
        return []
    present = [code for code in sorted(_CODES) if bool((values == code).any())]
    others = values[~np.isin(values, present) & ~np.isnan(values)]
    if not len(others) or not others.min() < others.max():
        return []
    low, high = float(others.min()), float(others.max())
    return [
        MissingCode(float(code), int((values == code).sum()), low, high)
        for code in present
        if max(low - code, code - high) > high - low or code <= -99 < 0 <= low
    ]


def code_notes(frame: pd.DataFrame) -> list[str]:
    """Sentences on the columns of a table that was no text, where it is read."""
    return [
        code.told(
            str(name),
            "make it missing, or leave such rows out by "
            f"drop: {_named(str(name))} == {code.value:g}.",
        )
        for name in frame.columns
        if is_numeric(frame[name])
        for code in found_codes(_numbers(frame[name]))
    ]


def _numbers(series: pd.Series) -> NDArray[Any]:
    """Numbers of a column, its own memory where it can be."""
    is_plain = isinstance(series.dtype, np.dtype) and series.dtype.kind in "iuf"
    return series.to_numpy() if is_plain else numeric_column(series)


def _named(name: str) -> str:
    """A column as an expression names it."""
    return name if name.isidentifier() else f"`{name}`"


def finding(note: str) -> str:
    """What a sentence says that was found, without what to do about it."""
    return note.partition(_IF)[0]
