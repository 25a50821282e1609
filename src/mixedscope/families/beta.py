"""Shares that are no successes of trials: the beta family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedscope.families.family import ProbabilityFamily, Response, Rows, Slopes, refuse
from mixedscope.families.gamma_functions import log_gamma_rest, log_less_digamma
from mixedscope.families.ratios import log_ratio

__all__ = ["Beta"]

Floats = NDArray[np.float64]


class Beta(ProbabilityFamily):
    """Shares inside of 0 and 1 of variance ``mu (1 - mu) / (1 + precision)``.

    Distributed as beta of ``a = mu precision`` and ``b = (1 - mu) precision``.
    """

    name = "beta"
    dispersion = "precision"
    links = ("logit", "probit", "cloglog")

    def check(self, response: Response, name: str) -> None:
        """Neither 0 nor 1."""
        y = response.y
        refuse(response, name, ~((y > 0.0) & (y < 1.0)), "between 0 and 1, and neither of them")

    def initial_mean(self, response: Response) -> Floats:
        """The shares, drawn a little to one half."""
        return 0.05 + 0.9 * response.y

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Shares of these means; what rounds to 0 or 1 is the number next to it."""
        shares = rng.beta(mean * dispersion, (1.0 - mean) * dispersion)
        return np.clip(shares, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """What the precision and the shares give."""
        y = response.y
        return np.asarray(log_gamma_rest(dispersion) - np.log(y) - np.log1p(-y))

    def rows(self, response: Response, eta: Floats, dispersion: float) -> Rows:
        """Log-likelihood, score and observed information at a linear predictor (n,)."""
        a, b, one, two, _ = self._shapes(eta, dispersion)
        y = response.y
        value = _entropy(y, a, b, dispersion) - log_gamma_rest(a) - log_gamma_rest(b)
        first, second, _ = _of_mean(y, a, b, dispersion)
        times = _counts(response)
        return Rows(times * value, times * first * one, -times * (second * one**2 + first * two))

    def slopes(self, response: Response, eta: Floats, dispersion: float) -> Slopes:
        """Further derivatives at a linear predictor (n,)."""
        a, b, one, two, three = self._shapes(eta, dispersion)
        y, times = response.y, _counts(response)
        first, second, third = _of_mean(y, a, b, dispersion)
        # Third derivatives do not depend on the response: they are those of the expected one too.
        bends = a * special.polygamma(1, a), b * special.polygamma(1, b)
        twists = a * special.polygamma(2, a) + b * special.polygamma(2, b)
        value = _entropy(y, a, b, dispersion) - dispersion * log_less_digamma(dispersion)
        value = value + a * log_less_digamma(a) + b * log_less_digamma(b)
        own_first = first + dispersion * (bends[1] - bends[0])
        own_second = 2.0 * second - dispersion**2 * twists
        return Slopes(
            -times * (third * one**3 + 3.0 * second * one * two + first * three),
            -times * second * one**2,
            -times * (third * one**3 + 2.0 * second * one * two),
            (
                times * value,
                times * own_first * one,
                -times * (own_second * one**2 + own_first * two),
                -times * own_second * one**2,
            ),
        )

    def _shapes(
        self, eta: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Both shapes, and three derivatives of the mean by the linear predictor."""
        yes, no = self.link.log_probabilities(eta)
        mean = np.exp(yes[0])
        one, two, three = yes[1:]
        return (
            mean * dispersion,
            np.exp(no[0]) * dispersion,
            mean * one,
            mean * (two + one * one),
            mean * (three + 3.0 * one * two + one**3),
        )


def _counts(response: Response) -> Floats | float:
    counts = response.counts
    return 1.0 if counts is None else counts


def _entropy(y: Floats, a: Floats, b: Floats, precision: float) -> Floats:
    """``a log(y / mu) + b log((1 - y) / (1 - mu))``, a and b being shares of the precision.

    Both logarithms are made of one difference of y and mu, whose error then cancels in the sum.
    """
    mean, rest = a / precision, b / precision
    change = np.where(mean < 0.5, y - mean, rest - (1.0 - y))
    return np.asarray(a * log_ratio(y, mean, change) + b * log_ratio(1.0 - y, rest, -change))


def _of_mean(y: Floats, a: Floats, b: Floats, precision: float) -> tuple[Floats, Floats, Floats]:
    """Three derivatives of the log-likelihood by the mean."""
    odds = np.log(y) - np.log1p(-y)
    return (
        precision * (odds - special.digamma(a) + special.digamma(b)),
        -(precision**2) * (special.polygamma(1, a) + special.polygamma(1, b)),
        precision**3 * (special.polygamma(2, b) - special.polygamma(2, a)),
    )
