"""The pages of results: everything shown, everything escaped, nothing from the network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from browser import CHROMIUM, FAMILIES, NO_CHROMIUM, Browser
from PIL import Image
from sample_tables import fit_tables

from mixedscope.charts.registry import file_slugs
from mixedscope.core.errors import StoreError
from mixedscope.inference.ladder.compare import compare_structures
from mixedscope.tables.files import write_csv, write_json
from mixedscope.tables.store import write_fit
from mixedscope.tables.table_files import write_table
from mixedscope.workflow.report.captions import escaped, write_captions
from mixedscope.workflow.report.entries import entries, thumbnail_files
from mixedscope.workflow.report.figures import Figure, read_figure
from mixedscope.workflow.report.pages import HEAVY_SVG, write_pages
from mixedscope.workflow.report.questions import question_of
from mixedscope.workflow.report.structures import structure_rows

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="360" height="480" viewBox="0 0 360 480">'
    '<rect width="360" height="480" fill="#abc"/></svg>'
)
NASTY = "<script>alert(1)</script> & a|b \" onload='x' {{ 6 * 7 }}"


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.elements if attribute in a]

    def broken(self) -> list[str]:
        """Links that lead to no file, or to no element of a page."""
        found = []
        for address in self.values("href") + self.values("src"):
            file, _, anchor = address.partition("#")
            target = self.path.parent / unquote(file) if file else self.path
            if not target.is_file() or (anchor and anchor not in Page(target).values("id")):
                found.append(address)
        return found


class Run:
    """The files of a run that its pages are made of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fits = [
            fit_tables(structure=structure, max_evaluations=60, group=f"g {NASTY}")
            for structure in ("full", "intercept")
        ]
        for fit in self.fits:
            fit.info |= {"model": "my sleep", "formula": f"y ~ {NASTY}"}
            estimates = fit.require("estimates")
            beta = estimates["kind"] == "beta"
            estimates.loc[beta, "std_error"] = [3.21, 0.765]
            # As the engine stores them: the earlier term first.
            if (pairs := estimates["kind"] == "correlation").any():
                estimates.loc[pairs, ["term", "term2"]] = ["(Intercept)", "Days"]
            for end, sign in (("lower", -1.96), ("upper", 1.96)):
                reach = sign * estimates.loc[beta, "std_error"]
                estimates.loc[beta, end] = estimates.loc[beta, "estimate"] + reach
            fit.info["dataset"] |= {"source": f"{NASTY}.csv", "n_dropped": 1234}
        self.infos: list[dict[str, Any]] = [fit.info for fit in self.fits]
        self.infos[1]["singular"][0]["singular"] = True
        self.structures = root / "compare/my sleep/structures.parquet"
        table = compare_structures(self.infos)
        formula, digest = self.infos[0]["formula"], "0" * 64
        write_table(self.structures, table, "structures", formula=formula, sha256=digest)
        write_csv(self.structures.with_suffix(".csv"), table)
        self.formats = ["svg", "png", "html"]
        self.caption = self.figure("charts/my sleep/shrinkage-a~20b")

    def figure(self, stem: str, formats: list[str] | None = None) -> Path:
        """A figure, its files and its caption."""
        caption = self.root / f"{stem}.caption.json"
        content = {"title": f"Title {NASTY}", "caption": f"Caption {NASTY}"}
        write_json(caption, {**content, "formats": formats or self.formats})
        for name in formats or self.formats:
            path = self.root / f"{stem}.{name}"
            if name == "png":
                # 200 pixels where a chart has 72.
                Image.new("RGB", (1000, 500), "white").save(path)
            else:
                path.write_text(SVG if name == "svg" else "x")
        return caption

    def stored_fits(self) -> list[Path]:
        """The fits as the workflow stores them, with what their pages link to."""
        directories = [self.root / f"fits/my sleep/{i['structure']}/auto" for i in self.infos]
        for fit, directory in zip(self.fits, directories, strict=True):
            write_fit(directory, fit)
            for name in ("estimates", "modes"):
                write_csv(directory / f"{name}.csv", fit.require(name))
        return [directory / "fit.json" for directory in directories]

    def table(self, stem: str) -> Path:
        """A table that a page links to, whatever it holds, and its CSV."""
        path = self.root / f"{stem}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in (path, path.with_suffix(".csv")):
            file.write_text("x")
        return path

    def write(self, *others: Path, tables: Sequence[Path] = ()) -> list[Path]:
        of_model = [path for path in others if path.parts[-3:-1] == ("charts", "my sleep")]
        return write_pages(
            structures=[str(self.structures)],
            captions=[str(self.caption), *map(str, of_model)],
            together=[str(path) for path in others if path not in of_model],
            fits=self.stored_fits(),
            tables=tables,
            output=self.root / "index.html",
            timing=self.root / "timing.html",
        )

    def page(self, name: str = "pages/my sleep.html") -> Page:
        return Page(self.root / name)


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
    assert page.values("alt") == [f"Title {NASTY}"]
    for name in run.formats:
        assert f"../charts/my%20sleep/shrinkage-a~20b.{name}" in page.values("href")


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


