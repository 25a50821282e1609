"""θ in motion for print: where every evaluation put its components."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import counted
from mixedscope.charts.common.page import beside
from mixedscope.charts.common.panels import rounded
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import GROUP_COLOURS
from mixedscope.charts.kinds.motion.frames import Course
from mixedscope.charts.kinds.motion.words import component_names
from mixedscope.tables.store import FitTables

__all__ = ["theta_still"]

_LEFT: Final = 44
_GAP: Final = 12
#: Height of the heading of a fit and of the slanted names of its components.
_HEAD: Final = 120


def theta_still(
    tables: Sequence[FitTables],
    courses: Sequence[Course],
    span: tuple[float, float],
    title: str,
    caption: str,
    *,
    theme: str = "light",
) -> Any:
    """Draw where every evaluation put the components of θ, the later the darker.

    ``span``: axis of θ. The chart has no configuration.
    """
    groups = list(dict.fromkeys(t["group"] for fit in tables for t in fit.info["random"]))
    scale = alt.Scale(domain=groups, range=[*GROUP_COLOURS[: len(groups)]])
    across, width, height = beside(
        len(tables),
        columns=1,
        rows=1,
        room=inner() - _LEFT,
        between=_LEFT + _GAP,
        gap=0,
        head=_HEAD,
        shape=0.5,
        largest=inner() - _LEFT,
        flat=0.15,
    )
    size = (width, min(height, 170))
    drawn = [
        _theta_row(fit, course, span, groups, scale, size)
        for fit, course in zip(tables, courses, strict=True)
    ]
    rows = [
        drawn[i] if across == 1 else in_row(*drawn[i : i + across], spacing=_GAP)
        for i in range(0, len(drawn), across)
    ]
    return in_column(*rows, spacing=12).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )


def _theta_row(
    fit: FitTables,
    course: Course,
    span: tuple[float, float],
    groups: Sequence[str],
    scale: alt.Scale,
    size: tuple[int, int],
) -> Any:
    estimates = fit.require("estimates")
    owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
    # Names are places on the axis and have to differ; what is written leaves out the factor, which
    # the colour tells, for the tails of long names are what tells components apart.
    names, shown = list(fit.info["theta_names"]), component_names(fit)
    n, p = course.theta.shape
    step = -(-n // 200)
    kept = np.unique(np.append(np.arange(0, n, step), n - 1))
    best = course.best_at(n) - 1
    frame = pd.DataFrame(
        {
            "component": np.tile(names, len(kept)),
            "group": np.tile(owners, len(kept)),
            "value": [rounded(v) for v in course.theta[kept].ravel().tolist()],
            "evaluation": np.repeat(kept + 1, p),
        }
    )
    final = pd.DataFrame(
        {
            "component": names, "group": owners,
            "value": [rounded(v) for v in course.theta[best].tolist()],
        }
    )  # fmt: skip
    x = alt.X(
        "component:N", sort=names, scale=alt.Scale(domain=names),
        axis=alt.Axis(title=None, labelAngle=0 if len("".join(shown)) < size[0] / 8 else -45,
                      labelExpr=f"{json.dumps(dict(zip(names, shown, strict=True)))}[datum.value]",
                      labelLimit=240, grid=False),
    )  # fmt: skip
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(domain=list(span), nice=False, zero=False),
        axis=alt.Axis(title="θ", tickCount=5),
    )
    colour = alt.Color("group:N", scale=scale, legend=alt.Legend(title=None, orient="bottom"))
    ticks = (
        alt.Chart(frame, width=size[0], height=size[1])
        .mark_tick(thickness=1.2, size=min(26, 2 * size[0] // (3 * p)), clip=True, aria=False)
        .encode(
            x=x, y=y, color=colour,
            opacity=alt.Opacity(
                "evaluation:Q",
                scale=alt.Scale(domain=[1, n], range=[0.12, 0.7]),
                legend=None,
            ),
        )
    )  # fmt: skip
    ends = (
        alt.Chart(final)
        .mark_point(filled=True, size=45, opacity=1, clip=True, aria=False)
        .encode(x=x, y=y, color=colour)
    )
    info = fit.info
    return layered(ticks, ends).properties(
        title=alt.TitleParams(
            text=structure_label(info), subtitle=f"{info['optimizer']['name']}, {counted(n)}",
            fontSize=11, subtitleFontSize=10, anchor="start", frame="group", offset=6,
        )
    )  # fmt: skip
