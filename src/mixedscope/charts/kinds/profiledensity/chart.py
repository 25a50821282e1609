"""Densities that profiles give: where a parameter is likely to be, were zeta normal.

What do the data say about each parameter, if it is read as a distribution?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import number, share, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.parameters import Key, keys_of, parameter_name
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.profiledensity.options import ProfiledensityOptions
from mixedscope.charts.kinds.profiledensity.words import (
    profiledensity_caption,
    profiledensity_title,
)
from mixedscope.charts.kinds.zeta.chart import profiled
from mixedscope.charts.kinds.zeta.words import LEVEL, interval_of, without_fixed_effects
from mixedscope.tables.store import FitTables

__all__ = ["profiledensity_chart"]

_PER_ROW: Final = 3
_GAP: Final = 20
_HEIGHT: Final = 96
#: Room above the highest density and below zero, as shares of the height.
_ABOVE: Final = 1.12
_BELOW: Final = -0.1
#: What is so near to an end of the range of a correlation does not decide the scale.
_NEAR: Final = 0.02
_SPIKE: Final = 4.0
#: Where the words stand beside a bar.
_SIDES: Final[dict[str, dict[str, Any]]] = {
    "low": {"align": "left", "dx": 6},
    "high": {"align": "right", "dx": -6},
}
_WALD: Final = np.linspace(-2.6, 2.6, 53)


@drawn_with(ProfiledensityOptions)
def profiledensity_chart(
    tables: Sequence[FitTables], *, options: ProfiledensityOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the densities of the table ``profile_curves``."""
    parameters, coverage, curves = profiled(tables, "profile density", options.parameters)
    data = Datasets(digits=6)
    keys, curve_keys = list(keys_of(parameters)), list(keys_of(curves))
    per_row = min(_PER_ROW - is_narrow(), len(keys))
    width = min((inner() - (per_row - 1) * _GAP) // per_row, 240)
    panels = []
    for at, key in enumerate(keys):
        own = curves[[k == key for k in curve_keys]]
        interval = interval_of(coverage, key)
        panels.append(_panel(data, key, parameters.iloc[at], own, interval, width, theme))
    rows = [
        in_row(*panels[i : i + per_row], spacing=_GAP, bounds="flush")
        for i in range(0, len(panels), per_row)
    ]
    title = profiledensity_title(parameters, coverage)
    caption = profiledensity_caption(parameters) + without_fixed_effects(tables[0].info)
    chart = in_column(*rows, _key(parameters, theme), spacing=14)
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    return chart, title, caption


def _panel(
    data: Datasets,
    key: Key,
    row: pd.Series,
    curve: pd.DataFrame,
    interval: pd.Series | None,
    width: float,
    theme: str,
) -> Any:
    colours = ink(theme)
    low, high = float(curve["value"].min()), float(curve["value"].max())
    room = 0.05 * (high - low) or 0.5
    domain = [low - room, high + room]
    known = curve[curve["density"].notna()]
    within = known["value"].between(low + _NEAR * (high - low), high - _NEAR * (high - low))
    wald = _wald(row, domain)
    heights = [float(known.loc[within, "density"].max()) if within.any() else 0.0]
    heights += [float(wald["density"].max())] if len(wald) else []
    top = max(heights) or 1.0

    def x(field: str) -> alt.X:
        scale = alt.Scale(domain=domain, nice=False, zero=False)
        title = title_lines(parameter_name(key), width, 12.0)
        axis = alt.Axis(title=title, tickCount=4, grid=False, domain=False)
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)

    def y(field: str) -> alt.Y:
        scale = alt.Scale(domain=[_BELOW * top, _ABOVE * top], nice=False, zero=False)
        return alt.Y(field=field, type="quantitative", scale=scale, axis=None)

    tips = [
        alt.Tooltip(field="value", type="quantitative", title=parameter_name(key), format=".5~g"),
        alt.Tooltip(field="density", type="quantitative", title="density", format=".3~g"),
    ]
    frame = known.assign(zero=0.0)[["value", "density", "zero"]]
    base = data.chart(frame)
    layers: list[Any] = [
        data.chart([{"y": 0.0}])
        .mark_rule(stroke=colours["grid"], strokeWidth=1, aria=False)
        .encode(y=y("y")),
        base.mark_area(
            orient="vertical", fill=COLOURS["ellipse"], fillOpacity=0.4, clip=True, aria=False
        ).encode(x=x("value"), y=y("density"), y2=alt.Y2(field="zero")),
        base.mark_line(stroke=COLOURS["mode"], strokeWidth=1.4, clip=True, aria=False).encode(
            x=x("value"), y=y("density"), tooltip=tips,
            order=alt.Order(field="value", type="quantitative"),
        ),
    ]  # fmt: skip
    if len(wald):
        layers.append(
            data.chart(wald)
            .mark_line(
                stroke=COLOURS["population"], strokeDash=[4, 3], strokeWidth=1, clip=True,
                aria=False,
            )
            .encode(
                x=x("value"), y=y("density"), order=alt.Order(field="value", type="quantitative")
            )
        )  # fmt: skip
    if interval is not None:
        ends = [{"x": float(interval["lower"]), "x2": float(interval["upper"]), "y": 0.0}]
        layers.append(
            data.chart(ends)
            .mark_rule(stroke=COLOURS["mode"], strokeWidth=2.6, aria=False)
            .encode(x=x("x"), x2=alt.X2(field="x2"), y=y("y"))
        )
    mode = [{"x": float(row["estimate"]), "y": 0.0}]
    layers.append(
        data.chart(mode)
        .mark_point(filled=True, color=COLOURS["population"], size=26, opacity=1, aria=False)
        .encode(x=x("x"), y=y("y"))
    )
    layers += _spikes(data, row, top, x, y, colours)
    return layered(*layers, width=width, height=_HEIGHT, view=alt.ViewConfig(stroke=None))


