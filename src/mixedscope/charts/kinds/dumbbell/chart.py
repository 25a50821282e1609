"""Shrinkage of a single random effect: reference, mode and zero for every level.

How far does the model pull each group's estimate?  One line per level, ordered by the reference;
covariance structures side by side on the same axes, their levels in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.groups import grouping_factor, one_term
from mixedscope.charts.common.labels import variable_words
from mixedscope.charts.common.legend import (
    header,
    header_lines,
    key_row,
    limit_line,
    title_lines,
)
from mixedscope.charts.common.link_scale import of_scale
from mixedscope.charts.common.open_ends import head_mark, row_ends, turned, with_room
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.panels import FACTOR, rounded
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.dumbbell.options import DumbbellOptions
from mixedscope.charts.kinds.shrinkage.levels import (
    Pull,
    frame_of,
    limit_differs,
    outside,
    pulls,
    sample_ranks,
)
from mixedscope.charts.kinds.shrinkage.words import (
    infinite_key,
    limit_key,
    pull_caption,
    pull_key,
    pull_title,
    reference_key,
)
from mixedscope.tables.store import FitTables

__all__ = ["MOST_LEVELS", "NAMED_LEVELS", "dumbbell_chart"]

#: At most so many levels are drawn, the extremes among them.
MOST_LEVELS = 400
_EXTREMES = 20

#: Most levels that have a row and a name of their own; beyond, the axis shows ranks.
NAMED_LEVELS = 60

_GAP = 8
_ROW = 12
_RANKED_HEIGHT = 400


@drawn_with(DumbbellOptions)
def dumbbell_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: DumbbellOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw reference, pull and conditional mode of every level for one term, on the same axes."""
    group, known = grouping_factor(tables, group)
    terms = [one_term(known, repr(group), 0 if options.term is None else options.term)]
    reference, scale = options.reference, options.scale
    fits = pulls(tables, group, terms, reference=reference, scale=scale)
    order = _ordered(fits)
    ranks = sample_ranks(len(order), MOST_LEVELS, first=_EXTREMES, last=_EXTREMES)
    sampling = ""
    if len(ranks) < len(order):
        sampling = (
            f"Drawn are {len(ranks)} of {len(order):,} levels: the {_EXTREMES} highest and the "
            f"{_EXTREMES} lowest, and others evenly spaced in rank of the reference."
        )
    frame = frame_of(
        np.concatenate([p.reference[:, 0] for p in fits]),
        np.concatenate([p.mode[:, 0] for p in fits]),
        [float(p.population[0]) for p in fits],
    )
    frame = with_room(frame, fits, 0)
    limit = fits[0].compared != "within_group" and limit_differs(fits, [frame])
    title = pull_title(fits[0], group)
    caption = pull_caption(
        fits,
        group,
        scale=scale,
        kinds=["population", *(["limit"] if limit else [])],
        lines=True,
        sampling=sampling,
        out_of_frame=[outside(p, [frame]) for p in fits],
    )
    named = len(order) <= NAMED_LEVELS
    left = _label_width(order) if named else 44
    per_row = min(len(fits), 3)
    width = min((inner() - left - _GAP * (per_row - 1)) // per_row, 360)
    narrow = width < 250
    lines = [header_lines(p, group, narrow=narrow) for p in fits]
    tallest = max(len(x) for x in lines)
    panels = [
        _panel(
            pull,
            {order[rank]: rank + 1 for rank in ranks.tolist()},
            frame,
            width=width,
            title=_axis_title(pull, group, scale),
            y_title=_y_title(group, named=named) if i % per_row == 0 else None,
            named=named,
            limit=limit,
            theme=theme,
        ).properties(title=header(pull.label, line, tallest, theme))
        for i, (pull, line) in enumerate(zip(fits, lines, strict=True))
    ]
    rows = [
        in_row(*panels[i : i + per_row], spacing=_GAP, bounds="flush")
        for i in range(0, len(panels), per_row)
    ]
    items = [
        ("reference", reference_key(fits[0])),
        *([("infinite", infinite_key())] if any(p.infinite.any() for p in fits) else []),
        ("movement-line", pull_key(fits[0])),
        ("mode", "conditional mode"),
        ("zero", "population"),
    ]
    if limit:
        items.append(("limit-line", limit_key(fits[0])))
    key = key_row(items, width=inner() - left, theme=theme)
    chart = in_column(*rows, key, spacing=16).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _panel(
    pull: Pull,
    ranks: Mapping[str, int],
    frame: tuple[float, float],
    *,
    width: int,
    title: str,
    y_title: str | None,
    named: bool,
    limit: bool,
    theme: str,
) -> Any:
    """Draw one fit; `ranks` are those of the levels drawn, in order from 1."""
    position = {level: i for i, level in enumerate(pull.levels)}
    drawn = [(level, rank, position[level]) for level, rank in ranks.items() if level in position]
    values = pd.DataFrame(
        [
            {
                "level": level,
                "rank": rank,
                "n": int(pull.n_obs[i]),
                "r": rounded(pull.reference[i, 0]),
                "m": rounded(pull.mode[i, 0]),
                "d": rounded(pull.mode[i, 0] - pull.reference[i, 0]),
                "f": rounded(pull.factor[i, 0]),
                "s": rounded(pull.std_dev[i, 0]),
            }
            for level, rank, i in drawn
        ]
    )
    height = _ROW * len(ranks) if named else _RANKED_HEIGHT
    y = _y_axis(ranks, y_title, named=named)
    tips = [
        alt.Tooltip(field="level", type="nominal", title="level"),
        alt.Tooltip(field="n", type="quantitative", title="n"),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
            for field, words in (
                ("r", "reference"),
                ("m", "mode"),
                ("d", "movement"),
                ("f", FACTOR),
                ("s", "conditional SD"),
            )
        ),
    ]

    def x(field: str) -> alt.X:
        axis = alt.Axis(title=title, domain=False, tickCount=4, labelOverlap=True)
        domain = alt.Scale(domain=list(frame), nice=False, zero=False)
        return alt.X(field=field, type="quantitative", scale=domain, axis=axis)

    def chart(rows: pd.DataFrame) -> alt.Chart:
        return alt.Chart(rows, width=width, height=height)

    whole = values[values["r"].notna()]
    zero = chart(pd.DataFrame([{"p": rounded(pull.population[0])}])).mark_rule(
        color=COLOURS["zero"], strokeWidth=0.9, strokeDash=[3, 2], aria=False
    )
    pull_line = chart(whole).mark_rule(
        color=COLOURS["movement"],
        strokeWidth=1.2 if named else 0.5,
        opacity=1.0 if named else 0.55,
        clip=True,
        aria=False,
    )
    point: dict[str, Any] = {"shape": "circle", "clip": True, "aria": False}
    reference = chart(whole).mark_point(
        **point,
        stroke=COLOURS["reference"],
        fill=ink(theme)["paper"] if named else "transparent",
        strokeWidth=1.4 if named else 0.7,
        size=28 if named else 6,
        opacity=1.0 if named else 0.7,
    )
    mode = chart(values).mark_point(
        **point,
        color=COLOURS["mode"],
        filled=True,
        size=28 if named else 6,
        opacity=1.0 if named else 0.8,
    )
    centres = [zero.encode(x=x("p"))]
    if limit:
        there = chart(pd.DataFrame([{"p": rounded(pull.limit[0])}])).mark_rule(**limit_line())
        centres.append(there.encode(x=x("p")))
    open_ = []
    for level, rank, i in drawn:
        found = row_ends(pull, i, 0, frame, width)
        if found is not None:
            row = {"level": level, "rank": rank, "m": rounded(pull.mode[i, 0]), "own": "infinite"}
            open_.append(row | {name: rounded(value) for name, value in found.items()})
    ends: list[Any] = []
    if open_:
        told = [tips[0], alt.Tooltip(field="own", type="nominal", title="own estimate")]
        edge = pd.DataFrame([row for row in open_ if "rx" in row])
        if len(edge):
            line, ring = chart(edge), chart(edge)
            line.mark, ring.mark = pull_line.mark, reference.mark
            ends.append(line.encode(x=x("rx"), x2=alt.X2(field="m"), y=y))
            ends.append(ring.encode(x=x("rx"), y=y, tooltip=told))
        heads = chart(pd.DataFrame(open_)).mark_point(**head_mark(theme, small=not named))
        ends.append(heads.encode(x=x("x"), y=y, angle=turned(), tooltip=told))
    return layered(
        *centres,
        pull_line.encode(x=x("r"), x2=alt.X2(field="m"), y=y),
        reference.encode(x=x("r"), y=y, tooltip=tips),
        *ends,
        mode.encode(x=x("m"), y=y, tooltip=tips),
    )


