"""θ in motion for print: where every evaluation put its components, phase by phase."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd

from mixedscope.charts.common.compose import in_column, in_row, layered
from mixedscope.charts.common.keys import Keyed, mark_key
from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.numerals import counted
from mixedscope.charts.common.page import beside
from mixedscope.charts.common.panels import rounded
from mixedscope.charts.common.phase_bands import phase_fills
from mixedscope.charts.common.sheet import headline, inner
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import GROUP_COLOURS, ink
from mixedscope.charts.kinds.motion.frames import Course
from mixedscope.charts.kinds.motion.words import component_names
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.tables.store import FitTables

__all__ = ["theta_still"]

_LEFT: Final = 44
_GAP: Final = 12
#: Part of its place that a component fills with its phases.
_FILLED: Final = 0.8
#: Height of the heading of a fit and of the names of its components.
_HEAD: Final = 60
#: Pixels of a character of the names of components, and of the longest at most.
_LETTER: Final = 4.9
_LONGEST: Final = 170
#: Where names have no room beside each other, components lie below each other, in rows so high.
_ROW: Final = 15
#: Pixels across that values need there at least.
_NARROWEST: Final = 84


def theta_still(
    tables: Sequence[FitTables],
    courses: Sequence[Course],
    span: tuple[float, float],
    title: str,
    caption: str,
    *,
    theme: str = "light",
) -> Any:
    """Draw where every evaluation put the components of θ, a column for every phase.

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
    # One place for a component in all fits; where these stand below each other one name, too.
    named = {name: words for fit in tables for name, words in _named(fit).items()}
    left = _LEFT
    lying = len("".join(named.values())) >= size[0] / 8
    if lying:
        left = min(int(_LETTER * max(map(len, named.values()))) + 12, _LONGEST)
        across = max(1, min(len(tables), int((inner() - left + _GAP) / (_NARROWEST + _GAP))))
        size = (int((inner() - left - _GAP * (across - 1)) / across), 0)
    places = [named] * len(tables)
    if lying:
        # Fits that stand beside each other share their rows, and nobody has those of none.
        for first in range(0, len(tables), across):
            beside_it = slice(first, first + across)
            owned = {name for fit in tables[beside_it] for name in fit.info["theta_names"]}
            own = {name: words for name, words in named.items() if name in owned}
            places[beside_it] = [own] * len(places[beside_it])
    drawn = [
        _theta_row(
            fit,
            course,
            span,
            scale,
            (size[0], _ROW * len(places[i])) if lying else size,
            theme,
            names=places[i],
            lying=lying,
            labels=i % across == 0 if lying else across > 1 or fit is tables[-1],
        )
        for i, (fit, course) in enumerate(zip(tables, courses, strict=True))
    ]
    rows = [
        drawn[i]
        if across == 1
        else in_row(*drawn[i : i + across], spacing=_GAP, bounds="flush" if lying else "full")
        for i in range(0, len(drawn), across)
    ]
    colours = ink(theme)
    keyed = mark_key(
        [
            Keyed("line", "a trial", {"stroke": colours["soft"], "strokeWidth": 1.2}),
            Keyed("point", "the optimum", {"filled": True, "size": 45, "fill": colours["ink"]}),
            *(
                Keyed(
                    "band",
                    words,
                    {"color": fill, "stroke": colours["soft"], "strokeWidth": 0.6, "opacity": 1},
                )
                for words, fill in zip(
                    PHASE_NAMES.values(), phase_fills(theme).values(), strict=True
                )
            ),
            *(
                Keyed("point", group, {"filled": True, "size": 60, "fill": hue})
                for group, hue in zip(groups, GROUP_COLOURS, strict=False)
            ),
        ],
        width=inner() - left,
        theme=theme,
    )
    return in_column(*rows, keyed, spacing=12).properties(
        title=alt.TitleParams(text=title_lines(title, headline())), description=caption
    )


def _named(fit: FitTables) -> dict[str, str]:
    """Components of θ by name, and how they are written below an axis.

    Names are places on the axis and have to differ; what is written leaves out the factor, which
    the colour tells, for the tails of long names are what tells components apart.
    """
    return dict(zip(fit.info["theta_names"], component_names(fit), strict=True))


