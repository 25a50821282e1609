"""How far conditional modes may be from what they predict, and from each other."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, TEXT, TableSchema

__all__ = ["MODE_CORRELATIONS", "MODE_ERRORS", "MODE_NORMALITY", "MODE_QUANTILES"]

MODE_CORRELATIONS: Final = TableSchema(
    "mode_correlations",
    1,
    {**dict.fromkeys(("group", "level", "term", "term2"), TEXT), "correlation": F64},
    frozenset({"group", "level", "term", "term2"}),
    study=True,
)

MODE_ERRORS: Final = TableSchema(
    "mode_errors",
    1,
    {**dict.fromkeys(("group", "level", "term"), TEXT), "error_sd": F64, "mode_sd": F64},
    frozenset({"group", "level", "term"}),
    study=True,
)

MODE_QUANTILES: Final = TableSchema(
    "mode_quantiles",
    1,
    {
        **dict.fromkeys(("group", "term"), TEXT),
        "rank": INT32,
        "level": TEXT,
        **dict.fromkeys(("normal", "mode", "lower", "upper"), F64),
    },
    frozenset({"group", "term", "rank", "level", "normal", "mode", "lower", "upper"}),
    study=True,
)

MODE_NORMALITY: Final = TableSchema(
    "mode_normality",
    1,
    {
        **dict.fromkeys(("group", "term"), TEXT),
        **dict.fromkeys(("sd", "mode_sd", "coverage"), F64),
        "draws": INT32,
        "joint": BOOL,
        "outside": INT32,
        "expected": F64,
        "most": INT32,
    },
    frozenset({"group", "term", "sd", "mode_sd", "coverage", "draws", "joint"}),
    study=True,
)
