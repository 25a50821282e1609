"""Axes of a sweep's measures, and their titles."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import altair as alt

from mixedscope.charts.common.gaps import power_labels
from mixedscope.charts.common.numerals import power_of_ten
from mixedscope.charts.kinds.sweep.names import FLOOR_WORDS
from mixedscope.summaries.measures import Measure

__all__ = ["measure_axis", "title_of_length"]


def measure_axis(
    channel: Any,
    field: str,
    measure: Measure,
    span: tuple[float, float],
    *,
    log: bool,
    length: int,
    beside: str = "",
) -> Any:
    """Give the axis of a measure: powers of ten, percentages or plain numbers.

    ``beside``: words below its name.
    """
    title = [*title_of_length(measure.words, length), *[beside] * bool(beside)]
    if not log or span[0] <= 0:
        low, high = span
        room = 0.05 * (high - low or abs(high) or 1.0)
        at_zero = low >= 0 and low < 0.6 * high
        bottom = 0.0 if at_zero else low - room
        top = high + room
        if measure.unit == "%":
            bottom, top = max(bottom, 0.0), min(top, 1.0)
            bottom, top = (0.0, 1.0) if high - low > 0.4 else (bottom, top)
        return channel(
            f"{field}:Q",
            scale=alt.Scale(domain=[bottom, top], nice=False, zero=False),
            axis=alt.Axis(
                title=title,
                format="%" if measure.unit == "%" else ",.6~g",
                tickCount=5,
                labelFlush=False,
            ),
        )
    low, high = math.log10(span[0]), math.log10(span[1])
    room = max(0.15, 0.04 * (high - low))
    low, high = low - room, high + room
    if high - low < 1.0:
        low, high = math.floor(low), math.ceil(high)
    exponents = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    every = max(1, -(-len(exponents) // max(3, length // 32)))
    shown = [e for e in exponents if (e - exponents[-1]) % every == 0]
    words = [power_of_ten(e) for e in exponents]
    if measure.floor is not None and span[0] <= measure.floor * 1.001:
        place = exponents.index(round(math.log10(measure.floor)))
        words[place] = FLOOR_WORDS.format(words[place])
    return channel(
        f"{field}:Q",
        scale=alt.Scale(type="log", domain=[10.0**low, 10.0**high], nice=False),
        axis=alt.Axis(
            title=title,
            values=[10.0**e for e in shown],
            labelExpr=power_labels(exponents, words),
        ),
    )


def title_of_length(words: str, length: int) -> list[str]:
    """Break the title of an axis so that it fits its length in pixels."""
    return textwrap.wrap(words[:1].lower() + words[1:], max(14, int(length / 5.6)))
