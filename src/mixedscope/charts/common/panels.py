"""One panel of a shrinkage chart: two terms of one fit, a line with an arrow head per level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.legend import population_mark
from mixedscope.charts.common.open_ends import Ends, ends_of, head_mark, turned
from mixedscope.charts.common.ranks import by_rank, still_term
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.shrinkage.ellipse import contour, radius
from mixedscope.charts.kinds.shrinkage.levels import Pull

__all__ = [
    "DENSE",
    "FACTOR",
    "Panel",
    "panel_chart",
    "pointed_level",
    "rounded",
]

#: More levels than this are drawn with thin, half-transparent strokes and no arrow heads.
DENSE = 60

#: Panels narrower than this have points and marks of populations of these sizes.
_SMALL = 90
_SMALL_POINT = 9
_SMALL_POPULATION = 48

#: Space for the labels and the title of a y axis in pixels, the same in every row of panels.
AXIS_EXTENT = 30


@dataclass(frozen=True)
class Panel:
    """Where and how a panel is drawn.

    Attributes
    ----------
    x, y : int
        Positions of the two terms among those of the chart.
    width, height : int
        Pixels.
    frames : sequence of (low, high)
        Range of the axis of each term.
    chosen : ndarray of int
        Positions of the levels drawn.
    titles : sequence of str or of lists of str
        Axis title of each term, or its lines.
    x_labels, y_labels : bool
        Whether the panel stands at the outside.
    name_levels : bool
        Whether levels are named beside their reference.
    name : str
        Of the points of its modes among those of all panels, where a pointer over one shows more.
    ranked : int, optional
        The term along whose axis levels stand by rank, as they do not vary in it.
    """

    x: int
    y: int
    width: int
    height: int
    frames: Sequence[tuple[float, float]]
    chosen: NDArray[np.int64]
    titles: Sequence[str | list[str]]
    x_labels: bool
    y_labels: bool
    name_levels: bool = False
    name: str = ""
    ranked: int | None = None


def panel_chart(
    pull: Pull,
    panel: Panel,
    *,
    ellipses: Sequence[float],
    theme: str,
    limit: bool,
    hover: float | None = None,
) -> Any:
    """Draw one panel.

    ``ellipses``: coverages of the contours of the fitted distribution. ``limit``: whether the
    population of the joint limit has a mark of its own. ``hover``: coverage of the region about the
    mode of the level that a pointer is over (see `pointed_level`).
    """
    told = [panel.x, panel.y]
    if (still := still_term(pull, panel.x, panel.y)) is not None:
        (other,) = told = [term for term in told if term != still]
        pull = by_rank(pull, still, other, panel.frames[still], panel.chosen)
        panel = replace(panel, ranked=still)
    rows = level_rows(pull, panel)
    dense = len(rows) > DENSE
    size = 26 if panel.width >= _SMALL else _SMALL_POINT
    paper = ink(theme)["paper"]
    whole = [r for r in rows if r["rx"] is not None and r["ry"] is not None]
    tips = _tooltips(
        {a: pull.terms[j] for a, j in zip("xy", (panel.x, panel.y), strict=True) if j in told}
    )

    def chart(values: list[dict[str, Any]]) -> alt.Chart:
        return alt.Chart(pd.DataFrame(values), width=panel.width, height=panel.height)

    at = {"x": _x(panel, "rx"), "y": _y(panel, "ry")}
    there = {"x": _x(panel, "mx"), "y": _y(panel, "my")}
    layers: list[Any] = [_zero(pull, panel, chart)]
    lines = chart(whole).mark_rule(
        color=COLOURS["movement"],
        strokeWidth=0.5 if dense else 1.1,
        opacity=0.45 if dense else 1.0,
        clip=True,
        aria=False,
    )
    layers.append(lines.encode(**at, x2=alt.X2(field="mx"), y2=alt.Y2(field="my")))
    if not dense:
        layers += _heads(panel, whole, chart)
        layers += _contours(pull, panel, ellipses, chart)
    points = chart(whole).mark_point(
        shape="circle",
        stroke=COLOURS["reference"],
        strokeWidth=0.7 if dense else 1.4 if size > _SMALL_POINT else 0.8,
        fill="transparent" if dense else paper,
        size=7 if dense else size,
        opacity=0.6 if dense else 1.0,
        clip=True,
        aria=False,
    )
    layers.append(points.encode(**at, tooltip=tips))
    layers += _open_ends(pull, panel, chart, points.mark, theme, dense=dense)
    modes = chart(rows)
    if hover is not None and panel.ranked is None:
        layers.append(_region(pull, panel, modes, hover, theme))
    filled = modes.mark_point(
        shape="circle",
        filled=True,
        color=COLOURS["mode"],
        size=6 if dense else size,
        opacity=0.7 if dense else 1.0,
        clip=True,
        aria=False,
    )
    if panel.name and hover is not None:
        filled = filled.properties(name=panel.name)
    layers.append(filled.encode(**there, tooltip=tips))
    if dense:
        # A cloud of points would hide the contours, and a line hides little of a cloud.
        layers += _contours(pull, panel, ellipses, chart)
    layers += _populations(pull, panel, theme, chart, limit=limit)
    if panel.ranked is not None:
        # In the corner where no level is: neighbours show the axis of the term that is missing.
        words = "by rank ↑" if panel.ranked == panel.y else "by rank →"
        layers.append(
            chart([{"words": words}])
            .mark_text(align="left", baseline="top", fontSize=9, color=ink(theme)["soft"])
            .encode(x=alt.XValue(4), y=alt.YValue(3), text=alt.Text(field="words", type="nominal"))
        )
    if panel.name_levels:
        # Modes at one theta may be all the same: there levels are named where they go.
        ends = ("m", "r") if pull.compared == "theta" else ("r", "m")
        heads = [(one["x"], one["y"]) for one in _ends(pull, panel).values()]
        names = chart(_placed(panel, whole, *ends, heads)).mark_text(
            fontSize=9, color=ink(theme)["soft"], baseline="middle", align="center", clip=True
        )
        text = alt.Text(field="level", type="nominal")
        layers.append(names.encode(x=_x(panel, "x"), y=_y(panel, "y"), text=text))
    return layered(*layers)


def level_rows(pull: Pull, panel: Panel) -> list[dict[str, Any]]:
    """Tabulate the levels drawn in a panel under fixed names; null where there is no value."""
    columns: dict[str, Any] = {}
    for axis, j in (("x", panel.x), ("y", panel.y)):
        columns["r" + axis] = pull.reference[:, j]
        columns["m" + axis] = pull.mode[:, j]
        columns["d" + axis] = pull.mode[:, j] - pull.reference[:, j]
        columns["f" + axis] = pull.factor[:, j]
        columns["s" + axis] = pull.std_dev[:, j]
    out = []
    for i in panel.chosen.tolist():
        row: dict[str, Any] = {"level": pull.levels[i], "n": int(pull.n_obs[i])}
        row |= {name: rounded(values[i]) for name, values in columns.items()}
        if pull.dependence is not None:
            row["c"] = rounded(pull.dependence[i, panel.x, panel.y])
        out.append(row)
    return out


def rounded(value: float, digits: int = 6) -> float | None:
    """Shorten a number for the file, finer than any pixel; null where it is not a number."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


