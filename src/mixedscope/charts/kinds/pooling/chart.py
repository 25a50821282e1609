"""Pooling: conditional modes from complete to no pooling, and where the fit stands.

Above, one line per level for every term; below, for simulated data, the squared error against the
true random effects with its two parts, bias² and variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import key_row
from mixedscope.charts.common.link_scale import of_scale
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.panels import rounded
from mixedscope.charts.common.sheet import inner
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.pooling.options import PoolingOptions
from mixedscope.charts.kinds.pooling.words import (
    ZOOM,
    Path,
    least_error,
    pooling_caption,
    pooling_title,
    reference_key,
)
from mixedscope.charts.kinds.shrinkage.levels import number
from mixedscope.tables.store import FitTables

__all__ = ["pooling_chart"]

_AXES: Final = ("edf", "s")
# Labels of a vertical axis, its title, and room between panels.
_LABELS: Final = 38
_TITLE: Final = 35
_GAP: Final = 8
_MOST_COLUMNS: Final = 4
# Values of s at which a line is drawn, and one more at the fit.
_MOST_POINTS: Final = 40
_HEIGHTS: Final = (130, 120)
# The joint limit stands this share of an axis to the right of its end.
_SLOT: Final = 0.07
_LINES: Final = {"mse": [1, 0], "bias2": [6, 2], "variance": [2, 2]}
_NAMES: Final = {"mse": "squared error", "bias2": "bias²", "variance": "variance"}


@drawn_with(PoolingOptions)
def pooling_chart(
    tables: Sequence[FitTables], *, options: PoolingOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw one or more fits from complete to no pooling.

    Of one fit each grouping factor has a row of panels, a panel per term; several fits stand side
    by side, a column each.
    """
    x = options.x
    paths = [Path(fit, tables) for fit in tables]
    groups = list(dict.fromkeys(group for path in paths for group in path.groups))
    palette = {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    rows = _columns_by_fit(paths) if len(paths) > 1 else _rows_by_factor(paths[0])
    style = _Style(x, palette, ink(theme), theme)
    spans = _spans(paths)
    drawn = [_row(row, style, spans) for row in rows]
    has_ends = any(bool(np.isinf(path.modes["s"]).any()) for path in paths)
    key = [
        *([("reference", reference_key(paths))] if has_ends else []),
        ("fit", "the fit"),
        ("zero", "population"),
    ]
    width = inner() - _TITLE - _LABELS
    levels = [
        Keyed("line", f"levels of {group}", {"stroke": palette[group], "strokeWidth": 1})
        for group in groups
    ]
    keys = mark_key(levels, width=width, theme=theme), key_row(key, width=width, theme=theme)
    drawn.append(in_column(*keys, spacing=2))
    if any(path.has_truth for path in paths):
        drawn.append(_error_key(style))
    chart = in_column(*drawn, spacing=10)
    return chart, pooling_title(paths), pooling_caption(paths, x)


@dataclass(frozen=True)
class _Cell:
    """What one panel shows: the paths of a term, or the error of a factor or the fitted values.

    ``opens``, ``last``: whether the panel above it, or below it, has another scale, or none is.
    """

    path: Path
    group: str | None
    term: str | None
    title: list[str]
    error: bool = False
    opens: bool = True
    last: bool = True


@dataclass(frozen=True)
class _Style:
    x: str
    palette: dict[str, str]
    colours: dict[str, str]
    theme: str
    width: int = 0


def _rows_by_factor(path: Path) -> list[list[_Cell | None]]:
    """One fit: a row per factor (more where it has many terms), then one of errors."""
    rows: list[list[_Cell | None]] = []
    single = [group for group in path.groups if len(path.terms(group)) == 1]
    if len(single) == len(path.groups) <= _MOST_COLUMNS:
        # Factors of one term each share a row.
        rows.append(
            [_Cell(path, g, path.terms(g)[0], [f"{g}: {path.terms(g)[0]}"]) for g in single]
        )
    else:
        for group in path.groups:
            cells: list[_Cell | None] = [
                _Cell(path, group, term, [f"{group}: {term}"]) for term in path.terms(group)
            ]
            rows += [cells[i : i + _MOST_COLUMNS] for i in range(0, len(cells), _MOST_COLUMNS)]
    if path.has_truth:
        parts: list[_Cell | None] = [
            _Cell(path, group, None, [f"error of {group}"], error=True) for group in path.groups
        ]
        parts.append(_Cell(path, None, None, ["error of fitted values"], error=True))
        rows += [parts[i : i + _MOST_COLUMNS] for i in range(0, len(parts), _MOST_COLUMNS)]
    return rows


def _columns_by_fit(paths: Sequence[Path]) -> list[list[_Cell | None]]:
    """Several fits: a column each, a row per term, then rows of errors."""
    wanted: dict[tuple[str | None, str | None], None] = {}
    for path in paths:
        wanted |= {(g, term): None for g in path.groups for term in path.terms(g)}
    ordered = sorted(wanted, key=lambda pair: list(wanted).index(pair))
    rows: list[list[_Cell | None]] = []
    for group, term in ordered:
        rows.append(
            [
                _Cell(path, group, term, _heading(path, f"{group}: {term}", first=not rows))
                if group in path.groups and term in path.terms(group)
                else None
                for path in paths
            ]
        )
    if any(path.has_truth for path in paths):
        groups = list(dict.fromkeys(group for group, _ in ordered))
        for group in [*groups, None]:
            title = f"error of {group or 'fitted values'}"
            rows.append(
                [
                    _Cell(path, group, None, [title], error=True)
                    if path.has_truth and group in (*path.groups, None)
                    else None
                    for path in paths
                ]
            )
    # Panels of one factor have one scale: what the fit has on it stands above the first of them,
    # its title below the last.
    for row, under in pairwise(rows):
        for i, (cell, below) in enumerate(zip(row, under, strict=True)):
            if cell and below and below.group == cell.group:
                row[i], under[i] = replace(cell, last=False), replace(below, opens=False)
    return rows


def _heading(path: Path, title: str, *, first: bool) -> list[str]:
    return [structure_label(path.info), title] if first else [title]


def _spans(paths: Sequence[Path]) -> dict[tuple[str, str], tuple[float, float]]:
    """Range of the modes of every term, over all fits, the references included."""
    spans: dict[tuple[str, str], tuple[float, float]] = {}
    for path in paths:
        ends = path.modes.groupby(["group", "term"], sort=False)["mode"].agg(["min", "max"])
        for (group, term), least, most in ends.itertuples():
            low, high = spans.get((group, term), (0.0, 0.0))
            spans[group, term] = (min(low, float(least)), max(high, float(most)))
    return spans


# -- panels ----------------------------------------------------------------------------------------


def _row(
    row: Sequence[_Cell | None],
    style: _Style,
    spans: Mapping[tuple[str, str], tuple[float, float]],
) -> Any:
    """Panels beside one another, as wide as there is room."""
    count = len(row)
    width = (inner() - _TITLE - count * _LABELS - (count - 1) * _GAP) // count
    style = replace(style, width=min(width, 300))
    panels = []
    for i, cell in enumerate(row):
        if cell is None:
            panels.append(_blank(style))
        elif cell.error:
            panels.append(_error_panel(cell, style, first=i == 0))
        else:
            span = spans[cell.group or "", cell.term or ""]
            panels.append(_path_panel(cell, style, span, first=i == 0))
    return in_row(*panels, spacing=_GAP + _LABELS, bounds="flush")


class _Horizontal:
    """The horizontal axis of a panel, and where values of s stand on it."""

    def __init__(self, cell: _Cell, style: _Style) -> None:
        path = cell.path
        self.log = style.x == "s"
        if self.log:
            first, last = float(path.s[1]), float(path.s[-1])
            decades = np.log10(last / first)
            # s = 0 and the joint limit stand beyond the ends.
            self.zero = first / 10 ** (_SLOT * decades)
            self.limit = last * 10 ** (_SLOT * decades)
            self.places = np.where(path.s == 0.0, self.zero, path.s)
            ends = self.zero, self.limit
            ticks = [10.0**e for e in range(-6, 7) if first <= 10.0**e * 1.001 <= last * 1.002]
            self.axis: dict[str, Any] = {"values": ticks, "format": "~g"}
            self.title = "s, multiplying Λ" if cell.last else None
        else:
            self.places = path.edf[cell.group]
            low, high = float(self.places[0]), float(self.places[-1])
            reach = high - low or 1.0
            self.limit = high + _SLOT * reach
            ends = low, self.limit
            self.axis = {"tickCount": 3} if high > low else {"values": [low]}
            self.title = "degrees of freedom" if cell.last else None
        room = 0.03
        if self.log:
            factor = (ends[1] / ends[0]) ** room
            self.domain = [ends[0] / factor, ends[1] * factor]
        else:
            reach = ends[1] - ends[0]
            self.domain = [ends[0] - room * reach, ends[1] + room * reach]
        self.fit = float(self.places[path.at_fit])

    def __call__(self, field: str = "x") -> alt.X:
        return alt.X(
            f"{field}:Q",
            scale=alt.Scale(
                type="log" if self.log else "linear", domain=self.domain, nice=False, zero=False
            ),
            axis=alt.Axis(title=self.title, grid=False, labelOverlap=True, **self.axis),
        )


def _path_panel(cell: _Cell, style: _Style, span: tuple[float, float], *, first: bool) -> Any:
    assert cell.group is not None
    path = cell.path
    x = _Horizontal(cell, style)
    own = path.modes[(path.modes["group"] == cell.group) & (path.modes["term"] == cell.term)]
    kept = np.unique(np.linspace(0, len(path.s) - 1, _MOST_POINTS).round().astype(int))
    place = {path.s[i]: x.places[i] for i in {*kept.tolist(), path.at_fit}}
    finite = own[own["s"].isin(place)]
    lines = pd.DataFrame(
        {
            "x": [rounded(place[s], 4) for s in finite["s"].tolist()],
            "y": [rounded(v, 4) for v in finite["mode"].tolist()],
            "level": finite["level"].to_numpy(),
        }
    )
    limits = own[np.isinf(own["s"])]
    ends = pd.DataFrame(
        {
            "x": rounded(x.limit),
            "y": [rounded(v) for v in limits["mode"].tolist()],
            "level": limits["level"].to_numpy(),
        }
    )
    low, high = span
    room = 0.05 * ((high - low) or 1.0)
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[low - room, high + room], nice=False, zero=False),
        axis=_vertical(["conditional", f"mode{of_scale(path.info)}"] if first else None),
    )
    many = limits.shape[0] > 30
    layers = [
        _rule(pd.DataFrame({"y": [0.0]}), style).encode(y=y),
        alt.Chart(lines)
        .mark_line(
            strokeWidth=0.6 if many else 1.0,
            opacity=0.6 if many else 0.85,
            stroke=style.palette[cell.group],
            aria=False,
        )
        .encode(
            x=x(),
            y=y,
            detail=alt.Detail(field="level", type="nominal"),
            tooltip=[alt.Tooltip("level:N")],
        ),
        _rule(pd.DataFrame({"x": [rounded(x.fit)]}), style, dash=[1, 0]).encode(x=x()),
        alt.Chart(ends)
        .mark_point(
            shape="circle",
            stroke=COLOURS["reference"],
            fill=style.colours["paper"],
            strokeWidth=0.8 if many else 1.2,
            size=10 if many else 22,
            aria=False,
        )
        .encode(
            x=x(),
            y=y,
            tooltip=[alt.Tooltip("level:N"), alt.Tooltip("y:Q", title="reference")],
        ),
    ]
    layers += _heading_marks(cell, style)
    return layered(*layers).properties(width=style.width, height=_HEIGHTS[0])


