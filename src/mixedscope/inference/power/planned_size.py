"""How many rows a planned study has, known before any is made: what is too much is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from mixedscope.core.errors import ModelError
from mixedscope.core.wording import gigabytes
from mixedscope.engine.memory import is_there_room, memory_there
from mixedscope.inference.power.planned_rows import REPLICATES

__all__ = ["check_rows", "rows_grown"]

#: Bytes of a row beside its columns, and of each column of the fixed and of the random effects: as
#: a table, as a design and as cross-products are made of it.
_ROW: Final = 500
_COLUMN: Final = 60


def rows_grown(
    rows: pd.DataFrame, sizes: Mapping[str, int], groups: Mapping[str, str | None]
) -> int:
    """Rows that those of a pilot come to, about: levels have as many as they have on average.

    ``groups``: of every factor the one that its levels lie within, or None.
    """
    count = float(len(rows))
    for name, size in sizes.items():
        if name == REPLICATES:
            count *= size
            continue
        around = groups.get(name)
        parts = 1 if around is None else rows[around].nunique()
        levels = len(rows[[name] if around is None else [name, around]].drop_duplicates())
        count *= size * parts / max(1, levels)
    return round(count)


def check_rows(count: int, columns: int) -> None:
    """Refuse a study that does not fit into the memory of this machine, before it is made.

    ``columns``: of the table, the fixed effects and the random effects together. Raises ModelError.
    """
    needed = count * (_ROW + _COLUMN * columns)
    if is_there_room(needed):
        return
    raise ModelError(
        f"A study of this size has about {count:,} rows, which take {gigabytes(needed)} of memory, "
        f"and there are {memory_there()} in all. Plan smaller sizes."
    )
