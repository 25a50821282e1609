"""Painting of marks with smooth edges, by AGG.

Chosen by measurement: to draw the 5,200 lines, points and ellipses of a picture of a large film,
each panel's marks of one kind in one call, takes aggdraw 28 ms of processor time, skia-python 30,
cairo 41, matplotlib's AGG 21 (but its import 240 ms, and a list of the machine's fonts) and resvg,
which draws the other charts, 222.
pycairo has no wheels for Linux and macOS, skia-python's ask for OpenGL libraries that servers lack;
aggdraw's are 1 MB and need nothing.  AGG computes in integers: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import aggdraw
import numpy as np
from numpy.typing import NDArray

__all__ = ["Drawn", "Patch"]

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

#: What is farther outside a patch than this, in pixels, is cut off where anything is far outside:
#: the renderer would walk all the way.
_OUTSIDE: Final = 40.0
_FAR: Final = 2000.0


@dataclass(frozen=True)
class Drawn:
    """Marks of one kind and look, ready to be painted.

    Attributes
    ----------
    mark : str
        Name of the mark.
    shape : str
        ``lines`` from point to point, one ``curve`` through all, ``loop`` where it is closed, or
        ``points``.
    at : array
        Pixels of a panel: (m, 4) of lines, (m, 2) of others.
    colour : str
    opacity, width, radius : float
    paper : str
        What fills a point that has a line; "" where nothing does.
    """

    mark: str
    shape: Literal["lines", "curve", "loop", "points"]
    at: Floats
    colour: str
    opacity: float = 1.0
    width: float = 0.0
    radius: float = 0.0
    paper: str = ""


@dataclass(frozen=True)
class Patch:
    """A part of the pictures on which marks move; they do not leave it.

    Attributes
    ----------
    left, top, width, height : int
        Pixels of the picture.
    """

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def around(cls, x: float, y: float, w: float, h: float, margin: float = 0.0) -> Patch:
        """The whole pixels that a rectangle touches."""
        left, top = int(np.floor(x - margin)), int(np.floor(y - margin))
        right, bottom = int(np.ceil(x + w + margin)), int(np.ceil(y + h + margin))
        return cls(left, top, right - left, bottom - top)

    @property
    def place(self) -> tuple[slice, slice]:
        """Its rows and columns of a picture."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    def differing(self, one: Bytes, other: Bytes) -> Patch | None:
        """The part of it that holds all pixels in which two (height, width, 3) differ."""
        # Whole rows of bytes: three at a time would take five times as long.
        rows_of = (self.height, self.width * 3)
        new = np.ascontiguousarray(one).reshape(rows_of) != other.reshape(rows_of)
        rows, parts = np.flatnonzero(new.any(axis=1)), np.flatnonzero(new.any(axis=0))
        if not rows.size:
            return None
        top, left = int(rows[0]), int(parts[0]) // 3
        bottom, right = int(rows[-1]) + 1, int(parts[-1]) // 3 + 1
        return Patch(self.left + left, self.top + top, right - left, bottom - top)

    def of(self, picture: Bytes) -> bytes:
        """What a picture has there."""
        return picture[self.place].tobytes()

    def painted(self, under: bytes, drawn: Iterable[Drawn]) -> Bytes:
        """Paint marks, the first at first, on what is there; gives (height, width, 3)."""
        self._sheet.frombytes(under)
        for one in drawn:
            self._paint(one)
        data: bytes = self._sheet.tobytes()
        return np.frombuffer(data, dtype=np.uint8).reshape(self.height, self.width, 3)

    # -- details ---------------------------------------------------------------------------------

    @cached_property
    def _corner(self) -> Floats:
        return np.array([self.left, self.top], dtype=float)

    @cached_property
    def _corners(self) -> Floats:
        return np.tile(self._corner, 2)

    @cached_property
    def _sheet(self) -> aggdraw.Draw:
        return aggdraw.Draw("RGB", (self.width, self.height))

    def _paint(self, one: Drawn) -> None:
        if not len(one.at):
            return
        at = one.at - (self._corner if one.shape != "lines" else self._corners)
        opacity = round(255 * one.opacity)
        if one.shape == "points":
            size = np.array([self.width, self.height])
            near = ((at > -_OUTSIDE) & (at < size + _OUTSIDE)).all(axis=1)
            self._points(at[near].tolist(), one, opacity)
            return
        pen = aggdraw.Pen(one.colour, one.width, opacity)
        inside = np.abs(at).max() <= _FAR
        if one.shape == "lines" or not inside:
            if one.shape != "lines":
                at = np.hstack([at, np.roll(at, -1, axis=0)])[: None if one.shape == "loop" else -1]
            path = aggdraw.Path()
            move, line = path.moveto, path.lineto
            for x, y, to_x, to_y in (at if inside else self._cut(at)).tolist():
                move(x, y)
                line(to_x, to_y)
            self._sheet.path(path, pen)
        elif one.shape == "loop" and len(at) > 2:  # AGG draws nothing where a ring has two ends
            self._sheet.polygon(at.ravel().tolist(), pen)
        else:
            self._sheet.line(at.ravel().tolist(), pen)

    def _points(self, at: list[list[float]], one: Drawn, opacity: int) -> None:
        r = one.radius
        if one.width:
            tools = [aggdraw.Pen(one.colour, one.width, opacity)]
            if one.paper:
                tools.append(aggdraw.Brush(one.paper, opacity))
        else:
            tools = [aggdraw.Brush(one.colour, opacity)]
        ellipse = self._sheet.ellipse
        for x, y in at:
            ellipse((x - r, y - r, x + r, y + r), *tools)

    def _cut(self, lines: Floats) -> Floats:
        """Parts of lines (m, 4) near the patch, (n, 4) with n <= m (Liang and Barsky 1984)."""
        low = np.full(2, -_OUTSIDE)
        high = np.array([self.width, self.height]) + _OUTSIDE
        a, step = lines[:, :2], lines[:, 2:] - lines[:, :2]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            edges = np.stack([(low - a) / step, (high - a) / step])
        # Along an axis that a line does not move on, it is inside or it is not.
        level = step == 0.0
        inside = (a >= low) & (a <= high)
        near = np.where(level, np.where(inside, -np.inf, np.inf), edges.min(axis=0))
        far = np.where(level, np.where(inside, np.inf, -np.inf), edges.max(axis=0))
        start = np.maximum(near.max(axis=1), 0.0)
        stop = np.minimum(far.min(axis=1), 1.0)
        seen = start <= stop
        a, step, start, stop = a[seen], step[seen], start[seen, None], stop[seen, None]
        return np.hstack([a + start * step, a + stop * step])
