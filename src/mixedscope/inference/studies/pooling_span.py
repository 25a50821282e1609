"""How far the path of a pooling study goes, to more shrinkage and to less."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError

__all__ = ["pooling_span"]

#: The path ends, downwards, where so small a share of the degrees of freedom is left, and upwards
#: where half a decade adds no larger a share.
_NEGLIGIBLE: Final = 0.01


def pooling_span(
    degrees: Callable[[float], float],
    factors: Sequence[NDArray[np.float64]],
    *,
    decades: float,
    largest: float,
) -> tuple[float, float]:
    """Ends of the path as logarithms of s to base 10, in half decades.

    ``degrees``: those of freedom of the random effects at such a logarithm; raises UnsuitedError
    where there are none to be had, with which the path ends, unless that is the fit itself.
    ``factors``: of covariances, at the fit. ``decades``: on either side at most. ``largest``: entry
    of a factor beyond which the path does not go.
    """
    own = max(float(np.abs(factor).max()) for factor in factors)
    if own == 0.0:
        return -1.0, 1.0
    most = min(decades, max(0.5, math.floor(2.0 * math.log10(largest / own)) / 2.0))
    high, reached = 0.0, degrees(0.0)
    while high < most:
        before = reached
        try:
            reached = degrees(high + 0.5)
        except UnsuitedError:  # here the digits, or numbers, end
            break
        high += 0.5
        if reached - before <= _NEGLIGIBLE * reached:
            break
    low = -0.5
    while low > -decades and degrees(low) > _NEGLIGIBLE * reached:
        low -= 0.5
    return low, high
