"""Pairs of parameters over the draws of a bootstrap, with regions of highest density.

Which parameters are uncertain together, and does the likelihood say the same?
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import in_full, share_in_tenths, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.parameters import (
    Key,
    chosen_rows,
    keys_of,
    parameter_name,
)
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.ridge2d.options import Ridge2DOptions
from mixedscope.charts.kinds.ridge2d.words import edges, ridge2d_caption, ridge2d_title
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables

__all__ = ["ridge2d_chart"]

Floats = NDArray[np.float64]

_LEFT: Final = 54
_GAP: Final = 6
#: Pairs drawn where none are named; draws drawn of each.
_MOST: Final = 6
_DRAWS: Final = 1000
_LARGEST: Final = 200
#: Widths of lines by coverage, the innermost first.
_WIDTHS: Final = (1.9, 1.3, 0.8)


@drawn_with(Ridge2DOptions)
def ridge2d_chart(
    tables: Sequence[FitTables], *, options: Ridge2DOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the tables ``bootstrap_pairs`` and ``bootstrap_regions`` of one fit, and its draws."""
    if len(tables) != 1:
        raise ModelError(f"A ridge2d chart is that of one bootstrap, not of {len(tables)}.")
    fit = tables[0]
    every = fit.require("bootstrap_pairs")
    if not len(every):
        raise ModelError("A pair is of two parameters, and the draws have one parameter alone.")
    pairs = _chosen(every, options.parameters)
    regions = fit.require("bootstrap_regions")
    contours = fit.optional("profile_contours")
    draws = _Draws(fit.require("bootstrap"))
    data = Datasets(digits=5)
    known = list(zip(keys_of(regions, "x_"), keys_of(regions, "y_"), strict=True))
    levels = sorted(regions["level"].unique().tolist())
    drawn: list[tuple[pd.Series, Key, Key, pd.DataFrame, pd.DataFrame | None]] = []
    for (_, row), x, y in zip(
        pairs.iterrows(), keys_of(pairs, "x_"), keys_of(pairs, "y_"), strict=True
    ):
        own = regions[[pair == (x, y) for pair in known]]
        drawn.append((row, x, y, own, _likelihood(contours, x, y)))
    per_row = 2 if len(drawn) in (2, 4) else min(3 - is_narrow(), len(drawn))
    width = min(_LARGEST, (inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row)
    panels = [_panel(data, draws, one, levels, width, theme) for one in drawn]
    rows = [
        in_row(*panels[i : i + per_row], spacing=_GAP + _LEFT, bounds="flush")
        for i in range(0, len(panels), per_row)
    ]
    likelihood = sorted({v for *_, c in drawn if c is not None for v in c["level"].unique()})
    title = ridge2d_title(pairs)
    caption = ridge2d_caption(
        pairs, levels, total=draws.pairs, drawn=min(_DRAWS, draws.count), likelihood=likelihood,
        is_chosen=options.parameters is not None,
    )  # fmt: skip
    at_ends = any(edges(row) for row, *_ in drawn)
    key = _key(levels, likelihood, theme, at_ends=at_ends)
    chart = data.give(in_column(*rows, key, spacing=14)).properties(
        title=alt.TitleParams(text=title_lines(title, headline()))
    )
    return chart, title, caption


def _chosen(pairs: pd.DataFrame, wanted: Sequence[str] | None) -> pd.DataFrame:
    """The pairs that are drawn: the first six, or all of the parameters named, in their order."""
    if wanted is None:
        return pairs.head(_MOST)
    x, y = list(keys_of(pairs, "x_")), list(keys_of(pairs, "y_"))
    known = list(dict.fromkeys([*x, *y]))
    names = [known[i] for i in chosen_rows(known, wanted)]
    if len(names) < 2:
        raise ModelError(
            f"A pair is of two parameters: name two at least, not {parameter_name(names[0])!r}."
        )
    places = {frozenset(pair): i for i, pair in enumerate(zip(x, y, strict=True))}
    wanted_pairs = [frozenset(pair) for pair in combinations(names, 2)]
    if not set(wanted_pairs) <= places.keys():
        raise ModelError(
            "The table bootstrap_pairs has not all pairs of these parameters: give the draws "
            "themselves, fit.parametric_bootstrap(...), of which any pair can be drawn."
        )
    return pairs.iloc[[places[pair] for pair in wanted_pairs]]


class _Draws:
    """The stored draws, by parameter."""

    def __init__(self, table: pd.DataFrame) -> None:
        origin = table.attrs["origin"]
        used = table["converged"].to_numpy(dtype=bool) & np.isfinite(
            table["objective"].to_numpy(dtype=float)
        )
        self._table = table.loc[used]
        self._table.attrs = {}
        self.count = int(used.sum())
        self._names = {
            "beta": [(None, name, None) for name in origin["beta_names"]],
            "sd": [(group, term, None) for group, term in origin["sd_names"]],
            "correlation": [tuple(names) for names in origin["correlation_names"]],
        }
        has_scale = origin.get("scale", "sigma") != ""  # of families some have none
        self.parameters = sum(len(names) for names in self._names.values()) + has_scale

    @property
    def pairs(self) -> int:
        """How many pairs of parameters there are."""
        return self.parameters * (self.parameters - 1) // 2

    def values(self, key: Key) -> Floats:
        """Draws (m,) of one parameter."""
        if key[0] in ("sigma", "dispersion"):
            return self._table["sigma"].to_numpy(dtype=float)
        at = self._names[key[0]].index(key[1:])
        return np.array([row[at] for row in self._table[key[0]]], dtype=float)


def _likelihood(contours: pd.DataFrame | None, x: Key, y: Key) -> pd.DataFrame | None:
    """Contours of a pair, whichever of the two is across; None if there are none."""
    if contours is None:
        return None
    known = list(zip(keys_of(contours, "x_"), keys_of(contours, "y_"), strict=True))
    for pair, names in (((x, y), {}), ((y, x), {"x": "y", "y": "x"})):
        own = contours.loc[[k == pair for k in known], ["level", "vertex", "x", "y"]]
        if len(own):
            return own.rename(columns=names)
    return None


def _panel(
    data: Datasets, draws: _Draws, one: Any, levels: Sequence[float], width: float, theme: str
) -> Any:
    row, x_key, y_key, regions, likelihood = one
    colours = ink(theme)
    frame = pd.DataFrame({"x": draws.values(x_key), "y": draws.values(y_key)})
    frame = frame.loc[np.isfinite(frame.to_numpy()).all(axis=1)]
    frames = [frame, regions[["x", "y"]], *([] if likelihood is None else [likelihood[["x", "y"]]])]
    both = pd.concat(frames, ignore_index=True)
    axes = [
        _axis(channel, field, key, both[field], float(row[f"{field}_estimate"]), width)
        for channel, field, key in ((alt.X, "x", x_key), (alt.Y, "y", y_key))
    ]
    x, y = axes
    order = alt.Order(field="vertex", type="quantitative")
    tips = [
        alt.Tooltip(field="x", type="quantitative", title=parameter_name(x_key), format=".5~g"),
        alt.Tooltip(field="y", type="quantitative", title=parameter_name(y_key), format=".5~g"),
    ]
    layers: list[Any] = [
        data.chart(frame.head(_DRAWS))
        .mark_point(
            filled=True, color=COLOURS["evaluation"], size=7, opacity=0.35, clip=True, aria=False
        )
        .encode(x=x("x"), y=y("y"), tooltip=tips)
    ]  # fmt: skip
    if likelihood is not None:
        for level in sorted(likelihood["level"].unique()):
            own = likelihood[likelihood["level"] == level].sort_values("vertex")
            closed = pd.concat([own, own.head(1).assign(vertex=len(own))], ignore_index=True)
            layers.append(
                data.chart(closed[["vertex", "x", "y"]])
                .mark_line(
                    stroke=COLOURS["population"], strokeWidth=0.9, strokeDash=[3, 2], clip=True,
                    aria=False,
                )
                .encode(x=x("x"), y=y("y"), order=order)
            )  # fmt: skip
    for level, stroke in zip(levels, _strokes(levels), strict=True):
        own = regions.loc[regions["level"] == level, ["line", "vertex", "x", "y"]]
        if len(own):
            layers.append(
                data.chart(own)
                .mark_line(stroke=COLOURS["mode"], strokeWidth=stroke, clip=True, aria=False)
                .encode(
                    x=x("x"), y=y("y"), detail=alt.Detail(field="line", type="nominal"), order=order
                )
            )
    layers += _edges(data, row, frame, x_key, y_key, x, y, colours)
    estimate = [{"x": float(row["x_estimate"]), "y": float(row["y_estimate"])}]
    layers.append(
        data.chart(estimate)
        .mark_point(**_ESTIMATE, fill=colours["paper"], clip=True, aria=False)
        .encode(x=x("x"), y=y("y"))
    )
    height = round(0.92 * width)
    return layered(*layers, width=width, height=height)


_ESTIMATE: Final = Style(
    {"shape": "diamond", "strokeWidth": 1.6, "size": 60, "opacity": 1}, stroke="population"
)


def _strokes(levels: Sequence[float]) -> list[float]:
    return [_WIDTHS[min(i, len(_WIDTHS) - 1)] for i in range(len(levels))]


def _axis(
    channel: Any, name: str, key: Key, values: pd.Series, estimate: float, width: float
) -> Any:
    """Encoding of an axis, as a function of the field; ends of ranges are ends of the axis."""
    low, high = min(float(values.min()), estimate), max(float(values.max()), estimate)
    room = 0.04 * (high - low) or 0.5
    low, high = low - room, high + room
    if key[0] == "correlation":
        low, high = max(low, -1.04), min(high, 1.04)
    if key[0] in ("sd", "sigma") and low < 0.0:
        low = -0.02 * high
    lines = title_lines(parameter_name(key), width, 11.5)
    settings: dict[str, Any] = {
        "title": lines, "tickCount": 4, "grid": False, "domain": False, "labelFlush": False,
    }  # fmt: skip
    if name == "y":
        settings |= {"minExtent": 24, "maxExtent": 24}

    def encoding(field: str) -> Any:
        scale = alt.Scale(domain=[low, high], nice=False, zero=False)
        return channel(field=field, type="quantitative", scale=scale, axis=alt.Axis(**settings))

    return encoding


def _edges(
    data: Datasets,
    row: pd.Series,
    frame: pd.DataFrame,
    x_key: Key,
    y_key: Key,
    x: Any,
    y: Any,
    colours: dict[str, str],
) -> list[Any]:
    """Draws at ends of ranges, in another colour, with their shares."""
    layers: list[Any] = []
    for axis, end, count in edges(row):
        key = x_key if axis == "x" else y_key
        at = frame[axis].min() if end == "low" else frame[axis].max()
        at = 0.0 if key[0] == "sd" else float(at)
        own = frame[(frame[axis] - at).abs() <= 1e-5 * float(frame[axis].abs().max())]
        layers.append(
            data.chart(own.head(_DRAWS))
            .mark_point(
                filled=True, color=COLOURS["failed"], size=12, opacity=0.6, clip=True, aria=False
            )
            .encode(x=x("x"), y=y("y"))
        )
        words = share_in_tenths(count / int(row["draws"]))
        other = "y" if axis == "x" else "x"
        place = {axis: at, other: float(frame[other].max())}
        side: dict[str, Any] = {"align": "right", "dy": 9 if end == "high" else -7}
        if axis == "x":
            side = {"align": "left" if end == "low" else "right", "dx": 6 if end == "low" else -6}
        # On a ground of paper, so that it can be read across lines.
        grounds = ({"stroke": colours["paper"], "strokeWidth": 3}, {"fill": colours["ink"]})
        for ground in grounds:
            layers.append(
                data.chart([place | {"words": words}])
                .mark_text(baseline="middle", fontSize=9, **ground, **side)
                .encode(x=x("x"), y=y("y"), text=alt.Text(field="words", type="nominal"))
            )
    return layers


def _key(
    levels: Sequence[float],
    likelihood: Sequence[float],
    theme: str,
    *,
    at_ends: bool,
) -> Any:
    items: list[Keyed] = [
        Keyed("point", "draw", {"color": COLOURS["evaluation"], "filled": True, "size": 12}),
        Keyed("point", "value drawn from", {**_ESTIMATE, "fill": ink(theme)["paper"]}),
    ]
    for level, stroke in zip(levels, _strokes(levels), strict=True):
        line = {"stroke": COLOURS["mode"], "strokeWidth": stroke}
        items.append(Keyed("line", f"{told_level(level)} of the draws", line))
    if likelihood:
        line = {"stroke": COLOURS["population"], "strokeWidth": 0.9, "strokeDash": [3, 2]}
        told = ", ".join(map(in_full, (100 * level for level in likelihood)))
        items.append(Keyed("line", f"likelihood, {told}\u00a0% jointly", line))
    if at_ends:
        point = {"color": COLOURS["failed"], "filled": True, "size": 16}
        items.append(Keyed("point", "draw at an end of a range", point))
    return mark_key(items, width=inner() - _LEFT, theme=theme)
