"""Which evaluations were better than all before them: one rule for tables and for charts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["improved_rows"]


def improved_rows(objective: NDArray[np.float64]) -> NDArray[np.intp]:
    """Positions (n,) of the evaluations whose objective (m,) is below everything before.

    The objective is not finite where an evaluation failed, which is never the best.
    """
    values = np.where(np.isfinite(objective), objective, np.inf)
    before = np.concatenate([[np.inf], np.minimum.accumulate(values)[:-1]])
    return np.flatnonzero(values < before)
