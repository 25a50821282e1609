"""Log-likelihoods of single rows, with derivatives by the linear predictor, for compiled passes.

Those of :mod:`mixedscope.families`: what most data have in one pass, all others by a link and by
what the family makes of it, see :mod:`mixedscope.engine.kernels.laplace_steps`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import exp, expm1, log, log1p
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.gamma_series import gamma_functions
from mixedscope.engine.kernels.laplace_steps import CHANGE, LINK, OWN

__all__ = [
    "MANY",
    "MOST",
    "changes_of_composed",
    "changes_of_size",
    "composed_rows",
    "count_above",
    "logistic_rows",
    "poisson_of",
    "poisson_rows",
    "rising",
    "shares_of",
    "size_of",
    "size_rows",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_link = laplace_steps.link.call
_mean = laplace_steps.mean.call
_own_changes = laplace_steps.own_changes.call

# Numbers so small that they are, to rounding, the logarithm of one more; and the largest product
# that another factor, 2 at most, is put to before its logarithm is taken.
_TINY = 1e-9
_LARGE = 1e300
#: As in :mod:`mixedscope.families.counts`.
MANY = 1000.0
MOST = 700.0


@part
def logistic_rows(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    scratch: Floats,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> float:
    """Log-likelihood of some rows of shares of successes under the logit link; their derivatives.

    Parameters
    ----------
    numbers : (any,) array of int
        Of other steps.
    first, last : int
        The rows, from and up to.
    eta : (n,) array
    y : (n,) array
        Of binomial families shares of successes.
    counts : (n,) or (0,) array
        How many rows each counts as, or trials; one each.
    dispersion : float
    scratch : (any, n) array
    score, weight, slope : (n,) arrays
        Receive the first derivative, the negative second, and the derivative of that.
    """
    is_counted = len(counts) > 0
    total, product = 0.0, 1.0
    for i in range(first, last):
        at, share = eta[i], y[i]
        e = exp(-abs(at))
        larger = 1.0 / (1.0 + e)
        smaller = e * larger
        spread = smaller * larger
        if at >= 0.0:
            mean = larger
            value = (share - 1.0) * at
            tilt = smaller - larger
        else:
            mean = smaller
            value = share * at
            tilt = larger - smaller
        if is_counted:
            value -= e if e < _TINY else log(1.0 + e)
            count = counts[i]
            total += count * value
            score[i] = count * (share - mean)
            weight[i] = count * spread
            slope[i] = count * (spread * tilt)
            continue
        if e < _TINY:
            value -= e
        else:
            # The logarithms of many are that of their product.
            product *= 1.0 + e
            if not product < _LARGE:
                total -= log(product)
                product = 1.0
        total += value
        score[i] = share - mean
        weight[i] = spread
        slope[i] = spread * tilt
    return total - log(product)


@part
def poisson_of(y: float, log_mean: float, mean: float) -> tuple[float, float]:
    """Log-likelihood of a count and its derivative by the logarithm of the mean."""
    if y < MANY:
        return y * log_mean - mean, y - mean
    change = log_mean - log(y)
    rise = expm1(change)
    return y * (change - rise), -y * rise


@part
def poisson_rows(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    scratch: Floats,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> float:
    """Log-likelihood of some rows of counts under the log link, as `logistic_rows`."""
    is_counted = len(counts) > 0
    total = 0.0
    for i in range(first, last):
        times = counts[i] if is_counted else 1.0
        mean = exp(eta[i])
        value, one = poisson_of(y[i], eta[i], mean)
        total += times * value
        score[i] = times * one
        weight[i] = times * mean
        slope[i] = times * mean
    return total


@part
def shares_of(mean: float, size: float) -> tuple[float, float]:
    """Of a mean and of a size in the sum of both."""
    inverse = 1.0 / (mean + size)
    return mean * inverse if mean < _LARGE else 1.0, size * inverse


@part
def size_of(
    y: float, log_mean: float, mean: float, share: float, rest: float, size: float
) -> tuple[float, float, float]:
    """Log-likelihood of a count and a size, its derivatives by logarithms of the mean and the size.

    Of large counts less that of a mean equal to the count, as in
    :mod:`mixedscope.families.counts`; but for what `rising` gives. ``share``, ``rest``: see
    `shares_of`.
    """
    total = y + size
    if y < MANY:
        ratio = mean / size
        lift = log1p(ratio) if ratio < np.inf else log_mean - log(size)
        return y * log_mean - total * lift, y * rest - size * share, total * share - size * lift
    change = log_mean - log(y)
    few, many, turned = y, -size, change
    if y > size:
        few, many, turned = size, y, -change
    odds = few / total * expm1(min(turned, MOST))
    lift = log1p(odds) + max(turned - MOST, 0.0)
    first = many * (odds / (1.0 + odds))
    own = lift if y <= size else change + lift
    return few * turned - total * lift, first, -size * own - first


@part
def size_rows(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    scratch: Floats,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> float:
    """Log-likelihood of rows of counts of variance ``mu + mu**2 / size`` under the log link."""
    is_counted = len(counts) > 0
    total = 0.0
    for i in range(first, last):
        times = counts[i] if is_counted else 1.0
        mean = exp(eta[i])
        share, rest = shares_of(mean, dispersion)
        value, one, _ = size_of(y[i], eta[i], mean, share, rest, dispersion)
        spread = (y[i] + dispersion) * share * rest
        total += times * value
        score[i] = times * one
        weight[i] = times * spread
        slope[i] = times * (spread * (rest - share))
    return total


@part
def changes_of_size(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    size: float,
    scratch: Floats,
) -> None:
    """Derivatives of rows of weight 1 by the logarithm of a size, of counts under the log link.

    Of the log-likelihood but for what `rising` gives, of the score and of the weight.
    """
    for i in range(first, last):
        mean = exp(eta[i])
        share, rest = shares_of(mean, size)
        _, one, own = size_of(y[i], eta[i], mean, share, rest, size)
        scratch[CHANGE, i] = own
        scratch[CHANGE + 1, i] = one * share
        scratch[CHANGE + 2, i] = share * rest * (2.0 * size * share + y[i] * (share - rest))


@part
def rising(table: Floats, size: float, out: Floats) -> None:
    """Sum of ``log(1 + j / size)`` over counts and all j below, and its derivative by log(size).

    Of large counts without what `size_of` leaves out. ``table``: see `count_above`.
    """
    value = slope = 0.0
    longest = int(table[0]) if len(table) > 0 else 0
    for j in range(longest):
        above = table[1 + j]
        value += above * log1p(j / size)
        slope -= above * (j / (size + j))
    if len(table) > 1 + longest:
        own, less, _, _ = gamma_functions(size)
        for i in range(1 + longest, len(table), 2):
            whole, rest, _, _ = gamma_functions(table[i] + size)
            value += table[i + 1] * (whole - own)
            slope += table[i + 1] * (size * (less - rest))
    out[0] = value
    out[1] = slope


@part
def count_above(y: Floats, counts: Floats, table: Floats) -> int:
    """Fill `table`, zeros, with what `rising` needs to know of the counts `y` (n,).

    The largest of those that are not large, how many of these are larger than 0, 1, …, and every
    large one with how often it counts. Gives how long it has to be; a shorter one is left alone.
    """
    longest = n_large = 0
    for i in range(len(y)):
        if y[i] < MANY:
            longest = max(longest, int(y[i]))
        else:
            n_large += 1
    length = 1 + longest + 2 * n_large
    if len(table) < length:
        return length
    table[0] = longest
    place = 1 + longest
    for i in range(len(y)):
        times = counts[i] if len(counts) > 0 else 1.0
        if y[i] >= MANY:
            table[place] = y[i]
            table[place + 1] = times
            place += 2
        elif y[i] > 0.0:
            table[int(y[i])] += times
    for j in range(longest - 1, 0, -1):
        table[j] += table[j + 1]
    return length


@part
def composed_rows(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    counts: Floats,
    dispersion: float,
    scratch: Floats,
    score: Floats,
    weight: Floats,
    slope: Floats,
) -> float:
    """Log-likelihood of rows of a family that is a function of what its link gives."""
    _link(numbers, first, last, eta, y, scratch)
    _mean(numbers, first, last, y, dispersion, scratch)
    is_counted = len(counts) > 0
    total = 0.0
    for i in range(first, last):
        times = counts[i] if is_counted else 1.0
        one, two, three = scratch[LINK + 1, i], scratch[LINK + 2, i], scratch[LINK + 3, i]
        own, second, third = scratch[OWN + 1, i], scratch[OWN + 2, i], scratch[OWN + 3, i]
        square = one * one
        total += times * scratch[OWN, i]
        score[i] = times * (own * one)
        weight[i] = -times * (second * square + own * two)
        slope[i] = -times * (third * (square * one) + 3.0 * second * one * two + own * three)
    return total


@part
def changes_of_composed(
    numbers: Ints,
    first: int,
    last: int,
    eta: Floats,
    y: Floats,
    dispersion: float,
    scratch: Floats,
) -> None:
    """Derivatives of rows of weight 1 by the logarithm of the dispersion, after `composed_rows`."""
    _own_changes(numbers, first, last, y, dispersion, scratch)
    for i in range(first, last):
        one, two = scratch[LINK + 1, i], scratch[LINK + 2, i]
        by_first, by_second = scratch[CHANGE + 1, i], scratch[CHANGE + 2, i]
        scratch[CHANGE + 1, i] = by_first * one
        scratch[CHANGE + 2, i] = -(by_second * (one * one) + by_first * two)
