"""What to measure columns by where few rows have nearly all of the weight."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["unit_of_weights", "words_of_weights"]

Floats = NDArray[np.float64]

#: How many times the median the root mean square of root weights is where few rows have them all.
_FEW: Final = 10.0


def unit_of_weights(weights: Floats | None) -> float:
    """Root mean square of root weights over their median, where that is large; else 1.

    Standard deviations that suit all rows but the heaviest are of the order of sigma for columns of
    this root mean square, and tiny for those of unit root mean square.
    """
    if weights is None:
        return 1.0
    unit = float(np.sqrt(np.mean(weights) / np.median(weights)))
    return unit if unit > _FEW else 1.0


def words_of_weights(weights: Floats | None) -> str:
    """Say that weights are very unequal, in a sentence; empty if they are not."""
    if weights is None or unit_of_weights(weights) == 1.0:
        return ""
    ratio = float(weights.max() / np.median(weights))
    return (
        f"The weights are too unequal for probes: the largest is {ratio:.1e} times their median, "
        "and the errors of probes grow with that."
    )
