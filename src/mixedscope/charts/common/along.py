"""The horizontal axis of charts that run along optimisations: one for all fits that are shown.

A fit of 4 evaluations beside one of 380 looks as short as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.numerals import fixed
from mixedscope.charts.common.sheet import is_narrow
from mixedscope.tables.store import FitTables

__all__ = ["X_TITLES", "Along", "places_along", "spent", "told_seconds"]

Floats = NDArray[np.float64]

#: What can run to the right, and what the axis is called.
X_TITLES: Final = {
    "evaluation": "evaluation of the objective",
    "seconds": "seconds spent in evaluations",
}

#: The same on a narrow sheet.
_SHORT: Final = {"evaluation": "evaluation", "seconds": "seconds"}

#: Where the longest fit is so many times the shortest, the axis is logarithmic.
_WIDE: Final = 10.0

#: So few evaluations are told apart one by one.
_FEW: Final = 5

#: Room at the ends, as a share of the axis, for marks that stand there.
_ROOM: Final = 0.015


def places_along(fit: FitTables, number: Floats, x: str) -> tuple[Floats, Floats, Floats]:
    """Where evaluations with these numbers begin, stand and end on the axis."""
    if x == "seconds":
        right = fit.require("timing")["seconds"].to_numpy(dtype=float).cumsum()
        return np.concatenate([[0.0], right[:-1]]), right, right
    return number - 0.5, number, number + 0.5


class Along:
    """The axis of all panels.

    Parameters
    ----------
    name : {"evaluation", "seconds"}
    begin : float
        Where a linear axis begins.
    first : float
        The smallest value drawn, from which a log axis may have to begin.
    ends : sequence of float
        The largest value of every fit.
    log : bool, optional
        By default so where lengths differ by more than tenfold.

    Attributes
    ----------
    domain : list of float
    log : bool
    """

    def __init__(
        self, name: str, begin: float, first: float, ends: Sequence[float], log: bool | None = None
    ) -> None:
        self.name = name
        self.log = max(ends) > _WIDE * min(ends) if log is None else log
        self._longest = max(ends)
        low, high = begin, max(ends)
        if self.log:
            # A log axis cannot begin at zero seconds.
            low = low if low > 0.0 else 0.8 * first
            stretch = (high / low) ** _ROOM
            self.domain = [low / stretch, high * stretch]
        else:
            room = _ROOM * (high - low)
            self.domain = [low - room, high + room]

    @classmethod
    def of(cls, name: str, frames: Sequence[pd.DataFrame]) -> Along:
        """Give the axis of fits with a row per evaluation: ``left``, ``x`` and ``right``."""
        return cls(
            name,
            min(float(frame["left"].iloc[0]) for frame in frames),
            min(float(frame["x"].iloc[0]) for frame in frames),
            [float(frame["right"].iloc[-1]) for frame in frames],
        )

    def within(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Cut pieces with ``left`` and ``right`` to the axis."""
        return runs.assign(
            left=runs["left"].clip(lower=self.domain[0]),
            right=runs["right"].clip(lower=self.domain[0]),
        )

    def is_right(self, values: pd.Series) -> pd.Series:
        """Whether values stand in the right half."""
        low, high = self.domain
        return values > (math.sqrt(low * high) if self.log else (low + high) / 2)

    def share(self, value: float) -> float:
        """Place of a value on the axis, from 0 to 1."""
        low, high = self.domain
        if self.log:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    def ticks(self) -> dict[str, Any]:
        """Settings of the axis that decide where it has numbers."""
        low, high = self.domain
        if self.log:
            decades = math.log10(high / low)
            steps = (1, 2, 5) if decades < 1.5 else (1, 3) if decades < 2.5 else (1,)
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            values = [float(f"{s}e{e}") for e in powers for s in steps]
            if self.name == "evaluation":
                values = [v for v in values if v >= 1.0]
            return {
                "values": [v for v in values if low <= v <= high],
                "format": ",~g",
                "labelOverlap": True,
            }
        if self.name == "evaluation" and self._longest < _FEW + 1:
            # Left to itself Vega puts ticks between the first evaluations.
            return {"values": list(range(1, math.floor(self._longest) + 1))}
        return {"tickCount": 4, "tickMinStep": 1 if self.name == "evaluation" else 0}

    def __call__(self, field: str, *, titled: bool = False, **axis: Any) -> alt.X:
        """Encode a field; `titled` where the axis is to say what it shows."""
        title = (_SHORT if is_narrow() else X_TITLES)[self.name] + (" (log)" if self.log else "")
        # Numbers stand at their ticks, also at the ends.
        settings = {"grid": False, "zindex": 1, "labelFlush": False, **self.ticks(), **axis}
        return alt.X(
            f"{field}:Q",
            scale=alt.Scale(type="log" if self.log else "linear", domain=self.domain, nice=False),
            axis=alt.Axis(title=title if titled else None, **settings),
        )


def spent(timing: pd.DataFrame) -> tuple[float, float]:
    """Seconds in all evaluations, and those of compiling and loading code that are apart."""
    compiling = timing["compile_seconds"] if "compile_seconds" in timing else pd.Series([0.0])
    return float(timing["seconds"].sum()), float(compiling.sum())


def told_seconds(value: float) -> str:
    """Write seconds as words need them: 12 s, 3.0 s, 0.12 s, 4.1 ms, 90 µs.

    Examples
    --------
    >>> [told_seconds(v) for v in (312.4, 12.0, 3.04, 0.1234, 0.0041, 9e-5)]
    ['312 s', '12 s', '3.0 s', '0.12 s', '4.1 ms', '90 µs']
    """
    least = {"s": 0.0995, "ms": 0.995e-3, "\u00b5s": 0.0}
    name = next(unit for unit, smallest in least.items() if value >= smallest)
    scaled = value * {"s": 1.0, "ms": 1e3, "\u00b5s": 1e6}[name]
    digits = 2 if scaled < 0.995 else 1 if scaled < 9.95 else 0
    return f"{fixed(scaled, digits)}\u00a0{name}"