# -- the report of Snakemake -------------------------------------------------------------------


@pytest.mark.parametrize("text", [NASTY, "{{ 1 + 1 }} {% x %} {# y #}", "*a* `b`_ |c| **d** ::"])
def test_caption_of_a_report_says_what_the_chart_says(text: str) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="comes with Snakemake")
    core = pytest.importorskip("docutils.core", reason="comes with Snakemake")
    rendered = jinja2.Environment().from_string(escaped(text)).render()
    assert core.publish_doctree(rendered).astext() == text


def test_captions_of_a_report_are_written_side_by_side(run: Run) -> None:
    (written,) = write_captions([run.caption], [run.root / "report/shrinkage-a~20b.rst"])
    assert "Interactive" in written.read_text("utf-8")


def test_report_holds_stills_and_films_by_model_and_question(run: Run) -> None:
    captions = [
        "results/charts/my sleep/motion-a.caption.json",
        "results/charts/phases.caption.json",
        "results/charts/sweeps/size/gap.caption.json",
    ]
    found = entries(captions, ["png", "html"], "scope/results")
    assert [(e.file, e.category, e.subcategory) for e in found] == [
        ("results/charts/my sleep/motion-a.png", "my sleep", "Shrinkage"),
        ("results/charts/my sleep/motion-a.html", "my sleep", "Shrinkage"),
        ("results/charts/phases.png", "All models", "Comparisons"),
        ("results/charts/sweeps/size/gap.png", "Sweep: size", "Comparisons"),
    ]
    assert found[0].caption.endswith("/scope/results/report/my sleep/motion-a.rst")


def test_films_are_shown_where_they_are_made(tmp_path: Path) -> None:
    caption = tmp_path / "motion-a.caption.json"
    write_json(caption, {"title": "t", "caption": "c", "formats": ["svg"]})
    (tmp_path / "motion-a.svg").write_text("<svg/>")
    figure = read_figure(caption)
    assert list(figure.files) == ["svg"]
    assert figure.unfilmed
    for kind in ("gif", "mp4"):
        (tmp_path / f"motion-a.{kind}").write_bytes(b"film")
    figure = read_figure(caption)
    assert [name for name, _ in figure.named_files] == ["SVG", "GIF", "film"]
    assert not figure.unfilmed
    # What does not move has none, whatever lies beside it.
    caption.rename(tmp_path / "trace.caption.json")
    for kind in ("svg", "gif", "mp4"):
        (tmp_path / f"motion-a.{kind}").rename(tmp_path / f"trace.{kind}")
    figure = read_figure(tmp_path / "trace.caption.json")
    assert list(figure.files) == ["svg"]
    assert not figure.unfilmed


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("trace-seconds", "trace-seconds"),
        ("ladder", "ladder"),
        ("shrinkage-Subject", "shrinkage of Subject"),
        (f"motion-{file_slugs(['Subj. Nr'])['Subj. Nr']}", "motion of Subj. Nr"),
        (f"dumbbell-{file_slugs(['学校:a~b.c'])['学校:a~b.c']}", "dumbbell of 学校:a~b.c"),
    ],
)
def test_names_of_figures_are_readable(name: str, label: str) -> None:
    assert Figure(name, "", "", {}).label == label


def test_a_page_shows_the_first_eighty_words_of_a_caption_and_the_rest_when_asked() -> None:
    sentences = [f"Sentence {n} has " + "word " * 20 + "end." for n in range(6)]
    caption = " ".join(sentences)
    figure = Figure("trace", "Title", caption, {})
    assert f"{figure.lead} {figure.rest}" == caption
    assert figure.lead == " ".join(sentences[:3])
    assert len(figure.lead.split()) <= 80 < len(" ".join(sentences[:4]).split())
    short = Figure("trace", "Title", "p = 0.5, σ 3.2 and e.g. this. (More.)", {})
    assert (short.lead, short.rest) == (short.caption, "")
    # A first sentence is never cut.
    endless = Figure("trace", "Title", "word " * 100 + "end. Next.", {})
    assert (len(endless.lead.split()), endless.rest) == (101, "Next.")
