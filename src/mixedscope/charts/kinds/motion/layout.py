"""Where things stand in a film: panels, traces and words on a canvas of fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixedscope.charts.kinds.motion.frames import Course

__all__ = ["HEIGHT", "WIDTH", "Block", "Box", "TraceBox", "blocks"]

Floats = NDArray[np.float64]

#: Pixels of a film.
WIDTH: Final = 1280
HEIGHT: Final = 720

_MARGIN = 28.0
_TOP = 112.0
_LEFT = 58.0
_GAP = 8.0
_COLUMN = 26.0


@dataclass(frozen=True)
class Box:
    """A panel: two terms, or one term and the levels or components one below the other.

    Attributes
    ----------
    x, y, w, h : float
        Pixels.
    ix, iy : int
        Positions of the terms.
    bottom, first : bool
        Whether the panel carries the labels of its horizontal and of its vertical axis.
    """

    x: float
    y: float
    w: float
    h: float
    ix: int = 0
    iy: int = 0
    bottom: bool = True
    first: bool = True

    def across(self, values: Floats, axis: tuple[float, float]) -> Floats:
        """Pixels of values on the horizontal axis."""
        return np.asarray(self.x + (values - axis[0]) / (axis[1] - axis[0]) * self.w)

    def up(self, values: Floats, axis: tuple[float, float]) -> Floats:
        """Pixels of values on the vertical axis."""
        return np.asarray(self.y + (axis[1] - values) / (axis[1] - axis[0]) * self.h)


@dataclass(frozen=True)
class TraceBox:
    """The panel of a trace.

    Attributes
    ----------
    x, y, w, h : float
        Pixels.
    end : int
        Last evaluation of its axis.
    """

    x: float
    y: float
    w: float
    h: float
    end: int

    def across(self, evaluation: ArrayLike) -> Floats:
        """Pixels of evaluations."""
        return np.asarray(self.x + (np.asarray(evaluation) - 0.5) / self.end * self.w)

    def up(self, gap: ArrayLike, course: Course) -> Floats:
        """Pixels of gaps, on a logarithmic axis with room for points at the floor."""
        low, high = np.log10(course.floor), np.log10(course.top)
        return np.asarray(self.y + (high - np.log10(gap)) / (high - low) * (self.h - 6))


@dataclass(frozen=True)
class Block:
    """Everything of one fit.

    Attributes
    ----------
    x, y, w : float
        Left edge and top of its header, and its width.
    boxes : tuple of Box
    trace : TraceBox
    words : (x, y)
        Top left corner of the numbers.
    narrow : bool
        Whether others stand beside it.
    """

    x: float
    y: float
    w: float
    boxes: tuple[Box, ...]
    trace: TraceBox
    words: tuple[float, float]
    narrow: bool


def blocks(
    pairs: Sequence[Sequence[tuple[int, int]]],
    side: int,
    courses: Sequence[Course],
    *,
    foot: float = 44.0,
    left: float = _LEFT,
) -> list[Block]:
    """Lay out the fits of a film.

    A single fit has its panels on the left, trace and numbers on the right; several stand side by
    side with trace and numbers below.

    ``pairs``: per fit, the terms (x, y) of its panels. ``side``: panels in a row and in a column.
    ``foot``, ``left``: room for the labels of the horizontal and of the vertical axes.
    """
    end = max(course.size for course in courses)
    head = 44.0
    if len(pairs) == 1:
        width = 0.6 * (WIDTH - 2 * _MARGIN)
        height = HEIGHT - _TOP - head - foot - 16
        boxes = _boxes(pairs[0], side, _MARGIN + left, _TOP + head, width - left, height)
        x = _MARGIN + width + 40
        room = WIDTH - _MARGIN - x
        trace = TraceBox(x + _LEFT, _TOP + head, room - _LEFT, 210, end)
        return [Block(_MARGIN, _TOP, width, boxes, trace, (x, _TOP + head + 276), False)]
    n = len(pairs)
    width = (WIDTH - 2 * _MARGIN - (n - 1) * _COLUMN) / n
    traces, numbers = 104.0, 66.0
    height = HEIGHT - _TOP - head - foot - traces - 46 - numbers
    found = []
    for i, own in enumerate(pairs):
        x = _MARGIN + i * (width + _COLUMN)
        boxes = _boxes(own, side, x + left, _TOP + head, width - left, height)
        y = _TOP + head + height + foot
        trace = TraceBox(x + _LEFT, y, width - _LEFT, traces, end)
        found.append(Block(x, _TOP, width, boxes, trace, (x, y + traces + 50), True))
    return found


def _boxes(
    pairs: Sequence[tuple[int, int]], side: int, x: float, y: float, w: float, h: float
) -> tuple[Box, ...]:
    wide = (w - _GAP * (side - 1)) / side
    tall = (h - _GAP * (side - 1)) / side
    first = min(i for _, i in pairs)
    return tuple(
        Box(
            x=x + j * (wide + _GAP),
            y=y + (i - first) * (tall + _GAP),
            w=wide,
            h=tall,
            ix=j,
            iy=i,
            bottom=not any(b == j and a > i for b, a in pairs),
            first=j == 0,
        )
        for j, i in pairs
    )
