"""Phases as shaded bands behind a chart, alike in every chart that runs along a trace."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.legend import key_columns
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING

__all__ = ["bands", "phase_fills", "phase_key", "phase_runs"]

#: Pixels of the title of the key.
_TITLE: Final = 44

#: On paper: no tint, but three greys, lightest last.
_GREYS: Final = {EXPLORATION: "#DCDCDC", CONVERGENCE: "#EDEDED", FINE_TUNING: "#FFFFFF"}


def phase_fills(theme: str) -> dict[str, str]:
    """Give the colour of every phase; raises ModelError if there is no theme of that name."""
    ink(theme)
    return dict(_GREYS) if theme == "print" else {p: COLOURS[p] for p in PHASE_NAMES}


def phase_runs(frame: pd.DataFrame, column: str = "phase") -> pd.DataFrame:
    """Find uninterrupted pieces of one phase (or stage): from where to where.

    ``frame``: ``column``, ``left`` and ``right``, a row per evaluation. Gives ``name``, ``left``,
    ``right``.
    """
    names = frame[column].to_numpy(dtype=object)
    first = np.flatnonzero(np.r_[True, names[1:] != names[:-1]][: len(names)])
    last = np.r_[first[1:] - 1, len(names) - 1][: len(first)]
    return pd.DataFrame(
        {
            "name": frame[column].iloc[first].to_numpy(),
            "left": frame["left"].to_numpy()[first],
            "right": frame["right"].to_numpy()[last],
        }
    )


def bands(runs: pd.DataFrame, x: alt.X, theme: str, *, framed: bool = False) -> Any:
    """Draw phases over the whole height of a panel.

    ``runs``: as made by `phase_runs`. ``x``: of the field ``left``. ``framed``: whether each has a
    line about it, as strips of their own need.
    """
    fills = phase_fills(theme)
    stroke: dict[str, Any] = {}
    if framed:
        stroke = {"stroke": ink(theme)["soft"], "strokeWidth": 0.4}
    elif theme == "print":
        stroke = {"stroke": ink(theme)["grid"], "strokeWidth": 0.8}
    columns = key_columns(list(PHASE_NAMES.values()), beside=_TITLE)
    below = columns < len(PHASE_NAMES)
    legend = alt.Legend(
        title="phase",
        orient="top",
        direction="horizontal",
        titleOrient="top" if below else "left",
        columns=columns if below else alt.Undefined,
        symbolType="square",
        symbolStrokeColor=ink(theme)["soft"],
        symbolStrokeWidth=0.6,
        offset=4,
    )
    return (
        alt.Chart(runs.assign(phase=runs["name"].map(PHASE_NAMES)))
        .mark_rect(opacity=1, aria=False, **stroke)
        .encode(
            x=x,
            x2=alt.X2("right:Q"),
            fill=alt.Fill(
                "phase:N",
                scale=alt.Scale(domain=list(PHASE_NAMES.values()), range=list(fills.values())),
                legend=legend,
            ),
            tooltip=alt.Tooltip("phase:N"),
        )
    )


def phase_key(*, width: float, theme: str) -> Any:
    """Draw the key of phases that have their tints in every theme; ``width``: pixels at most."""
    places, x, row = [], 0.0, 0
    for name, words in PHASE_NAMES.items():
        length = 20 + 5.4 * len(words)
        if x > 0 and x + length > width:
            x, row = 0.0, row + 1
        at = {"x": x, "x2": x + 14, "t": x + 20, "y": 16 * row, "y2": 16 * row + 11}
        places.append({**at, "middle": 16 * row + 6, "tint": COLOURS[name], "words": words})
        x += length + 18
    frame = pd.DataFrame(places)
    height = 16 * row + 11
    scale = alt.Scale(domain=[0, width], nice=False, zero=False)
    base = alt.Chart(frame, width=width, height=height)

    def down(field: str) -> alt.Y:
        lines = alt.Scale(domain=[height, 0], nice=False, zero=False)
        return alt.Y(field=field, type="quantitative", scale=lines, axis=None)

    def across(field: str) -> alt.X:
        return alt.X(field=field, type="quantitative", scale=scale, axis=None)

    return layered(
        base.mark_rect(
            aria=False, fillOpacity=0.75, stroke=ink(theme)["soft"], strokeWidth=0.6
        ).encode(
            x=across("x"), x2=alt.X2(field="x2"), y=down("y"), y2=alt.Y2(field="y2"),
            fill=alt.Fill(field="tint", type="nominal", scale=None),
        ),
        base.mark_text(
            align="left", baseline="middle", fontSize=10, fill=ink(theme)["ink"], aria=False
        ).encode(x=across("t"), y=down("middle"), text=alt.Text(field="words", type="nominal")),
        view=alt.ViewConfig(stroke=None),
    )  # fmt: skip
