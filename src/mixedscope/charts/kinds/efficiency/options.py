"""What is drawn of efficiency, which has no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["EfficiencyOptions"]


class EfficiencyOptions(Options):
    """Draw how efficiently every structure shrinks: its errors from a known truth."""
