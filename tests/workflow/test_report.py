"""The pages of results: everything shown, everything escaped, nothing from the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, FAMILIES, NO_CHROMIUM, Browser
from markupsafe import escape
from PIL import Image
from report_run import NASTY, SVG, Page, Run

from mixedscope.charts.common.sheet import sheet
from mixedscope.core.errors import StoreError
from mixedscope.tables.files import read_json, write_json
from mixedscope.workflow.report.entries import thumbnail_files
from mixedscope.workflow.report.pages import HEAVY_SVG, write_pages
from mixedscope.workflow.report.questions import question_of
from mixedscope.workflow.report.structures import structure_rows


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_figure_is_shown_with_title_caption_and_links(run: Run) -> None:
    run.write()
    page = run.page()
    assert f"Title {NASTY}." in page.text
    assert f"Caption {NASTY}" in page.text
    assert page.values("src") == ["../charts/my%20sleep/shrinkage-a~20b.svg"]
    # The title is read with the caption, not twice.
    assert page.values("alt") == ["shrinkage of a~20b"]
    for name in run.formats:
        assert f"../charts/my%20sleep/shrinkage-a~20b.{name}" in page.values("href")


def test_findings_and_who_moved_most_are_told_as_text(run: Run) -> None:
    explorer = run.figure("charts/my sleep/explorer")
    content = read_json(explorer)
    content["findings"] = [{"question": "Who moved most?", "text": f"It was {NASTY}."}]
    keys = ("group", "level", "n", "term", "start", "end", "moved")
    content["movers"] = [{key: f"{key} {NASTY}" for key in keys}]
    write_json(explorer, content)
    run.write(explorer)
    for page in (run.page(), run.page("index.html")):
        assert "Who moved most?" in page.text
        assert f"It was {NASTY}." in page.text
        assert page.broken() == []
    page = run.page()
    assert all(f"{key} {NASTY}" in page.text for key in keys)
    assert "script" not in {tag for tag, _ in page.elements}
    # What there is before any model comes first, then numbers of fits, then what they answer.
    places = [page.values("id").index(name) for name in ("Explorer", "Fits", "Shrinkage")]
    assert places == sorted(places)


def test_links_lead_to_files_or_into_pages(run: Run) -> None:
    others = [
        run.figure("charts/my sleep/trace-seconds"),
        run.figure("charts/phases"),
        run.figure("charts/phases-seconds"),
        run.figure("charts/sweeps/size & shape/gap"),
    ]
    pages = run.write(*others)
    assert len(pages) == 4
    assert {page.name: Page(page).broken() for page in pages} == {p.name: [] for p in pages}


def test_names_do_not_become_elements(run: Run) -> None:
    for path in run.write():
        assert "script" not in [tag for tag, _ in Page(path).elements]
    assert f"y ~ {NASTY}" in run.page().text


@pytest.mark.parametrize("name", ["index.html", "pages/my sleep.html"])
def test_table_holds_the_numbers_of_the_fits(run: Run, name: str) -> None:
    run.write()
    text = run.page(name).text
    for info in run.infos:
        for shown in (
            f"{info['objective']:,.4f}",
            f"{info['aic']:,.1f}",
            f"{info['bic']:,.1f}",
            str(info["optimizer"]["evaluations"]),
            info["certificate"]["verdict"],
        ):
            assert shown in text


def test_objectives_below_zero_have_a_minus_sign() -> None:
    row = {"structure": "full", "optimizer": "auto", "objective": -12.5, "n_theta": 1, "dof": 3}
    row |= {"evaluations": 9, "aic": -6.5, "bic": -3.25, "singular": False, "verdict": "optimum"}
    (cells,) = structure_rows(pd.DataFrame([row]))
    assert {"\u221212.5000", "\u22126.5", "\u22123.2"} <= {cell.text for cell in cells}


def test_singular_fits_are_told(run: Run) -> None:
    run.write()
    content = (run.root / "index.html").read_text("utf-8")
    assert content.count('<td class="singular">no</td>') == 1
    assert content.count('<td class="singular">yes</td>') == 1


def test_smallest_criterion_is_bold(run: Run) -> None:
    run.write()
    content = (run.root / "index.html").read_text("utf-8")
    best = min(info["aic"] for info in run.infos)
    assert content.count('<td class="aic"><strong>') == 1
    assert f'<td class="aic"><strong>{best:,.1f}</strong>' in content


def test_heavy_svg_gives_way_to_png(run: Run) -> None:
    run.caption.with_name("shrinkage-a~20b.svg").write_text(SVG + " " * HEAVY_SVG)
    run.write()
    assert run.page().values("src") == ["../charts/my%20sleep/shrinkage-a~20b.png"]


def test_overview_shows_each_figure_small_and_leads_to_it(run: Run) -> None:
    run.write(run.figure("charts/my sleep/trace"))
    page = run.page("index.html")
    assert page.values("src") == [
        "thumbnails/my%20sleep/shrinkage-a~20b.png",
        "thumbnails/my%20sleep/trace.png",
    ]
    assert "pages/my%20sleep.html#trace" in page.values("href")
    assert "Caption" not in page.text


def test_overview_says_what_each_figure_found(run: Run) -> None:
    run.write(run.figure("charts/my sleep/motion-a"))
    content = (run.root / "index.html").read_text("utf-8")
    assert content.count(f'<span class="finding">Title {escape(NASTY)}</span>') == 2
    assert re.findall(r'class="label">([^<]*)(<span aria-hidden="true">\u25b6)?', content) == [
        ("shrinkage of a~20b", ""),
        ("motion of a ", '<span aria-hidden="true">\u25b6'),
    ]


def test_what_a_picture_says_above_itself_is_not_seen_twice(run: Run) -> None:
    run.write()
    content = (run.root / "pages/my sleep.html").read_text("utf-8")
    assert f'<strong class="drawn">Title {escape(NASTY)}.</strong>' in content
    words = json.loads(run.caption.read_text("utf-8"))
    run.caption.write_text(json.dumps(words | {"titled": False}), "utf-8")
    run.write()
    content = (run.root / "pages/my sleep.html").read_text("utf-8")
    assert f"<strong>Title {escape(NASTY)}.</strong>" in content


def test_page_of_a_model_shows_its_fits(run: Run) -> None:
    run.write()
    text = run.page().text.replace("\u2212", "-")
    for fit in run.fits:
        estimates = fit.require("estimates")
        beta = estimates[estimates["kind"] == "beta"]
        for column in ("estimate", "std_error", "lower", "upper"):
            assert {f"{value:.6g}" for value in beta[column]} <= words(run)
        for value in estimates.loc[estimates["kind"] == "sd", "estimate"]:
            assert {f"{value:.6g}", f"{value**2:.6g}"} <= words(run)
        for value in estimates.loc[estimates["kind"] == "correlation", "estimate"]:
            assert f"{value:+.2f}" in words(run)
        assert fit.info["certificate"]["verdict"] in text
        assert fit.info["structure"] in text
    info = run.infos[0]
    for shown in (f"{NASTY}.csv", info["dataset"]["sha256"], "1,234 dropped", "96 rows used"):
        assert shown in text
    for name in ("estimates.csv", "modes.csv", "estimates.parquet", "fit.json"):
        assert f"../fits/my%20sleep/full/auto/{name}" in run.page().values("href")
    assert "../compare/my%20sleep/structures.csv" in run.page().values("href")


def test_pages_offer_the_tables_of_models_and_sweeps_as_csv_too(run: Run) -> None:
    of_model = [run.table(f"compare/my sleep/{name}") for name in ("race", "race_ends")]
    # A sweep may have the name of a model.
    runs = run.table("sweeps/my sleep/runs")
    pages = run.write(run.figure("charts/sweeps/my sleep/gap"), tables=[*of_model, runs])
    assert {page.name: Page(page).broken() for page in pages} == {p.name: [] for p in pages}
    for kind in ("csv", "parquet"):
        assert f"../compare/my%20sleep/race_ends.{kind}" in run.page().values("href")
        assert f"../../sweeps/my%20sleep/runs.{kind}" not in run.page().values("href")
        sweep = run.page("pages/sweeps/my sleep.html").values("href")
        assert f"../../sweeps/my%20sleep/runs.{kind}" in sweep
        assert not [link for link in sweep if "race" in link]
    assert "race ends (CSV, Parquet)" in run.page().text


def words(run: Run) -> set[str]:
    """Contents of the cells of the tables of a page."""
    content = (run.root / "pages/my sleep.html").read_text("utf-8").replace("\u2212", "-")
    return set(re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", content))


def test_estimates_that_are_missing_are_shown_as_missing(run: Run) -> None:
    estimates = run.fits[0].require("estimates")
    estimates.loc[estimates["kind"].isin(["sd", "correlation"]), "estimate"] = np.nan
    run.write()
    assert "\u2013" in words(run)
    assert not {"nan", "none", "+nan"} & {word.lower() for word in words(run)}


def test_pictures_have_their_own_size_and_small_ones_are_small(run: Run) -> None:
    tall = run.figure("charts/my sleep/trace", ["svg"])
    run.write(tall, run.figure("charts/my sleep/ladder", ["png"]), run.figure("charts/sweeps/s/a"))
    shown = {a["src"]: a for tag, a in run.page().elements if tag == "img"}
    sizes = {src.rpartition("/")[2]: (a["width"], a["height"]) for src, a in shown.items()}
    # All figures are shown at one scale, 1.25.
    assert sizes == {
        "shrinkage-a~20b.svg": ("450", "600"),
        "ladder.png": ("450", "225"),
        "trace.svg": ("450", "600"),
    }
    for tag, a in run.page("index.html").elements:
        if tag == "img":
            path = run.root / unquote(str(a["src"]))
            with Image.open(path) as image:
                assert image.size == (int(str(a["width"])), int(str(a["height"])))
                assert max(image.size) == 480
                assert image.mode == "P"
    assert (run.root / "thumbnails/sweeps/s/a.png").is_file()


@pytest.mark.parametrize("name", ["svg", "png"])
def test_damaged_picture_is_named(run: Run, name: str) -> None:
    path = run.caption.with_name(f"shrinkage-a~20b.{name}")
    path.write_bytes(b"<svg>")
    with pytest.raises(StoreError, match=rf"shrinkage-a~20b\.{name} is no picture"):
        run.write()


def test_the_workflow_promises_the_small_pictures_that_are_made(run: Run) -> None:
    captions = [
        run.caption,
        run.figure("charts/my sleep/trace-seconds"),
        run.figure("charts/my sleep/theta"),
        run.figure("charts/sweeps/s/a"),
    ]
    run.write(*captions[1:])
    made = {p.relative_to(run.root).as_posix() for p in (run.root / "thumbnails").rglob("*.png")}
    named = [f"results/{path.relative_to(run.root).as_posix()}" for path in captions]
    assert {f"results/{name}" for name in made} == set(thumbnail_files(named, ["png"]))
    assert thumbnail_files(named, ["html"]) == []


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("fonts", FAMILIES)
def test_links_of_the_overview_end_at_their_figure(
    run: Run, browser: Browser, width: int, fonts: str
) -> None:
    kinds = ("motion-a", "ladder", "efficiency", "trace", "theta", "landscape", "stopping", "race")
    run.write(*(run.figure(f"charts/my sleep/{kind}") for kind in kinds))
    family = FAMILIES[fonts]
    index = browser.open(run.root / "index.html", width=width, fonts=family)
    addresses = [a for a in run.page("index.html").values("href") if "#" in a and ".html" in a]
    assert len(addresses) == 9
    assert index.js("document.documentElement.scrollWidth") <= width
    index.close()
    for address in addresses[::4]:
        file, _, anchor = address.partition("#")
        page = browser.open(
            run.root / unquote(file), width=width, fonts=family, anchor=f"#{anchor}"
        )
        # Pictures load as they come near: the figure has to stay where it is.
        page.js("new Promise((done) => setTimeout(done, 100))")
        top, nav = page.js(
            f"[document.getElementById({json.dumps(unquote(anchor))}), "
            "document.querySelector('nav')].map((e, i) => "
            "e.getBoundingClientRect()[i ? 'bottom' : 'top'])"
        )
        assert nav <= top
        # What is last on a page cannot be at the top of the window.
        at_end = page.js("scrollY + innerHeight >= document.documentElement.scrollHeight - 1")
        assert top <= nav + 60 or at_end
        assert page.js("document.documentElement.scrollWidth") <= width
        page.close()


def test_figures_stand_by_question_in_the_order_of_questions(run: Run) -> None:
    run.write(run.figure("charts/my sleep/trace"), run.figure("charts/my sleep/ladder"))
    sources = run.page().values("src")
    assert [source.rpartition("/")[2] for source in sources] == [
        "shrinkage-a~20b.svg",
        "ladder.svg",
        "trace.svg",
    ]
    assert run.page().text.index("Structures") < run.page().text.index("Optimisation")


def test_unknown_kind_of_chart_has_a_question_too() -> None:
    assert question_of("something-new").name == "Comparisons"
    assert question_of("race-seconds").name == "Seconds"


def test_figures_of_all_models_are_on_the_overview(run: Run) -> None:
    run.write(run.figure("charts/phases", ["svg"]))
    page = run.page("index.html")
    assert "All models" in page.text
    assert page.values("src")[-1] == "charts/phases.svg"
    assert "1 model, 2 fits, 2 figures" in page.text


def test_sweep_has_a_page_with_its_name(run: Run) -> None:
    run.write(run.figure("charts/sweeps/size & shape/gap"))
    page = run.page("pages/sweeps/size & shape.html")
    assert "Sweep: size & shape" in page.text
    assert page.values("src") == ["../../charts/sweeps/size%20%26%20shape/gap.svg"]


def test_figures_with_seconds_have_a_page_of_their_own(run: Run) -> None:
    run.write(
        run.figure("charts/my sleep/trace-seconds"), run.figure("charts/sweeps/s/by-x-seconds")
    )
    timed = run.page("timing.html").values("src")
    assert timed == ["charts/my%20sleep/trace-seconds.svg", "charts/sweeps/s/by-x-seconds.svg"]
    for name in ("index.html", "pages/my sleep.html", "pages/sweeps/s.html"):
        assert not [source for source in run.page(name).values("src") if "seconds" in source]
    assert "timing.html" in run.page("index.html").values("href")
    assert "index.html" in run.page("timing.html").values("href")


def test_figure_without_picture_is_linked(run: Run) -> None:
    run.caption = run.figure("charts/my sleep/plain", ["html"])
    run.write()
    assert run.page().values("src") == []
    assert "../charts/my%20sleep/plain.html" in run.page().values("href")


def test_same_run_gives_the_same_pages(run: Run) -> None:
    first = {path: path.read_bytes() for path in run.write()}
    assert {path: path.read_bytes() for path in run.write()} == first


def test_missing_figure_is_named_and_no_page_is_written(run: Run) -> None:
    run.caption.with_name("shrinkage-a~20b.png").unlink()
    with pytest.raises(StoreError, match=r"shrinkage-a~20b\.png"):
        run.write()
    assert not (run.root / "index.html").exists()


def test_caption_of_no_model_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no table of structures"):
        write_pages(
            structures=[],
            captions=[run.caption],
            output=tmp_path / "i.html",
            timing=tmp_path / "t.html",
        )


def test_caption_without_title_is_an_error(run: Run) -> None:
    write_json(run.caption, {"caption": "only"})
    with pytest.raises(StoreError, match="title"):
        run.write()


def test_labels_and_units_of_variables_stand_in_tables_of_fits(run: Run) -> None:
    labels = {"Days": "day of trial", run.infos[0]["response"]: "time"}
    with sheet(labels=labels, units={run.infos[0]["response"]: "ms", "Days": "d"}):
        run.write()
    assert {"day of trial (ms/d)", "(Intercept) (ms)", "day of trial"} <= words(run)
    assert not {"Days", "Days (ms/d)"} & words(run)
    assert "time (ms)" in run.page().text
    run.write()
    assert "Days" in words(run)


def test_the_overview_answers_in_short_before_any_model(run: Run) -> None:
    explorer = run.figure("charts/my sleep/explorer")
    content = read_json(explorer)
    content["findings"] = [
        {"question": f"Who {NASTY}?", "text": "370 moved most.", "short": f"370 {NASTY}"}
    ]
    write_json(explorer, content)
    run.write(explorer)
    page = run.page("index.html")
    assert f"Who {NASTY}?" in page.text
    assert f"370 {NASTY}" in page.text
    assert "370 moved most." not in page.text
    assert page.values("id").index("Answers%20in%20short") < page.values("id").index("my%20sleep")
    assert "370 moved most." in run.page().text
    assert page.broken() == []
