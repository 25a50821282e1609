"""The runs of a whole sweep with their keys; seconds apart from them."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.kinds.sweep_batch import RESULT, RUN_SECONDS
from mixedscope.tables.table_schema import F64, INT32, INT64, TEXT, TableSchema

__all__ = ["RUNS", "RUNS_TIMING"]

RUNS: Final = TableSchema(
    "runs",
    3,
    {
        "run": TEXT,
        **dict.fromkeys(("model", "structure", "optimizer"), TEXT),
        "tolerance": F64,
        **dict.fromkeys(("start", "criterion", "intervals", "tests"), TEXT),
        "level": F64,
        **dict.fromkeys(("subset", "of"), TEXT),
        "share": F64,
        **dict.fromkeys(("size", "replicate", "seed"), INT64),
        "simulate": TEXT,
        "same_objective": INT32,
        **dict.fromkeys(("gap", "search_gap", "beta_error", "search_beta_error"), F64),
        **RESULT,
    },
    frozenset({"run", "model", "structure", "optimizer", "same_objective"}),
)

RUNS_TIMING: Final = TableSchema("runs_timing", 1, RUN_SECONDS, frozenset({"run"}))
