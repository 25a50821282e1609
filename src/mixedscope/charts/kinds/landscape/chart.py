"""The landscape an optimiser moved in: contours of the objective with the points it visited.

One panel for every pair of parameters, in a triangle; a curve for a model of one parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import counted, number
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.landscape.key import MARKS, band_colours, key
from mixedscope.charts.kinds.landscape.options import LandscapeOptions
from mixedscope.charts.kinds.landscape.words import (
    landscape_caption,
    landscape_title,
    parameter_words,
)
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["landscape_chart"]

#: Room of an axis with its title, left of the first column.
_AXIS: Final = 62
_GAP: Final = 10
#: Largest side of a panel, and what a panel measures up in terms of across.
_ASPECT: Final = 0.88
_TALLEST: Final = 300
#: Points of evaluations drawn in one chart; the best points so far are always drawn.
_MOST: Final = 3000
#: The contour that bounds a likelihood region of two parameters, and how it is drawn.
_REGION: Final = 5.99
_REGION_WORDS: Final = "5.99: a region of 95\u00a0%"
_BOLD: Final = 1.1
#: A bound, and the paper over what lies beyond it.
_BOUND: Final[dict[str, Any]] = {"strokeDash": [4, 2], "strokeWidth": 0.9}
_VEIL: Final = 0.6
#: Fields of a rectangle, and the end of the range each stands for.
_CORNERS: Final = {"x": "low", "x2": "high", "y": "low", "y2": "high"}


@drawn_with(LandscapeOptions)
def landscape_chart(
    tables: Sequence[FitTables], *, options: LandscapeOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the objective around the path of the optimiser of one fit."""
    if len(tables) != 1:
        raise ModelError(
            f"A landscape is that of one fit, not of {len(tables)}: every model has its own "
            "parameters. Draw one chart per fit."
        )
    fit = tables[0]
    colours = ink(theme)
    data = Datasets()
    panels = fit.require("landscape_panels").sort_values("panel")
    points = fit.require("landscape_points")
    title = landscape_title(fit)
    caption = landscape_caption(fit)
    marks = _occurring(points)
    if panels["y_name"].isna().all():
        body = _curve(data, fit, panels.iloc[0], theme)
        levels: list[float] = []
    else:
        outlines = fit.require("landscape_outlines")
        levels = sorted(outlines.loc[outlines["kind"] == "line", "level"].unique().tolist())
        body = _triangle(data, fit, panels, outlines, levels, theme)
    legend = key(data, levels, marks, width=inner() - _AXIS, theme=theme)
    lines = _lines(panels, levels, theme)
    below = [mark_key(lines, width=inner() - _AXIS, theme=theme)] if lines else []
    chart = data.give(in_column(body, legend, *below, spacing=8)).properties(
        title=alt.TitleParams(
            text=title_lines(title, headline()),
            subtitle=_subtitle(fit),
            subtitleColor=colours["soft"],
        )
    )
    return chart, title, caption


def _lines(panels: pd.DataFrame, levels: Sequence[float], theme: str) -> list[Keyed]:
    """What the bold contour, dashed lines and veils are, where there are any."""
    colours = ink(theme)
    found = []
    if _REGION in levels:
        found.append(Keyed("line", _REGION_WORDS, {"stroke": colours["ink"], "strokeWidth": _BOLD}))
    if any(_is_inside(panel, letter) for _, panel in panels.iterrows() for letter in "xy"):
        veil = {"fill": band_colours(len(levels), theme)[-1], "opacity": 1 - _VEIL}
        found.append(Keyed("line", "bound of a parameter", {"stroke": colours["ink"], **_BOUND}))
        if levels:  # On a curve there is nothing to veil but lines.
            found.append(Keyed("band", "beyond it: the other sign", veil))
    return found


def _is_inside(panel: pd.Series, letter: str) -> bool:
    """Whether the bound of a parameter lies in a panel; one at the edge needs no line."""
    low, bound = panel[f"{letter}_low"], panel[f"{letter}_bound"]
    return bool(math.isfinite(bound) and low < bound <= panel[f"{letter}_high"])


