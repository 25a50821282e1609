"""Draws of the parametric bootstrap of a fit: what each response drawn was estimated to be."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = [
    "BOOTSTRAP",
    "BOOTSTRAP_DENSITIES",
    "BOOTSTRAP_INTERVALS",
    "BOOTSTRAP_PAIRS",
    "BOOTSTRAP_PARAMETERS",
    "BOOTSTRAP_REGIONS",
]

_KEY: Final = ("kind", "group", "term", "term2")
_KINDS: Final = frozenset({"beta", "sigma", "sd", "correlation", "dispersion"})
_INTERVALS: Final = frozenset({"percentile", "shortest", "basic", "normal"})

BOOTSTRAP: Final = TableSchema(
    "bootstrap",
    2,
    {
        "draw": INT32,
        "objective": F64,
        "sigma": F64,
        **dict.fromkeys(("beta", "std_error", "sd", "correlation", "theta"), F64S),
        "singular": BOOL,
        "evaluations": INT32,
        "converged": BOOL,
    },
    frozenset({"draw", "beta", "sd", "correlation", "singular", "evaluations", "converged"}),
    study=True,
)

BOOTSTRAP_INTERVALS: Final = TableSchema(
    "bootstrap_intervals",
    4,
    {
        **dict.fromkeys(_KEY, TEXT),
        **dict.fromkeys(("estimate", "lower", "upper"), F64),
        "method": TEXT,
        "level": F64,
        "mean": F64,
        "interval": TEXT,
        "draws": INT32,
        "remark": TEXT,
    },
    frozenset({"kind", "method", "level", "interval", "draws"}),
    {
        "kind": _KINDS,
        "interval": _INTERVALS,
    },
)

BOOTSTRAP_PARAMETERS: Final = TableSchema(
    "bootstrap_parameters",
    1,
    {
        **dict.fromkeys(_KEY, TEXT),
        **dict.fromkeys(("estimate", "mean", "std_dev", "lower", "upper", "level"), F64),
        "interval": TEXT,
        **dict.fromkeys(("range_low", "range_high"), F64),
        **dict.fromkeys(("at_low", "at_high", "draws"), INT32),
        "bandwidth": F64,
        **dict.fromkeys(("used", "singular"), INT32),
    },
    frozenset({"kind", "level", "interval", "at_low", "at_high", "draws", "used", "singular"}),
    {"kind": _KINDS, "interval": _INTERVALS},
    study=True,
)

BOOTSTRAP_DENSITIES: Final = TableSchema(
    "bootstrap_densities",
    1,
    {**dict.fromkeys(_KEY, TEXT), "value": F64, "density": F64},
    frozenset({"kind", "value", "density"}),
    {"kind": _KINDS},
    study=True,
)

_PAIR: Final = {f"{axis}_{name}": TEXT for axis in "xy" for name in _KEY}

BOOTSTRAP_PAIRS: Final = TableSchema(
    "bootstrap_pairs",
    1,
    {
        **_PAIR,
        "correlation": F64,
        **dict.fromkeys(("draws", "inside"), INT32),
        **dict.fromkeys(("x_estimate", "y_estimate"), F64),
        **{f"at_{axis}_{end}": INT32 for axis in "xy" for end in ("low", "high")},
    },
    frozenset({"x_kind", "y_kind", "draws", "inside", "x_estimate", "y_estimate"}),
    {"x_kind": _KINDS, "y_kind": _KINDS},
    study=True,
)

BOOTSTRAP_REGIONS: Final = TableSchema(
    "bootstrap_regions",
    1,
    {
        **_PAIR,
        "level": F64,
        **dict.fromkeys(("line", "vertex"), INT32),
        **dict.fromkeys(("x", "y"), F64),
    },
    frozenset({"x_kind", "y_kind", "level", "line", "vertex", "x", "y"}),
    {"x_kind": _KINDS, "y_kind": _KINDS},
    study=True,
)
