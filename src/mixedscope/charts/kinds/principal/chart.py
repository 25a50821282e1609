"""Shrinkage in the principal axes of the random effects of a factor.

Where does a fit leave variance, and where none?  Panels of pairs of terms can hide that a fit of
three terms or more is singular; along its own axes a lost dimension is a line on which all
conditional modes lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.groups import grouping_factor
from mixedscope.charts.common.legend import header, header_lines, key_row, title_lines
from mixedscope.charts.common.numerals import fixed, number
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.page import beside, drawn_to_fit
from mixedscope.charts.common.panels import DENSE, Panel, panel_chart
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.principal.axes import Axes, read_axes
from mixedscope.charts.kinds.principal.options import PrincipalOptions
from mixedscope.charts.kinds.principal.words import principal_caption, principal_title
from mixedscope.charts.kinds.shrinkage.chart import (
    choose_levels,
    key_items,
    most_levels,
    shared_frame,
)
from mixedscope.charts.kinds.shrinkage.ellipse import radius
from mixedscope.charts.kinds.shrinkage.levels import outside
from mixedscope.tables.store import FitTables

__all__ = ["principal_chart"]

#: What a panel has to its left, and room between panels.
_LEFT: Final = 46
_GAP: Final = 8
#: What a second line of the title of an axis takes, and what is above and below a column.
_LINE: Final = 13
_HEAD: Final = 130
_MOST_COLUMNS: Final = 3
#: Most panels of one fit, and of each of several; pixels down that tables may take.
_MOST_PANELS: Final = 9
_MOST_ROWS: Final = 4
_FEW_ROWS: Final = 2
#: Most fits that stand beside each other on a narrow sheet.
_MOST_BESIDE: Final = 2
_TABLES: Final = 230
#: So many levels are named beside their points, in panels that are wider than this.
_NAMED: Final = 20
_WIDE: Final = 200

#: Height of a row of the table, and what its columns and its names of terms need at least.
_ROW: Final = 14
_COLUMN: Final = 34
_WORDS: Final = 52
_CHARACTER: Final = 5.2


@drawn_with(PrincipalOptions)
def principal_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: PrincipalOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw reference, pull and conditional mode of every level along the axes of each fit."""
    group, _ = grouping_factor(tables, group)
    for coverage in options.ellipses:
        radius(coverage)
    fits, missing = read_axes(tables, group, options.reference)
    pulls = [axes.pull for axes in fits]
    count = len(pulls[0].terms)
    frames = [shared_frame(pulls, j, options.ellipses) for j in range(count)]
    # In a column several fits have room for few panels and one table.
    crowded = is_narrow() and len(fits) > _MOST_BESIDE
    several = _FEW_ROWS if crowded else _MOST_ROWS
    others = _others(count, _MOST_PANELS if len(fits) == 1 else several)
    tables_of = 1 if crowded else _most_tables(fits)
    chosen, sampling = choose_levels(pulls, most_levels(len(fits) * len(others)))
    title = principal_title(fits, group)
    caption = principal_caption(
        fits,
        group,
        sampling=sampling,
        out_of_frame=[outside(pull, frames) for pull in pulls],
        ellipses=options.ellipses,
        missing=missing,
        others=others,
        made_of=tables_of,
    )
    dense = all(len(levels) > DENSE for levels in chosen)
    items = key_items(pulls[0], options.ellipses, ["population"], dense=dense)
    key = key_row(items, width=inner() - _LEFT, theme=theme)
    arranged = _one if len(fits) == 1 else _columns
    drawn = _Drawn(group, frames, chosen, others, options.ellipses, theme, crowded)

    def draw(share: float) -> Any:
        return in_column(
            *arranged(fits, drawn, share),
            *_loadings(fits[:tables_of], theme, named=len(fits) > 1),
            key,
            spacing=14,
            title=alt.TitleParams(text=title_lines(title, headline())),
            description=caption,
        )

    return drawn_to_fit(draw), title, caption


