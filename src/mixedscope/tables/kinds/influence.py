"""What estimates are without an observation, or without all observations of a group."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT64, TEXT, TableSchema

__all__ = ["INFLUENCE", "INFLUENCE_PARAMETERS"]

_METHODS: Final = frozenset({"fixed", "newton", "exact"})

INFLUENCE: Final = TableSchema(
    "influence",
    1,
    {
        **dict.fromkeys(("by", "unit"), TEXT),
        **dict.fromkeys(("row", "n_obs"), INT64),
        "method": TEXT,
        **dict.fromkeys(("cooks_distance", "covratio", "sigma", "objective"), F64),
        "evaluations": INT64,
        "note": TEXT,
    },
    frozenset({"unit", "n_obs", "method", "evaluations"}),
    {"method": _METHODS},
)

INFLUENCE_PARAMETERS: Final = TableSchema(
    "influence_parameters",
    1,
    {
        **dict.fromkeys(("by", "unit"), TEXT),
        "row": INT64,
        **dict.fromkeys(("method", "kind", "group", "term", "term2"), TEXT),
        **dict.fromkeys(("estimate", "change", "scaled"), F64),
    },
    frozenset({"unit", "method", "kind"}),
    {
        "method": _METHODS,
        "kind": frozenset({"beta", "sigma", "dispersion", "sd", "correlation", "theta"}),
    },
)
