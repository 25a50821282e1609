"""A sweep along one or two of its keys: lines with quartiles, areas, heat maps, and points."""

from __future__ import annotations

import math
from typing import Any, Final

import altair as alt
import pandas as pd
from altair.utils.schemapi import debug_mode

from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.numerals import share_in_tenths
from mixedscope.charts.common.phase_bands import phase_fills
from mixedscope.charts.common.sheet import across
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.sweep.axes import measure_axis, title_of_length
from mixedscope.charts.kinds.sweep.names import (
    named,
    phase_name,
    placed,
    told,
    x_words,
)
from mixedscope.charts.kinds.sweep.palette import (
    are_numbers,
    legend_columns,
    legible,
    marks,
    palette,
)
from mixedscope.charts.kinds.sweep.words import sweep_caption, sweep_title
from mixedscope.core.errors import ModelError
from mixedscope.summaries.keys import key_words
from mixedscope.summaries.measures import MEASURES, Measure
from mixedscope.summaries.runs import Summary

__all__ = ["sweep_chart"]

#: Room for panels beside the axis of a double column.
#: Pixels of the axis and margins of a row.
_BESIDE: Final = 66
_GAP: Final = 24


#: Numbers along x spread over more than this are shown on a log scale.
_DECADES: Final = 15.0


@debug_mode(False)
def sweep_chart(summary: Summary, *, theme: str = "light") -> tuple[Any, str, str]:
    """Draw one chart of a sweep.

    ``summary``: see `mixedscope.summaries.runs.summarise`. ``chart``, ``title``, ``caption``: the
    chart without theme and title. Raises ModelError if the theme is unknown, or no run has what the
    chart shows.
    """
    ink(theme)
    if summary.frame.empty:
        raise ModelError(_nothing(summary))
    panel = _Panel(summary, theme)
    kind = summary.chart["kind"]
    layers = {
        "line": panel.lines if panel.is_numeric else panel.dots,
        "area": panel.areas,
        "heat": panel.cells,
        "points": panel.points,
    }[kind]()
    chart: Any = layered(*layers).properties(width=panel.width, height=panel.height)
    if "facet" in summary.orders:
        names = [placed(summary.chart["facet"], v) for v in summary.orders["facet"]]
        chart = chart.facet(
            facet=alt.Facet(
                "facet name:N",
                sort=names,
                header=alt.Header(title=None, labelFontWeight="bold", labelPadding=4),
            ),
            columns=panel.columns,
            spacing=_GAP,
            data=panel.frame,
        )
    else:
        chart = chart.properties(data=panel.frame)
    return chart, sweep_title(summary), sweep_caption(summary)


def _nothing(summary: Summary) -> str:
    """Why there is nothing to draw."""
    told = (
        f"No run of the sweep has {summary.chart['y']!r}: of {summary.runs} runs "
        f"{summary.failed} failed and {summary.without} have no value of {summary.chart['x']!r}."
    )
    if summary.reason is None:
        return f"{told} Is the measure known for these models?"
    return f"{told} The first that failed: {summary.reason}"


