"""Cross-validation: how well each structure predicts what it has not seen.

For every way of holding out, on the left how much larger, or smaller, errors are than those of the
first structure, on the right how much more, or less, probable each calls what was observed.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from mixedscope.charts.kinds.crossvalidation.options import CrossvalidationOptions
from mixedscope.charts.kinds.crossvalidation.words import (
    WIDTH,
    crossvalidation_reading,
    crossvalidation_title,
    is_same,
    plus_minus,
    scheme_name,
)
from mixedscope.charts.kinds.efficiency.words import NO_SHRINKAGE
from mixedscope.core.vocabulary import UNSHRUNKEN

__all__ = ["crossvalidation_chart"]

_AXIS: Final = 96
_GAP: Final = 8
#: Pixels of a character in a column of numbers, and of the least such column.
_CHARACTER: Final = 5.6
_COLUMN: Final = 60
_ROW: Final = 20
#: What the differences are of.
_VALUES: Final = {"difference": "rmse", "density_difference": "log_density"}
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
    structures = [s for s in names if s != UNSHRUNKEN]
    fields = ("difference", "density_difference")
    longest = (max(map(len, _told(summary, f)), default=0) for f in fields)
    columns = [max(_COLUMN, round(_CHARACTER * n) + 6) for n in longest]
    beside = not is_narrow()
    width = inner() - _AXIS - _GAP - max(columns)
    if beside:
        width = (inner() - _AXIS - 3 * _GAP - sum(columns)) // 2
    height = _ROW * len(names)
    schemes = list(dict.fromkeys(summary["scheme"]))
    rows = []
    for scheme in schemes:
        own = summary[summary["scheme"] == scheme].reset_index(drop=True)
        titled = scheme == schemes[-1] or not beside
        parts = [
            _errors(data, own, names, response, titled=titled).properties(width=width),
            _numbers(data, own, names, fields[0], columns[0], colours),
            _densities(data, own, names, structures, titled=titled, labels=not beside).properties(
                width=width
            ),
            _numbers(data, own, names, fields[1], columns[1], colours),
        ]
        panels = [part.properties(height=height) for part in parts]
        heading = alt.TitleParams(
            text=scheme_name(scheme, str(own["by"].iloc[0])),
            subtitle=_HELD_OUT[scheme],
            fontSize=11,
            subtitleFontSize=10,
            subtitleColor=colours["soft"],
            anchor="start",
            frame="group",
            offset=3,
        )
        pairs = [panels] if beside else [panels[:2], panels[2:]]
        lines = [in_row(*pair, spacing=_GAP, bounds="flush") for pair in pairs]
        block = lines[0] if beside else in_column(*lines, spacing=8)
        rows.append(block.properties(title=heading))
    title = crossvalidation_title(summary, groups, fits)
    chart = in_column(*rows, spacing=12)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    caption = crossvalidation_reading(summary, groups, fits)
    first = worded(structures[0])
    caption += f" In numbers: the values with {first}, and how the others differ from them."
    return chart, title, caption


def _label(name: str) -> str:
    return NO_SHRINKAGE if name == UNSHRUNKEN else worded(name)


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
    structures = [n for n in names if n != UNSHRUNKEN]
    palette = structure_colours(structures, GROUP_COLOURS)
    palette += [COLOURS["reference"]] * (UNSHRUNKEN in names)
    shown = [*structures, *[n for n in names if n == UNSHRUNKEN]]
    scale = alt.Scale(domain=[_label(n) for n in shown], range=palette)
    return alt.Color("name:N", scale=scale, legend=None)


def _errors(
    data: Datasets,
    own: pd.DataFrame,
    names: Sequence[str],
    response: str | None,
    *,
    titled: bool,
) -> Any:
    """Root mean squared errors minus that of the first structure."""
    # What differs by rounding alone does not differ.
    same = [is_same(row) for _, row in own.iterrows()]
    told = own[["difference", "difference_se"]].mask(pd.Series(same, index=own.index), 0.0)
    half = WIDTH * told["difference_se"].fillna(0.0)
    frame = own[["rmse", "n"]].assign(
        name=own["structure"].map(_label),
        difference=told["difference"],
        difference_se=told["difference_se"],
        low=told["difference"] - half,
        high=told["difference"] + half,
    )
    scale, ticks = _around_zero(frame)
    words = ["root mean squared error", *[f"({response})"] * bool(response)]
    axis = alt.Axis(
        title=[*words, f"minus that of {worded(names[0])}"] if titled else None, grid=False, **ticks
    )
    tooltip = [
        alt.Tooltip("name:N", title="structure"),
        alt.Tooltip("rmse:Q", title="root mean squared error", format=".5~g"),
        alt.Tooltip("difference:Q", title="against the first", format="+.3~g"),
        alt.Tooltip("difference_se:Q", title="its standard error", format=".2~g"),
        alt.Tooltip("n:Q", title="observations"),
    ]
    return _marks(data, frame, names, "difference", scale, axis, tooltip, labels=True)


def _densities(
    data: Datasets,
    own: pd.DataFrame,
    names: Sequence[str],
    structures: Sequence[str],
    *,
    titled: bool,
    labels: bool,
) -> Any:
    """Log densities minus that of the first structure."""
    told = own[own["structure"].isin(structures)]
    half = WIDTH * told["density_difference_se"]
    gained = told["density_difference"]
    frame = told[["density_difference", "density_difference_se", "log_density"]].assign(
        name=told["structure"].map(_label), low=gained - half, high=gained + half
    )
    scale, ticks = _around_zero(frame)
    axis = alt.Axis(
        title=["log density of the data", f"minus that of {worded(structures[0])}"]
        if titled
        else None,
        grid=False,
        **ticks,
    )
    tooltip = [
        alt.Tooltip("name:N", title="structure"),
        alt.Tooltip("log_density:Q", title="log density", format=".6~g"),
        alt.Tooltip("density_difference:Q", title="against the first", format="+.3~g"),
        alt.Tooltip("density_difference_se:Q", title="its standard error", format=".2~g"),
    ]
    return _marks(data, frame, names, "density_difference", scale, axis, tooltip, labels=labels)


def _around_zero(frame: pd.DataFrame) -> tuple[alt.Scale, dict[str, Any]]:
    """Give the axis of differences: zero, and what the intervals reach, where there is any."""
    low, high = min(0.0, float(frame["low"].min())), max(0.0, float(frame["high"].max()))
    if low == high:
        return alt.Scale(domain=[-1.0, 1.0], nice=False), {"values": [0]}
    room = 0.08 * (high - low)
    scale = alt.Scale(domain=[low - room, high + room], nice=False, zero=False)
    return scale, {"tickCount": 3}


def _told(own: pd.DataFrame, field: str) -> list[str]:
    """The value of the first structure; differences from it, with two standard errors."""
    words = []
    for _, row in own.iterrows():
        if row["structure"] == own["structure"].iloc[0]:
            words.append(number(row[_VALUES[field]], 4))
        elif pd.isna(row[field]):
            words.append("")
        elif field == "difference" and is_same(row):
            words.append("the same")
        else:
            words.append(plus_minus(row[field], row[f"{field}_se"]))
    return words


def _numbers(
    data: Datasets,
    own: pd.DataFrame,
    names: Sequence[str],
    field: str,
    width: int,
    colours: dict[str, str],
) -> Any:
    """Draw the first structure's value and differences from it as a column of numbers."""
    frame = pd.DataFrame({"name": own["structure"].map(_label), "told": _told(own, field)})
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
    name: str,
    scale: alt.Scale,
    axis: alt.Axis,
    tooltip: Sequence[alt.Tooltip],
    *,
    labels: bool,
) -> Any:
    y, colour = _y(names, labels=labels), _colour(names)
    base = data.chart(frame)
    rule = (
        data.chart([{"first": 0.0}])
        .mark_rule(color=COLOURS["zero"], strokeDash=[3, 2], strokeWidth=0.9, aria=False)
        .encode(x=alt.X("first:Q", scale=scale, axis=axis))
    )
    bars = base.mark_rule(strokeWidth=1.8, aria=False).encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2=alt.X2("high:Q"), y=y, color=colour
    )
    points = base.mark_point(filled=True, size=46, opacity=1, aria=False).encode(
        x=alt.X(f"{name}:Q", scale=scale, axis=axis), y=y, color=colour, tooltip=list(tooltip)
    )
    return layered(rule, bars, points)
