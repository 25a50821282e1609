"""Counts: the Poisson and the negative binomial families."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedscope.families.family import MeanFamily, Response, refuse
from mixedscope.families.gamma_functions import (
    gamma_differences,
    log_gamma_rest,
    log_less_digamma,
)
from mixedscope.families.ratios import log_ratio, times_log_ratio

__all__ = ["NegativeBinomial1", "NegativeBinomial2", "Poisson"]

Floats = NDArray[np.float64]

# Counts from which on the constant takes what a mean equal to the count would give, so that nothing
# large cancels; smaller ones have sums of logarithms in a table.
_MANY = 1000.0

# The exponential of a larger number is beyond floating-point numbers; and what is less than one by
# more than this has the logarithm of itself.
_MOST = 700.0
_FAR = -0.5


class _Counts(MeanFamily):
    """What families of counts have in common."""

    links = ("log", "identity", "sqrt")
    of_counts = True

    def check(self, response: Response, name: str) -> None:
        """Counts are whole and not negative."""
        y = response.y
        refuse(response, name, (y < 0.0) | (y != np.rint(y)), "counts: whole numbers from 0 on")

    def endless_sides(self, y: Floats) -> Floats:
        """Zeros under the link log: other links have a mean of zero."""
        return np.where((y == 0.0) & (self.link.name == "log"), -1.0, 0.0)

    def initial_mean(self, response: Response) -> Floats:
        """The counts, a little above zero."""
        return response.y + 0.1


class Poisson(_Counts):
    """Counts whose variance is their mean."""

    name = "poisson"

    @property
    def is_canonical(self) -> bool:
        """With the log link."""
        return self.link.name == "log"

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Counts of these means."""
        return rng.poisson(mean).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """The mean."""
        return mean

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Of counts."""
        change = y - mean
        return np.asarray(2.0 * (times_log_ratio(y, mean, change) - change))

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """Logarithms of factorials, large ones without what `_of_log_mean` leaves out."""
        return _factorials(response.y)

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        mean = np.exp(log_mean)
        value, first = y * log_mean - mean, y - mean
        is_many = y >= _MANY
        if is_many.any():
            many = y[is_many]
            change = log_mean[is_many] - np.log(many)
            rise = np.expm1(change)
            value[is_many] = many * (change - rise)
            first[is_many] = -many * rise
        return value, first, -mean

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        mean = np.exp(log_mean)
        return -mean, mean, mean


class NegativeBinomial2(_Counts):
    """Counts of variance ``mu + mu**2 / size``: Poisson ones of gamma-distributed rates."""

    name = "nbinom2"
    dispersion = "size"
    limit = 1
    limit_name = "the Poisson"

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Counts of these means."""
        # As numpy's own, whose probability of large sizes is one to rounding.
        return rng.poisson(rng.gamma(dispersion, mean / dispersion)).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """``mu + mu**2 / size``."""
        return mean + mean**2 / dispersion

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Of counts, at the size."""
        lost = dispersion * np.log1p(mean / dispersion)
        some = y > 0.0
        own, at = y[some], mean[some]
        lost[some] = -_of_size(own, log_ratio(at, own, at - own), dispersion)[0]
        return np.asarray(2.0 * lost)

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """What gamma functions leave, large counts without what `_of_log_mean` leaves out."""
        return np.asarray(_rising(response.y, dispersion)[0] + _factorials(response.y))

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        share, rest = self._shares(log_mean, dispersion)
        total = y + dispersion
        value = y * log_mean - total * self._lift(log_mean, dispersion)
        first = y * rest - dispersion * share
        is_many = y >= _MANY
        if is_many.any():
            change = log_mean[is_many] - np.log(y[is_many])
            value[is_many], first[is_many], _ = _of_size(y[is_many], change, dispersion)
        return value, first, -total * share * rest

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        share, rest = self._shares(log_mean, dispersion)
        spread = share * rest
        return (
            -(y + dispersion) * spread * (rest - share),
            dispersion * share,
            dispersion * spread,
        )

    def _by_dispersion(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        share, rest = self._shares(log_mean, dispersion)
        first = y * rest - dispersion * share
        own = (y + dispersion) * share - dispersion * self._lift(log_mean, dispersion)
        is_many = y >= _MANY
        if is_many.any():
            change = log_mean[is_many] - np.log(y[is_many])
            _, first[is_many], own[is_many] = _of_size(y[is_many], change, dispersion)
        return (
            own + _rising(y, dispersion)[1],
            first * share,
            share * rest * (y * (rest - share) - 2.0 * dispersion * share),
            dispersion * share * share,
        )

    @staticmethod
    def _lift(log_mean: Floats, size: float) -> Floats:
        """``log(1 + mean / size)``, of means beyond floating-point numbers too."""
        ratio = np.exp(log_mean) / size
        return np.where(ratio < math.inf, np.log1p(ratio), log_mean - math.log(size))

    @staticmethod
    def _shares(log_mean: Floats, size: float) -> tuple[Floats, Floats]:
        """Of the mean and of the size in the sum of both."""
        odds = log_mean - math.log(size)
        return special.expit(odds), special.expit(-odds)


class NegativeBinomial1(_Counts):
    """Counts of variance ``mu (1 + dispersion)``: a negative binomial of size ``mu / dispersion``.

    Its expected information has no closed form; the Laplace approximation is that of the observed.
    """

    name = "nbinom1"
    dispersion = "dispersion"
    limit = -1
    limit_name = "the Poisson"
    is_by_moments = True

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Counts of these means."""
        return rng.poisson(rng.gamma(mean / dispersion, dispersion)).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """``mu (1 + dispersion)``."""
        return mean * (1.0 + dispersion)

    def dispersion_by_moments(self, response: Response, mean: Floats) -> float:
        """Of the variance; 1 at least.

        At a dispersion far below its estimate the likelihood changes by all that large counts tell,
        and a search leaps from there to where they tell nothing.
        """
        weights = 1.0 if response.counts is None else response.counts
        squares = float(np.sum(weights * (response.y - mean) ** 2))
        own = squares / float(np.sum(weights * mean)) - 1.0
        return max(own, 1.0) if math.isfinite(own) else 1.0

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """Factorials, and of counts that are not large the power of the dispersion."""
        few = np.where(response.y < _MANY, response.y, 0.0)
        power = math.log(dispersion) - math.log1p(dispersion)
        return np.asarray(few * power + _factorials(response.y))

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        size = np.exp(log_mean) / dispersion
        rise, slope, bend, _ = gamma_differences(y, size)
        fall = math.log1p(dispersion)
        value, first = rise - size * fall, size * (slope - fall)
        is_many = y >= _MANY
        if is_many.any():
            change = log_mean[is_many] - np.log(y[is_many])
            value[is_many], first[is_many] = _of_dispersion(y[is_many], change, dispersion)
        return value, first, first + size * size * bend

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        size = np.exp(log_mean) / dispersion
        _, _, second = self._of_log_mean(y, log_mean, dispersion)
        _, _, bend, twist = gamma_differences(y, size)
        unknown = np.full(len(y), np.nan)
        return second + 2.0 * size**2 * bend + size**3 * twist, unknown, unknown

    def _by_dispersion(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        # The size falls as the dispersion rises: derivatives by the one are those by the other,
        # but for the dispersion's own.
        size = np.exp(log_mean) / dispersion
        _, first, second = self._of_log_mean(y, log_mean, dispersion)
        third, unknown, _ = self._further(y, log_mean, dispersion)
        odds = dispersion / (1.0 + dispersion)
        less = size * dispersion - y
        is_many = y >= _MANY
        less[is_many] = y[is_many] * np.expm1(log_mean[is_many] - np.log(y[is_many]))
        return (
            -first - less / (1.0 + dispersion),
            -second - size * odds,
            -third - size * odds,
            unknown,
        )


def _factorials(y: Floats) -> Floats:
    """What factorials take; of large counts only what a mean equal to the count lacks then."""
    many = np.maximum(y, _MANY)
    return np.where(y >= _MANY, -log_gamma_rest(many) - np.log(many), -special.gammaln(y + 1.0))


def _rising(y: Floats, size: float) -> tuple[Floats, Floats]:
    """``sum over j < y of log(1 + j / size)``, and its derivative by the logarithm of size.

    From a table of the counts that are not large. Of large ones only what a mean equal to the count
    lacks then, ``log Gamma(y + size) - log Gamma(size)`` without its leading terms.
    """
    is_few = y < _MANY
    few = np.where(is_few, y, 0.0)
    j = np.arange(int(few.max(initial=0.0)), dtype=np.float64)
    at = few.astype(np.int64)
    value = np.concatenate([[0.0], np.cumsum(np.log1p(j / size))])[at]
    slope = np.concatenate([[0.0], np.cumsum(-j / (size + j))])[at]
    total = y[~is_few] + size
    if len(total):
        value[~is_few] = log_gamma_rest(total) - log_gamma_rest(size)
        slope[~is_few] = size * (log_less_digamma(size) - log_less_digamma(total))
    return value, slope


def _of_size(y: Floats, change: Floats, size: float) -> tuple[Floats, Floats, Floats]:
    """Log-likelihood of counts above zero and a size, less that of a mean equal to the count.

    With its derivatives by the logarithms of the mean and of the size. ``change``: the logarithm of
    the mean less that of the count. ``y change - (y + size) log((mu + size) / (y + size))`` is the
    same with count and size exchanged and the other sign of the change: of both ways the one whose
    logarithm is not of a small number.
    """
    is_few = y <= size
    few, many = np.minimum(y, size), np.maximum(y, size)
    turned = np.where(is_few, change, -change)
    odds = few / (y + size) * np.expm1(np.minimum(turned, _MOST))
    lift = np.log1p(odds) + np.maximum(turned - _MOST, 0.0)
    first = np.where(is_few, -many, many) * (odds / (1.0 + odds))
    own = -size * np.where(is_few, lift, change + lift) - first
    return few * turned - (y + size) * lift, first, own


def _of_dispersion(y: Floats, change: Floats, dispersion: float) -> tuple[Floats, Floats]:
    """The same of counts of variance ``mu (1 + dispersion)``, by the logarithm of the mean.

    With the size ``s = mu / dispersion`` it is ``y log(d (y + s) / ((1 + d) y)) + s log((y + s) /
    ((1 + d) s))``, and what :func:`log_gamma_rest` of ``y + s`` and s differ by.
    """
    size = y * np.exp(change) / dispersion
    total, whole = y + size, 1.0 + dispersion
    rise = np.expm1(change) / whole
    fall = dispersion / whole * np.expm1(np.minimum(-change, _MOST))
    by_count = np.where(
        rise < _FAR,
        np.log((dispersion + np.exp(change)) / whole),
        np.log1p(np.maximum(rise, _FAR)),
    )
    by_size = np.where(
        fall < _FAR,
        np.log((1.0 + dispersion * np.exp(-np.maximum(change, 0.0))) / whole),
        np.log1p(np.maximum(fall, _FAR)),
    )
    rest = log_less_digamma(size) - log_less_digamma(total)
    value = y * by_count + size * by_size + log_gamma_rest(total) - log_gamma_rest(size)
    return value, size * (by_size + rest)
