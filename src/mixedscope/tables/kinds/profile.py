"""Profiles: the deviance with one parameter held, or two, and all others optimised."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = [
    "PROFILE",
    "PROFILE_CONTOURS",
    "PROFILE_COVERAGE",
    "PROFILE_CURVES",
    "PROFILE_INTERVALS",
    "PROFILE_PAIRS",
    "PROFILE_PARAMETERS",
    "PROFILE_TRACES",
]

_KINDS: Final = frozenset({"beta", "sigma", "sd", "correlation", "dispersion"})
_KEY: Final = dict.fromkeys(("kind", "group", "term", "term2"), TEXT)
_PAIR: Final = {f"{axis}_{name}": TEXT for axis in "xy" for name in _KEY}

PROFILE: Final = TableSchema(
    "profile",
    1,
    {
        **_KEY,
        "value": F64,
        "zeta": F64,
        "slope": F64,
        "estimates": F64S,
    },
    frozenset({"kind", "value", "zeta", "estimates"}),
    {"kind": _KINDS},
    study=True,
)

PROFILE_PAIRS: Final = TableSchema(
    "profile_pairs",
    1,
    {
        **_PAIR,
        "level": F64,
        "vertex": INT32,
        "x": F64,
        "y": F64,
        "at_end": BOOL,
        "estimates": F64S,
    },
    frozenset({"x_kind", "y_kind", "level", "vertex", "x", "y", "at_end", "estimates"}),
    {"x_kind": _KINDS, "y_kind": _KINDS},
    study=True,
)

PROFILE_INTERVALS: Final = TableSchema(
    "profile_intervals",
    2,
    {
        **_KEY,
        **dict.fromkeys(("estimate", "lower", "upper"), F64),
        "method": TEXT,
        "level": F64,
        "remark": TEXT,
    },
    frozenset({"kind", "method", "level"}),
    {"kind": _KINDS},
)

PROFILE_PARAMETERS: Final = TableSchema(
    "profile_parameters",
    1,
    {
        **_KEY,
        **dict.fromkeys(("estimate", "wald_slope"), F64),
        **dict.fromkeys(
            ("reach_low", "zeta_low", "at_low", "reach_high", "zeta_high", "at_high"), F64
        ),
    },
    frozenset({"kind", "estimate", "reach_low", "zeta_low", "reach_high", "zeta_high"}),
    {"kind": _KINDS},
    study=True,
)

PROFILE_COVERAGE: Final = TableSchema(
    "profile_coverage",
    1,
    {**_KEY, **dict.fromkeys(("level", "lower", "upper"), F64), "remark": TEXT},
    frozenset({"kind", "level", "lower", "upper"}),
    {"kind": _KINDS},
    study=True,
)

PROFILE_CURVES: Final = TableSchema(
    "profile_curves",
    1,
    {**_KEY, **dict.fromkeys(("value", "zeta", "density"), F64), "is_point": BOOL},
    frozenset({"kind", "value", "zeta", "is_point"}),
    {"kind": _KINDS},
    study=True,
)

PROFILE_CONTOURS: Final = TableSchema(
    "profile_contours",
    1,
    {
        **_PAIR,
        "level": F64,
        "vertex": INT32,
        **dict.fromkeys(("x", "y"), F64),
        "at_end": BOOL,
        **dict.fromkeys(("x_zeta", "y_zeta"), F64),
    },
    frozenset({"x_kind", "y_kind", "level", "vertex", "x", "y", "at_end"}),
    {"x_kind": _KINDS, "y_kind": _KINDS},
    study=True,
)

PROFILE_TRACES: Final = TableSchema(
    "profile_traces",
    1,
    {
        **_PAIR,
        "along": TEXT,
        "point": INT32,
        **dict.fromkeys(("x", "y", "x_zeta", "y_zeta"), F64),
    },
    frozenset({"x_kind", "y_kind", "along", "point"}),
    {"x_kind": _KINDS, "y_kind": _KINDS, "along": frozenset({"x", "y"})},
    study=True,
)
