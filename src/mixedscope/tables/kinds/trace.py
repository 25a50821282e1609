"""The trace of a fit: a row per evaluation of the objective, null where it failed."""

from __future__ import annotations

from typing import Final

from mixedscope.core.vocabulary import PHASES
from mixedscope.tables.table_schema import F64, F64S, INT32, TEXT, TableSchema

__all__ = ["TRACE"]

TRACE: Final = TableSchema(
    "trace",
    1,
    {
        "evaluation": INT32,
        "stage": TEXT,
        "status": TEXT,
        "objective": F64,
        "best": F64,
        "theta": F64S,
        "beta": F64S,
        "sigma": F64,
        "log_det": F64,
        "residual_ss": F64,
        "penalty": F64,
        "gradient": F64S,
        "rho": F64,
        "delta": F64,
        "phase": TEXT,
    },
    frozenset({"evaluation", "stage", "status", "theta"}),
    {
        "status": frozenset({"ok", "failed"}),
        "phase": frozenset(PHASES),
    },
    more={"conditional_deviance": F64, "dispersion": F64, "newton_steps": INT32, "halvings": INT32},
    estimated={
        "objective_se": F64,
        "gradient_se": F64S,
        "cg_iterations": INT32,
        "cg_residual": F64,
        "probes": INT32,
    },
)
