"""Panels of standardised residuals, which sheets of several kinds have."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed
from mixedscope.charts.common.numerals import in_full
from mixedscope.charts.common.sheet import is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.motion.ticks import nice_ticks
from mixedscope.tables.store import FitTables

__all__ = ["ResidualPanels", "cleared", "headed", "in_headed_rows", "short_response"]

_Style = dict[str, Any]

#: Characters of a line of words above a panel, per pixel of its width.
_CHARACTER: Final = 4.8
_BEYOND: Final = 24
#: Characters of the name of a response in the title of an axis.
_LONGEST: Final = 20
#: Observations that are named beside their point.
_NAMED: Final = 3

_LINE: Final = Style({"strokeWidth": 1.8}, color="mode")
_INTERVAL: Final = Style({"opacity": 0.22}, color="mode")
_ENVELOPE: Final = Style({"opacity": 0.35}, color="movement")
_EXPECTED: Final = Style({"strokeWidth": 1.1, "strokeDash": [4, 3]}, color="zero")
_BANDS: Final = alt.Scale(paddingInner=0.4, paddingOuter=0.3)
#: Numbers on a vertical axis, about, and half the height of one in pixels.
_TICKS: Final = 5
_HALF: Final = 7.0
_CONTOUR: Final[_Style] = {"color": "#CC3311", "strokeWidth": 1.1, "strokeDash": [2, 2]}


def short_response(fit: FitTables) -> str:
    """Name of the response where there is little room: of one made of columns that it is one."""
    name = str(fit.info.get("response") or "response")
    return name if len(name) <= _LONGEST else "the response"


def cleared(low: float, high: float, height: int) -> list[float]:
    """Ends of a vertical axis, the upper one with room for half a label above its highest number.

    A label that stands out of a panel pushes its heading away from those beside it.
    ``height``: of the panel in pixels.
    """
    for _ in range(2):  # More room may be room for another number.
        ticks = nice_ticks(low, high, _TICKS)
        if ticks:
            high = max(high, ticks[-1][0] + _HALF * (high - low) / height)
    return [low, high]


def in_headed_rows(panels: Sequence[tuple[Any, str, str]], per_row: int) -> list[list[Any]]:
    """Panels with their names and sentences, whose headings are alike high in a row."""
    rows = [panels[i : i + per_row] for i in range(0, len(panels), per_row)]
    highest = [max(len(_wrapped(chart, words)) for chart, _, words in row) for row in rows]
    return [
        [headed(*panel, lines) for panel in row] for row, lines in zip(rows, highest, strict=True)
    ]


def _wrapped(chart: Any, sentence: str) -> list[str]:
    return textwrap.wrap(sentence, int((chart.width + _BEYOND) / _CHARACTER))


def headed(chart: Any, name: str, sentence: str, lines: int = 3) -> Any:
    """Put the name of a panel and a sentence above it.

    ``lines``: lines of words at least, where panels stand side by side.
    """
    lines = 0 if is_narrow() else lines
    found = _wrapped(chart, sentence)
    found += [" "] * (lines - len(found))
    words: _Style = {"subtitle": found, "subtitleFontSize": 10} if found else {}
    title = alt.TitleParams(
        text=name, fontSize=11, anchor="start", offset=5, frame="group", **words
    )
    return chart.properties(title=title)


@dataclass(frozen=True)
class ResidualPanels:
    """The stored residuals of one fit, and how large panels are.

    Attributes
    ----------
    fit : FitTables
    data : Datasets
    width, height : int
        Of a panel in pixels.
    theme : str
    """

    fit: FitTables
    data: Datasets
    width: int
    height: int
    theme: str

    def points_style(self, count: int) -> _Style:
        """How observations are drawn: the fainter, the more there are."""
        size, opacity = (16, 0.85) if count <= 300 else (9, 0.5)
        return {"filled": True, "color": ink(self.theme)["soft"], "size": size, "opacity": opacity}

    def key(self, *kinds: str) -> list[Keyed]:
        """What marks mean: those of all panels, and of ``levels``, ``leverage`` if named."""
        items = [
            Keyed("point", "observation", self.points_style(1)),
            Keyed("band", "95\u00a0% envelope", _ENVELOPE),
            Keyed("line", "as the model expects", _EXPECTED),
            Keyed("line", "median in bins", _LINE),
            Keyed("band", "its 95\u00a0% interval", _INTERVAL),
        ]
        if "leverage" in kinds:
            items.append(Keyed("line", "Cook's distance D", _CONTOUR))
        if "levels" in kinds:
            box = {"color": COLOURS["ellipse"], "stroke": COLOURS["mode"], "strokeWidth": 0.8}
            items.append(Keyed("band", "quartiles of a level", box))
            items.append(Keyed("line", "its range", {"color": ink(self.theme)["soft"]}))
        return items

    def normal(self) -> Any:
        """Residuals against normal quantiles, in their envelope."""
        rows = self.fit.require("residuals_qq")
        return self.quantiles(
            rows.rename(columns={"residual": "value"}),
            "residual",
            [("unit", "row"), ("value", "residual")],
        )

    def quantiles(self, rows: pd.DataFrame, title: str, tips: list[tuple[str, str]]) -> Any:
        """Values against normal quantiles: ``normal``, ``value``, ``lower``, ``upper``."""
        base = self.data.chart(rows)
        x = _axis("normal", "normal quantile")
        low = min(rows["value"].min(), rows["normal"].min())
        high = max(rows["value"].max(), rows["normal"].max())
        frame = cleared(float(low) - 0.3, float(high) + 0.3, self.height)
        lines = pd.DataFrame({"normal": rows["normal"].iloc[[0, -1]].to_numpy()})
        return layered(
            base.mark_area(clip=True, aria=False, **_ENVELOPE).encode(
                x=alt.X(**x), y=_y("lower", title, frame), y2=alt.Y2(field="upper")
            ),
            self.data.chart(lines.assign(value=lines["normal"]))
            .mark_line(aria=False, clip=True, **_EXPECTED)
            .encode(x=alt.X(**x), y=_y("value", title, frame)),
            base.mark_point(aria=False, **self.points_style(len(rows))).encode(
                x=alt.X(**x), y=_y("value", title, frame), tooltip=_tips(tips)
            ),
            width=self.width,
            height=self.height,
        )

    def along(self, of: str, expected: float) -> Any:
        """Residuals (``residual``), or roots of their sizes (``root``), by population value."""
        points = self.fit.require("residuals_points")
        bins = self.fit.require("residuals_bins")
        bins = bins[bins["of"] == of]
        title = "residual"
        if of == "root":
            title = "√ |residual|"
            points = points.assign(residual=points["residual"].abs() ** 0.5)
        response = short_response(self.fit)
        numbers = self.fit.require("residuals_numbers").set_index("name")["value"]
        by_rows = numbers["by_rows"] == 1
        # Of a generalised model it is a mean, of random effects of 0.
        value = "mean" if "draws" in numbers.index else "value"
        what = "row, in the order of the data" if by_rows else f"population {value} of {response}"
        x = _axis("along", what, few=True)
        low, high = float(points["residual"].min()), float(points["residual"].max())
        foot = 0.0 if of == "root" else min(low, 0.0) - 0.06 * (high - low)
        frame = cleared(foot, high + 0.1 * (high - low), self.height)
        rule = pd.DataFrame({"y": [expected]})
        largest = points["residual"].abs().nlargest(_NAMED).index
        base = self.data.chart(points)
        over = self.data.chart(bins)
        return layered(
            base.mark_point(aria=False, clip=True, **self.points_style(len(points))).encode(
                x=alt.X(**x),
                y=_y("residual", title, frame),
                tooltip=_tips([("unit", "row"), ("fitted", "fitted"), ("residual", title)]),
            ),
            self.data.chart(rule)
            .mark_rule(aria=False, **_EXPECTED)
            .encode(y=_y("y", title, frame)),
            over.mark_area(aria=False, clip=True, **_INTERVAL).encode(
                x=alt.X(**x), y=_y("lower", title, frame), y2=alt.Y2(field="upper")
            ),
            over.mark_line(aria=False, **_LINE).encode(
                x=alt.X(**x), y=_y("median", title, frame)
            ),
            over.mark_point(
                aria=False, filled=True, size=22, opacity=1, color=COLOURS["mode"]
            ).encode(
                x=alt.X(**x),
                y=_y("median", title, frame),
                tooltip=_tips([("n_obs", "rows"), ("begin", "from"), ("end", "to"),
                               ("median", "median"), ("lower", "lower"), ("upper", "upper")]),
            ),
            *self._names(
                points.loc[largest], "along", x, title, frame
            ),
            width=self.width,
            height=self.height,
        )  # fmt: skip

    def leverages(self) -> Any:
        """Residuals against leverages, with contours of Cook's distance."""
        points = self.fit.require("residuals_points")
        contours = self.fit.require("residuals_contours")
        title = "residual"
        x = _axis("leverage", "leverage", few=True)
        most = 1.12 * float(points["residual"].abs().max())
        frame = cleared(-most, most, self.height)
        own = contours[contours["residual"] <= most]
        own = pd.concat(
            [
                own.assign(residual=sign * own["residual"], side=sign * own["distance"])
                for sign in (1.0, -1.0)
            ],
            ignore_index=True,
        )
        ends = own[own["residual"] > 0].tail(1)
        listed = ", ".join(in_full(d) for d in dict.fromkeys(own["distance"]))
        ends = ends.assign(text=f"D = {listed}")
        # Below the line where there is no room above.
        above = not (ends["residual"] > 0.6 * frame[1]).any()
        base = self.data.chart(points)
        layers = [
            base.mark_point(aria=False, **self.points_style(len(points))).encode(
                x=alt.X(**x),
                y=_y("residual", title, frame),
                tooltip=_tips(
                    [
                        ("unit", "row"),
                        ("leverage", "leverage"),
                        ("residual", title),
                        ("cooks_distance", "Cook's distance"),
                    ]
                ),
            )
        ]
        if len(own):
            layers += [
                self.data.chart(own)
                .mark_line(aria=False, clip=True, **_CONTOUR)
                .encode(
                    x=alt.X(**x),
                    y=_y("residual", title, frame),
                    detail=alt.Detail(field="side", type="nominal"),
                ),
                self.data.chart(ends)
                .mark_text(
                    aria=False, align="right", baseline="bottom" if above else "top",
                    dx=-2, dy=-5 if above else 5, fontSize=9,
                    color=_CONTOUR["color"],
                )
                .encode(
                    x=alt.X(**x),
                    y=_y("residual", title, frame),
                    text=alt.Text(field="text", type="nominal"),
                ),
            ]  # fmt: skip
        named = points.loc[points["cooks_distance"].nlargest(_NAMED).index]
        return layered(
            *layers,
            *self._names(named, "leverage", x, title, frame),
            width=self.width,
            height=self.height,
        )

    def levels(self, group: str, width: int, height: int) -> Any:
        """Ranges, quartiles and medians of the residuals of levels, in the order of medians."""
        rows = self.fit.require("residuals_groups")
        rows = rows[rows["group"] == group].assign(place=lambda t: t["rank"].astype(str))
        few = len(rows) == int(rows["levels"].iloc[0]) and len(rows) <= 24
        field = "level" if few else "place"
        long = few and rows["level"].map(len).max() * 6 > width / len(rows)
        shown = rows[field].tolist()
        axis = alt.Axis(
            values=shown[:: 1 if few else max(1, len(shown) // 10)],
            title=group if few else f"{group}, rank of its median",
            labelAngle=-90 if long else 0, labelLimit=70, grid=False,
            ticks=False, domain=False,
        )  # fmt: skip
        x = alt.X(field=field, type="nominal", sort=shown, axis=axis, scale=_BANDS)
        title = "residual"
        low, high = float(rows["least"].min()), float(rows["most"].max())
        frame = [low - 0.05 * (high - low), high + 0.05 * (high - low)]
        base = self.data.chart(rows)
        tips = [
            ("level", group),
            ("n_obs", "rows"),
            ("median", "median"),
            ("lower", "lower quartile"),
            ("upper", "upper quartile"),
            ("least", "least"),
            ("most", "most"),
        ]
        return layered(
            self.data.chart(pd.DataFrame({"y": [0.0]}))
            .mark_rule(aria=False, **_EXPECTED)
            .encode(y=_y("y", title, frame)),
            base.mark_rule(aria=False, color=ink(self.theme)["soft"], strokeWidth=0.9).encode(
                x=x, y=_y("least", title, frame), y2=alt.Y2(field="most")
            ),
            base.mark_bar(
                aria=False, color=COLOURS["ellipse"], stroke=COLOURS["mode"], strokeWidth=0.8
            ).encode(
                x=x, y=_y("lower", title, frame), y2=alt.Y2(field="upper"), tooltip=_tips(tips)
            ),
            base.mark_tick(aria=False, color=ink(self.theme)["ink"], thickness=2).encode(
                x=x, y=_y("median", title, frame)
            ),
            width=width,
            height=height,
        )

    def _names(
        self, rows: pd.DataFrame, field: str, x: dict[str, Any], title: str, frame: list[float]
    ) -> list[Any]:
        """Names of observations, beside their points on the side that has more room."""
        places = self.fit.require("residuals_points")[field]
        middle = 0.5 * (float(places.min()) + float(places.max()))
        span = float(places.max()) - float(places.min()) or 1.0
        kept: list[tuple[float, float]] = []
        clear = []
        # Panels below each other are made lower where their chart is taller than a page.
        apart = 20 if is_narrow() else 10
        for at, value in zip(rows[field].tolist(), rows["residual"].tolist(), strict=True):
            spot = (self.width * at / span, self.height * value / (frame[1] - frame[0]))
            # Names that would lie over another, or over the axis, are left to the tooltip.
            edge = self.height * min(value - frame[0], frame[1] - value) / (frame[1] - frame[0])
            clear.append(
                edge > 4 and all(abs(spot[0] - a) > 40 or abs(spot[1] - b) > apart for a, b in kept)
            )
            kept += [spot] if clear[-1] else []
        rows = rows[clear]
        out = []
        for side, own in rows.groupby(rows[field] > middle):
            shift = -4 if side else 4
            out.append(
                self.data.chart(own)
                .mark_text(
                    aria=False, align="right" if side else "left", dx=shift, fontSize=9,
                    color=ink(self.theme)["ink"],
                )
                .encode(
                    x=alt.X(**x),
                    y=_y("residual", title, frame),
                    text=alt.Text(field="unit", type="nominal"),
                )
            )  # fmt: skip
        return out


def _axis(field: str, title: str, *, few: bool = False) -> dict[str, Any]:
    return {
        "field": field,
        "type": "quantitative",
        "scale": alt.Scale(nice=False, zero=False, padding=6),
        "axis": alt.Axis(title=title, grid=False, tickCount=5 if few else 6, labelFlush=False),
    }


def _y(field: str, title: str, frame: list[float]) -> alt.Y:
    return alt.Y(
        field=field,
        type="quantitative",
        scale=alt.Scale(domain=frame, nice=False, zero=False),
        axis=alt.Axis(title=title, tickCount=_TICKS),
    )


def _tips(fields: list[tuple[str, str]]) -> list[alt.Tooltip]:
    texts = {"unit", "level", "term", "group"}
    return [
        alt.Tooltip(field=field, type="nominal", title=words)
        if field in texts
        else alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
        for field, words in fields
    ]
