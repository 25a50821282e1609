"""Correlation matrices of one parameter, and their lower-triangular roots.

The correlation rho lies in a range [low, high]. It is written
``rho = (low + high) / 2 + (high - low) / 2 * sin(angle)``: any angle is legal, the matrix is a
smooth function of it, and the ends of the range are at ± pi/2, about which it is symmetric.
"""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from mixedscope.covariance.base import Floats, Measure
from mixedscope.covariance.polar import PolarAxis

__all__ = ["END", "AutoregressiveCorrelation", "CompoundCorrelation", "Correlation", "fold"]

END = float(np.pi / 2)
"""The angle of a correlation as high as it goes."""

# How far into its range a start may go, as a share of half of it: at the end itself the gradient
# vanishes by symmetry.
_INSIDE = 0.95


def fold(angle: float) -> float:
    """Return the angle from -pi/2 to pi/2 with the same sine."""
    return angle if abs(angle) <= END else float(np.arcsin(np.sin(angle)))


class Correlation(ABC):
    """A correlation matrix (k, k) of one parameter.

    Parameters
    ----------
    size : int
        k, at least 2.

    Attributes
    ----------
    angle_name : str
        What the angle is called among the names of theta.
    pair_name : str
        Which effects the correlation is that of.
    """

    angle_name: ClassVar[str]
    pair_name: ClassVar[str]

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    @abstractmethod
    def limits(self) -> tuple[float, float]:
        """Lowest and highest correlation for which the matrix is positive semi-definite."""

    @abstractmethod
    def root(self, angle: float | Floats) -> tuple[Floats, Floats]:
        """Lower-triangular roots of the matrix, and their derivatives by the angle.

        Of any number of angles (...): both (..., k, k).
        """

    @abstractmethod
    def typical(self, matrix: Floats) -> float:
        """Choose the correlation for a matrix (k, k) of another kind."""

    def value(self, angle: float) -> float:
        """Give the correlation of an angle."""
        low, high = self.limits
        return (low + high) / 2 + (high - low) / 2 * float(np.sin(angle))

    def angle(self, value: float, inside: float = _INSIDE) -> float:
        """Give the angle of a correlation, or of the nearest one well inside the range."""
        low, high = self.limits
        place = (2 * value - low - high) / (high - low)
        return float(np.arcsin(np.clip(place, -inside, inside)))

    def angle_slope(self, value: float) -> float:
        """Give the derivative of the angle by the correlation, inside its range."""
        low, high = self.limits
        inside = (value - low) * (high - value)
        return 1.0 / float(np.sqrt(inside)) if inside > 0.0 else np.inf

    @property
    @abstractmethod
    def pairs(self) -> tuple[tuple[int, int, int], ...]:
        """Pairs of effects, the earlier first, and the power of rho that is their correlation."""

    @property
    def polar_axis(self) -> PolarAxis:
        """The angle as a coordinate."""
        low, high = self.limits
        return PolarAxis("angle", pairs=self.pairs, low=low, high=high)

    @property
    def measure(self) -> Measure:
        """The correlation as something to be chosen."""
        low, high = self.limits
        return Measure("correlation", self.pair_name, low, high, (high - low) / 4)


