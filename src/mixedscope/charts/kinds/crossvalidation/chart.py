"""Cross-validation: how well each structure predicts what it has not seen.

For every way of holding out, on the left how much larger, or smaller, errors are than those of the
first structure, on the right how much more, or less, probable each calls what was observed. Of
outcomes of two kinds errors are Brier scores, and a third panel shows areas under curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import number
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.structure_names import structure_colours, worded
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.crossvalidation.differences import (
    BESIDE,
    WIDTH,
    is_same,
    plus_minus,
    scheme_name,
    scores_of,
)
from mixedscope.charts.kinds.crossvalidation.options import CrossvalidationOptions
from mixedscope.charts.kinds.crossvalidation.words import (
    crossvalidation_reading,
    crossvalidation_title,
)
from mixedscope.charts.kinds.efficiency.words import NO_SHRINKAGE
from mixedscope.core.vocabulary import NO_RANDOM, UNSHRUNKEN

__all__ = ["crossvalidation_chart"]

_AXIS: Final = 96
_GAP: Final = 8
#: Pixels of a character in a column of numbers, and of the least such column.
_CHARACTER: Final = 5.6
_COLUMN: Final = 60
_ROW: Final = 20
#: What stands beside structures.
_BESIDE: Final = {UNSHRUNKEN: NO_SHRINKAGE, NO_RANDOM: "no random effects"}
_BRIEFLY: Final = {
    "new": "whole levels are held out",
    "known": "some observations are held out",
}
_HELD_OUT: Final = {
    "new": "all observations of some levels are held out",
    "known": "some observations of every level are held out",
}


@drawn_with(CrossvalidationOptions)
def crossvalidation_chart(
    summary: pd.DataFrame,
    groups: pd.DataFrame,
    fits: pd.DataFrame,
    *,
    options: CrossvalidationOptions,
    response: str | None = None,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw prediction errors, in units of the `response`, and log densities of every structure.

    Of the tables ``crossvalidation``, ``crossvalidation_groups`` and ``crossvalidation_fits``.
    """
    colours = ink(theme)
    data = Datasets(digits=6)
    names = list(dict.fromkeys(summary["structure"]))
    structures = [s for s in names if s not in BESIDE]
    drawn = [_Drawn(*own, response) for own in scores_of(summary)]
    columns = [
        max(_COLUMN, round(_CHARACTER * max(map(len, score.told(summary)), default=0)) + 6)
        for score in drawn
    ]
    schemes = list(dict.fromkeys(summary["scheme"]))
    # Two scores stand side by side, below each other for each scheme; more the other way round.
    wide = not is_narrow()
    turned = wide and len(drawn) > 2
    beside = wide and not turned
    room = _Room(columns, len(schemes), beside=beside, turned=turned)
    blocks = []
    for scheme in schemes:
        own = summary[summary["scheme"] == scheme].reset_index(drop=True)
        is_first = scheme == schemes[0]
        titled = scheme == schemes[-1] or not beside
        pairs = []
        for score, column in zip(drawn, room.columns, strict=True):
            labels = is_first if turned else not beside or score is drawn[0]
            panel = score.panel(data, own, names, structures, titled=titled, labels=labels)
            told = _numbers(data, own, names, score, column, colours)
            size = {"height": _ROW * len(names)}
            pairs.append([panel.properties(width=room.width, **size), told.properties(**size)])
        heading = alt.TitleParams(
            text=scheme_name(scheme, str(own["by"].iloc[0])),
            subtitle=(_BRIEFLY if turned else _HELD_OUT)[scheme],
            fontSize=11,
            subtitleFontSize=10,
            subtitleColor=colours["soft"],
            anchor="start",
            frame="group",
            offset=3,
        )
        if beside:
            pairs = [[part for pair in pairs for part in pair]]
        lines = [in_row(*pair, spacing=_GAP, bounds="flush") for pair in pairs]
        block = lines[0] if beside else in_column(*lines, spacing=8)
        blocks.append(block.properties(title=heading))
    chart = in_row(*blocks, spacing=_GAP) if turned else in_column(*blocks, spacing=12)
    title = crossvalidation_title(summary, groups, fits)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    caption = crossvalidation_reading(summary, groups, fits)
    first = worded(structures[0])
    caption += f" In numbers: the values with {first}, and how the others differ from them."
    return chart, title, caption


class _Room:
    """How wide panels and the columns of numbers beside them are."""

    def __init__(self, columns: Sequence[int], schemes: int, *, beside: bool, turned: bool) -> None:
        self.columns = list(columns)
        if beside:
            gaps = (2 * len(columns) - 1) * _GAP
            self.width = (inner() - _AXIS - gaps - sum(columns)) // len(columns)
            return
        self.columns = [max(columns)] * len(columns)
        count = schemes if turned else 1
        self.width = (inner() - _AXIS - (2 * count - 1) * _GAP) // count - max(columns)


def _label(name: str) -> str:
    return _BESIDE.get(name) or worded(name)


def _y(names: Sequence[str], *, labels: bool) -> alt.Y:
    return alt.Y(
        "name:N",
        title=None,
        scale=alt.Scale(domain=[_label(n) for n in names]),
        sort=None,
        axis=alt.Axis(
            labels=labels, ticks=False, domain=False, grid=False, labelLimit=_AXIS - 6, minExtent=0
        ),
    )


def _colour(names: Sequence[str]) -> alt.Color:
    structures = [n for n in names if n not in BESIDE]
    others = [n for n in names if n in BESIDE]
    palette = structure_colours(structures, GROUP_COLOURS)
    palette += [COLOURS["reference"]] * len(others)
    shown = [*structures, *others]
    scale = alt.Scale(domain=[_label(n) for n in shown], range=palette)
    return alt.Color("name:N", scale=scale, legend=None)


