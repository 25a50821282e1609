"""Ordered conditional modes against normal quantiles.

Are the random effects normal?  Modes are shrunken: they follow the line of their own standard
deviation, not of the random effects', and each level's shrinkage is its own.  The envelope of draws
from the fit says how far from the line a mode may be.  The idea is lme4's ``qqmath`` and
MixedModelsMakie's ``qqcaterpillar``, which draw neither line nor envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.groups import chosen_terms, grouping_factor
from mixedscope.charts.common.legend import header, header_lines, key_row, title_lines
from mixedscope.charts.common.numerals import share, told_level
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.rows import rows_of
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.caterpillar.bars import not_determined
from mixedscope.charts.kinds.qqcaterpillar.options import QqcaterpillarOptions
from mixedscope.charts.kinds.qqcaterpillar.ordered import Ordered
from mixedscope.charts.kinds.qqcaterpillar.words import (
    qqcaterpillar_caption,
    qqcaterpillar_title,
)
from mixedscope.charts.kinds.residuals.parts import cleared
from mixedscope.charts.kinds.shrinkage.levels import drawn_terms, pulls, sample_ranks
from mixedscope.tables.store import FitTables

__all__ = ["qqcaterpillar_chart"]

#: At most so many levels are drawn in a panel; more than this without their intervals.
_MOST: Final = 400
_DENSE: Final = 120
_EXTREMES: Final = 40

_LEFT: Final = 46
_GAP: Final = 12
_PER_ROW: Final = 3
_WIDEST: Final = 300
_HEIGHT: Final = 230
#: Room that the name of a level outside takes, as a share of half the axis.
_ROOM: Final = 0.11


@drawn_with(QqcaterpillarOptions)
def qqcaterpillar_chart(
    tables: Sequence[FitTables],
    group: str | None = None,
    *,
    options: QqcaterpillarOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw the ordered modes of each term with line and envelope, fits side by side."""
    group, known = grouping_factor(tables, group)
    terms = drawn_terms(tables, group, chosen_terms(known, repr(group), options.terms))
    found = pulls(tables, group, terms)
    fits = [
        [_ordered(fit, pull.label, group, term) for term in terms]
        for fit, pull in zip(tables, found, strict=True)
    ]
    if all(np.isnan(pull.sds).all() for pull in found):
        raise not_determined(group)
    title = qqcaterpillar_title(fits[0], group)
    # Of several fits each term has a row; a single one, and those in a column, their terms in rows.
    across_fits = len(fits) > 1 and not is_narrow()
    pairs = [[(one, pull) for one in fit] for fit, pull in zip(fits, found, strict=True)]
    lines = [list(row) for row in zip(*pairs, strict=True)] if across_fits else pairs
    blocks = [[b[i] for i in at] for b in lines for at in rows_of(len(b), _PER_ROW - is_narrow())]
    across = max(map(len, blocks))
    width = min((inner() - _LEFT - _GAP * (across - 1)) // across, _WIDEST)
    z = NormalDist().inv_cdf(0.5 * (1.0 + options.level))
    frames = {term: _frame([fit[j] for fit in fits], z) for j, term in enumerate(terms)}
    reach = max((one.rows["normal"].abs().max() for fit in fits for one in fit if len(one.rows)),
                default=2.0)  # fmt: skip
    reach = cleared(-1.08 * reach, 1.08 * reach, min(_HEIGHT, width))[1]
    headers = {p.label: header_lines(p, group, narrow=across_fits and width < 250) for p in found}
    tallest = max(map(len, headers.values())) if across_fits else 0
    data = Datasets(digits=6)
    drawn: list[Any] = []
    headed: set[str] = set()
    for block in blocks:
        panels = []
        for at, (one, pull) in enumerate(block):
            panel = _panel(data, one, frames[one.term], reach, z, theme, first=at == 0)
            panel = panel.properties(width=width, height=min(_HEIGHT, width))
            if len(fits) > 1 and pull.label not in headed:
                headed.add(pull.label)
                panel = panel.properties(
                    title=header(pull.label, headers[pull.label], tallest, theme)
                )
            panels.append(panel)
        drawn.append(in_row(*panels, spacing=_GAP, bounds="flush"))
    most = max((len(one.rows) for fit in fits for one in fit), default=0)
    shown = max((len(_chosen(one.rows)) for fit in fits for one in fit), default=0)
    caption = qqcaterpillar_caption(fits, group, options.level, drawn=shown, levels=most)
    key = key_row(_key(fits, options), width=inner() - _LEFT, theme=theme)
    chart = data.give(in_column(*drawn, key, spacing=16)).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )
    return chart, title, caption