def _ordered(fits: Sequence[Pull]) -> list[str]:
    """Order levels by their reference in the first fit that has them, from the highest down."""
    order: dict[str, None] = {}
    for pull in fits:
        own = pull.reference[:, 0]
        if pull.ways is not None:
            # Those at infinity stand at either end.
            own = np.where(np.isnan(own) & (pull.ways[:, 0] > 0.0), np.inf, own)
        own = np.where(np.isnan(own), -np.inf, own)
        ranked = np.argsort(-own, kind="stable").tolist()
        order |= dict.fromkeys(pull.levels[i] for i in ranked)
    return list(order)


def _y_axis(ranks: Mapping[str, int], title: str | None, *, named: bool) -> alt.Y:
    shown = title is not None
    if named:
        return alt.Y(
            field="level",
            type="nominal",
            # Stated, as a fit may lack a level that another has.
            scale=alt.Scale(domain=list(ranks)),
            sort=None,
            axis=alt.Axis(title=title, labels=shown, ticks=False, domain=False, labelLimit=120),
        )
    last = max(ranks.values())
    return alt.Y(
        field="rank",
        type="quantitative",
        scale=alt.Scale(domain=[last + 0.01 * last, 1 - 0.01 * last], nice=False, zero=False),
        axis=alt.Axis(
            title=title,
            labels=shown,
            ticks=shown,
            domain=False,
            grid=False,
            values=_rank_ticks(last),
            format=",d",
        ),
    )


def _rank_ticks(last: int) -> list[int]:
    """The first rank, round ones, and the last where it is apart from these."""
    step = next(s for d in range(10) for s in (10**d, 2 * 10**d, 5 * 10**d) if last / s <= 6)
    between = [rank for rank in range(step, last, step) if last - rank > step / 2 and rank > 1]
    return [1, *between, last]


def _y_title(group: str, *, named: bool) -> str:
    return group if named else f"{group}: rank of the reference"


def _axis_title(pull: Pull, group: str, scale: str) -> str:
    term = pull.terms[0]
    response = pull.info.get("response")
    of = of_scale(pull.info) or (f" ({variable_words(response)})" if response else "")
    return f"{term}{of}" if scale == "coef" else f"{term}: deviation{of}"


def _label_width(levels: Sequence[str]) -> int:
    """Pixels for level names and the title of the axis."""
    return int(min(max((len(level) for level in levels), default=1) * 6, 120)) + 26
