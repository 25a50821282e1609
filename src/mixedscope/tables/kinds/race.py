"""Several optimisers from several starts on one objective."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["RACE", "RACE_ENDS", "RACE_TIMING"]

RACE: Final = TableSchema(
    "race",
    1,
    {
        "entrant": TEXT,
        "optimizer": TEXT,
        "settings": TEXT,
        "start": INT32,
        "evaluation": INT32,
        "stage": TEXT,
        "objective": F64,
        "best": F64,
        "gap": F64,
    },
    frozenset({"entrant", "optimizer", "start", "evaluation", "stage"}),
)

RACE_ENDS: Final = TableSchema(
    "race_ends",
    1,
    {
        "entrant": TEXT,
        "optimizer": TEXT,
        "settings": TEXT,
        "start": INT32,
        "start_theta": F64S,
        "point": TEXT,
        "evaluations": INT32,
        "objective": F64,
        "gap": F64,
        "verdict": TEXT,
        "newton_decrement": F64,
        "distance": F64,
        "same_optimum": BOOL,
        "return_code": TEXT,
        "message": TEXT,
        "theta": F64S,
    },
    frozenset({"entrant", "optimizer", "start", "point", "evaluations"}),
    {"point": frozenset({"search", "end"})},
    estimated={"objective_se": F64, "probe_difference": F64, "probes": INT32},
)

RACE_TIMING: Final = TableSchema(
    "race_timing",
    1,
    {"entrant": TEXT, "start": INT32, "evaluation": INT32, "seconds": F64},
    frozenset({"entrant", "start", "evaluation", "seconds"}),
)
