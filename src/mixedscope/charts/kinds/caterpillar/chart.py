"""Caterpillar plot: the conditional mode of every level with its interval, in order.

Which levels differ from the population, and by how much?  A row per level, a column per term; the
reference shows what each mode was pulled from, and the band what the fit expects of levels.  The
idea is lme4's ``dotplot`` of modes and MixedModelsMakie's ``caterpillar``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import altair as alt
import numpy as np

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.groups import chosen_terms, grouping_factor, one_term
from mixedscope.charts.common.legend import header, header_lines, key_row, title_lines
from mixedscope.charts.common.lines import broken
from mixedscope.charts.common.link_scale import is_generalized, of_scale
from mixedscope.charts.common.open_ends import head_mark, row_ends, turned, with_room
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.page import tallest
from mixedscope.charts.common.rows import rows_of
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.caterpillar.bars import Bars, not_determined, without_some
from mixedscope.charts.kinds.caterpillar.options import CaterpillarOptions
from mixedscope.charts.kinds.caterpillar.words import (
    caterpillar_caption,
    caterpillar_title,
    key_items,
)
from mixedscope.charts.kinds.shrinkage.levels import (
    Pull,
    drawn_terms,
    frame_of,
    pulls,
    sample_ranks,
)
from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.tables.store import FitTables

__all__ = ["caterpillar_chart"]

#: At most so many levels are drawn, the extremes among them.
_MOST: Final = 400
_EXTREMES: Final = 20
#: Most levels that have a row and a name of their own; beyond, only so many at either end do.
_NAMED: Final = 60
_NAMED_ENDS: Final = 3

_GAP: Final = 10
#: Panels side by side, and their largest width.
_PER_ROW: Final = 3
_WIDEST: Final = 340
#: Pixels of title and key, of what stands above the panels of fits, and below each panel.
_TITLES: Final = 94
_HEADER: Final = 60
_AXIS: Final = 50
_ROW: Final = (9, 14)
#: Pixels of the column of counts, of a line of names, and characters of a name within a panel.
_COUNTS: Final = 34
_LINE: Final = 11
_SHORT: Final = 18
#: Panels narrower than this have fewer ticks; pixels of a character of the title of an axis.
_NARROW: Final = 200
_CHARACTER: Final = 6.0
_TOP_LEFT: Final = {"x": alt.XValue(0), "y": alt.YValue(0)}
_RANKED: Final = (60, 400)


@drawn_with(CaterpillarOptions)
def caterpillar_chart(
    tables: Sequence[FitTables],
    group: str | None = None,
    *,
    options: CaterpillarOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw modes with bars, references and the band, term by term, fits side by side."""
    group, known = grouping_factor(tables, group)
    terms = drawn_terms(tables, group, chosen_terms(known, repr(group), options.terms))
    if isinstance(options.order, int):
        by_term = one_term(known, repr(group), options.order)
        options = options.model_copy(update={"order": by_term})
    found = _bars(tables, group, terms, options)
    if all(np.isnan(one.pull.sds).all() for one in found):
        raise not_determined(group)
    order = _ordered(tables, [one.pull for one in found], group, options)
    told = without_some(found)
    places = [rank for rank, level in enumerate(order) if told is None or level in told]
    ranks = sample_ranks(len(places), _MOST, first=_EXTREMES, last=_EXTREMES)
    rows = {order[rank]: rank + 1 for rank in (places[i] for i in ranks.tolist())}
    title = caterpillar_title(found[0], group, options)
    # Of several fits each term has a row; a single one, and those in a column, their terms in rows.
    across_fits = len(found) > 1 and not is_narrow()
    lines_of = (
        [[(one, j) for one in found] for j in range(len(terms))]
        if across_fits
        else [[(one, j) for j in range(len(terms))] for one in found]
    )
    blocks = [
        [b[i] for i in at] for b in lines_of for at in rows_of(len(b), _PER_ROW - is_narrow())
    ]
    heads = 0 if len(found) == 1 else _HEADER * (1 if across_fits else len(found))
    tall = int(tallest() - _TITLES - heads) // len(blocks) - _AXIS
    row = tall // max(len(rows), 1)
    named = len(order) <= _NAMED and row >= _ROW[0]
    height = min(row, _ROW[1]) * len(rows) if named else int(np.clip(tall, _RANKED[0], _RANKED[1]))
    left = min(6 * max(map(len, rows)), 120) + 26 if named else 46
    beside = max(len(block) for block in blocks)
    counted = named and len(np.unique(found[0].pull.n_obs)) > 1
    left += _COUNTS * counted
    width = min((inner() - left - _GAP * (beside - 1)) // beside, _WIDEST)
    frames = [_frame(found, j) for j in range(len(terms))]
    data = Datasets(digits=6)
    lines = {
        one.pull.label: header_lines(one.pull, group, narrow=across_fits and width < 250)
        for one in found
    }
    longest = max(map(len, lines.values())) if across_fits else 0
    by = str(options.order)
    ordered = terms.index(by) if by in terms else 0 if by in ("mode", "reference") else None
    place = _Place(rows, group, named, counted, by, ordered, width, height, theme)
    drawn: list[Any] = []
    headed: set[str] = set()
    for block in blocks:
        panels = []
        for at, (one, j) in enumerate(block):
            panel = _panel(
                data, one, j, frames[j], place, options, first=at == 0, last=at == len(block) - 1
            )
            if len(found) > 1 and one.pull.label not in headed:
                headed.add(one.pull.label)
                own = lines[one.pull.label]
                panel = panel.properties(title=header(one.pull.label, own, longest, theme))
            panels.append(panel)
        drawn.append(in_row(*panels, spacing=_GAP, bounds="flush"))
    caption = caterpillar_caption(
        found, group, options, drawn=len(rows), levels=len(order), named=named
    )
    key = key_row(key_items(found[0], options), width=inner() - left, theme=theme)
    chart = data.give(in_column(*drawn, key, spacing=16)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _bars(
    tables: Sequence[FitTables], group: str, terms: Sequence[str], options: CaterpillarOptions
) -> list[Bars]:
    """Modes, references and half-widths of bars of each fit."""
    if options.error == "marginal" and options.scale == "coef":
        raise ModelError(
            "error='marginal' is the SD of b_hat - b; a coefficient, beta + b, has another: "
            "choose scale='b'."
        )
    if options.error == "marginal" and is_generalized(tables[0].info):
        raise UnsuitedError(
            "The error of a mode with estimated fixed effects has no known SD in a generalised "
            "model; choose error='conditional'"
        )
    z = NormalDist().inv_cdf(0.5 * (1.0 + options.level))
    found = pulls(tables, group, terms, reference=options.reference, scale=options.scale)
    bars = []
    for fit, pull in zip(tables, found, strict=True):
        spread = pull.std_dev.copy()
        if options.error == "marginal":
            table = fit.require("mode_errors")
            own = table[table["group"] == group].set_index(["term", "level"])["error_sd"]
            for j, (term, varies) in enumerate(zip(pull.terms, pull.varies, strict=True)):
                known = varies and term in own.index.get_level_values(0)
                spread[:, j] = own[term].reindex(list(pull.levels)) if known else np.nan
        still = ~np.asarray(pull.varies) | ~(pull.sds > 0)
        bars.append(Bars(pull, np.where(still, np.nan, z * spread), z * pull.sds))
    return bars


def _ordered(
    tables: Sequence[FitTables], found: Sequence[Pull], group: str, options: CaterpillarOptions
) -> list[str]:
    """Levels from the top down; those that the first fit lacks come after."""
    first, by = found[0], str(options.order)
    if by in first.terms:
        values = [pull.mode[:, first.terms.index(by)] for pull in found]
    elif by in ("mode", "reference"):
        values = [getattr(pull, by)[:, 0] for pull in found]
    elif by == "n":
        values = [pull.n_obs.astype(float) for pull in found]
    else:
        _, known = grouping_factor(tables, group)
        if by not in known:
            words = ("mode", "reference", "n", *known)
            raise ModelError(
                f"Levels cannot be ordered by {by!r}.{suggest(by, words)} "
                f"Known are: {', '.join(words)}."
            )
        other = pulls(tables, group, [by], scale=options.scale)
        values = [pull.mode[:, 0] for pull in other]
    order: dict[str, None] = {}
    for pull, own in zip(found, values, strict=True):
        ranked = np.argsort(-np.where(np.isnan(own), -np.inf, own), kind="stable").tolist()
        order |= dict.fromkeys(pull.levels[i] for i in ranked)
    return list(order)


def _frame(found: Sequence[Bars], j: int) -> tuple[float, float]:
    """The range of the axis of a term: modes, references, bars, and the band."""
    ends = [
        one.pull.mode[:, j] + s * np.nan_to_num(one.spread[:, j]) for one in found for s in (-1, 1)
    ]
    extra = [one.pull.population[j] + s * one.reach[j] for one in found for s in (-1.0, 1.0)]
    frame = frame_of(
        np.concatenate([one.pull.reference[:, j] for one in found]), np.concatenate(ends), extra
    )
    return with_room(frame, [one.pull for one in found], j)


# -- panels ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """What all panels have in common: rows by level with their ranks, and sizes."""

    rows: Mapping[str, int]
    group: str
    named: bool
    counted: bool
    order: str
    ordered: int | None
    width: int
    height: int
    theme: str


def _panel(
    data: Datasets,
    one: Bars,
    j: int,
    frame: tuple[float, float],
    place: _Place,
    options: CaterpillarOptions,
    *,
    first: bool,
    last: bool,
) -> Any:
    """Draw one term of one fit."""
    pull, named = one.pull, place.named
    at = {level: i for i, level in enumerate(pull.levels)}
    levels = [level for level in place.rows if level in at]
    where = [at[level] for level in levels]
    clear = one.clear[where, j]
    rows: list[dict[str, Any]] = [
        {
            "level": level,
            "rank": place.rows[level],
            "n": int(pull.n_obs[i]),
            "m": float(pull.mode[i, j]),
            "r": float(pull.reference[i, j]),
            "lo": float(pull.mode[i, j] - one.spread[i, j]),
            "hi": float(pull.mode[i, j] + one.spread[i, j]),
            "clear": bool(out),
        }
        for level, i, out in zip(levels, where, clear, strict=True)
    ]
    y = _y_axis(place, first=first)
    title = broken(_axis_title(pull, j, options.scale), int(place.width / _CHARACTER))

    def x(field: str) -> alt.X:
        axis = alt.Axis(
            title=title, domain=False, labelOverlap=True, labelSeparation=5,
            tickCount=4 if place.width > _NARROW else 3,
            labelBound=4, labelFlush=14, grid=False,
        )  # fmt: skip
        scale = alt.Scale(domain=list(frame), nice=False, zero=False)
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)

    tips = [
        alt.Tooltip(field="level", type="nominal", title=place.group),
        alt.Tooltip(field="n", type="quantitative", title="n", format=","),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
            for field, words in (
                ("m", "mode"), ("lo", "from"), ("hi", "to"), ("r", "reference"),
            )
        ),
    ]  # fmt: skip
    band = _band(data, one, j, frame, x, place.theme)
    zero = (
        data.chart([{"p": float(pull.population[j])}])
        .mark_rule(color=COLOURS["zero"], strokeWidth=1, strokeDash=[3, 2], aria=False)
        .encode(x=x("p"))
    )
    layers = [*band, zero]
    if not pull.varies[j]:
        # Points on the line would pass for estimates.
        rows = []
        layers += _still(data, place)
    for is_clear, colour in ((False, COLOURS["zero"]), (True, COLOURS["mode"])):
        own = [r for r in rows if r["clear"] is is_clear]
        if not own:
            continue
        base = data.chart(own)
        if any(np.isfinite(r["lo"]) for r in own):
            width = (2.2 if is_clear else 1.0) if named else (0.9 if is_clear else 0.5)
            bars = base.mark_rule(color=colour, strokeWidth=width, clip=True, aria=False)
            layers.append(bars.encode(x=x("lo"), x2=alt.X2(field="hi"), y=y, tooltip=tips))
        points = base.mark_point(
            shape="circle", filled=True, color=colour, size=28 if named else 7, opacity=1,
            clip=True, aria=False,
        )  # fmt: skip
        layers.append(points.encode(x=x("m"), y=y, tooltip=tips))
    whole = [r for r in rows if np.isfinite(r["r"])]
    if whole:
        rings = data.chart(whole).mark_point(**_ring(named=named))
        layers.append(rings.encode(x=x("r"), y=y, tooltip=tips))
    if pull.varies[j]:
        layers += _open_ends(data, one, j, (levels, where), frame, (x, y), place)
    # In other panels the first and the last levels are no extremes.
    if not named and j == place.ordered:
        layers += _ends(data, list(place.rows), place)
    if place.counted and last and rows:
        layers.append(_counts(data, rows, y, place))
    return layered(*layers, width=place.width, height=place.height)


