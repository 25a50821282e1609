"""The pages of a run: an overview, a page for each model and each sweep, and one with seconds.

They need no network and no script: figures are the files beside them.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pandas as pd

from mixedscope.core.errors import StoreError
from mixedscope.tables.files import atomic_write
from mixedscope.tables.kinds.structures import STRUCTURES
from mixedscope.tables.table_files import read_table
from mixedscope.workflow.report.figures import HEAVY_SVG, Figure, read_figures
from mixedscope.workflow.report.fits import StoredFit, data_facts, fit_details, read_fits
from mixedscope.workflow.report.frame import frame
from mixedscope.workflow.report.pictures import natural_size, small_picture
from mixedscope.workflow.report.questions import by_question, is_timed
from mixedscope.workflow.report.structures import ABOUT_STRUCTURES, structures_table

__all__ = ["HEAVY_SVG", "write_pages"]

_FORMAT_NAMES: Final = {
    "gif": "GIF",
    "mp4": "film",
    "html": "interactive",
    "svg": "SVG",
    "png": "PNG",
    "pdf": "PDF",
    "vl.json": "Vega-Lite",
}

#: How much larger than drawn a figure is shown, where the page is wide enough: the same for all, so
#: that their text is of one size.
_SCALE: Final = 1.25

#: What the sections of figures of all models is called.
_TOGETHER: Final = "All models"

#: What the section of the fits of a model is called.
_FITS: Final = "Fits"


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

    @property
    def heading(self) -> str:
        return self.name if self.table is not None else f"Sweep: {self.name}"

    def shown(self, timed: bool) -> list[Figure]:
        return [figure for figure in self.figures if is_timed(figure.name) is timed]


def write_pages(
    *,
    structures: Sequence[str | os.PathLike[str]],
    captions: Sequence[str | os.PathLike[str]],
    together: Sequence[str | os.PathLike[str]] = (),
    fits: Sequence[str | os.PathLike[str]] = (),
    tables: Sequence[str | os.PathLike[str]] = (),
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
        structures, captions, together, fits, tables, index.parent / "pages"
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
            read_fits([path for path in map(Path, fits) if path.parents[2].name == name]),
            downloads.get((name, False), []),
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
    root = index.parent
    models = [subject for subject in subjects if subject.table is not None]
    fits = sum(len(subject.table) for subject in models if subject.table is not None)
    drawn = len(everything) + sum(len(subject.figures) for subject in subjects)
    sections = [_overview(subject, root) for subject in subjects]
    shown = [figure for figure in everything if not is_timed(figure.name)]
    if shown:
        sections.insert(len(models), _together(shown, root))
    links = [(f"#{_anchor(subject.heading)}", subject.heading) for subject in subjects]
    links.insert(len(models), (f"#{_anchor(_TOGETHER)}", _TOGETHER))
    if not shown:
        links.pop(len(models))
    return frame(
        title="mixedscope: results",
        heading="Mixed models: fits, shrinkage and optimisation",
        lead=f"{_count(len(models), 'model')}, {_count(fits, 'fit')}, {_count(drawn, 'figure')}. "
        f"A model's name, or any of its pictures, opens its page. {ABOUT_STRUCTURES}",
        links=[*links, (_link(seconds, root), "Measured seconds")],
        body="\n".join(sections),
    )


def _overview(subject: _Subject, root: Path) -> str:
    page = _link(subject.page, root)
    shown = subject.shown(timed=False)
    # As its page in ``pages``.
    folder = root / "thumbnails" / subject.page.relative_to(root / "pages").with_suffix("")
    pictures = "\n".join(
        _thumbnail(figure, page, root, folder)
        for _, figures in by_question(shown, [figure.name for figure in shown])
        for figure in figures
    )
    return "\n".join(
        [
            f'<section id="{_anchor(subject.heading)}">',
            f'<h2><a href="{page}">{html.escape(subject.heading)}</a></h2>',
            *_about(subject, root),
            f'<ul class="sheet">\n{pictures}\n</ul>',
            "</section>",
        ]
    )


def _thumbnail(figure: Figure, page: str, root: Path, folder: Path) -> str:
    picture = ""
    if figure.raster is not None:
        small = folder / f"{figure.name}.png"
        width, height = small_picture(figure.raster, small)
        picture = (
            f'<img src="{_link(small, root)}" alt="{html.escape(figure.title)}" '
            f'width="{width}" height="{height}" loading="lazy">'
        )
    return (
        f'<li><a href="{page}#{_anchor(figure.name)}" title="{html.escape(figure.title)}">'
        f"{picture}<span>{html.escape(figure.label)}</span></a></li>"
    )


def _together(figures: Sequence[Figure], root: Path) -> str:
    drawn = "\n".join(_figure(figure, root) for figure in figures)
    return f'<section id="{_anchor(_TOGETHER)}">\n<h2>{_TOGETHER}</h2>\n{drawn}\n</section>'


def _subject_page(
    subject: _Subject, at: int, subjects: Sequence[_Subject], index: Path, seconds: Path
) -> str:
    """All figures of one model or sweep, by question."""
    root = subject.page.parent
    shown = subject.shown(timed=False)
    groups = by_question(shown, [figure.name for figure in shown])
    sections = [
        "\n".join(
            [
                f'<section id="{_anchor(question.name)}">',
                f"<h2>{question.name}</h2>",
                f'<p class="question">{question.text}</p>',
                *(_figure(figure, root) for figure in figures),
                "</section>",
            ]
        )
        for question, figures in groups
    ]
    note = [f'<p class="note">{ABOUT_STRUCTURES}</p>'] * (subject.table is not None)
    links = [(_link(index, root), "Overview")]
    if subject.fits:
        sections.insert(0, _fits(subject.fits, root))
        links.append((f"#{_anchor(_FITS)}", _FITS))
    links += [(f"#{_anchor(question.name)}", question.name) for question, _ in groups]
    if subject.shown(timed=True):
        links.append((f"{_link(seconds, root)}#{_anchor(subject.heading)}", "Seconds"))
    for step, sign in ((-1, "← {}"), (1, "{} →")):
        if 0 <= at + step < len(subjects):
            other = subjects[at + step]
            links.append((_link(other.page, root), sign.format(other.name)))
    return frame(
        title=f"{subject.heading}: mixedscope",
        heading=subject.heading,
        lead=f"{_count(len(shown), 'figure')}. Every picture opens its interactive form where "
        "there is one.",
        links=links,
        body="\n".join([*_about(subject, root), *_downloads(subject, root), *note, *sections]),
    )


def _fits(fits: Sequence[StoredFit], root: Path) -> str:
    """The fits of a model, the first in full and the others when their names are clicked."""
    details = "\n".join(
        fit_details(fit, lambda path: _link(path, root), shown=i == 0) for i, fit in enumerate(fits)
    )
    return (
        f'<section id="{_anchor(_FITS)}">\n<h2>{_FITS}</h2>\n'
        f"{data_facts(fits[0])}\n{details}\n</section>"
    )


def _seconds_page(
    subjects: Sequence[_Subject], everything: Sequence[Figure], index: Path, seconds: Path
) -> str:
    """The figures that show seconds, of all models and sweeps."""
    root = seconds.parent
    timed = [(subject, subject.shown(timed=True)) for subject in subjects]
    named = [(subject.heading, subject.page, found) for subject, found in timed if found]
    shared = [figure for figure in everything if is_timed(figure.name)]
    sections = [
        f'<section id="{_anchor(heading)}">\n'
        f'<h2><a href="{_link(page, root)}">{html.escape(heading)}</a></h2>\n'
        + "\n".join(_figure(figure, root, prefix=heading) for figure in found)
        + "\n</section>"
        for heading, page, found in named
    ]
    links = [(_link(index, root), "Overview")]
    links += [(f"#{_anchor(heading)}", heading) for heading, _, _ in named]
    if shared:
        sections.append(_together(shared, root))
        links.append((f"#{_anchor(_TOGETHER)}", _TOGETHER))
    drawn = len(shared) + sum(len(found) for _, _, found in named)
    return frame(
        title="Measured seconds: mixedscope",
        heading="Measured seconds",
        lead=f"{_count(drawn, 'figure')}. Seconds depend on the machine and on what else it does: "
        "no other run repeats them, and no other page shows any.",
        links=links,
        body="\n".join(sections),
    )


# -- parts of pages ----------------------------------------------------------------------------


def _about(subject: _Subject, root: Path) -> list[str]:
    """Formula, data and table of structures of a model; nothing of a sweep."""
    table, stored = subject.table, subject.stored
    if table is None or stored is None:
        return []
    n, criterion = table["n"].iloc[0], table["criterion"].iloc[0]
    told: list[Any] = [f"{int(n):,} observations"] * (not pd.isna(n))
    told += [str(criterion)] * (not pd.isna(criterion))
    about = ", ".join(told)
    return [
        f'<p class="formula"><code>{html.escape(table.attrs["formula"])}</code></p>',
        f'<p>{html.escape(about)}. Stored in <a href="{_link(stored.with_suffix(".csv"), root)}">'
        f'structures.csv</a> and <a href="{_link(stored, root)}">structures.parquet</a>.</p>',
        structures_table(table),
    ]


def _downloads(subject: _Subject, root: Path) -> list[str]:
    """Links to the tables behind the figures of a subject, as CSV and as Parquet."""
    told = "; ".join(
        f"{html.escape(path.stem.replace('_', ' '))} "
        f'(<a href="{_link(path.with_suffix(".csv"), root)}">CSV</a>, '
        f'<a href="{_link(path, root)}">Parquet</a>)'
        for path in subject.downloads
    )
    return [f'<p class="note">Tables: {told}.</p>'] if told else []


def _figure(figure: Figure, root: Path, *, prefix: str = "") -> str:
    links = ", ".join(
        f'<a href="{_link(file, root)}">{_FORMAT_NAMES.get(kind, kind)}</a>'
        for kind, file in sorted(figure.files.items(), key=lambda item: item[0] != "html")
    )
    shown = figure.picture
    target = figure.files.get("html", shown)
    picture = ""
    if shown is not None and target is not None:
        # Their room is known before they are loaded: links to figures further down do not miss.
        width, height = (round(_SCALE * side) for side in natural_size(shown))
        picture = (
            f'<a href="{_link(target, root)}"><img src="{_link(shown, root)}" '
            f'alt="{html.escape(figure.title)}" width="{width}" height="{height}" '
            'loading="lazy"></a>\n'
        )
    anchor = f"{prefix}/{figure.name}" if prefix else figure.name
    return (
        f'<figure id="{_anchor(anchor)}">\n'
        f"{picture}<figcaption><strong>{html.escape(figure.title)}.</strong> "
        f"{html.escape(figure.caption)}\n"
        f'<span class="files">{html.escape(figure.label)}: {links}</span></figcaption>\n</figure>'
    )


def _link(path: Path, root: Path) -> str:
    return html.escape(quote(Path(os.path.relpath(path, root)).as_posix()))


def _anchor(name: str) -> str:
    return html.escape(quote(name, safe=""))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
