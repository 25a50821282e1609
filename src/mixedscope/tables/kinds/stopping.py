"""Speed against accuracy: what stopping at each evaluation would have cost."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, TableSchema

__all__ = ["STOPPING"]

STOPPING: Final = TableSchema(
    "stopping",
    1,
    {
        "evaluation": INT32,
        "best_evaluation": INT32,
        "gap": F64,
        "beta": F64,
        "std_error": F64,
        "sigma": F64,
        "modes": F64,
    },
    frozenset({"evaluation"}),
    more={"dispersion": F64},
    study=True,
)
