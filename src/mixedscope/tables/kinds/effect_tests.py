"""Tests of the fixed effects of a fit: coefficients, terms, hypotheses."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, TEXT, TableSchema

__all__ = ["EFFECT_TESTS"]

EFFECT_TESTS: Final = TableSchema(
    "effect_tests",
    1,
    {
        **dict.fromkeys(("kind", "name", "type", "method"), TEXT),
        **dict.fromkeys(("estimate", "value", "std_error", "level", "lower", "upper"), F64),
        **dict.fromkeys(("num_df", "den_df", "statistic"), F64),
        "distribution": TEXT,
        "p_value": F64,
        "remark": TEXT,
    },
    frozenset({"kind", "name", "method", "num_df", "distribution"}),
    {
        "kind": frozenset({"coefficient", "term", "hypothesis"}),
        "distribution": frozenset({"t", "normal", "F", "chi-squared"}),
    },
)