_POINTED: Final = "pointed_level"


def pointed_level(panels: Sequence[str]) -> alt.TopLevelParameter:
    """The level whose mode a pointer is over, in any of these panels."""
    return alt.TopLevelSelectionParameter(
        name=_POINTED,
        select=alt.PointSelectionConfig(
            type="point", fields=["level"], on="pointerover", clear="pointerout"
        ),
        views=list(panels),
    )


def _region(pull: Pull, panel: Panel, modes: alt.Chart, coverage: float, theme: str) -> alt.Chart:
    """The region that holds a share of the random effects of the level that a pointer is over.

    Given its data and the fixed effects: an ellipse about its mode, of its conditional SDs and
    correlation, as `mixedscope.charts.kinds.shrinkage.ellipse.contour` draws them.
    """
    reach = rounded(radius(coverage))
    turns = {
        "turn": "sequence(0, 6.30, 0.07)",
        "ex": f"datum.mx + {reach} * datum.sx * cos(datum.turn)",
        "ey": f"datum.my + {reach} * datum.sy * cos(datum.turn - acos(datum.c))",
    }
    known = " && ".join(f"isValid(datum.{name})" for name in ("sx", "sy", "c"))
    chosen = modes.transform_filter(alt.ParameterPredicate(param=_POINTED, empty=False))
    return (
        chosen.transform_filter(known)
        .transform_calculate(turn=turns["turn"])
        .transform_flatten(["turn"])
        .transform_calculate(ex=turns["ex"], ey=turns["ey"])
        .mark_line(color=ink(theme)["ink"], strokeWidth=1.2, clip=True, aria=False)
        .encode(
            x=_x(panel, "ex"),
            y=_y(panel, "ey"),
            order=alt.Order(field="turn", type="quantitative"),
        )
    )


