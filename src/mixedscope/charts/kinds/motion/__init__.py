"""Shrinkage in motion: how the conditional modes, or θ itself, moved while the optimiser did.

One animation is three things: a page to play with, a film for talks (GIF and MP4), and a small
multiple for print.  All are made from the same frames, which come from stored tables.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from mixedscope.charts.common.theme import configure, ink
from mixedscope.charts.kinds.motion.film import Reel, gif, mp4
from mixedscope.charts.kinds.motion.frames import Course, Track, course_of, scene_of
from mixedscope.charts.kinds.motion.player import modes_film, page, theta_film
from mixedscope.charts.kinds.motion.scenes import modes_reel, theta_reel
from mixedscope.charts.kinds.motion.still import modes_still
from mixedscope.charts.kinds.motion.theta_still import theta_still
from mixedscope.charts.kinds.motion.words import (
    motion_caption,
    motion_title,
    theta_caption,
    theta_title,
)
from mixedscope.charts.kinds.trace.chart import theta_span
from mixedscope.core.errors import ModelError, suggest
from mixedscope.core.running_best import improved_rows
from mixedscope.tables.store import FitTables

__all__ = ["FRAMES", "Motion", "motion", "theta_motion"]

#: A still of more bytes as SVG is put into the page as PNG.
_MOST_SVG: Final = 700_000

#: What a film shows: the best so far, or every evaluation.
FRAMES: Final = ("best", "every")


@dataclass(frozen=True)
class Motion:
    """An animation.

    Attributes
    ----------
    still : altair chart
        For print, without theme.
    title, caption : str
    html, gif, mp4 : callable
        Give the bytes of the page and of the films.
    """

    still: Any
    title: str
    caption: str
    html: Callable[[], bytes]
    gif: Callable[[], bytes]
    mp4: Callable[[], bytes]

    @property
    def files(self) -> dict[str, Callable[[], bytes]]:
        """Formats that are not made from the still, and what gives their bytes."""
        return {"html": self.html, "gif": self.gif, "mp4": self.mp4}


def motion(
    tables: Sequence[FitTables],
    group: str,
    terms: Sequence[str],
    *,
    frames: str = "best",
    reference: str = "auto",
    ellipses: Sequence[float] = (0.5, 0.95),
    parts: int | None = None,
    theme: str = "light",
) -> Motion:
    """Set the shrinkage of one grouping factor in motion.

    Parameters
    ----------
    tables : sequence of FitTables
        Fits side by side, with ``trace``, ``estimates``, ``modes``, ``modes_trace`` and the study
        ``parameters``; with the study ``motion``, trials that were no better are seen too.
    group : str
        Grouping factor.
    terms : sequence of str
        One for dumbbells, more for a panel per pair.
    frames : {"best", "every"}
        What the films show; the page leaves it to the reader.
    reference : {"auto", "joint_limit", "within_group"}
        Where the levels are pulled from.
    ellipses : sequence of float
        Coverages of the contours of the distribution of the random effects.
    parts : int, optional
        Into how many parts the path of the modes was cut, for the caption.
    theme : {"light", "print"}

    Returns
    -------
    Motion

    Raises
    ------
    ModelError
        If a name is unknown, or no evaluation of a fit succeeded.
    StoreError
        If a table is missing.
    """
    _check_frames(frames)
    ink(theme)
    if frames == "every":
        for fit in tables:
            fit.require("modes_every")
    scene = scene_of(tables, group, terms, reference=reference, ellipses=ellipses)
    title, caption = motion_title(scene), motion_caption(scene, parts=parts)
    still = modes_still(scene, title, caption, theme=theme)
    return _motion(
        still,
        title,
        caption,
        lambda: modes_film(scene, theme=theme),
        lambda: modes_reel(scene, title, track=frames, theme=theme),
        theme,
    )


def theta_motion(
    tables: Sequence[FitTables], *, frames: str = "every", theme: str = "light"
) -> Motion:
    """Set the components of θ in motion.

    Parameters
    ----------
    tables : sequence of FitTables
        Fits side by side, with ``trace`` and ``estimates``.
    frames : {"best", "every"}
        What the films show; the page leaves it to the reader.
    theme : {"light", "print"}

    Returns
    -------
    Motion

    Raises
    ------
    ModelError
        If a name is unknown, or no evaluation of a fit succeeded.
    StoreError
        If a table is missing.
    """
    _check_frames(frames)
    ink(theme)
    courses = course_of(tables)
    span = theta_span(tables)
    # Room for points at the edge.
    room = 0.04 * ((span[1] - span[0]) or 1.0)
    axis = (span[0] - room, span[1] + room)
    tracks = [_theta_tracks(course) for course in courses]
    outside = [int(((c.theta < axis[0]) | (c.theta > axis[1])).any(axis=1).sum()) for c in courses]
    title = theta_title(tables, courses)
    caption = theta_caption(tables, courses, outside)
    still = theta_still(tables, courses, axis, title, caption, theme=theme)
    return _motion(
        still,
        title,
        caption,
        lambda: theta_film(tables, courses, axis, tracks, theme=theme),
        lambda: theta_reel(
            tables, courses, axis, [own[frames] for own in tracks], title, theme=theme
        ),
        theme,
    )


def _motion(
    still: Any,
    title: str,
    caption: str,
    film: Callable[[], dict[str, Any]],
    reel: Callable[[], Reel],
    theme: str,
) -> Motion:
    def html() -> bytes:
        from mixedscope.charts.common.render import FORMATS, to_spec

        spec = to_spec(configure(still, theme))
        image, kind = FORMATS["svg"](spec), "image/svg+xml"
        if len(image) > _MOST_SVG:
            image, kind = FORMATS["png"](spec), "image/png"
        return page(film(), title, caption, image, kind)

    # Both films show some of the same pictures.
    shared = cache(reel)
    return Motion(still, title, caption, html, lambda: gif(shared()), lambda: mp4(shared()))


def _theta_tracks(course: Course) -> dict[str, Track]:
    """All evaluations that succeeded, and those that were better than all before."""
    good = np.flatnonzero(np.isfinite(course.objective))
    chosen = {"best": improved_rows(course.objective), "every": good}
    return {name: Track(at + 1, course.theta[at][:, None, :]) for name, at in chosen.items()}


def _check_frames(frames: str) -> None:
    if frames not in FRAMES:
        raise ModelError(
            f"A film cannot show frames {frames!r}.{suggest(frames, FRAMES)} "
            f"Known are: {', '.join(FRAMES)}."
        )
