"""The fits of a model on its page: what ``print(fit)`` shows, and where data and files are."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from mixedscope.api import summary
from mixedscope.core.errors import StoreError
from mixedscope.tables.files import read_json
from mixedscope.tables.kinds.estimates import ESTIMATES
from mixedscope.tables.table_files import read_table

__all__ = ["StoredFit", "data_facts", "fit_details", "read_fits"]

#: Files of a fit that a page links to, by what they hold.
_FILES: Final = {
    "estimates": ("estimates.csv", "estimates.parquet"),
    "conditional modes": ("modes.csv", "modes.parquet"),
    "trace": ("trace.parquet",),
    "what was fitted": ("fit.json",),
}

_NUMBER: Final = re.compile(r"[<+-]?[0-9][0-9.]*(?:e[+-]?[0-9]+)?")

#: What is not known, or does not exist.
_MISSING: Final = "–"


@dataclass(frozen=True)
class StoredFit:
    """A fit as its page shows it.

    Attributes
    ----------
    directory : pathlib.Path
        Where its files are.
    optimizer : str
        Its name in the configuration.
    info : mapping
        Content of ``fit.json``.
    estimates : pandas.DataFrame
    """

    directory: Path
    optimizer: str
    info: Mapping[str, Any]
    estimates: pd.DataFrame


def read_fits(paths: Sequence[Path]) -> list[StoredFit]:
    """Read what is shown of fits.

    Parameters
    ----------
    paths : sequence of path
        ``fit.json`` of each, in ``<structure>/<optimizer>``.

    Returns
    -------
    list of StoredFit

    Raises
    ------
    StoreError
        If a file is missing or damaged.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> StoredFit:
    info = read_json(path)
    if not isinstance(info, dict) or "certificate" not in info:
        raise StoreError(f"{path} is not a fit. Delete it and fit again")
    estimates = read_table(path.with_name("estimates.parquet"), ESTIMATES)
    return StoredFit(path.parent, path.parent.name, info, estimates)


def data_facts(fit: StoredFit) -> str:
    """Say which rows of which data a model was fitted to.

    Parameters
    ----------
    fit : StoredFit

    Returns
    -------
    str
        HTML.
    """
    data = fit.info["dataset"]
    rows = [f"{data['n_rows']:,} rows used"]
    rows += [f"{data['n_dropped']:,} dropped for missing values"]
    if data.get("n_filtered"):
        rows.insert(0, f"{data['n_filtered']:,} left out by filters")
    if data.get("n_zero_weight"):
        rows.append(f"{data['n_zero_weight']:,} left out for a weight of zero")
    if fit.info.get("weights"):
        rows.append(f"weights: {fit.info['weights']}")
    facts = [
        ("data", html.escape(str(data["source"]))),
        ("rows", html.escape(", ".join(rows))),
        ("SHA-256", f"<code>{html.escape(str(data['sha256']))}</code> of the prepared rows"),
        ("response", html.escape(str(fit.info["response"]))),
    ]
    if data.get("file_sha256"):
        facts.insert(1, ("SHA-256 of the file", f"<code>{html.escape(data['file_sha256'])}</code>"))
    items = "".join(f"<dt>{html.escape(name)}</dt><dd>{text}</dd>" for name, text in facts)
    return f'<dl class="facts">{items}</dl>'


def fit_details(fit: StoredFit, link: Callable[[Path], str], *, shown: bool) -> str:
    """Write a fit as ``print(fit)`` does, with links to its files.

    Parameters
    ----------
    fit : StoredFit
    link : callable
        ``(path)`` gives the address of a file, escaped.
    shown : bool
        Whether it is seen at once, or when its heading is clicked.

    Returns
    -------
    str
        HTML; everything from the data is escaped.
    """
    info = fit.info
    name = f"{info['structure']}, {fit.optimizer}: {info['certificate']['verdict']}"
    tables = summary.tables(info, fit.estimates)
    files = "; ".join(
        f"{what} ("
        + ", ".join(
            f'<a href="{link(fit.directory / file)}">{_KINDS[Path(file).suffix]}</a>'
            for file in names
        )
        + ")"
        for what, names in _FILES.items()
    )
    return "\n".join(
        [
            f"<details{' open' * shown}>",
            f"<summary>{html.escape(name)}</summary>",
            f"<p>{html.escape(summary.title(info))}.</p>",
            *(_table(caption, *table) for caption, table in tables.items()),
            *(f"<p>{html.escape(remark)}</p>" for remark in summary.remarks(info)),
            f'<p class="note">Intervals are Wald\'s. Files: {files}.</p>',
            "</details>",
        ]
    )


_KINDS: Final = {".csv": "CSV", ".parquet": "Parquet", ".json": "JSON"}


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = next(i for i, title in enumerate(header) if title not in ("", "Column"))

    def cell(text: str, j: int) -> str:
        if j < names:
            kind = ' scope="row"' if j == names - 1 else ""
            tag = "th" if kind else "td"
            return f'<{tag}{kind} class="name">{html.escape(text)}</{tag}>'
        return f"<td>{html.escape(_signed(text))}</td>"

    head = "".join(
        f'<th scope="col"{" class=" + chr(34) + "name" + chr(34) if j < names else ""}>'
        f"{html.escape(title)}</th>"
        for j, title in enumerate(header)
    )
    body = "\n".join(
        f"<tr>{''.join(cell(text, j) for j, text in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="scroll"><table class="fit">\n<caption>{html.escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _signed(text: str) -> str:
    """A number as it is printed on a page; what is missing as a dash."""
    if text.lower() in ("nan", "none"):
        return _MISSING
    return text.replace("-", "\u2212") if _NUMBER.fullmatch(text) else text
