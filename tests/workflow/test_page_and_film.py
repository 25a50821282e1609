"""Page and film of an animation draw the same marks at the same times, recomputed side by side.

The page runs in Chromium with a clock that the test turns, and what it draws is written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser, Page
from motion_fits import choices, sleep_like

from mixedscope.charts.common.open_ends import ends_of, row_ends
from mixedscope.charts.common.theme import COLOURS
from mixedscope.charts.kinds.motion import film, marks
from mixedscope.charts.kinds.motion.frames import course_of, scene_of, stops
from mixedscope.charts.kinds.motion.moving import Trace
from mixedscope.charts.kinds.motion.paint import Drawn
from mixedscope.charts.kinds.motion.player import modes_film, theta_film
from mixedscope.charts.kinds.motion.player import page as page_of
from mixedscope.charts.kinds.motion.scenes import modes_reel, theta_reel
from mixedscope.charts.kinds.theta.chart import theta_tracks
from mixedscope.charts.kinds.trace.chart import theta_span
from mixedscope.tables.store import FitTables

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

#: Kind and size, colour and opacity; place; whether it is so long that it is drawn for sure.
Mark = tuple[tuple[str, str, float], tuple[float, ...], bool]

#: Seconds after the start, in tenths: in the rush of the beginning, on the way, towards the end.
TENTHS = (3, 17, 41, 77)

#: Writes down what is drawn inside clips, and turns the clock by hand.
HOOK = """
window.drawn = []; let queue = [], now = 0;
window.requestAnimationFrame = (act) => queue.push(act);
window.advance = (ms) => { now += ms; const due = queue; queue = []; due.forEach((a) => a(now)); };
const P = CanvasRenderingContext2D.prototype;
const wrap = (name, act) => { const own = P[name];
  P[name] = function (...given) { act(this, ...given); return own.apply(this, given); }; };
