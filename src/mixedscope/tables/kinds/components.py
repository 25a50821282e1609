"""Principal axes of the random effects under each structure."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["COMPONENTS"]

COMPONENTS: Final = TableSchema(
    "components",
    2,
    {
        **dict.fromkeys(("model", "structure", "optimizer", "group"), TEXT),
        "component": INT32,
        **dict.fromkeys(("sd", "share"), F64),
        **dict.fromkeys(("allowed", "collapsed"), BOOL),
        "terms": TEXT,
        "loadings": F64S,
        "name": TEXT,
    },
    frozenset({"model", "structure", "optimizer", "group", "component"}),
)
