"""Amounts above zero: the gamma family."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.families.family import MeanFamily, Response, refuse
from mixedscope.families.gamma_functions import log_gamma_rest, log_less_digamma
from mixedscope.families.ratios import log_ratio

__all__ = ["Gamma"]

Floats = NDArray[np.float64]


class Gamma(MeanFamily):
    """Amounts above zero of variance ``mu**2 / shape``."""

    name = "gamma"
    dispersion = "shape"
    links = ("log", "inverse", "identity")

    @property
    def is_canonical(self) -> bool:
        """With the inverse link."""
        return self.link.name == "inverse"

    def check(self, response: Response, name: str) -> None:
        """Amounts are above zero."""
        refuse(response, name, ~(response.y > 0.0), "above 0")

    def initial_mean(self, response: Response) -> Floats:
        """The amounts themselves."""
        return response.y

    def draw(
        self, response: Response, mean: Floats, dispersion: float, rng: np.random.Generator
    ) -> Floats:
        """Amounts of these means."""
        return np.asarray(rng.gamma(dispersion, mean / dispersion))

    def variance(self, mean: Floats, dispersion: float) -> Floats:
        """The mean squared, which the shape divides."""
        return mean**2

    def deviances(self, y: Floats, mean: Floats, dispersion: float) -> Floats:
        """Of a shape of 1."""
        change = y - mean
        return np.asarray(2.0 * (change / mean - log_ratio(y, mean, change)))

    def row_constants(self, response: Response, dispersion: float) -> Floats:
        """What the shape and the amounts give."""
        return np.asarray(-np.log(response.y) - log_gamma_rest(dispersion))

    def _of_log_mean(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        # What the mean itself as the response would have is in the constant: nothing large cancels.
        change = np.log(y) - log_mean
        rise = np.expm1(change)
        return dispersion * (change - rise), dispersion * rise, -dispersion * (1.0 + rise)

    def _further(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats]:
        ratio = y * np.exp(-log_mean)
        return dispersion * ratio, np.full(len(y), dispersion), np.zeros(len(y))

    def _by_dispersion(
        self, y: Floats, log_mean: Floats, dispersion: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        value, first, second = self._of_log_mean(y, log_mean, dispersion)
        return (
            dispersion * float(log_less_digamma(dispersion)) + value,
            first,
            second,
            np.full(len(y), dispersion),
        )
