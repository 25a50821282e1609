"""Profile pairs: contours of the likelihood of two parameters, all others optimised.

Which parameters trade for each other, and how far from normal is the likelihood?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.compose import in_column, in_grid, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.lines import broken
from mixedscope.charts.common.numerals import told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.parameters import (
    Key,
    chosen_rows,
    keys_of,
    parameter_name,
)
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.profilepairs.options import ProfilepairsOptions
from mixedscope.charts.kinds.profilepairs.words import (
    profilepairs_caption,
    profilepairs_title,
)
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["profilepairs_chart"]

_LEFT: Final = 24
_RIGHT: Final = 38
_GAP: Final = 5
_LARGEST: Final = 150
#: Parameters drawn where none are named, and on a narrow sheet.
_MOST: Final = 6
_FEWER: Final = 4
_WIDTHS: Final = (1.6, 1.1, 0.7)
#: Colours of the trace along what is across, and along what is up.
_TRACES: Final = {"x": GROUP_COLOURS[1], "y": GROUP_COLOURS[2]}
_DASHES: Final[dict[str, Any]] = {"x": {}, "y": {"strokeDash": [4, 2]}}


@drawn_with(ProfilepairsOptions)
def profilepairs_chart(
    tables: Sequence[FitTables], *, options: ProfilepairsOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the tables ``profile_contours`` and ``profile_traces`` of one fit."""
    if len(tables) != 1:
        raise ModelError(f"A profilepairs chart is that of one fit, not of {len(tables)}.")
    contours = tables[0].require("profile_contours")
    traces = tables[0].require("profile_traces")
    x, y = list(keys_of(contours, "x_")), list(keys_of(contours, "y_"))
    # A pair has its parameters in the order of the fit.
    known = _in_order(x, y)
    shown = _chosen(known, options.parameters)
    kept = [a in shown and b in shown for a, b in zip(x, y, strict=True)]
    contours = contours[kept]
    if not len(contours):
        raise ModelError("The table profile_contours has no pair of these parameters.")
    traces = traces[
        [
            a in shown and b in shown
            for a, b in zip(keys_of(traces, "x_"), keys_of(traces, "y_"), strict=True)
        ]
    ]
    data = Datasets(digits=5)
    grid = _Grid.of(data, theme, shown, contours, traces)
    size = len(shown)
    cells = [
        grid.name(i) if i == j else grid.plain(i, j) if j > i else grid.normal(i, j)
        for i in range(size)
        for j in range(size)
    ]
    found = {frozenset(pair) for pair in zip(x, y, strict=True)}
    missing = sum(
        frozenset((a, b)) not in found for i, a in enumerate(shown) for b in shown[i + 1 :]
    )
    title = profilepairs_title(traces)
    caption = profilepairs_caption(contours, shown, total=len(known), missing=missing)
    body = in_grid(*cells, columns=size, spacing=_GAP, bounds="flush")
    chart = in_column(body, _key(contours, theme), spacing=26)
    chart = data.give(chart).properties(
        title=alt.TitleParams(text=title_lines(title, headline()), offset=20)
    )
    return chart, title, caption


def _in_order(x: Sequence[Key], y: Sequence[Key]) -> list[Key]:
    """Parameters of pairs, each before those that it stands before in a pair."""
    after: dict[Key, set[Key]] = {}
    for a, b in zip(x, y, strict=True):
        after.setdefault(a, set()).add(b)
        after.setdefault(b, set())
    return sorted(after, key=lambda key: -len(after[key]))


def _chosen(known: Sequence[Key], wanted: Sequence[str] | None) -> list[Key]:
    """The parameters drawn: those named, or some of them all, those of variances first."""
    if wanted is not None:
        shown = [known[i] for i in chosen_rows(known, wanted)]
        if len(shown) < 2:
            raise ModelError(
                f"A pair is of two parameters: name two at least, not {parameter_name(shown[0])!r}."
            )
        return shown
    first = [key for key in known if key[0] != "beta"]
    most = _FEWER if is_narrow() else _MOST
    return sorted([*first, *(k for k in known if k[0] == "beta")][:most], key=known.index)


