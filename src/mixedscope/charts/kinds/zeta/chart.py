"""Profiles of the parameters: zeta, and where it crosses the levels of intervals.

How far may each parameter move before the data object, and is Wald's interval good enough?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import number, share, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.parameters import (
    Key,
    chosen_rows,
    keys_of,
    parameter_name,
)
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.zeta.options import ZetaOptions
from mixedscope.charts.kinds.zeta.words import (
    LEVEL,
    without_fixed_effects,
    zeta_caption,
    zeta_title,
)
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["profiled", "zeta_chart"]

_PER_ROW: Final = 3
_LEFT: Final = 34
_RIGHT: Final = 30
_GAP: Final = 14
_HEIGHT: Final = 132
#: Room beyond the largest level, in zeta.
_ROOM: Final = 0.14
#: Widths of the lines of intervals: bold for 95 %.
_BOLD: Final = alt.Scale(domain=[False, True], range=[0.7, 1.7])


def profiled(
    tables: Sequence[FitTables], what: str, wanted: Sequence[str] | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The three tables of profiles of one fit, of the parameters that are drawn, in their order."""
    if len(tables) != 1:
        raise ModelError(f"A {what} chart is that of one profile, not of {len(tables)}.")
    names = ("profile_parameters", "profile_coverage", "profile_curves")
    parameters, coverage, curves = (tables[0].require(name) for name in names)
    keys = list(keys_of(parameters))
    chosen = chosen_rows(keys, wanted)
    shown = {keys[i] for i in chosen}
    kept = [table[[key in shown for key in keys_of(table)]] for table in (coverage, curves)]
    return parameters.iloc[chosen].reset_index(drop=True), kept[0], kept[1]