class CompoundCorrelation(Correlation):
    """The same correlation between any two: ``(1 - rho) I + rho J``, rho from -1/(k-1) to 1.

    The Cholesky factor has, counted from 0 and with ``c_j = 1 + j rho``,

    * column 0: 1, below it rho;
    * column j: ``sqrt(1 - rho) sqrt(c_j / c_{j-1})`` on the diagonal, below it
      ``rho sqrt(1 - rho) / sqrt(c_{j-1} c_j)``.

    Within the range only ``1 - rho`` and ``c_{k-1}`` reach zero. With ``psi = angle/2 + pi/4``
    they are ``k/(k-1) cos(psi)**2`` and ``k sin(psi)**2``: their roots are smooth in the angle,
    and a change of sign of one is that of whole columns.
    """

    angle_name = "angle.rho"
    pair_name = "any two"

    @property
    def limits(self) -> tuple[float, float]:
        return -1.0 / (self.size - 1), 1.0

    @property
    def pairs(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((i, j, 1) for i in range(self.size) for j in range(i + 1, self.size))

    def typical(self, matrix: Floats) -> float:
        k = self.size
        return float((matrix.sum() - np.trace(matrix)) / (k * (k - 1)))

    def root(self, angle: float | Floats) -> tuple[Floats, Floats]:
        k = self.size
        low, high = self.limits
        angle = np.asarray(angle, dtype=float)[..., None]
        psi = angle / 2 + np.pi / 4
        rho = (low + high) / 2 + (high - low) / 2 * np.sin(angle)
        d_rho = k / (2 * (k - 1)) * np.cos(angle)
        # Roots of 1 - rho and of 1 + (k-1) rho, with their signs, and derivatives by the angle.
        apart = np.sqrt(k / (k - 1)) * np.cos(psi)
        d_apart = -np.sqrt(k / (k - 1)) * np.sin(psi) / 2
        last = np.sqrt(k) * np.sin(psi)
        d_last = np.sqrt(k) * np.cos(psi) / 2
        shape = (*angle.shape[:-1], k, k)
        root, slope = np.zeros(shape), np.zeros(shape)
        root[..., 0, 0] = 1.0
        root[..., 1:, 0], slope[..., 1:, 0] = rho, d_rho
        j = np.arange(1, k - 1)
        before, here = 1.0 + (j - 1) * rho, 1.0 + j * rho
        ratio = np.sqrt(here / before)
        # d log sqrt(c_j / c_{j-1}) and d log 1 / sqrt(c_{j-1} c_j) by rho.
        grows = (j / here - (j - 1) / before) / 2
        falls = -(j / here + (j - 1) / before) / 2
        root[..., j, j] = apart * ratio
        slope[..., j, j] = d_apart * ratio + apart * ratio * grows * d_rho
        both = 1.0 / np.sqrt(before * here)
        below = np.tril(np.ones((k, k)), -1)[:, 1 : k - 1]
        root[..., 1 : k - 1] += below * (rho * apart * both)[..., None, :]
        change = both * (d_rho * apart + rho * d_apart + rho * apart * falls * d_rho)
        slope[..., 1 : k - 1] += below * change[..., None, :]
        if k > 1:
            c = 1.0 + (k - 2) * rho
            end = apart * last / np.sqrt(c)
            d_end = d_apart * last + apart * d_last - apart * last * (k - 2) * d_rho / (2 * c)
            root[..., -1, -1] = end[..., 0]
            slope[..., -1, -1] = (d_end / np.sqrt(c))[..., 0]
        return root, slope


class AutoregressiveCorrelation(Correlation):
    """``rho ** |i - j|`` between places i and j in an order, rho from -1 to 1 = sin(angle).

    The Cholesky factor is ``rho**i`` in column 0 and ``rho**(i - j) cos(angle)`` in column j.
    """

    angle_name = "asin.rho"
    pair_name = "neighbours"

    @property
    def limits(self) -> tuple[float, float]:
        return -1.0, 1.0

    @property
    def pairs(self) -> tuple[tuple[int, int, int], ...]:
        return tuple((i, j, j - i) for i in range(self.size) for j in range(i + 1, self.size))

    def typical(self, matrix: Floats) -> float:
        return float(np.mean(np.diag(matrix, -1)))

    def root(self, angle: float | Floats) -> tuple[Floats, Floats]:
        k = self.size
        angle = np.asarray(angle, dtype=float)[..., None]
        rho, other = np.sin(angle), np.cos(angle)
        one = np.ones(angle.shape)
        powers = np.concatenate([one, np.cumprod(np.repeat(rho, k, axis=-1), axis=-1)], axis=-1)
        lag = np.arange(k)[:, None] - np.arange(k)
        at = np.maximum(lag, 0)
        # By the product rule; a power below zero has the factor lag = 0 before it.
        root = powers[..., at] * other[..., None]
        slope = (
            lag * powers[..., np.maximum(lag - 1, 0)] * (other**2)[..., None] - powers[..., at + 1]
        )
        root[..., 0] = powers[..., :k]
        slope[..., 0] = np.arange(k) * powers[..., np.maximum(np.arange(k) - 1, 0)] * other
        return np.ascontiguousarray(np.tril(root)), np.ascontiguousarray(np.tril(slope))
