"""Phases of the optimisation over all fits of a run: evaluations, and seconds apart from them."""

from __future__ import annotations

from typing import Final

from mixedscope.core.vocabulary import PHASES as PHASE_NAMES
from mixedscope.tables.table_schema import F64, INT32, INT64, TEXT, TableSchema

__all__ = ["PHASES", "PHASES_TIMING", "PHASES_TREND"]

PHASES: Final = TableSchema(
    "phases",
    1,
    {
        "model": TEXT,
        "structure": TEXT,
        "optimizer": TEXT,
        "n": INT64,
        "n_theta": INT32,
        "q": INT64,
        "phase": TEXT,
        "evaluations": INT32,
        "share": F64,
        "search_evaluations": INT32,
        "search_share": F64,
        "polish_evaluations": INT32,
        "gap_before": F64,
        "gap_after": F64,
        "certificate_gradients": INT32,
    },
    frozenset({"model", "structure", "optimizer", "n_theta", "phase", "evaluations", "share"}),
    {"phase": frozenset(PHASE_NAMES)},
)

PHASES_TIMING: Final = TableSchema(
    "phases_timing",
    1,
    {
        "model": TEXT,
        "structure": TEXT,
        "optimizer": TEXT,
        "phase": TEXT,
        "seconds": F64,
        "share": F64,
        "search_seconds": F64,
        "search_share": F64,
        "polish_seconds": F64,
    },
    frozenset({"model", "structure", "optimizer", "phase", "seconds"}),
    {"phase": frozenset(PHASE_NAMES)},
)

# Whether the share of a phase grows with the size of the model, over the fits of a run.
PHASES_TREND: Final = TableSchema(
    "phases_trend",
    1,
    {
        "optimizer": TEXT,
        "phase": TEXT,
        "size": TEXT,
        "fits": INT32,
        "rank_correlation": F64,
        "mean_share": F64,
        "dominates": INT32,
        "smallest": TEXT,
        "smallest_size": F64,
        "smallest_share": F64,
        "largest": TEXT,
        "largest_size": F64,
        "largest_share": F64,
    },
    frozenset({"optimizer", "phase", "size", "fits"}),
    {"phase": frozenset(PHASE_NAMES), "size": frozenset({"n_theta", "n", "q"})},
)
