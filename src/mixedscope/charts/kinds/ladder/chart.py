"""The ladder: structures of one model on common axes, what each costs and what it buys.

A row for each structure, the richest on top. Deviance and information criteria as distances from
the best, the principal axes of the random effects as squares, the rest in numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Literal

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.lines import broken
from mixedscope.charts.common.numerals import fixed
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import current, headline, inner
from mixedscope.charts.common.structure_names import worded
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.ladder.options import LadderOptions
from mixedscope.charts.kinds.ladder.words import (
    criterion_of,
    first_fits,
    ladder_caption,
    ladder_title,
    p_words,
)
from mixedscope.core.errors import ModelError
from mixedscope.core.vocabulary import OPTIMA
from mixedscope.covariance.registry import look_of

__all__ = ["ladder_chart"]

_ROW: Final = 30
_PANEL: Final = 84
_NUMBER: Final = 50
_SQUARE: Final = 11
_TEST: Final = 128
#: Room from one square to the next, and most for all of them: more stand closer.
_STEP: Final = _SQUARE + 3
_SQUARES: Final = 130
#: Most characters of a number beside its mark, and the room they need right of the largest.
_ROOM: Final = 1.75
#: Pixels between panels, those of the title where all stand in a row, and of a letter of a name.
_GAP: Final = 10
_HEADLINE: Final = 730
_CHARACTER: Final = 6.0


@drawn_with(LadderOptions)
def ladder_chart(
    structures: pd.DataFrame,
    tests: pd.DataFrame,
    components: pd.DataFrame,
    *,
    options: LadderOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw the structures of one model: the fits of the first optimiser in a ladder."""
    colours = ink(theme)
    if structures["structure"].nunique() < 2:
        raise ModelError(
            "A ladder of one structure compares nothing: give it several "
            '(structures=["full", "zerocorr"], say), or look at the fit itself.'
        )
    own, tested, axes = first_fits(structures, tests, components)
    own = own.assign(rung=[worded(s) for s in own["structure"]])
    order = own["rung"].tolist()
    data = Datasets()
    height = _ROW * len(own)
    criterion = criterion_of(own)
    makers = [
        partial(_distance, data, own, order, criterion, colours),
        partial(_criteria, data, own, order, colours),
        partial(_squares, data, own, axes, order, colours),
        partial(
            _numbers, data, own, order, "n_theta", ["covariance", "parameters"], ",.0f", colours
        ),
        partial(_numbers, data, own, order, "edf", ["effective", "df"], ",.1f", colours),
        partial(_numbers, data, own, order, "evaluations", ["evalu-", "ations"], ",.0f", colours),
        partial(_outcomes, data, own, tested, order, colours),
    ]
    title = ladder_title(structures, tests, components)
    rows = [
        in_row(*(p.properties(height=height) for p in panels), spacing=_GAP)
        for panels in _rows(makers, _CHARACTER * max(map(len, order)))
    ]
    chart: Any = rows[0] if len(rows) == 1 else in_column(*rows, spacing=16)
    chart = chart.properties(
        title=title_lines(title, max(headline(), _HEADLINE * (len(rows) == 1)))
    )
    return data.give(chart), title, ladder_caption(structures, tests, components)


def _rows(makers: Sequence[Callable[..., Any]], names: float) -> list[list[Any]]:
    """Panels in as few rows as the sheet has room for; the first of each has the names.

    ``names``: pixels that they take.  A sheet that nobody asked for has room for all.
    """
    if current().width is None:
        return [[make(labels=i == 0) for i, make in enumerate(makers)]]
    rows: list[list[Any]] = []
    at = float(inner())
    for make in makers:
        panel = make(labels=False)
        if at + panel.width > inner():
            rows.append([make(labels=True)])
            at = names + panel.width + _GAP
        else:
            rows[-1].append(panel)
            at += panel.width + _GAP
    return rows


def _y(order: list[str], *, labels: bool) -> alt.Y:
    axis = (
        alt.Axis(title=None, domain=False, ticks=False, labelFontSize=11, labelPadding=10)
        if labels
        else None
    )
    return alt.Y("rung:N", sort=order, axis=axis, scale=alt.Scale(domain=order))


def _heading(lines: list[str], anchor: Literal["start", "end"] = "start") -> alt.TitleParams:
    return alt.TitleParams(
        lines,
        fontSize=11,
        fontWeight="normal",
        anchor=anchor,
        frame="group",
        offset=6,
        orient="top",
    )


