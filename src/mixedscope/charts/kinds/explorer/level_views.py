"""Pictures of the explorer that show levels: where they are pulled, their intervals, their rows."""

from __future__ import annotations

from typing import Final

from mixedscope.charts.kinds.explorer.pieces import (
    CHOSEN_LEVEL,
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

__all__ = ["caterpillar_view", "panel_view", "shrinkage_view"]


#: Of ranks the numbers that there are, on an axis that goes beyond the first and the last.
_RANKS: Final = "!ranked || (datum.value >= 1 && datum.value <= many) ? datum.label : ''"


def shrinkage_view(colours: Spec, head: Spec | None) -> Spec:
    """Reference, pull and mode of every level in the plane of two terms, or by rank for one."""
    x, y = axis("x"), axis("y", labelExpr=_RANKS, tickMinStep={"expr": "ranked ? 1 : 0"})
    start = place("x", "rx", x) | place("y", "ry", y)
    end = place("x", "mx", x) | place("y", "my", y)
    pull = start | {"x2": {"field": "mx"}, "y2": {"field": "my"}}
    marked = {"transform": CHOSEN_LEVEL}
    return {
        "params": [*params("x0", "x1", "y0", "y1", "ranked", "many"), *SIZES],
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


def caterpillar_view(colours: Spec, letter: str) -> Spec:
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


def panel_view(colours: Spec) -> Spec:
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
