"""Tables of a fit by name, some of them made only when they are asked for.

Whether a table was made just now or read from a file, its columns are the same and of one type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping

import pandas as pd

from mixedscope.tables.table_files import conformed

__all__ = ["LateTables"]


class LateTables(MutableMapping[str, pd.DataFrame]):
    """Tables by name; a function put in by :meth:`later` is called at the first look.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame] | None = None) -> None:
        self._tables: dict[str, pd.DataFrame | Callable[[], pd.DataFrame]] = dict(tables or {})

    def later(self, name: str, make: Callable[[], pd.DataFrame]) -> None:
        """Put in what makes a table."""
        self._tables[name] = make

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Give a table, made now if it was not."""
        table = self._tables[name]
        if not isinstance(table, pd.DataFrame):
            table = self._tables[name] = _typed(name, table())
        return table

    def __setitem__(self, name: str, table: pd.DataFrame) -> None:
        """Put in a table."""
        self._tables[name] = _typed(name, table)

    def __delitem__(self, name: str) -> None:
        """Take a table out."""
        del self._tables[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Count the tables."""
        return len(self._tables)

    def __repr__(self) -> str:
        """Name the tables."""
        return f"LateTables({list(self._tables)})"

    def __getstate__(self) -> dict[str, object]:
        """Make all tables: what makes them stays in this process."""
        return {"_tables": dict(self)}


def _typed(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is read, whose schema tables that were read name."""
    return table if "schema" in table.attrs else conformed(table, name)
