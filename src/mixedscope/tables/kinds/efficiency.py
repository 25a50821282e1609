"""Errors against the truth of simulated responses: their means, and those of every draw."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, TEXT, TableSchema
from mixedscope.tables.vocabulary import STATUSES

__all__ = ["EFFICIENCY", "EFFICIENCY_DRAWS", "EFFICIENCY_REFITS", "EFFICIENCY_TIMING", "MEASURES"]

#: What squared errors are of, in the order of tables and pictures.
MEASURES: Final = ("mode", "contribution", "fixed", "population", "fitted")

_MEASURED = {"structure": TEXT, "measure": TEXT, "group": TEXT, "term": TEXT}
_MEASURE_VALUES = {"measure": frozenset(MEASURES)}

EFFICIENCY: Final = TableSchema(
    "efficiency",
    1,
    {
        **_MEASURED,
        "draws": INT32,
        **dict.fromkeys(("mse", "mse_se", "bias2", "variance", "exact", "scale"), F64),
        **dict.fromkeys(("difference", "difference_se", "loss", "loss_se"), F64),
        **dict.fromkeys(("excess", "excess_se", "gain", "gain_se"), F64),
    },
    frozenset({"structure", "measure", "draws", "mse"}),
    _MEASURE_VALUES,
)

EFFICIENCY_DRAWS: Final = TableSchema(
    "efficiency_draws",
    1,
    {
        "draw": INT32,
        **_MEASURED,
        **dict.fromkeys(("squared_error", "bias2", "variance"), F64),
    },
    frozenset({"draw", "structure", "measure"}),
    _MEASURE_VALUES,
)

EFFICIENCY_REFITS: Final = TableSchema(
    "efficiency_refits",
    1,
    {
        "draw": INT32,
        "structure": TEXT,
        "status": TEXT,
        **dict.fromkeys(("objective", "sigma"), F64),
        "evaluations": INT32,
        "singular": BOOL,
    },
    frozenset({"draw", "structure", "status"}),
    {"status": STATUSES},
)

EFFICIENCY_TIMING: Final = TableSchema(
    "efficiency_timing",
    1,
    {"block": INT32, "structure": TEXT, "draws": INT32, "seconds": F64},
    frozenset({"block", "draws", "seconds"}),
)
