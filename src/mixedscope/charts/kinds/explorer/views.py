"""The pictures of the explorer as Vega-Lite specifications, each of named tables and parameters.

The page's script fills the tables and sets the parameters; pictures are chosen in by selections of
Vega-Lite, whose values the script hands to all others.  What is chosen is marked by layers that
filter by a parameter, so that nothing else is drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mixedscope.charts.common.gaps import gap_axis
from mixedscope.charts.common.theme import COLOURS, ink

__all__ = ["CHOSEN", "views"]

#: What is chosen: the position of a level, and an evaluation (that chosen, and the best until it).
CHOSEN: Final = ("level", "at", "best")

Spec = dict[str, Any]


def views(gap: tuple[float, float], groups: Sequence[str], *, theme: str) -> dict[str, Spec]:
    """All pictures by name.

    ``gap``: ends of the axis of gaps. ``groups``: colours of what shares the variance, residuals
    first.
    """
    colours = COLOURS | ink(theme)
    return {
        "shrinkage": _shrinkage(colours),
        "caterpillar": _caterpillar(colours, "x"),
        "caterpillar2": _caterpillar(colours, "y"),
        "panel": _panel(colours),
        "trace": _trace(colours, gap),
        "path": _path(colours, "x"),
        "path2": _path(colours, "y"),
        "ledger": _ledger(colours, groups),
        "landscape": _landscape(colours),
    }


# -- pieces ----------------------------------------------------------------------------------------


def _params(*names: str) -> list[Spec]:
    return [{"name": name, "value": 0 if name in CHOSEN else None} for name in (*CHOSEN, *names)]


def _axis(letter: str, **axis: Any) -> Spec:
    """An axis of numbers between two parameters; the page says in words what it measures."""
    ends = {"domainMin": {"expr": f"{letter}0"}, "domainMax": {"expr": f"{letter}1"}}
    return {
        "type": "quantitative",
        "scale": {"nice": False, "zero": False, **ends},
        "axis": {"title": None, "tickCount": 5, "labelFlush": False, **axis},
    }


def _place(letter: str, field: str, axis: Spec) -> Spec:
    return {letter: {"field": field, **axis}}


def _picked(name: str, field: str, channels: Sequence[str], on: str = "click") -> list[Spec]:
    """A selection of the mark that is nearest to the pointer."""
    return [
        {
            "name": name,
            "select": {
                "type": "point",
                "fields": [field],
                "nearest": True,
                "encodings": list(channels),
                "on": on,
                "toggle": False,
                "clear": False,
            },
        }
    ]


_CHOSEN_LEVEL: Final = [{"filter": "datum.i === level"}]
#: Sizes of points and widths of intervals, by how many levels are drawn.
_SIZES: Final = [{"name": "dot", "value": 26}, {"name": "bar", "value": 1.6}]
_DRAG: Final = "click, pointerdown, [pointerdown, window:pointerup] > pointermove"
_LABEL_SIZE: Final = 12


def _named(colours: Spec, encoding: Spec, **mark: Any) -> list[Spec]:
    """The name of the level that is chosen, with paper around it."""
    shared = {
        "type": "text",
        "fontSize": _LABEL_SIZE,
        "fontWeight": "bold",
        "limit": 180,
        "aria": False,
        **mark,
    }
    halo = {"stroke": colours["paper"], "strokeWidth": 4, "strokeJoin": "round"}
    text = {**encoding, "text": {"field": "name"}}
    return [
        {"transform": _CHOSEN_LEVEL, "mark": {**shared, **halo}, "encoding": text},
        {"transform": _CHOSEN_LEVEL, "mark": {**shared, "color": colours["ink"]}, "encoding": text},
    ]


def _hollow(colours: Spec, size: int, width: float) -> Spec:
    return {
        "type": "point",
        "shape": "circle",
        "stroke": colours["reference"],
        "fill": colours["paper"],
        "size": size,
        "strokeWidth": width,
        "opacity": 1,
        "clip": True,
        "aria": False,
    }


def _full(colours: Spec, size: int) -> Spec:
    return {
        "type": "point",
        "shape": "circle",
        "filled": True,
        "color": colours["mode"],
        "size": size,
        "opacity": 1,
        "clip": True,
        "aria": False,
    }


def _rule(colour: str, width: float, **mark: Any) -> Spec:
    return {
        "type": "rule",
        "color": colour,
        "strokeWidth": width,
        "clip": True,
        "aria": False,
        **mark,
    }


def _ringed(colours: Spec, size: int) -> Spec:
    """The mark of what is chosen."""
    return {**_full(colours, size), "stroke": colours["ink"], "strokeWidth": 1.4}


def _sized(mark: Spec) -> Spec:
    """A point of the size that there is room for."""
    return {**mark, "size": {"expr": "dot"}}


# -- levels ----------------------------------------------------------------------------------------


def _shrinkage(colours: Spec) -> Spec:
    """Reference, pull and mode of every level in the plane of two terms, or by rank for one."""
    x, y = _axis("x"), _axis("y", labelExpr="ranked ? '' : datum.label")
    start = _place("x", "rx", x) | _place("y", "ry", y)
    end = _place("x", "mx", x) | _place("y", "my", y)
    pull = start | {"x2": {"field": "mx"}, "y2": {"field": "my"}}
    marked = {"transform": _CHOSEN_LEVEL}
    return {
        "params": [*_params("x0", "x1", "y0", "y1", "ranked"), *_SIZES],
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
                "encoding": _place("x", "x", x)
                | _place("y", "y", y)
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
                "encoding": _place("x", "x", x) | _place("y", "y", y),
            },
            {
                "data": {"values": [{"x": 0}]},
                "transform": [{"filter": "ranked"}],
                "mark": _rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": _place("x", "x", x),
            },
            {"mark": _rule(colours["movement"], 1.2, opacity=0.75), "encoding": pull},
            {"mark": _sized(_hollow(colours, 30, 1.4)), "encoding": start},
            {
                "params": _picked("picked", "i", ["x", "y"]),
                "mark": {**_sized(_full(colours, 30)), "cursor": "pointer"},
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
            {**marked, "mark": _rule(colours["ink"], 2.4), "encoding": pull},
            {**marked, "mark": _hollow(colours, 110, 2.6), "encoding": start},
            {**marked, "mark": _ringed(colours, 110), "encoding": end},
            *_named(colours, end, dy=-13),
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


def _caterpillar(colours: Spec, letter: str) -> Spec:
    """Mode ± 1.96 conditional standard deviations of every level, and the reference."""
    x, y = _axis("x"), _axis("y", labels=False, ticks=False, grid=False, domain=False)
    row = _place("y", "row", y)
    reference, mode = f"r{letter}", f"m{letter}"
    bar = _place("x", "low", x) | row | {"x2": {"field": "high"}}
    at_mode, at_reference = _place("x", mode, x) | row, _place("x", reference, x) | row
    marked = {"transform": _CHOSEN_LEVEL}
    return {
        "params": [*_params("x0", "x1", "y0", "y1"), {"name": "named", "value": False}, *_SIZES],
        "data": {"name": "rows"},
        "layer": [
            {
                "data": {"values": [{"x": 0}]},
                "mark": _rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": _place("x", "x", x),
            },
            {
                "mark": {**_rule(colours["ellipse"], 1.6), "strokeWidth": {"expr": "bar"}},
                "encoding": bar,
            },
            {"mark": _sized(_hollow(colours, 24, 1.2)), "encoding": at_reference},
            {
                "params": _picked("picked", "i", ["y"]),
                "mark": {**_sized(_full(colours, 24)), "cursor": "pointer"},
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
            {**marked, "mark": _rule(colours["mode"], 3), "encoding": bar},
            {**marked, "mark": _hollow(colours, 90, 2.4), "encoding": at_reference},
            {**marked, "mark": _ringed(colours, 90), "encoding": at_mode},
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
                for layer in _named(colours, at_mode, dy=-11)
            ],
        ],
    }  # fmt: skip


def _panel(colours: Spec) -> Spec:
    """The rows of the chosen level, with its own line, the model's, and that of the population."""
    x = _axis("x", labelExpr="names ? names[datum.value] : datum.label", labelLimit=90)
    x["axis"]["tickCount"] = {"expr": "names ? max(length(names) - 1, 1) : 5"}
    y = _axis("y")
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
            "encoding": _place("x", "x", x) | _place("y", name, y),
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
            "encoding": _place("x", "x", x) | _place("y", name, y),
        }
        for name, style in styles
    ]
    return {
        "params": [*_params("x0", "x1", "y0", "y1"), {"name": "names", "value": None}],
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
                "encoding": _place("x", "x", x) | _place("y", "y", y),
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
        "mark": _rule(colours["ink"], 1.4),
        "encoding": _place("x", "at", x),
    }


