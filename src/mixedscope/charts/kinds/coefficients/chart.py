"""Coefficient plot: fixed effects, standard deviations and correlations with their intervals.

How large are the effects and the variation, how sure is that, and does it depend on the structure
or on how the interval is made?  The idea is MixedModelsMakie's ``coefplot``, which draws the fixed
effects of one model on one axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.legend import MEAN_SHAPE, key_columns, key_row, title_lines
from mixedscope.charts.common.link_scale import check_one_scale
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.page import tallest
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import structure_colours
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.coefficients.options import CoefficientsOptions
from mixedscope.charts.kinds.coefficients.parameters import (
    METHODS,
    NAMES,
    labels_of,
    level_of,
    parameters_of,
    without_intercept,
)
from mixedscope.charts.kinds.coefficients.ratios import ratio_ticks, ratios_of, scale_of
from mixedscope.charts.kinds.coefficients.words import coefficients_caption, coefficients_title
from mixedscope.tables.store import FitTables

__all__ = ["coefficients_chart", "panels_of"]

_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_TITLES: Final = {
    "beta": "Fixed effects",
    "sd": "Standard deviations",
    "correlation": "Correlations",
}

#: Parameters share an axis with the one that reaches farthest if they reach no less of it.
_APART: Final = 8.0
#: Zero is on an axis where it is no farther than so many widths of what is drawn.
_NEAR: Final = 2.0

#: Pixels of a row, of one of its series, of a character of its name, and of names at most.
_ROW: Final = 18
_SERIES: Final = (5, 10)
#: Largest area of a mark.
_MARK: Final = 46.0
_CHARACTER: Final = 5.6
_LONGEST: Final = 170
#: Pixels about the panels of a page: title and key, and the axis of each.
_HEAD: Final = 130
_AXIS: Final = 44
_WIDEST: Final = 420


@dataclass(frozen=True)
class _Series:
    """One row of marks of each parameter: a fit by a method, its colour and its shape."""

    fit: int
    method: str | None
    label: str
    colour: str
    shape: str


@drawn_with(CoefficientsOptions)
def coefficients_chart(
    tables: Sequence[FitTables], *, options: CoefficientsOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw parameters in rows, fits and methods beside each other in each, panels by size."""
    check_one_scale(tables)
    ratios = ratios_of(tables) if options.ratios else ""
    level = level_of(tables, options)
    labels = labels_of([fit.info for fit in tables])
    table = parameters_of(tables, options, level)
    if ratios:
        table = without_intercept(table)
    series = _series(table, labels, tables)
    table["series"] = [_label_of(series, fit, method) for fit, method in
                       zip(table["fit"], table["method"], strict=True)]  # fmt: skip
    panels = panels_of(table)
    names = {name for panel in panels for name in panel}
    left = min(max(int(max(map(len, names)) * _CHARACTER), 40), _LONGEST) + 8
    width = min(inner() - left - 8, _WIDEST)
    room = tallest() - _HEAD - _AXIS * len(panels)
    each = room / max(len(names) * len(series), 1)
    step = max(_ROW, int(np.clip(each, *_SERIES)) * len(series) + 6)
    data = Datasets(digits=6)
    drawn, without_zero, headed = [], [], set[str]()
    for rows in panels:
        own = table[table["name"].isin(rows)]
        kind = str(own["kind"].iloc[0])
        frame, has_zero = _frame(own, kind)
        if kind == "beta" and not has_zero:
            without_zero += rows
        axis = _Axis(frame, has_zero, is_ratio=bool(ratios) and kind == "beta")
        panel = _panel(data, own, rows, series, axis, (left, width, step), theme)
        if kind not in headed:
            headed.add(kind)
            words = _heading(kind, ratios, scale_of(tables))
            head = alt.TitleParams(text=words, fontSize=11, anchor="start", offset=5)
            panel = panel.properties(title=head)
        drawn.append(panel)
    title = coefficients_title(table, labels, ratios=ratios)
    scales = sum(table.loc[table["name"] == rows[0], "kind"].iloc[0] == "beta" for rows in panels)
    caption = coefficients_caption(
        table, level, without_zero=without_zero, scales=scales, ratios=ratios,
        scale=scale_of(tables),
    )  # fmt: skip
    items = []
    none = [
        *(["1" if ratios else "0"] if (table["kind"] == "beta").any() else []),
        *(["0"] if (table["kind"] == "correlation").any() else []),
    ]
    if none:
        items.append(("zero", " or ".join(dict.fromkeys(none))))
    if (table["kind"] != "beta").any():
        items.append(("boundary", "end of the range"))
    if table["mean"].notna().any():
        items.append(("mean", "mean of draws"))
    # It begins where the panels do.
    key = [key_row(items, width=inner() - left, theme=theme)] if items else []
    chart = data.give(in_column(*drawn, *key, spacing=14)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart.resolve_scale(color="shared", shape="shared"), title, caption


@dataclass(frozen=True)
class _Axis:
    """The axis of a panel.

    Attributes
    ----------
    frame : (low, high)
        Of ratios their logarithms.
    has_zero : bool
        Whether 0, of ratios 1, is on it.
    is_ratio : bool
    """

    frame: tuple[float, float]
    has_zero: bool
    is_ratio: bool

    def x(self, field: str) -> alt.X:
        """The channel of a column of numbers."""
        ticks: dict[str, Any] = {"tickCount": 5}
        scale = alt.Scale(domain=list(self.frame), nice=False, zero=False)
        if self.is_ratio:
            low, high = (float(np.exp(end)) for end in self.frame)
            scale = alt.Scale(domain=[low, high], nice=False, type="log")
            ticks = {"values": ratio_ticks(low, high), "format": "~g"}
        axis = alt.Axis(title=None, domain=False, labelOverlap=True, labelBound=4,
                        labelSeparation=5, labelFlush=14, **ticks)  # fmt: skip
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)


