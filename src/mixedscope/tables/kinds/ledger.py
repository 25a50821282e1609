"""The books of an optimisation, at the evaluations that improved on all before them."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TEXT, TableSchema

__all__ = ["LEDGER", "LEDGER_TERMS"]

LEDGER: Final = TableSchema(
    "ledger",
    1,
    {
        "evaluation": INT32,
        "objective": F64,
        "residual_ss": F64,
        "penalty": F64,
        "sigma": F64,
        "log_det": F64,
        "part_residual": F64,
        "part_penalty": F64,
        "part_sigma": F64,
        "part_fixed": F64,
        "part_weights": F64,
        "edf_fixed": F64,
        "edf": F64,
    },
    frozenset({"evaluation", "objective", "log_det", "edf"}),
    more={"conditional_deviance": F64, "newton_steps": INT32},
    study=True,
)

LEDGER_TERMS: Final = TableSchema(
    "ledger_terms",
    1,
    {
        "evaluation": INT32,
        "group": TEXT,
        "term": TEXT,
        "std_dev": F64,
        "variance": F64,
        "edf": F64,
        "share": F64,
    },
    frozenset({"evaluation", "variance", "edf", "share"}),
    study=True,
)
