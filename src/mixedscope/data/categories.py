"""Columns made categorical, with text as categories and a stated order of levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mixedscope.core.errors import DataError, yaml_hint
from mixedscope.design.frame import factorize
from mixedscope.formula.expressions import label_of

__all__ = ["as_categorical"]


def as_categorical(column: pd.Series, levels: Sequence[Any] | None) -> pd.Series:
    """Make a column categorical, with text as categories.

    ``levels``: the levels in order; every value must be among them, levels that do not occur are
    dropped. Sorted by default (numbers numerically); a categorical column keeps its order.
    """
    present = column.notna().to_numpy(dtype=bool)
    factor = factorize(column[present])
    order = list(factor.levels)
    codes = np.full(len(column), -1, dtype=np.int64)
    codes[present] = factor.codes
    if levels is not None:
        wanted = [label_of(level) for level in levels]
        absent = [level for level in order if level not in set(wanted)]
        if absent:
            truth = [level for level in levels if isinstance(level, bool)]
            remedy = f"List every level{yaml_hint(truth[0])}." if truth else "List every level."
            raise DataError(
                f"categorical: column {column.name!r} has values that are not among its levels: "
                f"{', '.join(map(repr, absent[:10]))}. {remedy}"
            )
        if len(set(wanted)) < len(wanted):
            raise DataError(f"categorical: a level of column {column.name!r} is listed twice.")
        kept = [level for level in wanted if level in set(order)]
        place = {level: i for i, level in enumerate(kept)}
        rank = np.array([*(place[level] for level in order), -1], dtype=np.int64)
        codes, order = rank[codes], kept
    return pd.Series(
        pd.Categorical.from_codes(codes, categories=pd.Index(order, dtype=object)),
        name=column.name,
        index=column.index,
    )
