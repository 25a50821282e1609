"""What every table of intervals holds, and what is said where a method has none."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["COLUMNS", "FIXED_ONLY", "HIDDEN", "KNOWN", "UNDETERMINED", "fixed_only", "no_value"]

#: Columns of every table of intervals; a method may add its own behind them.
COLUMNS: Final = ("kind", "group", "term", "term2", "estimate", "lower", "upper", "method")


#: Methods that have intervals of fixed effects only.
FIXED_ONLY: Final = frozenset({"wald", "satterthwaite", "kenward-roger"})

#: Said of a parameter without an interval, or without a value.
UNDETERMINED: Final = "not determined by the data"
HIDDEN: Final = "hidden by a standard deviation of 0"
KNOWN: Final = "known"


def no_value(kind: str, estimate: float, *, knows_sigma: bool) -> str | None:
    """Say why a parameter has no interval by any method; None if it may have one."""
    if kind == "sigma" and knows_sigma:
        return KNOWN
    if not math.isnan(estimate):
        return None
    return f"{UNDETERMINED}, or {HIDDEN}" if kind == "correlation" else UNDETERMINED


def fixed_only(method: str) -> str:
    """Say of a variance parameter that a method has no interval of it, and which have."""
    return f"{method} is of fixed effects only: profile and bootstrap have intervals of all"
