"""Ridges: how the estimates of every parameter are distributed over the draws of a bootstrap.

How far would the estimates be elsewhere, had other data come from the same model?
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import in_full, number, share_in_tenths, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.parameters import (
    KINDS,
    Key,
    chosen_rows,
    keys_of,
    parameter_name,
    share_an_axis,
)
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.ridge.options import RidgeOptions
from mixedscope.charts.kinds.ridge.words import ridge_caption, ridge_title
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["ridge_chart"]

_LABELS: Final = 118
#: Pixels of a row, of the room below its baseline, and of the tallest ridge of a panel.
_ROW: Final = 44
_FOOT: Final = 9
_TALL: Final = 34
#: An axis is shared if it is no wider than so many SDs of the narrowest distribution.
_WIDEST: Final = 32.0
#: Where the words stand beside a spike.
_SIDES: Final[dict[str, dict[str, Any]]] = {
    "low": {"align": "left", "dx": 5},
    "high": {"align": "right", "dx": -5},
}
#: Width of a spike, whose height is the share of a row, and the least height in pixels.
_SPIKE: Final = 3.5
_LEAST: Final = 4.0


@drawn_with(RidgeOptions)
def ridge_chart(
    tables: Sequence[FitTables], *, options: RidgeOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the tables ``bootstrap_parameters`` and ``bootstrap_densities`` of one fit."""
    if len(tables) != 1:
        raise ModelError(
            f"A ridge chart is that of one bootstrap, not of {len(tables)}: draw one for each."
        )
    parameters = tables[0].require("bootstrap_parameters")
    densities = tables[0].require("bootstrap_densities")
    parameters = parameters[parameters["draws"] > 0]
    keys = list(keys_of(parameters))
    if not keys:
        raise ModelError("No parameter of this bootstrap has draws: none of them converged.")
    if options.level is not None and abs(parameters["level"].iloc[0] - options.level) > 1e-9:
        raise ModelError(
            f"The stored intervals are of level {in_full(parameters['level'].iloc[0])}, not "
            f"{in_full(options.level)}: give the draws, or a fit that has them."
        )
    chosen = chosen_rows(keys, options.parameters)
    rows = [Ridge.of(keys[i], parameters.iloc[i], densities) for i in chosen]
    shown = parameters.iloc[chosen]
    data = Datasets(digits=6)
    blocks, shared = [], False
    for panels in _panels(rows):
        shared = shared or any(len(panel) > 1 for panel in panels)
        blocks.append(_block(data, panels, theme))
    title = ridge_title(shown)
    caption = ridge_caption(shown, shared=shared)
    chart = in_column(*blocks, _key(rows, theme), spacing=10)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    return chart, title, caption


@dataclass(frozen=True)
class Ridge:
    """One parameter: what its tables say."""

    key: Key
    row: pd.Series
    density: pd.DataFrame

    @classmethod
    def of(cls, key: Key, row: pd.Series, densities: pd.DataFrame) -> Ridge:
        """The rows of one parameter."""
        own = [k == key for k in keys_of(densities)]
        return cls(key, row, densities.loc[own, ["value", "density"]])

    @property
    def span(self) -> tuple[float, float]:
        """From the lowest to the highest value that is drawn."""
        row = self.row
        ends = [row["range_low"] if row["at_low"] else math.nan]
        ends += [row["range_high"] if row["at_high"] else math.nan]
        values = [row["estimate"], row["mean"], row["lower"], row["upper"], *ends]
        values += self.density["value"].iloc[[0, -1]].tolist() if len(self.density) else []
        known = [float(v) for v in values if math.isfinite(v)]
        return min(known), max(known)


def _panels(rows: Sequence[Ridge]) -> list[list[list[Ridge]]]:
    """Rows that share an axis, by block: fixed effects, standard deviations, correlations."""
    blocks = []
    for kinds in (("beta",), ("sigma", "sd"), ("correlation",)):
        own = [r for r in rows if r.key[0] in kinds]
        if not own:
            continue
        # An intercept, and sigma, are often far from what else there is of their kind.
        apart = [r for r in own if r.key[0] == "sigma" or r.key[2] == "(Intercept)"]
        rest = [r for r in own if r not in apart]
        if kinds == ("correlation",) or _go_together(own):
            blocks.append([own])
        elif len(rest) > 1 and _go_together(rest):
            blocks.append([*([r] for r in apart), rest])
        else:
            blocks.append([[r] for r in own])
    return blocks


