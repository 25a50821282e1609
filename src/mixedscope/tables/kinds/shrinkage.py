"""A fit with its relative covariance factors scaled by s, from complete to no pooling."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, F64S, TEXT, TableSchema

__all__ = ["SHRINKAGE_ERROR", "SHRINKAGE_PATH", "SHRINKAGE_SCALE"]

SHRINKAGE_PATH: Final = TableSchema(
    "shrinkage_path",
    1,
    {"s": F64, "group": TEXT, "level": TEXT, "term": TEXT, "mode": F64},
    frozenset({"s", "group", "level", "term"}),
    study=True,
)

SHRINKAGE_SCALE: Final = TableSchema(
    "shrinkage_scale",
    1,
    {"s": F64, "objective": F64, "sigma": F64, "edf": F64, "edf_groups": F64S},
    frozenset({"s", "objective", "sigma", "edf", "edf_groups"}),
    study=True,
)

SHRINKAGE_ERROR: Final = TableSchema(
    "shrinkage_error",
    1,
    {"s": F64, "group": TEXT, "term": TEXT, "bias2": F64, "variance": F64, "mse": F64},
    frozenset({"s", "bias2", "variance", "mse"}),
    study=True,
)
