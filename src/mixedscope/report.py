"""One plain page that shows every figure of a run with its caption and its numbers.

The page needs no network and no script: figures are the files beside it.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pandas as pd

from mixedscope.charts.registry import TIMED
from mixedscope.errors import StoreError
from mixedscope.files import atomic_write, read_json
from mixedscope.store import read_table

__all__ = ["HEAVY_SVG", "write_index"]

#: An SVG of more bytes than this takes a browser long to draw; the PNG is shown if there is one.
HEAVY_SVG: Final = 600_000


@dataclass(frozen=True)
class _Figure:
    name: str
    title: str
    caption: str
    files: dict[str, Path]


def write_index(
    *,
    structures: Sequence[str | os.PathLike[str]],
    captions: Sequence[str | os.PathLike[str]],
    together: Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str],
    timing: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Write the page that shows every figure of a run.

    Parameters
    ----------
    structures : sequence of path
        ``structures.parquet`` of every model, in the order of the page.
    captions : sequence of path
        ``<model>/<chart>.caption.json`` of every chart, in the order within its model; the chart's
        files stand beside it.
    together : sequence of path
        Captions of charts that show more than one model: of a sweep where the directory is
        ``sweeps/<sweep>``, else of all models.
    output : path
        The page.
    timing : path, optional
        A page of its own for what shows measured seconds, so that the other is the same for
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
    tables = {
        Path(path).parent.name: (Path(path), read_table(path, "structures")) for path in structures
    }
    figures: dict[str, list[_Figure]] = {model: [] for model in tables}
    for path in map(Path, captions):
        if path.parent.name not in figures:
            raise StoreError(f"{path} is the caption of a model that has no table of structures")
        figures[path.parent.name].append(_figure(path))
    others: dict[str, list[_Figure]] = {}
    for path in map(Path, together):
        sweep = path.parent.parent.name == "sweeps"
        heading = f"Sweep: {path.parent.name}" if sweep else "All models"
        others.setdefault(heading, []).append(_figure(path))
    pages = {Path(output): False}
    if timing is not None:
        pages[Path(timing)] = True
    contents = {
        page: _page(
            page, tables, figures, others, timed=timed, pages=[p for p in pages if p != page]
        )
        for page, timed in pages.items()
    }
    return [atomic_write(page, content.encode("utf-8")) for page, content in contents.items()]


def _page(
    page: Path,
    tables: Mapping[str, tuple[Path, pd.DataFrame]],
    figures: Mapping[str, Sequence[_Figure]],
    others: Mapping[str, Sequence[_Figure]],
    *,
    timed: bool,
    pages: Sequence[Path],
) -> str:
    """The page of the figures that show seconds, or that of all others."""

    def chosen(known: Sequence[_Figure]) -> list[_Figure]:
        return [figure for figure in known if figure.name.endswith(TIMED) is timed]

    shown = {model: chosen(known) for model, known in figures.items() if not timed or chosen(known)}
    sections = [
        _section(model, *tables[model], known, page.parent) for model, known in shown.items()
    ]
    links = [f'<li><a href="#{_anchor(model)}">{html.escape(model)}</a></li>' for model in shown]
    for heading, known in others.items():
        if chosen(known):
            # No model has this name: it would not start with a sign.
            anchor = f"-{heading}"
            drawn = "\n".join(_figure_html(anchor, f, page.parent) for f in chosen(known))
            sections.append(
                f'<section id="{_anchor(anchor)}">\n<h2>{html.escape(heading)}</h2>\n{drawn}\n'
                "</section>"
            )
            links.append(f'<li><a href="#{_anchor(anchor)}">{html.escape(heading)}</a></li>')
    links += [
        f'<li><a href="{_link(other, page.parent)}">{_PAGE_NAMES[not timed]}</a></li>'
        for other in pages
    ]
    n_fits = sum(len(table) for _, table in tables.values())
    n_figures = sum(len(chosen(known)) for known in (*figures.values(), *others.values()))
    return _PAGE.format(
        summary=f"{_count(len(tables), 'model')}, {_count(n_fits, 'fit')}, "
        f"{_count(n_figures, 'figure')}",
        links="\n".join(links),
        sections="\n".join(sections),
    )


#: What a page is called by the other one, by whether it shows seconds.
_PAGE_NAMES: Final = {False: "All figures", True: "Measured seconds"}


def _figure(path: Path) -> _Figure:
    content = read_json(path)
    try:
        title, caption = str(content["title"]), str(content["caption"])
        formats = [str(kind) for kind in content["formats"]]
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"{path} does not tell title, caption and formats. Delete it and make it again"
        ) from error
    name = path.name.removesuffix(".caption.json")
    files = {kind: path.with_name(f"{name}.{kind}") for kind in formats}
    for file in files.values():
        if not file.is_file():
            raise StoreError(f"there is no file {file}")
    return _Figure(name, title, caption, files)


# -- parts of the page -------------------------------------------------------------------------


def _section(
    model: str, path: Path, table: pd.DataFrame, figures: Sequence[_Figure], root: Path
) -> str:
    n, criterion = table["n"].iloc[0], table["criterion"].iloc[0]
    about = ", ".join(
        [f"{int(n):,} observations"] * (not pd.isna(n))
        + [f"{criterion}"] * (not pd.isna(criterion))
    )
    parts = [
        f'<section id="{_anchor(model)}">',
        f"<h2>{html.escape(model)}</h2>",
        f'<p class="formula"><code>{html.escape(table.attrs["formula"])}</code></p>',
        f"<p>{html.escape(about)}. The table is stored in "
        f'<a href="{_link(path, root)}">structures.parquet</a>.</p>',
        _table(table),
        *(_figure_html(model, figure, root) for figure in figures),
        "</section>",
    ]
    return "\n".join(parts)


def _figure_html(model: str, figure: _Figure, root: Path) -> str:
    links = ", ".join(
        f'<a href="{_link(file, root)}">{_FORMAT_NAMES.get(kind, kind)}</a>'
        for kind, file in sorted(figure.files.items(), key=lambda item: item[0] != "html")
    )
    shown = _shown(figure)
    target = figure.files.get("html", shown)
    picture = ""
    if shown is not None and target is not None:
        picture = (
            f'<a href="{_link(target, root)}"><img src="{_link(shown, root)}" '
            f'alt="{html.escape(figure.title)}" loading="lazy"></a>\n'
        )
    return (
        f'<figure id="{_anchor(f"{model}/{figure.name}")}">\n'
        f"{picture}<figcaption><strong>{html.escape(figure.title)}.</strong> "
        f"{html.escape(figure.caption)}\n"
        f'<span class="files">{html.escape(figure.name)}: {links}</span></figcaption>\n</figure>'
    )


def _shown(figure: _Figure) -> Path | None:
    """The file that stands in the page: SVG, or PNG where there is none or it is heavy."""
    svg, png = figure.files.get("svg"), figure.files.get("png")
    if svg is not None and png is not None:
        return png if svg.stat().st_size > HEAVY_SVG else svg
    return svg or png


def _table(table: pd.DataFrame) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title, _, _ in _COLUMNS)
    smallest = {
        column: table.groupby("optimizer")[column].transform("min") for column in ("aic", "bic")
    }
    rows = []
    for i, row in enumerate(table.to_dict("records")):
        cells = []
        for _, column, words in _COLUMNS:
            value = row[column]
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            text = "–" if missing or value is pd.NA else html.escape(words(value))
            if column in smallest and len(table) > 1 and value == smallest[column].iloc[i]:
                text = f"<strong>{text}</strong>"
            cells.append(f'<td class="{column}">{text}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _fixed(digits: int) -> Callable[[Any], str]:
    return lambda value: f"{value:,.{digits}f}"


#: Heading, column of the table of structures, and how a value is written.
_COLUMNS: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("structure", "structure", str),
    ("optimiser", "optimizer", str),
    ("objective", "objective", _fixed(4)),
    ("θ", "n_theta", _fixed(0)),
    ("parameters", "dof", _fixed(0)),
    ("evaluations", "evaluations", _fixed(0)),
    ("AIC", "aic", _fixed(1)),
    ("BIC", "bic", _fixed(1)),
    ("singular", "singular", lambda value: "yes" if value else "no"),
    ("verdict", "verdict", str),
)

_FORMAT_NAMES: Final = {
    "gif": "GIF",
    "mp4": "film",
    "html": "interactive",
    "svg": "SVG",
    "png": "PNG",
    "pdf": "PDF",
    "vl.json": "Vega-Lite",
}


def _link(path: Path, root: Path) -> str:
    return html.escape(quote(Path(os.path.relpath(path, root)).as_posix()))


def _anchor(name: str) -> str:
    return html.escape(quote(name, safe=""))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mixedscope: results</title>
<style>
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 16px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; color: #222;
  background: #fff }}
a {{ color: #0062a0 }}
main, header {{ max-width: 68rem; margin: 0 auto; padding: 0 1.25rem }}
h1 {{ font-size: 1.6rem; margin: 1.5rem 0 0.25rem }}
h2 {{ font-size: 1.35rem; margin: 0; padding-top: 1rem }}
nav {{ position: sticky; top: 0; background: #fff; border-bottom: 1px solid #ddd; z-index: 1 }}
nav ul {{ display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; list-style: none;
  max-width: 68rem; margin: 0 auto; padding: 0.6rem 1.25rem }}
section {{ scroll-margin-top: 2.5rem; margin: 1rem 0 3rem; border-top: 2px solid #222 }}
nav + main section:first-child {{ border-top: 0 }}
code {{ font: 0.92em "Liberation Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere }}
.formula {{ margin: 0.4rem 0 }}
.scroll {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums }}
th, td {{ padding: 0.3rem 0.9rem 0.3rem 0; text-align: right; white-space: nowrap }}
th {{ font-weight: normal; color: #555; border-bottom: 1px solid #222 }}
td {{ border-bottom: 1px solid #e6e6e6 }}
th:nth-child(-n+2), td:nth-child(-n+2), th:nth-last-child(-n+2), td:nth-last-child(-n+2)
  {{ text-align: left }}
figure {{ scroll-margin-top: 3rem; margin: 2.25rem 0 }}
img {{ display: block; width: min(100%, 46rem); height: auto }}
figcaption {{ max-width: 46rem; margin-top: 0.6rem; font-size: 0.92rem; color: #444 }}
.files {{ display: block; margin-top: 0.3rem; color: #666 }}
@media print {{ nav {{ display: none }} figure {{ break-inside: avoid }} }}
</style>
</head>
<body>
<header>
<h1>Mixed models: fits, shrinkage and optimisation</h1>
<p>{summary}. Every picture opens its interactive form where there is one. Objective: −2 log
likelihood, or the REML criterion; θ: covariance parameters; the smallest AIC and BIC of a model
are bold, for each optimiser.</p>
</header>
<nav aria-label="Models"><ul>
{links}
</ul></nav>
<main>
{sections}
</main>
</body>
</html>
"""