@dataclass(frozen=True)
class _Drawn:
    """What the panels of all fits have in common."""

    group: str
    frames: Sequence[tuple[float, float]]
    chosen: Sequence[NDArray[np.int64]]
    others: Sequence[int]
    ellipses: Sequence[float]
    theme: str
    crowded: bool

    def panel(
        self, at: int, axes: Axes, j: int, size: tuple[int, int], *, lowest: bool, flat: bool
    ) -> Any:
        """The first axis and axis j of one fit; titles of axes on one line where `flat`."""
        titles: list[str | list[str]] = [*axes.titles()]
        if flat:
            titles = [", ".join(lines).replace(":,", ":") for lines in axes.titles()]
        levels = self.chosen[at]
        panel = Panel(
            x=0,
            y=j,
            width=size[0],
            height=size[1],
            frames=self.frames,
            chosen=levels,
            titles=titles,
            x_labels=lowest,
            y_labels=True,
            name_levels=len(levels) <= _NAMED and size[0] > _WIDE,
        )
        return panel_chart(axes.pull, panel, ellipses=self.ellipses, theme=self.theme, limit=False)

    def headed(self, chart: Any, axes: Axes, height: int, *, narrow: bool) -> Any:
        """A panel that says above it which fit it is of, in so many lines."""
        lines = header_lines(axes.pull, self.group, narrow=narrow)
        return chart.properties(title=header(axes.pull.label, lines, height, self.theme))