def _distance(
    data: Datasets,
    own: pd.DataFrame,
    order: list[str],
    criterion: str,
    colours: dict[str, str],
    *,
    labels: bool,
) -> Any:
    """Objective above the smallest."""
    top = max(float(own["above_objective"].max()), 1e-6)
    rows = own[["rung", "structure", "above_objective", "objective", "verdict"]].assign(
        zero=0.0,
        text=[_size(v) for v in own["above_objective"]],
        colour=[_colour(s, colours) for s in own["structure"]],
    )
    base = data.chart(rows).encode(y=_y(order, labels=labels))
    x = alt.X(
        "above_objective:Q",
        scale=alt.Scale(domain=[0.0, top * _ROOM], nice=False),
        axis=None,
    )
    colour = alt.Color("colour:N", scale=None)
    tooltip = [
        alt.Tooltip("rung:N", title="structure"),
        alt.Tooltip("objective:Q", title=criterion, format=",.4f"),
        alt.Tooltip("above_objective:Q", title="above the smallest", format=",.4f"),
        alt.Tooltip("verdict:N", title="certificate"),
    ]
    line = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("zero:Q", axis=None), x2=alt.X2("above_objective:Q"), color=colour
    )
    start = base.mark_rule(color=colours["grid"]).encode(
        x=alt.XValue(0), y=alt.YValue(0), y2=alt.Y2Value("height")
    )
    point = base.mark_circle(size=70, opacity=1).encode(x=x, color=colour, tooltip=tooltip)
    text = base.mark_text(align="left", dx=8, color=colours["ink"]).encode(
        x=x, text=alt.Text("text:N")
    )
    return layered(start, line, point, text).properties(
        width=_PANEL,
        title=_heading([criterion, "above the best"]),
        view=alt.ViewConfig(stroke=None),
    )


def _criteria(
    data: Datasets, own: pd.DataFrame, order: list[str], colours: dict[str, str], *, labels: bool
) -> Any:
    """AIC and BIC above their smallest."""
    top = max(float(own[["above_aic", "above_bic"]].max().max()), 1e-6)
    long = own.melt(
        id_vars=["rung"], value_vars=["above_aic", "above_bic"], var_name="kind", value_name="above"
    )
    long["kind"] = long["kind"].map({"above_aic": "AIC", "above_bic": "BIC"})
    ends = own[["rung", "above_aic", "above_bic"]]
    x = alt.X(
        "above:Q",
        scale=alt.Scale(domain=[0.0, top], nice=True),
        axis=alt.Axis(title=None, tickCount=3, grid=True, orient="bottom", format="~s"),
    )
    link = (
        data.chart(ends)
        .mark_rule(color=COLOURS["movement"], strokeWidth=1)
        .encode(y=_y(order, labels=labels), x=alt.X("above_aic:Q"), x2=alt.X2("above_bic:Q"))
    )
    shape = alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=["AIC", "BIC"], range=["circle", "diamond"]),
        legend=None,
    )
    fill = alt.Fill(
        "kind:N",
        scale=alt.Scale(domain=["AIC", "BIC"], range=[colours["ink"], colours["paper"]]),
        legend=None,
    )
    points = (
        data.chart(long)
        .mark_point(size=55, stroke=colours["ink"], strokeWidth=1.2, opacity=1)
        .encode(
            y=_y(order, labels=labels),
            x=x,
            shape=shape,
            fill=fill,
            tooltip=[
                alt.Tooltip("rung:N", title="structure"),
                alt.Tooltip("kind:N", title="criterion"),
                alt.Tooltip("above:Q", title="above the smallest", format=",.2f"),
            ],
        )
    )
    return layered(link, points).properties(
        width=_PANEL, title=_heading(["AIC (filled)", "BIC (open)", "above the best"])
    )


