"""Estimated marginal means with their intervals: levels as points, numbers as lines with bands.

How large is the response at each level, and along a number, all else alike?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.labels import variable_title
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import percent
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.means.options import MeansOptions
from mixedscope.charts.kinds.means.words import means_caption, means_title

__all__ = ["means_chart"]

_GAP: Final = 10
_LEFT: Final = 46
_PER_ROW: Final = 3
_MOST: Final = 12
_HEIGHT: Final = 170
#: Pixels of a row of a level, of each of its series, and of a character of its name.
_ROW: Final = 18
_SERIES: Final = 9
_CHARACTER: Final = 6.0

#: Shapes that tell series apart in grey.
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


@drawn_with(MeansOptions)
def means_chart(means: pd.DataFrame, *, options: MeansOptions, theme: str) -> tuple[Any, str, str]:
    """Draw the stored table ``means``: a panel for each of what means are by."""
    title, caption = means_title(means), means_caption(means, _MOST)
    series = list(dict.fromkeys(means["series"].dropna()))
    names = list(dict.fromkeys(means["panel"].dropna()))[:_MOST]
    is_number = bool(means["level"].isna().all())
    told = means[means["mean"].notna()]
    ends = (float(told["lower"].min()), float(told["upper"].max())) if len(told) else (0.0, 1.0)
    room = 0.05 * (ends[1] - ends[0]) or 1.0
    frame = (ends[0] - room, ends[1] + room)
    data = Datasets(digits=6)
    per_row = min(_PER_ROW, max(1, len(names)))
    width = (inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row
    panels = []
    for name in names or [None]:
        own = means if name is None else means[means["panel"] == name]
        draw = _along if is_number else _levels
        panel = draw(data, own, series, frame, min(width, 380), theme)
        if name is not None:
            panel = panel.properties(
                title=alt.TitleParams(text=str(name), fontSize=11, anchor="start", offset=4)
            )
        panels.append(panel)
    rows = [
        in_row(*panels[i : i + per_row], spacing=_GAP + _LEFT, bounds="flush")
        for i in range(0, len(panels), per_row)
    ]
    words = f"{percent(float(means['coverage'].iloc[0]))} interval"
    soft = ink(theme)["soft"]
    item = (
        Keyed("band", words, {"color": soft, "opacity": 0.2})
        if is_number
        else Keyed("line", words, {"color": soft, "strokeWidth": 1.8})
    )
    rows.append(mark_key([item], width=inner() - _LEFT, theme=theme))
    chart = data.give(in_column(*rows, spacing=14)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _colour(series: Sequence[str]) -> dict[str, Any]:
    """Colour and shape of series; a single one has those of a mode."""
    if not series:
        return {"color": alt.ColorValue(COLOURS["mode"])}
    palette = [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(series))]
    legend = alt.Legend(
        title=None, orient="bottom", direction="horizontal", symbolSize=60, symbolOpacity=1
    )
    scale = alt.Scale(domain=list(series), range=palette)
    return {"color": alt.Color(field="series", type="nominal", scale=scale, legend=legend)}


def _shape(series: Sequence[str]) -> dict[str, Any]:
    if not series:
        return {}
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(series))]
    legend = alt.Legend(
        title=None, orient="bottom", direction="horizontal", symbolSize=60, symbolOpacity=1
    )
    scale = alt.Scale(domain=list(series), range=shapes)
    return {"shape": alt.Shape(field="series", type="nominal", scale=scale, legend=legend)}


def _tips(variable: str, *, is_number: bool) -> list[alt.Tooltip]:
    own = (
        alt.Tooltip(field="value", type="quantitative", title=variable, format=".4~g")
        if is_number
        else alt.Tooltip(field="level", type="nominal", title=variable)
    )
    numbers = (
        ("mean", "mean"), ("std_error", "standard error"), ("df", "degrees of freedom"),
        ("lower", "lower"), ("upper", "upper"),
    )  # fmt: skip
    return [
        own,
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
            for field, words in numbers
        ),
    ]


def _levels(
    data: Datasets,
    own: pd.DataFrame,
    series: Sequence[str],
    frame: tuple[float, float],
    width: int,
    theme: str,
) -> Any:
    """A row for each level, series above one another within it."""
    levels = list(dict.fromkeys(own["level"]))
    step = max(_ROW, _SERIES * len(series) + 6)
    scale = alt.Scale(domain=list(frame), nice=False, zero=False)
    axis = alt.Axis(title=variable_title(str(own["response"].iloc[0])), tickCount=4, domain=False)
    y: dict[str, Any] = {
        "y": alt.Y(
            field="level",
            type="nominal",
            sort=None,
            scale=alt.Scale(domain=levels),
            axis=alt.Axis(
                title=str(own["variable"].iloc[0]), ticks=False, domain=False, labelLimit=120
            ),
        )
    }
    if series:
        y["yOffset"] = alt.YOffset(
            field="series", type="nominal", sort=None, scale=alt.Scale(domain=list(series))
        )
    told = own[own["mean"].notna()]
    base = data.chart(told)
    bars = base.mark_rule(strokeWidth=1.8, aria=False).encode(
        x=alt.X(field="lower", type="quantitative", scale=scale, axis=axis),
        x2=alt.X2(field="upper"),
        **y,
        **_colour(series),
    )
    points = base.mark_point(filled=True, size=46, opacity=1, aria=False).encode(
        x=alt.X(field="mean", type="quantitative", scale=scale, axis=axis),
        tooltip=_tips(str(own["variable"].iloc[0]), is_number=False),
        **y,
        **_colour(series),
        **_shape(series),
    )
    del theme
    return layered(bars, points, width=width, height=step * len(levels))


def _along(
    data: Datasets,
    own: pd.DataFrame,
    series: Sequence[str],
    frame: tuple[float, float],
    width: int,
    theme: str,
) -> Any:
    """A line over the values of a number, with the interval as a band."""
    values = own["value"]
    x = alt.X(
        field="value",
        type="quantitative",
        scale=alt.Scale(domain=[values.min(), values.max()], nice=False, zero=False),
        axis=alt.Axis(title=variable_title(str(own["variable"].iloc[0])), tickCount=5),
    )
    scale = alt.Scale(domain=list(frame), nice=False, zero=False)
    axis = alt.Axis(title=variable_title(str(own["response"].iloc[0])), tickCount=4)
    base = data.chart(own[own["mean"].notna()])
    opacity = 0.18 if theme == "light" else 0.25
    band = base.mark_area(opacity=opacity, aria=False).encode(
        x=x,
        y=alt.Y(field="lower", type="quantitative", scale=scale, axis=axis),
        y2=alt.Y2(field="upper"),
        **_colour(series),
    )
    line = base.mark_line(strokeWidth=1.8, aria=False).encode(
        x=x,
        y=alt.Y(field="mean", type="quantitative", scale=scale, axis=axis),
        **_colour(series),
    )
    points = base.mark_point(filled=True, size=26, opacity=1, aria=False).encode(
        x=x,
        y=alt.Y(field="mean", type="quantitative", scale=scale, axis=axis),
        tooltip=_tips(str(own["variable"].iloc[0]), is_number=True),
        **_colour(series),
        **_shape(series),
    )
    edge = ink(theme)["grid"]
    return layered(band, line, points, width=width, height=_HEIGHT).properties(
        view=alt.ViewConfig(stroke=edge)
    )
