"""The player of an animation in a real browser: played, scrubbed, and read back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, FAMILIES, NO_CHROMIUM, Browser, Page
from motion_fits import sleep_like

from mixedscope.charts.kinds.motion.chart import motion
from mixedscope.charts.kinds.motion.frames import scene_of, stops
from mixedscope.charts.kinds.theta.chart import theta_motion
from mixedscope.tables.store import FitTables

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

TERMS = ("(Intercept)", "x")
STUDIES = ("parameters", "motion")
SLIDER = "input[type=range]"
STRUCTURES = ("full", "zerocorr", "intercept")
#: Widths of phones, tablets, laptops and desktops.
WIDTHS = (360, 390, 600, 800, 1024, 1280, 1440, 1920)
#: Pages that every run looks at: each kind in its own font, and the fullest in another one.
LOOKED_AT = {("one", "own"), ("dumbbell", "own"), ("theta", "own"), ("three", "sans")}
NASTY = ["<img src=x onerror=document.title='gone'>", "</script><b>bold</b>", "Ärger & Söhne"]


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    return sleep_like(STRUCTURES)


class Pages(dict[str, Path]):
    """Pages by name, each made when it is first asked for."""

    def __init__(self, fits: list[FitTables], folder: Path) -> None:
        self.fits, self.folder = fits, folder

    def __missing__(self, name: str) -> Path:
        fits, terms = self.fits, TERMS
        if name.endswith("many"):
            fits = many()
            terms = ("(Intercept)", "x", "condition", "x:condition")
        if name.startswith("theta"):
            made = theta_motion(fits)
        else:
            one, slopes = name in ("one", "dumbbell"), name != "dumbbell"
            made = motion(fits[:1] if one else fits, "g", terms if slopes else terms[:1])
        self[name] = self.folder / f"{name}.html"
        self[name].write_bytes(made.html())
        return self[name]


@cache
def many() -> list[FitTables]:
    formula = "y ~ 1 + x + (1 + x * condition | g)"
    return sleep_like(STRUCTURES, formula=formula, optimizer="auto", studies=STUDIES)


@pytest.fixture(scope="module")
def pages(fits: list[FitTables], tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(fits, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    opened = browser.open(pages["one"])
    yield opened
    assert opened.errors == []
    opened.close()


def last_stop(page: Page) -> int:
    return int(page.js(f"document.querySelector('{SLIDER}').max"))


def stop(page: Page) -> int:
    return int(page.js(f"document.querySelector('{SLIDER}').value"))


def field(page: Page, name: str, fit: int = 0) -> str:
    return page.text(f'[data-fit="{fit}"] [data-field="{name}"]')


def value(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def matches(page: Page, fit: FitTables, number: int = 0) -> int:
    """Compare what a fit shows with its tables; give the evaluation shown."""
    shown = int(field(page, "shown", number))
    trace = fit.require("trace").set_index("evaluation")
    row = trace.loc[shown]
    assert value(field(page, "objective", number)) == pytest.approx(row["objective"], abs=6e-5)
    assert value(field(page, "sigma", number)) == pytest.approx(row["sigma"], rel=6e-4)
    gap = row["objective"] - trace["objective"].min()
    text = field(page, "gap", number)
    if text.startswith("<"):
        assert gap <= value(text[1:])
    else:
        assert value(text) == pytest.approx(gap, rel=6e-3)
    parameters = fit.require("parameters")
    own = parameters[parameters["evaluation"] == shown]
    for kind, term, term2, stored in own[["kind", "term", "term2", "value"]].to_numpy():
        if kind == "sd":
            assert value(field(page, f"sd:{term}", number)) == pytest.approx(stored, rel=6e-4)
        elif kind == "correlation":
            cell = field(page, f"cor:{term}:{term2}", number)
            assert value(cell) == pytest.approx(stored, abs=6e-4)
    here, size = map(int, field(page, "evaluation", number).split(" of "))
    assert size == len(trace)
    words = {"exploration": "exploration", "convergence": "rapid", "fine-tuning": "fine tuning"}
    assert field(page, "phase", number).startswith(words[trace.loc[here, "phase"]])
    assert shown <= here
    return shown


def test_every_stop_shows_the_numbers_of_the_tables(page: Page, fits: list[FitTables]) -> None:
    for track, table in (("best", "modes_trace"), ("every", "modes_every")):
        page.choose("[data-act=track]", track)
        seen = set()
        for at in range(last_stop(page) + 1):
            page.choose(SLIDER, str(at))
            assert stop(page) == at
            seen.add(matches(page, fits[0]))
        assert seen == set(fits[0].require(table)["evaluation"])


def test_best_so_far_is_never_worse_than_before(page: Page) -> None:
    values = []
    for at in range(last_stop(page) + 1):
        page.choose(SLIDER, str(at))
        values.append(value(field(page, "objective")))
    assert values == sorted(values, reverse=True)


def test_side_by_side_fits_run_by_evaluation_or_by_share(
    browser: Browser, pages: dict[str, Path], fits: list[FitTables]
) -> None:
    page = browser.open(pages["three"])
    actors = scene_of(fits, "g", TERMS).actors
    tracks, courses = [a.tracks["best"] for a in actors], [a.course for a in actors]
    for align in ("evaluation", "share"):
        page.choose("[data-act=align]", align)
        clock = stops(tracks, courses, align=align)
        assert last_stop(page) + 1 == len(clock)
        for at in (0, len(clock) // 2, len(clock) - 1):
            page.choose(SLIDER, str(at))
            for number, fit in enumerate(fits):
                matches(page, fit, number)
                here = int(field(page, "evaluation", number).split(" of ")[0])
                n = courses[number].size
                wanted = 1 + clock[at] * (n - 1) if align == "share" else min(clock[at], n)
                assert here == int(wanted + 1e-6)
    assert page.errors == []
    page.close()


def test_play_runs_to_the_end_and_pause_holds(page: Page, fits: list[FitTables]) -> None:
    page.choose("[data-act=speed]", "4")
    assert page.text("[data-act=play]") == "Play"
    page.click("[data-act=play]")
    assert page.text("[data-act=play]") == "Pause"
    page.wait(lambda: stop(page) > 1, "the film has moved")
    page.click("[data-act=play]")
    held = stop(page)
    page.js("new Promise((done) => setTimeout(done, 400))")
    assert stop(page) == held
    assert page.text("[data-act=play]") == "Play"
    page.click("[data-act=play]")
    page.wait(lambda: stop(page) == last_stop(page), "the film has ended")
    page.wait(lambda: page.text("[data-act=play]") == "Play", "it stands still")
    matches(page, fits[0])


def test_buttons_step_and_jump(page: Page) -> None:
    page.click("[data-act=forward]")
    page.click("[data-act=forward]")
    assert stop(page) == 2
    page.click("[data-act=back]")
    assert stop(page) == 1
    page.click("[data-act=end]")
    assert stop(page) == last_stop(page)
    page.click("[data-act=forward]")
    assert stop(page) == last_stop(page)
    page.click("[data-act=start]")
    assert stop(page) == 0


def test_keys_step_jump_and_play(page: Page) -> None:
    for key, wanted in (
        ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Home", 0), ("ArrowLeft", 0),
        ("End", last_stop(page)),
    ):  # fmt: skip
        page.key(key)
        assert stop(page) == wanted, key
    page.key("Home")
    page.key(" ")
    assert page.text("[data-act=play]") == "Pause"
    page.key(" ")
    assert page.text("[data-act=play]") == "Play"


def test_keys_work_on_the_slider_and_on_buttons_once(page: Page) -> None:
    page.js(f"document.querySelector('{SLIDER}').focus()")
    page.key("ArrowRight")
    assert stop(page) == 1
    page.key("Home")
    page.js("document.querySelector('[data-act=forward]').focus()")
    page.key(" ")
    assert stop(page) == 1
    assert page.text("[data-act=play]") == "Play"


def test_focus_is_seen_and_everything_has_a_name(page: Page) -> None:
    page.key("Tab")
    assert page.js("document.activeElement.dataset.act") == "play"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tree = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "image", "img"}
    found = [n for n in tree if n.get("role", {}).get("value") in roles and not n["ignored"]]
    assert len(found) >= 10
    for node in found:
        assert node["name"]["value"], node["role"]
    page.key("End")
    text = page.js(f"document.querySelector('{SLIDER}').getAttribute('aria-valuetext')")
    assert re.match(r"evaluation \d+ of \d+, ", text)


def test_click_on_the_trace_goes_there(page: Page) -> None:
    page.click("canvas.trace", x=0.98, y=0.4)
    assert stop(page) == last_stop(page)
    page.click("canvas.trace", x=0.12, y=0.4)
    assert stop(page) <= 1


def test_level_that_is_pointed_at_tells_its_numbers(page: Page, fits: list[FitTables]) -> None:
    page.key("End")
    left, top, width, height = page.place("canvas.panels")
    told = ""
    for share in np.linspace(0.1, 0.95, 60):
        for down in (0.35, 0.45, 0.5, 0.55):
            page.hover(left + share * width, top + down * height)
            if not page.js("document.querySelector('.tip').hidden"):
                told = page.js("document.querySelector('.tip').textContent")
                break
        if told:
            break
    found = re.fullmatch(
        r"g (\S+)\nn = (\d+)\n\(Intercept\): reference (\S+), mode (\S+)\n"
        r"x: reference (\S+), mode (\S+)",
        told,
    )
    assert found is not None, told
    modes = fits[0].require("modes")
    rows = modes[modes["level"] == found[1]].set_index("term")
    assert int(found[2]) == rows["n_obs"].iloc[0]
    for term, reference, mode in (("(Intercept)", 3, 4), ("x", 5, 6)):
        assert value(found[reference]) == pytest.approx(rows.loc[term, "joint_limit"], rel=6e-4)
        assert value(found[mode]) == pytest.approx(rows.loc[term, "mode"], rel=6e-4)


def test_level_that_is_chosen_is_told_at_every_frame(page: Page, fits: list[FitTables]) -> None:
    names = page.js("[...document.querySelectorAll('[data-act=level] option')].length")
    assert names == 13
    page.choose("[data-act=level]", "4")
    table = fits[0].require("modes_trace")
    for at in (0, last_stop(page)):
        page.choose(SLIDER, str(at))
        shown = int(field(page, "shown"))
        own = table[(table["level"] == "S004") & (table["evaluation"] == shown)]
        mode = own.loc[own["term"] == "(Intercept)", "mode"].item()
        told = page.text("[data-field=level]")
        found = re.search(r"g S004, n = 8, \(Intercept\): reference \S+, mode ([^\s,]+)", told)
        assert found is not None, told
        assert value(found[1]) == pytest.approx(mode, rel=6e-4)


#: Keeps what is written on each canvas, and where: the corners of its box in pixels.
RECORD = """
const written = new Map();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (words, x, y) {
  const m = this.measureText(words);
  const [l, r, u, d] = [-m.actualBoundingBoxLeft, m.actualBoundingBoxRight,
    -m.actualBoundingBoxAscent, m.actualBoundingBoxDescent];
  const t = this.getTransform();
  const corners = [[l, u], [r, u], [r, d], [l, d]].map(([a, b]) => {
    const p = t.transformPoint(new DOMPoint(x + a, y + b));
    return [p.x, p.y];
  });
  if (!written.has(this.canvas)) written.set(this.canvas, []);
  written.get(this.canvas).push([words, corners]);
  write.apply(this, arguments);
};
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function () {
  written.delete(this.canvas);
  clear.apply(this, arguments);
};
window.whatIsWritten = () => [...written].map(([canvas, texts]) => ({
  width: canvas.width, height: canvas.height, texts}));