def _go_together(rows: Sequence[Ridge]) -> bool:
    spans = [r.span for r in rows]
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    return share_an_axis([float(r.row["std_dev"]) for r in rows], low, high, _WIDEST)


def _heading(panels: Sequence[Sequence[Ridge]]) -> str:
    kinds = dict.fromkeys(r.key[0] for panel in panels for r in panel)
    if list(kinds) == ["sigma", "sd"]:
        return "Standard deviations: residual \u03c3, and random effects"
    return " and ".join(KINDS[kind] for kind in kinds).capitalize()


def _block(data: Datasets, panels: Sequence[Sequence[Ridge]], theme: str) -> Any:
    """Panels of one kind of parameter, below each other."""
    width = inner() - _LABELS
    drawn = [_panel(data, panel, width, theme) for panel in panels]
    title = alt.TitleParams(
        text=_heading(panels), fontSize=11, anchor="start", frame="group", offset=4
    )
    return in_column(*drawn, spacing=8).properties(title=title)


def _panel(data: Datasets, panel: Sequence[Ridge], width: float, theme: str) -> Any:
    """Ridges on one axis, their names to the left."""
    spans = [r.span for r in panel]
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    if all(r.key[0] == "correlation" for r in panel):
        low, high = -1.0, 1.0
    elif all(r.key[0] in ("sd", "sigma") for r in panel) and (len(panel) > 1 or low < 0.25 * high):
        low = 0.0
    room = 0.02 * (high - low) or 1.0
    domain = (low - room, high + room)
    # Pixels up of one unit of density: so that areas are equal, and the tallest fits its row.
    tallest = max((float(r.density["density"].max()) for r in panel if len(r.density)), default=0.0)
    up = _TALL / tallest if tallest > 0.0 else 0.0
    height = _ROW * len(panel)
    colours = ink(theme)

    def x(field: str) -> alt.X:
        return alt.X(
            field=field,
            type="quantitative",
            scale=alt.Scale(domain=list(domain), nice=False, zero=False),
            axis=alt.Axis(title=None, tickCount=6, grid=True, domain=False, labelFlush=False),
        )

    def y(field: str) -> alt.Y:
        return alt.Y(
            field=field,
            type="quantitative",
            axis=None,
            scale=alt.Scale(domain=[height, 0], nice=False, zero=False),
        )

    ridges: list[pd.DataFrame] = []
    marks: list[dict[str, Any]] = []
    spikes: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    for at, ridge in enumerate(panel):
        foot = (at + 1) * _ROW - _FOOT
        row = ridge.row
        if len(ridge.density):
            ridges.append(
                ridge.density.assign(base=foot, top=foot - up * ridge.density["density"], row=at)
            )
        names.append(
            {
                "y": foot - 0.35 * _ROW - 6 * (_label(ridge.key).count("\n")),
                "name": _label(ridge.key),
            }
        )
        marks.append(
            {
                "y": foot,
                "top": foot - _TALL - 1,
                "name": parameter_name(ridge.key),
                **{
                    field: float(row[field]) if math.isfinite(row[field]) else None
                    for field in ("estimate", "mean", "lower", "upper", "std_dev")
                },
                "draws": int(row["draws"]),
            }
        )
        for end in ("low", "high"):
            count = int(row[f"at_{end}"])
            if count:
                at_end = float(row[f"range_{end}"])
                part = count / int(row["draws"])
                tall = max(part * _TALL, _LEAST)
                spikes.append(
                    {
                        "x": at_end,
                        "y": foot,
                        "top": foot - tall,
                        "label": foot - _TALL,
                        "words": f"{share_in_tenths(part)} at {number(at_end)}",
                        "side": end,
                        "name": parameter_name(ridge.key),
                    }
                )
    layers: list[Any] = [
        data.chart(marks)
        .mark_rule(stroke=colours["grid"], strokeWidth=1, aria=False)
        .encode(y=y("y"))
    ]
    if ridges:
        frame = pd.concat(ridges, ignore_index=True)
        detail = alt.Detail(field="row", type="nominal")
        order = alt.Order(field="value", type="quantitative")
        base = data.chart(frame)
        layers.append(
            base.mark_area(
                orient="vertical", fill=COLOURS["ellipse"], fillOpacity=0.4, clip=True, aria=False
            ).encode(x=x("value"), y=y("base"), y2=alt.Y2(field="top"), detail=detail)
        )
        layers.append(
            base.mark_line(stroke=COLOURS["mode"], strokeWidth=1.1, clip=True, aria=False).encode(
                x=x("value"), y=y("top"), detail=detail, order=order
            )
        )
    if spikes:
        spike = data.chart(spikes)
        tips = [alt.Tooltip(field="name", type="nominal", title="parameter")]
        tips.append(alt.Tooltip(field="words", type="nominal", title="draws"))
        layers.append(
            spike.mark_rule(stroke=COLOURS["mode"], strokeWidth=_SPIKE, aria=False).encode(
                x=x("x"), y=y("y"), y2=alt.Y2(field="top"), tooltip=tips
            )
        )
        for end, side in _SIDES.items():
            own = [s for s in spikes if s["side"] == end]
            if own:
                words = data.chart(own).mark_text(
                    **side, baseline="top", fontSize=10, fill=colours["ink"], aria=False
                )
                text = alt.Text(field="words", type="nominal")
                layers.append(words.encode(x=x("x"), y=y("label"), text=text))
    layers += _told(data, marks, x, y, theme)
    body = layered(*layers, width=width, height=height, view=alt.ViewConfig(stroke=None))
    labels = (
        data.chart(names)
        .mark_text(
            align="right", baseline="middle", fontSize=10, limit=_LABELS - 6,
            lineBreak="\n", lineHeight=12, fill=colours["ink"],
        )
        .encode(
            x=alt.XValue(_LABELS - 8), y=y("y"), text=alt.Text(field="name", type="nominal")
        )
        .properties(width=_LABELS - 8, height=height, view=alt.ViewConfig(stroke=None))
    )  # fmt: skip
    return in_row(labels, body, spacing=8, bounds="flush")


