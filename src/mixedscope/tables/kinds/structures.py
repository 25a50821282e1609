"""Several structures of one model, one row per fit."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, INT64, TEXT, TableSchema

__all__ = ["STRUCTURES", "STRUCTURES_TIMING"]

STRUCTURES: Final = TableSchema(
    "structures",
    2,
    {
        **dict.fromkeys(("model", "structure", "optimizer", "criterion"), TEXT),
        "n": INT64,
        **dict.fromkeys(("n_theta", "dof"), INT32),
        **dict.fromkeys(("objective", "loglik", "aic", "aicc", "bic"), F64),
        **dict.fromkeys(("above_objective", "above_aic", "above_aicc", "above_bic"), F64),
        "sigma": F64,
        "evaluations": INT32,
        "edf": F64,
        "singular": BOOL,
        **dict.fromkeys(("effective_dimensions", "dimensions"), INT32),
        **dict.fromkeys(("ranks", "verdict"), TEXT),
        "newton_decrement": F64,
    },
    frozenset({"model", "structure", "optimizer", "objective", "above_objective"}),
    estimated={"objective_se": F64, "above_se": F64, "probes": INT32},
)

STRUCTURES_TIMING: Final = TableSchema(
    "structures_timing",
    1,
    {"model": TEXT, "structure": TEXT, "optimizer": TEXT, "seconds": F64},
    frozenset({"model", "structure", "optimizer", "seconds"}),
)
