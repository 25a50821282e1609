"""Marks of levels whose own estimate is infinite: an open arrowhead beyond an open ring.

Where the reference is finite, linearised, the arrowhead stands beside its ring; where it is the own
estimate itself, ring and arrowhead stand at the edge of the panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import numpy as np

from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.shrinkage.pull import Pull

__all__ = [
    "APART",
    "CORNERS",
    "HEAD",
    "INSET",
    "Ends",
    "ends_of",
    "head_mark",
    "row_ends",
    "turned",
    "with_room",
]

#: Pixels from a ring to its arrowhead, and from the edge of a panel to a ring at it.
APART: Final = 8.0
INSET: Final = 13.0

#: An arrowhead that points up, as its corners and as a path: longer than wide, so that it shows
#: where to at any angle.
CORNERS: Final = ((0.0, -1.0), (-0.6, 0.8), (0.6, 0.8))
HEAD: Final = "M" + "L".join(f"{x:g},{y:g}" for x, y in CORNERS) + "Z"
#: Share of an axis that is added on a side where rings stand at the edge.
_ROOM: Final = 0.14
#: And for an arrowhead beyond a ring, in panels that are small.
_BEYOND: Final = 0.14

Ends = dict[str, Any]
"""Where an arrowhead stands (``x``, ``y``, ``angle``), and its ring where that is at the edge
(``rx``, ``ry``)."""


def ends_of(
    pull: Pull,
    i: int,
    terms: tuple[int, int],
    frames: Sequence[tuple[float, float]],
    size: tuple[float, float],
    scale: float = 1.0,
) -> Ends | None:
    """The marks of a level in a panel of two terms; None where its own estimate is finite.

    ``frames``: of both axes, in pixels of ``size``. ``scale``: of the distances between marks.
    """
    if pull.ways is None:
        return None
    way = pull.ways[i, list(terms)]
    if not way.any():
        return None
    own, mode = pull.reference[i, list(terms)], pull.mode[i, list(terms)]
    is_whole = bool(np.isfinite(own).all())
    low, high = np.array(frames).T
    unit = np.array(size) / (high - low)
    # Pixels run down.
    start = (np.where(np.isfinite(own), own, mode) - low) * unit
    step = way * unit
    step /= float(np.hypot(*step))
    found: Ends = {}
    if not np.isfinite(own[way != 0.0]).all():
        first, last = np.full(2, scale * INSET), np.array(size) - scale * INSET
        start = np.clip(start, first, last)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step > 0, (last - start) / step, (first - start) / step)
        start = start + step * float(np.min(np.where(step != 0.0, room, np.inf)))
    if not is_whole:
        # What has a reference in one of both stands there beside its mode.
        found = {"rx": float(start[0] / unit[0] + low[0]), "ry": float(start[1] / unit[1] + low[1])}
    at = (start + scale * APART * step) / unit + low
    # An arrowhead points up at angle 0; angles run clockwise.
    angle = float(np.degrees(np.arctan2(step[0], step[1]))) % 360.0
    return found | {"x": float(at[0]), "y": float(at[1]), "angle": round(angle, 1)}


def row_ends(
    pull: Pull, i: int, term: int, frame: tuple[float, float], width: float, scale: float = 1.0
) -> Ends | None:
    """The same in a row of one term: ``x``, ``angle``, and ``rx`` where the ring is at the edge."""
    if pull.ways is None or pull.ways[i, term] == 0.0:
        return None
    sign = float(np.sign(pull.ways[i, term]))
    pixel = scale * (frame[1] - frame[0]) / width
    own = float(pull.reference[i, term])
    found: Ends = {}
    if not np.isfinite(own):
        own = frame[1] - INSET * pixel if sign > 0 else frame[0] + INSET * pixel
        found = {"rx": own}
    return found | {"x": own + sign * APART * pixel, "angle": 90.0 if sign > 0 else 270.0}


def with_room(frame: tuple[float, float], pulls: Sequence[Pull], term: int) -> tuple[float, float]:
    """The range of an axis with room for rings at its ends, where own estimates are infinite.

    And for the arrowheads beyond rings that are near an end.
    """
    low, high = frame
    room, ahead = _ROOM * (high - low), _BEYOND * (high - low)
    known = [(p.ways[:, term], p.reference[:, term]) for p in pulls if p.ways is not None]
    signs = np.concatenate([np.sign(w[np.isnan(own)]) for w, own in known] or [np.empty(0)])
    ends = [(own + np.sign(w) * ahead)[(w != 0.0) & ~np.isnan(own)] for w, own in known]
    inside = np.concatenate(ends or [np.empty(0)])
    # Rings that the frame leaves out stay outside.
    inside = inside[(inside > low - ahead) & (inside < high + ahead)]
    return (
        min(low - room * bool((signs < 0).any()), float(inside.min(initial=low))),
        max(high + room * bool((signs > 0).any()), float(inside.max(initial=high))),
    )


def head_mark(theme: str, *, small: bool) -> dict[str, Any]:
    """Settings of an open arrowhead."""
    return {
        "shape": HEAD,
        "stroke": COLOURS["reference"],
        "fill": "transparent" if small else ink(theme)["paper"],
        "strokeWidth": 0.8 if small else 1.2,
        "size": 16 if small else 40,
        "opacity": 1,
        "clip": True,
        "aria": False,
    }


def turned() -> alt.Angle:
    """Angle of an arrowhead."""
    scale = alt.Scale(domain=[0, 360], range=[0, 360])
    return alt.Angle(field="angle", type="quantitative", scale=scale)