# -- axes ----------------------------------------------------------------------------------------


def _x(panel: Panel, field: str) -> alt.X:
    title = panel.titles[panel.x]
    return alt.X(
        field=field,
        type="quantitative",
        scale=_domain(panel.frames[panel.x]),
        axis=alt.Axis(
            title=title if panel.x_labels and panel.ranked != panel.x else None,
            **_ticks(panel.x_labels, ranked=panel.ranked == panel.x),
        ),
    )


def _y(panel: Panel, field: str) -> alt.Y:
    title = panel.titles[panel.y]
    extent = AXIS_EXTENT if panel.y_labels else 0
    return alt.Y(
        field=field,
        type="quantitative",
        scale=_domain(panel.frames[panel.y]),
        axis=alt.Axis(
            title=title if panel.y_labels and panel.ranked != panel.y else None,
            minExtent=extent,
            maxExtent=extent,
            # A label that stands out would push this block of panels down beside others.
            labelFlush=6,
            **_ticks(panel.y_labels, ranked=panel.ranked == panel.y),
        ),
    )


def _domain(frame: tuple[float, float]) -> alt.Scale:
    return alt.Scale(domain=list(frame), nice=False, zero=False)


def _ticks(shown: bool, *, ranked: bool) -> dict[str, Any]:
    if ranked:
        return {"labels": False, "ticks": False, "domain": False, "grid": False}
    # Without a gap between them −100 and −50 read as one number.
    apart = {"labelOverlap": True, "labelSeparation": 5}
    return {"labels": shown, "ticks": shown, "domain": False, "tickCount": 4, **apart}


FACTOR: Final = "mode over reference"
"""What the share of its reference that a mode keeps is called."""


def _tooltips(terms: Mapping[str, str]) -> list[alt.Tooltip]:
    """What is told of a level in the terms of axes; titles are literal text, fields have names."""
    out = [
        alt.Tooltip(field="level", type="nominal", title="level"),
        alt.Tooltip(field="n", type="quantitative", title="n"),
    ]
    words = {
        "r": "reference",
        "m": "mode",
        "d": "movement",
        "f": FACTOR,
        "s": "conditional SD",
    }
    for axis, term in terms.items():
        for key, what in words.items():
            out.append(
                alt.Tooltip(
                    field=key + axis, type="quantitative", title=f"{term}: {what}", format=".4~g"
                )
            )
    return out


# -- layers --------------------------------------------------------------------------------------


def _zero(pull: Pull, panel: Panel, chart: Any) -> Any:
    """Lines through the fitted population."""
    rows = [{"x": rounded(pull.population[panel.x]), "y": rounded(pull.population[panel.y])}]
    mark = {"color": COLOURS["zero"], "strokeWidth": 0.8, "strokeDash": [3, 2], "opacity": 0.7}
    rule = chart(rows).mark_rule(**mark, clip=True, aria=False)
    lines = []
    if panel.ranked != panel.x:
        lines.append(rule.encode(x=_x(panel, "x")))
    if panel.ranked != panel.y:
        lines.append(rule.encode(y=_y(panel, "y")))
    return layered(*lines)


