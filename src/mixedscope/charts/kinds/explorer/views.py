"""The pictures of the explorer as Vega-Lite specifications, each of named tables and parameters.

The page's script fills the tables and sets the parameters; pictures are chosen in by selections of
Vega-Lite, whose values the script hands to all others.  What is chosen is marked by layers that
filter by a parameter, so that nothing else is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mixedscope.charts.common.gaps import gap_axis
from mixedscope.charts.common.open_ends import head_mark
from mixedscope.charts.common.probe_band import VEIL
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.explorer.pieces import (
    CHOSEN_LEVEL,
    DRAG,
    SIZES,
    Spec,
    axis,
    full,
    hollow,
    named,
    params,
    picked,
    place,
    ringed,
    rule,
    sized,
)

__all__ = ["views"]


def views(
    gap: tuple[float, float],
    groups: Sequence[str],
    *,
    unsure: bool,
    infinite: bool,
    theme: str,
) -> dict[str, Spec]:
    """All pictures by name.

    ``gap``: ends of the axis of gaps. ``groups``: colours of what shares the variance, residuals
    first. ``unsure``: whether gaps of a fit may be smaller than their error. ``infinite``: whether
    own estimates of some levels are infinite.
    """
    colours = COLOURS | ink(theme)
    return {
        "shrinkage": _shrinkage(colours, head_mark(theme, small=False) if infinite else None),
        "caterpillar": _caterpillar(colours, "x"),
        "caterpillar2": _caterpillar(colours, "y"),
        "panel": _panel(colours),
        "trace": _trace(colours, gap, unsure=unsure),
        "path": _path(colours, "x"),
        "path2": _path(colours, "y"),
        "ledger": _ledger(colours, groups),
        "landscape": _landscape(colours),
    }


# -- levels ----------------------------------------------------------------------------------------


def _shrinkage(colours: Spec, head: Spec | None) -> Spec:
    """Reference, pull and mode of every level in the plane of two terms, or by rank for one."""
    x, y = axis("x"), axis("y", labelExpr="ranked ? '' : datum.label")
    start = place("x", "rx", x) | place("y", "ry", y)
    end = place("x", "mx", x) | place("y", "my", y)
    pull = start | {"x2": {"field": "mx"}, "y2": {"field": "my"}}
    marked = {"transform": CHOSEN_LEVEL}
    return {
        "params": [*params("x0", "x1", "y0", "y1", "ranked"), *SIZES],
        "data": {"name": "levels"},
        "layer": [
            {
                "data": {"name": "ellipses"},
                "mark": {
                    "type": "line",
                    "color": colours["ellipse"],
                    "strokeWidth": 1.6,
                    "clip": True,
                    "aria": False,
                },
                "encoding": place("x", "x", x)
                | place("y", "y", y)
                | {"detail": {"field": "c"}, "order": {"field": "o"}},
            },
            {
                "data": {"values": [{"x": 0, "y": 0}]},
                "transform": [{"filter": "!ranked"}],
                "mark": {
                    "type": "point",
                    "shape": "cross",
                    "stroke": colours["population"],
                    "fill": "transparent",
                    "size": 120,
                    "strokeWidth": 1.1,
                    "clip": True,
                    "aria": False,
                },
                "encoding": place("x", "x", x) | place("y", "y", y),
            },
            {
                "data": {"values": [{"x": 0}]},
                "transform": [{"filter": "ranked"}],
                "mark": rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": place("x", "x", x),
            },
            {"mark": rule(colours["movement"], 1.2, opacity=0.75), "encoding": pull},
            {"mark": sized(hollow(colours, 30, 1.4)), "encoding": start},
            *([_heads(head, x, y)] if head else []),
            {
                "params": picked("picked", "i", ["x", "y"]),
                "mark": {**sized(full(colours, 30)), "cursor": "pointer"},
                "encoding": end | {"tooltip": _TOLD},
            },
            {
                "transform": [{"filter": "datum.told && datum.i !== level"}],
                "mark": {
                    "type": "text",
                    "dy": -8,
                    "fontSize": 10,
                    "limit": 80,
                    "color": colours["soft"],
                    "aria": False,
                    "clip": True,
                },
                "encoding": end | {"text": {"field": "name"}},
            },
            {
                "data": {"name": "region"},
                "mark": {
                    "type": "line",
                    "color": colours["ink"],
                    "strokeWidth": 1.2,
                    "clip": True,
                    "aria": False,
                },
                "encoding": place("x", "x", x) | place("y", "y", y) | {"order": {"field": "o"}},
            },
            {**marked, "mark": rule(colours["ink"], 2.4), "encoding": pull},
            {**marked, "mark": hollow(colours, 110, 2.6), "encoding": start},
            {**marked, "mark": ringed(colours, 110), "encoding": end},
            # Where it does not hide from where the level was pulled.
            *named(colours, end, "!(datum.ry > datum.my)", dy=-14),
            *named(colours, end, "datum.ry > datum.my", dy=15),
        ],
    }  # fmt: skip


_TOLD: Final = [
    {"field": "name", "title": "level"},
    {"field": "n", "title": "observations", "type": "quantitative"},
    {"field": "rx", "title": "reference across", "type": "quantitative", "format": ",.4~g"},
    {"field": "mx", "title": "mode across", "type": "quantitative", "format": ",.4~g"},
    {"field": "ry", "title": "reference up", "type": "quantitative", "format": ",.4~g"},
    {"field": "my", "title": "mode up", "type": "quantitative", "format": ",.4~g"},
]


def _heads(mark: Spec, x: Spec, y: Spec) -> Spec:
    """Open arrowheads beyond the rings of levels whose own estimate is infinite."""
    scale = {"domain": [0, 360], "range": [0, 360]}
    turn = {"field": "angle", "type": "quantitative", "scale": scale}
    return {
        "transform": [{"filter": "isValid(datum.angle)"}],
        "mark": {"type": "point", **mark},
        "encoding": place("x", "hx", x) | place("y", "hy", y) | {"angle": turn},
    }


def _caterpillar(colours: Spec, letter: str) -> Spec:
    """Mode ± 1.96 conditional standard deviations of every level, and the reference."""
    x, y = axis("x"), axis("y", labels=False, ticks=False, grid=False, domain=False)
    row = place("y", "row", y)
    reference, mode = f"r{letter}", f"m{letter}"
    bar = place("x", "low", x) | row | {"x2": {"field": "high"}}
    at_mode, at_reference = place("x", mode, x) | row, place("x", reference, x) | row
    marked = {"transform": CHOSEN_LEVEL}
    return {
        "params": [*params("x0", "x1", "y0", "y1"), {"name": "named", "value": False}, *SIZES],
        "data": {"name": "rows"},
        "layer": [
            {
                "data": {"values": [{"x": 0}]},
                "mark": rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": place("x", "x", x),
            },
            {
                "mark": {**rule(colours["ellipse"], 1.6), "strokeWidth": {"expr": "bar"}},
                "encoding": bar,
            },
            {"mark": sized(hollow(colours, 24, 1.2)), "encoding": at_reference},
            {
                "params": picked("picked", "i", ["y"]),
                "mark": {**sized(full(colours, 24)), "cursor": "pointer"},
                "encoding": at_mode,
            },
            {
                "transform": [{"filter": "named && datum.i !== level"}],
                "mark": {
                    "type": "text",
                    "align": "right",
                    "fontSize": 10,
                    "limit": 84,
                    "color": colours["soft"],
                    "aria": False,
                },
                "encoding": row | {"x": {"value": -6}, "text": {"field": "name"}},
            },
            {**marked, "mark": rule(colours["mode"], 3), "encoding": bar},
            {**marked, "mark": hollow(colours, 90, 2.4), "encoding": at_reference},
            {**marked, "mark": ringed(colours, 90), "encoding": at_mode},
            {
                "transform": [{"filter": "named && datum.i === level"}],
                "mark": {
                    "type": "text",
                    "align": "right",
                    "fontSize": 11,
                    "fontWeight": "bold",
                    "limit": 84,
                    "color": colours["ink"],
                    "aria": False,
                },
                "encoding": row | {"x": {"value": -6}, "text": {"field": "name"}},
            },
            *[
                {**layer, "transform": [{"filter": "!named && datum.i === level"}]}
                for layer in named(colours, at_mode, dy=-11)
            ],
        ],
    }  # fmt: skip


def _panel(colours: Spec) -> Spec:
    """The rows of the chosen level, with its own line, the model's, and that of the population."""
    x = axis("x", labelExpr="names ? names[datum.value] : datum.label", labelLimit=90)
    x["axis"]["tickCount"] = {"expr": "names ? max(length(names) - 1, 1) : 5"}
    y = axis("y")
    styles: tuple[tuple[str, Spec], ...] = (
        ("population", {"color": colours["population"], "strokeWidth": 1.2, "strokeDash": [2, 2]}),
        ("own", {"color": colours["reference"], "strokeWidth": 1.8, "strokeDash": [5, 2]}),
        ("mixed", {"color": colours["mode"], "strokeWidth": 2.2}),
    )
    lines: list[Spec] = [
        {
            "data": {"name": "lines"},
            "transform": [{"filter": "!names"}],
            "mark": {"type": "line", "clip": True, "aria": False, **style},
            "encoding": place("x", "x", x) | place("y", name, y),
        }
        for name, style in styles
    ]
    # Of categories there is nothing between: a tick at each.
    ticks: list[Spec] = [
        {
            "data": {"name": "lines"},
            "transform": [{"filter": "names"}],
            "mark": {
                "type": "point",
                "shape": "stroke",
                "size": 300,
                "clip": True,
                "aria": False,
                "strokeWidth": 2.4,
                "color": style["color"],
                "opacity": 1,
            },
            "encoding": place("x", "x", x) | place("y", name, y),
        }
        for name, style in styles
    ]
    return {
        "params": [*params("x0", "x1", "y0", "y1"), {"name": "names", "value": None}],
        "data": {"name": "points"},
        "layer": [
            {
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 22,
                    "color": colours["evaluation"],
                    "opacity": 0.8,
                    "clip": True,
                    "aria": False,
                },
                "encoding": place("x", "x", x) | place("y", "y", y),
            },
            *lines,
            *ticks,
        ],
    }


