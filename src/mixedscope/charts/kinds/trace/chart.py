"""The trace of an optimisation: how far each evaluation was from the minimum, and what θ did.

Above, the objective minus its minimum on a log scale; below, on the same axis, θ as standard
deviations and correlations, or as it is.  Phases are shaded, stages marked, failed evaluations
shown at the top edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.along import Along
from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.gaps import gap_axis, gap_labels, smallest_gap
from mixedscope.charts.common.keys import mark_key
from mixedscope.charts.common.numerals import counted, fixed
from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.phase_bands import bands, phase_runs
from mixedscope.charts.common.probe_band import known_above, probe_band, probe_key
from mixedscope.charts.common.rows import in_rows, panel_width, rows_of
from mixedscope.charts.common.sheet import inner
from mixedscope.charts.common.structure_names import fit_headings, fit_label, structure_label
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.trace.frames import (
    KINDS,
    evaluation_frame,
    headroom,
    kept_rows,
    next_power,
    rounded,
    theta_span,
)
from mixedscope.charts.kinds.trace.options import TraceOptions
from mixedscope.charts.kinds.trace.overlay import line_rows, overlay_chart
from mixedscope.charts.kinds.trace.parameters import (
    ParameterRow,
    chosen_parameters,
    component_encodings,
    parameter_rows,
)
from mixedscope.charts.kinds.trace.words import overlay_caption, trace_caption, trace_title
from mixedscope.covariance.structure_names import structure_name
from mixedscope.tables.store import FitTables

__all__ = ["POINT_LIMIT", "THETA_LIMIT", "theta_span", "trace_chart"]

#: Evaluations drawn in one chart, and values of θ; what is beyond is thinned.
POINT_LIMIT: Final = 2000
THETA_LIMIT: Final = 6000

#: So few evaluations are told apart one by one.
_FEW: Final = 5

#: Lines on which the names of stages take turns.
_STAGE_LINES: Final = 3
#: Room for the vertical axis, and between panels.
_AXIS: Final = 74
_GAP: Final = 14
#: Heights of the gap, of what theta did, and of correlations; and where fits take several rows.
_HEIGHTS: Final = (210, 140, 90)
_LOW: Final = (140, 95, 60)


@drawn_with(TraceOptions)
def trace_chart(
    tables: Sequence[FitTables], *, options: TraceOptions, theme: str
) -> tuple[Any, str, str]:
    """Draw the traces of structures or optimisers of one model, side by side or in one panel.

    Gaps of fits of one structure by several optimisers count from the smallest objective that any
    of them found. All fits have one axis, a log one where their lengths differ by more than
    tenfold.
    """
    x, overlay = options.x, options.overlay
    colours = ink(theme)
    shown_as = chosen_parameters(tables, options.parameters)
    floor = smallest_gap(fit.info["objective"] for fit in tables)
    frames = [evaluation_frame(fit, tables, floor, x) for fit in tables]
    along = Along.of(x, frames)
    height = _HEIGHTS[0] if len(rows_of(len(tables))) == 1 else _LOW[0]
    power = next_power(max(float(frame["gap"].max()) for frame in frames), floor)
    top = headroom(floor / 2, power, height)
    if overlay:
        labels = [fit_label(fit, tables) for fit in tables]
        alone = [str(fit.info["optimizer"]["name"]) for fit in tables]
        if len({structure_label(fit.info) for fit in tables}) == 1 and len({*alone}) == len(alone):
            labels = alone
        names = [(structure_name(t.info), str(t.info["optimizer"]["name"])) for t in tables]
        kept = line_rows(frames, POINT_LIMIT)
        above = max(known_above(fit.info) for fit in tables)
        chart = overlay_chart(frames, labels, names, (floor, top), along, kept, above, theme)
        counts = [(int(rows.sum()), len(rows)) for rows in kept]
        caption = overlay_caption(tables, floor=floor, thinned=counts, x=x)
        return chart, trace_title(tables, x=x), caption
    shown = [frame[kept_rows(frame, POINT_LIMIT // len(frames))] for frame in frames]
    rows = parameter_rows(tables, frames, shown_as, THETA_LIMIT)
    kinds = _kind_encodings(frames)
    encodings = component_encodings(rows, _groups(tables), theme)
    width = panel_width(len(tables), _AXIS, _GAP)
    heights = _HEIGHTS if len(rows_of(len(tables))) == 1 else _LOW
    headings = fit_headings(tables, width)

    def panels(fits: range) -> list[Any]:
        out = []
        for i in fits:
            panel = _gap_panel(
                frames[i],
                shown[i],
                along,
                (floor, top),
                colours,
                kinds,
                theme,
                known_above(tables[i].info),
                first=i == fits[0],
            )
            title = _header(tables[i], headings[i], tables, len(fits))
            out.append(panel.properties(width=width, height=heights[0], title=title))
        for number, row in enumerate(rows):
            for i in fits:
                panel = _parameter_panel(
                    row,
                    i,
                    frames[i],
                    along,
                    encodings,
                    theme,
                    (width, heights[1 + number]),
                    titled=number == len(rows) - 1,
                    first=i == fits[0],
                )
                out.append(panel)
        return out

    chart = in_rows(len(tables), panels, ["color", "fill", "stroke", "shape"], [])
    if any(known_above(fit.info) > floor for fit in tables):
        key = mark_key([probe_key(theme)], width=inner() - _AXIS, theme=theme)
        chart = in_column(chart, key, spacing=6)
    thinned = [(len(s), len(f)) for s, f in zip(shown, frames, strict=True)]
    caption = trace_caption(tables, rows, floor=floor, thinned=thinned, x=x)
    return chart, trace_title(tables, x=x), caption


def _groups(tables: Sequence[FitTables]) -> list[str]:
    return list(dict.fromkeys(term["group"] for fit in tables for term in fit.info["random"]))


# -- panels ----------------------------------------------------------------------------------------


def _gap_panel(
    frame: pd.DataFrame,
    shown: pd.DataFrame,
    x: Along,
    span: tuple[float, float],
    colours: dict[str, str],
    kinds: tuple[alt.Stroke, alt.Shape],
    theme: str,
    above: float,
    *,
    first: bool,
) -> Any:
    stroke, shape = kinds
    y: dict[str, Any] = {
        # Half a step of room below, so that points on the floor are whole.
        "scale": alt.Scale(type="log", domain=[span[0] / 2, span[1]], nice=False),
        "axis": alt.Axis(
            title="objective − minimum" if first else None, labels=first, **gap_axis(span)
        ),
    }
    points = shown.assign(
        y=shown["gap"].fillna(span[1]), label=[KINDS[k][0] for k in shown["kind"]]
    )
    size = 14 if len(shown) <= 150 else 7
    marks = (
        alt.Chart(rounded(points))
        .mark_point(filled=False, size=size, strokeWidth=0.9, opacity=0.85, aria=False)
        .encode(
            x=x("x"),
            y=alt.Y("y:Q", **y),
            stroke=stroke,
            shape=shape,
            tooltip=[
                alt.Tooltip("evaluation:Q"),
                alt.Tooltip("objective:Q", format=".6f"),
                alt.Tooltip("gap:Q", title="objective − minimum", format=".3g"),
                alt.Tooltip("stage:N"),
                alt.Tooltip("phase:N"),
                alt.Tooltip("rho:Q", title="trust radius ρ", format=".2g"),
            ],
        )
    )
    best = shown[["x", "best"]].dropna().assign(label=KINDS["best"][0])
    line = (
        alt.Chart(rounded(best))
        .mark_line(interpolate="step-after", strokeWidth=1.3, aria=False)
        .encode(x=x("x"), y=alt.Y("best:Q", **y), stroke=stroke)
    )
    shaded = bands(rounded(x.within(phase_runs(frame))), x("left"), theme)
    unsure = probe_band(above, span[0] / 2, "y", alt.Y("y:Q", **y), theme)
    return layered(shaded, *unsure, *_stage_marks(frame, x, colours), marks, line)


def _kind_encodings(frames: Sequence[pd.DataFrame]) -> tuple[alt.Stroke, alt.Shape]:
    """Colour and shape of the evaluations that occur: two scales that share one legend."""
    occur = {"best"}.union(*(frame["kind"] for frame in frames))
    kinds = [kind for kind in KINDS if kind in occur]
    labels = [KINDS[kind][0] for kind in kinds]
    colours = alt.Scale(domain=labels, range=[COLOURS[kind] for kind in kinds])
    shapes = alt.Scale(domain=labels, range=[KINDS[kind][1] for kind in kinds])
    legend = alt.Legend(title="objective", orient="bottom", direction="vertical", symbolSize=60)
    return (
        alt.Stroke("label:N", scale=colours, legend=legend),
        alt.Shape("label:N", scale=shapes, legend=legend),
    )


def _stage_marks(frame: pd.DataFrame, x: Along, colours: dict[str, str]) -> list[Any]:
    """A line and a word where another stage begins."""
    runs = x.within(phase_runs(frame, "stage").iloc[1:])
    if runs.empty:
        return []
    rule = (
        alt.Chart(rounded(runs))
        .mark_rule(stroke=colours["soft"], strokeDash=[3, 2], aria=False)
        .encode(x=x("left"))
    )
    # The word stands on the side of the line that has room for it, lower than the one before:
    # stages may begin closer to each other than their words are long.
    right = x.is_right(runs["left"])
    line = np.arange(len(runs)) % _STAGE_LINES
    sides: list[tuple[Any, dict[str, Any]]] = [
        (~right, {"align": "left", "dx": 3}),
        (right, {"align": "right", "dx": -3}),
    ]
    words = [
        alt.Chart(rounded(runs[of_side & (line == i)]))
        .mark_text(
            baseline="top", dy=4 + 11 * i, fontSize=9, fill=colours["ink"], aria=False, **side
        )
        .encode(x=x("left"), y=alt.YValue(0), text=alt.Text("name:N"))
        for i in range(_STAGE_LINES)
        for of_side, side in sides
        if (of_side & (line == i)).any()
    ]
    return [rule, *words]


def _parameter_panel(
    row: ParameterRow,
    position: int,
    frame: pd.DataFrame,
    x: Along,
    encodings: dict[str, Any],
    theme: str,
    size: tuple[int, int],
    *,
    titled: bool,
    first: bool,
) -> Any:
    """Draw the panel of one fit in one row of parameters, such as its standard deviations."""
    values = row.frames[position]
    low, high = row.span
    scale: dict[str, Any] = {"domain": [low, high], "zero": False}
    axis: dict[str, Any] = {"title": row.title if first else None, "labels": first}
    if row.log:
        exponents = range(round(math.log10(low)), math.ceil(math.log10(high)) + 1)
        scale |= {"type": "log", "nice": False}
        axis |= {"values": [10.0**e for e in exponents], "labelExpr": gap_labels(exponents)}
    elif row.title == "correlation":
        scale |= {"nice": False}
        axis |= {"values": [-1, -0.5, 0, 0.5, 1]}
    else:
        scale |= {"nice": False}
        axis |= {"tickCount": 5}
    shaded = rounded(x.within(phase_runs(frame)))
    layers = [bands(shaded, x("left", titled=titled), theme)]
    if len(values):
        layers.append(
            alt.Chart(rounded(values))
            # Few evaluations are points as well: a line of one would show nothing.
            .mark_line(strokeWidth=1.1, clip=True, aria=False, point=values["x"].nunique() <= _FEW)
            .encode(
                x=x("x", titled=titled),
                y=alt.Y("value:Q", scale=alt.Scale(**scale), axis=alt.Axis(**axis)),
                tooltip=[
                    alt.Tooltip("component:N", title="parameter"),
                    alt.Tooltip("value:Q", format=".4g"),
                ],
                **encodings,
            )
        )
    else:
        y = alt.YDatum((low + high) / 2, scale=alt.Scale(**scale), axis=alt.Axis(**axis))
        layers.append(_none(theme, size[0], y))
    return layered(*layers).properties(width=size[0], height=size[1])


def _none(theme: str, width: int, y: alt.YDatum) -> Any:
    """Say that a fit has no parameter of a kind."""
    return (
        alt.Chart(pd.DataFrame({"text": ["none fitted"]}))
        .mark_text(fontSize=9, color=ink(theme)["soft"], aria=False)
        .encode(x=alt.XValue(width / 2), y=y, text=alt.Text("text:N"))
    )


# -- details ---------------------------------------------------------------------------------------


def _header(
    fit: FitTables, name: list[str], tables: Sequence[FitTables], beside: int
) -> alt.TitleParams:
    """What tells a fit from those beside it, and how it ended."""
    info = fit.info
    verdict = (info.get("certificate") or {}).get("verdict") or "not examined"
    structures = {structure_name(other.info) for other in tables}
    optimizers = {str(other.info["optimizer"]["name"]) for other in tables}
    # Several optimisers of one structure are told apart by their own names.
    by = str(info["optimizer"]["name"])
    if len(structures) == 1 < len(optimizers):
        name, by = [by], structure_label(info)
    cost = [by, counted(len(fit.require("trace")))]
    return alt.TitleParams(
        text=name,
        subtitle=[
            *(cost if beside > 2 else [", ".join(cost)]),
            f"objective {fixed(info['objective'], 4)}",
            str(verdict),
        ],
        fontSize=11,
        subtitleFontSize=10,
        anchor="start",
        frame="group",
        offset=6,
    )