"""

#: Elements of a film that reach out of the section they are in, or over the next one.
OUTSIDE = """
[...document.querySelectorAll('.fit')].flatMap((section, i, all) => {
  const own = section.getBoundingClientRect();
  const parts = [...section.querySelectorAll('canvas, header, .side, .numbers *')].filter((e) => {
    const b = e.getBoundingClientRect();
    return b.width && (b.left < own.left - 1 || b.right > own.right + 1);
  }).map((e) => e.tagName + '.' + e.className);
  for (const other of all.slice(i + 1)) {
    const b = other.getBoundingClientRect();
    if (b.left < own.right && own.left < b.right && b.top < own.bottom && own.top < b.bottom) {
      parts.push('over the next');
    }
  }
  return parts;
})
"""


def apart(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two rectangles, four corners each, have a line of a pixel's width between them."""
    for one in (a, b):
        for edge in (one[1] - one[0], one[3] - one[0]):
            length = np.hypot(*edge)
            if length < 1e-9:
                continue
            p, q = a @ edge / length, b @ edge / length
            if p.max() <= q.min() + 1 or q.max() <= p.min() + 1:
                return True
    return False


def overlaps(page: Page) -> list[str]:
    """Words on a canvas that are written over others, or cut by its edge."""
    found = []
    for canvas in page.js("whatIsWritten()"):
        texts = [(words, np.array(corners)) for words, corners in canvas["texts"]]
        for i, (words, box) in enumerate(texts):
            found += [f"{words} over {w}" for w, other in texts[:i] if not apart(box, other)]
            low, high = box.min(axis=0), box.max(axis=0)
            if (low < -1).any() or (high > [canvas["width"] + 1, canvas["height"] + 1]).any():
                found.append(f"{words} cut")
    return found