# -- evaluations -----------------------------------------------------------------------------------


def _cursor(colours: Spec, x: Spec) -> Spec:
    return {
        "data": {"values": [{}]},
        "transform": [{"calculate": "at", "as": "at"}],
        "mark": rule(colours["ink"], 1.4),
        "encoding": place("x", "at", x),
    }


def _evaluations() -> Spec:
    return axis("x", tickMinStep=1, grid=False, format=",d")


def _trace(colours: Spec, gap: tuple[float, float], *, unsure: bool) -> Spec:
    """How far each evaluation, and the best so far, lies above the minimum; phases behind."""
    x = _evaluations()
    y: Spec = {
        "type": "quantitative",
        # Room for what lies on the floor.
        "scale": {"type": "log", "domain": [gap[0] / 4, gap[1]], "nice": False},
        "axis": {"title": None, **gap_axis(gap), "labelFlush": False},
    }
    at_gap = place("x", "e", x) | place("y", "gap", y)
    band: list[Spec] = [
        {
            "data": {"name": "unsure"},
            "mark": {"type": "rect", "color": colours["soft"], "opacity": VEIL, "aria": False},
            "encoding": place("y", "gap", y) | {"y2": {"field": "above"}},
        },
        {
            "data": {"name": "unsure"},
            "mark": rule(colours["soft"], 1, strokeDash=[5, 2]),
            "encoding": place("y", "above", y),
        },
    ]
    return {
        "params": params("x0", "x1"),
        "data": {"name": "trace"},
        "layer": [
            {
                "data": {"name": "phases"},
                "mark": {"type": "rect", "aria": False, "clip": True, "opacity": 0.55},
                "encoding": place("x", "from", x)
                | {"x2": {"field": "to"}, "fill": {"field": "colour", "scale": None}},
            },
            *(band if unsure else []),
            {
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "color": colours["best"],
                    "strokeWidth": 1.8,
                    "aria": False,
                    "clip": True,
                },
                "encoding": place("x", "e", x) | place("y", "best", y),
            },
            {
                "params": picked("pointed", "e", ["x"], DRAG),
                "mark": {
                    "type": "point",
                    "filled": True,
                    "size": 18,
                    "color": colours["evaluation"],
                    "opacity": 0.8,
                    "clip": True,
                    "aria": False,
                    "cursor": "ew-resize",
                },
                "encoding": at_gap,
            },
            _cursor(colours, x),
            {
                "transform": [{"filter": "datum.e === best"}],
                "mark": ringed(colours, 90),
                "encoding": at_gap,
            },
        ],
    }


