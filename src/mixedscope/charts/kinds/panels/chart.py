"""Data of each group beside its own line, the mixed model's and the population's.

What do the data of a group look like, and what does the model make of them?  One panel per group on
common axes, after the panels of lattice that Bates draws lmList fits in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.absent import left_out
from mixedscope.charts.common.compose import in_column
from mixedscope.charts.common.groups import grouping_factor, one_term
from mixedscope.charts.common.keys import mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import fit_label, structure_colours
from mixedscope.charts.common.theme import GROUP_COLOURS
from mixedscope.charts.kinds.panels.facets import DASHES, MIXED, Facets, Line, panels_key
from mixedscope.charts.kinds.panels.options import PanelsOptions
from mixedscope.charts.kinds.panels.words import (
    is_of_family,
    panels_caption,
    panels_title,
    strip,
)
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
#: What panels of several fits have in common.
_SAME: Final = ("variable", "kind", "held", "offset")


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
    mixed = [Line(fit_label(fit, tables), axis["median_pull"], lines, MIXED)]
    if others:
        mixed = _lines([fit, *others], tables, group, panels["level"].tolist())
    response = str(fit.info.get("response") or "response")
    columns, width, height = _layout(len(panels), panels["level"].map(len).max())
    most = max(6, int(width / _CHARACTER) - _NUMBER)
    strips = _strips(panels, most, _decimals(axis["median_pull"]))
    frame = (-0.1, 1.1) if axis.get("counted") else _frame(points["y"])
    if is_of_family(axis):
        response = _response_words(fit.info, axis)
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
        rows=bool((panels["n_obs"] > _ROWS).any()) and not axis.get("counted"),
        pulls=[(one.label, one.pull) for one in mixed],
    ) + left_out(missing)
    most_rows = float(points["n"].max()) if "n" in points else 1.0
    facets = Facets(axis, frame, width, height, response, theme, mixed, most_rows)
    chart = in_column(
        facets.draw(lines, points, strips, columns),
        mark_key(panels_key(axis, mixed, theme), width=inner() - _LEFT, theme=theme),
        spacing=10,
        title=alt.TitleParams(text=title_lines(title, headline())),
    )
    return chart, title, caption


def _response_words(info: Mapping[str, Any], axis: Mapping[str, Any]) -> str:
    """What runs up in panels of a generalised model."""
    response = str(info.get("response") or "response")
    if not axis["counted"]:
        return response
    success = info.get("success")
    return f"share of {response} = {success}" if success else f"share of successes in {response}"


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
) -> list[Line]:
    """The lines of several fits, in the colours of their structures."""
    names = [structure_name(fit.info) for fit in fits]
    colours = structure_colours(list(dict.fromkeys(names)), GROUP_COLOURS)
    colour = dict(zip(dict.fromkeys(names), colours, strict=True))
    return [
        Line(
            fit_label(fit, tables),
            float(_row(fit.require("panels_axes"), group)["median_pull"]),
            _of(fit.require("panels_lines"), group, levels),
            {
                "color": colour[name],
                "strokeWidth": 1.9 if i == 0 else 1.4,
                **({"strokeDash": DASHES[min(i, len(DASHES)) - 1]} if i else {}),
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