@pytest.mark.parametrize("width", [1024, pytest.param(1280, marks=pytest.mark.exhaustive)])
def test_long_names_of_terms_cut_no_correlation_off(
    browser: Browser, pages: dict[str, Path], width: int
) -> None:
    page = browser.open(pages["three"], width=width)
    page.js(
        "document.querySelector('thead tr:last-child th:last-child').textContent = 'W'.repeat(60)"
    )
    tables = "[...document.querySelectorAll('.side table')]"
    assert page.js(f"{tables}.length") > 1
    cut = f"{tables}.filter((t) => t.scrollWidth > t.closest('.side').clientWidth).length"
    assert page.js(cut) == 0
    page.close()


@pytest.mark.parametrize(
    ("name", "fonts"),
    [
        pytest.param(
            name, fonts, marks=[] if (name, fonts) in LOOKED_AT else [pytest.mark.exhaustive]
        )
        for name in ["one", "three", "many", "dumbbell", "theta", "theta-many"]
        for fonts in FAMILIES
    ],
)
def test_page_asks_for_nothing_fits_the_window_and_draws(
    browser: Browser, pages: dict[str, Path], name: str, fonts: str
) -> None:
    page = browser.open(pages[name], fonts=FAMILIES[fonts], before=RECORD)
    page.key("End")
    assert page.requests == [pages[name].resolve().as_uri()]
    for width in WIDTHS:
        page.resize(width, 900)
        # Two frames: the page is laid out, then the canvases are drawn anew.
        page.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.js(OUTSIDE) == [], width
        assert overlaps(page) == [], width
        inked = page.js(
            "[...document.querySelectorAll('canvas')].map((c) => {"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })"
        )
        assert min(inked) > 500
    assert page.errors == []
    page.close()


