"""A scatter-plot matrix: every two columns against each other, and the density of each.

How do the effects of levels hang together, and how are they distributed?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.colours import Style
from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.groups import chosen_terms, grouping_factor
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import fixed, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.shrinkage.ellipse import contour, correlation_matrix, radius
from mixedscope.charts.kinds.shrinkage.levels import sample_ranks
from mixedscope.charts.kinds.splom.options import SplomOptions
from mixedscope.charts.kinds.splom.words import WHAT, splom_caption, splom_title
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.summaries.columns import column_correlations, column_densities
from mixedscope.tables.store import FitTables

__all__ = ["splom_chart"]

_LEFT: Final = 44
_GAP: Final = 5
_LARGEST: Final = 150
_MOST_COLUMNS: Final = 8
_MOST_POINTS: Final = 800
_ENDS: Final = 20

_TICKS: Final[dict[str, Any]] = {
    "title": None,
    "grid": False,
    "tickCount": 3,
    "labelFlush": False,
    "labelFontSize": 9,
    "labelOverlap": True,
}
_AREA: Final[dict[str, Any]] = {"opacity": 0.35, "strokeWidth": 1.2}
_ELLIPSE: Final = Style({"strokeWidth": 1.5}, color="ellipse")


@dataclass(frozen=True)
class _Columns:
    """What is drawn.

    Attributes
    ----------
    frame : DataFrame
        A column per name, and `name` of the row.
    names : list of str
    row : str
        What a row is.
    what : str
        What is drawn, at the beginning of the title.
    values : str or None
        The column of the stored modes; None of a table.
    sds, correlations : arrays or None
        Of the fitted distribution.
    left_out : list of str
        Columns that are no numbers.
    """

    frame: pd.DataFrame
    names: list[str]
    row: str
    what: str
    values: str | None = None
    sds: Any = None
    correlations: Any = None
    left_out: tuple[str, ...] = ()


@drawn_with(SplomOptions)
def splom_chart(
    source: Sequence[FitTables] | pd.DataFrame,
    group: str | None = None,
    *,
    options: SplomOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw levels of a grouping factor of the first fit, or rows of a table."""
    for coverage in options.ellipses:
        radius(coverage)
    if isinstance(source, pd.DataFrame):
        columns = _of_table(source, options)
    else:
        columns = _of_fit(source, group, options)
    names, frame = columns.names, columns.frame
    if len(names) < 2:
        told = ", ".join(names) or "none"
        raise UnsuitedError(f"a scatter-plot matrix takes two columns at least, here is {told}")
    if len(names) > _MOST_COLUMNS:
        raise ModelError(
            f"A scatter-plot matrix has {_MOST_COLUMNS} columns at most, not {len(names)}: choose "
            "with terms=[...]."
        )
    pairs = column_correlations(frame, names)
    if columns.values is not None:
        place = {name: i for i, name in enumerate(names)}
        pairs["fitted"] = [
            columns.correlations[place[a], place[b]]
            if columns.sds[place[a]] > 0 and columns.sds[place[b]] > 0
            else np.nan
            for a, b in zip(pairs["first"], pairs["second"], strict=True)
        ]
    whole = frame[frame[names].notna().any(axis=1)]
    ordered = whole.iloc[np.argsort(whole[names[0]].to_numpy(dtype=float), kind="stable")]
    shown = ordered.iloc[sample_ranks(len(ordered), _MOST_POINTS, first=_ENDS, last=_ENDS)]
    size = min((inner() - _LEFT - _GAP * (len(names) - 1)) // len(names), _LARGEST)
    matrix = _Matrix(columns, shown, pairs, options.ellipses, size, theme)
    title = splom_title(columns.what, pairs, fitted=columns.values is not None)
    still = [name for name in names if not np.ptp(frame[name].dropna().to_numpy(float)) > 0.0]
    caption = splom_caption(
        values=columns.values,
        ellipses=options.ellipses,
        still=still,
        left_out=columns.left_out,
        missing=int(frame[names].isna().any(axis=1).sum()),
        shown=len(shown),
        known=len(ordered),
        count=len(frame),
    )
    chart = matrix.data.give(
        in_column(
            *matrix.rows(),
            mark_key(matrix.key(), width=inner() - _LEFT, theme=theme),
            spacing=_GAP,
            title=alt.TitleParams(text=title_lines(title, headline())),
            description=caption,
        )
    )
    return chart, title, caption


def _of_fit(tables: Sequence[FitTables], group: str | None, options: SplomOptions) -> _Columns:
    """Levels of a factor, a column per term."""
    fit = tables[0]
    group, known = grouping_factor(tables[:1], group)
    names = chosen_terms(known, repr(group), options.terms)
    modes = fit.require("modes")
    own = modes[(modes["group"] == group) & modes["term"].isin(names)]
    wide = own.pivot(index="level", columns="term", values=options.values)[names]
    wide = wide.reindex(list(dict.fromkeys(own["level"])))
    sds, correlations = correlation_matrix(fit.require("estimates"), group, names)
    frame = wide.reset_index().rename(columns={"level": ".name"})
    frame.columns.name = None
    what = f"{WHAT[options.values]} of {group}"
    return _Columns(frame, list(names), group, what, options.values, sds, correlations)


def _of_table(table: pd.DataFrame, options: SplomOptions) -> _Columns:
    """Rows of a table, its columns of numbers."""
    table = table.rename(columns=str)
    numbers = [
        name
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name])
        and not pd.api.types.is_bool_dtype(table[name])
    ]
    names = chosen_terms(numbers, "the table", options.terms, what="column of numbers")
    left_out = () if options.terms else tuple(n for n in table.columns if n not in numbers)
    frame = table[names].reset_index(drop=True)
    frame.insert(0, ".name", [str(label) for label in table.index])
    return _Columns(frame, names, "row", "Columns", left_out=left_out)