def _ordered(fit: FitTables, label: str, group: str, term: str) -> Ordered:
    """The stored quantiles and counts of a term; nothing where it does not vary."""

    def of(name: str) -> pd.DataFrame:
        table = fit.require(name)
        return table[(table["group"] == group) & (table["term"] == term)]

    rows, counts = of("mode_quantiles"), of("mode_normality")
    spread = of("modes")[["level", "std_dev", "n_obs"]]
    rows = rows.merge(spread, on="level", how="left", validate="one_to_one")
    return Ordered(label, term, rows, counts.iloc[0] if len(counts) else None)


def _frame(all_fits: Sequence[Ordered], z: float) -> tuple[float, float]:
    """The range of the axis of a term: bars and envelopes of all fits."""
    ends = [
        np.concatenate([
            one.rows["lower"], one.rows["upper"], *(
                one.rows["mode"] + s * z * one.rows["std_dev"] * (len(one.rows) <= _DENSE)
                for s in (-1.0, 1.0)
            )
        ])
        for one in all_fits if len(one.rows)
    ]  # fmt: skip
    if not ends:
        return -1.0, 1.0
    values = np.concatenate(ends)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    pad = 0.04 * (high - low) or 1.0
    return low - pad, high + pad


def _is_out(rows: pd.DataFrame) -> pd.Series:
    return (rows["mode"] < rows["lower"]) | (rows["mode"] > rows["upper"])


def _chosen(rows: pd.DataFrame) -> pd.DataFrame:
    """The levels drawn: ends, those outside the envelope, and others evenly in rank."""
    kept = sample_ranks(len(rows), _MOST, first=_EXTREMES, last=_EXTREMES)
    out = np.flatnonzero(_is_out(rows))
    return rows.iloc[np.union1d(kept, out)]


