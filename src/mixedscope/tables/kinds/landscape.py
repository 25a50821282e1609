"""The objective around the path of the optimiser, in planes of two parameters."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["LANDSCAPE", "LANDSCAPE_OUTLINES", "LANDSCAPE_PANELS", "LANDSCAPE_POINTS"]

#: What an axis of a panel is.
_KINDS: Final = ("theta", "sd", "correlation", "loading", "beta", "dispersion")

LANDSCAPE: Final = TableSchema(
    "landscape",
    1,
    {"panel": INT32, "x": F64, "y": F64, "gap": F64, "sigma": F64},
    frozenset({"panel"}),
    study=True,
)

LANDSCAPE_PANELS: Final = TableSchema(
    "landscape_panels",
    2,
    {
        "panel": INT32,
        "scale": TEXT,
        "others": TEXT,
        "asked": BOOL,
        "x_kind": TEXT,
        "x_group": TEXT,
        "x_name": TEXT,
        "x_low": F64,
        "x_high": F64,
        "x_bound": F64,
        "n_x": INT32,
        "y_kind": TEXT,
        "y_group": TEXT,
        "y_name": TEXT,
        "y_low": F64,
        "y_high": F64,
        "y_bound": F64,
        "n_y": INT32,
        "theta": F64S,
    },
    frozenset({"panel", "scale", "others", "asked", "x_kind", "x_name", "theta"}),
    {
        "scale": frozenset({"theta", "sd"}),
        "others": frozenset({"optimum", "profiled"}),
        "x_kind": frozenset(_KINDS),
        "y_kind": frozenset(_KINDS),
    },
    study=True,
)

LANDSCAPE_OUTLINES: Final = TableSchema(
    "landscape_outlines",
    1,
    {
        "panel": INT32,
        "kind": TEXT,
        "level": F64,
        "part": INT32,
        "vertex": INT32,
        "x": F64,
        "y": F64,
    },
    frozenset({"panel", "kind", "level", "part", "vertex", "x"}),
    {"kind": frozenset({"line", "region"})},
    study=True,
)

LANDSCAPE_POINTS: Final = TableSchema(
    "landscape_points",
    1,
    {
        "panel": INT32,
        "kind": TEXT,
        "evaluation": INT32,
        "stage": TEXT,
        "x": F64,
        "y": F64,
        "gap": F64,
        "improved": BOOL,
        "inside": BOOL,
    },
    frozenset({"panel", "kind", "improved", "inside"}),
    {"kind": frozenset({"evaluation", "optimum", "saddle", "hilltop"})},
    study=True,
)
