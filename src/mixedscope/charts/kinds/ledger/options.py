"""What can be chosen of ledgers."""

from __future__ import annotations

from typing import Literal

from mixedscope.charts.common.options import Options

__all__ = ["LedgerOptions"]


class LedgerOptions(Options):
    """Draw how variance moved between observations and groups along the optimisation."""

    x_scale: Literal["auto", "linear", "log"] = "auto"
    """Scale of the axis of evaluations; ``auto``: log where their numbers differ tenfold."""