def _open_ends(
    data: Datasets,
    one: Bars,
    j: int,
    drawn: tuple[Sequence[str], Sequence[int]],
    frame: tuple[float, float],
    axes: tuple[Any, alt.Y],
    place: _Place,
) -> list[Any]:
    """Arrowheads of levels whose own estimate is infinite; with rings where that is drawn."""
    x, y = axes
    rows: list[dict[str, Any]] = []
    for level, i in zip(*drawn, strict=True):
        found = row_ends(one.pull, i, j, frame, place.width)
        if found is not None:
            rows.append({"level": level, "rank": place.rows[level], "own": "infinite", **found})
    if not rows:
        return []
    tips = [
        alt.Tooltip(field="level", type="nominal", title=place.group),
        alt.Tooltip(field="own", type="nominal", title="own estimate"),
    ]
    layers = []
    edge = [row for row in rows if "rx" in row]
    if edge:
        rings = data.chart(edge).mark_point(**_ring(named=place.named))
        layers.append(rings.encode(x=x("rx"), y=y, tooltip=tips))
    heads = data.chart(rows).mark_point(**head_mark(place.theme, small=not place.named))
    return [*layers, heads.encode(x=x("x"), y=y, angle=turned(), tooltip=tips)]


def _ring(*, named: bool) -> dict[str, Any]:
    """Settings of the mark of a reference."""
    return {
        "shape": "circle", "stroke": COLOURS["reference"], "fill": "transparent", "opacity": 1,
        "strokeWidth": 1.5 if named else 0.8, "size": 26 if named else 8, "clip": True,
        "aria": False,
    }  # fmt: skip