def _heading(kind: str, ratios: str, scale: str) -> str:
    """What stands above the first panel of a kind of parameters."""
    if kind == "beta" and ratios:
        return f"{ratios[:1].upper()}{ratios[1:].replace('ratio', 'ratios', 1)} (log scale)"
    # Correlations have no scale.
    return f"{_TITLES[kind]} ({scale})" if scale and kind != "correlation" else _TITLES[kind]


def panels_of(table: pd.DataFrame) -> list[list[str]]:
    """Names of the parameters of each panel: what is of one kind and of one size shares an axis.

    The intercept has a panel of its own; correlations share one.
    """
    reach = table[["estimate", "lower", "upper"]].abs().max(axis=1)
    sizes = reach.groupby(table["name"], sort=False).max()
    panels: list[list[str]] = []
    for kind in _TITLES:
        names = list(dict.fromkeys(table.loc[table["kind"] == kind, "name"]))
        alone = [name for name in names if kind == "beta" and name == "(Intercept)"]
        rest = [name for name in names if name not in alone]
        if kind == "correlation":
            panels += [rest] if rest else []
            continue
        own: list[list[str]] = [alone] if alone else []
        known = sorted((n for n in rest if sizes[n] > 0), key=lambda n: -float(sizes[n]))
        parts: list[list[str]] = []
        for name in known:
            if parts and _APART * sizes[name] >= sizes[parts[-1][0]]:
                parts[-1].append(name)
            else:
                parts.append([name])
        unknown = [name for name in rest if name not in known]
        if unknown and parts:
            parts[-1] += unknown
        elif unknown:
            own.append(unknown)
        place = {name: i for i, name in enumerate(names)}
        own += [sorted(part, key=place.__getitem__) for part in parts]
        panels += sorted(own, key=lambda part: place[part[0]])
    return panels


def _series(
    table: pd.DataFrame, labels: Sequence[str], tables: Sequence[FitTables]
) -> list[_Series]:
    """Fits by methods; colours tell fits apart, or methods of one, and shapes methods, or fits."""
    found = [m for m in METHODS if (table["method"] == m).any()]
    methods: list[str | None] = [*found] or [None]
    several = len(labels) > 1
    structures = [str(fit.info.get("structure", "")) for fit in tables]
    colours = (
        structure_colours(structures, GROUP_COLOURS)
        if len(set(structures)) == len(structures)
        else [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(labels))]
    )
    series = []
    for fit, label in enumerate(labels):
        for place, method in enumerate(methods):
            words = "estimate" if method is None else f"{NAMES[method]} interval"
            if several:
                words = f"{label}, {words}" if len(methods) > 1 else label
            look = place if len(methods) > 1 or not several else fit
            colour = colours[fit] if several else GROUP_COLOURS[place % len(GROUP_COLOURS)]
            series.append(_Series(fit, method, words, colour, _SHAPES[look % len(_SHAPES)]))
    return series


def _label_of(series: Sequence[_Series], fit: int, method: Any) -> str:
    """The series of a row; a parameter without an interval is one of the first of its fit."""
    own = [one for one in series if one.fit == fit]
    return next((one.label for one in own if one.method == method), own[0].label)


def _frame(own: pd.DataFrame, kind: str) -> tuple[tuple[float, float], bool]:
    """The range of an axis, and whether 0 is on it."""
    if kind == "correlation":
        return (-1.04, 1.04), True
    values = own[["estimate", "lower", "upper", "mean"]].to_numpy(dtype=float)
    values = values[np.isfinite(values)]
    if not values.size:
        return (-1.0, 1.0), True
    low, high = float(values.min()), float(values.max())
    width = high - low
    apart = max(low, -high, 0.0)
    has_zero = kind == "sd" or len(own["name"].unique()) > 1 or apart <= _NEAR * width
    if has_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.05 * (high - low) or 0.5 * max(abs(high), 1.0)
    # Room for half a mark at zero.
    return (low - (0.4 if kind == "sd" else 1.0) * pad, high + pad), has_zero