def _subtitle(fit: FitTables) -> list[str]:
    info = fit.info
    evaluations = len(fit.require("trace"))
    return [
        f"{structure_label(info)}, {info['optimizer']['name']}, {counted(evaluations)}; "
        f"verdict: {(info.get('certificate') or {}).get('verdict') or 'not examined'}"
    ]


def _occurring(points: pd.DataFrame) -> list[str]:
    """Kinds of marks that the chart has, in the order of the key."""
    kinds = set(points.loc[points["inside"], "kind"])
    stages = set(points.loc[points["kind"] == "evaluation", "stage"])
    found = {"evaluation", "best", "start", *(kinds - {"evaluation"})}
    found |= {stage if stage in MARKS else "polish" for stage in stages - {"search"}}
    return [kind for kind in MARKS if kind in found]


# -- planes ---------------------------------------------------------------------------------------


def _triangle(
    data: Datasets,
    fit: FitTables,
    panels: pd.DataFrame,
    outlines: pd.DataFrame,
    levels: list[float],
    theme: str,
) -> Any:
    """Panels in a triangle where they are all pairs of some parameters, in rows otherwise."""
    rows = _rows(panels)
    columns = max(len(row) for row in rows)
    width = (inner() - _AXIS - _GAP * (columns - 1)) // columns
    height = min(round(width * _ASPECT), _TALLEST)
    points = _thinned(fit.require("landscape_points"))
    triangle = len(rows) == 1 or len(rows[0]) < len(rows[-1])
    built = []
    for at_row, row in enumerate(rows):
        cells = []
        for place, panel in enumerate(row):
            own = panel["panel"]
            cells.append(
                _plane(
                    data,
                    panel,
                    outlines[outlines["panel"] == own],
                    points[points["panel"] == own],
                    levels,
                    theme,
                    labels=(
                        not triangle or at_row == len(rows) - 1,
                        not triangle or place == 0,
                    ),
                ).properties(width=width, height=height)
            )
        built.append(in_row(*cells, spacing=_GAP))
    return in_column(*built, spacing=_GAP)


def _rows(panels: pd.DataFrame) -> list[list[Any]]:
    """Arrange panels: a row per y where they make a triangle, else three in a row."""
    records = [row for _, row in panels.iterrows()]
    names = list(dict.fromkeys([*panels["x_name"], *panels["y_name"]]))
    wanted = [(x, y) for i, x in enumerate(names) for y in names[i + 1 :]]
    if [(r["x_name"], r["y_name"]) for r in records] == wanted:
        return [[r for r in records if r["y_name"] == name] for name in names[1:]]
    return [records[i : i + 2] for i in range(0, len(records), 2)]


def _thinned(points: pd.DataFrame) -> pd.DataFrame:
    """Every k-th evaluation beside the best so far, where there are too many."""
    drawn = points[points["inside"]]
    every = math.ceil(len(drawn) / _MOST)
    if every == 1:
        return drawn
    plain = (drawn["kind"] == "evaluation") & ~drawn["improved"] & (drawn["stage"] == "search")
    return drawn[~plain | (drawn["evaluation"] % every == 0)]


def _plane(
    data: Datasets,
    panel: pd.Series,
    outlines: pd.DataFrame,
    points: pd.DataFrame,
    levels: list[float],
    theme: str,
    *,
    labels: tuple[bool, bool],
) -> Any:
    colours = ink(theme)
    bands = band_colours(len(levels), theme)
    x = _axis(panel, "x", shown=labels[0])
    y = _axis(panel, "y", shown=labels[1])
    layers = []
    ground = [{key: panel[f"{key[0]}_{end}"] for key, end in _CORNERS.items()}]
    layers.append(
        data.chart(ground)
        .mark_rect(fill=bands[-1], aria=False, clip=True)
        .encode(x=x("x"), x2=alt.X2("x2:Q"), y=y("y"), y2=alt.Y2("y2:Q"))
    )
    for level in reversed(levels):
        own = outlines[outlines["level"] == level]
        regions = own[own["kind"] == "region"]
        if len(regions):
            layers.append(
                _paths(
                    data, regions, x, y, filled=True, fill=bands[levels.index(level)], strokeWidth=0
                )
            )
    for level in levels:
        lines = outlines[(outlines["level"] == level) & (outlines["kind"] == "line")]
        if len(lines):
            bold = level == _REGION
            layers.append(
                _paths(
                    data,
                    lines,
                    x,
                    y,
                    stroke=colours["ink"] if bold else colours["soft"],
                    strokeWidth=_BOLD if bold else 0.5,
                )
            )
    layers += _beyond(data, panel, x, y, theme)
    layers += _visited(data, points, x, y, theme)
    return layered(*layers)


