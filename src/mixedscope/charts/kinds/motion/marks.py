"""What an animation draws and when: the one list that player and films both read.

The page is handed it as data (`for_page`), the film reads it here.  Lengths are pixels of the page;
a film is seen from farther away and draws everything `FILM` times as large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.open_ends import APART, CORNERS, INSET

__all__ = [
    "AHEAD",
    "ARRIVAL",
    "BARS",
    "COLLAPSED",
    "DENSE",
    "DUMBBELL",
    "ECHO",
    "FILM",
    "LEVELS",
    "SECONDS",
    "STILL",
    "THETA",
    "TRACE",
    "Mark",
    "begins",
    "eased",
    "echoed",
    "faded",
    "for_page",
    "panel_size",
    "point_radius",
]

Floats = NDArray[np.float64]

# -- when ----------------------------------------------------------------------------------------

#: Seconds of the whole motion at its own pace.
SECONDS: Final = 11.5

#: Seconds in which marks move to where the next frame has them.
ARRIVAL: Final = 0.45


def begins(readings: Floats) -> Floats:
    """Seconds at which the clock reads what it can stand still at, and at last the end.

    Half of the time goes to frames evenly, half to evaluations evenly, so that both the motion and
    the long stretches without any are seen.  ``readings`` (m,): ascending, see
    `mixedscope.charts.kinds.motion.frames.stops`.
    """
    if len(readings) == 1:
        return np.zeros(1)
    steps = np.diff(readings)
    lasts = SECONDS * (0.5 / len(steps) + 0.5 * steps / steps.sum())
    return np.concatenate([[0.0], np.cumsum(lasts)])


def eased(gone: float, whole: float) -> float:
    """How much of the way marks have gone: slow at both ends, in the last `ARRIVAL` of a step.

    ``gone``, ``whole``: seconds of the step that are over, and of all of it.
    """
    moving = min(ARRIVAL, whole)
    way = min(max((gone - whole + moving) / moving, 0.0), 1.0)
    return way * way * (3 - 2 * way)


# -- what ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """One kind of mark.

    Attributes
    ----------
    name : str
        What it shows, as the keys of player and film call it.
    colour : str
        Name among `COLOURS`; "" where it has that of a grouping factor.
    opacity : float
        Of trails and echoes, that of the youngest.
    width : float
        Of its line, 0 where there is none.
    radius : float
        0 where it is no point; of arrowheads from the middle to the tip.
    filled : bool
        Whether a point with a line hides what is under it.
    scaled : bool
        Whether it is smaller in small panels.
    back : int
        How many frames a trail or echoes reach back.
    """

    name: str
    colour: str
    opacity: float = 1.0
    width: float = 0.0
    radius: float = 0.0
    filled: bool = False
    scaled: bool = False
    back: int = 0


#: More levels than this are drawn small and half-transparent; more rows than this have no names.
DENSE: Final = 60

#: Marks of conditional modes, what is drawn first at first.
LEVELS: Final[Mapping[str, tuple[Mark, ...]]] = {
    "few": (
        Mark("pull", "movement", opacity=0.8, width=1.0, scaled=True),
        Mark("ellipse", "ellipse", width=1.6),
        Mark("reference", "reference", width=1.5, radius=3.2, filled=True, scaled=True),
        Mark("head", "reference", width=1.2, radius=3.4, scaled=True),
        Mark("trail", "mode", opacity=0.7, width=2.0, scaled=True, back=8),
        Mark("mode", "mode", radius=3.4, scaled=True),
    ),
    "many": (
        Mark("pull", "movement", opacity=0.35, width=0.6),
        Mark("reference", "reference", opacity=0.65, width=0.9, radius=1.8),
        Mark("head", "reference", width=0.9, radius=2.4),
        Mark("trail", "mode", opacity=0.45, width=0.8, back=3),
        Mark("mode", "mode", opacity=0.85, radius=1.9),
        Mark("ellipse", "ellipse", width=1.6),
    ),
}

#: Where a distribution has collapsed to a line or a point, and moves too small to be seen.
COLLAPSED: Final = {"width": 2.8, "radius": 5.0}
STILL: Final = 0.25

#: A panel of one term: room above and below its rows, and the bars of the distribution at the foot.
DUMBBELL: Final = {"above": 5.0, "room": 20.0, "foot": 6.0}
BARS: Final = (6.0, 3.0)

#: Marks of the components of theta, and a bar's half width, at most this share of the room.
THETA: Final = (
    Mark("echo", "", opacity=0.5, width=1.5, back=24),
    Mark("stem", "", width=1.2),
    Mark("theta", "", radius=5.0),
)
ECHO: Final = {"share": 0.32, "most": 16.0, "fading": 1.5}

#: Marks of the trace; evaluations that the cursor has not reached are fainter.
TRACE: Final = (
    Mark("evaluation", "evaluation", opacity=0.9, width=1.0, radius=2.2),
    Mark("best", "best", width=1.6),
    Mark("cursor", "ink", width=1.5),
    Mark("shown", "mode", width=1.0, radius=4.5),
)
AHEAD: Final = 0.3
CROWD: Final = {"more": 150, "radius": 1.5}

#: A panel whose shorter side is so long, or longer, has marks in full size; none is smaller than a
#: share of it.
_FULL: Final = 145.0
_SMALLEST: Final = 0.6

#: How much larger than on the page everything is drawn in a film.
FILM: Final = 1.25


def panel_size(width: float, height: float) -> float:
    """How large marks are in a panel of so many pixels of the page, as a share."""
    return min(max(min(width, height) / _FULL, _SMALLEST), 1.0)


def faded(mark: Mark, age: int) -> float:
    """Opacity of a trail of so many frames ago, 0 for the youngest."""
    return mark.opacity * (1 - age / mark.back)


def echoed(mark: Mark, age: int) -> float:
    """Opacity of an echo of so many frames ago, 1 for the youngest."""
    return mark.opacity * (1 - (age - 0.5) / mark.back) ** ECHO["fading"]


def point_radius(evaluations: int) -> float:
    """Radius of the points of a trace: smaller where there are many."""
    return CROWD["radius"] if evaluations > CROWD["more"] else TRACE[0].radius


def for_page() -> dict[str, Any]:
    """Everything above as data for the player."""
    return {
        "arrival": ARRIVAL,
        "levels": {name: _as_data(marks) for name, marks in LEVELS.items()},
        "collapsed": COLLAPSED,
        "still": STILL,
        "head": {"apart": APART, "inset": INSET, "corners": CORNERS},
        "dumbbell": DUMBBELL,
        "bars": BARS,
        "theta": _as_data(THETA),
        "echo": ECHO,
        "trace": _as_data(TRACE),
        "ahead": AHEAD,
        "crowd": CROWD,
        "full": _FULL,
        "smallest": _SMALLEST,
    }


def _as_data(marks: tuple[Mark, ...]) -> list[dict[str, Any]]:
    return [asdict(mark) for mark in marks]
