"""The explorer as readers use it: in Chromium, what it shows is read back against the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser, Page
from firefox import FIREFOX, NO_FIREFOX, Firefox
from motion_fits import sleep_like

from mixedscope.charts.common.assets import asset_name
from mixedscope.charts.common.render import save, save_figure
from mixedscope.charts.drawing import figure
from mixedscope.charts.kinds.explorer import contents
from mixedscope.charts.kinds.explorer.chart import explorer_chart
from mixedscope.tables.store import FitTables
from mixedscope.workflow.figures import back_to
from mixedscope.workflow.steps import assets

STUDIES = ("parameters", "motion", "stopping", "ledger", "panels")
READY = "document.getElementById('explorer').dataset.ready === ''"
NAMES = [f"S{i:02d}" for i in range(9)] + [
    "<img src=x onerror=alert(1)>",
    "Ärger \"&' Söhne",
    "S03 b",
]


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    # The landscape of one parameter is a curve, and has no place here.
    studies = (*STUDIES, "landscape")
    return sleep_like(("full", "zerocorr", "intercept"), names=NAMES, studies=studies)


@pytest.fixture(scope="module")
def path(fits: list[FitTables], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page in a folder of results, which shares its scripts."""
    return write_page(fits, tmp_path_factory.mktemp("a run") / "re sults#1")


def write_page(fits: list[FitTables], root: Path) -> Path:
    shared = root / "assets" / asset_name()
    shared.parent.mkdir(parents=True)
    assets(output=shared)
    caption = root / "charts/m/explorer.caption.json"
    caption.parent.mkdir(parents=True)
    save_figure(figure(*explorer_chart(fits)), caption, ["html"], back_to(caption), [shared])
    return caption.with_name("explorer.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(patience=240.0) as found:
        yield found


@pytest.fixture
def page(browser: Browser, path: Path) -> Iterator[Page]:
    # Scrolling takes no time: what is clicked stands where it was found.
    found = browser.open(path, reduced_motion=True)
    found.wait(lambda: found.js(READY), "pictures", 120.0)
    yield found
    assert found.errors == []
    found.close()


def rows(page: Page, view: str, table: str) -> list[dict[str, Any]]:
    text = page.js(f"JSON.stringify(linked.views.{view}.view.data({json.dumps(table)}))")
    return list(json.loads(text))


def marked(page: Page, view: str) -> Any:
    return page.js(f"linked.views.{view}.view.signal('level')")


def spread(fit: FitTables, evaluation: int) -> dict[tuple[str, str], float]:
    """Conditional modes at an evaluation, by level and term."""
    every = fit.require("modes_every")
    own = every[every["evaluation"] == evaluation]
    return {(a, b): m for a, b, m in zip(own["level"], own["term"], own["mode"], strict=True)}


def best_at(fit: FitTables, evaluation: int) -> int:
    return int(np.nanargmin(fit.require("trace")["objective"][:evaluation])) + 1


pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)


