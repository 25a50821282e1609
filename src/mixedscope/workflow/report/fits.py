"""The fits of a model on its page: what ``print(fit)`` shows, and where data and files are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from mixedscope.api import summary
from mixedscope.charts.common import numerals
from mixedscope.charts.common.labels import labelled_fit, term_title, variable_title
from mixedscope.core.errors import StoreError
from mixedscope.tables.files import read_json
from mixedscope.tables.kinds.estimates import ESTIMATES
from mixedscope.tables.table_files import read_table
from mixedscope.workflow.report.inference import (
    files_beside,
    left_out,
    read_shown,
    tables_beside,
)

__all__ = ["StoredFit", "read_fits", "signed"]

#: Files of a fit that a page links to, by what they hold.
_FILES: Final = {
    "estimates": ("estimates.csv", "estimates.parquet"),
    "conditional modes": ("modes.csv", "modes.parquet"),
    "trace": ("trace.parquet",),
    "what was fitted": ("fit.json",),
}

_KINDS: Final = {".csv": "CSV", ".parquet": "Parquet", ".json": "JSON"}

_NUMBER: Final = re.compile(r"[<+-]?[0-9][0-9.]*(?:e[+-]?[0-9]+)?")

#: What is not known, or does not exist.
_MISSING: Final = "–"


@dataclass(frozen=True)
class StoredFit:
    """A fit as its page shows it.

    Attributes
    ----------
    directory : pathlib.Path
        Where its files are; its name is that of the optimiser in the configuration.
    info : mapping
        Content of ``fit.json``, under labels of variables.
    estimates : pandas.DataFrame
        Under these too.
    beside : sequence of pathlib.Path
        Tables of what follows from it, where it was asked for.
    shown : mapping of str to pandas.DataFrame
        Those of them that the page shows, by name.
    """

    directory: Path
    info: Mapping[str, Any]
    estimates: pd.DataFrame
    beside: Sequence[Path] = ()
    shown: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Structure, optimiser and verdict."""
        verdict = self.info["certificate"]["verdict"]
        return f"{self.info['structure']}, {self.directory.name}: {verdict}"

    @property
    def title(self) -> str:
        """The first line of ``print(fit)``."""
        return summary.title(self.info)

    @property
    def remarks(self) -> Sequence[str]:
        """The sentences below the tables of ``print(fit)``."""
        return [*summary.remarks(self.info), *left_out(self.shown)]

    @property
    def tables(self) -> list[tuple[str, Sequence[str], int, Sequence[Sequence[str]]]]:
        """Caption, header, how many columns hold names, and rows of each table."""
        return [
            (
                caption,
                header,
                next(i for i, title in enumerate(header) if title not in ("", "Column")),
                rows,
            )
            for caption, (header, rows) in self._own_tables().items()
        ] + tables_beside(self.shown, self.info)

    def _own_tables(self) -> dict[str, tuple[list[str], list[list[str]]]]:
        """The tables of the printed fit, coefficients with their units."""
        own = summary.tables(self.info, self.estimates)
        for row in own[summary.FIXED_EFFECTS][1]:
            row[0] = term_title(row[0], self.info)
        return own

    @property
    def response(self) -> str:
        """Its response, with its unit."""
        return variable_title(str(self.info["response"]))

    @property
    def family(self) -> str:
        """Its family and link in words; empty of a linear model."""
        if self.info.get("family") is None:
            return ""
        return f"family {self.info['family']}, link {self.info['link']}"

    @property
    def files(self) -> dict[str, list[tuple[str, Path]]]:
        """Format and path of its files, by what they hold."""
        return {
            what: [(_KINDS[Path(name).suffix], self.directory / name) for name in names]
            for what, names in _FILES.items()
        } | {
            what: [(_KINDS[file.suffix], file) for file in files]
            for what, files in files_beside(self.beside).items()
        }

    @property
    def rows(self) -> str:
        """How many rows of its data were used, and how many were not, and why."""
        data = self.info["dataset"]
        rows = [f"{data['n_rows']:,} rows used"]
        rows += [f"{data['n_dropped']:,} dropped for missing values"]
        if data.get("n_filtered"):
            rows.insert(0, f"{data['n_filtered']:,} left out by filters")
        if data.get("n_zero_weight"):
            rows.append(f"{data['n_zero_weight']:,} left out for a weight of zero")
        if self.info.get("weights"):
            rows.append(f"weights: {self.info['weights']}")
        if self.info.get("offset"):
            rows.append(f"offset: {self.info['offset']}")
        if self.info.get("subset"):
            rows.insert(0, f"{data.get('n_outside', 0):,} left out, not {self.info['subset']}")
        return ", ".join(rows)


def read_fits(paths: Sequence[Path], inference: Sequence[Path] = ()) -> list[StoredFit]:
    """Read what is shown of fits from ``<structure>/<optimizer>/fit.json`` and beside it.

    ``inference``: tables of what follows from any of them, beside each.
    """
    return [_read(path, [p for p in inference if p.parent == path.parent]) for path in paths]


def _read(path: Path, beside: Sequence[Path]) -> StoredFit:
    info = read_json(path)
    if not isinstance(info, dict) or "certificate" not in info:
        raise StoreError(f"{path} is not a fit. Delete it and fit again")
    found = read_shown(beside)
    tables = [read_table(path.with_name("estimates.parquet"), ESTIMATES), *found.values()]
    info, (estimates, *others) = labelled_fit(info, *tables)
    shown = dict(zip(found, others, strict=True))
    return StoredFit(path.parent, info, estimates, beside, shown)


def signed(text: str) -> str:
    """A number as it is printed on a page; what is missing as a dash."""
    if text.lower() in ("nan", "none"):
        return _MISSING
    return numerals.signed(text) if _NUMBER.fullmatch(text) else text
