"""Speed against accuracy: where an accuracy is reached, and what would have stopped there."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TEXT, TableSchema

__all__ = ["ACCURACY"]

ACCURACY: Final = TableSchema(
    "accuracy",
    1,
    {
        "measure": TEXT,
        "accuracy": F64,
        "evaluation": INT32,
        "stage": TEXT,
        "after": INT32,
        "criterion": TEXT,
        "tolerance": F64,
        "stops_at": INT32,
    },
    frozenset({"measure", "accuracy", "criterion"}),
    {
        "measure": frozenset({"gap", "beta", "std_error", "sigma", "dispersion", "modes"}),
        "criterion": frozenset({"trust radius", "predicted decrease", "decrease"}),
    },
    study=True,
)
