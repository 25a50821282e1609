"""Phases over all fits of a run, and whether the last one dominates where models are large.

A bar for every fit, ordered by size, shows which share of its evaluations (and of its seconds)
each phase took, with polishing apart from the search; below, the share of the last phase against
three measures of size.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.legend import key_columns
from mixedscope.charts.common.numerals import fixed, number
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.phase_bands import phase_fills
from mixedscope.charts.common.sheet import inner, is_narrow
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.phases.options import PhasesOptions
from mixedscope.charts.kinds.phases.words import SIZE_NAMES, phases_caption, phases_title, trend_row
from mixedscope.charts.kinds.trace.words import FEW, PHASE_NAMES
from mixedscope.core.errors import ModelError
from mixedscope.core.vocabulary import FINE_TUNING

__all__ = ["phases_chart"]


_POLISH: Final = "after the search"
#: Polishing on paper, next to the greys of the phases.
_GREY: Final = "#8A8A8A"
#: Pixels of the names of fits at most, of a character of them, and of what is left of bars.
_NAMES: Final = 130
_CHARACTER: Final = 5.2
_LEFT: Final = 96
_ROW: Final = 14
_BESIDE: Final = 24
_SCATTER: Final = 96
_SHAPES: Final = ("circle", "triangle-up", "square", "diamond", "cross", "triangle-down")


@drawn_with(PhasesOptions)
def phases_chart(
    phases: pd.DataFrame,
    trend: pd.DataFrame,
    timing: pd.DataFrame | None = None,
    timing_trend: pd.DataFrame | None = None,
    *,
    options: PhasesOptions,
    theme: str,
) -> tuple[Any, str, str]:
    """Draw which share of the work of every fit each phase took.

    Of the tables of `mixedscope.summaries.phases`, with seconds where `timing` and
    `timing_trend` are given.
    """
    order = options.order
    if phases.empty:
        raise ModelError("There are no fits whose phases could be drawn: give at least one.")
    ink(theme)
    optimizers = list(dict.fromkeys(phases["optimizer"]))
    blocks = [
        _block(
            optimizer, phases, timing, order, theme, first=i == 0, last=optimizer == optimizers[-1]
        )
        for i, optimizer in enumerate(optimizers)
    ]
    chart = in_column(*blocks, _scatter(phases, trend, theme), spacing=12).resolve_scale(
        fill="independent", stroke="independent", shape="independent"
    )
    title = phases_title(phases, trend, timing, timing_trend, order=order)
    return chart, title, phases_caption(phases, trend, timing_trend, order=order)


# -- bars ------------------------------------------------------------------------------------------


def _pieces(table: pd.DataFrame, total: str, polish: str) -> pd.DataFrame:
    """Pieces of every bar from left to right: phases of the search, then polishing."""
    out = []
    for _, rows in table.groupby(["label"], sort=False):
        whole = float(rows[total].sum())
        values = dict(zip(rows["phase"], rows[total] - rows[polish], strict=True))
        pieces = [(name, values[phase]) for phase, name in PHASE_NAMES.items()]
        pieces.append((_POLISH, rows[polish].sum()))
        at = 0.0
        for name, value in pieces:
            share = float(value) / whole if whole > 0 else 0.0
            out.append(
                {
                    "label": rows["label"].iloc[0],
                    "piece": name,
                    "amount": float(value),
                    "left": at,
                    "right": at + share,
                    "share": share,
                }
            )
            at += share
    return pd.DataFrame(out)


def _block(
    optimizer: str,
    phases: pd.DataFrame,
    timing: pd.DataFrame | None,
    order: str,
    theme: str,
    *,
    first: bool,
    last: bool,
) -> Any:
    """Names and sizes, bars of evaluations and bars of seconds of one optimiser."""
    table = phases[phases["optimizer"] == optimizer].copy()
    table["label"] = table["model"] + ", " + table["structure"]
    fits = table.drop_duplicates("label").sort_values([order, "q", "n"], kind="stable")
    labels = fits["label"].tolist()
    fits = fits.assign(
        evaluations=table.groupby("label")["evaluations"].sum().reindex(labels).to_numpy()
    )
    columns = [("evaluations", _pieces(table, "evaluations", "polish_evaluations"), "d")]
    if timing is not None:
        seconds = timing[timing["optimizer"] == optimizer].copy()
        seconds["label"] = seconds["model"] + ", " + seconds["structure"]
        columns.append(("seconds", _pieces(seconds, "seconds", "polish_seconds"), ".3g"))
    few = set(fits.loc[fits["evaluations"] < FEW, "label"])
    y = alt.Y(
        "label:N",
        sort=labels,
        scale=alt.Scale(domain=labels),
        axis=alt.Axis(
            title=None,
            ticks=False,
            domain=False,
            labelLimit=_NAMES,
            labelExpr=f"{json.dumps(_names(fits))}[datum.value]",
        ),
    )
    y_alone = alt.Y("label:N", sort=labels, scale=alt.Scale(domain=labels), axis=None)
    height = _ROW * len(labels)
    numbers = 126
    width = (inner() - _LEFT - numbers - _BESIDE * len(columns)) // len(columns)
    if is_narrow():
        width = inner() - _NAMES - _BESIDE
    panels = [_numbers(fits, y, theme, titled=first).properties(width=numbers, height=height)]
    for name, bars, fmt in columns:
        pieces = bars.assign(few=bars["label"].isin(few))
        panels.append(
            _bars(
                pieces.assign(few=pieces["label"].isin(few)),
                y if is_narrow() else y_alone,
                name,
                fmt,
                theme,
                labelled=last,
            ).properties(width=width, height=height)
        )
    # Numbers at the ends of an axis stand out; blocks with and without one are alike all the same.
    block: Any = (
        in_column(*panels, spacing=12)
        if is_narrow()
        else in_row(*panels, spacing=_BESIDE, bounds="flush")
    )
    return block.properties(
        title=alt.TitleParams(
            text=f"by {optimizer}", fontSize=11, anchor="start", frame="group", offset=2
        )
    )


def _numbers(fits: pd.DataFrame, y: alt.Y, theme: str, *, titled: bool) -> Any:
    """Sizes of every fit as a small table."""
    heads = {"n_theta": "param.", "q": "effects", "n": "obs.", "evaluations": "eval."}
    rows = pd.concat(
        [
            pd.DataFrame(
                {
                    "label": fits["label"],
                    "head": head,
                    "text": [_size(int(value)) for value in fits[column]],
                }
            )
            for column, head in heads.items()
        ]
    )
    return (
        alt.Chart(rows)
        .mark_text(align="right", fontSize=9, dx=13, color=ink(theme)["soft"], aria=False)
        .encode(
            y=y,
            x=alt.X(
                "head:N",
                sort=list(heads.values()),
                axis=alt.Axis(
                    orient="top",
                    title=None,
                    labelAngle=0,
                    labels=titled,
                    ticks=False,
                    domain=False,
                    labelFontSize=9,
                    labelPadding=2,
                ),
            ),
            text=alt.Text("text:N"),
        )
        .properties(view=alt.ViewConfig(stroke=None))
    )


def _names(fits: pd.DataFrame) -> dict[str, str]:
    """Names of fits that have room, by their labels: models are cut, not what tells them apart."""
    most = int(_NAMES / _CHARACTER)
    short = {}
    for label, model, structure in fits[["label", "model", "structure"]].itertuples(index=False):
        room = max(most - len(structure) - 2, 8)
        short[label] = label if len(label) <= most else f"{model[: room - 1]}…, {structure}"
    return short if len(set(short.values())) == len(short) else {label: label for label in short}


def _size(value: int) -> str:
    """A number that a column has room for: from a hundred thousand on in thousands or millions."""
    if value < 100_000:
        return f"{value:,}"
    thousands = round(value / 1e3)
    return f"{thousands}\u00a0k" if thousands < 1000 else f"{number(value / 1e6)}\u00a0M"


def _bars(
    pieces: pd.DataFrame, y: alt.Y, name: str, fmt: str, theme: str, *, labelled: bool
) -> Any:
    fills = [*phase_fills(theme).values(), _GREY if theme == "print" else COLOURS["polish"]]
    scale = alt.Scale(domain=[*PHASE_NAMES.values(), _POLISH], range=fills)
    return (
        alt.Chart(pieces)
        .mark_bar(stroke=ink(theme)["soft"], strokeWidth=0.4, aria=False)
        .encode(
            fillOpacity=alt.FillOpacity(
                "few:N",
                scale=alt.Scale(domain=[False, True], range=[1.0, 0.45]),
                legend=None,
            ),
            y=y,
            x=alt.X(
                "left:Q",
                scale=alt.Scale(domain=[0, 1], nice=False),
                axis=alt.Axis(
                    title=f"share of {name}" if labelled else None,
                    format="%",
                    values=[0, 0.25, 0.5, 0.75, 1],
                    labels=labelled,
                    ticks=labelled,
                    labelFlush=False,
                    labelOverlap=True,
                    labelSeparation=4,
                ),
            ),
            x2=alt.X2("right:Q"),
            fill=alt.Fill(
                "piece:N",
                scale=scale,
                legend=alt.Legend(
                    title=None,
                    orient="bottom",
                    direction="horizontal",
                    symbolType="square",
                    columns=min(4, key_columns([*PHASE_NAMES.values(), _POLISH])),
                )
                if labelled
                else None,
            ),
            tooltip=[
                alt.Tooltip("label:N", title="fit"),
                alt.Tooltip("piece:N", title="phase"),
                alt.Tooltip("amount:Q", title=name, format=fmt),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )


# -- the last phase against size -------------------------------------------------------------------


def _scatter(phases: pd.DataFrame, trend: pd.DataFrame, theme: str) -> Any:
    optimizers = list(dict.fromkeys(phases["optimizer"]))
    rows = phases[phases["phase"] == FINE_TUNING].copy()
    rows["label"] = rows["model"] + ", " + rows["structure"]
    panels = [
        _against(rows, trend, size, optimizers, theme, first=i == 0 or is_narrow())
        for i, size in enumerate(SIZE_NAMES)
    ]
    return (in_column if is_narrow() else in_row)(*panels, spacing=14)


def _against(
    rows: pd.DataFrame,
    trend: pd.DataFrame,
    size: str,
    optimizers: list[str],
    theme: str,
    *,
    first: bool,
) -> Any:
    colours = ink(theme)
    found = []
    for optimizer in optimizers:
        value = trend_row(trend, optimizer, size)["rank_correlation"]
        text = "undefined" if pd.isna(value) else fixed(value, 2)
        found.append(f"{optimizer} {text}")
    half = (
        alt.Chart(pd.DataFrame({"y": [0.5]}))
        .mark_rule(stroke=colours["soft"], strokeDash=[3, 2], strokeWidth=0.8, aria=False)
        .encode(y=alt.Y("y:Q"))
    )
    legend = alt.Legend(
        title="optimiser", orient="bottom", direction="horizontal", titleOrient="left"
    )
    shades = [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(optimizers))]
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(optimizers))]
    points = (
        alt.Chart(rows)
        .mark_point(filled=False, size=34, strokeWidth=1.4, opacity=0.9, aria=False)
        .encode(
            x=alt.X(
                f"{size}:Q",
                scale=alt.Scale(type="log", nice=False, padding=8),
                axis=alt.Axis(
                    title=SIZE_NAMES[size], values=_ticks(rows[size]), format=",d", grid=False
                ),
            ),
            y=alt.Y(
                "share:Q",
                # Room for half a label, which would push the words above apart, and for points.
                scale=alt.Scale(domain=[-0.05, 1.07], nice=False),
                axis=alt.Axis(
                    title=["share of", "fine tuning"] if first else None,
                    format="%",
                    values=[0, 0.5, 1],
                    labels=first,
                    grid=False,
                ),
            ),
            stroke=alt.Stroke(
                "optimizer:N", scale=alt.Scale(domain=optimizers, range=shades), legend=legend
            ),
            shape=alt.Shape(
                "optimizer:N", scale=alt.Scale(domain=optimizers, range=shapes), legend=legend
            ),
            tooltip=[
                alt.Tooltip("label:N", title="fit"),
                alt.Tooltip("optimizer:N", title="optimiser"),
                alt.Tooltip(f"{size}:Q", title=SIZE_NAMES[size], format=",d"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    width = inner() - _NAMES - _BESIDE if is_narrow() else (inner() - 64 - 28) // 3
    return layered(half, points).properties(
        width=width,
        height=_SCATTER,
        title=alt.TitleParams(
            text=["rank correlation", ", ".join(found)],
            fontSize=9,
            fontWeight="normal",
            color=colours["soft"],
            anchor="start",
            offset=3,
        ),
    )


def _ticks(values: pd.Series) -> list[float]:
    """Powers of ten, with 2 and 5 between where the values span less than two of them.

    Few different values are ticks themselves.
    """
    own = sorted({float(value) for value in values})
    low, high = own[0], own[-1]
    steps = [math.log(right / left) for left, right in pairwise(own)]
    if len(own) <= 3 and all(step >= 0.35 * math.log(high / low) for step in steps):
        return own
    within = (1, 2, 5) if high < 100 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [s * 10.0**e for e in powers for s in within if low <= s * 10.0**e <= high]
