"""What can be chosen of races."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixedscope.charts.common.options import Options, X

__all__ = ["RaceOptions"]


class RaceOptions(Options):
    """Draw a race of optimisers: how fast each came down, and where each ended.

    Without the table ``race_timing`` the picture holds no seconds.
    """

    x: X = "evaluation"

    def chosen(self, tables: Mapping[str, Any], needed: tuple[str, ...]) -> list[Any]:
        """Seconds too, where they are known."""
        return [*super().chosen(tables, needed), tables.get("race_timing")]
