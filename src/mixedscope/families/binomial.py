"""Successes of trials: the Bernoulli and binomial family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mixedscope.core.errors import DataError
from mixedscope.families.family import ProbabilityFamily, Response, Rows, Slopes, refuse
from mixedscope.families.ratios import times_log_ratio

__all__ = ["Binomial"]

Floats = NDArray[np.float64]


class Binomial(ProbabilityFamily):
    """Successes out of a number of trials; of one trial each it is called Bernoulli."""

    name = "binomial"
    links = ("logit", "probit", "cloglog", "log")

    @property
    def is_canonical(self) -> bool:
        """With the logit link."""
        return self.link.name == "logit"

    def check(self, response: Response, name: str) -> None:
        """Shares between 0 and 1, which are whole numbers of trials."""
        y = response.y
        if response.trials is None:
            refuse(
                response, name, (y != 0.0) & (y != 1.0), "0 or 1, or successes with their trials"
            )
            return
        wrong = (y < 0.0) | (y > 1.0)
        refuse(response, name, wrong, "a share of successes between 0 and 1")
        parts = np.abs(response.trials - np.rint(response.trials))
        rows = np.flatnonzero(parts > 1e-6 * np.maximum(response.trials, 1.0))
        if len(rows):
            raise DataError(
                f"The trials of the response {name!r} must be whole numbers; in row {rows[0] + 1} "
                f"of those used they are {response.trials[rows[0]]:g}."
            )
        successes = y * response.trials
        wrong = np.abs(successes - np.rint(successes)) > 1e-6 * np.maximum(response.trials, 1.0)
        refuse(response, name, wrong, "a whole number of successes over that of trials")

    def endless_sides(self, y: Floats) -> Floats:
        """Certain outcomes: of the link log a success is certain at a predictor of zero."""
        upwards = 0.0 if self.link.name == "log" else 1.0
        return np.where(y == 1.0, upwards, np.where(y == 0.0, -1.0, 0.0))

    def initial_mean(self, response: Response) -> Floats:
        """The share of successes, drawn a little to one half."""
        trials = 1.0 if response.trials is None else response.trials
        return np.asarray((trials * response.y + 0.5) / (trials + 1.0))

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Shares of successes."""
        if response.trials is None:
            return (rng.random(len(mean)) < mean).astype(np.float64)
        trials = np.rint(response.trials).astype(np.int64)
        return np.asarray(rng.binomial(trials, mean) / response.trials)

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """Of the share of one trial."""
        return mean * (1.0 - mean)

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Of shares, for each trial."""
        change, rest = y - mean, 1.0 - y
        lost = times_log_ratio(y, mean, change) + times_log_ratio(rest, 1.0 - mean, -change)
        return np.asarray(2.0 * lost)

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """Logarithms of binomial coefficients."""
        m = response.trials
        if m is None:
            return np.zeros(len(response.y))
        k = np.rint(response.y * m)
        return np.asarray(
            special.gammaln(m + 1.0) - special.gammaln(k + 1.0) - special.gammaln(m - k + 1.0)
        )

    def rows(self, response: Response, eta: Floats, dispersion: float) -> Rows:
        """Log-likelihood, score and observed information at a linear predictor (n,)."""
        yes, no = self.link.log_probabilities(eta)
        y, counts = response.y, response.counts
        rest = 1.0 - y
        # A share of nothing counts as nothing, however impossible it is.
        likelihood = _times(y, yes[0]) + _times(rest, no[0])
        score = y * yes[1] + rest * no[1]
        weight = -(y * yes[2] + rest * no[2])
        if counts is None:
            return Rows(likelihood, score, weight)
        return Rows(counts * likelihood, counts * score, counts * weight)

    def slopes(self, response: Response, eta: Floats, dispersion: float) -> Slopes:
        """Further derivatives at a linear predictor (n,)."""
        yes, no = self.link.log_probabilities(eta)
        y, counts = response.y, response.counts
        times = np.ones(len(y)) if counts is None else counts
        third = y * yes[3] + (1.0 - y) * no[3]
        # The information is minus the product of both first derivatives, whatever the link.
        return Slopes(
            -times * third,
            -times * yes[1] * no[1],
            -times * (yes[2] * no[1] + yes[1] * no[2]),
        )


def _times(share: Floats, logs: Floats | float) -> Floats:
    """Product in which a share of zero takes an infinite logarithm away."""
    return np.asarray(np.where(share > 0.0, share * logs, 0.0))
