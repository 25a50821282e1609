"""Profiles: the deviance with one parameter held, or two, and all others optimised."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["PROFILE", "PROFILE_INTERVALS", "PROFILE_PAIRS"]

_KINDS: Final = frozenset({"beta", "sigma", "sd", "correlation"})

PROFILE: Final = TableSchema(
    "profile",
    1,
    {
        "kind": TEXT,
        "group": TEXT,
        "term": TEXT,
        "term2": TEXT,
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
        "x_kind": TEXT,
        "x_group": TEXT,
        "x_term": TEXT,
        "x_term2": TEXT,
        "y_kind": TEXT,
        "y_group": TEXT,
        "y_term": TEXT,
        "y_term2": TEXT,
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
        **dict.fromkeys(("kind", "group", "term", "term2"), TEXT),
        **dict.fromkeys(("estimate", "lower", "upper"), F64),
        "method": TEXT,
        "level": F64,
        "remark": TEXT,
    },
    frozenset({"kind", "method", "level"}),
    {"kind": _KINDS},
)