def _path(colours: Spec, letter: str) -> Spec:
    """The mode of the chosen level while the optimiser moved, its reference and its interval."""
    x, y = _evaluations(), axis("y")
    line = place("x", "e", x) | place("y", "v", y)
    return {
        "params": params("x0", "x1", "y0", "y1"),
        "data": {"name": f"path{letter}"},
        "layer": [
            {
                "data": {"name": f"end{letter}"},
                "mark": {
                    "type": "rect",
                    "color": colours["ellipse"],
                    "opacity": 0.25,
                    "aria": False,
                    "clip": True,
                },
                "encoding": place("y", "low", y) | {"y2": {"field": "high"}},
            },
            {
                "data": {"name": f"end{letter}"},
                "mark": rule(colours["reference"], 2, strokeDash=[5, 3]),
                "encoding": place("y", "reference", y),
            },
            {
                "data": {"values": [{"z": 0}]},
                "mark": rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": place("y", "z", y),
            },
            {
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "color": colours["mode"],
                    "strokeWidth": 2,
                    "aria": False,
                    "clip": True,
                },
                "encoding": line,
            },
            {
                "params": picked("pointed", "e", ["x"], DRAG),
                "mark": {**full(colours, 16), "cursor": "ew-resize"},
                "encoding": line,
            },
            _cursor(colours, x),
            {
                "data": {"name": f"now{letter}"},
                "mark": ringed(colours, 90),
                "encoding": line,
            },
        ],
    }


