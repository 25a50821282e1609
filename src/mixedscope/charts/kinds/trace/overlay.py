"""Several traces in one panel: who got where, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.along import Along
from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.gaps import gap_axis
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.phase_bands import bands, phase_runs
from mixedscope.charts.common.probe_band import probe_band, probe_key
from mixedscope.charts.common.sheet import inner
from mixedscope.charts.common.structure_names import structure_colours
from mixedscope.charts.common.theme import GROUP_COLOURS
from mixedscope.charts.kinds.trace.frames import kept_rows, rounded

__all__ = ["line_rows", "overlay_chart"]

Rows = NDArray[np.bool_]

_DASHES: Final = ([1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 3], [10, 4])
#: Of the ends of lines.
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_STROKE: Final = 1.5
_STRIP: Final = 13
_HEIGHT: Final = 240
#: Room for names of fits and for the axis.
_NAMES: Final = 120


def line_rows(frames: Sequence[pd.DataFrame], limit: int) -> list[Rows]:
    """The evaluations that lines go through, about `limit` of all fits: the last of each too."""
    kept = []
    for frame in frames:
        rows = kept_rows(frame, max(2, limit // len(frames)))
        rows[-1] = True
        kept.append(rows & frame["best"].notna().to_numpy())
    return kept


def overlay_chart(
    frames: Sequence[pd.DataFrame],
    labels: Sequence[str],
    names: Sequence[tuple[str, str]],
    span: tuple[float, float],
    along: Along,
    kept: Sequence[Rows],
    unsure: float,
    theme: str,
) -> Any:
    """Draw the best so far of every fit in one panel, and its phases as a strip above.

    ``frames``: as made by `mixedscope.charts.kinds.trace.frames.evaluation_frame`. ``labels``: what
    each fit is called. ``names``: its structure and its optimiser. ``span``: ends of the axis of
    gaps. ``kept``: (n,) bool per fit, the evaluations that its line goes through. ``unsure``: gap
    from which on gaps of all fits mean something.
    """
    width = inner() - _NAMES
    strips = pd.concat(
        [phase_runs(frame).assign(fit=label) for frame, label in zip(frames, labels, strict=True)]
    )
    bare = along("left", labels=False, ticks=False, domain=False)
    above = (
        bands(rounded(along.within(strips)), bare, theme, framed=True)
        .encode(
            y=alt.Y(
                "fit:N",
                sort=list(labels),
                scale=alt.Scale(domain=list(labels), paddingInner=0.25),
                axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=_NAMES - 10),
            )
        )
        .properties(width=width, height=_STRIP * len(labels))
    )
    colours, dashes = _looks(names)
    looks = dict(zip(labels, zip(colours, dashes, strict=True), strict=True))
    lines = _lines(frames, looks, span, along("x", titled=True), kept, (unsure, theme))
    key = mark_key(
        [
            Keyed("line", label, {"stroke": hue, "strokeDash": dash, "strokeWidth": _STROKE})
            for label, (hue, dash) in looks.items()
        ]
        + [probe_key(theme)] * (unsure > span[0]),
        width=width,
        theme=theme,
    )
    panel = lines.properties(width=width, height=_HEIGHT)
    return in_column(in_column(above, panel, spacing=6), key, spacing=12)


def _lines(
    frames: Sequence[pd.DataFrame],
    looks: Mapping[str, tuple[str, list[int]]],
    span: tuple[float, float],
    x: alt.X,
    kept: Sequence[Rows],
    unsure: tuple[float, str],
) -> Any:
    """Best so far as a line per fit, of the colour and dash that are its look, its end a point."""
    labels = list(looks)
    parts = []
    for frame, label, rows in zip(frames, labels, kept, strict=True):
        shown = frame.loc[rows, ["x", "best"]]
        parts.append(shown.assign(fit=label))
    table = pd.concat(parts, ignore_index=True)
    y = alt.Y(
        "best:Q",
        scale=alt.Scale(type="log", domain=[span[0] / 2, span[1]], nice=False),
        axis=alt.Axis(title="objective \u2212 minimum", **gap_axis(span)),
    )
    above, theme = unsure
    colours, dashes = (list(own) for own in zip(*looks.values(), strict=True))
    colour = alt.Color("fit:N", scale=alt.Scale(domain=labels, range=colours), legend=None)
    dash = alt.StrokeDash("fit:N", scale=alt.Scale(domain=labels, range=dashes), legend=None)
    line = (
        alt.Chart(rounded(table))
        .mark_line(interpolate="step-after", strokeWidth=_STROKE, aria=False)
        .encode(x=x, y=y, color=colour, strokeDash=dash)
    )
    ends = table.groupby("fit", sort=False).tail(1)
    end = (
        alt.Chart(rounded(ends))
        .mark_point(filled=True, size=30, opacity=1, aria=False)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=alt.Shape(
                "fit:N",
                scale=alt.Scale(domain=labels, range=[*_SHAPES] * (1 + len(labels) // 6)),
                legend=None,
            ),
            tooltip=[
                alt.Tooltip("fit:N"),
                alt.Tooltip("evaluation:Q", title="evaluations"),
                alt.Tooltip("best:Q", title="objective \u2212 minimum", format=".3g"),
            ],
        )
    )
    return layered(*probe_band(above, span[0] / 2, "best", y, theme), line, end)


def _looks(names: Sequence[tuple[str, str]]) -> tuple[list[str], list[list[int]]]:
    """Colour by structure, or by optimiser if there is one structure; a dash for each fit."""
    structures = list(dict.fromkeys(structure for structure, _ in names))
    optimizers = list(dict.fromkeys(optimizer for _, optimizer in names))
    if len(structures) == 1:
        places = [optimizers.index(optimizer) for _, optimizer in names]
        if len(set(places)) < len(places):  # one optimiser with several settings, say
            places = list(range(len(names)))
        colours = [GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in places]
    else:
        own = structure_colours(structures, GROUP_COLOURS)
        palette = dict(zip(structures, own, strict=True))
        colours = [palette[structure] for structure, _ in names]
        # A dash of its own: in grey colours of structures are alike.
        places = list(range(len(names)))
    return colours, [list(_DASHES[i % len(_DASHES)]) for i in places]