def _evaluations() -> Spec:
    return _axis("x", tickMinStep=1, grid=False, format=",d")


def _trace(colours: Spec, gap: tuple[float, float]) -> Spec:
    """How far each evaluation, and the best so far, lies above the minimum; phases behind."""
    x = _evaluations()
    y: Spec = {
        "type": "quantitative",
        # Room for what lies on the floor.
        "scale": {"type": "log", "domain": [gap[0] / 4, gap[1]], "nice": False},
        "axis": {"title": None, **gap_axis(gap), "labelFlush": False},
    }
    at_gap = _place("x", "e", x) | _place("y", "gap", y)
    return {
        "params": _params("x0", "x1"),
        "data": {"name": "trace"},
        "layer": [
            {
                "data": {"name": "phases"},
                "mark": {"type": "rect", "aria": False, "clip": True, "opacity": 0.55},
                "encoding": _place("x", "from", x)
                | {"x2": {"field": "to"}, "fill": {"field": "colour", "scale": None}},
            },
            {
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "color": colours["best"],
                    "strokeWidth": 1.8,
                    "aria": False,
                    "clip": True,
                },
                "encoding": _place("x", "e", x) | _place("y", "best", y),
            },
            {
                "params": _picked("pointed", "e", ["x"], _DRAG),
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
                "mark": _ringed(colours, 90),
                "encoding": at_gap,
            },
        ],
    }


