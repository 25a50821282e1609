"""What intervals and tests of runs come to where the truth is known: hits, widths, rejections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["size_of", "with_outcomes"]

Floats = NDArray[np.float64]


def with_outcomes(runs: pd.DataFrame) -> pd.DataFrame:
    """Give `runs` with the columns ``covered``, ``width`` and ``rejected``: lists, or None.

    1 where an interval contains the true value, ends included, and where the p value is below one
    minus the level; 0 elsewhere; NaN where there is no interval, truth or p value.
    """
    covered: list[Any] = []
    width: list[Any] = []
    rejected: list[Any] = []
    columns = ["lower", "upper", "interval_truths", "p_value", "level"]
    for low, high, truth, p, level in runs[columns].itertuples(index=False):
        if not _is_list(low):
            covered.append(None)
            width.append(None)
        else:
            ends = _numbers(low), _numbers(high), _numbers(truth)
            covered.append(_where_known((ends[0] <= ends[2]) & (ends[2] <= ends[1]), *ends))
            width.append(ends[1] - ends[0])
        if not _is_list(p):
            rejected.append(None)
        else:
            values = _numbers(p)
            rejected.append(_where_known(values < size_of(float(level)), values))
    made = {"covered": covered, "width": width, "rejected": rejected}
    frame = runs.assign(
        **{k: pd.Series(v, index=runs.index, dtype=object) for k, v in made.items()}
    )
    frame.attrs = dict(runs.attrs)
    return frame


def size_of(level: float) -> float:
    """Size of the tests that belong to intervals of a level, free of the rounding of 1 - 0.95."""
    return round(1.0 - level, 12)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | np.ndarray)


def _numbers(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _where_known(outcome: Any, *numbers: Floats) -> Floats:
    known = ~np.isnan(np.stack(numbers)).any(axis=0)
    return np.where(known, outcome.astype(float), np.nan)