def _paths(data: Datasets, frame: pd.DataFrame, x: Any, y: Any, **mark: Any) -> alt.Chart:
    return (
        data.chart(frame[["part", "vertex", "x", "y"]])
        .mark_line(aria=False, clip=True, interpolate="linear", **mark)
        .encode(x=x("x"), y=y("y"), detail=alt.Detail("part:N"), order=alt.Order("vertex:Q"))
    )


def _beyond(data: Datasets, panel: pd.Series, x: Any, y: Any, theme: str) -> list[Any]:
    """The bounds as lines, and a veil over what lies beyond them: the mirror image."""
    colours = ink(theme)
    layers: list[Any] = []
    for letter in "xy":
        if not _is_inside(panel, letter):
            continue
        bound = panel[f"{letter}_bound"]
        span = {key: panel[f"{key[0]}_{end}"] for key, end in _CORNERS.items()}
        span[f"{letter}2"] = bound
        frame = pd.DataFrame([span | {"bound": bound}])
        layers.append(
            data.chart(frame)
            .mark_rect(fill=colours["paper"], opacity=_VEIL, aria=False, clip=True)
            .encode(x=x("x"), x2=alt.X2("x2:Q"), y=y("y"), y2=alt.Y2("y2:Q"))
        )
        at = {letter: (x if letter == "x" else y)("bound")}
        layers.append(
            data.chart(frame).mark_rule(stroke=colours["ink"], aria=False, **_BOUND).encode(**at)
        )
    return layers


