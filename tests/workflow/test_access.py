"""Pages as those meet them who use the keyboard alone, listen, or have a phone, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser, Page
from motion_fits import sleep_like

from mixedscope.charts.common.render import Figure, save, save_figure
from mixedscope.charts.common.theme import configure
from mixedscope.charts.drawing import figure
from mixedscope.charts.kinds.explorer.chart import explorer_chart
from mixedscope.charts.kinds.motion.chart import motion
from mixedscope.charts.kinds.shrinkage.ellipse import radius
from mixedscope.charts.kinds.theta.chart import theta_motion
from mixedscope.tables.store import FitTables

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

STUDIES = ("parameters", "motion", "stopping", "ledger", "panels", "mode_correlations")
PHONE = 390
#: Pixels that a finger needs, each way.
FINGER = 24

READY = "document.getElementById('explorer')?.dataset.ready === ''"
SAID = "document.querySelector('[data-field=said]').textContent"


@pytest.fixture(scope="module")
def fits() -> list[FitTables]:
    return sleep_like(("full", "zerocorr"), studies=STUDIES)


@pytest.fixture(scope="module")
def pages(fits: list[FitTables], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("access")
    found = {}
    (found["explorer"],) = save(figure(*explorer_chart(fits)), folder / "explorer.html")
    for name, film in (
        ("film", motion(fits, "g", ("(Intercept)", "x"))),
        ("theta", theta_motion(fits[:1])),
    ):
        found[name] = folder / f"{name}.html"
        found[name].write_bytes(film.html())
    wide = alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_point().encode(x="x:Q")
    shown = Figure(configure(wide.properties(width=600, title="Wide")), "Wide", "c")
    save_figure(shown, folder / "chart.caption.json", ["html"], ("index.html", "← Overview"))
    found["chart"] = folder / "chart.html"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(patience=240.0) as found:
        yield found


def opened(browser: Browser, pages: dict[str, Path], name: str, **settings: Any) -> Page:
    page = browser.open(pages[name], reduced_motion=True, **settings)
    if name == "explorer":
        page.wait(lambda: page.js(READY), "pictures", 120.0)
    elif name == "chart":
        page.wait(lambda: page.js("document.querySelector('#chart details') !== null"), "its menu")
    return page


@pytest.fixture(scope="module")
def explorer(browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    page = opened(browser, pages, "explorer")
    yield page
    assert page.errors == []
    page.close()


@pytest.fixture(scope="module")
def film(browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    page = opened(browser, pages, "film")
    yield page
    assert page.errors == []
    page.close()


def said(page: Page, wanted: str) -> str:
    """What is said once it has to do with what is wanted."""
    page.wait(lambda: wanted in page.js(SAID), f"{wanted!r} is said")
    return str(page.js(SAID))


def number(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


# -- the keyboard ----------------------------------------------------------------------------------

#: Of what has the focus: which it is, where, whether that is seen, and whether it lies on top.
FOCUS = """(() => {
  const e = document.activeElement;
  if (e === document.body) return null;
  const b = e.getBoundingClientRect();
  const style = getComputedStyle(e);
  const x = b.left + b.width / 2, y = Math.min(b.top + b.height / 2, innerHeight - 1);
  const top = document.elementFromPoint(x, y);
  const all = [...document.querySelectorAll('*')];
  const name = e.dataset.act ?? e.dataset.view ?? e.tagName;
  return {at: all.indexOf(e), name, view: 'view' in e.dataset, top: b.top + scrollY,
    ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: b.bottom > 0 && b.top < innerHeight && (e.contains(top) || top?.contains(e) ||
      [...(e.labels ?? [])].some((l) => l.contains(top)))};
})()"""

#: How many elements take the focus: of radio buttons of one name that which is chosen.
FOCUSABLE = """[...document.querySelectorAll(
  'a[href], button, input, select, summary, [tabindex="0"]')]
  .filter((e) => e.getClientRects().length && !(e.type === 'radio' && !e.checked)).length"""


def stops(page: Page) -> list[dict[str, Any]]:
    """All that the focus goes to by Tab, from the beginning until it leaves the page."""
    page.js("document.activeElement.blur(); scrollTo(0, 0)")
    found: list[dict[str, Any]] = []
    for _ in range(100):
        page.key("Tab")
        now = page.js(FOCUS)
        if now is None or (found and now["at"] == found[0]["at"]):
            return found
        found.append(now)
    raise AssertionError("the focus never leaves the page")


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("explorer", PHONE),
        ("film", PHONE),
        pytest.param("explorer", 1280, marks=pytest.mark.exhaustive),
        pytest.param("chart", PHONE, marks=pytest.mark.exhaustive),
    ],
)
def test_tab_goes_through_all_in_the_order_that_is_read_and_is_seen(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    page = opened(browser, pages, name, width=width, height=800)
    found = stops(page)
    assert len(found) == page.js(FOCUSABLE)
    assert [stop["at"] for stop in found] == sorted(stop["at"] for stop in found)
    for stop in found:
        assert stop["ringed"], stop
        assert stop["seen"], stop
    if width == PHONE:
        # One below the other, in the order of the focus.
        tops = [stop["top"] for stop in found if name != "explorer" or stop["view"]]
        assert name != "explorer" or len(tops) == 8
        assert all(b >= a - 100 for a, b in pairwise(tops))
    page.key("Tab", shift=True)
    assert page.js(FOCUS)["at"] in {stop["at"] for stop in found[-2:]}
    page.close()


def test_a_level_is_found_chosen_and_said_by_the_keyboard_alone(
    explorer: Page, fits: list[FitTables]
) -> None:
    page = explorer
    page.js("document.getElementById('search').focus()")
    page.type("S00")
    (combobox,) = [one for one in page.heard("div.search") if one["role"] == "combobox"]
    assert combobox["name"] == "g"
    assert combobox["expanded"]
    assert re.match(r"10 levels found\. and 2 more levels", said(page, "found"))
    page.key("ArrowDown")
    page.key("ArrowDown")
    listed = [one for one in page.heard("div.search") if one["role"] == "option"]
    assert len(listed) == 8
    assert [one.get("selected") for one in listed].index(True) == 1
    (box,) = [one for one in page.heard("div.search") if one["role"] == "listbox"]
    assert box["name"]
    active = page.js("document.activeElement.getAttribute('aria-activedescendant')")
    chosen = page.text(f"#{active}").split()[0]
    page.key("Enter")
    (combobox,) = [one for one in page.heard("div.search") if one["role"] == "combobox"]
    assert not combobox["expanded"]
    assert combobox["value"] == chosen
    modes = fits[0].require("modes").set_index(["level", "term"])
    text = said(page, f"{chosen} of g, 8 observations")
    told = re.search(r"\(Intercept\) (\S+) → ([^; ]+)", text)
    assert told is not None
    own = modes.loc[(chosen, "(Intercept)")]
    assert number(told[1]) == pytest.approx(own["joint_limit"], rel=6e-3)
    assert number(told[2]) == pytest.approx(own["mode"], rel=6e-3)
    page.type("nobody")
    assert said(page, "No level") == "No level of g has this in its name"
    assert not [one for one in page.heard("div.search") if one["role"] == "option"]
    page.key("Escape")
    assert page.js("document.getElementById('search').value") == chosen


def test_what_is_passed_is_not_said_but_where_it_ends(
    explorer: Page, fits: list[FitTables]
) -> None:
    page = explorer
    page.js("document.querySelector('figure[data-view=trace]').focus()")
    page.key("Home")
    said(page, "evaluation 1 of")
    page.js(
        "window.heard = []; new MutationObserver(() => heard.push(document.querySelector("
        "'[data-field=said]').textContent)).observe(document.querySelector('[data-field=said]'),"
        "{childList: true, characterData: true, subtree: true})"
    )
    for _ in range(6):
        page.key("ArrowRight")
    said(page, "evaluation 7 of")
    # A slow machine may come to rest on the way, but not at every step.
    assert len(page.js("heard")) < 6
    # One place speaks; the slider is heard by itself, and other words that change are still.
    live = page.js(
        "[...document.querySelectorAll('[aria-live], [role=status], [role=alert], output')]"
        ".filter((e) => !e.closest('[aria-hidden=true]')).map((e) => e.dataset.field)"
    )
    assert live == ["said"]


def test_structures_and_moments_have_names_and_states(
    explorer: Page, fits: list[FitTables]
) -> None:
    page = explorer
    page.js("document.querySelector('[data-act=fit]').focus()")
    page.key("ArrowDown")
    heard = page.heard()
    (group,) = [one for one in heard if one["role"] == "radiogroup"]
    assert group["name"] == "Structure shown"
    radios = {one["name"]: one["checked"] for one in heard if one["role"] == "radio"}
    assert list(radios.values()) == ["false", "true"]
    assert list(radios) == ["full covariance", "zero correlations"]
    page.key("ArrowUp")
    page.js("document.getElementById('moment').focus()")
    page.key("Home")
    page.key("ArrowRight")
    (slider,) = [one for one in page.heard() if one["role"] == "slider"]
    total = len(fits[0].require("trace"))
    assert slider["name"] == "Evaluation"
    # Of native sliders the protocol does not tell the text that is read in place of the number.
    text = page.js("document.getElementById('moment').getAttribute('aria-valuetext')")
    assert text.startswith(f"2 of {total}, ")
    assert page.js("linked.state.at") == 2
    page.key("End")
    assert page.js("linked.state.at") == total
    pressed = [one for one in page.heard(".findings") if one["role"] == "button"]
    assert len(pressed) == 5
    assert {one["pressed"] for one in pressed} == {"false"}
    page.js("document.querySelector('[data-finding]').focus()")
    page.key("Enter")
    pressed = [one for one in page.heard(".findings") if one["role"] == "button"]
    assert [one["pressed"] for one in pressed] == ["true", *["false"] * 4]


def test_every_picture_says_what_it_shows(explorer: Page, fits: list[FitTables]) -> None:
    page = explorer
    page.js("document.activeElement.blur(); linked.choose({fit: 0, level: 3, at: -1})")
    level = page.js("document.getElementById('search').value")
    pictures = {
        one["name"].split(":")[0]: one for one in page.heard() if one["role"] == "application"
    }
    assert len(pictures) == page.js("document.querySelectorAll('figure:not([hidden])').length")
    for name, one in pictures.items():
        assert len(one["description"]) > 60, name
        assert "choose a level" in one["description"]
    own = fits[0].require("modes").set_index(["level", "term"]).loc[(level, "(Intercept)")]
    told = pictures["Caterpillar plot"]["description"]
    found = re.match(
        rf"{level}: mode (\S+) at the end, ± 1\.96 SD from (\S+) to (\S+); number (\d+) of 12", told
    )
    assert found is not None, told
    reach = 1.96 * own["std_dev"]
    wanted = (own["mode"], own["mode"] - reach, own["mode"] + reach)
    assert [number(text) for text in found.groups()[:3]] == pytest.approx(wanted, rel=6e-3)
    modes = fits[0].require("modes")
    ranked = modes[modes["term"] == "(Intercept)"].sort_values("mode")["level"].tolist()
    assert int(found[4]) == ranked.index(level) + 1
    points = fits[0].require("panels_points")
    rows = points[points["level"] == level]
    told = pictures["Rows of the chosen level"]["description"]
    assert told.startswith(f"{len(rows)} rows, y from ")
    trace = fits[0].require("trace")
    told = pictures["Trace of the optimiser"]["description"]
    assert told.startswith(f"Evaluation {len(trace)}: ")
    tuning = trace.loc[trace["phase"] == "fine-tuning", "evaluation"]
    assert f"fine tuning and verification {tuning.min()} to {tuning.max()}" in told


def test_levels_can_be_read_as_a_table(explorer: Page, fits: list[FitTables]) -> None:
    page = explorer
    page.js("linked.choose({fit: 0, level: 3, at: -1})")
    page.js("document.querySelector('summary').focus()")
    page.key("Enter")
    page.wait(lambda: page.js("document.querySelector('details table') !== null"), "the table")
    modes = fits[0].require("modes").pivot(index="level", columns="term")
    rows = page.js(
        "[...document.querySelectorAll('details tbody tr')].map((r) =>"
        "[...r.children].map((c) => c.textContent))"
    )
    assert len(rows) == 12
    for name, n, *values in rows:
        assert n == "8"
        wanted = [
            modes.loc[name, (column, term)]
            for term in ("(Intercept)", "x")
            for column in ("joint_limit", "mode", "std_dev")
        ]
        assert [number(value) for value in values] == pytest.approx(wanted, rel=6e-3, abs=1e-2)
    page.key("Enter")


# -- the region of the chosen level ----------------------------------------------------------------


@pytest.mark.parametrize("fit", [0, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_the_region_of_the_chosen_level_is_that_of_its_conditional_covariance(
    explorer: Page, fits: list[FitTables], fit: int
) -> None:
    page = explorer
    modes = fits[fit].require("modes").set_index(["level", "term"])
    correlations = fits[fit].require("mode_correlations").set_index("level")["correlation"]
    page.js("document.activeElement.blur()")
    for i in (2, 7):
        page.js(f"linked.choose({{fit: {fit}, level: {i}, at: 3}})")
        level = page.js("document.getElementById('search').value")
        rows = page.js("linked.views.shrinkage.view.data('region').map((row) => [row.x, row.y])")
        own = modes.loc[level].loc[["(Intercept)", "x"]]
        sds = np.diag(own["std_dev"].to_numpy())
        rho = correlations[level]
        covariance = sds @ np.array([[1.0, rho], [rho, 1.0]]) @ sds
        away = np.array(rows) - own["mode"].to_numpy()
        squared = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
        assert len(rows) == 73
        # The page holds values to some hundred thousandth of an axis, correlations to four digits.
        assert squared == pytest.approx(radius(0.95) ** 2, rel=5e-3)
    assert abs(correlations).min() > 0.01


# -- films -----------------------------------------------------------------------------------------


def test_a_film_is_played_by_the_keyboard_and_says_where_it_stands(film: Page) -> None:
    page = film
    page.js("document.querySelector('[data-act=level]').focus()")
    page.choose("[data-act=level]", "4")
    assert "g S004, n = 8" in said(page, "S004")
    page.js("document.activeElement.blur()")
    page.choose("[data-act=speed]", "4")
    page.key("Home")
    before = said(page, "full covariance 1 of")
    page.key(" ")
    assert page.text("[data-act=play]") == "Pause"
    page.wait(lambda: page.js("document.querySelector('input[type=range]').value") != "0", "frames")
    # What passes by is not said.
    assert page.js(SAID) == before
    page.wait(lambda: page.text("[data-act=play]") == "Play", "the end")
    total = page.text("[data-fit='0'] [data-field=evaluation]").split(" of ")[1]
    said(page, f"full covariance {total} of {total}")
    live = page.js("document.querySelectorAll('[aria-live], [role=status], output').length")
    assert live == 1


def test_a_film_has_names_for_all_and_one_place_of_content(film: Page) -> None:
    heard = film.heard()
    roles = [one["role"] for one in heard]
    assert roles.count("main") == 1
    for one in heard:
        if one["role"] in ("button", "slider", "combobox", "image", "img", "table", "region"):
            assert one["name"], one
    (slider,) = [one for one in heard if one["role"] == "slider"]
    assert slider["name"] == "Position in the optimisation"
    text = film.js("document.querySelector('input[type=range]').getAttribute('aria-valuetext')")
    assert re.search(r" \d+ of \d+", text)


def test_a_click_where_no_levels_are_does_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    page = opened(browser, pages, "theta")
    page.click("canvas.panels")
    assert page.errors == []
    page.close()


# -- phones ----------------------------------------------------------------------------------------

#: What is smaller than a finger and stands in no line of text, and what is cut by the window.
SMALL = """[...document.querySelectorAll(
  'button, select, input, summary, .back a, [role=option]')].map((e) => {
  const b = (e.type === 'radio' ? e.closest('label') : e).getBoundingClientRect();
  return [e.dataset.act ?? e.textContent, b.width, b.height];
}).filter(([, w, h]) => w && (w < FINGER || h < FINGER))"""
CUT = """[...document.querySelectorAll('body *')].filter((e) => {
  const b = e.getBoundingClientRect();
  const scrolls = e.closest('.scroll, .side, #chart') && !e.matches('.scroll, .side, #chart');
  const isOut = b.right > innerWidth + 0.5 || b.left < -0.5;
  return b.width && !scrolls && !e.closest('.unseen') && isOut;
}).map((e) => e.tagName + '.' + e.className)"""


@pytest.mark.parametrize(
    "name", ["explorer", "film", "chart", pytest.param("theta", marks=pytest.mark.exhaustive)]
)
def test_on_a_phone_nothing_is_cut_and_all_is_large_enough_for_a_finger(
    browser: Browser, pages: dict[str, Path], name: str
) -> None:
    page = opened(browser, pages, name, width=PHONE, height=844)
    page.js("document.querySelectorAll('details').forEach((d) => d.open = true)")
    assert page.js("document.documentElement.scrollWidth") <= PHONE
    assert page.js(CUT) == []
    assert page.js(SMALL.replace("FINGER", str(FINGER))) == []
    if name == "chart":
        page.wait(lambda: not page.js("document.getElementById('wide').hidden"), "it says so")
        assert page.js("document.getElementById('chart').tabIndex") == 0
        page.resize(1280, 800)
        page.wait(lambda: page.js("document.getElementById('wide').hidden"), "it fits")
    assert page.errors == []
    page.close()
