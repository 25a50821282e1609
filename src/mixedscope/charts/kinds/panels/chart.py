"""Data of each group beside its own line, the mixed model's and the population's.

What do the data of a group look like, and what does the model make of them?  One panel per group on
common axes, after the panels of lattice that Bates draws lmList fits in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.absent import left_out
from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import in_column
from mixedscope.charts.common.groups import grouping_factor, one_term
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.labels import variable_title
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import fit_label, structure_colours
from mixedscope.charts.common.theme import GROUP_COLOURS, ink
from mixedscope.charts.kinds.panels.options import PanelsOptions
from mixedscope.charts.kinds.panels.words import panels_caption, panels_title, strip
from mixedscope.core.errors import ModelError, suggest
from mixedscope.covariance.structure_names import structure_name
from mixedscope.tables.store import FitTables

__all__ = ["panels_chart"]

_LEFT: Final = 40
_GAP: Final = 6
_MOST_COLUMNS: Final = 6
#: Pixels down that all panels take at most, and one.
_TALL: Final = 560
_TALLEST: Final = 150
#: Characters of names in strips, from a panel's width in pixels.
_CHARACTER: Final = 5.6
#: Pixels of a character of labels below panels, and of the longest that stands aslant.
_LABEL: Final = 5.2
_LONGEST_LABEL: Final = 80
_NUMBER: Final = 7
_ROWS: Final = 120


@drawn_with(PanelsOptions)
def panels_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: PanelsOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw panels of the first fit, with the lines of all."""
    fit = tables[0]
    group, _ = grouping_factor(tables[:1], group)
    axis = _row(fit.require("panels_axes"), group)
    if options.x is not None and options.x != axis["variable"]:
        raise ModelError(
            f"The stored panels of {group!r} are along {axis['variable']!r}, not {options.x!r}: "
            f"draw the fit itself, or study it anew, fit.study('panels', x={options.x!r})."
        )
    terms = next(list(e["names"]) for e in fit.info["random"] if e["group"] == group)
    term = one_term(terms, repr(group), 0 if options.term is None else options.term)
    stored = fit.require("panels")
    stored = stored[stored["group"] == group]
    panels = _selected(stored, group, options)
    panels = _ordered(panels, options.order, terms.index(term))
    lines, points = (
        _of(fit.require(name), group, panels["level"].tolist())
        for name in ("panels_lines", "panels_points")
    )
    others, missing = _others(tables, group, axis, panels["level"].tolist())
    mixed = [_Line(fit_label(fit, tables), axis["median_pull"], lines, _MIXED)]
    if others:
        mixed = _lines([fit, *others], tables, group, panels["level"].tolist())
    response = str(fit.info.get("response") or "response")
    columns, width, height = _layout(len(panels), panels["level"].map(len).max())
    most = max(6, int(width / _CHARACTER) - _NUMBER)
    strips = _strips(panels, most, _decimals(axis["median_pull"]))
    frame = _frame(points["y"])
    ends = [lines["own"], *(one.table["mixed"] for one in mixed)]
    cut = any(bool(((values < frame[0]) | (values > frame[1])).any()) for values in ends)
    title = panels_title(stored, axis, response)
    select = options.select if options.levels is None else ""
    caption = panels_caption(
        axis,
        shown=len(panels),
        select=select,
        order=options.order,
        term=term,
        cut=cut,
        rows=bool((panels["n_obs"] > _ROWS).any()),
        pulls=[(one.label, one.pull) for one in mixed],
    ) + left_out(missing)
    facets = _Facets(axis, frame, width, height, response, theme, mixed)
    chart = in_column(
        facets.draw(lines, points, strips, columns),
        mark_key(_key(axis, mixed, theme), width=inner() - _LEFT, theme=theme),
        spacing=10,
        title=alt.TitleParams(text=title_lines(title, headline())),
    )
    return chart, title, caption


@dataclass(frozen=True)
class _Line:
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


def _others(
    tables: Sequence[FitTables], group: str, axis: Mapping[str, Any], levels: Sequence[str]
) -> tuple[list[FitTables], dict[str, str]]:
    """The other fits that have panels of these levels along the same variable; why any has not."""
    found, missing = [], {}
    for fit in tables[1:]:
        label = fit_label(fit, tables)
        axes = fit.require("panels_axes")
        if not (axes["group"] == group).any():
            missing[label] = f"it has no grouping factor {group!r}"
            continue
        own = _row(axes, group)
        if any(own[name] != axis[name] for name in _SAME):
            along = own["variable"] or "the order of the rows"
            missing[label] = f"its panels are along {along}, at {own['held'] or 'all values'}"
            continue
        stored = fit.require("panels")
        count = int(stored.loc[stored["group"] == group, "level"].isin(levels).sum())
        if count < len(levels):
            missing[label] = f"of these {len(levels)} groups its own are stored of {count}"
            continue
        found.append(fit)
    return found, missing


def _lines(
    fits: Sequence[FitTables], tables: Sequence[FitTables], group: str, levels: Sequence[str]
) -> list[_Line]:
    """The lines of several fits, in the colours of their structures."""
    names = [structure_name(fit.info) for fit in fits]
    colours = structure_colours(list(dict.fromkeys(names)), GROUP_COLOURS)
    colour = dict(zip(dict.fromkeys(names), colours, strict=True))
    return [
        _Line(
            fit_label(fit, tables),
            float(_row(fit.require("panels_axes"), group)["median_pull"]),
            _of(fit.require("panels_lines"), group, levels),
            {
                "color": colour[name],
                "strokeWidth": 1.9 if i == 0 else 1.4,
                **({"strokeDash": _DASHES[min(i, len(_DASHES)) - 1]} if i else {}),
            },
        )
        for i, (fit, name) in enumerate(zip(fits, names, strict=True))
    ]


