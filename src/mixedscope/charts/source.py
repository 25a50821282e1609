"""What a chart can be drawn from, brought into one form: the stored tables of one or more fits."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from mixedscope.errors import ModelError
from mixedscope.store import FitTables, read_fit

__all__ = ["as_tables"]


def as_tables(source: Any, *studies: str) -> list[FitTables]:
    """Bring what a chart is asked to show into a list of stored tables.

    Parameters
    ----------
    source : Fit, FitTables, path, or iterable of these
        A fit, its tables, the directory it was saved in, or several to be shown side by side.
    *studies : str
        Studies the chart shows: those missing are made for a fit (tables and directories have
        them or have not).

    Returns
    -------
    list of FitTables
        At least one, in the order given.

    Raises
    ------
    ModelError
        If there is nothing to show, or something that is no fit.
    StoreError
        If a directory holds no fit.
    """
    if isinstance(source, FitTables | str | os.PathLike) or hasattr(source, "tables"):
        return [_one(source, studies)]
    if isinstance(source, Iterable):
        tables = [_one(item, studies) for item in source]
        if tables:
            return tables
        raise ModelError("There is no fit to draw: give at least one.")
    return [_one(source, studies)]


def _one(item: Any, studies: tuple[str, ...]) -> FitTables:
    if isinstance(item, FitTables):
        return item
    if isinstance(item, str | os.PathLike):
        return read_fit(item)
    if studies and hasattr(item, "study"):
        item.study(*studies)
    tables = getattr(item, "tables", None)
    if isinstance(tables, FitTables):
        return tables
    raise ModelError(
        f"A chart is drawn from a fit, its tables or the directory it was saved in, "
        f"not from {type(item).__name__}."
    )