#: Columns of points, by name.
_Columns = dict[str, NDArray[Any]]

#: Columns of which one takes the place of the other where what is across is up.
_ACROSS: Final = {"x": "y", "y": "x", "x_zeta": "y_zeta", "y_zeta": "x_zeta"}


@dataclass(frozen=True)
class _Pair:
    """Contours of a pair, what runs along an end of a range apart, and traces by what is held."""

    contours: dict[bool, _Columns]
    traces: dict[str, _Columns]

    @property
    def turned(self) -> _Pair:
        """The same with the other parameter across."""

        def turned(columns: _Columns) -> _Columns:
            return {_ACROSS.get(name, name): values for name, values in columns.items()}

        return _Pair(
            {is_end: turned(columns) for is_end, columns in self.contours.items()},
            {_ACROSS[along]: turned(columns) for along, columns in self.traces.items()},
        )


def _outlined(table: pd.DataFrame, x: Key, y: Key, levels: Sequence[float]) -> dict[bool, _Columns]:
    """Contours of a pair in pieces, each along an end of a range throughout or nowhere."""
    table = table.sort_values("vertex")
    columns = {name: table[name].to_numpy(dtype=float) for name in ("level", *_ACROSS)}
    ends = np.column_stack([_at_end(x, columns["x"]), _at_end(y, columns["y"])])
    parts: dict[bool, list[tuple[NDArray[Any], int, float]]] = {False: [], True: []}
    count = 0
    for level, width in zip(levels, _strokes(levels), strict=True):
        (near,) = np.nonzero(np.abs(columns["level"] - level) < 1e-9)
        closed = np.append(near, near[:1])
        # Pieces between neighbours that are both at one end of a range are that end itself.
        along = ((ends[closed[1:]] != 0) & (ends[closed[1:]] == ends[closed[:-1]])).any(axis=1)
        cuts = np.flatnonzero(np.diff(along)) + 1
        for start, stop in pairwise([0, *cuts.tolist(), len(along)]):
            if stop > start:
                is_end = bool(along[start])
                own = max(width, 1.2) if is_end else width
                parts[is_end].append((closed[start : stop + 1], count, own))
                count += 1
    return {
        is_end: {
            **{name: np.concatenate([columns[name][at] for at, _, _ in own]) for name in _ACROSS},
            "vertex": np.concatenate([np.arange(len(at)) for at, _, _ in own]),
            "piece": np.repeat([piece for _, piece, _ in own], [len(at) for at, _, _ in own]),
            "width": np.repeat([width for _, _, width in own], [len(at) for at, _, _ in own]),
        }
        for is_end, own in parts.items()
        if own
    }


