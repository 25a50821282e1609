"""Marks and colours of a landscape, and the key that explains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import altair as alt

from mixedscope.charts.common.compose import layered
from mixedscope.charts.common.datasets import Datasets
from mixedscope.charts.common.numerals import number
from mixedscope.charts.common.theme import COLOURS, FONT, ink

__all__ = ["MARKS", "Mark", "band_colours", "key"]

#: From the minimum outwards: paper, then ever darker; neutral in print.
_BANDS: Final = (
    "#FFFFFF",
    "#F5F2EB",
    "#ECE7DB",
    "#E1DACA",
    "#D5CDB9",
    "#C9BFA8",
    "#BBB198",
    "#ADA288",
)
_GREYS: Final = (
    "#FFFFFF",
    "#F2F2F2",
    "#E8E8E8",
    "#DBDBDB",
    "#CDCDCD",
    "#BFBFBF",
    "#B0B0B0",
    "#A1A1A1",
)

_CHARACTER: Final = 5.3


@dataclass(frozen=True)
class Mark:
    """How a kind of point is drawn, and what it is called.

    Attributes
    ----------
    words : str
    shape : str
    size : float
    colour : str
        A name of the theme's `COLOURS`, or of its inks.
    filled : bool
        Otherwise the inside has the colour of the paper, or none for trials.
    hollow : bool
        Nothing inside.
    """

    words: str
    shape: str
    size: float
    colour: str
    filled: bool = True
    hollow: bool = False

    def settings(self, theme: str) -> dict[str, Any]:
        """Settings of a Vega-Lite point mark."""
        inks = ink(theme)
        colour = COLOURS.get(self.colour) or inks[self.colour]
        out: dict[str, Any] = {"shape": self.shape, "size": self.size, "opacity": 1}
        if self.filled:
            return out | {"filled": True, "color": colour}
        fill = {} if self.hollow else {"fill": inks["paper"]}
        return out | {"filled": False, "stroke": colour, "strokeWidth": 1.2, **fill}


_PLUS: Final = (
    "M-.25,-1L.25,-1L.25,-.25L1,-.25L1,.25L.25,.25L.25,1L-.25,1L-.25,.25L-1,.25L-1,-.25L-.25,-.25Z"
)

#: Kinds of points in the order in which the key names them.
MARKS: Final[dict[str, Mark]] = {
    "start": Mark("start", "square", 55, "best", filled=False),
    "evaluation": Mark("trial", "circle", 11, "evaluation", filled=False, hollow=True),
    "best": Mark("best so far", "circle", 14, "best"),
    "escape": Mark("while escaping a saddle or a false bound", "diamond", 30, "escape"),
    "polish": Mark("while polishing", "triangle-up", 26, "polish"),
    "restart": Mark("while looking for a lower minimum", "triangle-down", 26, "restart"),
    "optimum": Mark("optimum", _PLUS, 34, "ink"),
    "saddle": Mark("saddle", "diamond", 55, "ink", filled=False),
    "hilltop": Mark("hilltop", "triangle-up", 55, "ink", filled=False),
}


def band_colours(levels: int, theme: str) -> list[str]:
    """Colours below each level, and beyond the last: one more than there are levels."""
    bands = _GREYS if theme == "print" else _BANDS
    return [bands[round(i * (len(bands) - 1) / max(levels, 1))] for i in range(levels + 1)]


def key(
    data: Datasets, levels: Sequence[float], kinds: Sequence[str], *, width: float, theme: str
) -> Any:
    """Draw the key: a strip of bands with their levels, and a row of marks.

    ``data``: receives its tables. ``levels``: contours, ascending; none for a curve. ``kinds``:
    keys of `MARKS`. ``width``: pixels.
    """
    inks = ink(theme)
    height = 0.0
    layers: list[Any] = []

    def place(field: str, size: float, *, down: bool = False) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "axis": None,
            "scale": alt.Scale(domain=[size, 0] if down else [0, size], nice=False, zero=False),
        }

    bars: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    if levels:
        words = "objective − minimum"
        texts.append({"x": 0.0, "y": 7.0, "text": words, "side": "left"})
        colours = band_colours(len(levels), theme)
        names = [number(level, 6) for level in levels]
        left, top = len(words) * _CHARACTER + 10, 1.0
        apart = _apart(names)
        if (width - left) / len(colours) < apart:
            left, top = 0.0, 16.0
        step = min(48.0, (width - left) / len(colours))
        # Where there is no room even so, every other name stands lower.
        drop = 11.0 if step < apart else 0.0
        for i, colour in enumerate(colours):
            bars.append(
                {
                    "x": left + i * step,
                    "x2": left + (i + 1) * step,
                    "y": top,
                    "y2": top + 12.0,
                    "c": colour,
                }
            )
        for i, name in enumerate(names, start=1):
            y = top + 21.0 + drop * (i % 2 == 0)
            texts.append({"x": left + i * step, "y": y, "text": name, "side": "center"})
        height = top + 31.0 + drop
    marks: list[dict[str, Any]] = []
    x, y = 0.0, height + 8.0
    for kind in kinds:
        length = 16 + len(MARKS[kind].words) * _CHARACTER
        if x > 0 and x + length > width:
            x, y = 0.0, y + 15.0
        marks.append({"kind": kind, "x": x + 6, "y": y})
        texts.append({"x": x + 15, "y": y, "text": MARKS[kind].words, "side": "left"})
        x += length + 11
    height = y + 8.0
    if bars:
        layers.append(
            data.chart(bars)
            .mark_rect(stroke=inks["soft"], strokeWidth=0.5, fillOpacity=1, aria=False)
            .encode(
                x=alt.X(**place("x", width)),
                x2=alt.X2(field="x2"),
                y=alt.Y(**place("y", height, down=True)),
                y2=alt.Y2(field="y2"),
                fill=alt.Fill(field="c", type="nominal", scale=None),
            )
        )
    for row in marks:
        layers.append(
            data.chart([row])
            .mark_point(aria=False, **MARKS[row["kind"]].settings(theme))
            .encode(x=alt.X(**place("x", width)), y=alt.Y(**place("y", height, down=True)))
        )
    for side in ("left", "center"):
        rows = [t for t in texts if t["side"] == side]
        if rows:
            layers.append(
                data.chart(rows)
                .mark_text(
                    align=side,
                    baseline="middle",
                    fontSize=10,
                    font=FONT,
                    fill=inks["ink"],
                    aria=False,
                )
                .encode(
                    x=alt.X(**place("x", width)),
                    y=alt.Y(**place("y", height, down=True)),
                    text=alt.Text(field="text", type="nominal"),
                )
            )
    return layered(*layers, view=alt.ViewConfig(stroke=None)).properties(width=width, height=height)


def _apart(names: Sequence[str]) -> float:
    """Pixels from one band to the next that keep the names of levels apart."""
    return max((_CHARACTER * (len(a) + len(b)) / 2 + 4 for a, b in pairwise(names)), default=0.0)
