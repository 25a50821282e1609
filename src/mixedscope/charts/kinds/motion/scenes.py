"""What moves in a film: conditional modes with trails and ellipses, or the components of θ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from mixedscope.charts.common.legend import header_lines
from mixedscope.charts.common.numerals import counted, deviation, fixed, number, power_of_ten, share
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.motion.backdrop import Sheet, key_of_phases, text_width
from mixedscope.charts.kinds.motion.film import COUNTER, DIGIT, SCALE, Moment, Reel, mix
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene, Track
from mixedscope.charts.kinds.motion.layout import Block, Box, blocks
from mixedscope.charts.kinds.motion.player import DENSE
from mixedscope.charts.kinds.motion.words import component_names
from mixedscope.charts.kinds.shrinkage.ellipse import contour, radius
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.tables.store import FitTables

__all__ = ["modes_reel", "theta_reel"]

Floats = NDArray[np.float64]

#: Frames a trail reaches back, for few levels and for many.
_TRAIL: Final = (8, 3)

#: Earlier evaluations of θ that are still seen.
_ECHOES: Final = 16


def modes_reel(scene: Scene, title: str, *, track: str = "best", theme: str = "light") -> Reel:
    """Prepare a film of conditional modes; ``track`` is one of "best", "every"."""
    courses = [actor.course for actor in scene.actors]
    side = len(scene.terms) - 1
    if side:
        layout = blocks([a.pull.told_pairs() for a in scene.actors], side, courses)
    else:
        layout = blocks([[(0, 0)]] * len(courses), 1, courses)
    sheet = Sheet.new(theme)
    sheet.title(title)
    sheet.key(_key(scene, courses))
    for actor, block in zip(scene.actors, layout, strict=True):
        lines = ", ".join(header_lines(actor.pull, scene.group, narrow=False))
        sheet.header(block, actor.pull.label, lines)
        for box in block.boxes:
            if side:
                names = (scene.terms[box.ix], scene.terms[box.iy])
                sheet.grid(box, scene.axes[box.ix], scene.axes[box.iy], names)
            else:
                what = f"{len(actor.pull.levels)} levels of {scene.group}, by reference"
                sheet.grid(box, scene.axes[0], None, (f"deviation in {scene.terms[0]}", what))
        sheet.trace(block.trace, actor.course, narrow=len(courses) > 1)
        _count(sheet, block, actor.course)
    pencils = [_Levels(scene, a, block, track, theme) for a, block in zip(scene.actors, layout)]

    def words(reading: float) -> str:
        page = Sheet.new(theme, paper=False)
        for actor, block in zip(scene.actors, layout, strict=True):
            _numbers(page, block, actor.course, actor.tracks[track], reading, (actor, scene))
        return page.svg()

    return Reel(
        backdrop=sheet.svg(),
        courses=courses,
        traces=[block.trace for block in layout],
        counters=[_counter(block, course) for block, course in zip(layout, courses, strict=True)],
        tracks=[actor.tracks[track] for actor in scene.actors],
        draw=lambda pencil, fit, moment: pencils[fit].draw(pencil, moment),
        words=words,
        theme=theme,
    )


class _Levels:
    """Draws the levels of one fit."""

    def __init__(self, scene: Scene, actor: Actor, block: Block, track: str, theme: str) -> None:
        self.scene, self.actor, self.block, self.track = scene, actor, block, actor.tracks[track]
        self.paper = ink(theme)["paper"]
        # Small panels have small marks.
        smallest = min(min(box.w, box.h) for box in block.boxes)
        self.size = float(np.clip(smallest / 180.0, 0.6, 1.0))
        self.dense = len(actor.pull.levels) > DENSE
        row = {scene.actors[0].pull.levels[i]: r for r, i in enumerate(scene.order.tolist())}
        rank = [row.get(level, len(row)) for level in actor.pull.levels]
        # The largest reference on top, and room at the foot for the bars of the distribution.
        self.share = 1.0 - (np.array(rank) + 0.5) / (max(rank) + 1.0)

    def draw(self, pencil: ImageDraw.ImageDraw, moment: Moment) -> None:
        frames = self.track.modes
        now = frames[moment.start] + moment.way * (frames[moment.end] - frames[moment.start])
        for box in self.block.boxes:
            self._box(_Clipped(pencil, box), box, now, moment)

    def _place(self, box: Box, values: Floats) -> Floats:
        x = box.across(values[:, box.ix], self.scene.axes[box.ix])
        if len(self.scene.terms) == 1:
            y = np.asarray(box.y + 6 + self.share * (box.h - 24))
        else:
            y = box.up(values[:, box.iy], self.scene.axes[box.iy])
        return np.column_stack([x, y])

    def _box(self, pencil: _Clipped, box: Box, now: Floats, moment: Moment) -> None:
        reference = self._place(box, self.actor.pull.reference)
        modes = self._place(box, now)
        dense = self.dense
        pull = mix(COLOURS["movement"], 0.35 if dense else 0.8, self.paper)
        pencil.lines(reference, modes, pull, 0.7 if dense else 1.2 * self.size)
        if not dense:
            self._ellipses(pencil, box, moment)
        edge = mix(COLOURS["reference"], 0.65 if dense else 1.0, self.paper)
        ring = (2.2, 1.0) if dense else (4.0 * self.size, 1.9 * self.size)
        for a in reference:
            pencil.ring(a, *ring, edge, None if dense else self.paper)
        self._trails(pencil, box, modes, moment)
        fill = mix(COLOURS["mode"], 0.85 if dense else 1.0, self.paper)
        for b in modes:
            pencil.dot(b, 2.3 if dense else 4.3 * self.size, fill)
        if dense:
            self._ellipses(pencil, box, moment)

    def _trails(self, pencil: _Clipped, box: Box, modes: Floats, moment: Moment) -> None:
        back = _TRAIL[self.dense]
        frames = self.track.modes
        ages = range(min(back, moment.start + 1) - 1, -1, -1)
        for age in ages:
            older = self._place(box, frames[moment.start - age])
            newer = self._place(box, frames[moment.start - age + 1]) if age else modes
            opacity = (0.45 if self.dense else 0.7) * (1 - age / back)
            fill = mix(COLOURS["mode"], opacity, self.paper)
            moved = np.abs(older - newer).max(axis=1) > 0.3
            width = 0.9 if self.dense else 2.4 * self.size
            pencil.lines(older[moved], newer[moved], fill, width)

    def _ellipses(self, pencil: _Clipped, box: Box, moment: Moment) -> None:
        at, to = (self.track.evaluations[i] - 1 for i in (moment.start, moment.end))
        sds, correlations = (
            values[at] + moment.way * (values[to] - values[at])
            for values in (self.actor.sds, self.actor.correlations)
        )
        j, i = box.ix, box.iy
        for n, coverage in enumerate(self.scene.ellipses):
            if len(self.scene.terms) == 1:
                ends = box.across(radius(coverage) * sds[0] * np.array([-1.0, 1.0]),
                                  self.scene.axes[0])  # fmt: skip
                foot = box.y + box.h - 8
                left, right = (np.array([end, foot]) for end in ends)
                pencil.line(left, right, COLOURS["ellipse"], 3.0 if n else 7.0)
                continue
            points = contour((sds[j], sds[i]), float(correlations[j, i]), coverage, n=96)
            x = box.across(points[:, 0], self.scene.axes[j])
            y = box.up(points[:, 1], self.scene.axes[i])
            path = np.column_stack([x, y])
            if len(path) == 1:
                pencil.dot(path[0], 6.0, COLOURS["ellipse"])
            else:
                pencil.path(path, COLOURS["ellipse"], 3.4 if len(path) == 2 else 2.0)


def theta_reel(
    tables: Sequence[FitTables],
    courses: Sequence[Course],
    span: tuple[float, float],
    tracks: Sequence[Track],
    title: str,
    *,
    theme: str = "light",
) -> Reel:
    """Prepare a film of the components of θ.

    ``span``: axis of θ. ``tracks``: modes are (m, 1, p) arrays of θ.
    """
    groups = list(dict.fromkeys(t["group"] for fit in tables for t in fit.info["random"]))
    hue = {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}
    layout = blocks([[(0, 0)]] * len(courses), 1, courses, foot=104.0)
    sheet = Sheet.new(theme)
    sheet.title(title)
    sheet.key([*(("thick", hue[g], g) for g in groups), *key_of_phases(courses)])
    hues: list[list[str]] = []
    for fit, course, block in zip(tables, courses, layout, strict=True):
        estimates = fit.require("estimates")
        owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
        hues.append([hue[g] for g in owners])
        sheet.header(
            block,
            structure_label(fit.info),
            f"{fit.info['optimizer']['name']}, {counted(course.size)}",
        )
        box = block.boxes[0]
        sheet.grid(box, None, span, ("", "θ"))
        _component_names(sheet, box, fit, hues[-1])
        sheet.trace(block.trace, course, narrow=len(courses) > 1)
        _count(sheet, block, course)
    paper = ink(theme)["paper"]

    def draw(pencil: ImageDraw.ImageDraw, fit: int, moment: Moment) -> None:
        box = layout[fit].boxes[0]
        clipped = _Clipped(pencil, box)
        frames = tracks[fit].modes[:, 0]
        now = frames[moment.start] + moment.way * (frames[moment.end] - frames[moment.start])
        room = box.w / len(now)
        xs = box.x + (np.arange(len(now)) + 0.5) * room
        half = min(0.32 * room, 22.0)
        for age in range(min(_ECHOES, moment.start + 1), 0, -1):
            ys = box.up(frames[moment.start - age + 1], span)
            opacity = 0.55 * (1 - (age - 0.5) / _ECHOES) ** 1.5
            if opacity < 0.06:
                continue  # would only wipe out the grid
            for x, y, colour in zip(xs, ys, hues[fit], strict=True):
                fill = mix(colour, opacity, paper)
                clipped.line(np.array([x - half, y]), np.array([x + half, y]), fill, 2.0)
        zero = float(box.up(np.array(0.0), span))
        for x, y, colour in zip(xs, box.up(now, span), hues[fit], strict=True):
            clipped.line(np.array([x, zero]), np.array([x, y]), colour, 1.6)
            clipped.dot(np.array([x, y]), 6.0, colour)

    def words(reading: float) -> str:
        page = Sheet.new(theme, paper=False)
        for course, track, block in zip(courses, tracks, layout, strict=True):
            _numbers(page, block, course, track, reading)
        return page.svg()

    return Reel(
        backdrop=sheet.svg(),
        courses=courses,
        traces=[block.trace for block in layout],
        counters=[_counter(block, course) for block, course in zip(layout, courses, strict=True)],
        tracks=tracks,
        draw=draw,
        words=words,
        theme=theme,
    )


# -- details -------------------------------------------------------------------------------------


class _Clipped:
    """A pencil for one panel: what is outside is not drawn."""

    def __init__(self, pencil: ImageDraw.ImageDraw, box: Box) -> None:
        self.pencil = pencil
        self.low = np.array([box.x, box.y])
        self.high = np.array([box.x + box.w, box.y + box.h])

    def line(self, a: Floats, b: Floats, fill: str, width: float) -> None:
        self.lines(a[None], b[None], fill, width)

    def lines(self, starts: Floats, ends: Floats, fill: str, width: float) -> None:
        """Draw segments (m, 2) to (m, 2), what is within the panel of each."""
        cut = self._cut(starts, ends) * SCALE
        for segment in cut.tolist():
            self.pencil.line(segment, fill, max(round(width * SCALE), 1))

    def path(self, points: Floats, fill: str, width: float) -> None:
        inside = bool(((points >= self.low) & (points <= self.high)).all())
        if inside:
            flat = (points * SCALE).ravel().tolist()
            self.pencil.line(flat, fill, round(width * SCALE), joint="curve")
            return
        self.lines(points[:-1], points[1:], fill, width)

    def dot(self, at: Floats, r: float, fill: str) -> None:
        if self._holds(at):
            self.pencil.ellipse(self._around(at, r), fill)

    def ring(self, at: Floats, r: float, width: float, edge: str, fill: str | None) -> None:
        if self._holds(at):
            self.pencil.ellipse(self._around(at, r + width / 2), fill, edge, round(width * SCALE))

    def _around(self, at: Floats, r: float) -> tuple[float, float, float, float]:
        x, y = (at * SCALE).tolist()
        return (x - r * SCALE, y - r * SCALE, x + r * SCALE, y + r * SCALE)

    def _holds(self, at: Floats) -> bool:
        return bool(np.isfinite(at).all() and (at >= self.low).all() and (at <= self.high).all())

    def _cut(self, a: Floats, b: Floats) -> Floats:
        """Parts of segments within the panel, (n, 4) with n <= m (Liang and Barsky 1984)."""
        known = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
        a, b = a[known], b[known]
        step = b - a
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            edges = np.stack([(self.low - a) / step, (self.high - a) / step])
        # Along an axis that a segment does not move on, it is inside or it is not.
        level = step == 0.0
        inside = (a >= self.low) & (a <= self.high)
        near = np.where(level, np.where(inside, -np.inf, np.inf), edges.min(axis=0))
        far = np.where(level, np.where(inside, np.inf, -np.inf), edges.max(axis=0))
        start = np.maximum(near.max(axis=1), 0.0)
        stop = np.minimum(far.min(axis=1), 1.0)
        seen = start <= stop
        a, step, start, stop = a[seen], step[seen], start[seen, None], stop[seen, None]
        return np.hstack([a + start * step, a + stop * step])


def _key(scene: Scene, courses: Sequence[Course]) -> list[tuple[str, str, str]]:
    items = [
        ("open", COLOURS["reference"], "reference"),
        ("full", COLOURS["mode"], "conditional mode"),
        ("thick", mix(COLOURS["mode"], 0.45), "where it was"),
        ("line", COLOURS["movement"], "pull"),
    ]
    if scene.ellipses:
        shares = joined([share(c) for c in scene.ellipses])
        items.append(("thick", COLOURS["ellipse"], f"{shares} of distribution"))
    return [*items, *key_of_phases(courses)]


def _counter(block: Block, course: Course) -> tuple[float, float]:
    """Right end of the number of the evaluation, and the middle of its digits."""
    x, y = block.words
    return x + len(str(course.size)) * DIGIT, y


def _count(sheet: Sheet, block: Block, course: Course) -> None:
    """Write what stands still of "12 of 53 evaluations"."""
    x, y = _counter(block, course)
    sheet.text(x + 5, y, f"of {course.size} evaluation{'s' * (course.size > 1)}", size=COUNTER,
               bold=True)  # fmt: skip


def _numbers(
    page: Sheet,
    block: Block,
    course: Course,
    track: Track,
    reading: float,
    modes: tuple[Actor, Scene] | None = None,
) -> None:
    """Write where the clock stands and what the frame shown is."""
    here = int(min(reading, course.size))
    shown = int(track.evaluations[track.at(here)])
    x, y = block.words
    soft = ink(page.theme)["soft"]
    phase = list(PHASE_NAMES.values())[int(course.phase[here - 1])]
    gap = course.gap[shown - 1]
    floor = power_of_ten(round(np.log10(course.floor)))
    above = f"< {floor}" if gap <= course.floor else number(gap)
    sigma = f"σ {number(course.sigma[shown - 1])}"
    if block.narrow:
        at = x + 4 * DIGIT + text_width(f" of {course.size} evaluations", COUNTER) + 12
        page.text(at, y, phase, size=13, fill=soft)
        page.text(x, y + 22, f"gap {above} · {sigma}", size=13)
        if modes is not None:
            page.text(x, y + 41, _one_line(*modes, shown), size=12, fill=soft)
        return
    page.text(x, y + 24, phase, size=15, fill=soft)
    lines = [("objective", fixed(course.objective[shown - 1], 4))]
    lines += [("above the minimum", above), ("σ", number(course.sigma[shown - 1], 4))]
    for i, (name, value) in enumerate(lines):
        page.text(x, y + 54 + 21 * i, name, size=14, fill=soft)
        page.text(x + 150, y + 54 + 21 * i, value, size=14)
    if modes is not None:
        _table(page, x, y + 130, *modes, shown)


def _one_line(actor: Actor, scene: Scene, shown: int) -> str:
    """Standard deviations, and the correlation of two terms, in a line."""
    own = actor.sds[shown - 1][np.array(actor.pull.varies)].tolist()
    sds = [deviation(v, actor.course.sigma[shown - 1]) for v in own]
    text = f"SD {', '.join(sds)}"
    if len(actor.correlated) == 1:
        a, b = actor.correlated[0]
        text += f" · correlation {_two(actor.correlations[shown - 1, a, b])}"
    return text


def _table(page: Sheet, x: float, y: float, actor: Actor, scene: Scene, shown: int) -> None:
    """Standard deviations and correlations, as they are printed for a fit."""
    soft = ink(page.theme)["soft"]
    size = 13.0
    first = min(max(text_width(term, size) for term in scene.terms) + 70, 210.0)
    columns = sorted({a for a, _ in actor.correlated})
    page.text(x, y, "random effect", size=size, fill=soft)
    page.text(x + first, y, "SD", size=size, anchor="end", fill=soft)
    if columns:
        page.text(x + first + 24, y, "correlations", size=size, fill=soft)
    for i, term in enumerate(scene.terms):
        at = y + 20 * (i + 1)
        name = term if text_width(term, size) <= first - 60 else term[:18] + "…"
        page.text(x, at, name, size=size)
        sd = deviation(actor.sds[shown - 1, i], actor.course.sigma[shown - 1])
        page.text(x + first, at, sd, size=size, anchor="end")
        for n, j in enumerate(columns):
            if (j, i) in actor.correlated:
                value = _two(actor.correlations[shown - 1, j, i])
                page.text(x + first + 66 + 58 * n, at, value, size=size, anchor="end")


def _two(value: float) -> str:
    return fixed(value, 2)


def _component_names(sheet: Sheet, box: Box, fit: FitTables, hues: Sequence[str]) -> None:
    names = component_names(fit)
    room = box.w / len(names)
    fits = all(text_width(name, 13) < room - 8 for name in names)
    for j, (name, colour) in enumerate(zip(names, hues, strict=True)):
        x = box.x + (j + 0.5) * room
        if fits:
            sheet.text(x, box.y + box.h + 16, name, anchor="middle", fill=colour)
        else:
            short = name if len(name) <= 17 else name[:16] + "…"
            sheet.text(x + 4, box.y + box.h + 12, short, size=11, anchor="end", fill=colour,
                       turn=-45)  # fmt: skip