def _squares(
    data: Datasets,
    own: pd.DataFrame,
    axes: pd.DataFrame,
    order: list[str],
    colours: dict[str, str],
    *,
    labels: bool,
) -> Any:
    """Principal axes of the random effects, by grouping factor."""
    axes = axes[axes["allowed"]]
    groups = list(dict.fromkeys(axes["group"]))
    widths = {g: int(axes.loc[axes["group"] == g, "component"].max()) for g in groups}
    starts, at = {}, 0.0
    for group in groups:
        starts[group] = at
        at += widths[group] + 0.8
    names = dict(zip(own["structure"], own["rung"], strict=True))
    hue = {s: _colour(s, colours) for s in own["structure"]}
    rows = axes.assign(
        rung=axes["structure"].map(names),
        x=[starts[g] + c - 0.5 for g, c in zip(axes["group"], axes["component"], strict=True)],
        fill=[
            colours["paper"] if gone else COLOURS["observations"] if np.isnan(sd) else hue[s]
            for gone, sd, s in zip(axes["collapsed"], axes["sd"], axes["structure"], strict=True)
        ],
        stroke=axes["structure"].map(hue),
        carries=[
            "no variance" if gone else "not determined" if np.isnan(sd) else "variance"
            for gone, sd in zip(axes["collapsed"], axes["sd"], strict=True)
        ],
    )[["rung", "group", "x", "fill", "stroke", "carries", "component", "sd", "share", "name"]]
    total = max(at - 0.8, 1.0)
    step = min(_STEP, _SQUARES / total)
    width = max(int(total * step), 74)
    x = alt.X("x:Q", scale=alt.Scale(domain=[0.0, width / step], nice=False), axis=None)
    marks = (
        data.chart(rows)
        .mark_square(size=min(_SQUARE, 0.8 * step) ** 2, strokeWidth=1.2, opacity=1)
        .encode(
            y=_y(order, labels=labels),
            x=x,
            fill=alt.Fill("fill:N", scale=None),
            stroke=alt.Stroke("stroke:N", scale=None),
            tooltip=[
                alt.Tooltip("rung:N", title="structure"),
                alt.Tooltip("group:N", title="grouping factor"),
                alt.Tooltip("name:N", title="axis"),
                alt.Tooltip("sd:Q", title="standard deviation", format=".3g"),
                alt.Tooltip("share:Q", title="share of variance", format=".1%"),
                alt.Tooltip("carries:N", title="carries"),
            ],
        )
    )
    return marks.properties(
        width=width,
        title=_heading(["dimensions of", *broken(", ".join(groups), int(width / _CHARACTER))]),
        view=alt.ViewConfig(stroke=None),
    )


def _numbers(
    data: Datasets,
    own: pd.DataFrame,
    order: list[str],
    column: str,
    heading: list[str],
    form: str,
    colours: dict[str, str],
    *,
    labels: bool,
) -> Any:
    """One number for each structure."""
    rows = own[["rung"]].assign(text=["–" if pd.isna(v) else format(v, form) for v in own[column]])
    return (
        data.chart(rows)
        .mark_text(align="right", color=colours["ink"])
        .encode(y=_y(order, labels=labels), x=alt.XValue(_NUMBER), text=alt.Text("text:N"))
        .properties(width=_NUMBER, title=_heading(heading, "end"), view=alt.ViewConfig(stroke=None))
    )


def _outcomes(
    data: Datasets,
    own: pd.DataFrame,
    tested: pd.DataFrame,
    order: list[str],
    colours: dict[str, str],
    *,
    labels: bool,
) -> Any:
    """The test against the richest structure that contains each, and the certificate."""
    richest = tested[tested["richest"].astype(bool)].set_index("poorer")
    tops = list(dict.fromkeys(richest["richer"]))
    lines = []
    for _, row in own.iterrows():
        structure = row["structure"]
        if structure in richest.index:
            test = richest.loc[structure]
            against = f"{worded(test['richer'])}: " if len(tops) > 1 else ""
            told = against + p_words(test)
        else:
            told = "not nested" if own["n_theta"].max() > row["n_theta"] else "the richest"
        good = row["verdict"] in OPTIMA
        lines.append(
            {
                "rung": row["rung"],
                "test": told,
                "verdict": row["verdict"],
                "colour": colours["soft"] if good else COLOURS["failed"],
            }
        )
    base = data.chart(lines).encode(y=_y(order, labels=labels))
    test = base.mark_text(align="left", dy=-6, fontSize=10, color=colours["ink"]).encode(
        x=alt.XValue(0), text=alt.Text("test:N")
    )
    verdict = base.mark_text(align="left", dy=7, fontSize=10).encode(
        x=alt.XValue(0), text=alt.Text("verdict:N"), color=alt.Color("colour:N", scale=None)
    )
    against = f"test against {worded(tops[0])}" if len(tops) == 1 else "test against the richest"
    heads = [*broken(against if tops else "no tests", int(_TEST / _CHARACTER)), "and certificate"]
    return layered(test, verdict).properties(
        width=_TEST,
        title=_heading(heads),
        view=alt.ViewConfig(stroke=None),
    )


def _colour(structure: str, colours: dict[str, str]) -> str:
    """The colour of a structure, the same in every chart."""
    look = look_of(structure)
    return colours["soft"] if look is None else look.colour


def _size(value: float) -> str:
    if value < 0.005:
        return "0"
    return fixed(value, 2 if value < 10 else 1 if value < 1000 else 0)
