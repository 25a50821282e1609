"""The predictor of a linear mixed model in any rows: fixed effects plus modes of known levels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["LevelsOfRows", "linear_predictor"]

Floats = NDArray[np.float64]
LevelsOfRows = tuple[NDArray[np.int64], Floats, Floats]
"""Of one grouping factor: levels of m rows (m,), -1 for a new one, columns (m, c), modes (q, c)."""


def linear_predictor(x: Floats, beta: Floats, terms: Iterable[LevelsOfRows]) -> Floats:
    """``x beta`` plus ``z b`` of every grouping factor, (m,), modes of new levels being 0."""
    total = np.asarray(x @ beta, dtype=float)
    for codes, z, modes in terms:
        known = codes >= 0
        if known.all():
            total += np.einsum("ij,ij->i", z, modes[codes])
            continue
        total[known] += np.einsum("ij,ij->i", z[known], modes[codes[known]])
    return total
