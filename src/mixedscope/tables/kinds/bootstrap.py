"""Draws of the parametric bootstrap of a fit: what each response drawn was estimated to be."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["BOOTSTRAP", "BOOTSTRAP_INTERVALS"]

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
        **dict.fromkeys(("kind", "group", "term", "term2"), TEXT),
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
        "kind": frozenset({"beta", "sigma", "sd", "correlation"}),
        "interval": frozenset({"percentile", "shortest", "basic", "normal"}),
    },
)
