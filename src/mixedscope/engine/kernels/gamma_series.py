"""Gamma functions for kernels: by Stirling's series, arguments brought to 20 by recurrence.

As in :mod:`mixedscope.families.gamma_functions`: nothing is made of what cancels at large
arguments.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import log, log1p

__all__ = ["differences", "gamma_functions"]

Floats = NDArray[np.float64]

# Arguments from which on functions are series.
_FAR = 20.0
_HALF_LOG = 0.5 * math.log(2.0 * math.pi)


@part
def _stirling(x: float) -> tuple[float, float, float, float]:
    """What Stirling's series adds to the leading terms of log-gamma and three derivatives.

    Abramowitz & Stegun (1964), 6.1.41, 6.3.18 and 6.4.12 to 6.4.13.
    """
    i = 1.0 / x
    s = i * i
    zero = i * (
        1.0 / 12.0 + s * (-1.0 / 360.0 + s * (1.0 / 1260.0 + s * (-1.0 / 1680.0 + s / 1188.0)))
    )
    one = s * (-1.0 / 12.0 + s * (1.0 / 120.0 + s * (-1.0 / 252.0 + s * (1.0 / 240.0 - s / 132.0))))
    two = 1.0 / 6.0 + s * (-1.0 / 30.0 + s * (1.0 / 42.0 + s * (-1.0 / 30.0 + s * (5.0 / 66.0))))
    two = s * (0.5 + i * two)
    three = -1.0 / 2.0 + s * (1.0 / 6.0 + s * (-1.0 / 6.0 + s * (3.0 / 10.0 - s * (5.0 / 6.0))))
    three = s * i * (-1.0 + i * three)
    return zero, one, two, three


@part
def gamma_functions(x: float) -> tuple[float, float, float, float]:
    """``log Gamma(x) - x log x + x``, ``log x`` less digamma, trigamma and tetragamma functions."""
    if not x > 0.0:
        return np.nan, np.nan, np.nan, np.nan
    at, product = x, 1.0
    one = two = three = 0.0
    while at < _FAR:
        inverse = 1.0 / at
        product *= at
        one += inverse
        two += inverse * inverse
        three += 2.0 * inverse * inverse * inverse
        at += 1.0
    zero, by_one, by_two, by_three = _stirling(at)
    inverse = 1.0 / at
    log_at = log(at)
    own = zero + _HALF_LOG - 0.5 * log_at
    less = 0.5 * inverse - by_one
    if at > x:
        log_x = log(x)
        own += at * log_at - at - log(product) - x * log_x + x
        less += log_x - log_at + one
    return own, less, inverse + by_two + two, -inverse * inverse + by_three - three


@part
def differences(y: float, size: float) -> tuple[float, float, float, float]:
    """Log-gamma and three derivatives, at ``y + size`` less at `size`, of a whole number y."""
    if not size > 0.0:
        return np.nan, np.nan, np.nan, np.nan
    total = y + size
    if size >= _FAR:
        inverse = log1p(y / size)
        above = _stirling(total)
        below = _stirling(size)
        ratio = y / (size * total)
        return (
            (total - 0.5) * inverse + y * log(size) - y + above[0] - below[0],
            inverse + 0.5 * ratio + above[1] - below[1],
            -ratio + above[2] - below[2],
            ratio * (1.0 / size + 1.0 / total) + above[3] - below[3],
        )
    if y <= 2.0 * _FAR:
        product = 1.0
        one = two = three = 0.0
        for j in range(int(y)):
            at = size + j
            inverse = 1.0 / at
            product *= at
            one += inverse
            two -= inverse * inverse
            three += 2.0 * inverse * inverse * inverse
        return log(product), one, two, three
    high = gamma_functions(total)
    low = gamma_functions(size)
    log_high, log_low = log(total), log(size)
    return (
        high[0] - low[0] + total * log_high - size * log_low - y,
        log_high - high[1] - log_low + low[1],
        high[2] - low[2],
        high[3] - low[3],
    )