def _label(key: Key) -> str:
    """The name of a parameter in lines that stand beside its row."""
    lines = textwrap.wrap(parameter_name(key, short=True), 20, break_on_hyphens=False)
    return "\n".join([*lines[:2], *([" ".join(lines[2:])] if len(lines) > 2 else [])])


def _told(data: Datasets, marks: Sequence[dict[str, Any]], x: Any, y: Any, theme: str) -> list[Any]:
    """Interval, mean and estimate of each row."""
    tips = [
        alt.Tooltip(field="name", type="nominal", title="parameter"),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".5~g")
            for field, words in (
                ("estimate", "value drawn from"), ("mean", "mean of the draws"),
                ("lower", "lower"), ("upper", "upper"), ("std_dev", "SD of the draws"),
            )
        ),
        alt.Tooltip(field="draws", type="quantitative", title="draws", format=","),
    ]  # fmt: skip
    base = data.chart(marks)
    colours = ink(theme)
    return [
        base.mark_rule(stroke=COLOURS["mode"], strokeWidth=2.6, aria=False).encode(
            x=x("lower"), x2=alt.X2(field="upper"), y=y("y"), tooltip=tips
        ),
        base.mark_rule(
            stroke=COLOURS["population"], strokeWidth=1.3, strokeDash=[3, 2], aria=False
        ).encode(x=x("estimate"), y=y("y"), y2=alt.Y2(field="top"), tooltip=tips),
        base.mark_point(
            shape="circle", fill=colours["paper"], stroke=COLOURS["mode"], strokeWidth=1.6,
            size=40, opacity=1, aria=False,
        ).encode(x=x("mean"), y=y("y"), tooltip=tips),
    ]  # fmt: skip


def _key(rows: Sequence[Ridge], theme: str) -> Any:
    level = told_level(float(rows[0].row["level"]))
    colours = ink(theme)
    items: list[Keyed] = [
        Keyed("band", "draws", {"fill": COLOURS["ellipse"], "fillOpacity": 0.4}),
        Keyed(
            "upright",
            "value drawn from",
            {"stroke": COLOURS["population"], "strokeWidth": 1.3, "strokeDash": [3, 2]},
        ),
        Keyed(
            "point",
            "mean of the draws",
            {"fill": colours["paper"], "stroke": COLOURS["mode"], "strokeWidth": 1.6, "size": 40},
        ),
        Keyed("line", f"{level} interval", {"stroke": COLOURS["mode"], "strokeWidth": 2.6}),
    ]
    if any(int(r.row["at_low"]) + int(r.row["at_high"]) for r in rows):
        spike = {"stroke": COLOURS["mode"], "strokeWidth": _SPIKE}
        items.append(Keyed("upright", "draws at an end of the range (full height: all)", spike))
    return mark_key(items, width=inner(), theme=theme)
