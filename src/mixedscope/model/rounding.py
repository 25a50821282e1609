"""How far rounding may have carried an evaluation of the objective from its exact value.

What is left of the response, and the pivots of the random effects, are differences of numbers that
may be larger by the square of the random effects' size over sigma: so many digits are lost there.
By the backward analysis of Cholesky's factorisation (Higham 2002, Accuracy and Stability of
Numerical Algorithms, theorem 10.3) the numbers found are exact for cross-products changed by some
units in the last place of their diagonals; errors of sums grow like the root of their length, as
those of independent roundings do (Higham & Mary 2019, SIAM J. Sci. Comput. 41).
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["rounding_bound"]

_EPS: Final = 2.0**-53
#: Units in the last place, by the side of what such errors were measured to be: a tenth of this.
_UNITS: Final = 8.0


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

    Returns
    -------
    float
        Deviance units.
    """
    unit = _UNITS * _EPS
    # How much smaller than its diagonal a pivot can be.
    spread = 1.0 + squares * n
    length = math.sqrt(n) + math.sqrt(coefficients)
    bound = unit * degrees * math.sqrt(n) * (length * length / pwrss)
    if fixed:
        smallest = min(spread, math.exp(min(-log_det_fixed, 700.0)))
        bound += unit * fixed * smallest * math.sqrt(n)
    if not exact_pivots:
        bound += unit * spread
    return bound
