"""How far rounding may have carried an evaluation of the objective from its exact value.

What is left of the response, and the pivots of the random effects, are differences of numbers that
may be larger by the square of the random effects' size over sigma: so many digits are lost there.
By the backward analysis of Cholesky's factorisation (Higham 2002, Accuracy and Stability of
Numerical Algorithms, theorem 10.3) the numbers found are exact for cross-products changed by some
units in the last place of their diagonals; errors of sums grow like the root of their length, as
those of independent roundings do (Higham & Mary 2019, SIAM J. Sci. Comput. 41). Where the system is
solved with twice the digits (:mod:`mixedscope.engine.precise`) only the rounding of its rows is
left, of which half as many digits are lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE_RATIO", "NOTHING_LEFT", "RoundingBounds", "largest_ratio", "loses_digits"]

Floats = NDArray[np.float64]

_EPS: Final = 2.0**-53
#: Units in the last place, by the side of what such errors were measured to be: a tenth of this.
_UNITS: Final = 8.0
#: Bound, deviance units and times the tolerances' scale, above which more digits are asked for.
_TOO_MUCH: Final = 1e-8

LARGE_RATIO: Final = 1e5
"""More digits are asked for only if :func:`largest_ratio` is above this.

Large data have large bounds without having lost anything to cancellation.
"""

NOTHING_LEFT: Final = 1.0
"""Bound, deviance units, from which an evaluation tells nothing."""


class RoundingBounds:
    """Bounds the rounding errors of evaluations, beyond those of adding up the objective.

    Parameters
    ----------
    n : int
        Observations: also the squared length of the response, and of every column, internally.
    degrees : int
        n, or n - p under REML.
    fixed : int
        Number of fixed effects that count in the objective: 0 unless under REML.
    exact_pivots : bool
        Whether the pivots of the random effects are sums of positive numbers.
    """

    def __init__(self, n: int, degrees: int, fixed: int, *, exact_pivots: bool) -> None:
        self._n = n
        self._root = math.sqrt(n)
        self._response = _UNITS * _EPS * degrees * self._root
        self._fixed = _UNITS * _EPS * fixed * self._root
        self._pivots = 0.0 if exact_pivots else _UNITS * _EPS

    def of(
        self,
        squares: float,
        pwrss: float,
        log_det_fixed: float,
        coefficients: float,
        *,
        precise: bool = False,
        share: float = 1.0,
    ) -> float:
        """Bound the rounding error of one evaluation, deviance units.

        Parameters
        ----------
        squares : float
            Sum of squares of the entries of all relative covariance factors.
        pwrss, log_det_fixed : float
            See `mixedscope.engine.evaluation.Solution`.
        coefficients : float
            Squared length of the coefficients of the orthonormal fixed effects.
        precise : bool
            Whether the system was solved with twice the digits.
        share : float
            Where the residual variance is known, the one found over it.
        """
        amount = (self._root + math.sqrt(coefficients)) ** 2 / pwrss
        # How much smaller than its diagonal a pivot can be.
        spread = 1.0 + squares * self._n
        smallest = 1.0
        if self._fixed:
            smallest = min(spread, math.exp(min(-log_det_fixed, 700.0)))
        if precise:
            amount, smallest, spread = math.sqrt(amount), math.sqrt(smallest), math.sqrt(spread)
        return self._response * share * amount + self._fixed * smallest + self._pivots * spread


def loses_digits(bound: float, objective: float) -> bool:
    """Whether a bound of the rounding error is more than fits of this size tolerate."""
    return bound > _TOO_MUCH and bound > _TOO_MUCH * abs(objective) / 1e4


def largest_ratio(squares: float, pwrss: float, factors: Sequence[Floats]) -> float:
    """Sum of squares of the response over that of its residual, or of the entries of the factors.

    Whichever is larger; infinite where the evaluation failed.
    """
    if not pwrss > 0.0:
        return math.inf
    return max(squares / pwrss, *[float(np.vdot(f, f)) for f in factors])