@dataclass(frozen=True)
class _Drawn:
    """A score of structures, as it is drawn.

    Attributes
    ----------
    value, difference : str
        Columns of the table ``crossvalidation``; that of standard errors ends in ``_se``.
    name : str
        What it is called.
    response : str or None
        Unit of an error that has one.
    """

    value: str
    difference: str
    name: str
    response: str | None

    def panel(
        self,
        data: Datasets,
        own: pd.DataFrame,
        names: Sequence[str],
        structures: Sequence[str],
        *,
        titled: bool,
        labels: bool,
    ) -> Any:
        """Differences from the first structure."""
        own = own[own[self.value].notna()]
        # What differs by rounding alone does not differ.
        same = [is_same(row, self.value, self.difference) for _, row in own.iterrows()]
        error = f"{self.difference}_se"
        told = own[[self.difference, error]].mask(pd.Series(same, index=own.index), 0.0)
        half = WIDTH * told[error].fillna(0.0)
        frame = own[[self.value, "n"]].assign(
            name=own["structure"].map(_label),
            **{self.difference: told[self.difference], error: told[error]},
            low=told[self.difference] - half,
            high=told[self.difference] + half,
        )
        # What is no structure may be far from all of them: then the axis is theirs.
        near = frame[own["structure"] != NO_RANDOM] if len(structures) > 1 else frame
        (low, high), ticks = _around_zero(near)
        scale = alt.Scale(domain=[low, high], nice=False, zero=False)
        frame["edge"] = (frame["high"] > high).astype(int) - (frame["low"] < low).astype(int)
        edge = 0.03 * (high - low)
        frame["place"] = frame[self.difference].clip(low + edge, high - edge)
        words = [self.name, *[f"({self.response})"] * bool(self.response and self.value == "rmse")]
        axis = alt.Axis(
            title=[*words, f"minus that of {worded(names[0])}"] if titled else None,
            grid=False,
            **ticks,
        )
        tooltip = [
            alt.Tooltip("name:N", title="structure"),
            alt.Tooltip(f"{self.value}:Q", title=self.name, format=".5~g"),
            alt.Tooltip(f"{self.difference}:Q", title="against the first", format="+.3~g"),
            alt.Tooltip(f"{error}:Q", title="its standard error", format=".2~g"),
            alt.Tooltip("n:Q", title="observations"),
        ]
        return _marks(data, frame, names, scale, axis, tooltip, labels=labels)

    def told(self, own: pd.DataFrame) -> list[str]:
        """The value of the first structure; differences from it, with two standard errors."""
        words = []
        for _, row in own.iterrows():
            if row["structure"] == own["structure"].iloc[0]:
                words.append(number(row[self.value], 4))
            elif pd.isna(row[self.difference]):
                words.append("")
            elif is_same(row, self.value, self.difference):
                words.append("the same")
            else:
                words.append(plus_minus(row[self.difference], row[f"{self.difference}_se"]))
        return words


def _around_zero(frame: pd.DataFrame) -> tuple[tuple[float, float], dict[str, Any]]:
    """Give the ends of the axis of differences: zero, and what the intervals reach, if any."""
    low, high = min(0.0, float(frame["low"].min())), max(0.0, float(frame["high"].max()))
    if low == high:
        return (-1.0, 1.0), {"values": [0]}
    room = 0.08 * (high - low)
    return (low - room, high + room), {"tickCount": 3}


def _numbers(
    data: Datasets,
    own: pd.DataFrame,
    names: Sequence[str],
    score: _Drawn,
    width: int,
    colours: dict[str, str],
) -> Any:
    """Draw the first structure's value and differences from it as a column of numbers."""
    frame = pd.DataFrame({"name": own["structure"].map(_label), "told": score.told(own)})
    return (
        data.chart(frame)
        .mark_text(align="right", fontSize=10, color=colours["ink"], aria=False)
        .encode(
            y=_y(names, labels=False),
            x=alt.XValue(width - 4),
            text=alt.Text("told:N"),
        )
        .properties(view=alt.ViewConfig(stroke=None), width=width)
    )


def _marks(
    data: Datasets,
    frame: pd.DataFrame,
    names: Sequence[str],
    scale: alt.Scale,
    axis: alt.Axis,
    tooltip: Sequence[alt.Tooltip],
    *,
    labels: bool,
) -> Any:
    y, colour = _y(names, labels=labels), _colour(names)
    inside = data.chart(frame[frame["edge"] == 0])
    rule = (
        data.chart([{"first": 0.0}])
        .mark_rule(color=COLOURS["zero"], strokeDash=[3, 2], strokeWidth=0.9, aria=False)
        .encode(x=alt.X("first:Q", scale=scale, axis=axis))
    )
    bars = inside.mark_rule(strokeWidth=1.8, aria=False).encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2=alt.X2("high:Q"), y=y, color=colour
    )
    x = alt.X("place:Q", scale=scale, axis=axis)
    points = inside.mark_point(filled=True, size=46, opacity=1, aria=False).encode(
        x=x, y=y, color=colour, tooltip=list(tooltip)
    )
    beyond = [
        data.chart(own)
        .mark_point(shape=shape, filled=True, size=60, opacity=1, aria=False)
        .encode(x=x, y=y, color=colour, tooltip=list(tooltip))
        for edge, shape in ((-1, "triangle-left"), (1, "triangle-right"))
        if len(own := frame[frame["edge"] == edge])
    ]
    return layered(rule, bars, points, *beyond)
