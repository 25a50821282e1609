"""Conditional modes of a fit, and at its keyframes.

Besides those chosen by how far the modes moved, keyframes are the two evaluations between which
they come to be in place for good.
"""

from __future__ import annotations

from typing import Final

from mixedscope.core.vocabulary import OWN_ESTIMATES
from mixedscope.tables.table_schema import F64, INT32, INT64, TEXT, TableSchema

__all__ = ["IN_PLACE", "MODES", "MODES_TRACE"]

#: Modes are in place where none is farther from its end, in standard deviations of references.
IN_PLACE: Final = 0.05

MODES: Final = TableSchema(
    "modes",
    1,
    {
        "group": TEXT,
        "level": TEXT,
        "term": TEXT,
        "mode": F64,
        "std_dev": F64,
        "joint_limit": F64,
        "within_group": F64,
        "n_obs": INT64,
    },
    frozenset({"group", "level", "term", "mode", "n_obs"}),
    {"own_estimate": frozenset(OWN_ESTIMATES)},
    {"linearised": F64, "own_estimate": TEXT, "direction": F64},
)

MODES_TRACE: Final = TableSchema(
    "modes_trace",
    1,
    {"evaluation": INT32, "group": TEXT, "level": TEXT, "term": TEXT, "mode": F64},
    frozenset({"evaluation", "group", "level", "term", "mode"}),
)
