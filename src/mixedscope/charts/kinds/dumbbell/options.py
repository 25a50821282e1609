"""What can be chosen of dumbbell charts."""

from __future__ import annotations

from mixedscope.charts.common.options import Options, Reference, Scale

__all__ = ["DumbbellOptions"]


class DumbbellOptions(Options):
    """Draw reference, conditional mode and zero of every level for one term."""

    term: str | None = None
    """By default the first of the factor."""
    reference: Reference = "auto"
    scale: Scale = "b"
