"""Links for compiled passes: what :mod:`mixedscope.families.links` gives, row by row.

Of means above zero the logarithm of the mean and its derivatives, from LINK on. Of probabilities
those of the logarithm of itself from LINK on, and of what it lacks of one from OWN on; where a
response `y` (n,) is certain the one that it does not ask for is zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import erfc, exp, expm1, log, log1p
from mixedscope.engine.kernels.laplace_steps import LINK, OWN

__all__ = [
    "cloglog",
    "identity",
    "inverse",
    "log_mean",
    "log_probability",
    "logit",
    "probit",
    "square_root",
]

Floats = NDArray[np.float64]

_HALF = math.sqrt(0.5)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
_LOG_DENSITY = -0.5 * math.log(2.0 * math.pi)
# Below this the ratio of density and distribution is a continued fraction, of so many terms.
_FAR = -5.0
_TERMS = 30
# As in :class:`mixedscope.families.links.Cloglog`.
_MOST = 700.0
_SMALL = 0.01


@part
def _put(
    scratch: Floats, at: int, i: int, zero: float, one: float, two: float, three: float
) -> None:
    """Write a value and three derivatives."""
    scratch[at, i] = zero
    scratch[at + 1, i] = one
    scratch[at + 2, i] = two
    scratch[at + 3, i] = three


@part
def log_mean(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """The linear predictor itself."""
    for i in range(first, last):
        _put(scratch, LINK, i, eta[i], 1.0, 0.0, 0.0)


@part
def _power(first: int, last: int, eta: Floats, scratch: Floats, power: float) -> None:
    """``mu = eta ** power``, above zero."""
    for i in range(first, last):
        inside = eta[i] if eta[i] > 0.0 else np.nan
        one = power / inside
        two = -one / inside
        _put(scratch, LINK, i, power * log(inside), one, two, -2.0 * two / inside)


@part
def identity(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = mu``."""
    _power(first, last, eta, scratch, 1.0)


@part
def inverse(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = 1 / mu``."""
    _power(first, last, eta, scratch, -1.0)


@part
def square_root(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = sqrt(mu)``; below zero of a count of zero alone."""
    for i in range(first, last):
        inside = eta[i]
        if inside == 0.0 or (inside < 0.0 and y[i] > 0.0):
            inside = np.nan
        one = 2.0 / inside
        two = -one / inside
        _put(scratch, LINK, i, 2.0 * log(abs(inside)), one, two, -2.0 * two / inside)


@part
def logit(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = log(mu / (1 - mu))``."""
    for i in range(first, last):
        at = eta[i]
        e = exp(-abs(at))
        rest = log1p(e)
        larger = 1.0 / (1.0 + e)
        smaller = e * larger
        yes, no = (larger, smaller) if at >= 0.0 else (smaller, larger)
        second = -yes * no
        third = second * (no - yes)
        _put(scratch, LINK, i, min(at, 0.0) - rest, no, second, third)
        _put(scratch, OWN, i, -max(at, 0.0) - rest, -yes, second, third)


@part
def _tail(at: float) -> tuple[float, float, float, float]:
    """``log Phi`` and its derivatives, of which the first is the inverse Mills ratio."""
    if at < _FAR:
        # Abramowitz & Stegun (1964), 26.2.14, from its end.
        t = -at
        rest = 0.0
        for j in range(_TERMS):
            rest = (_TERMS - j) / (t + rest)
        ratio = t + rest
        value = _LOG_DENSITY - 0.5 * t * t - log(ratio)
    else:
        density = _DENSITY * exp(-0.5 * at * at)
        if at > 0.0:
            lacking = 0.5 * erfc(at * _HALF)
            value = log1p(-lacking)
            ratio = density / (1.0 - lacking)
        else:
            own = 0.5 * erfc(-at * _HALF)
            value = log(own)
            ratio = density / own
        rest = at + ratio
    second = -ratio * rest
    return value, ratio, second, -(second * rest + ratio * (1.0 + second))


@part
def probit(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = inv(Phi)(mu)``, Phi the standard normal distribution function."""
    for i in range(first, last):
        if y[i] > 0.0:
            zero, one, two, three = _tail(eta[i])
            _put(scratch, LINK, i, zero, one, two, three)
        else:
            _put(scratch, LINK, i, 0.0, 0.0, 0.0, 0.0)
        if y[i] < 1.0:
            zero, one, two, three = _tail(-eta[i])
            _put(scratch, OWN, i, zero, -one, two, -three)
        else:
            _put(scratch, OWN, i, 0.0, 0.0, 0.0, 0.0)


@part
def cloglog(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = log(-log(1 - mu))``."""
    for i in range(first, last):
        rate = exp(min(eta[i], _MOST))
        _put(scratch, LINK, i, 0.0, 0.0, 0.0, 0.0)
        _put(scratch, OWN, i, 0.0, 0.0, 0.0, 0.0)
        if y[i] > 0.0:
            value = eta[i]
            if rate > 0.7:
                value = log1p(-exp(-rate))
            elif rate > 1e-300:
                value = log(-expm1(-rate))
            one = rate / expm1(rate) if rate > 0.0 else 1.0
            rest = 1.0 - one - rate
            if rate < _SMALL:
                square = rate * rate
                rest = -rate / 2.0 - square / 12.0 + square * square / 720.0
            if one > 0.0:
                two = one * rest
                _put(scratch, LINK, i, value, one, two, two * rest - one * (two + rate))
            else:  # an event is certain
                _put(scratch, LINK, i, value, 0.0, 0.0, 0.0)
        if y[i] < 1.0:
            _put(scratch, OWN, i, -rate, -rate, -rate, -rate)


@part
def log_probability(first: int, last: int, eta: Floats, y: Floats, scratch: Floats) -> None:
    """``eta = log mu``, below zero."""
    for i in range(first, last):
        inside = eta[i] if eta[i] < 0.0 else np.nan
        _put(scratch, LINK, i, inside, 1.0, 0.0, 0.0)
        _put(scratch, OWN, i, 0.0, 0.0, 0.0, 0.0)
        if y[i] < 1.0:
            below = expm1(inside)
            odds = -1.0 - 1.0 / below
            second = -odds * (1.0 + odds)
            _put(scratch, OWN, i, log(-below), -odds, second, second * (1.0 + 2.0 * odds))
