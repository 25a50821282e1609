"""Colours, shapes and legends of the series of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mixedscope.charts.common.legend import key_columns
from mixedscope.charts.common.palette import GROUP_COLOURS, luminance
from mixedscope.charts.common.sheet import is_narrow
from mixedscope.charts.common.structure_names import structure_colours, structure_shapes
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING

__all__ = ["are_numbers", "legend_columns", "legible", "marks", "palette"]

#: Inks of the phases, in the hues of their bands.
_PHASE_INKS: Final = {EXPLORATION: "#B8720A", CONVERGENCE: "#0072B2", FINE_TUNING: "#5A5A5A"}
_MORE_COLOURS: Final = ("#882255", "#999933", "#6E6E6E")
_SHAPES: Final = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
#: Characters that a row of a legend has room for.
_LEGEND: Final = 90


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether all values of a key are numbers, and none is true or false."""
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def palette(key: str, values: Sequence[Any]) -> list[str]:
    """Colours of the values of a key: fixed ones where the theme has them, shades of numbers."""
    if key == "phase":
        return [_PHASE_INKS[v] for v in values]
    if are_numbers(values) and len(values) > 1:
        return [_between("#3E8EC4", "#08306B", i / (len(values) - 1)) for i in range(len(values))]
    spare = (*GROUP_COLOURS, *_MORE_COLOURS)
    if key == "structure":
        return structure_colours(values, spare)
    return [spare[i % len(spare)] for i in range(len(values))]


def legible(first: str, last: str, part: float) -> str:
    """Black or white, whichever is read better on a colour between two of CIE L*a*b*."""
    root = (1.0 - part) * luminance(first) ** (1 / 3) + part * luminance(last) ** (1 / 3)
    return "#FFFFFF" if (root**3 + 0.05) ** 2 < 1.05 * 0.05 else "#000000"


def legend_columns(names: Sequence[str]) -> int:
    """Columns of a legend; 0 for all in a row, where there is room."""
    if max(map(len, names)) * len(names) > _LEGEND and len(names) > 2:
        return 2
    if is_narrow():
        return key_columns(names)
    return 3 if len(names) > 4 else 0


def marks(key: str, values: Sequence[Any]) -> list[str]:
    """Shapes of the points of the values of a key."""
    if key == "structure":
        return structure_shapes(values, _SHAPES)
    return [_SHAPES[i % len(_SHAPES)] for i in range(len(values))]


def _between(first: str, second: str, part: float) -> str:
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * part):02X}" for a, b in pairs)
