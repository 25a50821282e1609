"""Contour lines and the regions within them, from values on a grid of few points.

A smooth function needs few evaluations and many vertices: its values are interpolated by cubic
splines between the points of the grid, after the inverse hyperbolic sine, which leaves small values
as they are and takes the logarithm of large ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outline", "outlines", "refine", "simplified"]

Floats = NDArray[np.float64]

# What contourpy gives for regions of the type that is asked for here.
_Filled = tuple[list[Floats], list[NDArray[np.uint32]]]

_FINE = 120
"""Points per axis between which contours are straight."""

_TOLERANCE = 1e-3
"""Vertices nearer to the line between their neighbours, as a share of the panel, are left out."""


class Outline(NamedTuple):
    """One contour line, or the outline of a region below a level.

    Attributes
    ----------
    kind : {"line", "region"}
        A region with holes is one path, cut open from the outer ring to every hole.
    level : float
    points : (v, 2) array
    """

    kind: str
    level: float
    points: Floats


def refine(x: Floats, y: Floats, values: Floats) -> tuple[Floats, Floats, Callable[..., Any]]:
    """Make a grid finer by cubic splines: its points, and what interpolates values on it.

    ``x`` (n,) and ``y`` (m,) ascend; the finer grid has them and evenly many points between
    neighbours, at least 120 in all. ``interpolate`` gives values (m', n') of this grid for those
    (m, n) of the old one; where any of these is not finite the old grid is kept.
    """
    from scipy.interpolate import RectBivariateSpline

    if not np.isfinite(values).all() or min(len(x), len(y)) < 4:
        return x, y, lambda given: given
    fine_x, fine_y = (_between(v) for v in (x, y))

    def interpolate(given: Floats) -> Floats:
        spline = RectBivariateSpline(y, x, given, kx=3, ky=3, s=0)
        return np.asarray(spline(fine_y, fine_x), dtype=float)

    return fine_x, fine_y, interpolate


def _between(points: Floats) -> Floats:
    parts = max(1, -(-_FINE // (len(points) - 1)))
    steps = np.arange(parts) / parts
    inner = points[:-1, None] + steps * np.diff(points)[:, None]
    return np.append(inner.ravel(), points[-1])


def outlines(x: Floats, y: Floats, gap: Floats, levels: Sequence[float]) -> Iterator[Outline]:
    """Find contour lines and the regions within them, by level, ascending; regions, then lines.

    ``x`` and ``y`` (m, n) are where the values of ``gap`` are; rows and columns need not be
    straight. Where the gap is NaN nothing is drawn.
    """
    import contourpy

    generator = contourpy.contour_generator(
        x,
        y,
        np.ma.masked_invalid(np.arcsinh(gap)),
        line_type="Separate",
        fill_type="OuterOffset",
    )
    extent = np.array([np.ptp(x), np.ptp(y)])
    for level in levels:
        height = float(np.arcsinh(level))
        points, offsets = cast(_Filled, generator.filled(-1e3, height))
        for ring, starts in zip(points, offsets, strict=True):
            yield Outline("region", level, _one_path(ring, starts, extent))
        for line in generator.lines(height):
            yield Outline("line", level, simplified(np.asarray(line), extent))


def _one_path(points: Floats, starts: NDArray[np.uint32], extent: Floats) -> Floats:
    """Join an outer ring and its holes into one path that fills to the same region."""
    rings = [simplified(points[a:b], extent) for a, b in pairwise(starts)]
    # Out to a hole and back along the same way, so that the ways add nothing to the area.
    home = rings[0][:1]
    return np.concatenate([rings[0], *[part for ring in rings[1:] for part in (ring, home)]])


def simplified(points: Floats, extent: Floats) -> Floats:
    """Leave out vertices that are nearly on the line between those kept before and after.

    The first and the last vertex stay (Reumann & Witkam's idea with a window that grows: a vertex
    is kept as soon as one of those since the last kept is too far from the line to the next).
    """
    unit = np.asarray(points, dtype=float) / extent
    kept = [0]
    for i in range(2, len(unit)):
        start = unit[kept[-1]]
        along = unit[i] - start
        rest = unit[kept[-1] + 1 : i] - start
        length = float(np.hypot(*along))
        if length > 0.0:
            away = np.abs(rest[:, 0] * along[1] - rest[:, 1] * along[0]) / length
        else:
            away = np.hypot(rest[:, 0], rest[:, 1])
        if away.max() > _TOLERANCE:
            kept.append(i - 1)
    kept.append(len(unit) - 1)
    return np.asarray(points[kept], dtype=float)
