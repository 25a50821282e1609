"""What can be chosen of dumbbell charts."""

from __future__ import annotations

from mixedscope.charts.common.options import AnyReference, Compared, Scale

__all__ = ["DumbbellOptions"]


class DumbbellOptions(Compared):
    """Draw reference, conditional mode and zero of every level for one term."""

    term: str | int | None = None
    """By name or by position (from 0); by default the first of the factor."""
    reference: AnyReference = "auto"
    scale: Scale = "b"