def _phases(fit: FitTables) -> pd.Series:
    """The phase of every evaluation in words, without one where it was tried elsewhere."""
    trace = fit.require("trace")
    way = trace["stage"].isin(["search", "polish"])
    return trace["phase"].map(PHASE_NAMES).where(way).reset_index(drop=True)


def _theta_row(
    fit: FitTables,
    course: Course,
    span: tuple[float, float],
    scale: alt.Scale,
    size: tuple[int, int],
    theme: str,
    *,
    names: dict[str, str],
    lying: bool,
    labels: bool,
) -> Any:
    """Draw the components of a fit; `lying`, below each other in place of side by side."""
    estimates = fit.require("estimates")
    owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
    own, places = list(fit.info["theta_names"]), list(names)
    n, p = course.theta.shape
    lanes, phase = list(PHASE_NAMES.values()), _phases(fit)
    step = -(-n // 200)
    kept = np.unique(np.append(np.arange(0, n, step), n - 1))
    best = course.best_at(n) - 1
    frame = pd.DataFrame(
        {
            "component": np.tile(own, len(kept)),
            "group": np.tile(owners, len(kept)),
            "phase": np.repeat(phase.to_numpy()[kept], p),
            "value": [rounded(v) for v in course.theta[kept].ravel().tolist()],
        }
    ).dropna(subset="phase")
    long = pd.DataFrame(
        {
            "component": np.tile(own, n),
            "phase": np.repeat(phase.to_numpy(), p),
            "value": course.theta.ravel(),
        }
    )
    spread = long.groupby(["component", "phase"], sort=False)["value"].agg(["min", "max"])
    ranges = spread.map(rounded).reset_index()
    final = pd.DataFrame(
        {
            "component": own, "group": owners, "phase": lanes[-1],
            "value": [rounded(v) for v in course.theta[best].tolist()],
        }
    )  # fmt: skip
    component = (alt.Y if lying else alt.X)(
        "component:N", sort=places,
        scale=alt.Scale(domain=places, paddingInner=1 - _FILLED, paddingOuter=(1 - _FILLED) / 2),
        axis=alt.Axis(title=None, labelAngle=0, labels=labels, grid=False, ticks=not lying,
                      labelExpr=f"{json.dumps(names)}[datum.value]",
                      labelLimit=_LONGEST - 12 if lying else 240),
    )  # fmt: skip
    lane = (alt.YOffset if lying else alt.XOffset)(
        "phase:N", sort=lanes, scale=alt.Scale(domain=lanes)
    )
    at = {"y" if lying else "x": component, "yOffset" if lying else "xOffset": lane}
    fill = alt.Fill(
        "phase:N",
        scale=alt.Scale(domain=lanes, range=list(phase_fills(theme).values())),
        legend=None,
    )
    value, end = ("x", alt.X2) if lying else ("y", alt.Y2)

    def along(field: str) -> dict[str, Any]:
        axis = alt.Axis(title="θ", tickCount=4 if lying else 5)
        domain = alt.Scale(domain=list(span), nice=False, zero=False)
        return {value: (alt.X if lying else alt.Y)(field, scale=domain, axis=axis)}

    colour = alt.Color("group:N", scale=scale, legend=None)
    width = _FILLED * size[lying] / (len(places) * len(lanes))
    bars = (
        alt.Chart(ranges, width=size[0], height=size[1])
        .mark_bar(stroke=ink(theme)["soft"], strokeWidth=0.4, clip=True, aria=False)
        .encode(**at, **along("min:Q"), **{f"{value}2": end("max:Q")}, fill=fill)
    )
    ticks = (
        alt.Chart(frame)
        .mark_tick(thickness=0.8, size=max(2.0, 0.9 * width), opacity=0.5, clip=True, aria=False)
        .encode(**at, **along("value:Q"), color=colour)
    )
    ends = (
        alt.Chart(final)
        .mark_point(filled=True, size=30 if lying else 45, opacity=1, clip=True, aria=False)
        .encode(**at, **along("value:Q"), color=colour)
    )
    info = fit.info
    name = info["optimizer"]["name"]
    return layered(bars, ticks, ends).properties(
        title=alt.TitleParams(
            text=structure_label(info),
            subtitle=[name, counted(n)] if lying else f"{name}, {counted(n)}",
            fontSize=11, subtitleFontSize=10, anchor="start", frame="group", offset=6,
        )
    )  # fmt: skip