def _band(
    data: Datasets, one: Bars, j: int, frame: tuple[float, float], x: Any, theme: str
) -> list[Any]:
    """The middle of the fitted distribution: a tint, and lines where it ends."""
    if not one.reach[j] > 0:
        return []
    ends = [float(one.pull.population[j] + s * one.reach[j]) for s in (-1.0, 1.0)]
    inside = [float(np.clip(end, *frame)) for end in ends]
    tint = data.chart([{"a": inside[0], "b": inside[1]}]).mark_rect(
        color=COLOURS["ellipse"], opacity=0.13 if theme == "light" else 0.0, aria=False
    )
    edges = data.chart([{"a": end} for end in ends]).mark_rule(
        color=COLOURS["ellipse"], strokeWidth=1.4, clip=True, aria=False
    )
    return [tint.encode(x=x("a"), x2=alt.X2(field="b")), edges.encode(x=x("a"))]


def _y_axis(place: _Place, *, first: bool) -> alt.Y:
    if place.named:
        return alt.Y(
            field="level",
            type="nominal",
            scale=alt.Scale(domain=list(place.rows)),
            sort=None,
            axis=alt.Axis(
                title=place.group if first else None, labels=first, ticks=False, domain=False,
                labelLimit=120, grid=False, labelFontSize=9,
            ),
        )  # fmt: skip
    last = max(place.rows.values())
    title = broken(f"{place.group}: rank by {place.order}", int(place.height / _CHARACTER))
    return alt.Y(
        field="rank",
        type="quantitative",
        scale=alt.Scale(domain=[last + 0.01 * last, 1 - 0.01 * last], nice=False, zero=False),
        axis=alt.Axis(
            title=title if first else None, labels=first, ticks=first, domain=False, grid=False,
            tickCount=5, minExtent=34 if first else 0, labelFlush=6,
        ),
    )  # fmt: skip


