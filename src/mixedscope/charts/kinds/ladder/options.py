"""What is drawn of ladders, which have no options."""

from __future__ import annotations

from mixedscope.charts.common.options import Options

__all__ = ["LadderOptions"]


class LadderOptions(Options):
    """Draw the structures of one model on common axes: what each costs and what it buys."""