@dataclass(frozen=True)
class _Grid:
    """Panels of all pairs: in units above the diagonal, on the scale of zeta below."""

    data: Datasets
    theme: str
    shown: list[Key]
    pairs: dict[tuple[int, int], _Pair]
    domains: list[list[float]]
    reach: float
    side: int
    levels: list[float]

    @classmethod
    def of(
        cls,
        data: Datasets,
        theme: str,
        shown: list[Key],
        contours: pd.DataFrame,
        traces: pd.DataFrame,
    ) -> _Grid:
        """Sort the rows of the tables by pair."""
        found: list[dict[tuple[int, int], pd.DataFrame]] = []
        for table in (contours, traces):
            places = [
                [shown.index(key) for key in keys_of(table, f"{axis}_")] for axis in ("x", "y")
            ]
            by_pair: Any = table.groupby(list(map(np.array, places)), sort=False)
            found.append(dict(iter(by_pair)))
        levels = sorted(contours["level"].unique().tolist())
        pairs: dict[tuple[int, int], _Pair] = {}
        for (i, j), own in found[0].items():
            ways = found[1].get((i, j), traces.iloc[:0])
            held = ways["along"].to_numpy()
            kept = {name: ways[name].to_numpy() for name in ("point", *_ACROSS)}
            pair = _Pair(
                _outlined(own, shown[i], shown[j], levels),
                {
                    along: {name: values[held == along] for name, values in kept.items()}
                    for along in ("x", "y")
                },
            )
            pairs[i, j], pairs[j, i] = pair, pair.turned
        domains = []
        for i in range(len(shown)):
            values = [
                columns["x"]
                for (a, _), pair in pairs.items()
                if a == i
                for columns in pair.contours.values()
            ]
            low = float(min(v.min() for v in values))
            high = float(max(v.max() for v in values))
            room = 0.08 * (high - low) or 0.5
            domains.append([low - room, high + room])
        reach = math.sqrt(-2.0 * math.log1p(-levels[-1])) + 0.3
        room = inner() - _LEFT - _RIGHT - _GAP * (len(shown) - 1)
        return cls(
            data, theme, shown, pairs, domains, reach, min(_LARGEST, room // len(shown)), levels
        )

    def name(self, i: int) -> Any:
        """The name of a parameter, on the diagonal."""
        columns = max(int(self.side / 5.6), 8)
        name = parameter_name(self.shown[i])
        lines = broken(name, columns)[:5]
        step = 12.0
        rows = [
            {"y": self.side / 2 + step * (at - (len(lines) - 1) / 2), "words": line}
            for at, line in enumerate(lines)
        ]
        scale = alt.Scale(domain=[self.side, 0], nice=False, zero=False)
        return (
            self.data.chart(rows)
            .mark_text(
                align="center", baseline="middle", fontSize=10, fill=ink(self.theme)["ink"],
                limit=self.side,
            )
            .encode(
                x=alt.XValue(self.side / 2),
                y=alt.Y(field="y", type="quantitative", axis=None, scale=scale),
                text=alt.Text(field="words", type="nominal"),
            )
            .properties(width=self.side, height=self.side, view=alt.ViewConfig(stroke=None))
        )  # fmt: skip

    def plain(self, i: int, j: int) -> Any:
        """A pair in units: the parameter of column j across, that of row i up."""
        x = self._encoding(alt.X, self.domains[j], shown=i == 0, orient="top", ticks=3)
        is_last = j == len(self.shown) - 1
        y = self._encoding(alt.Y, self.domains[i], shown=is_last, orient="right", ticks=4)
        return self._panel(self.pairs.get((j, i)), "x", "y", x, y)

    def normal(self, i: int, j: int) -> Any:
        """The same on the scale of zeta."""
        domain, values = [-self.reach, self.reach], [-2, 0, 2]
        is_bottom = i == len(self.shown) - 1
        x = self._encoding(alt.X, domain, shown=is_bottom, orient="bottom", values=values)
        y = self._encoding(alt.Y, domain, shown=j == 0, orient="left", values=values)
        return self._panel(self.pairs.get((j, i)), "x_zeta", "y_zeta", x, y)

    def _encoding(
        self,
        channel: Any,
        domain: list[float],
        *,
        shown: bool,
        orient: str,
        ticks: int = 3,
        values: list[int] | None = None,
    ) -> Any:
        settings: dict[str, Any] = {
            "title": None, "labels": shown, "ticks": shown, "grid": values is not None,
            "domain": False, "orient": orient, "labelFlush": 10, "labelFontSize": 9,
            "labelOverlap": True, "labelBound": True,
        }  # fmt: skip
        if orient in ("left", "right"):
            extent = (_LEFT if orient == "left" else _RIGHT) - 6 if shown else 0
            settings |= {"minExtent": extent, "maxExtent": extent}
        settings |= {"values": values, "format": "d"} if values else {"tickCount": ticks}
        if values and shown:
            settings |= {"title": "ζ", "titlePadding": 2}
        scale = alt.Scale(domain=domain, nice=False, zero=False)

        def encoding(field: str) -> Any:
            return channel(field=field, type="quantitative", scale=scale, axis=alt.Axis(**settings))

        return encoding

    def _panel(self, pair: _Pair | None, across: str, up: str, x: Any, y: Any) -> Any:
        colours = ink(self.theme)
        if pair is None:
            words = [{"words": "\u2013"}]
            return (
                self.data.chart(words)
                .mark_text(fill=colours["soft"])
                .encode(
                    x=alt.XValue(self.side / 2), y=alt.YValue(self.side / 2),
                    text=alt.Text(field="words", type="nominal"),
                )
                .properties(width=self.side, height=self.side)
            )  # fmt: skip
        layers: list[Any] = []
        place = {"x": x("x"), "y": y("y")}
        for along, way in pair.traces.items():
            if len(way["point"]) > 1:
                layers.append(
                    self._points(way, across, up, "point")
                    .mark_line(
                        stroke=_TRACES[along], **_DASHES[along], strokeWidth=0.9,
                        clip=True, aria=False,
                    )
                    .encode(**place, order=alt.Order(field="point", type="quantitative"))
                )  # fmt: skip
        layers += self._contours(pair, across, up, place)
        middle: dict[str, float] = {"x": 0.0, "y": 0.0}
        if across != "x_zeta":
            middle = {}
            for way in pair.traces.values():
                (at,) = np.nonzero(np.abs(way["x_zeta"]) + np.abs(way["y_zeta"]) < 1e-9)
                if len(at) and not middle:
                    middle = {name: float(way[name][at[0]]) for name in ("x", "y")}
        if middle:
            layers.append(
                self.data.chart([middle])
                .mark_point(
                    filled=True, color=COLOURS["population"], size=16, opacity=1, aria=False
                )
                .encode(**place)
            )
        return layered(*layers, width=self.side, height=self.side)

    def _points(self, columns: _Columns, across: str, up: str, *others: str) -> alt.Chart:
        """Begin a chart of points, with what is across and up."""
        table = {"x": columns[across], "y": columns[up], **{name: columns[name] for name in others}}
        return self.data.chart(pd.DataFrame(table))

    def _contours(self, pair: _Pair, across: str, up: str, place: dict[str, Any]) -> list[Any]:
        """The contours of a pair; pieces along an end of a range are of another colour."""
        colours = {False: COLOURS["mode"], True: COLOURS["failed"]}
        return [
            self._points(columns, across, up, "vertex", "piece", "width")
            .mark_line(stroke=colours[is_end], clip=True, aria=False)
            .encode(
                **place, detail=alt.Detail(field="piece", type="nominal"),
                strokeWidth=alt.StrokeWidth(field="width", type="quantitative", scale=None),
                order=alt.Order(field="vertex", type="quantitative"),
                tooltip=[
                    alt.Tooltip(field=axis, type="quantitative", format=".4~g") for axis in "xy"
                ],
            )
            for is_end, columns in pair.contours.items()
        ]  # fmt: skip


def _at_end(key: Key, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """At which end of its range a parameter is: -1, 1, or 0 for neither."""
    if key[0] == "sd":
        return -(values <= 1e-8 * float(values.max())).astype(float)
    if key[0] == "correlation":
        return (values >= 1.0 - 1e-7).astype(float) - (values <= -1.0 + 1e-7).astype(float)
    return 0.0 * values


def _strokes(levels: Sequence[float]) -> list[float]:
    return [_WIDTHS[min(i, len(_WIDTHS) - 1)] for i in range(len(levels))]


def _key(contours: pd.DataFrame, theme: str) -> Any:
    levels = sorted(contours["level"].unique().tolist())
    items: list[Keyed] = [
        Keyed(
            "line",
            f"{told_level(level)} jointly",
            {"stroke": COLOURS["mode"], "strokeWidth": stroke},
        )
        for level, stroke in zip(levels, _strokes(levels), strict=True)
    ]
    items.append(
        Keyed("point", "estimate", {"color": COLOURS["population"], "filled": True, "size": 16})
    )
    for along, words in (("x", "the column's parameter held"), ("y", "the row's held")):
        line = {"stroke": _TRACES[along], **_DASHES[along], "strokeWidth": 1.1}
        items.append(Keyed("line", words, line))
    if contours["at_end"].any():  # of which the pieces of another colour are
        items.append(
            Keyed("line", "the range ends", {"stroke": COLOURS["failed"], "strokeWidth": 1.4})
        )
    return mark_key(items, width=inner() - _LEFT, theme=theme)