def _ledger(colours: Spec, groups: Sequence[str]) -> Spec:
    """How residuals and grouping factors share the variance of an observation, step by step."""
    x = _evaluations()
    y: Spec = {
        "type": "quantitative",
        "stack": "zero",
        "scale": {"domain": [0, 1], "nice": False},
        "axis": {"title": None, "format": ".0%", "tickCount": 4, "labelFlush": False},
    }
    return {
        "params": params("x0", "x1"),
        "data": {"name": "shares"},
        "layer": [
            {
                "mark": {
                    "type": "area",
                    "interpolate": "step-after",
                    "opacity": 0.8,
                    "aria": False,
                    "clip": True,
                    "stroke": colours["paper"],
                    "strokeWidth": 0.8,
                },
                "encoding": place("x", "e", x)
                | place("y", "share", y)
                | {
                    "fill": {
                        "field": "part",
                        "type": "ordinal",
                        "scale": {"domain": list(range(len(groups))), "range": list(groups)},
                        "legend": None,
                    },
                    "order": {"field": "part"},
                },
            },
            _cursor(colours, x),
        ],
    }


def _landscape(colours: Spec) -> Spec:
    """The objective over two parameters, and where the optimiser was."""
    x, y = axis("x", grid=False), axis("y", grid=False)
    where = place("x", "x", x) | place("y", "y", y)
    outline = {"detail": {"field": "part"}, "order": {"field": "o"}}
    band = {"field": "fill", "type": "nominal", "scale": None}
    return {
        "params": params("x0", "x1", "y0", "y1"),
        "data": {"name": "visited"},
        "layer": [
            {
                "data": {"name": "regions"},
                "mark": {"type": "line", "filled": True, "strokeWidth": 0, "aria": False,
                         "clip": True, "interpolate": "linear"},
                "encoding": where | outline | {"fill": band},
            },
            {
                "data": {"name": "lines"},
                "mark": {"type": "line", "aria": False, "clip": True, "interpolate": "linear"},
                "encoding": where
                | outline
                | {
                    "stroke": {
                        "condition": {"test": "datum.bold", "value": colours["ink"]},
                        "value": colours["soft"],
                    },
                    "strokeWidth": {
                        "condition": {"test": "datum.bold", "value": 1.2},
                        "value": 0.5,
                    },
                },
            },
            {
                "params": picked("pointed", "e", ["x", "y"]),
                "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.7,
                         "color": colours["evaluation"], "clip": True, "aria": False,
                         "cursor": "pointer"},
                "encoding": where,
            },
            {
                "transform": [{"filter": "datum.better && datum.e <= at"}],
                "mark": {"type": "line", "color": colours["best"], "strokeWidth": 1.8,
                         "interpolate": "linear", "clip": True, "aria": False},
                "encoding": where | {"order": {"field": "e"}},
            },
            {
                "transform": [{"filter": "datum.e === best"}],
                "mark": ringed(colours, 100),
                "encoding": where,
            },
        ],
    }  # fmt: skip