@drawn_with(ZetaOptions)
def zeta_chart(
    tables: Sequence[FitTables], *, options: ZetaOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the tables ``profile_parameters``, ``profile_coverage`` and ``profile_curves``."""
    parameters, coverage, curves = profiled(tables, "zeta", options.parameters)
    levels = sorted(coverage["level"].unique().tolist())
    cutoffs = [NormalDist().inv_cdf(0.5 + level / 2.0) for level in levels]
    top = max([*cutoffs, 2.0]) + _ROOM
    data = Datasets(digits=7)
    style = _Style(data, theme, options.absolute, (0.0 if options.absolute else -top, top))
    keys = list(keys_of(parameters))
    curve_keys, coverage_keys = list(keys_of(curves)), list(keys_of(coverage))
    panels = []
    per_row = min(_PER_ROW - is_narrow(), len(keys))
    width = (inner() - _LEFT - _RIGHT - (per_row - 1) * _GAP) // per_row
    width = min(width, 240)
    for at, key in enumerate(keys):
        is_first, is_last = at % per_row == 0, at % per_row == per_row - 1 or at == len(keys) - 1
        own = curves[[k == key for k in curve_keys]]
        ends = coverage[[k == key for k in coverage_keys]]
        panels.append(
            _panel(
                style, key, parameters.iloc[at], own, ends, cutoffs, levels, width,
                first=is_first, last=is_last,
            )
        )  # fmt: skip
    rows = [
        in_row(*panels[i : i + per_row], spacing=_GAP, bounds="flush")
        for i in range(0, len(panels), per_row)
    ]
    title = zeta_title(parameters, coverage)
    caption = zeta_caption(parameters, coverage, absolute=options.absolute, levels=levels)
    caption += without_fixed_effects(tables[0].info)
    chart = in_column(*rows, _key(parameters, theme), spacing=14)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    return chart, title, caption


class _Style:
    """What the panels of a chart have in common."""

    def __init__(
        self, data: Datasets, theme: str, absolute: bool, domain: tuple[float, float]
    ) -> None:
        self.data = data
        self.theme = theme
        self.absolute = absolute
        self.domain = domain

    def y(self, field: str, *, first: bool) -> alt.Y:
        """Zeta upwards; the axis at the left of a row."""
        title = ("size of \u03b6" if self.absolute else "\u03b6") if first else None
        axis = alt.Axis(
            title=title, labels=first, ticks=first, domain=False, grid=False,
            values=list(range(math.ceil(self.domain[0]), math.floor(self.domain[1]) + 1)),
            titlePadding=2, format="d",
        )  # fmt: skip
        scale = alt.Scale(domain=list(self.domain), nice=False, zero=False)
        return alt.Y(field=field, type="quantitative", scale=scale, axis=axis)


def _panel(
    style: _Style,
    key: Key,
    row: pd.Series,
    curve: pd.DataFrame,
    ends: pd.DataFrame,
    cutoffs: Sequence[float],
    levels: Sequence[float],
    width: float,
    *,
    first: bool,
    last: bool,
) -> Any:
    data, colours = style.data, ink(style.theme)
    values = curve["value"]
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    domain = [low - room, high + room]

    def x(field: str) -> alt.X:
        scale = alt.Scale(domain=domain, nice=False, zero=False)
        title = parameter_name(key)
        axis = alt.Axis(
            title=title_lines(title, width, 12.0), tickCount=4, grid=False, domain=False
        )
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)

    def y(field: str) -> alt.Y:
        return style.y(field, first=first)

    frame = curve.assign(zeta=curve["zeta"].abs()) if style.absolute else curve
    signs = (1.0,) if style.absolute else (-1.0, 1.0)
    lines = [{"y": s * c} for c in cutoffs for s in signs]
    # The level of zero, and where the interval of each coverage ends.
    layers: list[Any] = [
        data.chart(lines)
        .mark_rule(stroke=colours["grid"], strokeWidth=1, aria=False)
        .encode(y=y("y")),
        data.chart([{"y": 0.0}])
        .mark_rule(stroke=colours["soft"], strokeWidth=0.7, aria=False)
        .encode(y=y("y")),
    ]
    layers += _drops(style, ends, row, x, y)
    if math.isfinite(row["wald_slope"]):
        layers.append(_wald(style, row, domain, x, y))
    layers.append(
        data.chart(frame[["value", "zeta"]])
        .mark_line(stroke=COLOURS["mode"], strokeWidth=1.5, clip=True, aria=False)
        .encode(x=x("value"), y=y("zeta"), order=alt.Order(field="value", type="quantitative"))
    )
    tips = [
        alt.Tooltip(field="value", type="quantitative", title=parameter_name(key), format=".6~g"),
        alt.Tooltip(field="zeta", type="quantitative", title="zeta", format=".4~f"),
    ]
    exact = frame.loc[frame["is_point"], ["value", "zeta"]]
    layers.append(
        data.chart(exact)
        .mark_point(
            filled=True, color=COLOURS["mode"], size=9, opacity=1, clip=True, aria=False
        )
        .encode(x=x("value"), y=y("zeta"), tooltip=tips)
    )  # fmt: skip
    layers += _ends(style, key, row, x, y)
    if last:
        told = _level_labels(cutoffs, levels, both=not style.absolute)
        layers.append(
            data.chart(told)
            .mark_text(align="left", baseline="middle", fontSize=9, fill=colours["soft"])
            .encode(x=alt.XValue(width + 4), y=y("y"), text=alt.Text(field="words", type="nominal"))
        )
    return layered(*layers, width=width, height=_HEIGHT, view=alt.ViewConfig(stroke=None))


def _level_labels(
    cutoffs: Sequence[float], levels: Sequence[float], *, both: bool
) -> list[dict[str, Any]]:
    """Coverages at their level lines; where there is no room, in the lower half."""
    told: list[dict[str, Any]] = []
    # Those that are asked for most first.
    order = sorted(range(len(levels)), key=lambda i: (abs(levels[i] - 0.95) > 1e-9, i))
    taken: dict[float, list[float]] = {1.0: [], -1.0: []}
    for i in order:
        sides = (1.0, -1.0) if both else (1.0,)
        near = 0.45 if both else 0.22
        for side in sides:
            if all(abs(cutoffs[i] - other) >= near for other in taken[side]):
                taken[side].append(cutoffs[i])
                told.append({"y": side * cutoffs[i], "words": told_level(levels[i])})
                break
    return told


def _drops(style: _Style, ends: pd.DataFrame, row: pd.Series, x: Any, y: Any) -> list[Any]:
    """Intervals: from the curve down to the level of zero; as level lines of the size of zeta."""
    rows = []
    for _, end in ends.iterrows():
        cutoff = NormalDist().inv_cdf(0.5 + float(end["level"]) / 2.0)
        words = told_level(float(end["level"]))
        for name, sign, zeta in (
            ("lower", -1.0, row["zeta_low"]), ("upper", 1.0, row["zeta_high"]),
        ):  # fmt: skip
            # Where the range ends first, the interval ends there.
            reached = min(cutoff, abs(float(zeta)))
            height = reached if style.absolute else sign * reached
            is_main = abs(float(end["level"]) - LEVEL) < 1e-9
            rows.append(
                {"x": float(end[name]), "y": height, "zero": 0.0, "level": words, "main": is_main}
            )
    if not rows:
        return []
    drop: dict[str, Any] = {"stroke": COLOURS["zero"]}
    bold = alt.StrokeWidth(field="main", type="nominal", legend=None, scale=_BOLD)
    tips = [
        alt.Tooltip(field="level", type="nominal", title="interval"),
        alt.Tooltip(field="x", type="quantitative", title="ends at", format=".6~g"),
    ]
    layers = [
        style.data.chart(rows)
        .mark_rule(**drop, aria=False)
        .encode(x=x("x"), y=y("y"), y2=alt.Y2(field="zero"), tooltip=tips, strokeWidth=bold)
    ]
    if style.absolute:
        spans = [
            {
                "x": float(end["lower"]), "x2": float(end["upper"]),
                "y": NormalDist().inv_cdf(0.5 + float(end["level"]) / 2.0),
                "main": abs(float(end["level"]) - LEVEL) < 1e-9,
            }
            for _, end in ends.iterrows()
        ]  # fmt: skip
        layers.append(
            style.data.chart(spans)
            .mark_rule(**drop, aria=False)
            .encode(x=x("x"), x2=alt.X2(field="x2"), y=y("y"), strokeWidth=bold)
        )
    return layers


def _wald(style: _Style, row: pd.Series, domain: Sequence[float], x: Any, y: Any) -> Any:
    """The line through the estimate with the slope that zeta has there."""
    slope, estimate = float(row["wald_slope"]), float(row["estimate"])
    low, high = style.domain
    low = -high if style.absolute else low
    ends = [max(domain[0], estimate + low / slope), min(domain[1], estimate + high / slope)]
    places = [ends[0], estimate, ends[1]] if style.absolute else ends
    rows = []
    for at in places:
        zeta = slope * (at - estimate)
        rows.append({"x": at, "y": abs(zeta) if style.absolute else zeta})
    return (
        style.data.chart(rows)
        .mark_line(
            stroke=COLOURS["population"], strokeDash=[4, 3], strokeWidth=1, clip=True, aria=False
        )
        .encode(x=x("x"), y=y("y"), order=alt.Order(field="x", type="quantitative"))
    )


def _ends(style: _Style, key: Key, row: pd.Series, x: Any, y: Any) -> list[Any]:
    """A mark where the range of the parameter ends, and what is to be said of it."""
    rows: list[dict[str, Any]] = []
    for end in ("low", "high"):
        if math.isfinite(row[f"at_{end}"]):
            zeta = float(row[f"zeta_{end}"])
            share_out = 1.0 - 2.0 * float(row[f"at_{end}"])
            words = f"{number(float(row[f'reach_{end}']))} is inside"
            words += f" from {share(share_out)}" if share_out > 1e-6 else " always"
            rows.append(
                {
                    "x": float(row[f"reach_{end}"]), "y": abs(zeta) if style.absolute else zeta,
                    "words": words, "end": end,
                }
            )  # fmt: skip
    if not rows:
        return []
    names = []
    up = -9 if style.absolute else 9
    sides: dict[str, dict[str, Any]] = {
        "low": {"align": "left", "dx": 7, "dy": up},
        "high": {"align": "right", "dx": -7, "dy": -9},
    }
    for end, side in sides.items():
        own = [r for r in rows if r["end"] == end]
        if own:
            words = style.data.chart(own).mark_text(
                **side, baseline="middle", fontSize=9, fill=ink(style.theme)["ink"]
            )
            text = alt.Text(field="words", type="nominal")
            names.append(words.encode(x=x("x"), y=y("y"), text=text))
    return [
        *names,
        style.data.chart(rows)
        .mark_point(
            shape="square", filled=True, color=COLOURS["failed"], size=34, opacity=1, aria=False,
        )
        .encode(x=x("x"), y=y("y"))
    ]  # fmt: skip


def _key(parameters: pd.DataFrame, theme: str) -> Any:
    items: list[Keyed] = [
        Keyed("line", "profile", {"stroke": COLOURS["mode"], "strokeWidth": 1.5}),
        Keyed("point", "exact point", {"color": COLOURS["mode"], "filled": True, "size": 12}),
        Keyed(
            "line",
            "Wald",
            {"stroke": COLOURS["population"], "strokeDash": [4, 3], "strokeWidth": 1},
        ),
        Keyed("upright", "end of an interval", {"stroke": COLOURS["zero"], "strokeWidth": 0.7}),
        Keyed(
            "upright", f"of {told_level(LEVEL)}", {"stroke": COLOURS["zero"], "strokeWidth": 1.7}
        ),
    ]
    if parameters[["at_low", "at_high"]].notna().to_numpy().any():
        square = {"shape": "square", "color": COLOURS["failed"], "filled": True, "size": 34}
        items.append(Keyed("point", "the range ends", square))
    return mark_key(items, width=inner() - _LEFT, theme=theme)
