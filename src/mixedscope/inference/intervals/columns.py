"""What every table of intervals holds, and what is said where a method has none."""

from __future__ import annotations

from typing import Final

__all__ = ["COLUMNS", "fixed_only"]

#: Columns of every table of intervals; a method may add its own behind them.
COLUMNS: Final = ("kind", "group", "term", "term2", "estimate", "lower", "upper", "method")


def fixed_only(method: str) -> str:
    """Say of a variance parameter that a method has no interval of it, and which have."""
    return f"{method} is of fixed effects only: profile and bootstrap have intervals of all"