def _panel(
    data: Datasets,
    own: pd.DataFrame,
    rows: Sequence[str],
    series: Sequence[_Series],
    axis: _Axis,
    places: tuple[int, int, int],
    theme: str,
) -> Any:
    """Draw the parameters of one kind and size."""
    left, width, step = places
    kind, x = str(own["kind"].iloc[0]), axis.x
    if axis.is_ratio:
        numbers = ["estimate", "lower", "upper", "mean"]
        own = own.assign(**{name: np.exp(own[name]) for name in numbers})
    labels = [one.label for one in series]
    y: dict[str, Any] = {
        "y": alt.Y(
            field="name", type="nominal", sort=None, scale=alt.Scale(domain=list(rows)),
            axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=left - 8,
                          minExtent=left, maxExtent=left),
        )
    }  # fmt: skip
    if len(series) > 1:
        y["yOffset"] = alt.YOffset(
            field="series", type="nominal", sort=None, scale=alt.Scale(domain=labels)
        )
    legend = None
    if len(series) > 1:
        legend = alt.Legend(
            title=None, orient="bottom", direction="horizontal", symbolSize=60, symbolOpacity=1,
            columns=key_columns(labels), labelLimit=0,
        )  # fmt: skip
    colour = alt.Color(
        field="series", type="nominal", legend=legend,
        scale=alt.Scale(domain=labels, range=[one.colour for one in series]),
    )  # fmt: skip
    shape = alt.Shape(
        field="series", type="nominal", legend=legend,
        scale=alt.Scale(domain=labels, range=[one.shape for one in series]),
    )  # fmt: skip
    tips = [
        alt.Tooltip(field="name", type="nominal", title="parameter"),
        alt.Tooltip(field="series", type="nominal", title="of"),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
            for field, words in (
                ("estimate", "estimate"), ("lower", "lower"), ("upper", "upper"),
                *([("mean", "mean of draws")] if own["mean"].notna().any() else []),
            )
        ),
    ]  # fmt: skip
    layers = _lines(data, kind, axis, theme)
    columns = ["name", "series", "estimate", "lower", "upper", "mean"]
    known = own[own["estimate"].notna()][columns]
    bars = known[known["lower"].notna() & known["upper"].notna()]
    if len(bars):
        rule = data.chart(bars).mark_rule(strokeWidth=1.8, clip=True, aria=False)
        layers.append(
            rule.encode(x=x("lower"), x2=alt.X2(field="upper"), color=colour, tooltip=tips, **y)
        )
    # Marks of neighbours keep apart.
    size = min(_MARK, 0.8 * (step / len(series)) ** 2)
    points = data.chart(known).mark_point(filled=True, size=size, opacity=1, clip=True, aria=False)
    layers.append(points.encode(x=x("estimate"), color=colour, shape=shape, tooltip=tips, **y))
    means = known[known["mean"].notna()]
    if len(means):
        strokes = data.chart(means).mark_point(
            shape=MEAN_SHAPE, stroke=ink(theme)["ink"], strokeWidth=1.6, size=90, opacity=1,
            clip=True, aria=False,
        )  # fmt: skip
        layers.append(strokes.encode(x=x("mean"), tooltip=tips, **y))
    lost = own[own["estimate"].isna()][["name", "series"]]
    if len(lost):
        text = data.chart(lost.assign(text="cannot be estimated")).mark_text(
            align="left", fontSize=9, color=ink(theme)["soft"], aria=False
        )
        layers.append(text.encode(x=alt.XValue(4), text=alt.Text(field="text"), **y))
    return layered(*layers, width=width, height=step * len(rows))


def _lines(data: Datasets, kind: str, axis: _Axis, theme: str) -> list[Any]:
    """Zero, of ratios one, and the ends of the range of a parameter."""
    ends = {"sd": [0.0], "correlation": [-1.0, 1.0]}.get(kind, [])
    layers = []
    if axis.has_zero and kind != "sd":
        zero = data.chart([{"p": 1.0 if axis.is_ratio else 0.0}]).mark_rule(
            color=COLOURS["zero"], strokeWidth=1, strokeDash=[3, 2], aria=False
        )
        layers.append(zero.encode(x=axis.x("p")))
    if ends:
        edge = data.chart([{"p": end} for end in ends]).mark_rule(
            color=ink(theme)["ink"], strokeWidth=2, aria=False
        )
        layers.append(edge.encode(x=axis.x("p")))
    return layers
