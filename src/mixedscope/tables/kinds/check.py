"""What a sheet of checks shows beside residuals."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT64, TEXT, TableSchema

__all__ = ["CHECK_COLLINEARITY", "CHECK_DENSITY", "CHECK_EFFECTS", "CHECK_NUMBERS", "CHECK_TERMS"]

CHECK_DENSITY: Final = TableSchema(
    "check_density",
    1,
    dict.fromkeys(("response", "observed", "lower", "middle", "upper"), F64),
    frozenset({"response", "observed", "lower", "middle", "upper"}),
    study=True,
)

CHECK_EFFECTS: Final = TableSchema(
    "check_effects",
    1,
    {
        **dict.fromkeys(("group", "term", "level"), TEXT),
        **dict.fromkeys(("normal", "value", "lower", "upper"), F64),
    },
    frozenset({"group", "term", "level", "normal", "value", "lower", "upper"}),
    study=True,
)

CHECK_TERMS: Final = TableSchema(
    "check_terms",
    1,
    {
        **dict.fromkeys(("group", "term"), TEXT),
        "levels": INT64,
        "varies": BOOL,
        "outside": INT64,
        "gap": F64,
    },
    frozenset({"group", "term", "levels", "varies", "outside", "gap"}),
    more={"likely": INT64},
    study=True,
)

CHECK_COLLINEARITY: Final = TableSchema(
    "check_collinearity",
    1,
    {"term": TEXT, "df": INT64, "vif": F64},
    frozenset({"term", "df"}),
    study=True,
)

CHECK_NUMBERS: Final = TableSchema(
    "check_numbers", 1, {"name": TEXT, "value": F64}, frozenset({"name"}), study=True
)