def _error_panel(cell: _Cell, style: _Style, *, first: bool) -> Any:
    path = cell.path
    x = _Horizontal(cell, style)
    own = path.error(cell.group)
    fit = float(own["mse"].iloc[path.at_fit])
    least = least_error(own)
    top = ZOOM * fit if fit > 0 else float(own["mse"].max()) or 1.0
    y = alt.Y(
        "y:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=_vertical(_unit(path, "squared error") if first else None),
    )
    places = [rounded(v) for v in x.places.tolist()]
    layers: list[Any] = [
        _rule(pd.DataFrame({"x": [rounded(x.fit)]}), style, dash=[1, 0]).encode(x=x())
    ]
    for column, dash in _LINES.items():
        rows = pd.DataFrame(
            {"x": places, "y": [rounded(v) for v in own[column].tolist()], "s": own["s"]}
        )
        layers.append(
            alt.Chart(rows.assign(part=_NAMES[column]))
            .mark_line(
                stroke=style.colours["ink"],
                strokeWidth=1.8 if column == "mse" else 1.1,
                strokeDash=dash,
                clip=True,
                aria=False,
            )
            .encode(
                x=x(),
                y=y,
                tooltip=[
                    alt.Tooltip("part:N"),
                    alt.Tooltip("y:Q", title="value", format=".4~g"),
                    alt.Tooltip("s:Q", format=".3~g"),
                ],
            )
        )
    marks = [
        ("least error", least, "transparent", 90),
        ("fit", path.at_fit, style.colours["ink"], 28),
    ]
    for name, at, fill, size in marks:
        row = pd.DataFrame(
            {"x": [places[at]], "y": [rounded(float(own["mse"].iloc[at]))], "name": [name]}
        )
        layers.append(
            alt.Chart(row)
            .mark_point(
                shape="circle",
                stroke=style.colours["ink"],
                strokeWidth=1.2,
                opacity=1,
                fill=fill,
                size=size,
                aria=False,
            )
            .encode(x=x(), y=y, tooltip=[alt.Tooltip("name:N"), alt.Tooltip("y:Q")])
        )
    layers += _heading_marks(cell, style)
    return layered(*layers).properties(width=style.width, height=_HEIGHTS[1])


