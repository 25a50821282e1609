"""A race of optimisers: how fast each came down, and where each ended, before and after polishing.

A small panel per entrant, its runs before those of all others, and below a line per entrant with
how far its searches and its runs ended from the best of all, and how long that took.
"""

from __future__ import annotations

import math
import textwrap
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import in_column, in_grid, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.gaps import power_labels, smallest_gap
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import told_gap
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.probe_band import probe_band, probe_key
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.race.options import RaceOptions
from mixedscope.charts.kinds.race.words import (
    ARRIVED,
    CLOSE,
    probe_error_of,
    race_caption,
    race_title,
    spent_to_close,
)
from mixedscope.core.errors import ModelError

__all__ = ["race_chart"]

#: Room for the names of entrants, left of everything.
_AXIS: Final = 100
_GAP: Final = 10
#: What the lower panel shows, and in how many lines on a narrow sheet.
_ENDS: Final = ["objective − best where", "search and run ended"]
_ABOVE: Final[dict[bool, str | list[str]]] = {
    False: "objective − best",
    True: ["objective", "− best"],
}
_HEIGHT: Final = 105
#: A search that ended at no optimum: two strokes that cross.
_ASTRAY: Final = "M-.8,-.8L.8,.8M-.8,.8L.8,-.8"
#: Rings where searches ended, and lines of the usual start, of others and at what is close.
_RING: Final[dict[str, Any]] = {
    "filled": False,
    "size": 50,
    "strokeWidth": 1.2,
    "shape": "circle",
    "opacity": 1,
}
_WIDTHS: Final = {True: 1.8, False: 0.8}
_OTHERS: Final = Style({"strokeWidth": 0.8}, stroke="observations")
_CLOSE: Final[dict[str, Any]] = {"strokeDash": [3, 2], "strokeWidth": 0.8}
_X_TITLES: Final = {
    "evaluation": "evaluations",
    "seconds": "seconds",
}
#: Verdicts by shape; the colour is that of the stage.
_SHAPES: Final = {
    "optimum": "circle",
    "boundary optimum": "square",
    "saddle": "triangle-down",
    "not converged": "cross",
}


