"""How intervals and tests of a sweep perform over replicates, with Monte Carlo errors."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT64, TEXT, TableSchema

__all__ = ["PERFORMANCE"]

PERFORMANCE: Final = TableSchema(
    "performance",
    1,
    {
        **dict.fromkeys(("model", "structure", "optimizer"), TEXT),
        "tolerance": F64,
        **dict.fromkeys(("start", "criterion", "intervals", "tests"), TEXT),
        "level": F64,
        **dict.fromkeys(("subset", "of"), TEXT),
        "share": F64,
        "size": INT64,
        **dict.fromkeys(("simulate", "quantity", "name"), TEXT),
        **dict.fromkeys(("runs", "failed", "missing"), INT64),
        "reason": TEXT,
        **dict.fromkeys(("truth", "mean", "bias", "bias_se"), F64),
        **dict.fromkeys(("empirical_se", "empirical_se_se", "model_se", "model_se_se"), F64),
        **dict.fromkeys(("coverage", "coverage_se", "width", "width_se"), F64),
        **dict.fromkeys(("null_true", "rejection", "rejection_se"), F64),
    },
    frozenset({"model", "structure", "optimizer", "quantity", "name", "runs", "failed", "missing"}),
    {"quantity": frozenset({"interval", "test"})},
)
