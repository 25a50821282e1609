"""The page of results: everything shown, everything escaped, nothing from the network."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sample_tables import fit_tables

from mixedscope.errors import StoreError
from mixedscope.inference.compare import compare_structures
from mixedscope.report import HEAVY_SVG, write_index
from mixedscope.store import write_json, write_table

NASTY = "<script>alert(1)</script> & a|b"


class Page(HTMLParser):
    """Elements with their attributes, and the text of the page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [a[attribute] or "" for _, a in self.elements if attribute in a]


class Run:
    """The files of a run that the page is made of."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.infos: list[dict[str, Any]] = []
        for structure in ("full", "intercept"):
            info = fit_tables(structure=structure, max_evaluations=60).info
            self.infos.append(info | {"model": "my sleep", "formula": f"y ~ {NASTY}"})
        self.infos[1]["singular"][0]["singular"] = True
        self.structures = root / "compare/my sleep/structures.parquet"
        table = compare_structures(self.infos)
        formula, digest = self.infos[0]["formula"], "0" * 64
        write_table(self.structures, table, "structures", formula=formula, sha256=digest)
        self.caption = root / "charts/my sleep/shrinkage-a~20b.caption.json"
        self.formats = ["svg", "png", "html"]
        self.describe(self.caption)
        for name in self.formats:
            self.caption.with_name(f"shrinkage-a~20b.{name}").write_bytes(b"x")

    def describe(self, path: Path) -> None:
        content = {"title": f"Title {NASTY}", "caption": f"Caption {NASTY}"}
        write_json(path, {**content, "formats": self.formats})

    def page(self, *together: Path) -> Page:
        output = self.root / "index.html"
        write_index(
            structures=[str(self.structures)],
            captions=[str(self.caption)],
            together=[str(path) for path in together],
            output=output,
        )
        return Page(output)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_figure_is_shown_with_title_caption_and_links(run: Run) -> None:
    page = run.page()
    assert f"Title {NASTY}." in page.text
    assert f"Caption {NASTY}" in page.text
    assert page.values("src") == ["charts/my%20sleep/shrinkage-a~20b.svg"]
    assert page.values("alt") == [f"Title {NASTY}"]
    for name in run.formats:
        assert f"charts/my%20sleep/shrinkage-a~20b.{name}" in page.values("href")


def test_links_lead_to_files_or_into_the_page(run: Run) -> None:
    page = run.page()
    for address in page.values("href") + page.values("src"):
        if address.startswith("#"):
            assert address[1:] in page.values("id")
        else:
            assert (run.root / unquote(address)).is_file()


def test_names_do_not_become_elements(run: Run) -> None:
    page = run.page()
    assert "script" not in [tag for tag, _ in page.elements]
    assert f"y ~ {NASTY}" in page.text


def test_table_holds_the_numbers_of_the_fits(run: Run) -> None:
    text = run.page().text
    for info in run.infos:
        for shown in (
            f"{info['objective']:,.4f}",
            f"{info['aic']:,.1f}",
            f"{info['bic']:,.1f}",
            str(info["optimizer"]["evaluations"]),
            info["certificate"]["verdict"],
        ):
            assert shown in text


def test_singular_fits_are_told(run: Run) -> None:
    content = (run.page(), run.root / "index.html")[1].read_text("utf-8")
    assert content.count('<td class="singular">no</td>') == 1
    assert content.count('<td class="singular">yes</td>') == 1


def test_smallest_criterion_is_bold(run: Run) -> None:
    run.page()
    content = (run.root / "index.html").read_text("utf-8")
    best = min(info["aic"] for info in run.infos)
    assert content.count('<td class="aic"><strong>') == 1
    assert f'<td class="aic"><strong>{best:,.1f}</strong>' in content


def test_heavy_svg_gives_way_to_png(run: Run) -> None:
    run.caption.with_name("shrinkage-a~20b.svg").write_bytes(b"x" * (HEAVY_SVG + 1))
    assert run.page().values("src") == ["charts/my%20sleep/shrinkage-a~20b.png"]


def test_figures_of_all_models_have_a_section_of_their_own(run: Run) -> None:
    caption = run.root / "charts/phases.caption.json"
    run.formats = ["svg"]
    run.describe(caption)
    caption.with_name("phases.svg").write_bytes(b"x")
    run.formats = ["svg", "png", "html"]
    page = run.page(caption)
    assert "All models" in page.text
    assert page.values("src")[-1] == "charts/phases.svg"
    assert "1 model, 2 fits, 2 figures" in page.text


def test_figures_of_a_sweep_have_a_section_with_its_name(run: Run) -> None:
    caption = run.root / "charts/sweeps/size & shape/gap.caption.json"
    run.formats = ["svg"]
    run.describe(caption)
    caption.with_name("gap.svg").write_bytes(b"x")
    page = run.page(caption)
    assert "Sweep: size & shape" in page.text
    for address in page.values("href"):
        assert not address.startswith("#") or address[1:] in page.values("id")


def test_figures_with_seconds_have_a_page_of_their_own(run: Run) -> None:
    caption = run.caption.with_name("trace-seconds.caption.json")
    run.describe(caption)
    for name in run.formats:
        caption.with_name(f"trace-seconds.{name}").write_bytes(b"x")
    arguments = {"structures": [run.structures], "captions": [run.caption, caption]}
    index, timing = run.root / "index.html", run.root / "timing.html"
    write_index(**arguments, output=index, timing=timing)
    assert Page(index).values("src") == ["charts/my%20sleep/shrinkage-a~20b.svg"]
    assert Page(timing).values("src") == ["charts/my%20sleep/trace-seconds.svg"]
    assert "timing.html" in Page(index).values("href")
    assert "index.html" in Page(timing).values("href")


def test_figure_without_picture_is_linked(run: Run) -> None:
    run.formats = ["html"]
    run.describe(run.caption)
    page = run.page()
    assert page.values("src") == []
    assert "charts/my%20sleep/shrinkage-a~20b.html" in page.values("href")


def test_same_run_gives_the_same_page(run: Run) -> None:
    run.page()
    first = (run.root / "index.html").read_bytes()
    run.page()
    assert (run.root / "index.html").read_bytes() == first


def test_missing_figure_is_named_and_no_page_is_written(run: Run) -> None:
    run.caption.with_name("shrinkage-a~20b.png").unlink()
    with pytest.raises(StoreError, match=r"shrinkage-a~20b\.png"):
        run.page()
    assert not (run.root / "index.html").exists()


def test_caption_of_no_model_is_an_error(run: Run) -> None:
    with pytest.raises(StoreError, match="no table of structures"):
        write_index(structures=[], captions=[run.caption], output=run.root / "i.html")


def test_caption_without_title_is_an_error(run: Run) -> None:
    write_json(run.caption, {"caption": "only"})
    with pytest.raises(StoreError, match="title"):
        run.page()