@pytest.mark.exhaustive
def test_a_level_that_is_found_by_its_name_is_marked_everywhere(
    page: Page, fits: list[FitTables]
) -> None:
    modes = fits[0].require("modes").set_index(["level", "term"])
    for name in ("S03", NAMES[9], NAMES[10]):
        page.js("document.getElementById('search').focus()")
        page.js(
            f"(() => {{ const e = document.getElementById('search'); e.value = {json.dumps(name)};"
            "e.dispatchEvent(new Event('input', {bubbles: true})) })()"
        )
        offered = page.texts("#levels li")
        # The name itself comes before one that it begins.
        assert offered[0].startswith(name)
        page.js(
            "document.getElementById('search').dispatchEvent(new KeyboardEvent('keydown',"
            "{key: 'Enter', bubbles: true}))"
        )
        said = page.text("[data-field=statement]")
        assert said.startswith(f"{name} of g, 8 observations")
        position = page.js("linked.state.level")
        for view in ("shrinkage", "caterpillar", "caterpillar2"):
            assert marked(page, view) == position
        for letter, term in (("x", "(Intercept)"), ("y", "x")):
            view = "path" if letter == "x" else "path2"
            (end,) = rows(page, view, f"end{letter}")
            own = modes.loc[(name, term)]
            assert end["reference"] == pytest.approx(own["joint_limit"], abs=1e-2)
            assert end["low"] == pytest.approx(own["mode"] - 1.96 * own["std_dev"], abs=1e-2)
            shown = rows(page, "panel", "points")
            data = fits[0].require("panels_points")
            stored_rows = data.loc[data["level"] == name, "y"].tolist()
            assert [row["y"] for row in shown] == pytest.approx(stored_rows, rel=1e-5)
            for row in rows(page, view, f"path{letter}")[:-1]:
                stored = spread(fits[0], row["e"])[name, term]
                assert row["v"] == pytest.approx(stored, abs=1e-2)
    page.js(
        "(() => { const e = document.getElementById('search'); e.focus(); e.value = 'nobody';"
        "e.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    assert page.text(".offered p") == "No level of g has this in its name"
    assert not page.texts("#levels li")


@pytest.mark.exhaustive
def test_a_moment_moves_shrinkage_cursor_and_ledger(page: Page, fits: list[FitTables]) -> None:
    fit = fits[0]
    parameters = fit.require("parameters")
    stopping, ledger = fit.require("stopping"), fit.require("ledger")
    for evaluation in (1, 5, len(fit.require("trace"))):
        page.choose("#moment", str(evaluation))
        best = best_at(fit, evaluation)
        stored = spread(fit, best)
        for row in rows(page, "shrinkage", "levels"):
            assert row["mx"] == pytest.approx(stored[row["name"], "(Intercept)"], abs=1e-2)
            assert row["my"] == pytest.approx(stored[row["name"], "x"], abs=1e-2)
        for view in ("trace", "path", "ledger"):
            assert page.js(f"linked.views.{view}.view.signal('at')") == evaluation
        assert page.js("linked.views.landscape.view.signal('best')") == best
        (shown,) = [r for r in rows(page, "landscape", "visited") if r["e"] == best]
        theta = fit.require("trace")["theta"][best - 1]
        assert shown["x"] == pytest.approx(theta[0], rel=1e-3, abs=1e-4)
        own = parameters[(parameters["evaluation"] == best) & (parameters["kind"] == "sd")]
        sd = float(own.loc[own["term"] == "x", "value"].iloc[0])
        assert number(page.text("[data-field='sd:1']")) == pytest.approx(sd, rel=1e-3)
        edf = float(ledger.loc[ledger["evaluation"] == best, "edf"].iloc[0])
        assert number(page.text("[data-field=edf]")) == pytest.approx(edf, rel=1e-4)
        off = float(stopping["modes"][evaluation - 1])
        told = page.text("[data-field='stopping:modes']")
        assert number(told) == pytest.approx(off, rel=0.006, abs=1e-12)
        assert f"evaluation {evaluation} of" in page.text("[data-field=statement]")


@pytest.mark.exhaustive
def test_a_structure_changes_every_picture(page: Page, fits: list[FitTables]) -> None:
    for i, fit in enumerate(fits):
        page.js(f"document.querySelectorAll('[data-act=fit]')[{i}].click()")
        final = fit.require("modes").set_index(["level", "term"])["mode"]
        for row in rows(page, "shrinkage", "levels"):
            assert row["mx"] == pytest.approx(final[row["name"], "(Intercept)"], abs=1e-2)
            slope = final.get((row["name"], "x"), 0.0)
            assert row["my"] == pytest.approx(slope, abs=1e-2)
        assert len(rows(page, "trace", "trace")) == len(fit.require("trace"))
        told = number(page.text("[data-field=objective]"))
        assert told == pytest.approx(fit.info["objective"], abs=1e-3)
        hidden = page.js("document.querySelector('figure[data-view=landscape]').hidden")
        assert hidden == (fit.info["structure"] == "intercept")
        if not hidden:
            points = fit.require("landscape_points")
            own = points[(points["panel"] == 1) & (points["kind"] == "evaluation")]
            visited = rows(page, "landscape", "visited")
            assert [row["e"] for row in visited] == own["evaluation"].tolist()
            for letter in "xy":
                found = [row[letter] for row in visited]
                assert found == pytest.approx(own[letter].tolist(), rel=1e-3, abs=1e-4)
    assert "x does not vary" in page.text("[data-field=statement]")
    assert "its landscape is a curve" in page.text("#view-landscape")


@pytest.mark.exhaustive
def test_each_question_is_answered_by_one_action(page: Page, fits: list[FitTables]) -> None:
    count = len(page.texts("[data-finding]"))
    assert count == 5
    for i in range(count):
        page.js(f"document.querySelector('[data-finding=\"{i}\"]').click()")
        pressed = page.js(
            "[...document.querySelectorAll('[data-finding]')].map((e) => e.ariaPressed)"
        )
        assert pressed == ["true" if j == i else "false" for j in range(count)]
        assert page.js("document.querySelectorAll('.views[data-shown]').length") == 1
    assert page.js("linked.state.fit") == 1
    page.js("document.querySelector('[data-finding=\"2\"]').click()")
    at = page.js("linked.state.at")
    assert f"From evaluation {at} of" in page.texts(".answer")[2]
    assert page.js("document.querySelector('.views[data-shown]').id") == "view-trace"


@pytest.mark.exhaustive
def test_keys_go_through_levels_and_moments(page: Page, fits: list[FitTables]) -> None:
    total = len(fits[0].require("trace"))
    order = [row["i"] for row in rows(page, "caterpillar", "rows")]
    page.js("document.querySelector('figure[data-view=shrinkage]').focus()")
    page.key("Home")
    assert page.js("linked.state.at") == 1
    page.key("ArrowRight")
    assert page.js("linked.state.at") == 2
    page.key("End")
    assert page.js("linked.state.at") == total
    page.key("ArrowLeft")
    assert page.js("linked.state.at") == total - 1
    page.js(f"linked.choose({{level: {order[4]}, at: -1}})")
    page.js(
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
        "{key: 'ArrowUp', bubbles: true}))"
    )
    assert page.js("linked.state.level") == order[5]
    # Whatever can be used is reached by the keyboard, and has a name.
    unnamed = page.js(
        "[...document.querySelectorAll('button, input, select, figure')].filter((e) =>"
        "!(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).length"
    )
    assert unnamed == 0


@pytest.mark.exhaustive
def test_marks_can_be_clicked(page: Page, fits: list[FitTables]) -> None:
    bars = rows(page, "caterpillar", "rows")
    height = page.js("linked.views.caterpillar.view.height()")
    pads = page.js("linked.views.caterpillar.view.padding()")
    wanted = bars[2]
    page.js(f"linked.choose({{level: {bars[-1]['i']}}})")
    # The rows stand evenly between both ends of the axis.
    y = pads["top"] + height * (1 - wanted["row"] / (len(bars) + 1))
    left, top, across, whole = page.place("#plot-caterpillar canvas")
    page.hover(left + 0.7 * across, top + y)
    page.click("#plot-caterpillar canvas", x=0.7, y=y / whole)
    page.wait(lambda: page.js("linked.state.level") == wanted["i"], "the level is chosen")
    left, top, across, whole = page.place("#plot-trace canvas")
    page.hover(left + 0.5 * across, top + 0.4 * whole)
    page.click("#plot-trace canvas", x=0.5, y=0.4)
    page.wait(lambda: page.js("linked.state.at") < len(fits[0].require("trace")), "a moment")


@pytest.mark.exhaustive
def test_levels_beyond_those_drawn_come_and_go_and_pictures_are_those_of_a_fresh_page(
    browser: Browser, fits: list[FitTables], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "MOST_DRAWN", 6)
    (path,) = save(figure(*explorer_chart(fits)), tmp_path / "explorer.html")
    page = browser.open(path, reduced_motion=True)
    page.wait(lambda: page.js(READY), "pictures", 120.0)
    at_first = rows(page, "caterpillar", "rows")
    drawn = {row["i"]: row["row"] for row in at_first}
    assert sorted(drawn.values())[-1] <= 6
    beyond = [i for i in range(len(NAMES)) if i not in drawn][:3]
    last = len(fits[0].require("trace"))
    terms = {"x": "(Intercept)", "y": "x"}
    for evaluation, level in zip((last, 4, 9), beyond, strict=True):
        page.js(f"linked.choose({{level: {level}, at: {evaluation}}})")
        stored = spread(fits[0], best_at(fits[0], evaluation))
        # What was added before is gone; what is added stands between its neighbours.
        shown = rows(page, "shrinkage", "levels")
        assert {row["i"] for row in shown} == {*drawn, level} - {i for i in beyond if i != level}
        for row in shown:
            assert row["mx"] == pytest.approx(stored[row["name"], terms["x"]], abs=1e-2)
            assert row["my"] == pytest.approx(stored[row["name"], terms["y"]], abs=1e-2)
        bars = {row["i"]: row for row in rows(page, "caterpillar", "rows")}
        ends = {i: row["low"] + row["high"] for i, row in bars.items()}
        below = sum(ends[i] < ends[level] for i in bars)
        assert bars[level]["row"] == below + 0.5
        for row in bars.values():
            assert row["mx"] == pytest.approx(stored[row["name"], terms["x"]], abs=1e-2)
    page.js("linked.choose({fit: 1}); linked.choose({fit: 2}); linked.choose({at: 3})")
    state = f"{{fit: 1, level: {beyond[1]}, at: 5}}"
    page.js(f"linked.choose({state})")
    fresh = browser.open(path, reduced_motion=True)
    fresh.wait(lambda: fresh.js(READY), "pictures", 120.0)
    fresh.js(f"linked.choose({state})")
    seen = page.js("Object.keys(linked.views).filter((v) => linked.views[v].holder.clientWidth)")
    assert len(seen) >= 7
    for view in seen:
        tables = [name for name in ("levels", "rows", "ellipses") if view in HOLDS[name]]
        for table in tables:
            found = [sorted(map(repr, rows(one, view, table))) for one in (page, fresh)]
            assert found[0] == found[1], (view, table)
        assert picture_of(page, view) == picture_of(fresh, view), view
    assert page.errors == fresh.errors == []
    page.close()
    fresh.close()


#: Pictures by the tables whose rows move.
HOLDS = {
    "levels": ("shrinkage",),
    "rows": ("caterpillar", "caterpillar2"),
    "ellipses": ("shrinkage",),
}


def picture_of(page: Page, view: str) -> str:
    """A picture of the page, drawn once more as a whole."""
    return str(page.js(f"linked.views.{view}.view.toCanvas().then((c) => c.toDataURL())"))


def test_page_opens_on_a_phone_without_scrolling_sideways(browser: Browser, path: Path) -> None:
    found = browser.open(path, width=390, height=800, reduced_motion=True)
    found.wait(lambda: found.js(READY), "pictures", 120.0)
    assert found.js("document.documentElement.scrollWidth") <= 390
    assert found.errors == []
    # The page, and the style sheet that it shares.
    assert [Path(address).suffix for address in found.requests] == [".html", ".css"]
    drawn = found.js("document.querySelectorAll('figure:not([hidden]) canvas').length")
    assert drawn == 9
    found.close()


@pytest.mark.exhaustive
@pytest.mark.skipif(FIREFOX is None, reason=NO_FIREFOX)
def test_page_opens_in_firefox(path: Path) -> None:
    with Firefox() as browser:
        browser.open(path)
        browser.wait(lambda: browser.js(READY), "pictures")
        assert browser.js("document.querySelectorAll('figure canvas').length") == 9


@pytest.mark.exhaustive
@pytest.mark.parametrize("structure", ["zerocorr", "intercept"])
def test_keys_name_the_marks_that_are_drawn(
    browser: Browser, tmp_path: Path, structure: str
) -> None:
    found = browser.open(write_page(sleep_like((structure,), studies=STUDIES), tmp_path))
    found.wait(lambda: found.js(READY), "pictures", 120.0)
    keys = found.texts("#view-shrinkage li:not([hidden])")
    ranked = found.js("linked.views.shrinkage.view.signal('ranked')")
    assert ranked == (structure == "intercept")
    assert ("✛population" in keys) == (not ranked)
    assert ("population" in keys) == ranked
    assert found.errors == []
    found.close()


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", "").replace("\u00a0%", ""))
