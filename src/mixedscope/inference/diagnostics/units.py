"""What is deleted at a time: an observation, or all observations of a level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.design import Design
from mixedscope.design.frame import factorize

__all__ = ["Units", "by_level", "by_observation", "level_codes"]

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Units:
    """Sets of rows, one to be left out at a time.

    Attributes
    ----------
    by : str or None
        What groups them; None where each is an observation.
    labels : pandas.Index
        Labels of the m units: of the rows in the data, or levels.
    rows : list of arrays of int
        Of each unit, positions among the rows used.
    places : (m,) array of int or None
        Positions in the data given, where each unit is an observation.
    """

    by: str | None
    labels: pd.Index
    rows: list[Rows]
    places: NDArray[np.int64] | None


def by_observation(design: Design, labels: pd.Index) -> Units:
    """Take every observation by itself; ``labels`` are those of the rows used."""
    rows = list(np.arange(len(design.y), dtype=np.intp)[:, None])
    return Units(None, labels, rows, design.rows)


def by_level(design: Design, columns: Mapping[str, pd.Series], group: str) -> Units:
    """Take the levels of a grouping factor, or of a column of the data used by the model.

    Arguments and errors are those of `level_codes`. Raises ModelError, too, if all rows are of one
    level.
    """
    codes, levels = level_codes(design, columns, group)
    if len(levels) < 2:
        raise ModelError(f"All rows are of one level of {group!r}: nothing is left without it.")
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(levels)))[:-1]
    return Units(group, pd.Index(levels, name=group), np.split(order, ends), None)


def level_codes(
    design: Design, columns: Mapping[str, pd.Series], group: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes (n,) and levels of a grouping factor, or of a column of the data used by the model.

    ``columns``: those of the data, the rows used only. Raises ModelError if there is no such
    factor or column.
    """
    factors = {random.group: random for random in design.random}
    if group in factors:
        return factors[group].codes, factors[group].levels
    if group in columns:
        found = factorize(columns[group])
        return found.codes, found.levels
    known = list(dict.fromkeys([*factors, *columns]))
    raise ModelError(
        f"There is no grouping factor or column {group!r} in this model."
        f"{suggest(group, known)} Known are: {', '.join(known)}."
    )
