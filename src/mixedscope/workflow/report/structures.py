"""The table of a model's structures on a page."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from typing import Any, Final

import pandas as pd

__all__ = ["ABOUT_STRUCTURES", "structures_table"]

#: What is to be known to read the table.
ABOUT_STRUCTURES: Final = (
    "Objective: −2 log likelihood, or the REML criterion; θ: covariance parameters; the smallest "
    "AIC and BIC of each optimiser are bold."
)


def structures_table(table: pd.DataFrame) -> str:
    """Write a table of structures as HTML; the smallest AIC and BIC of each optimiser are bold.

    Parameters
    ----------
    table : pandas.DataFrame
        As stored: ``structures``.

    Returns
    -------
    str
    """
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
    return lambda value: f"{value:,.{digits}f}".replace("-", "\u2212")


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
