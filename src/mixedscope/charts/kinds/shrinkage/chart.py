"""Shrinkage of vector-valued random effects: from each group's own estimate to its mode.

How far, and in which direction, does the model pull each group's estimates from what the group
alone would say?  Panels for every pair of terms, a block of them for every covariance structure,
all on the same axes.  The idea of the plot is MixedModelsMakie's ``shrinkageplot``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.compose import in_column, in_row
from mixedscope.charts.common.groups import chosen_terms, grouping_factor
from mixedscope.charts.common.labels import term_title
from mixedscope.charts.common.legend import header, header_lines, key_row, title_lines
from mixedscope.charts.common.open_ends import with_room
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.page import beside, drawn_to_fit
from mixedscope.charts.common.panels import DENSE, Panel, panel_chart, pointed_level
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.kinds.dumbbell.chart import dumbbell_chart
from mixedscope.charts.kinds.shrinkage.ellipse import radius, widest
from mixedscope.charts.kinds.shrinkage.levels import (
    Pull,
    drawn_terms,
    frame_of,
    limit_differs,
    movement,
    outside,
    pulls,
    sample_ranks,
    share,
)
from mixedscope.charts.kinds.shrinkage.options import ShrinkageOptions
from mixedscope.charts.kinds.shrinkage.words import (
    infinite_key,
    joined,
    limit_key,
    pull_caption,
    pull_key,
    pull_title,
    reference_key,
)
from mixedscope.tables.store import FitTables

__all__ = [
    "MOST_LEVELS",
    "choose_levels",
    "key_items",
    "most_levels",
    "shared_frame",
    "shrinkage_chart",
]

#: At most so many levels are drawn in a panel, and so many in all panels together.
MOST_LEVELS = 400
_MOST_MARKS = 2400

#: Most levels that are named beside their points.
_NAMED = 20

_LEFT = 44
_GAP = 8

#: Height of what a triangle of panels has above and below: its heading and one axis.
_HEAD = 110


@drawn_with(ShrinkageOptions)
def shrinkage_chart(
    tables: Sequence[FitTables], group: str | None = None, *, options: ShrinkageOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw reference, pull and conditional mode of every level, for every pair of terms.

    Fits stand side by side on the same axes; where only one term varies, they are dumbbells.
    """
    group, known = grouping_factor(tables, group)
    names = drawn_terms(tables, group, chosen_terms(known, repr(group), options.terms))
    reference, scale, ellipses = options.reference, options.scale, options.ellipses
    if len(names) == 1:
        return dumbbell_chart(
            tables, group, term=names[0], reference=reference, scale=scale, theme=theme
        )
    for coverage in ellipses:
        radius(coverage)
    fits = pulls(tables, group, names, reference=reference, scale=scale)
    frames = [shared_frame(fits, j, ellipses) for j in range(len(names))]
    limit = fits[0].compared != "within_group" and limit_differs(fits, frames)
    chosen, sampling = choose_levels(
        fits, most_levels(sum(len(pull.told_pairs()) for pull in fits))
    )
    title = pull_title(fits[0], group)
    kinds = ["population", *(["limit"] if limit else [])]
    known_regions = any(pull.dependence is not None for pull in fits)
    hover = widest(ellipses) if known_regions else None
    caption = pull_caption(
        fits,
        group,
        hover=hover,
        scale=scale,
        kinds=kinds,
        sampling=sampling,
        out_of_frame=[outside(p, frames) for p in fits],
        ellipses=ellipses,
    )
    settings = {"ellipses": ellipses, "theme": theme, "limit": limit, "hover": hover}
    pairs = [(0, 1)] if len(names) == 2 else None
    panels = [
        _panel_name(s, x, y) for s, pull in enumerate(fits) for x, y in pairs or pull.told_pairs()
    ]
    dense = all(len(levels) > DENSE for levels in chosen)
    items = key_items(fits[0], ellipses, kinds, dense=dense)
    if any(pull.infinite[own].any() for pull, own in zip(fits, chosen, strict=True)):
        items.insert(1, ("infinite", infinite_key()))
    key = key_row(items, width=inner() - _LEFT, theme=theme)
    arranged = _columns if len(names) == 2 else _blocks

    def draw(share: float) -> Any:
        # Settings are given where charts are joined: each change of a chart copies the whole of it.
        return in_column(
            *arranged(fits, group, frames, chosen, settings, share),
            key,
            spacing=16,
            title=alt.TitleParams(text=title_lines(title, headline())),
            description=caption,
            **({} if hover is None else {"params": [pointed_level(panels)]}),
        )

    return drawn_to_fit(draw), title, caption


