"""Log-likelihoods of single rows, with derivatives by the linear predictor, for compiled passes.

Those of :mod:`mixedscope.families`, of the families and links that most data have, by number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import exp, log, log1p

__all__ = ["KINDS", "SIZED", "rising", "rows_at", "slopes_by_size"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Family and link by number.
KINDS = (("binomial", "logit"), ("poisson", "log"), ("nbinom2", "log"))
#: The number from which on families have a size.
SIZED = 2

# Numbers so small that they are, to rounding, the logarithm of one more; and the largest product
# that another factor, 2 at most, is put to before its logarithm is taken.
_TINY = 1e-9
_LARGE = 1e300


@part
def rows_at(
    kind: int,
    first: int,
    last: int,
    fixed: Floats,
    z: Floats,
    u: Floats,
    y: Floats,
    counts: Floats,
    size: float,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> float:
    """Log-likelihood of some rows at ``fixed + z u``; fill their derivatives.

    Parameters
    ----------
    kind : int
        Place in :data:`KINDS`.
    first, last : int
        The rows, from and up to.
    fixed : (n,) array
    z : (n, k) array
    u : (k,) array
    y : (n,) array
        Of binomial families shares of successes.
    counts : (n,) or (0,) array
        How many rows each counts as, or trials; one each.
    size : float
        Of a negative binomial family.
    score, weight, slope : (n,) arrays
        First derivative, negative second, and derivative of that.
    """
    k = len(u)
    is_counted = len(counts) > 0
    total, product = 0.0, 1.0
    for i in range(first, last):
        eta = fixed[i]
        for c in range(k):
            eta += z[i, c] * u[c]
        share = y[i]
        if kind == 0:
            e = exp(-abs(eta))
            larger = 1.0 / (1.0 + e)
            smaller = e * larger
            spread = smaller * larger
            if eta >= 0.0:
                mean = larger
                value = (share - 1.0) * eta
                tilt = smaller - larger
            else:
                mean = smaller
                value = share * eta
                tilt = larger - smaller
            one = share - mean
            three = spread * tilt
            if is_counted:
                value -= e if e < _TINY else log(1.0 + e)
            elif e < _TINY:
                value -= e
            else:
                # The logarithms of many are that of their product.
                product *= 1.0 + e
                if not product < _LARGE:
                    total -= log(product)
                    product = 1.0
        elif kind == 1:
            spread = exp(eta)
            value = share * eta - spread
            one = share - spread
            three = spread
        else:
            mean = exp(eta)
            total_size = share + size
            part_of = mean / (mean + size) if mean < _LARGE else 1.0
            value = share * eta - total_size * log1p(mean / size)
            one = share - total_size * part_of
            spread = total_size * part_of * (1.0 - part_of)
            three = spread * (1.0 - 2.0 * part_of)
        if is_counted:
            count = counts[i]
            total += count * value
            score[i] = count * one
            weight[i] = count * spread
            slope[i] = count * three
        else:
            total += value
            score[i] = one
            weight[i] = spread
            slope[i] = three
    return total - log(product)


@part
def slopes_by_size(eta: float, y: float, size: float) -> tuple[float, float, float]:
    """Derivatives by the logarithm of a negative binomial size, of one row.

    Of its log-likelihood but for what `rising` gives, of its score and of its weight.
    """
    mean = exp(eta)
    share = mean / (mean + size) if mean < _LARGE else 1.0
    spread = share * (1.0 - share)
    total = y + size
    return (
        total * share - size * log1p(mean / size),
        total * spread - size * share,
        size * spread - total * spread * (1.0 - 2.0 * share),
    )


@part
def rising(above: Floats, size: float) -> tuple[float, float]:
    """Sum of ``log(1 + j / size)`` over counts and all j below, and its derivative by log(size).

    ``above[j]``: how many counts are larger than j.
    """
    value = slope = 0.0
    for j in range(len(above)):
        value += above[j] * log1p(j / size)
        slope -= above[j] * (j / (size + j))
    return value, slope
