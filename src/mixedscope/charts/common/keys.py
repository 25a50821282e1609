"""Keys of charts of points, lines and bands: each mark as it is drawn, with its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import altair as alt
import pandas as pd

from mixedscope.charts.common.compose import in_column, layered
from mixedscope.charts.common.theme import FONT, ink

__all__ = ["Keyed", "mark_key"]

#: Mean width of a character of the font, as a share of its size; pixels of a row and of a mark.
_CHARACTER: Final = 0.52
_ROW: Final = 15.0
_MARK: Final = 18.0
_SIZE: Final = 10
#: Rows drawn as one: what is higher gives way where a chart is taller than a page.
_BLOCK: Final = 3


@dataclass(frozen=True)
class Keyed:
    """A mark and what it means.

    Attributes
    ----------
    mark : {"line", "point", "band", "upright"}
        The last is a line that stands.
    words : str
    style : mapping
        Settings of the mark in Vega-Lite.
    """

    mark: Literal["line", "point", "band", "upright"]
    words: str
    style: Mapping[str, Any]


def mark_key(
    items: Sequence[Keyed], *, width: float, theme: str, heading: tuple[str, str] | None = None
) -> Any:
    """Draw a key: rows of marks in a width in pixels, one that would not fit beginning another.

    ``heading``: words before the first of them, such as the axis whose marks they are, and the
    longest such words of the keys below each other.
    """
    first = len(heading[1]) * _SIZE * _CHARACTER + 10 if heading else 0.0
    rows: list[list[tuple[Keyed, float]]] = [[]]
    x = first
    for item in items:
        length = _MARK + 4 + len(item.words) * _SIZE * _CHARACTER
        if rows[-1] and x + length > width:
            rows.append([])
            x = first
        rows[-1].append((item, x))
        x += length + 14
    blocks = [
        _drawn(rows[i : i + _BLOCK], width, theme, heading[0] if heading and i == 0 else "")
        for i in range(0, len(rows), _BLOCK)
    ]
    return blocks[0] if len(blocks) == 1 else in_column(*blocks, spacing=0)


def _drawn(
    rows: Sequence[Sequence[tuple[Keyed, float]]], width: float, theme: str, heading: str
) -> Any:
    """Draw rows of marks, each where it begins, and a heading before the first."""
    height = len(rows) * _ROW
    items = [item for row in rows for item, _ in row]
    places = [(left, (i + 0.5) * _ROW) for i, row in enumerate(rows) for _, left in row]

    def axis(field: str, ends: list[float]) -> dict[str, Any]:
        scale = alt.Scale(domain=ends, nice=False, zero=False)
        return {"field": field, "type": "quantitative", "axis": None, "scale": scale}

    across, down = [0.0, float(width)], [height, 0.0]
    layers = []
    for item, (left, middle) in zip(items, places, strict=True):
        half = {"band": 4.0, "upright": 6.0}.get(item.mark, 0.0)
        point = item.mark == "point"
        begin, end = (left, left + _MARK)
        if item.mark in ("point", "upright"):
            begin = left + _MARK / 2
        if item.mark == "upright":
            end = begin
        base = alt.Chart(
            pd.DataFrame(
                [
                    {
                        "x": begin,
                        "x2": end,
                        "y": middle - half,
                        "y2": middle + half,
                    }
                ]
            ),
            width=width,
            height=height,
        )
        mark = {
            "point": base.mark_point,
            "line": base.mark_rule,
            "upright": base.mark_rule,
            "band": base.mark_rect,
        }[item.mark](aria=False, **item.style)
        ends: dict[str, Any] = {} if point else {"x2": alt.X2(field="x2")}
        if half:
            ends["y2"] = alt.Y2(field="y2")
        layers.append(mark.encode(x=alt.X(**axis("x", across)), y=alt.Y(**axis("y", down)), **ends))
    words = [
        {"x": left + _MARK + 4, "y": middle, "text": item.words}
        for item, (left, middle) in zip(items, places, strict=True)
    ]
    if heading:
        words.insert(0, {"x": 0.0, "y": 0.5 * _ROW, "text": heading})
    layers.append(
        alt.Chart(pd.DataFrame(words), width=width, height=height)
        .mark_text(
            align="left", baseline="middle", fontSize=_SIZE, font=FONT, color=ink(theme)["ink"]
        )
        .encode(
            x=alt.X(**axis("x", across)),
            y=alt.Y(**axis("y", down)),
            text=alt.Text(field="text", type="nominal"),
        )
    )
    return layered(*layers, view=alt.ViewConfig(stroke=None))