def choose_levels(fits: Sequence[Pull], most: int) -> tuple[list[NDArray[np.int64]], str]:
    """Choose the levels drawn: the largest movers, and others evenly spaced in rank of movement.

    ``most``: all levels are drawn where there are no more. Gives positions of the levels drawn, per
    fit; the same levels in all. Gives the rule in words, empty where all are drawn.
    """
    names = list(dict.fromkeys(level for pull in fits for level in pull.levels))
    if len(names) <= most:
        return [np.arange(len(pull.levels)) for pull in fits], ""
    score = dict.fromkeys(names, 0.0)
    for pull in fits:
        for level, value in zip(pull.levels, movement(pull).tolist(), strict=True):
            score[level] = max(score[level], value)
    ranked = sorted(range(len(names)), key=lambda i: (-score[names[i]], i))
    kept = {names[ranked[i]] for i in sample_ranks(len(names), most, first=most // 10)}
    rule = (
        f"Drawn are {len(kept)} of {len(names):,} levels: the {most // 10} that move most, and the "
        "others evenly spaced in rank of movement (in standard deviations of the references)."
    )
    return [
        np.array([i for i, level in enumerate(pull.levels) if level in kept], dtype=np.int64)
        for pull in fits
    ], rule


def most_levels(panels: int) -> int:
    """How many levels are drawn where there are so many panels."""
    return max(min(MOST_LEVELS, _MOST_MARKS // max(panels, 1)), 40)


def shared_frame(fits: Sequence[Pull], j: int, ellipses: Sequence[float]) -> tuple[float, float]:
    """The range of the axis of term j, with levels and contours of all fits."""
    reach = radius(max(ellipses)) if len(ellipses) else 0.0
    extra = [p.population[j] + s * reach * p.sds[j] for p in fits for s in (-1.0, 1.0)]
    frame = frame_of(
        np.concatenate([p.reference[:, j] for p in fits]),
        np.concatenate([p.mode[:, j] for p in fits]),
        extra,
    )
    return with_room(frame, fits, j)


def key_items(
    pull: Pull, ellipses: Sequence[float], kinds: Sequence[str], *, dense: bool
) -> list[tuple[str, str]]:
    """Marks of a shrinkage chart with their words, for `key_row`."""
    items = [
        ("reference", reference_key(pull)),
        ("movement-line" if dense else "movement", pull_key(pull)),
        ("mode", "conditional mode"),
    ]
    if ellipses:
        items.append(("ellipse", f"{joined([share(c) for c in ellipses])} of fit"))
    items.append(("population", "population"))
    if "limit" in kinds:
        items.append(("limit", limit_key(pull)))
    return items


# -- layout --------------------------------------------------------------------------------------


def _columns(
    fits: Sequence[Pull],
    group: str,
    frames: Sequence[tuple[float, float]],
    chosen: Sequence[NDArray[np.int64]],
    settings: dict[str, Any],
    share: float,
) -> list[Any]:
    """Two terms: a panel per fit, side by side."""
    per_row = min(len(fits), 3)
    width = (inner() - _LEFT - _GAP * (per_row - 1)) // per_row
    width = min(width, 360)
    height = round(share * {1: 300, 2: 230}.get(per_row, 210))
    narrow = width < 250
    lines = [header_lines(p, group, narrow=narrow) for p in fits]
    rows = []
    for start in range(0, len(fits), per_row):
        row = []
        now = range(start, min(start + per_row, len(fits)))
        tallest = max(len(lines[s]) for s in now)
        for s in now:
            panel = Panel(
                x=0,
                y=1,
                width=width,
                height=height,
                frames=frames,
                chosen=chosen[s],
                titles=[term_title(t, fits[s].info) for t in fits[s].terms],
                x_labels=True,
                y_labels=s == start,
                name_levels=len(chosen[s]) <= _NAMED,
                name=_panel_name(s, 0, 1),
            )
            chart = panel_chart(fits[s], panel, **settings)
            title = header(fits[s].label, lines[s], tallest, settings["theme"])
            row.append(chart.properties(title=title))
        rows.append(in_row(*row, spacing=_GAP, bounds="flush"))
    return rows


def _blocks(
    fits: Sequence[Pull],
    group: str,
    frames: Sequence[tuple[float, float]],
    chosen: Sequence[NDArray[np.int64]],
    settings: dict[str, Any],
    share: float,
) -> list[Any]:
    """Three terms or more: a lower triangle of panels per fit, side by side where they fit."""
    side = len(fits[0].terms) - 1
    per_row, width, height = beside(
        len(fits),
        columns=side,
        rows=side,
        room=inner() + 20 - _LEFT,
        between=20,
        gap=_GAP,
        head=_HEAD,
        shape=0.8,
        largest=188,
    )
    height = round(share * height)
    rows = []
    for start in range(0, len(fits), per_row):
        now = list(range(start, min(start + per_row, len(fits))))
        lines = {s: header_lines(fits[s], group, narrow=per_row > 1) for s in now}
        tallest = max(len(text) for text in lines.values())
        blocks = []
        for s in now:
            title = header(fits[s].label, lines[s], tallest, settings["theme"])
            blocks.append(
                _triangle(
                    fits[s],
                    s,
                    frames,
                    chosen[s],
                    settings,
                    (width, height),
                    title,
                    # A neighbour with fewer panels has no labels for all rows.
                    y_labels=s == start or fits[s].told_pairs() != fits[start].told_pairs(),
                )
            )
        rows.append(blocks[0] if len(blocks) == 1 else in_row(*blocks, spacing=20))
    return rows


def _panel_name(fit: int, x: int, y: int) -> str:
    """Name the points of a panel: of which fit, and of which two terms."""
    return f"modes_{fit}_{x}_{y}"


def _triangle(
    pull: Pull,
    number: int,
    frames: Sequence[tuple[float, float]],
    chosen: NDArray[np.int64],
    settings: dict[str, Any],
    size: tuple[int, int],
    title: alt.TitleParams,
    *,
    y_labels: bool,
) -> Any:
    pairs = pull.told_pairs()
    bottom = {j: max(i for c, i in pairs if c == j) for j, _ in pairs}
    rows = []
    for i in sorted({i for _, i in pairs}):
        row: list[Any] = []
        for j in sorted(j for j, r in pairs if r == i):
            panel = Panel(
                x=j,
                y=i,
                width=size[0],
                height=size[1],
                frames=frames,
                chosen=chosen,
                titles=[
                    # Of many terms the scale of a link is told in the caption.
                    t if pull.is_generalized else term_title(t, pull.info)
                    for t in pull.terms
                ],
                x_labels=bottom[j] == i,
                y_labels=y_labels and not row,
                name=_panel_name(number, j, i),
            )
            row.append(panel_chart(pull, panel, **settings))
        rows.append(in_row(*row, spacing=_GAP, bounds="flush"))
    return in_column(*rows, spacing=_GAP, title=title)
