"""Counts: the Poisson and the negative binomial families."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedscope.families.family import MeanFamily, Response, refuse
from mixedscope.families.gamma_functions import gamma_differences, log_gamma_rest

__all__ = ["NegativeBinomial1", "NegativeBinomial2", "Poisson"]

Floats = NDArray[np.float64]

# Counts up to which a table holds sums of logarithms.
_LONGEST = 100_000

# Counts from which on the constant takes what a mean equal to the count would give, so that nothing
# large cancels.
_MANY = 1000.0


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
        return np.asarray(2.0 * (special.xlogy(y, y / mean) - (y - mean)))

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """Logarithms of factorials, large ones without what `_of_log_mean` leaves out."""
        y = response.y
        many = np.maximum(y, _MANY)
        return np.where(y >= _MANY, -log_gamma_rest(many) - np.log(many), -special.gammaln(y + 1.0))

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
        share = dispersion / (dispersion + mean)
        return rng.negative_binomial(dispersion, share).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """``mu + mu**2 / size``."""
        return mean + mean**2 / dispersion

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Of counts, at the size."""
        own = (y + dispersion) * np.log((y + dispersion) / (mean + dispersion))
        return np.asarray(2.0 * (special.xlogy(y, y / mean) - own))

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """What gamma functions leave: ``sum over j < y of log(1 + j / size)``, less factorials."""
        return np.asarray(_rising(response.y, dispersion)[0] - special.gammaln(response.y + 1.0))

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        ratio = np.exp(log_mean) / dispersion
        share = special.expit(log_mean - math.log(dispersion))
        total = y + dispersion
        return (
            y * log_mean - total * np.log1p(ratio),
            y - total * share,
            -total * share * (1.0 - share),
        )

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        share = special.expit(log_mean - math.log(dispersion))
        spread = share * (1.0 - share)
        return (
            -(y + dispersion) * spread * (1.0 - 2.0 * share),
            dispersion * share,
            dispersion * spread,
        )

    def _by_dispersion(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        ratio = np.exp(log_mean) / dispersion
        share = special.expit(log_mean - math.log(dispersion))
        spread = share * (1.0 - share)
        total = y + dispersion
        return (
            total * share - dispersion * np.log1p(ratio) + _rising(y, dispersion)[1],
            total * spread - dispersion * share,
            total * spread * (1.0 - 2.0 * share) - dispersion * spread,
            dispersion * (share - spread),
        )


class NegativeBinomial1(_Counts):
    """Counts of variance ``mu (1 + dispersion)``: a negative binomial of size ``mu / dispersion``.

    Its expected information has no closed form; the Laplace approximation is that of the observed.
    """

    name = "nbinom1"
    dispersion = "dispersion"
    limit = -1
    limit_name = "the Poisson"

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Counts of these means."""
        share = 1.0 / (1.0 + dispersion)
        return rng.negative_binomial(mean / dispersion, share).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """``mu (1 + dispersion)``."""
        return mean * (1.0 + dispersion)

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """Factorials, and the power of the dispersion."""
        y = response.y
        return y * (math.log(dispersion) - math.log1p(dispersion)) - special.gammaln(y + 1.0)

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        size = np.exp(log_mean) / dispersion
        rise, slope, bend, _ = gamma_differences(y, size)
        fall = math.log1p(dispersion)
        first = size * (slope - fall)
        return rise - size * fall, first, first + size * size * bend

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
        return (
            -first - size * odds + y * (1.0 - odds),
            -second - size * odds,
            -third - size * odds,
            unknown,
        )


def _rising(y: Floats, size: float) -> tuple[Floats, Floats]:
    """``sum over j < y of log(1 + j / size)``, and its derivative by the logarithm of size.

    From a table of all counts up to the largest, if that is short: gamma functions of large sizes
    cancel.
    """
    most = int(y.max(initial=0.0))
    if most > _LONGEST:
        rise, slope, _, _ = gamma_differences(y, np.full(len(y), size))
        return rise - y * math.log(size), size * slope - y
    j = np.arange(most, dtype=np.float64)
    at = y.astype(np.int64)
    value = np.concatenate([[0.0], np.cumsum(np.log1p(j / size))])
    slope = np.concatenate([[0.0], np.cumsum(-j / (size + j))])
    return value[at], slope[at]
