"""θ in motion: where the optimiser put its components while it moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mixedscope.charts.common.options import drawn_with
from mixedscope.charts.common.theme import ink
from mixedscope.charts.kinds.motion.chart import Motion, film_of
from mixedscope.charts.kinds.motion.frames import Course, Track, course_of
from mixedscope.charts.kinds.motion.player import theta_film
from mixedscope.charts.kinds.motion.scenes import theta_reel
from mixedscope.charts.kinds.motion.words import theta_caption, theta_title
from mixedscope.charts.kinds.theta.options import ThetaOptions
from mixedscope.charts.kinds.theta.still import theta_still
from mixedscope.charts.kinds.trace.chart import theta_span
from mixedscope.core.running_best import improved_rows
from mixedscope.tables.store import FitTables

__all__ = ["theta_chart", "theta_films", "theta_motion", "theta_tracks"]


@drawn_with(ThetaOptions)
def theta_chart(
    tables: Sequence[FitTables], *, options: ThetaOptions, theme: str
) -> tuple[Any, ...]:
    """Give the still of `theta_motion` with title, caption, page and films."""
    return theta_motion(tables, options=options, theme=theme).parts


@drawn_with(ThetaOptions)
def theta_films(
    tables: Sequence[FitTables], *, options: ThetaOptions, theme: str
) -> dict[str, Callable[[], bytes]]:
    """Give what makes the films of `theta_motion`, by format."""
    return theta_motion(tables, options=options, theme=theme).all_films


@drawn_with(ThetaOptions)
def theta_motion(tables: Sequence[FitTables], *, options: ThetaOptions, theme: str) -> Motion:
    """Set the components of θ in motion, fits side by side."""
    ink(theme)
    courses = course_of(tables)
    span = theta_span(tables)
    # Room for points at the edge.
    room = 0.04 * ((span[1] - span[0]) or 1.0)
    axis = (span[0] - room, span[1] + room)
    tracks = [theta_tracks(course) for course in courses]
    outside = [int(((c.theta < axis[0]) | (c.theta > axis[1])).any(axis=1).sum()) for c in courses]
    title = theta_title(tables, courses)
    caption = theta_caption(tables, courses, outside)
    return film_of(
        lambda: theta_still(tables, courses, axis, title, caption, theme=theme),
        title,
        caption,
        lambda: theta_film(tables, courses, axis, tracks, theme=theme),
        lambda: theta_reel(
            tables, courses, axis, [own[options.frames] for own in tracks], title, theme=theme
        ),
        theme,
    )


def theta_tracks(course: Course) -> dict[str, Track]:
    """All evaluations that succeeded, and those that were better than all before."""
    good = np.flatnonzero(np.isfinite(course.objective))
    chosen = {"best": improved_rows(course.objective), "every": good}
    return {name: Track(at + 1, course.theta[at][:, None, :]) for name, at in chosen.items()}
