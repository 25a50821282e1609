"""What can be chosen of phases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mixedscope.charts.common.options import Options
from mixedscope.core.errors import ModelError

__all__ = ["PhasesOptions"]


class PhasesOptions(Options):
    """Draw which share of the work of every fit each phase took."""

    example = "ms.charts.phases(small, large)"

    order: Literal["n_theta", "q", "n"] = "n_theta"
    """Size by which the fits are ordered, the smallest first."""
    seconds: bool = True
    """Draw shares of seconds beside those of evaluations."""

    def chosen(self, tables: Mapping[str, Any], needed: tuple[str, ...]) -> list[Any]:
        """Seconds too, unless they are not wanted."""
        timing = ("phases_timing", "phases_timing_trend") if self.seconds else ()
        for name in timing:
            if name not in tables:
                raise ModelError(
                    f"The table {name!r} is missing: draw with seconds=False, or give it."
                )
        return super().chosen(tables, (*needed, *timing))
