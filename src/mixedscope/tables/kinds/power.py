"""Power of a planned study by its size, and the sizes that have the power that is wanted."""

from __future__ import annotations

from typing import Final

from mixedscope.tables.table_schema import BOOL, F64, INT32, INT64, TEXT, TableSchema

__all__ = ["POWER", "POWER_DRAWS", "POWER_SIZES"]

_TESTS = frozenset({"satterthwaite", "kenward-roger", "wald", "lrt", "profile"})

POWER: Final = TableSchema(
    "power",
    1,
    {
        **{"factor": TEXT, "size": INT32, "factor2": TEXT, "size2": INT32},
        "rows": INT64,
        **{"effect": TEXT, "value": F64, "truth": F64},
        **{"test": TEXT, "criterion": TEXT, "level": F64, "seed": INT64},
        **dict.fromkeys(("draws", "tested", "rejected"), INT32),
        **dict.fromkeys(("power", "power_lower", "power_upper"), F64),
        **dict.fromkeys(("power_least", "power_most", "type_s", "type_m"), F64),
        "intervals": INT32,
        **dict.fromkeys(("coverage", "coverage_lower", "coverage_upper", "width"), F64),
        **dict.fromkeys(("mean", "empirical_se", "model_se"), F64),
        **dict.fromkeys(("singular", "uncertified", "failed"), INT32),
        "reason": TEXT,
    },
    frozenset(
        {"rows", "effect", "value", "truth", "test", "criterion", "level", "seed", "draws"}
        | {"tested", "rejected", "power_least", "power_most", "intervals"}
        | {"singular", "uncertified", "failed"}
    ),
    {"test": _TESTS},
)

POWER_SIZES: Final = TableSchema(
    "power_sizes",
    1,
    {
        **{"effect": TEXT, "factor": TEXT, "factor2": TEXT, "size2": INT32, "wanted": F64},
        **dict.fromkeys(("size", "size_lower", "size_upper", "smallest", "largest"), INT32),
        **dict.fromkeys(("power", "power_lower", "power_upper"), F64),
    },
    frozenset({"effect", "factor", "wanted", "smallest", "largest"}),
)

POWER_DRAWS: Final = TableSchema(
    "power_draws",
    1,
    {
        **dict.fromkeys(("size", "size2", "draw"), INT32),
        "effect": TEXT,
        **dict.fromkeys(("estimate", "std_error", "df", "lower", "upper", "p_value"), F64),
        **dict.fromkeys(("certified", "failed", "singular"), BOOL),
        "remark": TEXT,
    },
    frozenset({"draw", "effect", "certified", "failed", "singular"}),
)
