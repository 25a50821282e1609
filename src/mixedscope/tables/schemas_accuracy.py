"""The columns of the tables that tell how accurate estimates and predictions are."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from mixedscope.tables.table_schema import TableSchema

__all__ = ["ACCURACY_SCHEMAS", "MEASURES", "STATUSES"]

_INT32, _INT64, _F64, _TEXT, _BOOL = (
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.bool_(),
)

#: What squared errors are of, in the order of tables and pictures.
MEASURES: Final = ("mode", "contribution", "fixed", "population", "fitted")

#: How a fit ended.
STATUSES: Final = frozenset({"converged", "stopped", "failed"})

_MEASURED = {"structure": _TEXT, "measure": _TEXT, "group": _TEXT, "term": _TEXT}
_HELD_OUT = {"scheme": _TEXT, "by": _TEXT}
_MEASURE_VALUES = {"measure": frozenset(MEASURES)}
_SCHEME_VALUES = {"scheme": frozenset({"new", "known"})}

ACCURACY_SCHEMAS: Final[dict[str, TableSchema]] = {
    # Errors against the truth of simulated responses: their means, and those of every draw.
    "efficiency": TableSchema(
        1,
        {
            **_MEASURED,
            "draws": _INT32,
            **dict.fromkeys(("mse", "mse_se", "bias2", "variance", "exact", "scale"), _F64),
            **dict.fromkeys(("difference", "difference_se", "loss", "loss_se"), _F64),
            **dict.fromkeys(("excess", "excess_se", "gain", "gain_se"), _F64),
        },
        frozenset({"structure", "measure", "draws", "mse"}),
        _MEASURE_VALUES,
    ),
    "efficiency_draws": TableSchema(
        1,
        {
            "draw": _INT32,
            **_MEASURED,
            **dict.fromkeys(("squared_error", "bias2", "variance"), _F64),
        },
        frozenset({"draw", "structure", "measure"}),
        _MEASURE_VALUES,
    ),
    "efficiency_refits": TableSchema(
        1,
        {
            "draw": _INT32,
            "structure": _TEXT,
            "status": _TEXT,
            **dict.fromkeys(("objective", "sigma"), _F64),
            "evaluations": _INT32,
            "singular": _BOOL,
        },
        frozenset({"draw", "structure", "status"}),
        {"status": STATUSES},
    ),
    "efficiency_timing": TableSchema(
        1,
        {"block": _INT32, "structure": _TEXT, "draws": _INT32, "seconds": _F64},
        frozenset({"block", "draws", "seconds"}),
    ),
    # Predictions of what was held out: over all groups, by group, and the fits behind them.
    "crossvalidation": TableSchema(
        1,
        {
            **_HELD_OUT,
            "structure": _TEXT,
            **dict.fromkeys(("groups", "groups_failed"), _INT32),
            "n": _INT64,
            **dict.fromkeys(("rmse", "rmse_se", "difference", "difference_se"), _F64),
            **dict.fromkeys(("log_density", "density_difference", "density_difference_se"), _F64),
        },
        frozenset({"scheme", "by", "structure", "groups", "n", "rmse"}),
        _SCHEME_VALUES,
    ),
    "crossvalidation_groups": TableSchema(
        1,
        {
            **_HELD_OUT,
            "structure": _TEXT,
            "fold": _INT32,
            "level": _TEXT,
            "n": _INT64,
            **dict.fromkeys(("squared_error", "log_density"), _F64),
        },
        frozenset({"scheme", "by", "structure", "fold", "level", "n"}),
        _SCHEME_VALUES,
    ),
    "crossvalidation_fits": TableSchema(
        1,
        {**_HELD_OUT, "structure": _TEXT, "fold": _INT32, "status": _TEXT, "error": _TEXT},
        frozenset({"scheme", "by", "structure", "fold", "status"}),
        {**_SCHEME_VALUES, "status": STATUSES},
    ),
}
