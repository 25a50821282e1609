"""Links: from the linear predictor to what families are functions of, with three derivatives.

A mean above zero enters by its logarithm, so that nothing overflows where the mean does; a
probability by the logarithms of itself and of what it lacks of one, which keep their digits in both
tails. Where a linear predictor has no mean (``eta <= 0`` under the identity) there is NaN, and
whoever searches takes a shorter step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["LINKS", "Link", "LogMean", "LogProbabilities", "MeanLink", "ProbabilityLink"]

Floats = NDArray[np.float64]


class LogMean(NamedTuple):
    """``log mu`` (n,) and its derivatives by the linear predictor; numbers where constant."""

    value: Floats
    first: Floats | float
    second: Floats | float
    third: Floats | float


class LogProbabilities(NamedTuple):
    """``log mu`` and ``log(1 - mu)``, (n,) each, and their derivatives by the linear predictor.

    ``yes`` and ``no`` hold value, first, second and third derivative.
    """

    yes: tuple[Floats, Floats | float, Floats | float, Floats | float]
    no: tuple[Floats, Floats, Floats, Floats]


class Link(ABC):
    """What a link is for all families: its name, and its inverse for what is printed and drawn.

    Attributes
    ----------
    name : str
        As in R: ``logit``.
    side : int
        On which side of zero linear predictors have a mean, 1 or -1; 0 if all have.
    has_unit : bool
        Whether linear predictors are multiplied by a number where means are.
    """

    name: str
    side: ClassVar[int] = 0
    has_unit: ClassVar[bool] = False

    @abstractmethod
    def predictor(self, mean: Floats) -> Floats:
        """The link: linear predictor of a mean."""

    @abstractmethod
    def mean(self, eta: Floats) -> Floats:
        """Its inverse: mean of a linear predictor."""

    @abstractmethod
    def mean_slope(self, eta: Floats) -> Floats:
        """Derivative of the mean by the linear predictor."""


class MeanLink(Link):
    """A link of means above zero."""

    @abstractmethod
    def log_mean(self, eta: Floats) -> LogMean:
        """Logarithm of the mean, with its derivatives."""

    def mean(self, eta: Floats) -> Floats:
        """Mean of a linear predictor."""
        return np.exp(self.log_mean(eta).value)

    def mean_slope(self, eta: Floats) -> Floats:
        """Derivative of the mean by the linear predictor."""
        value, first, *_ = self.log_mean(eta)
        return np.asarray(np.exp(value) * first)


class Log(MeanLink):
    """``eta = log mu``."""

    name = "log"

    def predictor(self, mean: Floats) -> Floats:
        """Logarithm of the mean."""
        return np.log(mean)

    def log_mean(self, eta: Floats) -> LogMean:
        """The linear predictor itself."""
        return LogMean(eta, 1.0, 0.0, 0.0)


class _Power(MeanLink):
    """``eta = mu ** (1 / power)``, so that ``log mu = power * log eta``."""

    side = 1
    has_unit = True
    _power: float

    def predictor(self, mean: Floats) -> Floats:
        """Power of the mean."""
        return np.asarray(mean ** (1.0 / self._power))

    def log_mean(self, eta: Floats) -> LogMean:
        """Multiple of the logarithm of the linear predictor."""
        inside = np.where(eta > 0.0, eta, np.nan)
        one = self._power / inside
        two = -one / inside
        return LogMean(self._power * np.log(inside), one, two, -2.0 * two / inside)


class Identity(_Power):
    """``eta = mu``."""

    name = "identity"
    _power = 1.0


class Inverse(_Power):
    """``eta = 1 / mu``."""

    name = "inverse"
    _power = -1.0


class SquareRoot(MeanLink):
    """``eta = sqrt(mu)``: the mean is the square of the linear predictor.

    Below zero it is still a square: a count of zero may be approached from either side, while from
    any other count zero keeps away.
    """

    name = "sqrt"
    has_unit = True

    def predictor(self, mean: Floats) -> Floats:
        """Root of the mean."""
        return np.sqrt(mean)

    def log_mean(self, eta: Floats) -> LogMean:
        """Twice the logarithm of the size of the linear predictor."""
        inside = np.where(eta == 0.0, np.nan, eta)
        one = 2.0 / inside
        two = -one / inside
        return LogMean(2.0 * np.log(np.abs(inside)), one, two, -2.0 * two / inside)


class ProbabilityLink(Link):
    """A link of probabilities."""

    @abstractmethod
    def log_probabilities(self, eta: Floats) -> LogProbabilities:
        """Logarithms of both probabilities, with their derivatives."""

    def mean(self, eta: Floats) -> Floats:
        """Mean of a linear predictor."""
        return np.exp(self.log_probabilities(eta).yes[0])

    def mean_slope(self, eta: Floats) -> Floats:
        """Derivative of the mean by the linear predictor."""
        value, first, *_ = self.log_probabilities(eta).yes
        return np.asarray(np.exp(value) * first)


class Logit(ProbabilityLink):
    """``eta = log(mu / (1 - mu))``."""

    name = "logit"

    def predictor(self, mean: Floats) -> Floats:
        """Log odds."""
        return np.asarray(special.logit(mean))

    def log_probabilities(self, eta: Floats) -> LogProbabilities:
        """Of the logistic function."""
        smaller = np.exp(-np.abs(eta))
        rest = np.log1p(smaller)
        larger = 1.0 / (1.0 + smaller)
        smaller *= larger
        is_up = eta >= 0.0
        yes, no = np.where(is_up, larger, smaller), np.where(is_up, smaller, larger)
        second = -yes * no
        third = second * (no - yes)
        return LogProbabilities(
            (np.minimum(eta, 0.0) - rest, no, second, third),
            (-np.maximum(eta, 0.0) - rest, -yes, second, third),
        )


class Probit(ProbabilityLink):
    """``eta = inv(Phi)(mu)``, Phi the standard normal distribution function."""

    name = "probit"

    #: Below the negative of this a series keeps digits that differences lose.
    _FAR: Final = 100.0

    def predictor(self, mean: Floats) -> Floats:
        """Normal quantile."""
        return np.asarray(special.ndtri(mean))

    def log_probabilities(self, eta: Floats) -> LogProbabilities:
        """Of the normal distribution function and what it lacks of one."""
        yes = self._tail(eta)
        value, first, second, third = self._tail(-eta)
        return LogProbabilities(yes, (value, -first, second, -third))

    def _tail(self, eta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """``log Phi(eta)`` and its derivatives, of which the first is the inverse Mills ratio."""
        ratio = math.sqrt(2.0 / math.pi) / special.erfcx(-eta / math.sqrt(2.0))
        rest = eta + ratio
        is_far = eta < -self._FAR
        if is_far.any():
            z = 1.0 / eta[is_far]
            s = z * z
            # Asymptotic series of the inverse Mills ratio less its argument.
            rest[is_far] = -z * (1.0 - s * (2.0 - s * (10.0 - s * 74.0)))
        second = -ratio * rest
        third = -(second * rest + ratio * (1.0 + second))
        return np.asarray(special.log_ndtr(eta)), ratio, second, third


class Cloglog(ProbabilityLink):
    """``eta = log(-log(1 - mu))``."""

    name = "cloglog"

    #: The exponential of a larger linear predictor is beyond floating-point numbers.
    _MOST: Final = 700.0

    #: Below this rate a series keeps digits that differences lose.
    _SMALL: Final = 0.01

    def predictor(self, mean: Floats) -> Floats:
        """Logarithm of the cumulative hazard."""
        return np.log(-np.log1p(-mean))

    def log_probabilities(self, eta: Floats) -> LogProbabilities:
        """Of one event or more at the rate ``exp(eta)``, and of none."""
        rate = np.exp(np.minimum(eta, self._MOST))
        with np.errstate(over="ignore", divide="ignore"):
            first = rate / np.expm1(rate)
            value = np.where(
                rate > 0.7,
                np.log1p(-np.exp(-rate)),
                np.log(-np.expm1(-np.minimum(rate, 1.0))),
            )
        # Where the rate underflows so does what it lacks of its logarithm.
        value = np.where(rate > 1e-300, value, eta)
        low = np.minimum(rate, self._SMALL)
        rest = np.where(
            rate < self._SMALL,
            -low / 2.0 - low * low / 12.0 + low**4 / 720.0,
            1.0 - first - rate,
        )
        first = np.where(rate > 0.0, first, 1.0)
        # Where an event is certain nothing changes any more.
        rest = np.where(first > 0.0, rest, 0.0)
        second = first * rest
        third = second * rest + first * (-second - np.where(first > 0.0, rate, 0.0))
        return LogProbabilities((value, first, second, third), (-rate, -rate, -rate, -rate))


class LogOfProbability(ProbabilityLink):
    """``eta = log mu``, below zero: relative risks."""

    name = "log"
    side = -1

    def predictor(self, mean: Floats) -> Floats:
        """Logarithm of the probability."""
        return np.log(mean)

    def log_probabilities(self, eta: Floats) -> LogProbabilities:
        """The linear predictor itself, and what is left of one."""
        inside = np.where(eta < 0.0, eta, np.nan)
        odds = -1.0 - 1.0 / np.expm1(inside)
        second = -odds * (1.0 + odds)
        return LogProbabilities(
            (inside, 1.0, 0.0, 0.0),
            (np.log(-np.expm1(inside)), -odds, second, second * (1.0 + 2.0 * odds)),
        )


#: Links of probabilities, then of means, by name; the first of a family is its default.
LINKS: Final[dict[str, tuple[Link, ...]]] = {
    "probability": (Logit(), Probit(), Cloglog(), LogOfProbability()),
    "mean": (Log(), Identity(), Inverse(), SquareRoot()),
}
