"""Interactive pages of a run share one file of scripts: moved as a whole they work from a disk."""

from __future__ import annotations

import base64
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest
from browser import CHROMIUM, NO_CHROMIUM, Browser
from firefox import FIREFOX, NO_FIREFOX, Firefox

from mixedscope.charts.common.assets import asset_name, script_of
from mixedscope.charts.common.render import Figure, save_figure
from mixedscope.charts.common.theme import configure
from mixedscope.core.errors import StoreError
from mixedscope.workflow.figures import back_to
from mixedscope.workflow.steps import assets

DRAWN = "document.querySelectorAll('#chart svg.marks text').length > 0"
SAID = "document.getElementById('chart').textContent"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with one page that shares, one that does not, and two that are broken."""
    # Names with spaces and signs: addresses are quoted.
    root = tmp_path_factory.mktemp("a run") / "re sults#1"
    shared = root / "assets" / asset_name()
    shared.parent.mkdir(parents=True)
    assets(output=shared)
    frame = pd.DataFrame({"x": [1, 2], "level": ["Ärger", "λ"]})
    chart = alt.Chart(frame).mark_point().encode(x="x:Q", y="level:N").properties(title="Shared")
    figure = Figure(configure(chart), "Shared", "c")
    for name, own in (("shared", [shared]), ("single", [])):
        caption = root / f"charts/m/{name}.caption.json"
        caption.parent.mkdir(parents=True, exist_ok=True)
        save_figure(figure, caption, ["html"], back_to(caption), own)
    page = (root / "charts/m/shared.html").read_text("utf-8")
    (root / "charts/lost").mkdir()
    (root / "charts/lost/page.html").write_text(page.replace("../../assets", "../assets"), "utf-8")
    other = base64.b64encode(zlib.compress(b"document.title = 'run'; window.vegaEmbed = 1"))
    sheet = re.sub(r'"[^"]*"', f'"{other.decode()}"', shared.read_text("utf-8"), count=1)
    (root / "assets/other.css").write_text(sheet, "utf-8")
    (root / "charts/lost/other.html").write_text(page.replace(shared.name, "other.css"), "utf-8")
    moved = root.parent / "moved"
    shutil.copytree(root, moved)
    return moved


def looked_at(
    results: Path, show: Callable[[Path], Callable[[str], Any]], wait: Callable[..., None]
) -> None:
    """Look at all pages in a browser: ``show`` opens one and gives what asks it."""
    for name in ("shared", "single"):
        js = show(results / f"charts/m/{name}.html")
        wait(lambda js=js: js(DRAWN), "a chart")
        assert js("[...document.fonts].every((font) => font.status === 'loaded')")
        assert "Shared" in js(SAID)
    for name, words in (("page", "is missing. Keep this page"), ("other", "is not the file")):
        js = show(results / f"charts/lost/{name}.html")
        wait(lambda js=js: js(f"{SAID} !== ''"), "words")
        assert words in js(SAID)
        assert js("document.title") == "Shared"


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_pages_that_share_work_in_chromium(results: Path) -> None:
    with Browser() as browser:
        pages = []

        def show(path: Path) -> Callable[[str], Any]:
            pages.append(browser.open(path))
            return pages[-1].js

        looked_at(results, show, lambda condition, what: pages[-1].wait(condition, what))
        assert pages[0].errors == []


@pytest.mark.skipif(FIREFOX is None, reason=NO_FIREFOX)
def test_pages_that_share_work_in_firefox(results: Path) -> None:
    with Firefox() as browser:

        def show(path: Path) -> Callable[[str], Any]:
            browser.open(path)
            return browser.js

        looked_at(results, show, browser.wait)


def test_pages_that_share_are_small(results: Path) -> None:
    assert (results / "charts/m/shared.html").stat().st_size < 10_000
    assert (results / "charts/m/single.html").stat().st_size > 300_000


def test_the_policy_lets_no_script_run_but_two(results: Path) -> None:
    text = (results / "charts/m/shared.html").read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (scripts,) = [part for part in policy.split("; ") if part.startswith("script-src")]
    assert re.fullmatch(r"script-src 'sha256-\S{44}' 'sha256-\S{44}' 'unsafe-eval'", scripts)
    assert policy.startswith("default-src 'none'; ")


def test_a_damaged_file_of_scripts_is_an_error_that_names_it(tmp_path: Path) -> None:
    for content in ("", ':root{--mixedscope-vega:"AAAA"}'):
        (tmp_path / "vega.css").write_text(content, "utf-8")
        with pytest.raises(StoreError, match=r"vega\.css is no file of scripts"):
            script_of(tmp_path / "vega.css")
    with pytest.raises(StoreError, match=r"none\.css is no file of scripts"):
        script_of(tmp_path / "none.css")
