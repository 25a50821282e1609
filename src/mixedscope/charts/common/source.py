"""What a chart can be drawn from: stored tables of one or more fits, or what a function made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import pandas as pd

from mixedscope.charts.common.options import Options
from mixedscope.charts.registry import PUBLIC, ChartSpec
from mixedscope.core.arguments import named, way_out
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.tables.fit_names import FIT_TABLES
from mixedscope.tables.late import LateTables
from mixedscope.tables.schemas import SCHEMAS
from mixedscope.tables.store import FitTables, read_fit

__all__ = [
    "Made",
    "Source",
    "as_tables",
    "is_made",
    "made_tables",
    "study_where_possible",
    "with_group",
]


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

#: What charts are drawn from that no fit has of itself: what makes it, and the tables needed.
_MAKERS: Final = {
    name: (spec.maker, spec.tables or spec.beside)
    for name, spec in PUBLIC.items()
    if spec.tables or spec.beside
}


def as_tables(
    source: Any, *studies: str, spec: ChartSpec | None = None, options: Options | None = None
) -> list[FitTables]:
    """Bring what a chart is asked to show into a list of stored tables.

    ``source``: a fit, its tables, the directory it was saved in, or several to be shown side by
    side; an iterable may hold iterables of these. ``*studies``: studies the chart shows: those
    missing are made for a fit (tables and directories have them or have not), and those that
    ``options`` have settings of anew. ``spec``,
    ``options``: of a chart that is drawn from tables beside a fit, or shows them where they are
    there: what a function made of a fit, or its tables by name, is then taken for a fit that has
    these alone. Gives at least one, in the order given. Raises ModelError if there is nothing to
    show, or something that is no fit, or has not what the chart is drawn from. Raises StoreError
    if a directory holds no fit.
    """
    tables = [_one(item, studies, spec, options) for item in _each(source)]
    if not tables:
        raise ModelError("There is no fit to draw: give at least one.")
    return tables


def study_where_possible(source: Any, studies: Sequence[str]) -> None:
    """Make studies of the fits of a call; where one cannot be made its tables say why.

    ``source``: as for `as_tables`; tables and directories have them or have not.
    """
    for item in _each(source):
        for study in studies if hasattr(item, "study") else ():
            try:
                item.study(study)
            except UnsuitedError as error:
                item.skip_study(study, str(error))


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


def _one(
    item: Any, studies: tuple[str, ...], spec: ChartSpec | None, options: Options | None
) -> FitTables:
    found = _tables_of(item, studies, options)
    if spec is None or not (spec.beside or spec.also):
        return _some(item, found)
    beside = (*spec.beside, *spec.also)
    own = _tables_by_name(item)
    # Of a profile and of draws there are intervals.
    takes = {*beside, *(name.removesuffix("_intervals") for name in beside)}
    if found is None and own is not None and any(name in own for name in takes):
        for name in [name for name in beside if name in own]:
            _check_table(f"ms.charts.{spec.name} draws what {spec.maker} gives", name, own[name])
        found = _as_fit(item, own)
    whole = _with_beside(_some(item, found, spec), item, beside, options)
    for name in spec.beside:
        if whole.get(name) is None:
            raise ModelError(
                f"ms.charts.{spec.name} draws what {spec.maker} gives, or a fit that has it; "
                f"here the table {name!r} is missing."
            )
    return whole


def _tables_of(item: Any, studies: tuple[str, ...], options: Options | None) -> FitTables | None:
    """The tables of a fit; None of another thing."""
    settings = options.settings() if options else {}
    if "reference" in settings and isinstance(item, FitTables | str | os.PathLike):
        raise ModelError(
            "Modes at a theta of your own are computed of a fit, not of its stored tables: load "
            "it, ms.load_fit(directory); or store them, fit.study('reference', theta=...), and "
            'ask for reference="theta".'
        )
    if isinstance(item, FitTables):
        return item
    if isinstance(item, str | os.PathLike):
        return read_fit(item)
    if studies and hasattr(item, "study"):
        # Without names it would make all.
        if plain := [study for study in studies if study not in settings]:
            item.study(*plain)
        for name, own in settings.items():
            item.study(name, **own)
    tables = getattr(item, "tables", None)
    return tables if isinstance(tables, FitTables) else None


def _as_fit(item: Any, own: Mapping[str, Any]) -> FitTables:
    """What was made of a fit, as a fit that has these tables alone."""
    tables = FitTables(dict(getattr(item, "info", None) or {}))
    known = LateTables()
    for name in own:
        if name in FIT_TABLES:
            setattr(tables, name, own[name])
        elif isinstance(own[name], pd.DataFrame):
            known[name] = own[name]
    return replace(tables, studies=known)


def _with_beside(
    tables: FitTables, item: Any, beside: tuple[str, ...], options: Options | None
) -> FitTables:
    """A fit with those tables beside it that are stored, or that what it came from can give."""
    made: dict[str, Callable[[], pd.DataFrame]] = {}
    if isinstance(item, str | os.PathLike):
        stored = [n for n in beside if tables.get(n) is None and _is_stored(item, n)]
        made = {name: partial(_read, item, name) for name in stored}
    elif not isinstance(item, FitTables | Mapping) and options is not None:
        made = dict(options.beside(item, tables, beside))
    if not made:
        return tables
    known = LateTables(dict(tables.studies))
    for name, make in made.items():
        known.later(name, make)
    return replace(tables, studies=known)


def _is_stored(directory: Any, name: str) -> bool:
    return Path(directory, f"{name}.parquet").is_file()


def _read(directory: Any, name: str) -> pd.DataFrame:
    return read_fit(directory, only=[name]).require(name)


def _some(item: Any, tables: FitTables | None, spec: ChartSpec | None = None) -> FitTables:
    """Tables of a fit; ModelError if there are none."""
    if tables is not None:
        return tables
    if spec is not None and spec.beside:
        raise ModelError(
            f"ms.charts.{spec.name} is drawn from what {spec.maker} gives, or a fit that has it, "
            f"not from {named(item)}.{_way_out(item)}"
        )
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
    if tables is not None:
        drawn = [
            f"ms.charts.{n}" for n, (_, needed) in _MAKERS.items() if set(needed) <= set(tables)
        ]
        if drawn:
            return f" This is drawn by {' and '.join(drawn)}."
    return ""