def _one(fits: Sequence[Axes], drawn: _Drawn, share: float) -> list[Any]:
    """One fit: a panel for each axis behind the first, side by side."""
    axes, others = fits[0], drawn.others
    per_row = min(_MOST_COLUMNS, len(others))
    width = min((inner() - per_row * _LEFT - (per_row - 1) * _GAP) // per_row, 340)
    size = (width, round(share * min(width, 260)))
    panels = [drawn.panel(0, axes, j, size, lowest=True, flat=True) for j in others]
    panels[0] = drawn.headed(panels[0], axes, 0, narrow=False)
    rows = [panels[i : i + per_row] for i in range(0, len(panels), per_row)]
    return [in_row(*row, spacing=_GAP + _LEFT, bounds="flush") for row in rows]


def _columns(fits: Sequence[Axes], drawn: _Drawn, share: float) -> list[Any]:
    """Several fits: a column each, a panel for each axis behind the first below one another."""
    others = drawn.others
    per_row, width, height = beside(
        len(fits),
        columns=1,
        rows=len(others),
        room=inner() - _LEFT - _LINE,
        between=_GAP + _LEFT + _LINE,
        gap=_GAP,
        head=_HEAD + _ROW * (3 + len(others)) * (not drawn.crowded),
        shape=0.9,
        largest=188,
    )
    size = (width, round(share * height))
    rows = []
    for start in range(0, len(fits), per_row):
        now = range(start, min(start + per_row, len(fits)))
        tallest = max(len(header_lines(fits[i].pull, drawn.group, narrow=True)) for i in now)
        for j in others:
            lowest = j == others[-1]
            row = [drawn.panel(i, fits[i], j, size, lowest=lowest, flat=False) for i in now]
            if j == others[0]:
                row = [
                    drawn.headed(panel, fits[i], tallest, narrow=True)
                    for panel, i in zip(row, now, strict=True)
                ]
            rows.append(in_row(*row, spacing=_GAP + _LEFT + _LINE, bounds="flush"))
    return rows


# -- loadings --------------------------------------------------------------------------------------


def _others(count: int, most: int) -> list[int]:
    """Axes that have a panel beside the first: all, or the largest of them and the last."""
    others = list(range(1, count))
    return others if len(others) <= most else [*others[: most - 1], others[-1]]


def _beside(fits: Sequence[Axes]) -> int:
    """How many tables stand side by side."""
    needed = _WORDS + max(axes.size for axes in fits) * _COLUMN
    return max(1, min(len(fits), _MOST_COLUMNS, (inner() - _LEFT) // (needed + 2 * _GAP)))


def _most_tables(fits: Sequence[Axes]) -> int:
    """How many fits have a table: those whose tables leave room for panels."""
    terms = {term for axes in fits for term in axes.terms}
    return max(1, int(_TABLES // (_ROW * (4 + len(terms))))) * _beside(fits)


def _loadings(fits: Sequence[Axes], theme: str, *, named: bool) -> list[Any]:
    """A table per fit, as many side by side as there is room for."""
    terms = list(dict.fromkeys(term for axes in fits for term in axes.terms))
    most = max(axes.size for axes in fits)
    needed, per_row = _WORDS + most * _COLUMN, _beside(fits)
    room = (inner() - _LEFT - 2 * _GAP * (per_row - 1)) // per_row
    words = max(_WORDS, max(map(len, terms)) * _CHARACTER + 8)
    words = min(words, room - most * _COLUMN) if room > needed else _WORDS
    column = min((room - words) / most, 64.0)
    tables = [
        _table(axes, terms, words, column, round(words + most * column), theme, named=named)
        for axes in fits
    ]
    return [
        in_row(*tables[i : i + per_row], spacing=2 * _GAP, bounds="flush")
        for i in range(0, len(tables), per_row)
    ]


def _table(
    axes: Axes,
    terms: Sequence[str],
    words: float,
    column: float,
    width: int,
    theme: str,
    *,
    named: bool,
) -> Any:
    """Shares, standard deviations and loadings: a column per axis, a row per term."""
    heads = ["", "share", "SD"]
    rows = [*heads, *terms]
    texts = [{"x": 0.0, "row": i, "text": name} for i, name in enumerate(rows) if name]
    numbers: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    told = zip(axes.shares(), axes.table["sd"].tolist(), axes.varies, strict=True)
    for c, (part, sd, varies) in enumerate(told):
        left = words + c * column
        middle = left + column / 2
        own = [f"axis {c + 1}", *([part, number(sd)] if varies else ["none", "none"])]
        numbers += [{"x": middle, "row": i, "text": text} for i, text in enumerate(own)]
        for term, value in zip(axes.terms, axes.loadings[c].tolist(), strict=True):
            row = len(heads) + terms.index(term)
            sign = "positive" if value > 0 else "negative"
            place = {"x": left + 1, "x2": left + column - 1, "row": row}
            cells.append(place | {"sign": sign, "size": round(abs(value), 4)})
            numbers.append({"x": middle, "row": row, "text": fixed(round(value, 2) + 0.0, 2)})
    x = alt.X(
        field="x",
        type="quantitative",
        axis=None,
        scale=alt.Scale(domain=[0, width], nice=False, zero=False),
    )
    y = alt.Y(
        field="row",
        type="ordinal",
        axis=None,
        scale=alt.Scale(domain=list(range(len(rows))), paddingInner=0.08, paddingOuter=0.04),
    )
    colours = ink(theme)

    def written(
        values: list[dict[str, Any]], align: Literal["left", "center"], limit: float
    ) -> Any:
        mark = alt.Chart(pd.DataFrame(values)).mark_text(
            align=align, baseline="middle", fontSize=9, color=colours["ink"], limit=limit
        )
        return mark.encode(x=x, y=y, text=alt.Text(field="text", type="nominal"))

    colour = alt.Scale(
        domain=["positive", "negative"], range=[COLOURS["mode"], COLOURS["reference"]]
    )
    shaded = (
        alt.Chart(pd.DataFrame(cells))
        .mark_rect(aria=False)
        .encode(
            x=x,
            x2=alt.X2(field="x2"),
            y=y,
            fill=alt.Fill("sign:N", scale=colour, legend=None),
            opacity=alt.Opacity(
                "size:Q", scale=alt.Scale(domain=[0, 1], range=[0.0, 0.6]), legend=None
            ),
        )
    )
    table = layered(
        shaded,
        written(texts, "left", words - 4),
        written(numbers, "center", column),
        width=width,
        height=_ROW * len(rows),
        view=alt.ViewConfig(stroke=None),
    )
    if named:
        label = axes.pull.label
        table = table.properties(title=alt.TitleParams(text=label, fontSize=10, offset=2))
    return table
