"""Efficiency of shrinkage: how far each structure errs from the truth it was simulated from.

A row for the fitted values and for every term, a point for every structure, on one scale: the mean
squared error over that of estimates which know the true covariances. Beside it, in numbers, how
each structure differs from the first.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_row, layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.legend import key_columns, title_lines
from mixedscope.charts.common.numerals import fixed, number, percent
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.sheet import headline, inner, is_narrow
from mixedscope.charts.common.structure_names import structure_colours, worded
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.efficiency.options import EfficiencyOptions
from mixedscope.charts.kinds.efficiency.words import (
    NO_SHRINKAGE,
    change,
    efficiency_reading,
    efficiency_title,
    is_same,
    measure_name,
    structures_of,
)
from mixedscope.core.vocabulary import ORACLE, UNSHRUNKEN

__all__ = ["efficiency_chart"]

#: Ratios of errors below which an interval is not drawn.
_LEAST: Final = 0.5
#: Room for the names of rows, and for a column of numbers.
_AXIS: Final = 128
_COLUMN: Final = 86
#: The same on a narrow sheet.
_NARROW: Final = (96, 66)
#: Most columns of numbers; with more structures the numbers are in tooltips.
_COLUMNS: Final = 2
_STEP: Final = 9
#: Pixels of a mark in the key, with what is about it.
_SYMBOL: Final = 24
#: Characters of a line above a column of numbers.
_HEADING: Final = 13
#: Marks of structures, and of estimates without shrinkage; no strokes, which intervals are.
_SHAPES: Final = ("circle", "square", "triangle-up", "cross", "triangle-down", "triangle-right")
_UNSHRUNKEN: Final = "diamond"


@drawn_with(EfficiencyOptions)
def efficiency_chart(
    summary: pd.DataFrame, refits: pd.DataFrame, *, options: EfficiencyOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the errors of every structure: ``efficiency`` and ``efficiency_refits``."""
    colours = ink(theme)
    rows, structures = _rows(summary), structures_of(summary)
    first, *others = structures
    shown = [n for n in [*structures, UNSHRUNKEN] if n in set(summary["structure"])]
    labels = list(dict.fromkeys(rows["label"]))
    columns = others if len(others) <= _COLUMNS else []
    axis, column = _NARROW if is_narrow() else (_AXIS, _COLUMN)
    width = inner() - axis - column * len(columns)
    height = len(labels) * (_STEP * len(shown) + 10)
    data = Datasets(digits=5)
    panel = _errors(data, rows, labels, shown, colours).properties(width=width, height=height)
    numbers = [
        _numbers(data, rows[rows["structure"] == name], labels, name, first, colours).properties(
            width=column, height=height
        )
        for name in columns
    ]
    title = efficiency_title(summary, refits)
    caption = efficiency_reading(summary, refits)
    caption += (
        " Drawn is the mean squared error over that of estimates that know the true covariances "
        "(1), on a log scale, with 95\u00a0% Monte Carlo intervals"
        f"{f', cut at {number(_LEAST)}' if (rows['low'] == _LEAST).any() else ''}."
    )
    chart = in_row(panel, *numbers, spacing=0, bounds="flush")
    chart = data.give(chart).properties(title=alt.TitleParams(text=title_lines(title, headline())))
    return chart, title, caption


def _rows(summary: pd.DataFrame) -> pd.DataFrame:
    """What is drawn: fitted values, every term, and fixed effects where structures differ."""
    fixed = summary[(summary["measure"] == "fixed") & (summary["structure"] != ORACLE)]
    differ = not all(is_same(row) for _, row in fixed.iterrows())
    wanted = ["fitted", "mode", *(["fixed"] if differ else [])]
    parts = [summary[summary["measure"] == measure] for measure in wanted]
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["structure"] != ORACLE].reset_index(drop=True)
    half = 1.96 * frame["excess_se"]
    return frame.assign(
        label=[
            measure_name(m, g, t)
            for m, g, t in zip(frame["measure"], frame["group"], frame["term"], strict=True)
        ],
        name=frame["structure"].map(_called),
        ratio=1.0 + frame["excess"],
        low=(1.0 + frame["excess"] - half).clip(lower=_LEAST),
        high=1.0 + frame["excess"] + half,
        told=[change(r["loss"], r["loss_se"]) for _, r in frame.iterrows()],
        reached=[_percent(r["gain"], r["gain_se"]) for _, r in frame.iterrows()],
    )


def _called(structure: str) -> str:
    """A structure in words; what is not shrunken too."""
    return NO_SHRINKAGE if structure == UNSHRUNKEN else worded(structure)


def _percent(gain: float, error: float) -> str:
    return "–" if math.isnan(gain) else f"{fixed(100 * gain)} ± {percent(1.96 * error)}"