class _Panel:
    """Encodings and layers of one panel, from its points."""

    def __init__(self, summary: Summary, theme: str) -> None:
        self.summary, self.theme = summary, theme
        self.chart = summary.chart
        self.measure = MEASURES[self.chart["y"]]
        orders = summary.orders
        facets = len(orders.get("facet", [None]))
        self.columns = facets if facets <= 3 else (2 if facets == 4 else 3)
        self.width = (across() - _BESIDE - _GAP * (self.columns - 1)) // self.columns
        self.height = {1: 230, 2: 200, 3: 170}[self.columns]
        if self.chart["kind"] == "heat":
            self.height = max(60, 30 * len(orders["rows"]))
        self.by_measure = self.chart["x"] in MEASURES
        self.is_numeric = self.by_measure or (
            are_numbers(orders["x"])
            and len(orders["x"]) > 1
            and self.chart["x_scale"] != "category"
            and self.chart["kind"] != "heat"
        )
        self.frame = self._frame()

    def _frame(self) -> pd.DataFrame:
        """Points as they are drawn: within floors, rounded, with names."""
        frame = self.summary.frame.copy()
        columns = [(c, self.measure) for c in ("low", "middle", "high")]
        if self.by_measure:
            columns += [(c, MEASURES[self.chart["x"]]) for c in ("x_low", "x", "x_high")]
        for column, measure in columns:
            values = frame[column].astype(float)
            if measure.floor is not None and self._is_log(measure):
                values = values.clip(lower=measure.floor)
            frame[column] = [float(f"{v:.6g}") for v in values]
        for role in ("facet", "colour", "rows"):
            if role in frame:
                key = self.chart[role]
                write = placed if role == "facet" else named
                frame[f"{role} name"] = [write(key, v) for v in frame[role]]
        if not self.is_numeric:
            frame["x name"] = [named(self.chart["x"], v) for v in frame["x"]]
        elif not self.by_measure:
            frame["x"] = frame["x"].astype(float)
        frame["told"] = [
            f"{told(self.measure, m)} ({told(self.measure, a)} to {told(self.measure, b)})"
            for a, m, b in zip(frame["low"], frame["middle"], frame["high"], strict=True)
        ]
        if "path" in frame:
            frame["path name"] = [named(str(self.summary.path), v) for v in frame["path"]]
            # Tolerances from loose to tight, everything else upwards.
            order = self.summary.orders["path"]
            place = {v: i for i, v in enumerate(order)}
            sign = -1 if self.summary.path == "tolerance" else 1
            frame["step"] = [sign * place[v] for v in frame["path"]]
        return frame

    def _is_log(self, measure: Measure) -> bool:
        scale = self.chart["scale"]
        return measure.log if scale is None or measure is not self.measure else scale == "log"

    # -- encodings ---------------------------------------------------------------------------------

    def x(self, field: str = "x", *, padding: float = 10) -> Any:
        """Give the axis of the swept key, or of a measure."""
        key = self.chart["x"]
        if self.by_measure:
            measure = MEASURES[key]
            return measure_axis(
                alt.X, field, measure, self._spread("x_low", "x_high"), log=self._x_log, length=400
            )
        if not self.is_numeric:
            return alt.X(
                "x name:N",
                sort=self._names_along,
                axis=alt.Axis(
                    title=x_words(key), labelAngle=0 if self._short else -30, labelLimit=150
                ),
                scale=alt.Scale(paddingInner=0.04, paddingOuter=0.02)
                if self.chart["kind"] == "heat"
                else alt.Scale(paddingInner=0.15, paddingOuter=0.15),
            )
        values = [float(v) for v in self.summary.orders["x"]]
        room = max(2, self.width // 38)
        shown = values if len(values) <= room else values[:: -(-len(values) // room)]
        return alt.X(
            "x:Q",
            scale=alt.Scale(
                type="log" if self._x_log else "linear",
                nice=False,
                zero=False,
                padding=padding,
                reverse=key == "tolerance",
            ),
            axis=alt.Axis(
                title=title_of_length(x_words(key), self.width),
                values=shown,
                labelExpr=f"{[named(key, v) for v in shown]}[indexof({shown}, datum.value)]",
                grid=False,
                # Numbers stand at their ticks, also at the ends.
                labelFlush=False,
                labelOverlap=True,
            ),
        )

    @property
    def _names_along(self) -> list[str]:
        """Values of a key that stand beside each other: tolerances from loose to tight."""
        key, values = self.chart["x"], list(self.summary.orders["x"])
        tight = key == "tolerance" and all(isinstance(v, (int, float)) for v in values)
        return [named(key, v) for v in (sorted(values, reverse=True) if tight else values)]

    @property
    def _short(self) -> bool:
        return sum(len(n) for n in self._names_along) * 6 < self.width

    @property
    def _x_log(self) -> bool:
        asked, key = self.chart["x_scale"], self.chart["x"]
        if self.by_measure:
            return asked != "linear" and (MEASURES[key].log or asked == "log")
        values = [float(v) for v in self.summary.orders["x"]]
        if min(values) <= 0 or asked == "linear":
            return False
        return asked == "log" or key == "tolerance" or max(values) / min(values) > _DECADES

    def y(self, field: str = "middle") -> Any:
        """Give the axis of the measure."""
        span = self._spread("low", "high")
        return measure_axis(
            alt.Y,
            field,
            self.measure,
            span,
            log=self._is_log(self.measure),
            length=self.height,
            beside=self._beside,
        )

    @property
    def _beside(self) -> str:
        """What the bands or bars are, where there are any: they have no key of their own."""
        if not (self.frame["high"] > self.frame["low"]).any():
            return ""
        return "with its 95\u00a0% interval" if self.measure.proportion else "median and quartiles"

    def _spread(self, low: str, high: str) -> tuple[float, float]:
        least, most = float(self.frame[low].min()), float(self.frame[high].max())
        if low == "low" and self._nominal:
            nominal = self.frame["nominal"].astype(float)
            return min(least, nominal.min()), max(most, nominal.max())
        return least, most

    @property
    def _nominal(self) -> bool:
        """Whether the shares are to be certain ones, which are drawn."""
        return "nominal" in self.frame and bool(self.frame["nominal"].notna().all())

    def nominal(self) -> list[Any]:
        """Dashed lines at what the shares are to be."""
        if not self._nominal:
            return []
        name = {"level": "nominal level", "size": "nominal size"}[str(self.measure.nominal)]
        levels = sorted(set(self.frame["nominal"].astype(float)))
        along = self.chart["x"] == "level" and self.is_numeric
        name = name if along or len(levels) > 1 else f"{name} {share_in_tenths(levels[0])}"
        self.frame = self.frame.assign(**{"nominal name": name})
        dash = alt.StrokeDash(
            "nominal name:N",
            scale=alt.Scale(domain=[name], range=[[5, 3]]),
            legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=200),
        )
        settings: dict[str, Any] = {"color": ink(self.theme)["soft"], "strokeWidth": 1.2}
        if along:
            line = alt.Chart().mark_line(**settings, aria=False)
            return [line.encode(x=self.x(), y=self.y("nominal"), strokeDash=dash)]
        # One for all points of a panel: dashes drawn over each other would be no dashes.
        rule = alt.Chart().mark_rule(**settings, aria=False)
        return [rule.encode(y=self.y("min(nominal)"), detail="nominal:Q", strokeDash=dash)]

    def colours(self, *, legend: bool = True) -> dict[str, Any]:
        """Colour and shape of a key, or the colour of a single series."""
        if "colour" not in self.summary.orders:
            return {}
        key, values = self.chart["colour"], self.summary.orders["colour"]
        names = [named(key, v) for v in values]
        title = None if key == "phase" else key_words(key) if key != "term" else "term"
        shown = alt.Legend(
            title=title, orient="top", titleOrient="left", columns=legend_columns(names),
            symbolOpacity=1, symbolSize=50, labelLimit=200,
        )  # fmt: skip
        scale = alt.Scale(domain=names, range=palette(key, values))
        field: dict[str, Any] = {"field": "colour name", "type": "nominal", "sort": names}
        return {
            "color": alt.Color(**field, scale=scale, legend=shown if legend else None),
            "shape": alt.Shape(
                **field,
                scale=alt.Scale(domain=names, range=marks(key, values)),
                legend=shown if legend else None,
            ),
        }

    @property
    def _hue(self) -> dict[str, Any]:
        """Mark property of a single series."""
        return {} if "colour" in self.summary.orders else {"color": COLOURS["mode"]}

    @property
    def _tooltip(self) -> list[Any]:
        shown = [
            alt.Tooltip(f"{role} name:N", title=key_words(str(self.chart[role])))
            for role in ("facet", "colour", "rows")
            if role in self.summary.orders
        ]
        if "path" in self.frame:
            shown.append(alt.Tooltip("path name:N", title=str(self.summary.path)))
        x = "x:Q" if self.is_numeric else "x name:N"
        return [
            *shown,
            alt.Tooltip(x, title=x_words(self.chart["x"])),
            alt.Tooltip("told:N", title=self.measure.short),
            alt.Tooltip("count:Q", title="runs"),
        ]

    # -- layers ------------------------------------------------------------------------------------

    def lines(self) -> list[Any]:
        """Medians joined by lines, quartiles as bands."""
        base = alt.Chart().encode(x=self.x())
        colours = self.colours()
        own = {"color": colours["color"]} if colours else {}
        layers = self.nominal()
        if (self.frame["high"] > self.frame["low"]).any():
            layers.append(
                base.mark_area(opacity=0.16, aria=False, **self._hue).encode(
                    y=self.y("low"), y2=alt.Y2("high:Q"), **own
                )
            )
        layers += [
            base.mark_line(strokeWidth=1.6, aria=False, **self._hue).encode(y=self.y(), **own),
            base.mark_point(filled=True, size=32, opacity=1, **self._hue).encode(
                y=self.y(), tooltip=self._tooltip, **colours
            ),
        ]
        return layers

    def dots(self) -> list[Any]:
        """Medians as points and quartiles as bars, for keys that are no numbers."""
        colours = self.colours()
        own = {"color": colours["color"]} if colours else {}
        offset: dict[str, Any] = {}
        if colours:
            names = [named(self.chart["colour"], v) for v in self.summary.orders["colour"]]
            offset = {"xOffset": alt.XOffset("colour name:N", sort=names)}
        base = alt.Chart().encode(x=self.x(), **offset)
        return [
            *self.nominal(),
            base.mark_rule(strokeWidth=1.6, aria=False, **self._hue).encode(
                y=self.y("low"), y2=alt.Y2("high:Q"), **own
            ),
            base.mark_point(filled=True, size=45, opacity=1, **self._hue).encode(
                y=self.y(), tooltip=self._tooltip, **colours
            ),
        ]

    def areas(self) -> list[Any]:
        """Mean shares stacked from the first phase, at the bottom, to the last."""
        order = [p for p in phase_fills(self.theme) if p in set(self.frame["colour"])]
        frame = self.frame.assign(place=[order.index(p) for p in self.frame["colour"]])
        frame = frame.sort_values("place", kind="stable")
        by = [c for c in ("facet", "x") if c in frame]
        frame["top"] = frame.groupby(by, sort=False)["middle"].cumsum().clip(upper=1.0)
        frame["bottom"] = (frame["top"] - frame["middle"]).clip(lower=0.0)
        self.frame = frame
        names = [phase_name(p) for p in order]
        fills = [phase_fills(self.theme)[p] for p in order]
        total = 1.0 if self.measure.unit == "%" else float(frame["top"].max())
        axis = alt.Axis(
            title=title_of_length(self.measure.words, self.height), format="%", tickCount=5
        )
        y = alt.Y("bottom:Q", scale=alt.Scale(domain=[0, total], nice=False), axis=axis)
        legend = alt.Legend(
            title=None,
            orient="top",
            columns=legend_columns(names),
            symbolType="square",
            symbolStrokeColor=ink(self.theme)["soft"],
        )
        fill = alt.Fill(
            "colour name:N", sort=names, scale=alt.Scale(domain=names, range=fills), legend=legend
        )
        settings: dict[str, Any] = {"stroke": ink(self.theme)["soft"], "strokeWidth": 0.6}
        mark = alt.Chart().mark_area if self.is_numeric else alt.Chart().mark_bar
        return [
            mark(**settings, aria=False).encode(
                x=self.x(padding=0), y=y, y2=alt.Y2("top:Q"), fill=fill, tooltip=self._tooltip
            )
        ]

    def cells(self) -> list[Any]:
        """Medians as colours, with their numbers."""
        frame, log = self.frame, self._is_log(self.measure)
        values = frame["middle"].map(math.log10) if log else frame["middle"]
        low, high = float(values.min()), float(values.max())
        level = (values - low) / (high - low) if high > low else values * 0.0
        ends = ("#FFFFFF", "#3A3A3A") if self.theme == "print" else ("#F0F5FA", "#08407E")
        self.frame = frame.assign(
            cell=[told(self.measure, v) for v in frame["middle"]],
            text=[legible(*ends, v) for v in level],
            level=level,
        )
        rows = self.chart["rows"]
        base = alt.Chart().encode(
            y=alt.Y(
                "rows name:N",
                sort=[named(rows, v) for v in self.summary.orders["rows"]],
                axis=alt.Axis(title=title_of_length(key_words(rows), self.height), labelLimit=140),
                scale=alt.Scale(paddingInner=0.04),
            ),
        )
        scheme = alt.Scale(domain=[0, 1], range=list(ends), interpolate="lab")
        return [
            base.mark_rect(stroke=ink(self.theme)["grid"], strokeWidth=0.5).encode(
                x=self.x(),
                fill=alt.Fill("level:Q", scale=scheme, legend=None),
                tooltip=self._tooltip,
            ),
            base.mark_text(fontSize=10, aria=False).encode(
                x=self.x(), text=alt.Text("cell:N"), color=alt.Color("text:N", scale=None)
            ),
        ]

    def points(self) -> list[Any]:
        """A mark per point, with quartiles along both axes, joined along the free key."""
        colours = self.colours()
        own = {"color": colours["color"]} if colours else {}
        base = alt.Chart()
        layers = self.nominal()
        if "path" in self.frame:
            layers.append(
                base.mark_line(strokeWidth=1.2, aria=False, **self._hue).encode(
                    x=self.x(), y=self.y(), order=alt.Order("step:Q"), **own
                )
            )
        if (self.frame["high"] > self.frame["low"]).any():
            layers.append(
                base.mark_rule(strokeWidth=1, opacity=0.45, aria=False, **self._hue).encode(
                    x=self.x(), y=self.y("low"), y2=alt.Y2("high:Q"), **own
                )
            )
        if self.by_measure and (self.frame["x_high"] > self.frame["x_low"]).any():
            layers.append(
                base.mark_rule(strokeWidth=1, opacity=0.45, aria=False, **self._hue).encode(
                    x=self.x("x_low"), x2=alt.X2("x_high:Q"), y=self.y(), **own
                )
            )
        layers.append(
            base.mark_point(filled=True, size=34, opacity=1, **self._hue).encode(
                x=self.x(), y=self.y(), tooltip=self._tooltip, **colours
            )
        )
        return layers