def test_theta_shows_the_evaluation_of_the_table(
    browser: Browser, pages: dict[str, Path], fits: list[FitTables]
) -> None:
    page = browser.open(pages["theta"])
    page.choose("[data-act=track]", "every")
    for at in (0, 5, last_stop(page)):
        page.choose(SLIDER, str(at))
        for number, fit in enumerate(fits):
            trace = fit.require("trace").set_index("evaluation")
            row = trace.loc[int(field(page, "shown", number))]
            shown = value(field(page, "objective", number))
            assert shown == pytest.approx(row["objective"], abs=6e-5)
    page.close()


def test_with_less_motion_nothing_is_drawn_between_frames(
    browser: Browser, pages: dict[str, Path]
) -> None:
    drawn = {}
    for reduced in (False, True):
        page = browser.open(pages["one"], reduced_motion=reduced)
        page.choose("[data-act=speed]", "4")
        drawn[reduced] = page.js(
            "new Promise((done) => { const seen = new Set();"
            "const canvas = document.querySelector('canvas.panels');"
            "const look = () => { seen.add(canvas.toDataURL());"
            "document.querySelector('[data-act=play]').textContent === 'Pause'"
            "? requestAnimationFrame(look) : done(seen.size); };"
            "document.querySelector('[data-act=play]').click(); look(); })"
        )
        stops_there = last_stop(page) + 1
        page.close()
    assert drawn[True] <= stops_there
    assert drawn[False] > drawn[True]


@pytest.mark.parametrize("beside", [False, True])
def test_without_scripting_the_still_is_shown(
    browser: Browser, pages: dict[str, Path], fits: list[FitTables], tmp_path: Path, beside: bool
) -> None:
    path = pages["one"]
    if beside:
        path = tmp_path / "a run's #1.html"
        still = '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="500"/>'
        path.with_name("a still.svg").write_text(still)
        path.write_bytes(motion(fits[:1], "g", TERMS).html.make(None, None, "a still.svg"))
    page = browser.open(path, scripting=False)
    assert page.errors == []
    # Nothing of the page runs; what is asked for here comes from the debugger's own world.
    tree = page.send("DOM.getDocument", depth=-1)["root"]
    image = page.send("DOM.querySelector", nodeId=tree["nodeId"], selector="noscript img")
    box = page.send("DOM.getBoxModel", nodeId=image["nodeId"])["model"]
    assert box["width"] > 300
    assert box["height"] > 300
    assert len(page.requests) == 1 + beside
    player = page.send("DOM.querySelector", nodeId=tree["nodeId"], selector="#player")
    children = page.send("DOM.describeNode", nodeId=player["nodeId"])["node"]["childNodeCount"]
    assert children == 0
    page.close()


def test_names_of_levels_are_text(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "nasty.html"
    tables = sleep_like(names=[*NASTY, *(f"S{i}" for i in range(5))])
    path.write_bytes(motion(tables, "g", TERMS).html())
    page = browser.open(path)
    title = page.js("document.title")
    levels = page.texts("[data-act=level] option")
    assert set(NASTY) <= set(levels)
    page.choose("[data-act=level]", str(levels.index(NASTY[0]) - 1))
    assert NASTY[0] in page.text("[data-field=level]")
    assert page.js("document.querySelectorAll('#player img, #player b').length") == 0
    assert page.js("document.title") == title
    assert page.errors == []
    assert len(page.requests) == 1
    page.close()
