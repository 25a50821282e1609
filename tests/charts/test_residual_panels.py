"""Panels that stand in a row have headings that stand in a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from mixedscope.charts.kinds.motion.ticks import nice_ticks
from mixedscope.charts.kinds.residuals.parts import cleared

sys.path.append(str(Path(__file__).parents[1] / "pictures"))

from picture_cases import specification


@pytest.mark.parametrize(
    ("low", "high", "height"), [(-6.2, 6.2, 110), (0.0, 2.51, 96), (-2.05, 2.05, 230), (-1, 9, 60)]
)
def test_no_number_of_an_axis_stands_out_above_its_panel(
    low: float, high: float, height: int
) -> None:
    ends = cleared(low, high, height)
    assert ends[0] == low
    assert high <= ends[1] < high + 0.3 * (high - low)
    last = nice_ticks(*ends, 5)[-1][0]
    assert (ends[1] - last) / (ends[1] - ends[0]) * height > 5.0


def headings(node: Any) -> list[list[int]]:
    """Lines of the headings of the panels of every row."""
    if isinstance(node, list):
        return [found for part in node for found in headings(part)]
    if not isinstance(node, dict):
        return []
    own = [p["title"] for p in node.get("hconcat", []) if "subtitle" in p.get("title", {})]
    rows = [[len(title["subtitle"]) for title in own]] if own else []
    return rows + [found for part in node.values() for found in headings(part)]


@pytest.mark.parametrize("case", ["check", "residuals"])
def test_headings_of_a_row_have_as_many_lines_and_no_more(case: str) -> None:
    rows = headings(specification(case))
    assert len(rows) > 1
    assert all(len(set(row)) == 1 for row in rows)
