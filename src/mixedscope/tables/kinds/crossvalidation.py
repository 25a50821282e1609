"""Predictions of what was held out: over all groups, by group, and the fits behind them."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import F64, INT32, INT64, TEXT, TableSchema
from mixedscope.tables.vocabulary import STATUSES

__all__ = ["CROSSVALIDATION", "CROSSVALIDATION_FITS", "CROSSVALIDATION_GROUPS"]

_HELD_OUT = {"scheme": TEXT, "by": TEXT}
_SCHEME_VALUES = {"scheme": frozenset({"new", "known"})}

#: Scores of families beside those of linear models.
_SCORES = [
    f"{score}{part}"
    for score in ("mae", "brier", "auc")
    for part in ("", "_se", "_difference", "_difference_se")
]

CROSSVALIDATION: Final = TableSchema(
    "crossvalidation",
    1,
    {
        **_HELD_OUT,
        "structure": TEXT,
        **dict.fromkeys(("groups", "groups_failed"), INT32),
        "n": INT64,
        **dict.fromkeys(("rmse", "rmse_se", "difference", "difference_se"), F64),
        **dict.fromkeys(("log_density", "density_difference", "density_difference_se"), F64),
    },
    frozenset({"scheme", "by", "structure", "groups", "n", "rmse"}),
    _SCHEME_VALUES,
    more=dict.fromkeys(("outcomes", *_SCORES), F64),
)

CROSSVALIDATION_GROUPS: Final = TableSchema(
    "crossvalidation_groups",
    1,
    {
        **_HELD_OUT,
        "structure": TEXT,
        "fold": INT32,
        "level": TEXT,
        "n": INT64,
        **dict.fromkeys(("squared_error", "log_density"), F64),
    },
    frozenset({"scheme", "by", "structure", "fold", "level", "n"}),
    _SCHEME_VALUES,
    more=dict.fromkeys(("outcomes", "absolute_error"), F64),
)

CROSSVALIDATION_FITS: Final = TableSchema(
    "crossvalidation_fits",
    1,
    {**_HELD_OUT, "structure": TEXT, "fold": INT32, "status": TEXT, "error": TEXT},
    frozenset({"scheme", "by", "structure", "fold", "status"}),
    {**_SCHEME_VALUES, "status": STATUSES},
)