def _path(colours: Spec, letter: str) -> Spec:
    """The mode of the chosen level while the optimiser moved, its reference and its interval."""
    x, y = _evaluations(), _axis("y")
    line = _place("x", "e", x) | _place("y", "v", y)
    return {
        "params": _params("x0", "x1", "y0", "y1"),
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
                "encoding": _place("y", "low", y) | {"y2": {"field": "high"}},
            },
            {
                "data": {"name": f"end{letter}"},
                "mark": _rule(colours["reference"], 2, strokeDash=[5, 3]),
                "encoding": _place("y", "reference", y),
            },
            {
                "data": {"values": [{"z": 0}]},
                "mark": _rule(colours["zero"], 1, strokeDash=[3, 2]),
                "encoding": _place("y", "z", y),
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
                "params": _picked("pointed", "e", ["x"], _DRAG),
                "mark": {**_full(colours, 16), "cursor": "ew-resize"},
                "encoding": line,
            },
            _cursor(colours, x),
            {
                "data": {"name": f"now{letter}"},
                "mark": _ringed(colours, 90),
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
        "params": _params("x0", "x1"),
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
                "encoding": _place("x", "e", x)
                | _place("y", "share", y)
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
    x, y = _axis("x", grid=False), _axis("y", grid=False)
    place = _place("x", "x", x) | _place("y", "y", y)
    outline = {"detail": {"field": "part"}, "order": {"field": "o"}}
    band = {"field": "fill", "type": "nominal", "scale": None}
    return {
        "params": _params("x0", "x1", "y0", "y1"),
        "data": {"name": "visited"},
        "layer": [
            {
                "data": {"name": "regions"},
                "mark": {"type": "line", "filled": True, "strokeWidth": 0, "aria": False,
                         "clip": True, "interpolate": "linear"},
                "encoding": place | outline | {"fill": band},
            },
            {
                "data": {"name": "lines"},
                "mark": {"type": "line", "aria": False, "clip": True, "interpolate": "linear"},
                "encoding": place
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
                "params": _picked("pointed", "e", ["x", "y"]),
                "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.7,
                         "color": colours["evaluation"], "clip": True, "aria": False,
                         "cursor": "pointer"},
                "encoding": place,
            },
            {
                "transform": [{"filter": "datum.better && datum.e <= at"}],
                "mark": {"type": "line", "color": colours["best"], "strokeWidth": 1.8,
                         "interpolate": "linear", "clip": True, "aria": False},
                "encoding": place | {"order": {"field": "e"}},
            },
            {
                "transform": [{"filter": "datum.e === best"}],
                "mark": _ringed(colours, 100),
                "encoding": place,
            },
        ],
    }  # fmt: skip
