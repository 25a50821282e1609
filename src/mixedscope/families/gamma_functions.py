"""Gamma functions without what cancels in log-likelihoods of large sizes, shapes and precisions."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["gamma_differences", "log_gamma_rest", "log_less_digamma"]

Floats = NDArray[np.float64]

#: Arguments beyond which gamma functions are series.
_FAR: Final = 20.0


def log_gamma_rest(x: ArrayLike) -> Floats:
    """``log Gamma(x) - x log x + x``, of which the log-gamma function has no digits at large x."""
    x = np.asarray(x, dtype=np.float64)
    far = np.maximum(x, _FAR)
    near = np.minimum(x, _FAR)
    series = 0.5 * np.log(2.0 * math.pi / far) + _stirling(far, 0)
    direct = special.gammaln(near) - special.xlogy(near, near) + near
    return np.where(x > _FAR, series, direct)


def log_less_digamma(x: ArrayLike) -> Floats:
    """``log x`` less the digamma function, about ``1 / (2 x)`` at large x."""
    x = np.asarray(x, dtype=np.float64)
    far = np.maximum(x, _FAR)
    near = np.minimum(x, _FAR)
    series = 0.5 / far - _stirling(far, 1)
    return np.where(x > _FAR, series, np.log(near) - special.digamma(near))


def gamma_differences(y: Floats, size: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The log-gamma function and its first three derivatives, at ``y + size`` less at ``size``.

    Of large sizes by Stirling's series, whose leading terms are subtracted in closed form: those
    functions themselves cancel there, and all digits of a difference may be lost.
    """
    near = np.minimum(size, _FAR)
    far = np.maximum(size, _FAR)
    total = y + far
    inverse = np.log1p(y / far)
    series = [
        (total - 0.5) * inverse + y * np.log(far) - y + _stirling(total, 0) - _stirling(far, 0),
        inverse + 0.5 * y / (far * total) + _stirling(total, 1) - _stirling(far, 1),
        -y / (far * total) + _stirling(total, 2) - _stirling(far, 2),
        y * (far + total) / (far * total) ** 2 + _stirling(total, 3) - _stirling(far, 3),
    ]
    direct = [
        special.gammaln(y + near) - special.gammaln(near),
        special.digamma(y + near) - special.digamma(near),
        special.polygamma(1, y + near) - special.polygamma(1, near),
        special.polygamma(2, y + near) - special.polygamma(2, near),
    ]
    made = [np.where(size > _FAR, s, d) for s, d in zip(series, direct, strict=True)]
    return made[0], made[1], made[2], made[3]


def _stirling(x: Floats, order: int) -> Floats:
    """What Stirling's series adds, beyond 20, to the leading terms of log-gamma or a derivative.

    Abramowitz & Stegun (1964), 6.1.41, 6.3.18 and 6.4.12 to 6.4.13; the first term left out is
    below 1e-14 of the leading one.
    """
    i = 1.0 / x
    square = i * i
    if order == 0:
        made = i * _series(square, (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188))
    elif order == 1:
        made = square * _series(square, (-1 / 12, 1 / 120, -1 / 252, 1 / 240, -1 / 132))
    elif order == 2:
        made = square * (0.5 + i * _series(square, (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)))
    else:
        terms = (-1 / 2, 1 / 6, -1 / 6, 3 / 10, -5 / 6)
        made = square * i * (-1.0 + i * _series(square, terms))
    return np.asarray(made, dtype=np.float64)


def _series(x: Floats, terms: tuple[float, ...]) -> Floats:
    return np.asarray(np.polynomial.polynomial.polyval(x, terms), dtype=np.float64)