class _Matrix:
    """The panels: points below the diagonal, densities on it, correlations above."""

    def __init__(
        self,
        columns: _Columns,
        shown: pd.DataFrame,
        pairs: pd.DataFrame,
        ellipses: Sequence[float],
        size: int,
        theme: str,
    ) -> None:
        self._columns, self._pairs, self._ellipses = columns, pairs, ellipses
        self._size, self._theme = size, theme
        self.data = Datasets(digits=5)
        # Names of columns are the user's: places of columns are told by number.
        fields = {name: f"v{i}" for i, name in enumerate(columns.names)}
        self._points = shown.rename(columns={**fields, ".name": "name"})
        self._densities = column_densities(columns.frame, columns.names)
        self._frames = [self._frame(j) for j in range(len(columns.names))]
        colours = {"joint_limit": "reference", "within_group": "reference"}
        self._colour = COLOURS[colours.get(columns.values or "", "mode")]

    def _frame(self, j: int) -> list[float]:
        """Range of a column: its values, and the largest ellipse."""
        values = self._columns.frame[self._columns.names[j]].dropna().to_numpy(dtype=float)
        ends = [*values] if len(values) else [0.0]
        if self._columns.values is not None and self._ellipses:
            reach = float(self._columns.sds[j]) * radius(max(self._ellipses))
            ends += [-reach, reach]
        low, high = float(min(ends)), float(max(ends))
        room = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
        return [low - room, high + room]

    def key(self) -> list[Keyed]:
        """What marks mean."""
        items = [Keyed("point", "level" if self._columns.values else "row", self._point())]
        if self._columns.values is not None and self._ellipses:
            told = ", ".join(map(told_level, self._ellipses))
            items.append(Keyed("line", f"fitted distribution, {told}", _ELLIPSE))
        items.append(Keyed("band", "density", {"color": self._colour, "opacity": 0.35}))
        return items

    def rows(self) -> list[Any]:
        """The rows of the matrix, the first column on top."""
        k = len(self._columns.names)
        return [
            in_row(*(self._panel(i, j) for j in range(k)), spacing=_GAP, bounds="flush")
            for i in range(k)
        ]

    def _panel(self, i: int, j: int) -> Any:
        if i == j:
            return self._density(i)
        return self._scatter(i, j) if j < i else self._correlation(i, j)

    def _point(self) -> dict[str, Any]:
        many = len(self._points) > 200
        size = (16 if self._size > 70 else 8) if not many else 6
        opacity = 0.5 if many else 0.8
        return {"filled": True, "color": self._colour, "size": size, "opacity": opacity}

    def _x(self, j: int, field: str, *, shown: bool) -> alt.X:
        scale = alt.Scale(domain=self._frames[j], nice=False, zero=False)
        # Labels of neighbours would run together: those at the ends stand within their panel.
        axis = alt.Axis(**{**_TICKS, "labelFlush": 14, "labelBound": 2}) if shown else None
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)

    def _y(self, i: int, field: str, *, shown: bool) -> alt.Y:
        scale = alt.Scale(domain=self._frames[i], nice=False, zero=False)
        axis = alt.Axis(minExtent=_LEFT - 12, **_TICKS) if shown else None
        return alt.Y(field=field, type="quantitative", scale=scale, axis=axis)

    def _scatter(self, i: int, j: int) -> Any:
        columns = self._columns
        last, first = i == len(columns.names) - 1, j == 0
        x, y = self._x(j, f"v{j}", shown=last), self._y(i, f"v{i}", shown=first)
        layers = []
        if columns.values is not None:
            for coverage in self._ellipses:
                curve = contour(
                    (columns.sds[j], columns.sds[i]), columns.correlations[j, i], coverage
                )
                rows = pd.DataFrame(curve, columns=["x", "y"]).assign(step=range(len(curve)))
                layers.append(
                    self.data.chart(rows)
                    .mark_line(aria=False, **_ELLIPSE)
                    .encode(
                        x=self._x(j, "x", shown=last),
                        y=self._y(i, "y", shown=first),
                        order=alt.Order(field="step", type="quantitative"),
                    )
                )
        kept = self._points[["name", f"v{j}", f"v{i}"]].dropna()
        tips = [
            alt.Tooltip(field="name", type="nominal", title=columns.row),
            alt.Tooltip(field=f"v{j}", type="quantitative", title=columns.names[j], format=".4~g"),
            alt.Tooltip(field=f"v{i}", type="quantitative", title=columns.names[i], format=".4~g"),
        ]
        points = self.data.chart(kept).mark_point(aria=False, **self._point())
        layers.append(points.encode(x=x, y=y, tooltip=tips))
        return layered(*layers, width=self._size, height=self._size)

    def _density(self, i: int) -> Any:
        name = self._columns.names[i]
        last, first = i == len(self._columns.names) - 1, i == 0
        own = self._densities[self._densities["column"] == name]
        top = float(own["density"].max()) if len(own) else 1.0
        y = alt.Y(
            field="density",
            type="quantitative",
            scale=alt.Scale(domain=[0.0, 1.35 * top], nice=False),
            axis=alt.Axis(title=None, labels=False, ticks=False, grid=False, domain=False,
                          minExtent=_LEFT - 12) if first else None,
        )  # fmt: skip
        label = name
        most = max(4, int(self._size / 5.4))
        if len(label) > most:
            label = f"{label[: most - 1]}…"
        words = (
            self.data.chart(pd.DataFrame({"text": [label]}))
            .mark_text(
                aria=False, align="left", baseline="top", fontSize=10, fontWeight="bold",
                color=ink(self._theme)["ink"],
            )
            .encode(x=alt.XValue(3), y=alt.YValue(4), text=alt.Text(field="text", type="nominal"))
        )  # fmt: skip
        area = self.data.chart(own[["x", "density"]]).mark_area(
            aria=False, color=self._colour, line={"color": self._colour}, clip=True, **_AREA
        )
        curve = area.encode(x=self._x(i, "x", shown=last), y=y)
        return layered(curve, words, width=self._size, height=self._size)

    def _correlation(self, i: int, j: int) -> Any:
        names = self._columns.names
        at = (self._pairs["first"] == names[i]) & (self._pairs["second"] == names[j])
        row = self._pairs[at].iloc[0]
        lines = [fixed(float(row["correlation"]), 2)]
        if self._columns.values is not None:
            lines.append(f"fit {fixed(float(row['fitted']), 2)}")
        size = 11 if self._size > 60 else 9
        rows = pd.DataFrame({"text": lines, "dy": [-7 + 15 * n for n in range(len(lines))]})
        layers = [
            self.data.chart(rows.iloc[[n]])
            .mark_text(
                aria=False, fontSize=size, dy=int(rows["dy"].iloc[n]),
                color=ink(self._theme)["ink" if n == 0 else "soft"],
                fontWeight="bold" if n == 0 else "normal",
            )
            .encode(
                x=alt.XValue(self._size / 2),
                y=alt.YValue(self._size / 2),
                text=alt.Text(field="text", type="nominal"),
            )
            for n in range(len(lines))
        ]  # fmt: skip
        return layered(
            *layers, width=self._size, height=self._size, view=alt.ViewConfig(stroke=None)
        )
