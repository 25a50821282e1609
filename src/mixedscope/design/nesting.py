"""Which levels of one coding lie within levels of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["containing_levels"]

Ints = NDArray[np.int64]


def containing_levels(inner: Ints, outer: Ints) -> Ints | None:
    """Of two codings (n,), the level of the second that each level of the first is within.

    None if rows of one level are of several.
    """
    level = np.empty(int(inner.max(initial=-1)) + 1, dtype=np.int64)
    level[inner] = outer
    return level if np.array_equal(level[inner], outer) else None
