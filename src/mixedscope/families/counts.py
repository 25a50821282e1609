"""Counts: the Poisson and the negative binomial families."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedscope.families.family import MeanFamily, Response, refuse

__all__ = ["NegativeBinomial1", "NegativeBinomial2", "Poisson"]

Floats = NDArray[np.float64]

# Sizes beyond which gamma functions are series, and counts up to which a table holds their sums.
_FAR = 20.0
_LONGEST = 100_000


class _Counts(MeanFamily):
    """What families of counts have in common."""

    links = ("log", "identity", "sqrt")

    def check(self, response: Response, name: str) -> None:
        """Counts are whole and not negative."""
        y = response.y
        refuse(response, name, (y < 0.0) | (y != np.rint(y)), "counts: whole numbers from 0 on")

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

    def constant(self, response: Response, dispersion: float) -> float:
        """Logarithms of factorials."""
        return -_total(special.gammaln(response.y + 1.0), response.weights)

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        mean = np.exp(log_mean)
        return y * log_mean - mean, y - mean, -mean

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

    def constant(self, response: Response, dispersion: float) -> float:
        """What gamma functions leave: ``sum over j < y of log(1 + j / size)``, less factorials."""
        made = _rising(response.y, dispersion)[0] - special.gammaln(response.y + 1.0)
        return _total(made, response.weights)

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

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Counts of these means."""
        share = 1.0 / (1.0 + dispersion)
        return rng.negative_binomial(mean / dispersion, share).astype(np.float64)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """``mu (1 + dispersion)``."""
        return mean * (1.0 + dispersion)

    def constant(self, response: Response, dispersion: float) -> float:
        """Factorials, and the power of the dispersion."""
        y = response.y
        made = y * (math.log(dispersion) - math.log1p(dispersion)) - special.gammaln(y + 1.0)
        return _total(made, response.weights)

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        size = np.exp(log_mean) / dispersion
        rise, slope, bend, _ = _gamma_differences(y, size)
        fall = math.log1p(dispersion)
        first = size * (slope - fall)
        return rise - size * fall, first, first + size * size * bend

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        size = np.exp(log_mean) / dispersion
        _, _, second = self._of_log_mean(y, log_mean, dispersion)
        _, _, bend, twist = _gamma_differences(y, size)
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
        rise, slope, _, _ = _gamma_differences(y, np.full(len(y), size))
        return rise - y * math.log(size), size * slope - y
    j = np.arange(most, dtype=np.float64)
    at = y.astype(np.int64)
    value = np.concatenate([[0.0], np.cumsum(np.log1p(j / size))])
    slope = np.concatenate([[0.0], np.cumsum(-j / (size + j))])
    return value[at], slope[at]


def _gamma_differences(y: Floats, size: Floats) -> tuple[Floats, Floats, Floats, Floats]:
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
    i, square = 1.0 / x, 1.0 / (x * x)
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


def _total(values: Floats, weights: Floats | None) -> float:
    return float(values.sum() if weights is None else weights @ values)