def _wald(row: pd.Series, domain: Sequence[float]) -> pd.DataFrame:
    """Points of the normal density whose standard deviation is one over the slope."""
    slope = float(row["wald_slope"])
    if not math.isfinite(slope):
        return pd.DataFrame({"value": [], "density": []})
    value = float(row["estimate"]) + _WALD / slope
    density = slope * np.exp(-0.5 * _WALD**2) / math.sqrt(2.0 * math.pi)
    inside = (value >= domain[0]) & (value <= domain[1])
    return pd.DataFrame({"value": value[inside], "density": density[inside]})


def _spikes(
    data: Datasets,
    row: pd.Series,
    top: float,
    x: Any,
    y: Any,
    colours: dict[str, str],
) -> list[Any]:
    """Mass at ends of the range: bars with the share, all of the mass as tall as the density."""
    layers: list[Any] = []
    for end, side in _SIDES.items():
        mass = float(row[f"at_{end}"])
        if not math.isfinite(mass):
            continue
        at = float(row[f"reach_{end}"])
        rows = [
            {
                "x": at, "y": 0.0, "top": max(mass, 0.04) * top,
                "label": _ABOVE * top, "words": f"{share(mass)} at {number(at)}",
            }
        ]  # fmt: skip
        layers.append(
            data.chart(rows)
            .mark_rule(stroke=COLOURS["mode"], strokeWidth=_SPIKE, aria=False)
            .encode(x=x("x"), y=y("y"), y2=alt.Y2(field="top"))
        )
        layers.append(
            data.chart(rows)
            .mark_text(**side, baseline="top", fontSize=10, fill=colours["ink"])
            .encode(x=x("x"), y=y("label"), text=alt.Text(field="words", type="nominal"))
        )
    return layers


def _key(parameters: pd.DataFrame, theme: str) -> Any:
    items: list[Keyed] = [
        Keyed("band", "profile density", {"fill": COLOURS["ellipse"], "fillOpacity": 0.4}),
        Keyed(
            "line",
            "Wald",
            {"stroke": COLOURS["population"], "strokeDash": [4, 3], "strokeWidth": 1},
        ),
        Keyed("point", "estimate", {"color": COLOURS["population"], "filled": True, "size": 26}),
        Keyed(
            "line",
            f"{told_level(LEVEL)} interval",
            {"stroke": COLOURS["mode"], "strokeWidth": 2.6},
        ),
    ]
    if parameters[["at_low", "at_high"]].notna().to_numpy().any():
        bar = {"stroke": COLOURS["mode"], "strokeWidth": _SPIKE}
        items.append(Keyed("upright", "mass at an end of the range (full height: all)", bar))
    return mark_key(items, width=inner(), theme=theme)