def _contours(pull: Pull, panel: Panel, coverages: Sequence[float], chart: Any) -> list[alt.Chart]:
    j, i = panel.x, panel.y
    out = []
    for coverage in coverages:
        points = contour(
            (pull.sds[j], pull.sds[i]),
            float(pull.correlations[j, i]),
            coverage,
            centre=(pull.population[j], pull.population[i]),
        )
        rows = [{"x": rounded(x), "y": rounded(y), "order": k} for k, (x, y) in enumerate(points)]
        # A segment or a point is what is left of an ellipse: drawn bolder, so that it is seen.
        if len(points) == 1:
            base = chart(rows).mark_point(
                filled=True, size=60, color=COLOURS["ellipse"], opacity=1, aria=False
            )
        else:
            width = 2.4 if len(points) == 2 else 1.2
            base = chart(rows).mark_line(
                color=COLOURS["ellipse"], strokeWidth=width, clip=True, aria=False
            )
        order = alt.Order(field="order", type="quantitative")
        out.append(base.encode(x=_x(panel, "x"), y=_y(panel, "y"), order=order))
    return out


def _open_ends(
    pull: Pull, panel: Panel, chart: Any, ring: Any, theme: str, *, dense: bool
) -> list[alt.Chart]:
    """Arrowheads of levels whose own estimate is infinite; with rings and lines at the edge."""
    rows = []
    for i, found in _ends(pull, panel).items():
        ends = {"mx": pull.mode[i, panel.x], "my": pull.mode[i, panel.y], **found}
        own = {"level": pull.levels[i], "own": "infinite", "n": int(pull.n_obs[i])}
        rows.append(own | {name: rounded(value) for name, value in ends.items()})
    if not rows:
        return []
    tips = [
        alt.Tooltip(field="level", type="nominal", title="level"),
        alt.Tooltip(field="n", type="quantitative", title="n"),
        alt.Tooltip(field="own", type="nominal", title="own estimate"),
    ]
    layers = []
    edge = [row for row in rows if "rx" in row]
    if edge:
        base = chart(edge)
        line = base.mark_rule(
            color=COLOURS["movement"], strokeWidth=0.5 if dense else 1.1,
            opacity=0.45 if dense else 1.0, clip=True, aria=False,
        )  # fmt: skip
        at = {"x": _x(panel, "rx"), "y": _y(panel, "ry")}
        layers.append(line.encode(**at, x2=alt.X2(field="mx"), y2=alt.Y2(field="my")))
        rings = base.copy()
        rings.mark = ring
        layers.append(rings.encode(**at, tooltip=tips))
    heads = chart(rows).mark_point(**head_mark(theme, small=dense))
    place = {"x": _x(panel, "x"), "y": _y(panel, "y")}
    layers.append(heads.encode(**place, angle=turned(), tooltip=tips))
    return layers


def _ends(pull: Pull, panel: Panel) -> dict[int, Ends]:
    """What `ends_of` has of the levels drawn whose own estimate is infinite, by position."""
    frames, size = [panel.frames[panel.x], panel.frames[panel.y]], (panel.width, panel.height)
    found = {i: ends_of(pull, i, (panel.x, panel.y), frames, size) for i in panel.chosen.tolist()}
    return {i: ends for i, ends in found.items() if ends is not None}


def _populations(
    pull: Pull, panel: Panel, theme: str, chart: Any, *, limit: bool
) -> list[alt.Chart]:
    out = []
    if limit:
        ends = {"x": panel.x, "y": panel.y}
        way = {name: rounded(pull.limit[j]) for name, j in ends.items()}
        way |= {f"{name}2": rounded(pull.population[j]) for name, j in ends.items()}
        line = chart([way]).mark_rule(
            color=COLOURS["population"], strokeWidth=1.1, clip=True, aria=False
        )
        to = {"x2": alt.X2(field="x2"), "y2": alt.Y2(field="y2")}
        out.append(line.encode(x=_x(panel, "x"), y=_y(panel, "y"), **to))
    for kind, at in (("limit", pull.limit), ("population", pull.population)):
        if kind == "limit" and not limit:
            continue
        rows = [{"x": rounded(at[panel.x]), "y": rounded(at[panel.y])}]
        mark_settings = population_mark(kind, theme)
        if panel.width < _SMALL:
            mark_settings["size"] = _SMALL_POPULATION
        mark = chart(rows).mark_point(**mark_settings, clip=True, aria=False)
        out.append(mark.encode(x=_x(panel, "x"), y=_y(panel, "y")))
    return out