@drawn_with(RaceOptions)
def race_chart(
    race: pd.DataFrame,
    ends: pd.DataFrame,
    timing: pd.DataFrame | None = None,
    *,
    options: RaceOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw a race, of the tables ``race``, ``race_ends`` and perhaps ``race_timing``.

    Without the last the picture holds no seconds and is the same for every run.
    """
    x = options.x
    if x == "seconds" and timing is None:
        raise ModelError("A race along seconds needs the table race_timing: give it as timing.")
    colours = ink(theme)
    data = Datasets(digits=4, exact=("objective",))
    floor = smallest_gap(race["objective"])
    runs = _runs(race, timing, floor, x)
    entrants = list(dict.fromkeys(ends["entrant"]))
    low, high = _decade(runs["x"].min(), down=True), _decade(runs["x"].max())
    top = _decade(max(float(runs["gap"].max()), 10 * floor))
    # Rows without empty places, where numbers allow.
    columns = len(entrants) if len(entrants) <= 5 else 4 if len(entrants) in (7, 8) else 3
    columns = min(columns, 3) if is_narrow() else columns
    width = (inner() - _AXIS - _GAP * (columns - 1)) // columns
    finish = _finishes(ends, runs, floor)
    unsure = probe_error_of(ends).above
    panels = [
        _panel(
            data,
            entrant,
            runs,
            finish,
            ends,
            ((low, high), (floor, top)),
            x,
            (unsure, theme),
            first=i % columns == 0,
            last=i + columns >= len(entrants),
            short=columns > 4,
        ).properties(width=width, height=_HEIGHT)
        for i, entrant in enumerate(entrants)
    ]
    above = in_grid(*panels, columns=columns, spacing=_GAP)
    close = spent_to_close(race, None, "evaluation") if timing is None else None
    below = _ends_chart(data, entrants, finish, (timing, close), (floor, top), (unsure, theme))
    keyed = [*_key(runs, finish, colours), *[probe_key(theme)] * (unsure > floor)]
    marks = mark_key(keyed, width=inner() - _AXIS, theme=theme)
    chart = in_column(above, below, marks, spacing=12).resolve_legend(shape="shared")
    title = race_title(race, ends, timing, x=x)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    caption = race_caption(race, ends, floor=floor, x=x, timed=timing is not None)
    return chart, title, caption


def _key(runs: pd.DataFrame, finish: pd.DataFrame, colours: dict[str, str]) -> list[Keyed]:
    """The marks that occur, and what they mean."""
    blue, pink = COLOURS["best"], COLOURS["polish"]
    items = [Keyed("line", "from the usual start", {"stroke": blue, "strokeWidth": _WIDTHS[True]})]
    if (runs["start"] > 0).any():
        thin = {"stroke": blue, "strokeWidth": _WIDTHS[False]}
        items.append(Keyed("line", "from random starts", thin))
    if runs["entrant"].nunique() > 1:
        items.append(Keyed("line", "other entrants", _OTHERS))
    if not runs["search"].all():
        items.append(Keyed("line", "after the search", {"stroke": pink, "strokeWidth": 1.2}))
    arrived = finish.loc[finish["point"] == "search", "verdict"].isin(ARRIVED)
    if arrived.any():
        items.append(Keyed("point", "search ended at an optimum", _RING | {"stroke": blue}))
    if not arrived.all():
        red = COLOURS["failed"]
        items.append(
            Keyed("point", "search ended uncertified", _RING | {"shape": _ASTRAY, "stroke": red})
        )
    near = {"stroke": colours["soft"], **_CLOSE}
    return [*items, Keyed("upright", f"{told_gap(CLOSE, 1)} above the best", near)]


# -- tables behind the picture --------------------------------------------------------------------


def _decade(value: float, *, down: bool = False) -> float:
    power = math.log10(value)
    return 10.0 ** (math.floor(power + 1e-9) if down else math.ceil(power - 1e-9))


def _runs(race: pd.DataFrame, timing: pd.DataFrame | None, floor: float, x: str) -> pd.DataFrame:
    """The steps of the best so far of every run, and the ends of its stages."""
    keys = ["entrant", "start"]
    if timing is None:
        frame = race.assign(seconds=np.nan)
    else:
        frame = race.merge(timing, on=[*keys, "evaluation"], how="left", validate="one_to_one")
    frame["seconds"] = frame.groupby(keys, sort=False)["seconds"].cumsum()
    frame["x"] = frame["evaluation"].astype(float) if x == "evaluation" else frame["seconds"]
    frame = frame[frame["gap"].notna()].assign(gap=frame["gap"].clip(lower=floor))
    search = frame["stage"] == "search"
    new = frame["gap"] != frame.groupby(keys, sort=False)["gap"].shift()
    group = frame.groupby([*keys, search.rename("search")], sort=False)
    edge = (group.cumcount() == 0) | (group.cumcount(ascending=False) == 0)
    kept = frame[new | edge].assign(search=search[new | edge])
    return kept[[*keys, "evaluation", "seconds", "search", "x", "gap"]].reset_index(drop=True)


def _finishes(ends: pd.DataFrame, runs: pd.DataFrame, floor: float) -> pd.DataFrame:
    """Where searches and runs ended, with where that is in the panels."""
    at = runs[["entrant", "start", "evaluation", "x", "seconds"]].rename(
        columns={"evaluation": "evaluations"}
    )
    table = ends[
        [
            *("entrant", "start", "point", "evaluations", "objective", "gap", "verdict"),
            *("newton_decrement", "distance", "message"),
        ]
    ].assign(shown=ends["gap"].clip(lower=floor))
    return table.merge(at, on=["entrant", "start", "evaluations"], how="left")


# -- panels ---------------------------------------------------------------------------------------


def _panel(
    data: Datasets,
    entrant: str,
    runs: pd.DataFrame,
    finish: pd.DataFrame,
    ends: pd.DataFrame,
    spans: tuple[tuple[float, float], tuple[float, float]],
    name: str,
    look: tuple[float, str],
    *,
    first: bool,
    last: bool,
    short: bool,
) -> Any:
    (low, high), (floor, top) = spans
    unsure, theme = look
    colours = ink(theme)
    title = _X_TITLES[name] if last else None
    x = _log("X", "x", (low, high), title, most=3 if short else 4)
    above = _ABOVE[is_narrow()] if first else None
    y = _log("Y", "gap", (floor / 2, top), above, labels=first)
    own = runs[runs["entrant"] == entrant]
    # All runs, and its own before them: one table for all panels.
    layers = probe_band(unsure, floor / 2, "gap", y, theme)
    layers += [_steps(data, runs, x, y, **_OTHERS)]
    polished = own[~own["search"] | (own["search"] != own["search"].shift(-1))]
    polished = polished[polished.groupby("start")["start"].transform("size") > 1]
    for bold in (False, True):
        width = _WIDTHS[bold]
        part = own[own["search"] & ((own["start"] == 0) == bold)]
        if len(part):
            layers.append(_steps(data, part, x, y, stroke=COLOURS["best"], strokeWidth=width))
        part = polished[(polished["start"] == 0) == bold]
        if len(part):
            layers.append(_steps(data, part, x, y, stroke=COLOURS["polish"], strokeWidth=width))
    mine = finish[finish["entrant"] == entrant].assign(gap=lambda f: f["shown"])
    layers += _end_marks(data, mine, x, y, _shape(ends), colours)
    settings = ends.loc[ends["entrant"] == entrant, "settings"].iloc[0]
    optimizer = str(ends.loc[ends["entrant"] == entrant, "optimizer"].iloc[0])
    words = [optimizer] * (optimizer != entrant) + [settings] * isinstance(settings, str)
    told = (ends["settings"].notna() | (ends["entrant"] != ends["optimizer"])).any()
    return layered(*layers).properties(
        title=alt.TitleParams(
            text=entrant,
            subtitle=(_lines(words, short) if told else []),
            fontSize=11,
            subtitleFontSize=9,
            anchor="start",
            frame="group",
            offset=3,
        )
    )


def _lines(words: list[str], short: bool) -> list[str]:
    """Two lines below the name of an entrant: a longer one would push panels apart."""
    lines = textwrap.wrap(", ".join(words), 20 if short else 34, max_lines=2, placeholder=" \u2026")
    return [*lines, " ", " "][:2]


def _steps(data: Datasets, frame: pd.DataFrame, x: Any, y: Any, **mark: Any) -> alt.Chart:
    rows = frame[["entrant", "start", "x", "gap"]].assign(
        run=frame["entrant"] + " " + frame["start"].astype(str)
    )
    return (
        data.chart(rows[["run", "x", "gap"]])
        .mark_line(interpolate="step-after", aria=False, clip=True, **mark)
        .encode(x=x, y=y, detail=alt.Detail("run:N"))
    )


def _end_marks(
    data: Datasets, frame: pd.DataFrame, x: Any, y: Any, shape: alt.Shape, colours: dict[str, str]
) -> list[Any]:
    """A ring where a search ended, a mark by verdict where all ended."""
    shown = frame[
        ["entrant", "start", "point", "evaluations", "x", "gap", "verdict", "objective", "message"]
    ]
    tooltip = [
        alt.Tooltip("entrant:N"),
        alt.Tooltip("start:Q"),
        alt.Tooltip("point:N", title="end of"),
        alt.Tooltip("evaluations:Q"),
        alt.Tooltip("objective:Q", format=".7f"),
        alt.Tooltip("gap:Q", format=".2~g"),
        alt.Tooltip("verdict:N"),
        alt.Tooltip("message:N"),
    ]
    search, last = shown[shown["point"] == "search"], shown[shown["point"] == "end"]
    arrived = search["verdict"].isin(ARRIVED)
    rings = [
        data.chart(rows)
        .mark_point(stroke=colour, aria=False, **{**_RING, "shape": shaped})
        .encode(x=x, y=y, tooltip=tooltip)
        for rows, shaped, colour in (
            (search[arrived], "circle", COLOURS["best"]),
            (search[~arrived], _ASTRAY, COLOURS["failed"]),
        )
        if len(rows)
    ]
    return [
        data.chart(last)
        .mark_point(filled=True, size=24, opacity=1, color=colours["ink"], aria=False)
        .encode(x=x, y=y, shape=shape, tooltip=tooltip),
        *rings,
    ]


def _shape(ends: pd.DataFrame) -> alt.Shape:
    """Shapes of the verdicts that occur at an end."""
    occur = set(ends.loc[ends["point"] == "end", "verdict"])
    shapes = {verdict: shape for verdict, shape in _SHAPES.items() if verdict in occur}
    return alt.Shape(
        "verdict:N",
        scale=alt.Scale(domain=list(shapes), range=list(shapes.values())),
        legend=alt.Legend(
            title="verdict at the end:",
            titleOrient="left",
            orient="bottom",
            direction="horizontal",
        ),
    )


# -- where each ended -----------------------------------------------------------------------------


def _ends_chart(
    data: Datasets,
    entrants: list[str],
    finish: pd.DataFrame,
    spent: tuple[pd.DataFrame | None, pd.Series | None],
    span: tuple[float, float],
    look: tuple[float, str],
) -> Any:
    """A row per entrant: where searches and runs ended, and what they took.

    ``spent``: seconds of evaluations, or else evaluations of runs until they came close.
    """
    unsure, theme = look
    colours = ink(theme)
    width = inner() - _AXIS
    left = round(width * 0.55)
    gaps = finish.assign(gap=finish["shown"])
    y = alt.Y(
        "entrant:N",
        sort=entrants,
        scale=alt.Scale(type="point", padding=0.5),
        axis=alt.Axis(title=None, grid=False, domain=False, ticks=False, labelLimit=_AXIS - 8),
    )
    highest = _decade(max(float(finish["shown"].max()), CLOSE * 10, unsure))
    x = _log("X", "gap", (span[0] / 2, highest), _ENDS, most=3 if is_narrow() else 4)
    joined = (
        data.chart(gaps)
        .mark_line(stroke=COLOURS["polish"], strokeWidth=0.8, aria=False)
        .encode(x=x, y=y, detail=[alt.Detail("entrant:N"), alt.Detail("start:Q")])
    )
    limit = (
        data.chart([{"gap": CLOSE}])
        .mark_rule(stroke=colours["soft"], aria=False, **_CLOSE)
        .encode(x=x)
    )
    lines = data.chart([{"entrant": entrant} for entrant in entrants]).mark_rule(
        stroke=colours["grid"], strokeWidth=0.8, aria=False
    )
    first = layered(
        *probe_band(unsure, span[0] / 2, "gap", x, theme),
        lines.encode(y=y),
        limit,
        joined,
        *_end_marks(data, gaps.assign(x=gaps["gap"]), x, y, _shape(finish), colours),
    )
    height = 17 * len(entrants)
    timing, close = spent
    if timing is not None:
        name, title = "seconds", ["seconds", "of a whole run"]
        sums = timing.groupby(["entrant", "start"], sort=False)[name].sum()
    elif close is not None and len(close):
        name, title = "evaluations", ["evaluations to within", f"{told_gap(CLOSE, 1)} of the best"]
        sums = close.rename(name)
    else:
        return first.properties(width=width, height=height)
    total = sums.reset_index()
    ends = (_decade(float(sums.min()), down=True), _decade(float(sums.max())))
    x2 = _log("X", name, ends, title, most=3 if is_narrow() else 4)
    bare = alt.Y("entrant:N", sort=entrants, scale=alt.Scale(type="point", padding=0.5), axis=None)
    second = (
        data.chart(total)
        .mark_tick(color=COLOURS["best"], thickness=1.5, size=9, aria=False)
        .encode(
            x=x2,
            y=bare,
            tooltip=[alt.Tooltip("entrant:N"), alt.Tooltip("start:Q"), alt.Tooltip(f"{name}:Q")],
        )
    )
    return in_row(
        first.properties(width=left, height=height),
        layered(lines.encode(y=bare), second).properties(width=width - left - _GAP, height=height),
        spacing=_GAP,
    )


# -- details --------------------------------------------------------------------------------------


def _log(
    channel: str,
    field: str,
    domain: tuple[float, float],
    title: str | list[str] | None,
    *,
    labels: bool = True,
    most: int = 4,
) -> Any:
    """Encoding on a log scale with powers of ten that can be read."""
    low, high = (math.log10(v) for v in domain)
    exponents = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    every = max(1, -(-len(exponents) // most))
    shown = [e for e in exponents if (e - exponents[0]) % every == 0]
    axis = alt.Axis(
        title=title,
        values=[10.0**e for e in shown],
        labels=labels,
        ticks=labels,
        # Numbers stand at their ticks, also at the ends.
        labelFlush=False,
        grid=channel == "X" and field == "gap",
        labelExpr=power_labels(exponents),
        zindex=0,
    )
    encode = alt.X if channel == "X" else alt.Y
    ends = list(domain)
    if channel == "X":  # room for marks at the ends
        stretch = (domain[1] / domain[0]) ** 0.02
        ends = [domain[0] / stretch, domain[1] * stretch]
    return encode(f"{field}:Q", scale=alt.Scale(type="log", domain=ends, nice=False), axis=axis)
