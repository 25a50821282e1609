"""What moves in a film: conditional modes in a panel, components of θ, a trace.

The marks, their looks and their order are those of `mixedscope.charts.kinds.motion.marks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.open_ends import CORNERS, Ends, ends_of, row_ends
from mixedscope.charts.common.theme import COLOURS, ink
from mixedscope.charts.kinds.motion.film import Moment
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene, Track, ranks_of
from mixedscope.charts.kinds.motion.layout import Box, TraceBox
from mixedscope.charts.kinds.motion.marks import (
    AHEAD,
    BARS,
    COLLAPSED,
    DENSE,
    DUMBBELL,
    ECHO,
    FILM,
    LEVELS,
    STILL,
    THETA,
    TRACE,
    Mark,
    echoed,
    faded,
    panel_size,
    point_radius,
)
from mixedscope.charts.kinds.motion.paint import Drawn
from mixedscope.charts.kinds.shrinkage.ellipse import contour, radius

__all__ = ["Components", "Levels", "Trace"]

Floats = NDArray[np.float64]


class Levels:
    """Conditional modes in one panel of a film."""

    def __init__(self, scene: Scene, actor: Actor, box: Box, track: str, theme: str) -> None:
        self.scene, self.actor, self.box, self.track = scene, actor, box, actor.tracks[track]
        self.paper = ink(theme)["paper"]
        dense = len(actor.pull.levels) > DENSE
        self.marks = LEVELS["many" if dense else "few"]
        self.size = panel_size(box.w / FILM, box.h / FILM)
        row = {scene.actors[0].pull.levels[i]: r for r, i in enumerate(scene.order.tolist())}
        rank = [row.get(level, len(row)) for level in actor.pull.levels]
        # The largest reference on top, and room at the foot for the bars of the distribution.
        self.down = 1.0 - (np.array(rank) + 0.5) / (max(rank) + 1.0)
        self.ranks = ranks_of(scene, actor, box.ix, box.iy)
        placed = (lambda values: values) if self.ranks is None else self.ranks.placed
        self.pull = replace(
            actor.pull, reference=placed(actor.pull.reference), mode=placed(actor.pull.mode)
        )
        self.reference = self._placed(self.pull.reference)
        self.heads = self._open_ends()
        self.frames = self._placed(placed(self.track.modes))
        self.moves = self._moves()

    def at(self, moment: Moment) -> list[Drawn]:
        """The marks at a moment, the first to be drawn at first."""
        start, end = self.frames[moment.start], self.frames[moment.end]
        now = start + moment.way * (end - start)
        known = np.isfinite(self.reference).all(axis=1)
        found: list[Drawn] = []
        for mark in self.marks:
            if mark.name == "pull":
                lines = np.hstack([self.reference, now])[known]
                found.append(self._drawn(mark, "lines", lines))
            elif mark.name == "reference":
                found.append(self._drawn(mark, "points", self.reference[known]))
            elif mark.name == "head":
                found.append(self._drawn(mark, "lines", self.heads))
            elif mark.name == "mode":
                found.append(self._drawn(mark, "points", now))
            elif mark.name == "trail":
                found += self._trails(mark, moment.start, now)
            else:
                found += self._distribution(mark, moment)
        return found

    def told(self, moment: Moment) -> Moment:
        """The moment without what cannot be told apart: the cursor, and moves that are not seen."""
        start, end = moment.start, moment.end
        seen = self.moves[start:end].any()
        return replace(
            moment, here=0.0, end=end if seen else start, way=moment.way if seen else 0.0
        )

    def _moves(self) -> NDArray[np.bool_]:
        """Per frame but the last, whether anything moves before the next by what can be seen."""
        found = np.abs(np.diff(self.frames, axis=0)).max(axis=(1, 2)) > _SEEN
        if self.scene.ellipses:
            at = self.track.evaluations - 1
            j, i = self.box.ix, self.box.iy
            reach = radius(max(self.scene.ellipses))
            for k, long in ((j, self.box.w), (i, self.box.h)):
                low, high = self.scene.axes[k]
                sd = reach * long / (high - low) * self.actor.sds[at, k]
                rho = np.nan_to_num(self.actor.correlations[at, j, i])
                found |= np.abs(np.diff(sd)) > _SEEN
                # A contour x = s cos t, y = s cos(t - arccos rho) is steep in rho at its ends.
                found |= np.abs(np.diff(np.arccos(np.clip(rho, -1, 1)))) * sd[1:] > _SEEN
        return found

    def _open_ends(self) -> Floats:
        """Arrowheads of levels whose own estimate is infinite, as lines (3 m, 4).

        Their rings are put among the references where they stand at the edge.
        """
        box, axes = self.box, self.scene.axes
        mark = next(mark for mark in self.marks if mark.name == "head")
        scale = self.size if mark.scaled else 1.0
        width, height = box.w / FILM, box.h / FILM
        found = []
        for i in np.flatnonzero(self.pull.infinite).tolist():
            if len(self.scene.terms) == 1:
                ends = row_ends(self.pull, i, 0, axes[0], width, scale)
            else:
                pair = (box.ix, box.iy)
                frames = [axes[j] for j in pair]
                ends = ends_of(self.pull, i, pair, frames, (width, height), scale)
            if ends is None:
                continue
            middle, ring = (self._spot(i, ends, names) for names in (("x", "y"), ("rx", "ry")))
            if ring is not None:
                self.reference[i] = ring
            turn = np.radians(ends["angle"])
            across, down = np.array(CORNERS).T * FILM * scale * mark.radius
            corners = np.stack([across * np.cos(turn) - down * np.sin(turn),
                                across * np.sin(turn) + down * np.cos(turn)], axis=1)  # fmt: skip
            corners += middle
            found.append(np.hstack([corners, np.roll(corners, -1, axis=0)]))
        return np.concatenate(found) if found else np.empty((0, 4))

    def _spot(self, i: int, ends: Ends, names: tuple[str, str]) -> Floats | None:
        """Pixels of a place in a panel, or in the row of a level; None where there is none."""
        if names[0] not in ends:
            return None
        values = np.zeros((len(self.pull.levels), len(self.scene.terms)))
        values[i, self.box.ix] = ends[names[0]]
        if len(self.scene.terms) > 1:
            values[i, self.box.iy] = ends[names[1]]
        return np.asarray(self._placed(values)[i])

    def _placed(self, values: Floats) -> Floats:
        """Pixels of values (..., levels, terms)."""
        x = self.box.across(values[..., self.box.ix], self.scene.axes[self.box.ix])
        if len(self.scene.terms) == 1:
            room = self.box.h - FILM * DUMBBELL["room"]
            y = np.broadcast_to(self.box.y + FILM * DUMBBELL["above"] + self.down * room, x.shape)
        else:
            y = self.box.up(values[..., self.box.iy], self.scene.axes[self.box.iy])
        return np.stack([x, y], axis=-1)

    def _drawn(self, mark: Mark, shape: Any, at: Floats, **other: Any) -> Drawn:
        size = FILM * (self.size if mark.scaled else 1.0)
        look = {
            "opacity": mark.opacity,
            "width": size * mark.width,
            "radius": size * mark.radius,
            "paper": self.paper if mark.filled else "",
        }
        return Drawn(mark.name, shape, at, COLOURS[mark.colour], **{**look, **other})

    def _trails(self, mark: Mark, start: int, now: Floats) -> list[Drawn]:
        found = []
        for age in range(min(mark.back, start + 1) - 1, -1, -1):
            older = self.frames[start - age]
            newer = self.frames[start - age + 1] if age else now
            moved = np.abs(older - newer).max(axis=1) > FILM * STILL
            lines = np.hstack([older, newer])[moved]
            found.append(self._drawn(mark, "lines", lines, opacity=faded(mark, age)))
        return found

    def _distribution(self, mark: Mark, moment: Moment) -> list[Drawn]:
        at, to = (self.track.evaluations[i] - 1 for i in (moment.start, moment.end))
        sds, correlations = (
            values[at] + moment.way * (values[to] - values[at])
            for values in (self.actor.sds, self.actor.correlations)
        )
        box, axes = self.box, self.scene.axes
        j, i = box.ix, box.iy
        ranks = self.ranks
        x, y = (0.0 if ranks is None or ranks.term != term else ranks.foot for term in (j, i))
        found = []
        for n, coverage in enumerate(self.scene.ellipses):
            if len(self.scene.terms) == 1:
                left, right = box.across(radius(coverage) * sds[0] * _BOTH, axes[0])
                foot = box.y + box.h - FILM * DUMBBELL["foot"]
                width = FILM * BARS[min(n, 1)]
                line = np.array([[left, foot, right, foot]])
                found.append(self._drawn(mark, "lines", line, width=width))
                continue
            points = contour((sds[j], sds[i]), float(correlations[j, i]), coverage, centre=(x, y))
            path = np.stack([box.across(points[:, 0], axes[j]), box.up(points[:, 1], axes[i])], 1)
            if len(path) == 1:
                r = FILM * COLLAPSED["radius"]
                found.append(self._drawn(mark, "points", path, width=0.0, radius=r))
            elif len(path) == 2:
                width = FILM * COLLAPSED["width"]
                found.append(self._drawn(mark, "curve", path, width=width))
            else:
                found.append(self._drawn(mark, "loop", path[:-1]))
        return found


_BOTH: Final = np.array([-1.0, 1.0])

#: Moves of so many pixels or fewer are not drawn on the way: marks jump there.
_SEEN: Final = 1 / 16


class Components:
    """Components of θ in the panel of a film."""

    def __init__(
        self, track: Track, box: Box, span: tuple[float, float], hues: Sequence[str]
    ) -> None:
        self.box, self.hues = box, hues
        self.frames = box.up(track.modes[:, 0], span)
        self.zero = float(box.up(np.array(0.0), span))
        room = box.w / len(hues)
        self.x = box.x + (np.arange(len(hues)) + 0.5) * room
        self.half = min(ECHO["share"] * room, FILM * ECHO["most"])

    def told(self, moment: Moment) -> Moment:
        """The moment without the cursor, which is not here."""
        return replace(moment, here=0.0)

    def at(self, moment: Moment) -> list[Drawn]:
        """The marks at a moment, the first to be drawn at first."""
        frames = self.frames
        now = frames[moment.start] + moment.way * (frames[moment.end] - frames[moment.start])
        echo, stem, point = THETA
        found = []
        for age in range(min(echo.back, moment.start + 1), 0, -1):
            y = frames[moment.start - age + 1]
            lines = np.stack([self.x - self.half, y, self.x + self.half, y], axis=1)
            found += self._coloured(echo, "lines", lines, echoed(echo, age))
        stems = np.stack([self.x, np.full_like(now, self.zero), self.x, now], axis=1)
        found += self._coloured(stem, "lines", stems)
        return found + self._coloured(point, "points", np.stack([self.x, now], axis=1))

    def _coloured(self, mark: Mark, shape: Any, at: Floats, opacity: float = 1.0) -> list[Drawn]:
        """Marks of each grouping factor, which have a colour of their own."""
        return [
            Drawn(mark.name, shape, at[[hue == own for own in self.hues]], hue, opacity,
                  FILM * mark.width, FILM * mark.radius)
            for hue in dict.fromkeys(self.hues)
        ]  # fmt: skip


class Trace:
    """The best so far up to the cursor, the cursor, and the evaluation shown."""

    def __init__(self, box: TraceBox, course: Course, track: Track, theme: str) -> None:
        self.box, self.course, self.track = box, course, track
        self.colours = {**COLOURS, **ink(theme)}
        known = np.flatnonzero(np.isfinite(course.gap))
        self.evaluations = known + 1
        mark = TRACE[0]
        # Over the faint points of the backdrop.
        over = 1 - (1 - mark.opacity) / (1 - AHEAD)
        at = np.stack([box.across(known + 1.0), box.up(course.gap[known], course)], axis=1)
        radius = FILM * point_radius(course.size)
        self.points = self._drawn(mark, "points", at, opacity=over, radius=radius)
        best = np.flatnonzero(np.isfinite(course.best))
        x, y = box.across(best + 1.0), box.up(course.best[best], course)
        # Level until the next evaluation, down where that was better.
        self.best = np.stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]], axis=1)
        self.first = int(best[0]) + 1 if best.size else course.size + 1

    def told(self, moment: Moment) -> Moment:
        """The moment without the way of marks, which are elsewhere."""
        return replace(moment, end=moment.start, way=0.0)

    def reached(self, moment: Moment) -> int:
        """How many of its points the cursor has reached."""
        return int(np.searchsorted(self.evaluations, moment.here + 1e-6, side="right"))

    def at(self, moment: Moment) -> list[Drawn]:
        """The marks at a moment, the first to be drawn at first."""
        box, course = self.box, self.course
        _, best, cursor, shown = TRACE
        found = []
        x = float(box.across(moment.here))
        last = int(moment.here + 1e-6)
        if last >= self.first:
            path = self.best[: 2 * (last - self.first) + 1]
            found.append(self._drawn(best, "curve", np.vstack([path, [x, path[-1, 1]]])))
        line = np.array([[x, box.y, x, box.y + box.h]])
        found.append(self._drawn(cursor, "lines", line))
        frame = int(self.track.evaluations[moment.start])
        gap = course.gap[frame - 1]
        if np.isfinite(gap):
            at = np.array([[float(box.across(frame)), float(box.up(gap, course))]])
            edge = FILM * (shown.radius + shown.width / 2)
            paper = Drawn("halo", "points", at, self.colours["paper"], radius=edge)
            inner = FILM * (shown.radius - shown.width / 2)
            found += [paper, self._drawn(shown, "points", at, width=0.0, radius=inner)]
        return found

    def _drawn(self, mark: Mark, shape: Any, at: Floats, **other: Any) -> Drawn:
        look = {
            "opacity": mark.opacity,
            "width": FILM * mark.width,
            "radius": FILM * mark.radius,
        }
        return Drawn(mark.name, shape, at, self.colours[mark.colour], **{**look, **other})