def _vertical(title: str | list[str] | None) -> alt.Axis:
    # The same room for labels in every row keeps panels below one another.
    return alt.Axis(title=title, tickCount=4, minExtent=_LABELS - 10)


def _error_key(style: _Style) -> Any:
    words = "●  the fit     ○  least error     —  squared error  =  - -  bias²  +  ···  variance"
    return (
        alt.Chart(pd.DataFrame({"text": [words], "x": [0]}), width=inner(), height=14)
        .mark_text(align="left", fontSize=10, color=style.colours["ink"], aria=False)
        .encode(x=alt.XValue(4), y=alt.YValue(7), text=alt.Text(field="text", type="nominal"))
        .properties(view=alt.ViewConfig(stroke=None))
    )


def _blank(style: _Style) -> Any:
    """Room of a panel that a fit has not."""
    words = pd.DataFrame({"text": ["not in this model"]})
    return (
        alt.Chart(words)
        .mark_text(color=style.colours["soft"], fontSize=10)
        .encode(text=alt.Text(field="text", type="nominal"))
        .properties(width=style.width, height=_HEIGHTS[0], view=alt.ViewConfig(stroke=None))
    )


def _rule(rows: pd.DataFrame, style: _Style, dash: Sequence[int] = (3, 2)) -> Any:
    return alt.Chart(rows).mark_rule(
        stroke=COLOURS["zero"] if dash != [1, 0] else style.colours["ink"],
        strokeWidth=0.8,
        strokeDash=list(dash),
        aria=False,
    )


def _heading_marks(cell: _Cell, style: _Style) -> list[Any]:
    """Name the panel above it, and say what the fit has on an axis that is new.

    Words are marks, as titles of panels side by side are moved by what their axes need.
    """
    spent = number(cell.path.edf[cell.group][cell.path.at_fit])
    lines: list[tuple[str, Any, int, str]] = [
        (line, "bold", 10, style.colours["ink"]) for line in cell.title
    ]
    if cell.opens:
        lines.append((f"fit: {spent} df", "normal", 9, style.colours["soft"]))
    return [
        alt.Chart(pd.DataFrame({"text": [text]}))
        .mark_text(
            align="left",
            baseline="bottom",
            fontWeight=weight,
            fontSize=size,
            color=colour,
            clip=False,
            aria=False,
        )
        .encode(
            x=alt.XValue(0),
            y=alt.YValue(-4 - 13 * (len(lines) - 1 - i)),
            text=alt.Text(field="text", type="nominal"),
        )
        for i, (text, weight, size, colour) in enumerate(lines)
    ]


def _unit(path: Path, words: str) -> str:
    response = path.info.get("response")
    return f"{words} ({response}²)" if response else words
