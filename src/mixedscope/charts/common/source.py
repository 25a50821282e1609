"""What a chart can be drawn from: stored tables of one or more fits, or what a function made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import pandas as pd

from mixedscope.charts.registry import PUBLIC
from mixedscope.core.arguments import named, way_out
from mixedscope.core.errors import ModelError
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.store import FitTables, read_fit

__all__ = ["Made", "Source", "as_tables", "is_made", "made_tables", "with_group"]


class _Fitted(Protocol):
    """A fit: what has all stored tables of one."""

    @property
    def tables(self) -> FitTables: ...


class _Tabulated(Protocol):
    """What a function found, as tables by name: an assessment or a ladder."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]: ...


_Single: TypeAlias = _Fitted | FitTables | str | os.PathLike[str]

Source: TypeAlias = _Single | Iterable[_Single]
"""A fit, its tables, the directory it was saved in, or several of these."""

Made: TypeAlias = _Tabulated | Mapping[str, pd.DataFrame]
"""What a function made: its tables by name, or the object that has them."""

#: What charts of no single fit are drawn from: what makes it, and the tables that are needed.
_MAKERS: Final = {n: (spec.maker, spec.tables) for n, spec in PUBLIC.items() if spec.tables}


def as_tables(source: Any, *studies: str) -> list[FitTables]:
    """Bring what a chart is asked to show into a list of stored tables.

    ``source``: a fit, its tables, the directory it was saved in, or several to be shown side by
    side; an iterable may hold iterables of these. ``*studies``: studies the chart shows: those
    missing are made for a fit (tables and directories have them or have not). Gives at least one,
    in the order given. Raises ModelError if there is nothing to show, or something that is no fit.
    Raises StoreError if a directory holds no fit.
    """
    tables = [_one(item, studies) for item in _each(source)]
    if not tables:
        raise ModelError("There is no fit to draw: give at least one.")
    return tables


def with_group(
    source: Any, others: tuple[Any, ...], group: str | None
) -> tuple[list[Any], str | None]:
    """Tell the fits of a call from a grouping factor that is written behind them.

    ``others``: what follows it by position: more of these, and a grouping factor as the last.
    ``group``: the grouping factor where it is given by name. Raises ModelError if there is a text
    that is not the last, or a grouping factor by position and by name.
    """
    fits = list(others)
    if fits and (fits[-1] is None or isinstance(fits[-1], str)):
        last = fits.pop()
        if last is not None and group is not None:
            raise ModelError(
                f"Two grouping factors are given, {last!r} and {group!r}: give one of them."
            )
        group = group if last is None else last
    for item in fits:
        if isinstance(item, str):
            raise ModelError(
                f"A text behind the first fit is a grouping factor and comes last, not {item!r}: "
                "give several directories as a list."
            )
    return [source, *fits], group


def is_made(source: Any) -> bool:
    """Whether something is, or has, tables by name, and is no fit."""
    return _tables_by_name(source) is not None


def made_tables(chart: str, source: Any, *others: Any) -> Mapping[str, Any]:
    """Bring what a function made into its tables by name.

    ``chart``: name of the chart that is to be drawn, one that has tables of its own. ``*others``:
    what else the chart was given; nothing may be. Raises ModelError if it is anything else; the
    message says what makes the right thing.
    """
    maker, needed = _MAKERS[chart]
    wanted = f"ms.charts.{chart} draws what {maker} gives"
    if others:
        raise ModelError(f"{wanted}, one at a time; {1 + len(others)} things were given.")
    tables = _tables_by_name(source)
    if tables is None:
        raise ModelError(f"{wanted}, not {named(source)}.")
    missing = [name for name in needed if name not in tables]
    if not missing:
        for name in needed:
            _check_table(wanted, name, tables[name])
        return tables
    for other, (its_maker, its_tables) in _MAKERS.items():
        if all(name in tables for name in its_tables):
            raise ModelError(
                f"{wanted}, not what {its_maker} gives, which ms.charts.{other} draws."
            )
    raise ModelError(f"{wanted}; here the table {missing[0]!r} is missing.")


def _check_table(wanted: str, name: str, table: Any) -> None:
    """Refuse what goes by the name of a table and has not its columns."""
    if not isinstance(table, pd.DataFrame):
        raise ModelError(f"{wanted}; here {name!r} is no table but {named(table)}.")
    lost = [column for column in SCHEMAS[name].columns or () if column not in table.columns]
    if lost:
        raise ModelError(f"{wanted}; here the table {name!r} has no column {lost[0]!r}.")


def _each(source: Any) -> list[Any]:
    """What is to be drawn one by one: texts, tables and fits are not taken apart."""
    if (
        isinstance(source, FitTables | str | os.PathLike | Mapping | pd.DataFrame)
        or hasattr(source, "tables")
        or not isinstance(source, Iterable)
    ):
        return [source]
    return [item for part in source for item in _each(part)]


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
        "A chart is drawn from a fit, its tables or the directory it was saved in, "
        f"not from {named(item)}.{_way_out(item)}"
    )


def _tables_by_name(source: Any) -> Mapping[str, Any] | None:
    """Tables of what a function made; None of a fit, whose tables cost time to make, or a model."""
    if hasattr(source, "study"):
        return None
    tables = getattr(source, "tables", source)
    return tables if isinstance(tables, Mapping) else None


def _way_out(item: Any) -> str:
    """What to do about something that is no fit, where that is known."""
    if hasattr(item, "fit"):
        return way_out(item)
    tables = _tables_by_name(item)
    for chart, (_, needed) in _MAKERS.items():
        if tables is not None and all(name in tables for name in needed):
            return f" This is drawn by ms.charts.{chart}."
    return ""
