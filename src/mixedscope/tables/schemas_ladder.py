"""The columns of the tables that set the covariance structures of a model side by side."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from mixedscope.tables.table_schema import TableSchema

__all__ = ["LADDER_SCHEMAS", "REFERENCES"]

_INT32, _INT64, _F64, _TEXT, _BOOL = (
    pa.int32(),
    pa.int64(),
    pa.float64(),
    pa.string(),
    pa.bool_(),
)

#: What a likelihood-ratio statistic is compared with.
REFERENCES: Final = frozenset({"chi-squared", "mixture", "bounds"})

LADDER_SCHEMAS: Final[dict[str, TableSchema]] = {
    # Several structures of one model, one row per fit.
    "structures": TableSchema(
        2,
        {
            **dict.fromkeys(("model", "structure", "optimizer", "criterion"), _TEXT),
            "n": _INT64,
            **dict.fromkeys(("n_theta", "dof"), _INT32),
            **dict.fromkeys(("objective", "loglik", "aic", "aicc", "bic"), _F64),
            **dict.fromkeys(("above_objective", "above_aic", "above_aicc", "above_bic"), _F64),
            "sigma": _F64,
            "evaluations": _INT32,
            "edf": _F64,
            "singular": _BOOL,
            **dict.fromkeys(("effective_dimensions", "dimensions"), _INT32),
            **dict.fromkeys(("ranks", "verdict"), _TEXT),
            "newton_decrement": _F64,
        },
        frozenset({"model", "structure", "optimizer", "objective", "above_objective"}),
    ),
    "structures_timing": TableSchema(
        1,
        {"model": _TEXT, "structure": _TEXT, "optimizer": _TEXT, "seconds": _F64},
        frozenset({"model", "structure", "optimizer", "seconds"}),
    ),
    # Likelihood-ratio tests between nested structures.
    "tests": TableSchema(
        1,
        {
            **dict.fromkeys(("model", "optimizer", "criterion", "poorer", "richer"), _TEXT),
            **dict.fromkeys(("adjacent", "richest"), _BOOL),
            "parameters": _INT32,
            "statistic": _F64,
            "reference": _TEXT,
            **dict.fromkeys(("p_value", "p_error", "p_low", "p_high", "p_naive"), _F64),
            "dofs": pa.list_(_F64),
            "weights": pa.list_(_F64),
            "fewest_levels": _INT32,
            "words": _TEXT,
            **dict.fromkeys(("bootstrap_draws", "bootstrap_failed"), _INT32),
            **dict.fromkeys(("bootstrap_p", "bootstrap_error", "bootstrap_zero"), _F64),
        },
        frozenset({"model", "optimizer", "poorer", "richer", "statistic", "reference"}),
        {"reference": REFERENCES},
    ),
    # Principal axes of the random effects under each structure.
    "components": TableSchema(
        2,
        {
            **dict.fromkeys(("model", "structure", "optimizer", "group"), _TEXT),
            "component": _INT32,
            **dict.fromkeys(("sd", "share"), _F64),
            **dict.fromkeys(("allowed", "collapsed"), _BOOL),
            "terms": _TEXT,
            "loadings": pa.list_(_F64),
            "name": _TEXT,
        },
        frozenset({"model", "structure", "optimizer", "group", "component"}),
    ),
    # The statistic of every test where the poorer model is true, draw by draw.
    "bootstrap": TableSchema(
        1,
        {
            "poorer": _TEXT,
            "richer": _TEXT,
            "draw": _INT32,
            "statistic": _F64,
            "failed": _BOOL,
        },
        frozenset({"poorer", "richer", "draw", "failed"}),
    ),
}
