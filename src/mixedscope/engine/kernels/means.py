"""Families for compiled passes: what they make of the logarithm of a mean, or of a probability.

Those of :mod:`mixedscope.families`, row by row: log-likelihood and three derivatives, from OWN on;
and by the logarithm of a dispersion the log-likelihood and both derivatives, from CHANGE on. A
table (any,) holds what is summed over rows where a dispersion alone adds to the log-likelihood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import part
from mixedscope.engine.compile.logarithm import exp, expm1, log, log1p
from mixedscope.engine.kernels import laplace_steps
from mixedscope.engine.kernels.gamma_series import differences, gamma_functions
from mixedscope.engine.kernels.laplace_steps import CHANGE, LINK, OWN
from mixedscope.engine.kernels.likelihoods import MANY, MOST, poisson_of, shares_of, size_of

__all__ = [
    "amounts",
    "beta",
    "binomial_rows",
    "changes_of_amounts",
    "changes_of_beta",
    "changes_of_linear",
    "changes_of_overdispersed",
    "constant_of_amounts",
    "constant_of_beta",
    "constant_of_linear",
    "count_rows",
    "linear",
    "overdispersed",
    "poisson",
    "sum_few_counts",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_link = laplace_steps.link.call
# As in :mod:`mixedscope.families.counts` and :mod:`mixedscope.families.ratios`.
_FAR = -0.5
_NEAR = 0.5


@part
def poisson(first: int, last: int, y: Floats, dispersion: float, scratch: Floats) -> None:
    """Counts whose variance is their mean."""
    for i in range(first, last):
        log_mean = scratch[LINK, i]
        mean = exp(log_mean)
        value, one = poisson_of(y[i], log_mean, mean)
        scratch[OWN, i] = value
        scratch[OWN + 1, i] = one
        scratch[OWN + 2, i] = -mean
        scratch[OWN + 3, i] = -mean


@part
def overdispersed(first: int, last: int, y: Floats, size: float, scratch: Floats) -> None:
    """Counts of variance ``mu + mu**2 / size``."""
    for i in range(first, last):
        mean = exp(scratch[LINK, i])
        share, rest = shares_of(mean, size)
        value, one, _ = size_of(y[i], scratch[LINK, i], mean, share, rest, size)
        spread = (y[i] + size) * share * rest
        scratch[OWN, i] = value
        scratch[OWN + 1, i] = one
        scratch[OWN + 2, i] = -spread
        scratch[OWN + 3, i] = -spread * (rest - share)


@part
def changes_of_overdispersed(
    first: int, last: int, y: Floats, size: float, scratch: Floats
) -> None:
    """By the logarithm of the size, but for what `rising` gives."""
    for i in range(first, last):
        mean = exp(scratch[LINK, i])
        share, rest = shares_of(mean, size)
        _, one, own = size_of(y[i], scratch[LINK, i], mean, share, rest, size)
        scratch[CHANGE, i] = own
        scratch[CHANGE + 1, i] = one * share
        scratch[CHANGE + 2, i] = share * rest * (y[i] * (rest - share) - 2.0 * size * share)


@part
def _linear_of(y: float, change: float, size: float, dispersion: float) -> tuple[float, float]:
    """Log-likelihood of a large count of variance ``mu (1 + dispersion)``; by the log of the mean.

    Less that of a mean equal to the count, as in :mod:`mixedscope.families.counts`.
    """
    whole = 1.0 + dispersion
    by_count = expm1(change) / whole
    if by_count < _FAR:
        by_count = log((dispersion + exp(change)) / whole)
    else:
        by_count = log1p(by_count)
    by_size = dispersion / whole * expm1(min(-change, MOST))
    if by_size < _FAR:
        by_size = log((1.0 + dispersion * exp(-change)) / whole)
    else:
        by_size = log1p(by_size)
    high, low = gamma_functions(y + size), gamma_functions(size)
    value = y * by_count + size * by_size + high[0] - low[0]
    return value, size * (by_size + low[1] - high[1])


@part
def linear(first: int, last: int, y: Floats, dispersion: float, scratch: Floats) -> None:
    """Counts of variance ``mu (1 + dispersion)``."""
    fall = log1p(dispersion)
    for i in range(first, last):
        size = exp(scratch[LINK, i]) / dispersion
        rise, slope, bend, twist = differences(y[i], size)
        value, one = rise - size * fall, size * (slope - fall)
        if y[i] >= MANY:
            value, one = _linear_of(y[i], scratch[LINK, i] - log(y[i]), size, dispersion)
        two = one + size * size * bend
        scratch[OWN, i] = value
        scratch[OWN + 1, i] = one
        scratch[OWN + 2, i] = two
        scratch[OWN + 3, i] = two + size * size * (2.0 * bend + size * twist)


@part
def changes_of_linear(first: int, last: int, y: Floats, dispersion: float, scratch: Floats) -> None:
    """By the logarithm of the dispersion, but for what `constant_of_linear` gives."""
    whole = 1.0 + dispersion
    for i in range(first, last):
        change = exp(scratch[LINK, i]) / whole
        own = change
        if y[i] >= MANY:
            own = y[i] * expm1(scratch[LINK, i] - log(y[i])) / whole
        scratch[CHANGE, i] = -scratch[OWN + 1, i] - own
        for j in range(1, 3):
            scratch[CHANGE + j, i] = -scratch[OWN + 1 + j, i] - change


@part
def constant_of_linear(table: Floats, dispersion: float, out: Floats) -> None:
    """Of counts that are not large, whose sum the table holds."""
    out[0] = table[0] * (log(dispersion) - log1p(dispersion))
    out[1] = table[0] / (1.0 + dispersion)


@part
def amounts(first: int, last: int, y: Floats, shape: float, scratch: Floats) -> None:
    """Amounts above zero of variance ``mu**2 / shape``."""
    for i in range(first, last):
        change = log(y[i]) - scratch[LINK, i]
        rise = expm1(change)
        scratch[OWN, i] = shape * (change - rise)
        scratch[OWN + 1, i] = shape * rise
        scratch[OWN + 2, i] = -shape * (1.0 + rise)
        scratch[OWN + 3, i] = shape * (1.0 + rise)


@part
def changes_of_amounts(first: int, last: int, y: Floats, shape: float, scratch: Floats) -> None:
    """By the logarithm of the shape, to which all but `constant_of_amounts` is proportional."""
    for i in range(first, last):
        for j in range(3):
            scratch[CHANGE + j, i] = scratch[OWN + j, i]


@part
def constant_of_amounts(table: Floats, shape: float, out: Floats) -> None:
    """Of as many amounts as the table holds."""
    own, less, _, _ = gamma_functions(shape)
    out[0] = -table[0] * own
    out[1] = table[0] * shape * less


@part
def binomial_rows(
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
    """Log-likelihood of some rows of shares of successes, as of other `composed_rows`."""
    _link(numbers, first, last, eta, y, scratch)
    is_counted = len(counts) > 0
    total = 0.0
    for i in range(first, last):
        times = counts[i] if is_counted else 1.0
        yes = times * y[i]
        no = times * (1.0 - y[i])
        # A share of nothing counts as nothing, however impossible it is.
        value = 0.0
        if y[i] > 0.0:
            value += yes * scratch[LINK, i]
        if y[i] < 1.0:
            value += no * scratch[OWN, i]
        total += value
        score[i] = yes * scratch[LINK + 1, i] + no * scratch[OWN + 1, i]
        weight[i] = -(yes * scratch[LINK + 2, i] + no * scratch[OWN + 2, i])
        slope[i] = -(yes * scratch[LINK + 3, i] + no * scratch[OWN + 3, i])
    return total


@part
def _log_ratio(one: float, other: float, change: float) -> float:
    """``log(one / other)``, by their difference where that is small."""
    if abs(change) <= _NEAR * other:
        return log1p(change / other)
    return log(one) - log(other)


@part
def _entropy(y: float, mean: float, rest: float, a: float, b: float) -> float:
    """``a log(y / mean) + b log((1 - y) / rest)``, the rest being what a mean lacks of one."""
    change = y - mean if mean < 0.5 else rest - (1.0 - y)
    return a * _log_ratio(y, mean, change) + b * _log_ratio(1.0 - y, rest, -change)


@part
def beta(first: int, last: int, y: Floats, precision: float, scratch: Floats) -> None:
    """Shares of variance ``mu (1 - mu) / (1 + precision)``, by the mean.

    Leaves the mean and its derivatives from LINK on, and what the mean lacks of one in CHANGE.
    """
    for i in range(first, last):
        mean, rest = exp(scratch[LINK, i]), exp(scratch[OWN, i])
        one, two, three = scratch[LINK + 1, i], scratch[LINK + 2, i], scratch[LINK + 3, i]
        scratch[LINK, i] = mean
        scratch[LINK + 1, i] = mean * one
        scratch[LINK + 2, i] = mean * (two + one * one)
        scratch[LINK + 3, i] = mean * (three + 3.0 * one * two + one * one * one)
        scratch[CHANGE, i] = rest
        if not (mean > 0.0 and rest > 0.0):
            for j in range(4):
                scratch[OWN + j, i] = np.nan
            continue
        a, b = mean * precision, rest * precision
        above, below = gamma_functions(a), gamma_functions(b)
        odds = log(y[i]) - log1p(-y[i])
        scratch[OWN, i] = _entropy(y[i], mean, rest, a, b) - above[0] - below[0]
        scratch[OWN + 1, i] = precision * (odds - log(a) + above[1] + log(b) - below[1])
        square = precision * precision
        scratch[OWN + 2, i] = -square * (above[2] + below[2])
        scratch[OWN + 3, i] = square * precision * (below[3] - above[3])


@part
def changes_of_beta(first: int, last: int, y: Floats, precision: float, scratch: Floats) -> None:
    """By the logarithm of the precision, but for what `constant_of_beta` gives."""
    square = precision * precision
    for i in range(first, last):
        mean, rest = scratch[LINK, i], scratch[CHANGE, i]
        a, b = mean * precision, rest * precision
        above, below = gamma_functions(a), gamma_functions(b)
        value = _entropy(y[i], mean, rest, a, b)
        scratch[CHANGE, i] = value + a * above[1] + b * below[1]
        scratch[CHANGE + 1, i] = scratch[OWN + 1, i] + precision * (b * below[2] - a * above[2])
        scratch[CHANGE + 2, i] = 2.0 * scratch[OWN + 2, i] - square * (a * above[3] + b * below[3])


@part
def constant_of_beta(table: Floats, precision: float, out: Floats) -> None:
    """Of as many shares as the table holds."""
    own, less, _, _ = gamma_functions(precision)
    out[0] = table[0] * own
    out[1] = -table[0] * precision * less


@part
def count_rows(y: Floats, counts: Floats, table: Floats) -> int:
    """Fill a table of one entry, if it is that, with how many rows all count as."""
    if len(table) > 0:
        total = 0.0
        for i in range(len(y)):
            total += counts[i] if len(counts) > 0 else 1.0
        table[0] = total
    return 1


@part
def sum_few_counts(y: Floats, counts: Floats, table: Floats) -> int:
    """Fill a table of one entry, if it is that, with the sum of all counts that are not large."""
    if len(table) > 0:
        total = 0.0
        for i in range(len(y)):
            if y[i] < MANY:
                total += counts[i] * y[i] if len(counts) > 0 else y[i]
        table[0] = total
    return 1
