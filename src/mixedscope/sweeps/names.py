"""Names of the charts of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.sweeps.config import SweepChartConfig

__all__ = ["chart_names"]


def chart_names(charts: Sequence[SweepChartConfig]) -> list[str]:
    """Name every chart after what it shows: ``gap-by-tolerance``; numbered if taken."""
    taken: dict[str, int] = {}
    names = []
    for chart in charts:
        against = chart.x if chart.rows is None else f"{chart.x}-and-{chart.rows}"
        name = chart.name or f"{chart.y}-by-{against}".replace(".", "-")
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return names