def _row(table: pd.DataFrame, group: str) -> dict[str, Any]:
    """The row of a factor, None where something is missing but for numbers."""
    own = table[table["group"] == group].iloc[0].to_dict()
    number = "median_pull"
    return {
        str(name): None if name != number and pd.isna(value) else value
        for name, value in own.items()
    }


def _of(table: pd.DataFrame, group: str, levels: Sequence[str]) -> pd.DataFrame:
    return table[(table["group"] == group) & table["level"].isin(levels)].reset_index(drop=True)


def _selected(own: pd.DataFrame, group: str, options: PanelsOptions) -> pd.DataFrame:
    """The levels that are drawn, of those stored of a factor."""
    if options.levels is None:
        rank = own[f"by_{options.select}"]
        return own[rank <= options.count]
    known = own["level"].tolist()
    for level in options.levels:
        if level not in known:
            raise ModelError(
                f"No panel of {group!r} is stored for {level!r}.{suggest(level, known)} Draw the "
                "fit itself, or study it anew, fit.study('panels', levels=[...])."
            )
    if not options.levels:
        raise ModelError("There is nothing to draw: levels is empty.")
    return own[own["level"].isin(options.levels)]


def _ordered(panels: pd.DataFrame, order: str, term: int) -> pd.DataFrame:
    """Ascending by own estimate or mode, descending by pull and rows; without a value last."""
    if order in ("own", "mode"):
        key = [math.nan if values is None else float(values[term]) for values in panels[order]]
    else:
        key = (-panels[order].to_numpy(dtype=float)).tolist()
    return panels.iloc[np.argsort(np.asarray(key), kind="stable")].reset_index(drop=True)


def _layout(count: int, longest: int) -> tuple[int, int, int]:
    """Columns, and width and height of a panel in pixels."""
    room = inner() - _LEFT
    needed = (min(longest, 14) + _NUMBER) * _CHARACTER
    most = max(2, min(_MOST_COLUMNS, int((room + _GAP) // (needed + _GAP))))
    # As square as rows without holes allow: 18 in three rows of six.
    columns = min(count, most)
    rows = -(-count // columns)
    columns = -(-count // rows)
    width = min((room - _GAP * (columns - 1)) // columns, 240)
    height = min(_TALL // rows - 24, _TALLEST, max(width, 60))
    return columns, width, max(height, 44)


def _decimals(usual: float) -> int:
    """Decimals that leave a usual pull two digits."""
    return max(0, 1 - math.floor(math.log10(usual))) if usual > 0.0 else 1


def _strips(panels: pd.DataFrame, most: int, decimals: int) -> dict[str, str]:
    """What is written above each panel, no two alike."""
    out: dict[str, str] = {}
    taken: set[str] = set()
    for level, pull in zip(panels["level"], panels["pull"].tolist(), strict=True):
        text = strip(level, pull, most, decimals)
        while text in taken:
            text += "\u2009"
        taken.add(text)
        out[level] = text
    return out


def _frame(values: pd.Series) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - room, high + room


_Style = Mapping[str, Any]

_OWN: Final = Style({"strokeWidth": 1.6, "strokeDash": [5, 2]}, color="reference")
_MIXED: Final = Style({"strokeWidth": 1.9}, color="mode")
_POPULATION: Final = Style({"strokeWidth": 1.0, "strokeDash": [1.5, 2]}, color="population")
_GAP_STYLE: Final = Style({"opacity": 0.35}, color="reference")
_OWN_MEAN: Final = Style(
    {"shape": "circle", "size": 34, "strokeWidth": 1.6, "fill": "transparent", "opacity": 1},
    stroke="reference",
)
#: Lines, and means, of fits beside the first, in turn.
_DASHES: Final = ([7, 2], [2.5, 1.5], [7, 2, 1.5, 2])
_SHAPES: Final = ("square", "triangle-up", "diamond")
#: What panels of several fits have in common.
_SAME: Final = ("variable", "kind", "held", "offset")


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


def _key(axis: dict[str, Any], mixed: Sequence[_Line], theme: str) -> list[Keyed]:
    partial = axis["held"] is not None or axis["others"] is not None
    first = "partial residual" if partial else "observation"
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
class _Facets:
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
    mixed : sequence of _Line
        Of each fit.
    """

    axis: dict[str, Any]
    frame: tuple[float, float]
    width: int
    height: int
    response: str
    theme: str
    mixed: Sequence[_Line]

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
                points[["level", "row", field, "y"]].assign(kind="point"),
                lines[["level", field, "own", "mixed", "population"]].assign(kind="line"),
                *(
                    one.table[["level", field, "mixed"]].assign(kind="other", fit=i)
                    for i, one in enumerate(self.mixed[1:], start=1)
                ),
            ],
            ignore_index=True,
        )
        rows.insert(0, "panel", rows["level"].map(strips))
        x = self._x(lines)
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

    def _x(self, lines: pd.DataFrame) -> alt.X:
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
        low, high = float(lines["x"].min()), float(lines["x"].max())
        room = 0.04 * (high - low) or 0.5
        axis = alt.Axis(title=None, grid=False, labelBound=True, tickCount=max(2, self.width // 36))
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
        return points.mark_point(aria=False, **style).encode(x=x, y=self._y("y"), tooltip=tips)

    def _lines(self, x: alt.X) -> list[alt.Chart]:
        base = alt.Chart().transform_filter("datum.kind == 'line'")

        def line(name: str, style: _Style) -> alt.Chart:
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
