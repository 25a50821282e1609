"""The pages of a run: an overview, a page for each model and each sweep, and one with seconds.

They need no network and no script: figures are the files beside them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
import pandas as pd

from mixedscope.core.errors import StoreError
from mixedscope.tables.files import atomic_write
from mixedscope.tables.kinds.structures import STRUCTURES
from mixedscope.tables.table_files import read_table
from mixedscope.workflow.report.figures import HEAVY_SVG, Figure, read_figures
from mixedscope.workflow.report.fits import StoredFit, read_fits, signed
from mixedscope.workflow.report.pictures import natural_size, small_picture
from mixedscope.workflow.report.questions import by_question, is_timed
from mixedscope.workflow.report.structures import (
    ABOUT_STRUCTURES,
    STRUCTURE_TITLES,
    structure_rows,
)

__all__ = ["HEAVY_SVG", "write_pages"]

#: How much larger than drawn a figure is shown, where the page is wide enough: the same for all, so
#: that their text is of one size.
_SCALE: Final = 1.25


@dataclass(frozen=True)
class _Subject:
    """What a page is about: a model with its table of structures, or a sweep."""

    name: str
    page: Path
    figures: list[Figure]
    stored: Path | None = None
    table: pd.DataFrame | None = None
    fits: Sequence[StoredFit] = ()
    downloads: Sequence[Path] = ()
    printed: Sequence[Path] = ()

    @property
    def heading(self) -> str:
        return self.name if self.table is not None else f"Sweep: {self.name}"

    @property
    def rows_and_criterion(self) -> str:
        """Of its table, as far as they are known."""
        if self.table is None:
            return ""
        n, criterion = self.table["n"].iloc[0], self.table["criterion"].iloc[0]
        told: list[str] = [f"{int(n):,} observations"] * (not pd.isna(n))
        told += [self.fits[0].family] * bool(self.fits and self.fits[0].family)
        return ", ".join(told + [str(criterion)] * (not pd.isna(criterion)))

    @property
    def explorer(self) -> Path | None:
        """The page where its displays are linked."""
        return next((f.files.get("html") for f in self.figures if f.name == "explorer"), None)

    @property
    def findings(self) -> Sequence[Mapping[str, str]]:
        """Questions and their answers, where its figures tell them."""
        return next((figure.findings for figure in self.figures if figure.findings), ())

    @property
    def movers(self) -> Sequence[Mapping[str, str]]:
        """The levels that move most, of every factor the farthest first."""
        return next((figure.movers for figure in self.figures if figure.movers), ())

    def shown(self, timed: bool) -> list[Figure]:
        return [figure for figure in self.figures if is_timed(figure.name) is timed]


def write_pages(
    *,
    structures: Sequence[str | os.PathLike[str]],
    captions: Sequence[str | os.PathLike[str]],
    together: Sequence[str | os.PathLike[str]] = (),
    fits: Sequence[str | os.PathLike[str]] = (),
    tables: Sequence[str | os.PathLike[str]] = (),
    inference: Sequence[str | os.PathLike[str]] = (),
    printed: Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str],
) -> list[Path]:
    """Write the pages that show every figure of a run.

    Parameters
    ----------
    structures : sequence of path
        ``structures.parquet`` of every model, in the order of the models.
    captions : sequence of path
        ``<model>/<chart>.caption.json`` of every chart, in the order within its model; the chart's
        files stand beside it.
    together : sequence of path
        Captions of charts that show more than one model: of a sweep where the directory is
        ``sweeps/<sweep>``, else of all models.
    fits : sequence of path
        ``<model>/<structure>/<optimizer>/fit.json`` of every fit that the page of its model shows;
        its tables stand beside it, ``estimates`` and ``modes`` as CSV too.
    tables : sequence of path
        ``<model>/<table>.parquet``, or ``sweeps/<sweep>/runs.parquet``, of what the page of a model
        or sweep links to beside; a CSV file of the same name stands beside each.
    inference : sequence of path
        Tables of tests, intervals and influence beside these fits, which the page shows or links
        to.
    printed : sequence of path
        ``<model>/table.<ending>``: the structures of a model side by side, as papers print them.
    output : path
        The overview.  Beside it ``pages/<model>.html`` and ``pages/sweeps/<sweep>.html``, and the
        small pictures that it shows: ``thumbnails/<model>/<chart>.png`` and
        ``thumbnails/sweeps/<sweep>/<chart>.png``.
    timing : path
        A page of its own for what shows measured seconds, so that the others are the same for
        every run: the figures named ``...-seconds``.

    Returns
    -------
    list of pathlib.Path
        The pages.

    Raises
    ------
    StoreError
        If a table, a caption or a figure is missing or damaged, or belongs to no model.
    """
    index, seconds = Path(output), Path(timing)
    subjects, everything = _read(
        structures, captions, together, fits, tables, inference, printed, index.parent / "pages"
    )
    contents = {
        subject.page: _subject_page(subject, at, subjects, index, seconds)
        for at, subject in enumerate(subjects)
    }
    contents[seconds] = _seconds_page(subjects, everything, index, seconds)
    contents[index] = _index_page(subjects, everything, index, seconds)
    return [atomic_write(page, content.encode("utf-8")) for page, content in contents.items()]


def _read(
    structures: Sequence[str | os.PathLike[str]],
    captions: Sequence[str | os.PathLike[str]],
    together: Sequence[str | os.PathLike[str]],
    fits: Sequence[str | os.PathLike[str]],
    tables: Sequence[str | os.PathLike[str]],
    inference: Sequence[str | os.PathLike[str]],
    printed: Sequence[str | os.PathLike[str]],
    pages: Path,
) -> tuple[list[_Subject], list[Figure]]:
    """Models and sweeps with their figures, and the figures of all models."""
    paths: dict[str, list[Path]] = {Path(path).parent.name: [] for path in structures}
    for path in map(Path, captions):
        if path.parent.name not in paths:
            raise StoreError(f"{path} is the caption of a model that has no table of structures")
        paths[path.parent.name].append(path)
    downloads: dict[tuple[str, bool], list[Path]] = {}
    for path in map(Path, tables):
        owner = path.parent.name, path.parent.parent.name == "sweeps"
        downloads.setdefault(owner, []).append(path)
    subjects = [
        _Subject(
            name,
            pages / f"{name}.html",
            read_figures(paths[name]),
            Path(table),
            read_table(table, STRUCTURES),
            read_fits(
                [path for path in map(Path, fits) if path.parents[2].name == name],
                [path for path in map(Path, inference) if path.parents[2].name == name],
            ),
            downloads.get((name, False), []),
            [path for path in map(Path, printed) if path.parent.name == name],
        )
        for name, table in zip(paths, structures, strict=True)
    ]
    others: dict[str | None, list[Path]] = {None: []}
    for path in map(Path, together):
        sweep = path.parent.name if path.parent.parent.name == "sweeps" else None
        others.setdefault(sweep, []).append(path)
    everything = read_figures(others.pop(None))
    subjects += [
        _Subject(
            str(name),
            pages / "sweeps" / f"{name}.html",
            read_figures(found),
            downloads=downloads.get((str(name), True), []),
        )
        for name, found in others.items()
    ]
    return subjects, everything


# -- pages -------------------------------------------------------------------------------------


def _index_page(
    subjects: Sequence[_Subject], everything: Sequence[Figure], index: Path, seconds: Path
) -> str:
    """The overview: of each subject its table and its figures, small."""
    models = [subject for subject in subjects if subject.table is not None]
    sweeps = [subject for subject in subjects if subject.table is None]
    shown = [figure for figure in everything if not is_timed(figure.name)]
    fits = sum(len(subject.table) for subject in models if subject.table is not None)
    drawn = len(everything) + sum(len(subject.figures) for subject in subjects)
    answered = [(subject, _answers(subject)) for subject in models if subject.findings]
    questions = list(dict.fromkeys(asked for _, answers in answered for asked in answers))
    sections = ["Answers in short"] * bool(questions) + [subject.heading for subject in models]
    sections += ["All models"] * bool(shown)
    sections += [subject.heading for subject in sweeps]
    return _rendered(
        "overview.html",
        index,
        title="mixedscope: results",
        heading="Mixed models: fits, shrinkage and optimisation",
        lead=f"{_count(len(models), 'model')}, {_count(fits, 'fit')}, {_count(drawn, 'figure')}. "
        f"A model's name, or any of its pictures, opens its page. {ABOUT_STRUCTURES}",
        links=[*map(_inside, sections), (_link(seconds, index), "Measured seconds")],
        questions=questions,
        answered=answered,
        models=models,
        sweeps=sweeps,
        together=shown,
        thumbnails={subject.heading: _thumbnails(subject, index.parent) for subject in subjects},
        unfilmed=sum(figure.unfilmed for subject in subjects for figure in subject.figures),
    )


def _answers(subject: _Subject) -> dict[str, str]:
    """What a model answers to each question, in as few words as it is told in."""
    return {found["question"]: found.get("short", found["text"]) for found in subject.findings}


def _thumbnails(subject: _Subject, root: Path) -> list[tuple[Figure, Path | None, tuple[int, int]]]:
    """The figures of the overview, a small picture of each where it has any, and its sides."""
    # As its page in ``pages``.
    folder = root / "thumbnails" / subject.page.relative_to(root / "pages").with_suffix("")
    shown = subject.shown(timed=False)
    found: list[tuple[Figure, Path | None, tuple[int, int]]] = []
    for _, figures in by_question(shown, [figure.name for figure in shown]):
        for figure in figures:
            if figure.raster is None:
                found.append((figure, None, (0, 0)))
            else:
                small = folder / f"{figure.name}.png"
                found.append((figure, small, small_picture(figure.raster, small)))
    return found


def _subject_page(
    subject: _Subject, at: int, subjects: Sequence[_Subject], index: Path, seconds: Path
) -> str:
    """All figures of one model or sweep, by question."""
    shown = subject.shown(timed=False)
    groups = by_question(shown, [figure.name for figure in shown])
    links = [(_link(index, subject.page), "Overview")]
    links += [_inside(question.name) for question, _ in groups if question.comes_first]
    links += [_inside("Fits")] * bool(subject.fits)
    links += [_inside("Side by side")] * bool(subject.printed)
    links += [_inside(question.name) for question, _ in groups if not question.comes_first]
    if subject.shown(timed=True):
        address, _ = _inside(subject.heading)
        links.append((_link(seconds, subject.page) + address, "Seconds"))
    for step, sign in ((-1, "← {}"), (1, "{} →")):
        if 0 <= at + step < len(subjects):
            other = subjects[at + step]
            links.append((_link(other.page, subject.page), sign.format(other.name)))
    return _rendered(
        "subject.html",
        subject.page,
        title=f"{subject.heading}: mixedscope",
        heading=subject.heading,
        lead=f"{_count(len(shown), 'figure')}. Every picture opens its interactive form where "
        "there is one.",
        links=links,
        subject=subject,
        groups=groups,
    )


def _seconds_page(
    subjects: Sequence[_Subject], everything: Sequence[Figure], index: Path, seconds: Path
) -> str:
    """The figures that show seconds, of all models and sweeps."""
    timed = [(subject, found) for subject in subjects if (found := subject.shown(timed=True))]
    shared = [figure for figure in everything if is_timed(figure.name)]
    drawn = len(shared) + sum(len(found) for _, found in timed)
    sections = [subject.heading for subject, _ in timed] + ["All models"] * bool(shared)
    return _rendered(
        "seconds.html",
        seconds,
        title="Measured seconds: mixedscope",
        heading="Measured seconds",
        lead=f"{_count(drawn, 'figure')}. Seconds depend on the machine and on what else it does: "
        "no other run repeats them, and no other page shows any.",
        links=[(_link(index, seconds), "Overview"), *map(_inside, sections)],
        timed=timed,
        together=shared,
    )


# -- templates ---------------------------------------------------------------------------------


def _rendered(template: str, page: Path, **content: Any) -> str:
    """A template filled in, for the place that its page has."""
    return _TEMPLATES.get_template(template).render(
        link=lambda path: _link(path, page), about_structures=ABOUT_STRUCTURES, **content
    )


def _link(path: Path, page: Path) -> str:
    """The address of a file from a page."""
    return quote(Path(os.path.relpath(path, page.parent)).as_posix())


def _inside(name: str) -> tuple[str, str]:
    """The link of a navigation to the section of that name."""
    return f"#{_anchor(name)}", name


def _printed_table(files: Sequence[Path]) -> str | None:
    """The table in its page of HTML, as it stands there; None if there is none."""
    for file in files:
        if file.suffix == ".html":
            content = file.read_text("utf-8")
            return content[content.index("<body>") + len("<body>") : content.index("</body>")]
    return None


def _anchor(name: str) -> str:
    return quote(name, safe="")


def _shown_size(picture: Path) -> tuple[int, int]:
    width, height = natural_size(picture)
    return round(_SCALE * width), round(_SCALE * height)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


#: The templates beside this file; whatever they are filled with is escaped.
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.globals["structure_titles"] = STRUCTURE_TITLES
_TEMPLATES.filters |= {
    "anchor": _anchor,
    "printed_table": _printed_table,
    "shown_size": _shown_size,
    "signed": signed,
    "structure_rows": structure_rows,
}