wrap("beginPath", (c) => { c.path = []; });
for (const name of ["moveTo", "lineTo", "arc", "rect"]) {
  wrap(name, (c, ...given) => { (c.path ??= []).push([name, ...given.slice(0, 4)]); });
}
wrap("clip", (c) => { c.clips = c.path[0].slice(1); });
wrap("save", (c) => { (c.saved ??= []).push(c.clips); });
wrap("restore", (c) => { c.clips = c.saved.pop(); });
for (const name of ["fill", "stroke"]) {
  wrap(name, (c) => { if (c.clips) window.drawn.push({how: name, on: c.canvas.className,
    fit: c.canvas.closest("section").dataset.fit, clip: c.clips, path: c.path,
    colour: c[name + "Style"], alpha: c.globalAlpha, width: c.lineWidth}); });
}
"""


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    return sleep_like(("full", "intercept"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


def played(page: Page) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """What the page draws at each of the times, in tenths of a second after it began to play."""
    page.click("[data-act=play]")
    page.js("advance(0)")
    for tenth in range(1, max(TENTHS) + 1):
        page.js("window.drawn = []; advance(100)")
        if tenth in TENTHS:
            yield tenth, page.js("window.drawn")


def moments(reel: film.Reel, tenth: int) -> list[film.Moment]:
    plan = film.schedule(stops(reel.tracks, reel.courses), 10)
    before = next(i for i, picture in enumerate(plan) if picture != (0, 0.0, 0.0))
    at = plan[before + tenth - 1]
    return [reel.show._moment(fit, *at) for fit in range(len(reel.tracks))]


def strokes(call: dict[str, Any], box: list[float]) -> list[tuple[float, ...]]:
    """Lines of a call of the page, as shares of its panel; one that is drawn through is cut."""
    found, at = [], (0.0, 0.0)
    for name, x, y, *_ in call["path"]:
        to = ((x - box[0]) / box[2], (y - box[1]) / box[3])
        if name == "lineTo":
            found.append((*at, *to))
        at = to
    return found


def lines_of(drawn: Drawn, box: Any) -> list[tuple[float, ...]]:
    at = (drawn.at - np.resize([box.x, box.y], drawn.at.shape[1])) / np.resize(
        [box.w, box.h], drawn.at.shape[1]
    )
    if drawn.shape == "lines":
        return [tuple(line) for line in at.tolist()]
    ends = np.roll(at, -1, axis=0)
    joined = np.hstack([at, ends])[: None if drawn.shape == "loop" else -1]
    return [tuple(line) for line in joined.tolist()]


def flat(kind: str, colour: str, alpha: float, places: Any, sure: Any) -> list[Mark]:
    look = (kind, colour.lower(), round(alpha, 3))
    return [(look, tuple(place), bool(s)) for place, s in zip(places, sure, strict=True)]


def of_page(calls: list[dict[str, Any]], columns: slice) -> list[Mark]:
    found = []
    for call in calls:
        box = call["clip"]
        points = [(p[1], p[2], p[3]) for p in call["path"] if p[0] == "arc"]
        if points and call["how"] == "fill" and call["colour"] == "#ffffff":
            continue  # the paper inside a ring, which is drawn next
        if points:
            places = [((x - box[0]) / box[2], (y - box[1]) / box[3])[columns] for x, y, _ in points]
            radii = {r for *_, r in points}
            kind, sure = f"points {radii.pop():.2f}", [True] * len(places)
            assert not radii
        else:
            own = strokes(call, box)
            places, sure = [cut(x, columns) for x in own], [seen(x, box[2:]) for x in own]
            kind = f"lines {call['width']:.2f}"
        found += flat(kind, call["colour"], call["alpha"], places, sure)
    return found


def of_film(drawn: list[Drawn], box: Any, columns: slice) -> list[Mark]:
    found = []
    for one in drawn:
        size = marks.FILM
        if one.shape == "points":
            places = ((one.at - [box.x, box.y]) / [box.w, box.h])[:, columns].tolist()
            kind, sure = f"points {one.radius / size:.2f}", [True] * len(places)
        else:
            own = lines_of(one, box)
            places = [cut(x, columns) for x in own]
            sure = [seen(x, (box.w / size, box.h / size)) for x in own]
            kind = f"lines {one.width / size:.2f}"
        found += flat(kind, one.colour, one.opacity, places, sure)
    return found


def cut(line: tuple[float, ...], columns: slice) -> tuple[float, ...]:
    return (*line[:2][columns], *line[2:][columns])


def seen(line: tuple[float, ...], size: Any) -> bool:
    """Whether a line is long enough to be drawn in both, whose panels differ in size."""
    x, y = (abs(line[i + 2] - line[i]) * size[i] for i in range(2))
    return max(x, y) > 4 * marks.STILL


def agree(page: list[Mark], film: list[Mark]) -> None:
    """The same marks in the same order; what is almost too short to be drawn may lack in one."""
    orders = [list(dict.fromkeys(look for look, _, sure in own if sure)) for own in (page, film)]
    assert orders[0] == orders[1]
    for look in orders[0]:
        for one, other in ((page, film), (film, page)):
            here = np.array([at for own, at, sure in one if own == look and sure])
            there = np.array([at for own, at, _ in other if own == look])
            away = np.abs(here[:, None] - there[None]).max(axis=2).min(axis=1)
            # Numbers of the page have six digits.
            assert away.max() < 2e-4, look


@pytest.mark.parametrize("name", ["modes", "one term", "theta"])
def test_page_and_film_draw_the_same_marks_at_the_same_times(
    browser: Browser, fits: list[FitTables], tmp_path: Path, monkeypatch: Any, name: str
) -> None:
    # Panels of the page have other sizes: here nothing depends on them.
    monkeypatch.setattr(marks, "_SMALLEST", 1.0)
    monkeypatch.setitem(marks.ECHO, "most", 1e6)
    terms = ("(Intercept)", "x")[: 1 if name == "one term" else 2]
    if name == "theta":
        courses, span = course_of(fits), theta_span(fits)
        room = 0.04 * (span[1] - span[0])
        axis = (span[0] - room, span[1] + room)
        tracks = [theta_tracks(course) for course in courses]
        data = theta_film(fits, courses, axis, tracks)
        reel = theta_reel(fits, courses, axis, [own["best"] for own in tracks], "t")
    else:
        scene = scene_of(fits, "g", terms)
        data, reel = modes_film(scene), modes_reel(scene, "t")
    path = tmp_path / "page.html"
    path.write_bytes(page_of(data, "t", "c", "data:image/svg+xml;base64,PHN2Zy8+"))
    page = browser.open(path, before=HOOK)
    columns = slice(0, 1) if name == "one term" else slice(0, 2)
    zero = COLOURS["zero"].lower()
    for tenth, calls in played(page):
        for fit, moment in enumerate(moments(reel, tenth)):
            (stage, *_), trace = (
                [s for s in reel.stages if s.fit == fit and _is_trace(s) is kind]
                for kind in (False, True)
            )
            box = _owner(stage).box
            own = [c for c in calls if c["fit"] == str(fit) and c["on"] == "panels"]
            own = [c for c in own if c["colour"] != zero]
            agree(of_page(own, columns), of_film(stage.marks(moment), box, columns))
            own = [c for c in calls if c["fit"] == str(fit) and c["on"] == "trace"]
            check_trace(own, _owner(trace[0]), moment)
    assert page.errors == []
    page.close()


@pytest.mark.parametrize("reference", ["auto", "within_group"])
@pytest.mark.parametrize("terms", [1, 2])
def test_arrowheads_of_page_and_film_are_those_of_stills(
    browser: Browser, tmp_path: Path, terms: int, reference: str
) -> None:
    """Each where `ends_of`, or `row_ends`, has it in a panel of that size."""
    fit = choices(terms)
    scene = scene_of([fit], "g", ("(Intercept)", "x")[:terms], reference=reference)
    (actor,) = scene.actors
    endless = np.flatnonzero(actor.pull.infinite).tolist()
    assert endless
    path = tmp_path / "page.html"
    path.write_bytes(page_of(modes_film(scene), "t", "c", "data:image/svg+xml;base64,PHN2Zy8+"))
    page = browser.open(path, before=HOOK)
    page.click("[data-act=end]")
    page.js("window.drawn = []")
    page.click("[data-act=start]")
    colour = COLOURS["reference"].lower()
    calls = [c for c in page.js("window.drawn") if c["on"] == "panels" and c["colour"] == colour]
    (heads,) = [
        c for c in calls if c["how"] == "stroke" and not any(p[0] == "arc" for p in c["path"])
    ]
    assert page.text(".key").count("own estimate infinite") == 1
    assert page.errors == []
    page.close()
    reel = modes_reel(scene, "t")
    stage = next(s for s in reel.stages if not _is_trace(s))
    levels = _owner(stage)
    (drawn,) = [d for d in stage.marks(film.Moment(1.0, 0, 0, 0.0)) if d.mark == "head"]
    (mark,) = [m for m in marks.LEVELS["few"] if m.name == "head"]
    x, y, w, h = heads["clip"]
    size = marks.panel_size(w, h)
    on_page = np.array([p[1:3] for p in heads["path"]]).reshape(-1, 4, 2)[:, :3] - [x, y]
    box = levels.box
    on_film = drawn.at.reshape(-1, 3, 4)[:, :, :2] - [box.x, box.y]
    for shown, wide, high, scale, unit in (
        (on_page, w, h, size, 1.0),
        (on_film, box.w, box.h, levels.size, marks.FILM),
    ):
        assert len(shown) == len(endless)
        for corners, i in zip(shown, endless, strict=True):
            own = actor.pull
            if terms == 1:
                ends = row_ends(own, i, 0, scene.axes[0], wide / unit, scale)
            else:
                ends = ends_of(own, i, (0, 1), scene.axes, (wide / unit, high / unit), scale)
            assert ends is not None
            low, top = scene.axes[0]
            # The middle of the corners weighed as they are drawn about it.
            middle = corners[0] * 0.8 / 1.8 + (corners[1] + corners[2]) / 3.6
            assert middle[0] == pytest.approx((ends["x"] - low) / (top - low) * wide, abs=0.02)
            way = corners[0] - middle
            assert np.hypot(*way) == pytest.approx(unit * scale * mark.radius, rel=1e-3)
            turn = float(np.degrees(np.arctan2(way[0], -way[1]))) % 360.0
            assert abs((turn - ends["angle"] + 180.0) % 360.0 - 180.0) < 0.2
            if terms == 2:
                low, top = scene.axes[1]
                up = (top - ends["y"]) / (top - low) * high
                assert middle[1] == pytest.approx(up, abs=0.02)


def check_trace(calls: list[dict[str, Any]], trace: Trace, moment: film.Moment) -> None:
    """The cursor, the evaluation shown and those reached are where the film has them."""
    # The clip has room for half a mark at each side.
    x, w = calls[0]["clip"][0] + 4, calls[0]["clip"][2] - 8
    drawn = {one.mark: one for one in trace.at(moment)}
    lines = [c for c in calls if c["how"] == "stroke" and len(c["path"]) == 2]
    (cursor,) = [c for c in lines if c["path"][0][1] == c["path"][1][1]]
    assert cursor["colour"] == drawn["cursor"].colour.lower()
    assert cursor["width"] * marks.FILM == pytest.approx(drawn["cursor"].width)
    share = partial(lambda at, x, w: (at - x) / w, x=trace.box.x, w=trace.box.w)
    place = (cursor["path"][0][1] - x) / w
    assert place == pytest.approx(float(share(drawn["cursor"].at[0, 0])), abs=2e-4)
    (shown,) = [c for c in calls if c["how"] == "fill"]
    place = (shown["path"][-1][1] - x) / w
    assert place == pytest.approx(float(share(drawn["shown"].at[0, 0])), abs=2e-4)
    mark = marks.TRACE[0]
    dark = [c for c in calls if c["alpha"] == pytest.approx(mark.opacity)]
    assert len(dark) == trace.reached(moment)
    assert trace.points.opacity == pytest.approx(1 - (1 - mark.opacity) / (1 - marks.AHEAD))


def _owner(stage: film.Stage) -> Any:
    return stage.marks.__self__  # type: ignore[attr-defined]


def _is_trace(stage: film.Stage) -> bool:
    return isinstance(_owner(stage), Trace)
