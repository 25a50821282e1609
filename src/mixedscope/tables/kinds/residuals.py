"""Residuals of a fit: by fitted values, against normal quantiles, with leverages, by group."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT64, TEXT, TableSchema

__all__ = [
    "RESIDUALS_BINS",
    "RESIDUALS_CONTOURS",
    "RESIDUALS_GROUPS",
    "RESIDUALS_NUMBERS",
    "RESIDUALS_POINTS",
    "RESIDUALS_QQ",
]

RESIDUALS_POINTS: Final = TableSchema(
    "residuals_points",
    1,
    {
        "row": INT64,
        "unit": TEXT,
        "fitted": F64,
        "along": F64,
        "residual": F64,
        "leverage": F64,
        "cooks_distance": F64,
        "extreme": BOOL,
    },
    frozenset({"row", "unit", "fitted", "along", "residual", "extreme"}),
    study=True,
)

RESIDUALS_QQ: Final = TableSchema(
    "residuals_qq",
    1,
    {"row": INT64, "unit": TEXT, **dict.fromkeys(("normal", "residual", "lower", "upper"), F64)},
    frozenset({"row", "unit", "normal", "residual", "lower", "upper"}),
    study=True,
)

RESIDUALS_CONTOURS: Final = TableSchema(
    "residuals_contours",
    1,
    dict.fromkeys(("distance", "leverage", "residual"), F64),
    frozenset({"distance", "leverage", "residual"}),
    study=True,
)

RESIDUALS_BINS: Final = TableSchema(
    "residuals_bins",
    1,
    {
        "of": TEXT,
        **dict.fromkeys(("begin", "end", "along"), F64),
        "n_obs": INT64,
        **dict.fromkeys(("median", "lower", "upper"), F64),
    },
    frozenset({"of", "begin", "end", "along", "n_obs", "median"}),
    {"of": frozenset({"residual", "root"})},
    study=True,
)

RESIDUALS_GROUPS: Final = TableSchema(
    "residuals_groups",
    1,
    {
        "group": TEXT,
        "level": TEXT,
        "rank": INT64,
        "levels": INT64,
        "n_obs": INT64,
        **dict.fromkeys(("least", "lower", "median", "upper", "most"), F64),
    },
    frozenset({"group", "level", "rank", "levels", "n_obs", "median"}),
    study=True,
)

RESIDUALS_NUMBERS: Final = TableSchema(
    "residuals_numbers",
    1,
    {"name": TEXT, "value": F64},
    frozenset({"name"}),
    study=True,
)
