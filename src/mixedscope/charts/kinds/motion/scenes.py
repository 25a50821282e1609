"""Films of conditional modes, with trails and ellipses, and of the components of θ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.legend import header_lines
from mixedscope.charts.common.numerals import counted, deviation, fixed, number, power_of_ten, share
from mixedscope.charts.common.structure_names import structure_label
from mixedscope.charts.common.theme import COLOURS, GROUP_COLOURS, ink
from mixedscope.charts.kinds.motion.backdrop import Sheet, key_of_phases, mix, text_width
from mixedscope.charts.kinds.motion.film import COUNTER, DIGIT, Reel, Stage
from mixedscope.charts.kinds.motion.frames import Actor, Course, Scene, Track, ranks_of
from mixedscope.charts.kinds.motion.layout import HEIGHT, WIDTH, Block, Box, TraceBox, blocks
from mixedscope.charts.kinds.motion.moving import Components, Levels, Trace
from mixedscope.charts.kinds.motion.paint import Patch
from mixedscope.charts.kinds.motion.words import component_names
from mixedscope.charts.kinds.shrinkage.words import infinite_key, joined
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.tables.store import FitTables

__all__ = ["modes_reel", "theta_reel"]

Floats = NDArray[np.float64]


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
    sheet.key(_key(scene, courses, theme))
    for actor, block in zip(scene.actors, layout, strict=True):
        lines = ", ".join(header_lines(actor.pull, scene.group, narrow=False))
        sheet.header(block, actor.pull.label, lines)
        for box in block.boxes:
            if side:
                _plane(sheet, box, scene, actor)
            else:
                what = f"{len(actor.pull.levels)} levels of {scene.group}, by reference"
                sheet.grid(box, scene.axes[0], None, (f"deviation in {scene.terms[0]}", what))
    stages = []
    for fit, (actor, block) in enumerate(zip(scene.actors, layout, strict=True)):
        for box in block.boxes:
            levels = Levels(scene, actor, box, track, theme)
            stages.append(Stage(fit, _patch(box), levels.at, levels.told))

    def words(page: Sheet, fit: int, reading: float) -> None:
        actor = scene.actors[fit]
        own = (actor, scene)
        _numbers(page, layout[fit], actor.course, actor.tracks[track], reading, own)

    tracks = [actor.tracks[track] for actor in scene.actors]
    return _reel(sheet, layout, courses, tracks, stages, words)


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
    sheet.key([*(("thick", hue[g], g) for g in groups), *key_of_phases(courses, sheet.theme)])
    stages = []
    for i, (fit, course, block) in enumerate(zip(tables, courses, layout, strict=True)):
        estimates = fit.require("estimates")
        owners = estimates.loc[estimates["kind"] == "theta", "group"].tolist()
        hues = [hue[g] for g in owners]
        sheet.header(
            block,
            structure_label(fit.info),
            f"{fit.info['optimizer']['name']}, {counted(course.size)}",
        )
        box = block.boxes[0]
        sheet.grid(box, None, span, ("", "θ"))
        _component_names(sheet, box, fit, hues)
        components = Components(tracks[i], box, span, hues)
        stages.append(Stage(i, _patch(box), components.at, components.told))

    def words(page: Sheet, fit: int, reading: float) -> None:
        _numbers(page, layout[fit], courses[fit], tracks[fit], reading)

    return _reel(sheet, layout, courses, tracks, stages, words)


def _reel(
    sheet: Sheet,
    layout: Sequence[Block],
    courses: Sequence[Course],
    tracks: Sequence[Track],
    stages: Sequence[Stage],
    words: Callable[[Sheet, int, float], None],
) -> Reel:
    """Put together what films of everything have: traces, numbers, counters."""
    for block, course in zip(layout, courses, strict=True):
        sheet.trace(block.trace, course, narrow=len(courses) > 1)
        _count(sheet, block, course)
    traces = []
    for fit, (block, course, track) in enumerate(zip(layout, courses, tracks, strict=True)):
        trace = Trace(block.trace, course, track, sheet.theme)
        patch = _patch(block.trace, 8.0)
        traces.append(Stage(fit, patch, trace.at, trace.told, trace.points, trace.reached))

    def parts(reading: float) -> list[str]:
        page = Sheet(sheet.theme, [])
        for fit in range(len(courses)):
            words(page, fit, reading)
        return page.parts

    left = min(block.words[0] for block in layout)
    top = min(block.words[1] for block in layout) - 14
    return Reel(
        backdrop=sheet.svg(),
        courses=courses,
        tracks=tracks,
        stages=[*stages, *traces],
        counters=[_counter(block, course) for block, course in zip(layout, courses, strict=True)],
        words=parts,
        foot=(left, top, WIDTH - left, HEIGHT - top),
        theme=sheet.theme,
    )


def _patch(box: Box | TraceBox, margin: float = 0.0) -> Patch:
    return Patch.around(box.x, box.y, box.w, box.h, margin)


def _plane(sheet: Sheet, box: Box, scene: Scene, actor: Actor) -> None:
    """Draw the frame of a panel of two terms; one along which levels stand by rank has no axis."""
    ranks = ranks_of(scene, actor, box.ix, box.iy)
    still = None if ranks is None else ranks.term
    x_axis, y_axis = (None if term == still else scene.axes[term] for term in (box.ix, box.iy))
    # Neighbours show the axis of the term that is missing.
    names = scene.terms[box.ix], "" if still == box.iy else scene.terms[box.iy]
    sheet.grid(box, x_axis, y_axis, names)
    if still is not None:
        told = "by rank \u2191" if still == box.iy else "by rank \u2192"
        sheet.text(box.x + 6, box.y + 12, told, size=12, fill=ink(sheet.theme)["soft"])


# -- words ---------------------------------------------------------------------------------------


def _key(scene: Scene, courses: Sequence[Course], theme: str) -> list[tuple[str, str, str]]:
    items = [
        ("open", COLOURS["reference"], "reference"),
        ("full", COLOURS["mode"], "conditional mode"),
        ("thick", mix(COLOURS["mode"], 0.45), "where it was"),
        ("line", COLOURS["movement"], "pull"),
    ]
    if any(actor.pull.infinite.any() for actor in scene.actors):
        items.insert(1, ("head", COLOURS["reference"], infinite_key()))
    if scene.ellipses:
        shares = joined([share(c) for c in scene.ellipses])
        items.append(("thick", COLOURS["ellipse"], f"{shares} of distribution"))
    return [*items, *key_of_phases(courses, theme)]


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
    sigma = course.sigma[shown - 1]
    # A generalised model has none.
    behind = f" · σ {number(sigma)}" if np.isfinite(sigma) else ""
    if block.narrow:
        at = x + 4 * DIGIT + text_width(f" of {course.size} evaluations", COUNTER) + 12
        page.text(at, y, phase, size=13, fill=soft)
        page.text(x, y + 22, f"gap {above}{behind}", size=13)
        if modes is not None:
            page.text(x, y + 41, _one_line(*modes, shown), size=12, fill=soft)
        return
    page.text(x, y + 24, phase, size=15, fill=soft)
    lines = [("objective", fixed(course.objective[shown - 1], 4))]
    lines.append(("above the minimum", above))
    if behind:
        lines.append(("σ", number(sigma, 4)))
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
