"""Fits side by side: how many in a row, and how wide each is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mixedscope.charts.common.compose import in_column, in_grid
from mixedscope.charts.common.sheet import inner

__all__ = ["MOST_IN_A_ROW", "in_rows", "panel_width", "rows_of"]

#: Fits whose panels stand beside each other; more begin another row.
MOST_IN_A_ROW: Final = 4

_NARROWEST: Final = 96


def rows_of(count: int, most: int = MOST_IN_A_ROW) -> list[range]:
    """Divide fits into rows of about equal length.

    ``most``: in a row. Gives positions of the fits of every row; the last row may be shorter.
    """
    rows = -(-count // most)
    each = -(-count // rows)
    return [range(at, min(at + each, count)) for at in range(0, count, each)]


def panel_width(count: int, axis: int, gap: int) -> int:
    """Give the width of a panel where `count` fits share the width of a page.

    ``axis``, ``gap``: pixels for the vertical axis, and between panels. Gives pixels.
    """
    each = len(rows_of(count)[0])
    return max(_NARROWEST, (inner() - axis - gap * (each - 1)) // each)


def in_rows(
    count: int, panels: Callable[[range], list[Any]], shared: list[str], independent: list[str]
) -> Any:
    """Put the panels of fits in rows.

    ``count``: fits. ``panels``: gives the panels of the fits of a row: for every line of panels,
    one of each fit. ``shared``, ``independent``: channels whose scales and legends all panels have
    in common, and whose scales they do not.
    """

    def resolved(chart: Any) -> Any:
        scales = dict.fromkeys(shared, "shared") | dict.fromkeys(independent, "independent")
        return chart.resolve_scale(**scales).resolve_legend(**dict.fromkeys(shared, "shared"))

    blocks = [resolved(in_grid(*panels(row), columns=len(row))) for row in rows_of(count)]
    return blocks[0] if len(blocks) == 1 else resolved(in_column(*blocks, spacing=22))
