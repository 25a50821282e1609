"""Panels of groups as one specification: lines, points or means, and their key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.keys import Keyed
from mixedscope.charts.common.labels import variable_title
from mixedscope.charts.common.theme import ink

__all__ = ["DASHES", "MIXED", "Facets", "Line", "panels_key"]

_GAP: Final = 6
_LABEL: Final = 5.2
_LONGEST_LABEL: Final = 80
#: Numbers of which so many occur, or fewer, are all named; pixels beside the outermost.
_FEW_PLACES: Final = 3
_BESIDE: Final = 12

_Style = Mapping[str, Any]

_OWN: Final = Style({"strokeWidth": 1.6, "strokeDash": [5, 2]}, color="reference")
MIXED: Final = Style({"strokeWidth": 1.9}, color="mode")
_POPULATION: Final = Style({"strokeWidth": 1.0, "strokeDash": [1.5, 2]}, color="population")
_GAP_STYLE: Final = Style({"opacity": 0.35}, color="reference")
_OWN_MEAN: Final = Style(
    {"shape": "circle", "size": 34, "strokeWidth": 1.6, "fill": "transparent", "opacity": 1},
    stroke="reference",
)
#: Lines, and means, of fits beside the first, in turn.
DASHES: Final = ([7, 2], [2.5, 1.5], [7, 2, 1.5, 2])
_SHAPES: Final = ("square", "triangle-up", "diamond")


@dataclass(frozen=True)
class Line:
    """What one fit makes of the groups.

    Attributes
    ----------
    label : str
    pull : float
        Median over all groups; NaN where no group has a line of its own.
    table : DataFrame
        Rows of ``panels_lines``.
    style : mapping
        Of its line.
    """

    label: str
    pull: float
    table: pd.DataFrame
    style: Mapping[str, Any]


def _mean(style: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """The mark of a mean of the mixed model: that of the first fit, or one that shows it within."""
    if number == 0:
        return {"filled": True, "size": 26, "opacity": 1, "color": style["color"]}
    return {
        "shape": _SHAPES[min(number, len(_SHAPES)) - 1],
        "size": 54,
        "opacity": 1,
        "strokeWidth": 1.3,
        "stroke": style["color"],
        "fill": "transparent",
    }


def _observation(theme: str, size: int) -> _Style:
    return {"filled": True, "color": ink(theme)["soft"], "size": size, "opacity": 0.9}


def panels_key(axis: dict[str, Any], mixed: Sequence[Line], theme: str) -> list[Keyed]:
    """What lines, points and the band between lines are."""
    partial = axis["held"] is not None or axis["others"] is not None
    first = "partial residual" if partial else "observation"
    if axis.get("counted"):
        first = "share of successes, area: rows"
    items = [
        Keyed("point", first, _observation(theme, 14)),
        Keyed("band", "pull (number above)", _GAP_STYLE),
    ]
    categorical = axis["kind"] == "categorical"
    items.append(
        Keyed("point", "own mean", _OWN_MEAN) if categorical else Keyed("line", "own line", _OWN)
    )
    for i, one in enumerate(mixed):
        words = one.label if len(mixed) > 1 else "mixed model"
        mark = (
            Keyed("point", words, _mean(one.style, i))
            if categorical
            else Keyed("line", words, one.style)
        )
        items.append(mark)
    return [*items, Keyed("line", "population", _POPULATION)]


@dataclass(frozen=True)
class Facets:
    """All panels as one specification.

    Attributes
    ----------
    axis : dict
        The row of ``panels_axes``.
    frame : (low, high)
        Of the vertical axis.
    width, height : int
        Pixels of a panel.
    response, theme : str
    mixed : sequence of Line
        Of each fit.
    most : float
        Of shares, rows or trials of the largest.
    """

    axis: dict[str, Any]
    frame: tuple[float, float]
    width: int
    height: int
    response: str
    theme: str
    mixed: Sequence[Line]
    most: float = 1.0

    @property
    def area(self) -> float:
        """Largest area of a share, square pixels."""
        return float(min(70.0, (0.12 * min(self.width, self.height)) ** 2))

    @property
    def _is_categorical(self) -> bool:
        return bool(self.axis["kind"] == "categorical")

    @property
    def _variable(self) -> str:
        row = f"row of the {self.axis['group']}, in the order of the data"
        return str(self.axis["variable"] or row)

    def draw(
        self, lines: pd.DataFrame, points: pd.DataFrame, strips: dict[str, str], columns: int
    ) -> Any:
        """Draw rows of ``panels_lines`` and ``panels_points`` under the names of the panels."""
        field = "category" if self._is_categorical else "x"
        rows = pd.concat(
            [
                points[["level", "row", field, "y", *points.columns.intersection(["n"])]].assign(
                    kind="point"
                ),
                lines[["level", field, "own", "mixed", "population"]].assign(kind="line"),
                *(
                    one.table[["level", field, "mixed"]].assign(kind="other", fit=i)
                    for i, one in enumerate(self.mixed[1:], start=1)
                ),
            ],
            ignore_index=True,
        )
        rows.insert(0, "panel", rows["level"].map(strips))
        x = self._x(lines, points)
        layers = self._means(x) if self._is_categorical else self._lines(x)
        header = alt.Header(
            title=None,
            labelFontSize=10,
            labelAnchor="start",
            labelPadding=3,
            labelLimit=self.width,
        )
        less = " less the offset" if self.axis["offset"] else ""
        title = alt.TitleParams(
            text=f"{variable_title(self.response)}{less}, up, against "
            f"{variable_title(self._variable)}, right",
            fontSize=11,
            fontWeight="normal",
            anchor="start",
            offset=4,
        )
        return (
            alt.layer(*layers, data=alt.InlineData(values=_records(rows)))
            .properties(width=self.width, height=self.height)
            .facet(
                facet=alt.Facet("panel:N", sort=list(strips.values()), header=header),
                columns=columns,
                spacing=_GAP,
            )
            .properties(title=title)
        )

    def _x(self, lines: pd.DataFrame, points: pd.DataFrame) -> alt.X:
        if self._is_categorical:
            order = list(dict.fromkeys(lines["category"]))
            each = self.width / (len(order) + 0.6)
            level = max(len(str(name)) for name in order) * _LABEL <= each
            axis = alt.Axis(
                title=None,
                grid=False,
                labelAngle=0 if level else -35,
                labelLimit=round(each) if level else _LONGEST_LABEL,
            )
            return alt.X("category:N", sort=order, scale=alt.Scale(paddingOuter=0.3), axis=axis)
        # Lines of means of places end before the outermost rows.
        places = np.concatenate([lines["x"], points["x"]])
        low, high = float(np.nanmin(places)), float(np.nanmax(places))
        room = 0.04 * (high - low) or 0.5
        ticks: dict[str, Any] = {"tickCount": max(2, self.width // 36)}
        known = np.unique(points["x"].dropna().to_numpy(dtype=float))
        if len(known) <= _FEW_PLACES:
            # Between the values of a dummy nothing is measured.
            named = [float(f"{v:.6g}") for v in known]
            ticks = {"values": named, "labelOverlap": True, "format": ",.6~g"}
            room = max(room, _BESIDE / self.width * (high - low))
        axis = alt.Axis(title=None, grid=False, labelBound=True, labelFlush=10, **ticks)
        scale = alt.Scale(domain=[low - room, high + room], nice=False)
        return alt.X("x:Q", scale=scale, axis=axis)

    def _y(self, name: str) -> alt.Y:
        scale = alt.Scale(domain=list(self.frame), nice=False, zero=False)
        axis = alt.Axis(title=None, tickCount=max(3, self.height // 28))
        return alt.Y(f"{name}:Q", scale=scale, axis=axis)

    def _tips(self, *others: tuple[str, str]) -> list[alt.Tooltip]:
        field = "category:N" if self._is_categorical else "x:Q"
        return [
            alt.Tooltip("level:N", title=str(self.axis["group"])),
            alt.Tooltip(field, title=self._variable),
            *(alt.Tooltip(f"{name}:Q", title=words, format=".4~g") for name, words in others),
        ]

    def _points(self, x: alt.X) -> alt.Chart:
        style = _observation(self.theme, 14 if self.height < 110 else 20)
        tips = self._tips(("y", self.response), ("row", "row"))
        points = alt.Chart().transform_filter("datum.kind == 'point'")
        if not self.axis.get("counted"):
            return points.mark_point(aria=False, **style).encode(x=x, y=self._y("y"), tooltip=tips)
        tips = self._tips(("y", self.response), ("n", "rows or trials"))
        # Areas: the largest as large as neighbours leave room for.
        area = alt.Size(
            "n:Q", legend=None,
            scale=alt.Scale(type="linear", zero=True, domain=[0, self.most], range=[0, self.area]),
        )  # fmt: skip
        # Means stand on the shares.
        style = {n: value for n, value in style.items() if n != "size"} | {"opacity": 0.55}
        return points.mark_point(aria=False, clip=True, **style).encode(
            x=x, y=self._y("y"), size=area, tooltip=tips
        )

    def _lines(self, x: alt.X) -> list[alt.Chart]:
        base = alt.Chart().transform_filter("datum.kind == 'line'")

        def line(name: str, style: _Style) -> alt.Chart:
            if self.axis.get("averaged") and name != "population":
                # A place alone makes no line.
                dot = {"filled": True, "size": 12, "opacity": 1, "color": style["color"]}
                style = {**style, "point": dot}
            return base.mark_line(clip=True, aria=False, **style).encode(x=x, y=self._y(name))

        others = [
            alt.Chart()
            .transform_filter(f"datum.fit === {i}")
            .mark_line(clip=True, aria=False, **one.style)
            .encode(x=x, y=self._y("mixed"))
            for i, one in enumerate(self.mixed[1:], start=1)
        ]
        gap = base.mark_area(clip=True, aria=False, **_GAP_STYLE)
        return [
            gap.encode(x=x, y=self._y("own"), y2="mixed:Q"),
            self._points(x),
            line("population", _POPULATION),
            line("own", _OWN),
            line("mixed", self.mixed[0].style),
            *others,
        ]

    def _means(self, x: alt.X) -> list[alt.Chart]:
        base = alt.Chart().transform_filter("datum.kind == 'line'")

        def mean(name: str, words: str, style: _Style) -> alt.Chart:
            return base.mark_point(aria=False, clip=True, **style).encode(
                x=x, y=self._y(name), tooltip=self._tips((name, words))
            )

        others = [
            alt.Chart()
            .transform_filter(f"datum.fit === {i}")
            .mark_point(aria=False, clip=True, **_mean(one.style, i))
            .encode(x=x, y=self._y("mixed"), tooltip=self._tips(("mixed", one.label)))
            for i, one in enumerate(self.mixed[1:], start=1)
        ]
        population = base.mark_line(clip=True, aria=False, **_POPULATION)
        gap = base.mark_rule(strokeWidth=5, clip=True, aria=False, **_GAP_STYLE)
        return [
            population.encode(x=x, y=self._y("population")),
            gap.encode(x=x, y=self._y("own"), y2="mixed:Q"),
            self._points(x),
            mean("own", "own mean", _OWN_MEAN),
            mean("mixed", "mixed model", _mean(self.mixed[0].style, 0)),
            *others,
        ]


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with few digits and without what is missing."""
    return [
        {
            str(name): float(f"{value:.6g}") if isinstance(value, float) else value
            for name, value in record.items()
            if not pd.isna(value)
        }
        for record in rows.to_dict("records")
    ]
