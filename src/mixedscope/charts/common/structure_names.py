"""What the covariance structure of a fit is called in pictures, in words and in short."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from mixedscope.charts.common.colours import structure_colour
from mixedscope.covariance.registry import look_of
from mixedscope.covariance.structure_names import structures_written
from mixedscope.tables.store import FitTables

__all__ = [
    "LISTED",
    "fit_headings",
    "fit_label",
    "in_words",
    "structure_colours",
    "structure_label",
    "structure_shapes",
    "worded",
]

LISTED: Final = 4
"""So many fits are named one by one in a title; of more it tells the range."""

#: Mean width of a bold character of a heading, in pixels.
_CHARACTER: Final = 6.2


def structure_label(info: Mapping[str, Any]) -> str:
    """Name the covariance structure of a fit in words; that of its terms if the formula gave it.

    ``info``: what ``fit.json`` holds; tables without it are those of a fit.
    """
    if "structure" not in info:
        return "fit"
    asked = str(info["structure"])
    written = structures_written(info) if asked == "full" else [asked]
    return worded(written[0] if written else asked) if len(written) < 2 else "structures as written"


def fit_label(fit: FitTables, tables: Sequence[FitTables]) -> str:
    """Name the structure of a fit, with its optimiser where structures do not tell fits apart.

    ``tables``: all that are shown, this one among them.
    """
    names = [structure_label(other.info) for other in tables]
    name = structure_label(fit.info)
    return f"{name} by {fit.info['optimizer']['name']}" if len(set(names)) < len(names) else name


def fit_headings(tables: Sequence[FitTables], width: float) -> list[list[str]]:
    """Name the structures of fits above their panels, in as many lines each.

    ``width``: pixels of a panel.
    """
    columns = max(int(width / _CHARACTER), 8)
    lines = [
        textwrap.wrap(structure_label(fit.info), columns, break_long_words=False) for fit in tables
    ]
    most = max(map(len, lines))
    return [[*[" "] * (most - len(own)), *own] for own in lines]


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Name the structures of a table in words.

    ``table``: with a column ``structure``; what is no name of a structure there stays as it is.
    """
    return table.assign(structure=table["structure"].map(worded))


def worded(name: str) -> str:
    """Put the name of a structure, as users write it, into words.

    ``name``: what is no name of a structure stays as it is.
    """
    look = look_of(name)
    return name if look is None else look.label


def structure_colours(names: Sequence[str], spare: Sequence[str]) -> list[str]:
    """Give each of different structures its colour; one of `spare` where it has none alone."""
    own = {name: colour for name in names if (colour := structure_colour(name))}
    return _dealt(names, own, spare)


def structure_shapes(names: Sequence[str], spare: Sequence[str]) -> list[str]:
    """Give each of different structures its shape; one of `spare` where it has none alone."""
    return _dealt(names, {name: look.shape for name in names if (look := look_of(name))}, spare)


def _dealt(names: Sequence[str], own: Mapping[str, str], spare: Sequence[str]) -> list[str]:
    """Leave what structures own to the first that owns it, and deal out what is spare."""
    taken: dict[str, str] = {}
    for name, value in own.items():
        if value not in taken.values():
            taken[name] = value
    free = [value for value in spare if value not in taken.values()] or list(spare)
    others = [name for name in names if name not in taken]
    taken |= {name: free[i % len(free)] for i, name in enumerate(others)}
    return [taken[name] for name in names]
