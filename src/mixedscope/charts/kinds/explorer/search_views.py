"""Pictures of the explorer along the optimisation: trace, paths of levels, ledger, landscape."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.charts.common.gaps import gap_axis
from mixedscope.charts.common.probe_band import VEIL
from mixedscope.charts.kinds.explorer.pieces import (
    DRAG,
    Spec,
    axis,
    full,
    params,
    picked,
    place,
    ringed,
    rule,
)

__all__ = ["landscape_view", "ledger_view", "path_view", "trace_view"]


def _cursor(colours: Spec, x: Spec) -> Spec:
    return {
        "data": {"values": [{}]},
        "transform": [{"calculate": "at", "as": "at"}],
        "mark": rule(colours["ink"], 1.4),
        "encoding": place("x", "at", x),
    }


def _evaluations() -> Spec:
    return axis("x", tickMinStep=1, grid=False, format=",d")


def trace_view(colours: Spec, gap: tuple[float, float], *, unsure: bool) -> Spec:
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


def path_view(colours: Spec, letter: str) -> Spec:
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


def ledger_view(colours: Spec, groups: Sequence[str]) -> Spec:
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


def landscape_view(colours: Spec) -> Spec:
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
