"""Names of the charts of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from mixedscope.sweeps.config import SweepChartConfig

__all__ = ["chart_names"]

#: Measures that no other run repeats.
_SECONDS = frozenset({"seconds", "search_seconds"})


def chart_names(charts: Sequence[SweepChartConfig]) -> list[str]:
    """Name every chart after what it shows: ``gap-by-tolerance``; numbered if taken.

    Names of charts that show measured seconds end in ``-seconds``, as everywhere.
    """
    taken: dict[str, int] = {}
    names = []
    for chart in charts:
        against = chart.x if chart.rows is None else f"{chart.x}-and-{chart.rows}"
        timed = not _SECONDS.isdisjoint((chart.x, chart.y))
        shown = chart.y.removesuffix("seconds").rstrip("_") or "run"
        name = chart.name or f"{shown if timed else chart.y}-by-{against}".replace(".", "-")
        name = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)
        name = name.removesuffix("-seconds") if timed else name
        end = "-seconds" if timed else ""
        taken[name + end] = taken.get(name + end, 0) + 1
        number = taken[name + end]
        names.append(name + end if number == 1 else f"{name}-{number}{end}")
    return names
