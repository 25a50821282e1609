"""What the pictures of the explorer are made of: axes between parameters, marks, selections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

__all__ = [
    "CHOSEN",
    "CHOSEN_LEVEL",
    "DRAG",
    "LABEL_SIZE",
    "SIZES",
    "Spec",
    "axis",
    "full",
    "hollow",
    "named",
    "params",
    "picked",
    "place",
    "ringed",
    "rule",
    "sized",
]

#: What is chosen: the position of a level, and an evaluation (that chosen, and the best until it).
CHOSEN: Final = ("level", "at", "best")

Spec = dict[str, Any]


def params(*names: str) -> list[Spec]:
    """Parameters of a picture: what is chosen, and others that the page sets."""
    return [{"name": name, "value": 0 if name in CHOSEN else None} for name in (*CHOSEN, *names)]


def axis(letter: str, **axis: Any) -> Spec:
    """An axis of numbers between two parameters; the page says in words what it measures."""
    # Both ends at once: of one alone Vega looks for the other in the data of every layer.
    ends = {"domain": [{"expr": f"{letter}0"}, {"expr": f"{letter}1"}]}
    return {
        "type": "quantitative",
        "scale": {"nice": False, "zero": False, **ends},
        "axis": {"title": None, "tickCount": 5, "labelFlush": False, **axis},
    }


def place(letter: str, field: str, axis: Spec) -> Spec:
    """The encoding of a field along an axis."""
    return {letter: {"field": field, **axis}}


def picked(name: str, field: str, channels: Sequence[str], on: str = "click") -> list[Spec]:
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


CHOSEN_LEVEL: Final = [{"filter": "datum.i === level"}]
#: Sizes of points and widths of intervals, by how many levels are drawn.
SIZES: Final = [{"name": "dot", "value": 26}, {"name": "bar", "value": 1.6}]
DRAG: Final = "click, pointerdown, [pointerdown, window:pointerup] > pointermove"
LABEL_SIZE: Final = 12


def named(colours: Spec, encoding: Spec, where: str = "true", **mark: Any) -> list[Spec]:
    """The name of the level that is chosen, with paper around it, if a condition holds."""
    shared = {
        "type": "text",
        "fontSize": LABEL_SIZE,
        "fontWeight": "bold",
        "limit": 180,
        "aria": False,
        **mark,
    }
    halo = {"stroke": colours["paper"], "strokeWidth": 4, "strokeJoin": "round"}
    text = {**encoding, "text": {"field": "name"}}
    chosen = [*CHOSEN_LEVEL, {"filter": where}]
    return [
        {"transform": chosen, "mark": {**shared, **halo}, "encoding": text},
        {"transform": chosen, "mark": {**shared, "color": colours["ink"]}, "encoding": text},
    ]


def hollow(colours: Spec, size: int, width: float) -> Spec:
    """The mark of a reference: a ring."""
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


def full(colours: Spec, size: int) -> Spec:
    """The mark of a mode: a disc."""
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


def rule(colour: str, width: float, **mark: Any) -> Spec:
    """The mark of a straight line."""
    return {
        "type": "rule",
        "color": colour,
        "strokeWidth": width,
        "clip": True,
        "aria": False,
        **mark,
    }


def ringed(colours: Spec, size: int) -> Spec:
    """The mark of what is chosen."""
    return {**full(colours, size), "stroke": colours["ink"], "strokeWidth": 1.4}


def sized(mark: Spec) -> Spec:
    """A point of the size that there is room for."""
    return {**mark, "size": {"expr": "dot"}}