def _pixels(panel: Panel, x: float, y: float) -> tuple[float, float]:
    (x0, x1), (y0, y1) = panel.frames[panel.x], panel.frames[panel.y]
    return (x - x0) / (x1 - x0) * panel.width, (y1 - y) / (y1 - y0) * panel.height


def _units(panel: Panel, px: float, py: float) -> tuple[float, float]:
    (x0, x1), (y0, y1) = panel.frames[panel.x], panel.frames[panel.y]
    return x0 + px / panel.width * (x1 - x0), y1 - py / panel.height * (y1 - y0)


def _heads(panel: Panel, rows: list[dict[str, Any]], chart: Any) -> list[alt.Chart]:
    """Arrow heads just before the modes, where a line is long enough to carry one."""
    heads = []
    for row in rows:
        ax, ay = _pixels(panel, row["rx"], row["ry"])
        bx, by = _pixels(panel, row["mx"], row["my"])
        length = float(np.hypot(bx - ax, by - ay))
        if length < 13.0:
            continue
        back = 5.5 / length
        x, y = _units(panel, bx - back * (bx - ax), by - back * (by - ay))
        # A triangle points up at angle 0; angles run clockwise, pixels down.
        angle = float(np.degrees(np.arctan2(bx - ax, ay - by))) % 360.0
        heads.append({"x": rounded(x), "y": rounded(y), "angle": round(angle, 1)})
    if not heads:
        return []
    mark = chart(heads).mark_point(
        shape="triangle",
        filled=True,
        color=COLOURS["movement"],
        size=26,
        opacity=1,
        clip=True,
        aria=False,
    )
    return [mark.encode(x=_x(panel, "x"), y=_y(panel, "y"), angle=turned())]


def _placed(
    panel: Panel,
    rows: list[dict[str, Any]],
    near: str,
    far: str,
    others: Sequence[tuple[float, float]],
) -> list[dict[str, Any]]:
    """Place names beside one end of each pull where there is room, the largest movers first.

    ``near``, ``far``: ``r`` for references, ``m`` for modes. ``others``: where more marks are.
    """
    ends = [tuple(_pixels(panel, r[f"{end}x"], r[f"{end}y"]) for end in (near, far)) for r in rows]
    marks = [*(at for pair in ends for at in pair), *(_pixels(panel, *at) for at in others)]
    taken = [(x - 3.5, y - 3.5, x + 3.5, y + 3.5) for x, y in marks]
    lengths = [float(np.hypot(b[0] - a[0], b[1] - a[1])) for a, b in ends]
    out = []
    for i in sorted(range(len(rows)), key=lambda i: (-lengths[i], i)):
        (ax, ay), (bx, by) = ends[i]
        half, tall = 2.6 * len(rows[i]["level"]) + 0.5, 4.5
        away = np.arctan2(ay - by, ax - bx) if lengths[i] > 0 else -np.pi / 2
        for turn in (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5):
            dx, dy = float(np.cos(away + turn)), float(np.sin(away + turn))
            x, y = ax + dx * (half + 4.5), ay + dy * (tall + 4.5)
            box = (x - half, y - tall, x + half, y + tall)
            inside = box[0] >= 1 and box[1] >= 1
            inside = inside and box[2] <= panel.width - 1 and box[3] <= panel.height - 1
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                vx, vy = _units(panel, x, y)
                out.append({"level": rows[i]["level"], "x": rounded(vx), "y": rounded(vy)})
                break
    return out


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
