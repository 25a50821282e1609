"""The table of a model's structures on a page."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import pandas as pd

from mixedscope.charts.common.numerals import fixed

__all__ = ["ABOUT_STRUCTURES", "STRUCTURE_TITLES", "StructureCell", "structure_rows"]

#: What is to be known to read the table.
ABOUT_STRUCTURES: Final = (
    "Objective: −2 log likelihood, which of a family is approximated, or the REML criterion; "
    "θ: covariance parameters; the smallest AIC and BIC of each optimiser are bold."
)


class StructureCell(NamedTuple):
    """A value of the column ``column`` of a table of structures, as readers see it."""

    column: str
    text: str
    bold: bool


def structure_rows(table: pd.DataFrame) -> list[list[StructureCell]]:
    """The cells of the stored table ``structures``; bold: least AIC and BIC of each optimiser."""
    smallest = {
        column: table.groupby("optimizer")[column].transform("min") for column in ("aic", "bic")
    }
    rows = []
    for i, row in enumerate(table.to_dict("records")):
        cells = []
        for _, column, words in _COLUMNS:
            value = row[column]
            missing = value is None or (isinstance(value, float) and math.isnan(value))
            text = "–" if missing or value is pd.NA else words(value)
            least = column in smallest and len(table) > 1 and value == smallest[column].iloc[i]
            cells.append(StructureCell(column, text, bool(least)))
        rows.append(cells)
    return rows


def _fixed(digits: int) -> Callable[[Any], str]:
    return lambda value: fixed(value, digits)


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

#: The headings of the table.
STRUCTURE_TITLES: Final = tuple(title for title, _, _ in _COLUMNS)