def _visited(
    data: Datasets, points: pd.DataFrame, x: Any, y: Any, theme: str, *, joined: bool = True
) -> list[Any]:
    """Trials, the path of the best, where it began, and points that matter."""
    tried = points[points["kind"] == "evaluation"]
    best = tried[tried["improved"]]
    tooltip = [
        alt.Tooltip("evaluation:Q"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("x:Q", format=".5~g"),
        alt.Tooltip("y:Q", format=".5~g"),
        alt.Tooltip("gap:Q", title="objective − minimum", format=".3~g"),
    ]
    layers: list[Any] = []

    def draw(rows: pd.DataFrame, kind: str) -> None:
        if len(rows):
            layers.append(
                data.chart(rows[["evaluation", "stage", "x", "y", "gap"]])
                .mark_point(aria=False, clip=True, **MARKS[kind].settings(theme))
                .encode(x=x("x"), y=y("y"), tooltip=tooltip)
            )

    searched = tried["stage"] == "search"
    draw(tried[searched & ~tried["improved"]], "evaluation")
    if joined and len(best) > 1:
        layers.append(
            data.chart(best[["evaluation", "x", "y"]])
            .mark_line(stroke=COLOURS["best"], strokeWidth=1.2, aria=False, clip=True)
            .encode(x=x("x"), y=y("y"), order=alt.Order("evaluation:Q"))
        )
    draw(best[best["stage"] == "search"], "best")
    for stage in dict.fromkeys(tried.loc[~searched, "stage"]):
        draw(tried[tried["stage"] == stage], stage if stage in MARKS else "polish")
    draw(tried[tried["evaluation"] == 1], "start")
    for kind in ("saddle", "hilltop", "optimum"):
        draw(points[points["kind"] == kind], kind)
    return layers


# -- a curve --------------------------------------------------------------------------------------


def _curve(data: Datasets, fit: FitTables, panel: pd.Series, theme: str) -> Any:
    """The objective of the only parameter, with the interval below the level of 95 %."""
    colours = ink(theme)
    grid = fit.require("landscape")
    points = fit.require("landscape_points")
    points = points[points["inside"]].assign(y=points["gap"])
    best = points.loc[points["improved"], "gap"]
    top = 1.06 * max(12.0, float(best.max()) if len(best) else 0.0)
    x = _axis(panel, "x", shown=True)

    def y(field: str) -> alt.Y:
        return alt.Y(
            f"{field}:Q",
            scale=alt.Scale(domain=[-0.04 * top, top], nice=False),
            axis=alt.Axis(title="objective − minimum", tickCount=6, minExtent=_AXIS - 24),
        )

    shown = grid[grid["gap"].notna()]
    line = (
        data.chart(shown[["x", "gap"]])
        .mark_line(stroke=colours["ink"], strokeWidth=1.4, aria=False, clip=True)
        .encode(x=x("x"), y=y("gap"))
    )
    layers = [line, *_interval(data, fit, panel, x, y, colours)]
    span = pd.Series({**panel.to_dict(), "y_low": -0.04 * top, "y_high": top, "y_bound": math.nan})
    layers += _beyond(data, span, x, y, theme)
    layers += _visited(data, points, x, y, theme, joined=False)
    return layered(*layers).properties(width=inner() - _AXIS, height=230)


def _interval(
    data: Datasets, fit: FitTables, panel: pd.Series, x: Any, y: Any, colours: dict[str, str]
) -> list[Any]:
    outlines = fit.require("landscape_outlines")
    low = (
        max(panel["x_low"], panel["x_bound"]) if math.isfinite(panel["x_bound"]) else panel["x_low"]
    )
    layers = []
    for level in sorted(outlines["level"].unique().tolist()):
        at = outlines.loc[outlines["level"] == level, "x"].to_numpy()
        ends = at[at >= low]
        ends = [low, ends[0]] if len(ends) == 1 else [ends.min(), ends.max()] if len(ends) else []
        if len(ends) != 2:
            continue
        frame = pd.DataFrame([{"x": ends[0], "x2": ends[1], "y": level}])
        frame["text"] = f"95\u00a0% likelihood interval: gap up to {number(level)}"
        layers.append(
            data.chart(frame)
            .mark_rule(stroke=COLOURS["mode"], strokeWidth=2, aria=False)
            .encode(x=x("x"), x2=alt.X2("x2:Q"), y=y("y"))
        )
        layers.append(
            data.chart(frame)
            .mark_text(
                align="left",
                baseline="bottom",
                dx=4,
                dy=-3,
                fontSize=10,
                fill=colours["ink"],
                aria=False,
            )
            .encode(x=x("x"), y=y("y"), text=alt.Text("text:N"))
        )
    return layers


# -- details --------------------------------------------------------------------------------------


def _axis(panel: pd.Series, letter: str, *, shown: bool) -> Any:
    """Encoding of one axis of a panel, as a function of the field."""
    kind, group, name = (panel[f"{letter}_{part}"] for part in ("kind", "group", "name"))
    settings: dict[str, Any] = {
        "title": parameter_words(kind, group, name) if shown else None,
        "labels": shown,
        "ticks": shown,
        "tickCount": 4,
        "grid": False,
        "labelFlush": letter == "x",
        "zindex": 1,
    }
    if letter == "y" and shown:
        # The same room for the labels of every row, so that columns stand above one another.
        settings |= {"minExtent": 30, "maxExtent": 30}
    encode = alt.X if letter == "x" else alt.Y
    domain = [float(f"{panel[f'{letter}_{end}']:.6g}") for end in ("low", "high")]

    def encoding(field: str) -> Any:
        return encode(
            f"{field}:Q",
            scale=alt.Scale(domain=domain, nice=False, zero=False),
            axis=alt.Axis(**settings),
        )

    return encoding
