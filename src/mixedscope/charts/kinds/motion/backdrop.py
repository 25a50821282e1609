"""The part of a film that stands still, as SVG: words, axes, phases, and all evaluations, faint.

Text is drawn by the renderer of all other charts, which carries the font, so that a film looks the
same on every machine.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from mixedscope.charts.common.legend import title_lines
from mixedscope.charts.common.open_ends import CORNERS
from mixedscope.charts.common.probe_band import PROBE_KEY, VEIL
from mixedscope.charts.common.theme import COLOURS, FONT, ink
from mixedscope.charts.kinds.motion.frames import Course
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH, Block, Box, TraceBox
from mixedscope.charts.kinds.motion.marks import AHEAD, FILM, TRACE, point_radius
from mixedscope.charts.kinds.motion.ticks import gap_ticks, nice_ticks
from mixedscope.charts.kinds.trace.words import PHASE_NAMES

__all__ = ["Sheet", "key_of_phases", "mix", "text_width"]

#: Mean width of a character of the font, as a share of its size.
_CHARACTER: Final = 0.52


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in pixels."""
    return _CHARACTER * size * len(text)


def mix(colour: str, opacity: float, paper: str = "#FFFFFF") -> str:
    """Give the colour that a translucent one has on paper."""
    parts = [
        round(opacity * int(colour[i : i + 2], 16) + (1 - opacity) * int(paper[i : i + 2], 16))
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{p:02X}" for p in parts)


@dataclass
class Sheet:
    """SVG in the making.

    Attributes
    ----------
    theme : str
    parts : list of str
    """

    theme: str
    parts: list[str]

    @classmethod
    def new(cls, theme: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Sheet:
        """Start with an empty page."""
        sheet = cls(theme, [])
        sheet.rect(0, 0, *size, ink(theme)["paper"])
        return sheet

    def svg(self, width: int = WIDTH, height: int = HEIGHT) -> str:
        """Give the whole as a document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">' + "".join(self.parts) + "</svg>"
        )

    def rect(
        self, x: float, y: float, w: float, h: float, fill: str, stroke: str = "none",
        more: str = "",
    ) -> None:  # fmt: skip
        """Draw a rectangle."""
        self.parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{fill}" '
            f'stroke="{stroke}"{more and " " + more}/>'
        )

    def line(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        stroke: str,
        width: float = 1.0,
        more: str = "",
    ) -> None:
        """Draw a line."""
        self.parts.append(
            f'<line x1="{x0:.2f}" y1="{y0:.2f}" x2="{x1:.2f}" y2="{y1:.2f}" stroke="{stroke}" '
            f'stroke-width="{width}" {more}/>'
        )

    def circle(
        self, x: float, y: float, r: float, *, fill: str = "none", stroke: str = "none",
        width: float = 1.0, opacity: float = 1.0,
    ) -> None:  # fmt: skip
        """Draw a circle."""
        self.parts.append(
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r}" fill="{fill}" stroke="{stroke}" '
            f'stroke-width="{width}" opacity="{opacity}"/>'
        )

    def text(
        self, x: float, y: float, words: str, *, size: float = 13, anchor: str = "start",
        fill: str | None = None, bold: bool = False, turn: float = 0.0,
    ) -> None:  # fmt: skip
        """Write a line of text; `y` is the middle of its small letters."""
        colour = fill or ink(self.theme)["ink"]
        weight = ' font-weight="bold"' if bold else ""
        at = f'x="{x:.2f}" y="{y + 0.35 * size:.2f}"'
        if turn:
            at += f' transform="rotate({turn} {x:.2f} {y:.2f})"'
        self.parts.append(
            f'<text {at} font-family="{FONT}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}"{weight}>{html.escape(_visible(words))}</text>'
        )

    # -- furniture ------------------------------------------------------------------------------

    def title(self, words: str) -> None:
        """Write the title, in at most two lines."""
        size = 23.0
        lines = title_lines(words, WIDTH - 56, size)
        if len(lines) > 2:
            size = 19.0
            lines = title_lines(words, WIDTH - 56, size)[:2]
        for i, line in enumerate(lines):
            self.text(28, (38 if len(lines) == 1 else 26) + i * 28, line, size=size, bold=True)

    def key(self, items: Sequence[tuple[str, str, str]]) -> None:
        """Explain the marks in a row: (shape, colour, words)."""
        x, y = 28.0, 88.0
        # Wide keys are set smaller rather than broken.
        size = next(
            (
                size
                for size in (13.0, 11.5, 10.5)
                if sum(text_width(words, size) + 38 for _, _, words in items) <= WIDTH - 56
            ),
            9.5,
        )
        for shape, colour, words in items:
            if shape == "open":
                self.circle(x + 8, y, 4, stroke=colour, width=2)
            elif shape == "full":
                self.circle(x + 8, y, 4.5, fill=colour)
            elif shape == "ring":
                self.circle(x + 8, y, 3, stroke=colour)
            elif shape == "head":
                corners = " ".join(f"{x + 8 - 5 * b:g},{y + 5 * a:g}" for a, b in CORNERS)
                self.parts.append(
                    f'<polygon points="{corners}" fill="none" stroke="{colour}" '
                    'stroke-width="1.6"/>'
                )
            elif shape == "band":
                self.rect(x, y - 6, 16, 12, colour)
            else:
                self.line(x, y, x + 16, y, colour, 3 if shape == "thick" else 1.6)
            self.text(x + 22, y, words, size=size, fill=ink(self.theme)["soft"])
            x += 22 + text_width(words, size) + 16

    def header(self, block: Block, label: str, lines: str) -> None:
        """Write what a fit is."""
        self.text(block.x, block.y + 8, label, size=16, bold=True)
        size = 13.0 if text_width(lines, 13.0) <= block.w else 11.0
        self.text(block.x, block.y + 28, lines, size=size, fill=ink(self.theme)["soft"])

    def grid(
        self,
        box: Box,
        x_axis: tuple[float, float] | None,
        y_axis: tuple[float, float] | None,
        names: tuple[str, str],
    ) -> None:
        """Draw the frame of a panel with its grid, its zero lines and, outside, its labels."""
        colours = ink(self.theme)
        if x_axis is not None:
            ticks = _apart(nice_ticks(*x_axis), box.w)
            for value, label in ticks:
                x = float(box.across(np.array(value), x_axis))
                self.line(x, box.y, x, box.y + box.h, colours["grid"])
                if box.bottom:
                    self.text(x, box.y + box.h + 12, label, size=12, anchor="middle",
                              fill=colours["soft"])  # fmt: skip
            if box.bottom:
                self.text(box.x + box.w / 2, box.y + box.h + 30, names[0], anchor="middle")
        if y_axis is not None:
            for value, label in nice_ticks(*y_axis):
                y = float(box.up(np.array(value), y_axis))
                self.line(box.x, y, box.x + box.w, y, colours["grid"])
                if box.first:
                    self.text(box.x - 6, y, label, size=12, anchor="end", fill=colours["soft"])
        if box.first and names[1]:
            self.text(box.x - 50, box.y + box.h / 2, names[1], anchor="middle", turn=-90)
        self.rect(box.x, box.y, box.w, box.h, "none", colours["grid"])
        dashes = 'stroke-dasharray="5 4"'
        if x_axis is not None and x_axis[0] < 0 < x_axis[1]:
            x = float(box.across(np.array(0.0), x_axis))
            self.line(x, box.y, x, box.y + box.h, COLOURS["zero"], 1, dashes)
        if y_axis is not None and y_axis[0] < 0 < y_axis[1]:
            y = float(box.up(np.array(0.0), y_axis))
            self.line(box.x, y, box.x + box.w, y, COLOURS["zero"], 1, dashes)

    def trace(self, box: TraceBox, course: Course, *, narrow: bool) -> None:
        """Draw phases, axes and all evaluations of a trace."""
        colours = ink(self.theme)
        edges = [0, *(np.flatnonzero(np.diff(course.phase)) + 1).tolist(), course.size]
        tints = [COLOURS[name] for name in PHASE_NAMES]
        for start, stop in pairwise(edges):
            x0, x1 = (float(box.across(e + 0.5)) for e in (start, stop))
            self.rect(x0, box.y, x1 - x0, box.h, tints[int(course.phase[start])])
        if course.unsure:
            edge = float(box.up(course.error.above, course))
            soft = colours["soft"]
            veil = f'opacity="{VEIL}"'
            self.rect(box.x, edge, box.w, box.y + box.h - edge, soft, more=veil)
            self.line(box.x, edge, box.x + box.w, edge, soft, 1, 'stroke-dasharray="5 2"')
        for value, label in gap_ticks(course.floor, course.top):
            y = float(box.up(value, course))
            self.line(box.x, y, box.x + box.w, y, "#ffffff", 1, 'opacity="0.7"')
            self.text(box.x - 6, y, label, size=12, anchor="end", fill=colours["soft"])
        self.rect(box.x, box.y, box.w, box.h, "none", colours["grid"])
        for value, label in _apart(nice_ticks(1, box.end, 5), box.w):
            if value >= 1:
                x = float(box.across(value))
                self.text(x, box.y + box.h + 12, label, size=12, anchor="middle",
                          fill=colours["soft"])  # fmt: skip
        self.text(box.x + box.w / 2, box.y + box.h + 29, "evaluation", anchor="middle")
        name = "gap" if narrow else "objective \u2212 minimum"
        self.text(box.x - 50, box.y + box.h / 2, name, anchor="middle", turn=-90)
        mark, r = TRACE[0], FILM * point_radius(course.size)
        for i in np.flatnonzero(np.isfinite(course.gap)).tolist():
            x, y = float(box.across(i + 1.0)), float(box.up(course.gap[i], course))
            stroke, width = COLOURS[mark.colour], FILM * mark.width
            self.circle(x, y, r, stroke=stroke, width=width, opacity=AHEAD)


def key_of_phases(courses: Sequence[Course], theme: str) -> list[tuple[str, str, str]]:
    """Items of a key for traces: evaluations, the best so far, and the phases that occur."""
    occur = set(np.concatenate([course.phase for course in courses]).tolist())
    return [
        ("ring", COLOURS["evaluation"], "evaluation"),
        ("thick", COLOURS["best"], "best so far"),
        *(
            ("band", COLOURS[name], words)
            for i, (name, words) in enumerate(PHASE_NAMES.items())
            if i in occur
        ),
        *(
            [("band", mix(ink(theme)["soft"], 2 * VEIL), PROBE_KEY)]
            if any(course.unsure for course in courses)
            else []
        ),
    ]


def _apart(ticks: list[tuple[float, str]], room: float) -> list[tuple[float, str]]:
    """Every k-th tick, so that labels do not touch."""
    widest = max((text_width(label, 12) + 14 for _, label in ticks), default=0.0)
    most = max(int(room / widest), 1) if widest else 1
    step = -(-len(ticks) // most)
    return ticks[::step] if 0 not in [v for v, _ in ticks] else [
        tick for i, tick in enumerate(ticks)
        if (i - [v for v, _ in ticks].index(0)) % step == 0
    ]  # fmt: skip


def _visible(words: str) -> str:
    """Replace what no XML may hold."""
    return "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else "\ufffd" for c in words
    )