def _errors(
    data: Datasets,
    rows: pd.DataFrame,
    labels: Sequence[str],
    shown: Sequence[str],
    colours: dict[str, str],
) -> Any:
    names = [_called(s) for s in shown]
    structures = [s for s in shown if s != UNSHRUNKEN]
    palette = structure_colours(structures, GROUP_COLOURS)
    palette += [COLOURS["reference"]] * (UNSHRUNKEN in shown)
    low = min(0.98, float(rows["low"].min()))
    high = max(1.1, float(rows["high"].max()))
    room = 0.03 * math.log(high / low)
    domain = [low * math.exp(-room), high * math.exp(room)]
    table = rows[
        ["label", "name", "ratio", "low", "high", "mse", "mse_se", "bias2", "variance"]
        + ["told", "reached"]
    ]
    x_axis = alt.Axis(
        title=["mean squared error, log scale", "(1: the true covariances are known)"],
        values=_ticks(*domain),
        format="~g",
        grid=True,
    )
    x_scale = alt.Scale(type="log", domain=domain, nice=False)
    beside = _NARROW[0] if is_narrow() else _AXIS
    y = alt.Y(
        "label:N",
        sort=list(labels),
        title=None,
        axis=alt.Axis(
            domain=False,
            ticks=False,
            grid=False,
            labelLimit=beside - 8,
        ),
        scale=alt.Scale(paddingInner=0.12, paddingOuter=0.06),
    )
    offset = alt.YOffset("name:N", sort=names, scale=alt.Scale(domain=names))
    legend = alt.Legend(
        title=None,
        orient="bottom",
        direction="horizontal",
        symbolSize=60,
        columns=key_columns(names, beside=beside, symbol=_SYMBOL),
    )
    colour = alt.Color("name:N", scale=alt.Scale(domain=names, range=palette), legend=legend)
    # In grey, too, a structure is told from the others.
    marks = [_SHAPES[i % len(_SHAPES)] for i in range(len(structures))]
    marks += [_UNSHRUNKEN] * (UNSHRUNKEN in shown)
    shape = alt.Shape("name:N", scale=alt.Scale(domain=names, range=marks), legend=legend)
    tooltip = [
        alt.Tooltip("label:N", title="error of"),
        alt.Tooltip("name:N", title="structure"),
        alt.Tooltip("mse:Q", title="mean squared error", format=".4~g"),
        alt.Tooltip("mse_se:Q", title="Monte Carlo standard error", format=".2~g"),
        alt.Tooltip("bias2:Q", title="squared bias", format=".4~g"),
        alt.Tooltip("variance:Q", title="variance", format=".4~g"),
        alt.Tooltip("told:N", title=f"against {_called(shown[0])}"),
        alt.Tooltip("reached:N", title="gain of shrinking reached"),
    ]
    base = data.chart(table)
    best = (
        data.chart([{"one": 1.0}])
        .mark_rule(color=COLOURS["zero"], strokeDash=[3, 2], strokeWidth=0.9, aria=False)
        .encode(x=alt.X("one:Q", scale=x_scale, axis=x_axis))
    )
    bars = base.mark_rule(strokeWidth=1.6, aria=False).encode(
        x=alt.X("low:Q", scale=x_scale, axis=x_axis),
        x2=alt.X2("high:Q"),
        y=y,
        yOffset=offset,
        color=colour,
    )
    points = base.mark_point(filled=True, size=42, opacity=1, aria=False).encode(
        x=alt.X("ratio:Q", scale=x_scale, axis=x_axis),
        y=y,
        yOffset=offset,
        color=colour,
        shape=shape,
        tooltip=tooltip,
    )
    bands = _bands(data, labels, y, colours)
    return layered(bands, best, bars, points)


def _bands(data: Datasets, labels: Sequence[str], y: Any, colours: dict[str, str]) -> Any:
    """Tint every other row, so that points are read with their names."""
    return (
        data.chart(pd.DataFrame({"label": list(labels)[::2]}))
        .mark_bar(color=colours["grid"], opacity=0.45, aria=False)
        .encode(y=y)
    )


def _numbers(
    data: Datasets,
    rows: pd.DataFrame,
    labels: Sequence[str],
    name: str,
    first: str,
    colours: dict[str, str],
) -> Any:
    """A column of differences in numbers."""
    y = alt.Y(
        "label:N",
        sort=list(labels),
        title=None,
        axis=None,
        scale=alt.Scale(paddingInner=0.12, paddingOuter=0.06),
    )
    told = rows[["label", "told"]]
    text = (
        data.chart(told)
        .mark_text(align="right", fontSize=10, color=colours["ink"], aria=False)
        .encode(
            y=y, x=alt.XValue((_NARROW[1] if is_narrow() else _COLUMN) - 6), text=alt.Text("told:N")
        )
    )
    return layered(_bands(data, labels, y, colours), text).properties(
        title=alt.TitleParams(
            text=textwrap.wrap(worded(name), _HEADING),
            subtitle=textwrap.wrap(f"against {worded(first)}", _HEADING),
            fontSize=10,
            subtitleFontSize=10,
            anchor="end",
            frame="group",
            subtitleColor=colours["soft"],
            offset=4,
            dx=-6,
        ),
        view=alt.ViewConfig(stroke=None),
    )


def _ticks(low: float, high: float) -> list[float]:
    """Numbers that can be read, few enough to stand side by side."""
    fine = [1.0, 1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5] if high < 1.6 else []
    steps = (1, 2, 5) if high / low > 8 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    coarse = [m * 10.0**e for e in range(-1, 6) for m in steps]
    every = [v for v in (fine or coarse) if low <= v <= high]
    return every if len(every) <= 9 else [v for v in every if math.log10(v) % 1 < 1e-9]