def _ends(data: Datasets, order: Sequence[str], place: _Place) -> list[Any]:
    """Names of the first and the last levels, in the corners that order leaves empty."""
    count = max(min(_NAMED_ENDS, len(order) // 2, (place.height - 12) // (2 * _LINE)), 0)
    base = data.chart([{"x": 0}])

    def text(level: str, line: int, *, foot: bool) -> Any:
        # From the edges, wherever they come to be: panels of a tall chart are made lower.
        sign = -1 if foot else 1
        mark = base.mark_text(
            align="right" if foot else "left", baseline="middle", fontSize=9, dx=4 * sign,
            dy=sign * (10 + _LINE * line), color=ink(place.theme)["soft"], aria=False,
        )  # fmt: skip
        corner = {"x": alt.XValue("width"), "y": alt.YValue("height")} if foot else _TOP_LEFT
        return mark.encode(**corner, text=alt.TextValue(level[:_SHORT]))

    top = [text(level, i, foot=False) for i, level in enumerate(order[:count])]
    last = list(reversed(order))[:count]
    return top + [text(level, i, foot=True) for i, level in enumerate(last)]


def _still(data: Datasets, place: _Place) -> list[Any]:
    """Say that a term does not vary between levels in a fit, across the line of the population."""
    colours = ink(place.theme)
    style: dict[str, Any] = {"align": "left", "fontSize": 10, "dx": 6, "dy": 14, "aria": False}
    words = {"x": alt.XValue(0), "y": alt.YValue(0), "text": alt.TextValue("does not vary")}
    base = data.chart([{"x": 0}])
    return [
        base.mark_text(stroke=colours["paper"], strokeWidth=4, **style).encode(**words),
        base.mark_text(color=colours["soft"], **style).encode(**words),
    ]


def _counts(data: Datasets, rows: Sequence[Mapping[str, Any]], y: alt.Y, place: _Place) -> Any:
    """Observations of each level, to the right of its row, under an n."""
    head = data.chart([{"x": 0}]).mark_text(
        align="right", fontSize=9, fontStyle="italic", color=ink(place.theme)["soft"], aria=False
    )
    base = data.chart(list(rows)).mark_text(
        align="right", fontSize=9, color=ink(place.theme)["soft"], aria=False
    )
    x = alt.XValue(place.width + _COUNTS - 4)
    return layered(
        head.encode(x=x, y=alt.YValue(-5), text=alt.TextValue("n")),
        base.encode(x=x, y=y, text=alt.Text(field="n", format=",")),
    )


def _axis_title(pull: Pull, j: int, scale: str) -> str:
    term = pull.terms[j]
    return (term if scale == "coef" else f"{term}: deviation") + of_scale(pull.info)
