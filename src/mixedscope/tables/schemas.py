"""The schemas of all kinds of stored tables, found by name.

A schema stands in the file of `mixedscope.tables.kinds` that is named like the kind or like what
its name begins with, and only that file is read to find it: code that knows what it stores imports
the schema, and does not depend on those of other tables.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mixedscope.tables.table_schema import TableSchema

__all__ = ["SCHEMAS", "schema_module"]

_KINDS: Final = "mixedscope.tables.kinds"


def schema_module(kind: str) -> str:
    """Name the module that holds the schema of a kind of table.

    Raises KeyError if there is no such module.

    Examples
    --------
    >>> schema_module("landscape_points")
    'mixedscope.tables.kinds.landscape'
    """
    words = kind.split("_")
    for count in range(len(words), 0, -1):
        name = "_".join(words[:count])
        if name in _modules():
            return f"{_KINDS}.{name}"
    raise KeyError(kind)


@cache
def _modules() -> tuple[str, ...]:
    folder = Path(__file__).with_name("kinds")
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


class _Schemas(Mapping[str, "TableSchema"]):
    """Every schema by the name of its kind, read when it is asked for."""

    def __getitem__(self, kind: str) -> TableSchema:
        from mixedscope.tables.table_schema import TableSchema

        schema = getattr(import_module(schema_module(kind)), kind.upper(), None)
        if not isinstance(schema, TableSchema) or schema.kind != kind:
            raise KeyError(kind)
        return schema

    def __iter__(self) -> Iterator[str]:
        from mixedscope.tables.table_schema import TableSchema

        for name in _modules():
            for value in vars(import_module(f"{_KINDS}.{name}")).values():
                if isinstance(value, TableSchema):
                    yield value.kind

    def __len__(self) -> int:
        return sum(1 for _ in self)


SCHEMAS: Final = _Schemas()
