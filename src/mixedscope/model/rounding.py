"""How far rounding may have carried an evaluation of the objective from its exact value.

What is left of the response, and the pivots of the random effects, are differences of numbers that
may be larger by the square of the random effects' size over sigma: so many digits are lost there.
By the backward analysis of Cholesky's factorisation (Higham 2002, Accuracy and Stability of
Numerical Algorithms, theorem 10.3) the numbers found are exact for cross-products changed by some
units in the last place of their diagonals; errors of sums grow like the root of their length, as
those of independent roundings do (Higham & Mary 2019, SIAM J. Sci. Comput. 41). Where the system is
solved with twice the digits (:mod:`mixedscope.model.precise`) only the rounding of its rows is
left, of which half as many digits are lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE_RATIO", "NOTHING_LEFT", "largest_ratio", "loses_digits", "rounding_bound"]

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


def rounding_bound(
    *,
    n: int,
    degrees: int,
    squares: float,
    pwrss: float,
    log_det_fixed: float,
    coefficients: float,
    fixed: int,
    exact_pivots: bool,
    precise: bool = False,
) -> float:
    """Bound the rounding error of one evaluation, beyond that of adding up the objective.

    Parameters
    ----------
    n : int
        Observations: also the squared length of the response, and of every column, internally.
    degrees : int
        n, or n - p under REML.
    squares : float
        Sum of squares of the entries of all relative covariance factors.
    pwrss, log_det_fixed : float
        See `mixedscope.model.evaluation.Solution`.
    coefficients : float
        Squared length of the coefficients of the orthonormal fixed effects.
    fixed : int
        Number of fixed effects that count in the objective: 0 unless under REML.
    exact_pivots : bool
        Whether the pivots of the random effects are sums of positive numbers.
    precise : bool
        Whether the system was solved with twice the digits.

    Returns
    -------
    float
        Deviance units.
    """
    unit = _UNITS * _EPS
    # How much smaller than its diagonal a pivot can be.
    spread = 1.0 + squares * n
    length = math.sqrt(n) + math.sqrt(coefficients)
    amount = length * length / pwrss
    smallest = min(spread, math.exp(min(-log_det_fixed, 700.0)))
    if precise:
        amount, smallest, spread = math.sqrt(amount), math.sqrt(smallest), math.sqrt(spread)
    bound = unit * (degrees * amount + fixed * smallest) * math.sqrt(n)
    return bound if exact_pivots else bound + unit * spread


def loses_digits(bound: float, objective: float) -> bool:
    """Whether a bound of the rounding error, see above, is more than fits of this size tolerate."""
    return bound > _TOO_MUCH * max(1.0, abs(objective) / 1e4)


def largest_ratio(n: int, pwrss: float, factors: Sequence[Floats]) -> float:
    """Sum of squares of the response over that of its residual, or of the entries of the factors.

    Whichever is larger; infinite where the evaluation failed.
    """
    if not pwrss > 0.0:
        return math.inf
    return max(n / pwrss, *[float(np.vdot(f, f)) for f in factors])
