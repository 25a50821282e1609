"""What the report of Snakemake holds, and what figures are called and say."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_run import NASTY, Run

from mixedscope.charts.registry import file_slugs
from mixedscope.tables.files import write_json
from mixedscope.workflow.report.captions import escaped, write_captions
from mixedscope.workflow.report.entries import entries
from mixedscope.workflow.report.figures import Figure, read_figure


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


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
