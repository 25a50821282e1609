"""Likelihood-ratio tests between nested structures."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, F64S, INT32, TEXT, TableSchema

__all__ = ["REFERENCES", "TESTS", "TESTS_BOOTSTRAP"]

#: What a likelihood-ratio statistic is compared with.
REFERENCES: Final = frozenset({"chi-squared", "mixture", "bounds"})

TESTS: Final = TableSchema(
    "tests",
    1,
    {
        **dict.fromkeys(("model", "optimizer", "criterion", "poorer", "richer"), TEXT),
        **dict.fromkeys(("adjacent", "richest"), BOOL),
        "parameters": INT32,
        "statistic": F64,
        "reference": TEXT,
        **dict.fromkeys(("p_value", "p_error", "p_low", "p_high", "p_naive"), F64),
        "dofs": F64S,
        "weights": F64S,
        "fewest_levels": INT32,
        "words": TEXT,
        **dict.fromkeys(("bootstrap_draws", "bootstrap_failed"), INT32),
        **dict.fromkeys(("bootstrap_p", "bootstrap_error", "bootstrap_zero"), F64),
    },
    frozenset({"model", "optimizer", "poorer", "richer", "statistic", "reference"}),
    {"reference": REFERENCES},
    estimated={"statistic_se": F64},
)

#: The statistic of every test where the poorer model is true, draw by draw.
TESTS_BOOTSTRAP: Final = TableSchema(
    "tests_bootstrap",
    1,
    {
        "poorer": TEXT,
        "richer": TEXT,
        "draw": INT32,
        "statistic": F64,
        "failed": BOOL,
    },
    frozenset({"poorer", "richer", "draw", "failed"}),
)