def _panel(
    data: Datasets,
    one: Ordered,
    frame: tuple[float, float],
    reach: float,
    z: float,
    theme: str,
    *,
    first: bool,
) -> Any:
    """Draw one term of one fit."""

    def x(field: str) -> alt.X:
        axis = alt.Axis(
            title=one.term, domain=False, tickCount=4, labelOverlap=True, labelSeparation=5,
            labelBound=4, labelFlush=14, grid=False,
        )  # fmt: skip
        scale = alt.Scale(domain=list(frame), nice=False, zero=False)
        return alt.X(field=field, type="quantitative", scale=scale, axis=axis)

    def y(field: str = "normal") -> alt.Y:
        axis = alt.Axis(
            title="normal quantile" if first else None, labels=first, ticks=first, domain=False,
            grid=False, tickCount=5,
        )  # fmt: skip
        scale = alt.Scale(domain=[-reach, reach], nice=False, zero=False)
        return alt.Y(field=field, type="quantitative", scale=scale, axis=axis)

    zero = data.chart([{"p": 0.0}]).mark_rule(
        color=COLOURS["zero"], strokeWidth=1, strokeDash=[3, 2], aria=False
    )
    layers: list[Any] = [zero.encode(x=x("p"))]
    if one.counts is None:
        note = data.chart([{"m": sum(frame) / 2, "normal": 0.35 * reach, "text": "does not vary"}])
        note = note.mark_text(fontSize=10, color=ink(theme)["soft"])
        return layered(*layers, note.encode(x=x("m"), y=y(), text=alt.Text(field="text")))
    rows = _chosen(one.rows)
    band = data.chart(rows[["normal", "lower", "upper"]])
    tint = band.mark_area(
        orient="horizontal", color=COLOURS["ellipse"], aria=False, clip=True,
        opacity=0.2 if theme == "light" else 0.0,
    )  # fmt: skip
    layers.append(tint.encode(x=x("lower"), x2=alt.X2(field="upper"), y=y()))
    order = alt.Order(field="normal", type="quantitative")
    for end in ("lower", "upper"):
        edge = band.mark_line(color=COLOURS["ellipse"], strokeWidth=1.2, aria=False, clip=True)
        layers.append(edge.encode(x=x(end), y=y(), order=order))
    ends = [-reach, reach]
    marks: dict[str, dict[str, Any]] = {
        "sd": {"color": COLOURS["movement"], "strokeDash": [2, 3], "strokeWidth": 1.2},
        "mode_sd": {"color": COLOURS["population"], "strokeWidth": 1.2},
    }
    for name, mark in marks.items():
        sd = float(getattr(one, name))
        line = data.chart([{"m": sd * q, "normal": q} for q in ends])
        line = line.mark_line(**mark, clip=True, aria=False)
        layers.append(line.encode(x=x("m"), y=y(), order=order))
    dense = len(one.rows) > _DENSE
    shown = rows.assign(
        lo=rows["mode"] - z * rows["std_dev"], hi=rows["mode"] + z * rows["std_dev"]
    )
    tips = [
        alt.Tooltip(field="level", type="nominal", title="level"),
        alt.Tooltip(field="n_obs", type="quantitative", title="n", format=","),
        *(
            alt.Tooltip(field=field, type="quantitative", title=words, format=".4~g")
            for field, words in (
                ("mode", "mode"), ("normal", "normal quantile"),
                ("lower", "envelope from"), ("upper", "envelope to"),
            )
        ),
    ]  # fmt: skip
    if not dense:
        bars = data.chart(shown).mark_rule(
            color=COLOURS["zero"], strokeWidth=0.8, clip=True, aria=False
        )
        layers.append(bars.encode(x=x("lo"), x2=alt.X2(field="hi"), y=y(), tooltip=tips))
    out = _is_out(shown)
    if (~out).any():
        points = data.chart(shown[~out]).mark_point(
            shape="circle", filled=True, color=COLOURS["mode"], size=9 if dense else 26, opacity=1,
            aria=False,
        )  # fmt: skip
        layers.append(points.encode(x=x("mode"), y=y(), tooltip=tips))
    if out.any():
        base = data.chart(shown[out])
        points = base.mark_point(
            shape="diamond", filled=True, color=COLOURS["failed"], size=22 if dense else 44,
            opacity=1, aria=False,
        )  # fmt: skip
        layers.append(points.encode(x=x("mode"), y=y(), tooltip=tips))
        named = _apart(shown.loc[out], _ROOM * reach)
        names = data.chart(named).mark_text(
            fontSize=9, align="left", dx=7, dy=7, color=ink(theme)["ink"], aria=False, limit=90
        )
        layers.append(names.encode(x=x("mode"), y=y(), text=alt.Text(field="level")))
    return layered(*layers)


def _apart(rows: pd.DataFrame, room: float) -> pd.DataFrame:
    """Rows whose names do not run into each other, from the ends of the order inwards."""
    kept: list[int] = []
    places = rows["normal"].to_numpy(dtype=float)
    for i in np.argsort(-np.abs(places), kind="stable").tolist():
        if all(abs(places[i] - places[j]) >= room for j in kept):
            kept.append(i)
    return rows.iloc[sorted(kept)]


def _key(fits: Sequence[Sequence[Ordered]], options: QqcaterpillarOptions) -> list[tuple[str, str]]:
    told = [one for fit in fits for one in fit if one.counts is not None]
    items = [("mode", "mode")]
    if any(len(one.rows) <= _DENSE for one in told):
        items.append(("interval", f"its interval at {told_level(options.level)}"))
    if told:
        items += [
            ("expected", "SD of modes"),
            ("effects", "SD of effects"),
            ("ellipse", f"envelope, {share(told[0].coverage)} each"),
        ]
    if any(int(one.outside) for one in told):
        items.append(("outside", "outside"))
    return [*items, ("zero", "0")]
