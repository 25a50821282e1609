"""Structures whose factor holds theta itself: unstructured, diagonal, reduced rank."""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError
from mixedscope.covariance.base import (
    CovarianceStructure,
    Floats,
    Look,
    Measure,
    Settings,
    row_sds,
)
from mixedscope.covariance.polar import PolarAxis, from_rows, row_axes, to_rows

__all__ = [
    "Full",
    "HomDiag",
    "Intercept",
    "ReducedRank",
    "ZeroCorr",
    "common_sd",
    "common_size",
    "own_sds",
]

#: Standard deviations below this have no direction.
NOTHING = 1e-12


class _Pattern(CovarianceStructure):
    """A factor whose entries at fixed places are theta itself, column by column."""

    _rows: NDArray[np.intp]
    _cols: NDArray[np.intp]

    @property
    def n_theta(self) -> int:
        return len(self._rows)

    @cached_property
    def lower(self) -> Floats:
        return np.where(self._rows == self._cols, 0.0, -np.inf)

    def start(self) -> Floats:
        return np.where(self._rows == self._cols, 1.0, 0.0)

    def scale(self, column_scale: Floats) -> Floats:
        return np.asarray(column_scale[self._rows], dtype=float)

    def factor(self, theta: Floats) -> Floats:
        lam = np.zeros((*np.shape(theta)[:-1], self.size, self.size))
        lam[..., self._rows, self._cols] = theta
        return lam

    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        return np.asarray(gradient[..., self._rows, self._cols], dtype=float)

    def derivatives(self, theta: Floats) -> list[Floats]:
        out = np.zeros((self.n_theta, self.size, self.size))
        out[np.arange(self.n_theta), self._rows, self._cols] = 1.0
        return list(out)

    def nearest(self, covariance: Floats) -> Floats:
        own = covariance if self.correlates else np.diag(covariance.diagonal())
        # Small models are not to wait for numpy.
        if self.size == 1:
            return np.array([math.sqrt(own[0, 0])])
        if self.size == 2 and self.n_theta == 3:
            (first, between), (_, second) = own.tolist()
            across = between / math.sqrt(first)
            return np.array([math.sqrt(first), across, math.sqrt(second - across * across)])
        return np.asarray(np.linalg.cholesky(own)[self._rows, self._cols], dtype=float)

    def canonical(self, theta: Floats) -> Floats:
        # lam @ lam.T does not change when a whole column changes its sign; the first entry of a
        # column that is not zero, its diagonal as a rule, is made positive.
        sign = [1.0] * self.size
        for entry, column in zip(theta[::-1].tolist(), self._cols[::-1].tolist(), strict=True):
            if entry != 0.0:
                sign[column] = math.copysign(1.0, entry)
        if min(sign) > 0.0:
            return np.asarray(theta + 0.0, dtype=float)
        return np.asarray(theta * np.array(sign)[self._cols] + 0.0, dtype=float)

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            names[i] if i == j else f"{names[i]}.{names[j]}"
            for i, j in zip(self._rows, self._cols, strict=True)
        )

    # Standard deviations, the lengths of the rows of the factor. The directions of rows, which
    # make the correlations, stay: those of three columns cannot be chosen freely, one by one.

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return own_sds(names, column_scale)

    def measured(self, theta: Floats) -> Floats:
        return row_sds(self.factor(theta))

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        return np.asarray(values[self._rows] * self._directions(around), dtype=float)

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        slopes = np.zeros((self.n_theta, self.size))
        slopes[np.arange(self.n_theta), self._rows] = self._directions(around)
        return slopes

    @property
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        return row_axes(self.size, self.rank)

    def to_polar(self, theta: Floats) -> Floats:
        return from_rows(self.factor(theta), self.rank)

    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        factor, slopes = to_rows(coordinates, self.size, self.rank)
        return factor[self._rows, self._cols], slopes[:, self._rows, self._cols].T

    def _directions(self, theta: Floats) -> Floats:
        """Rows of the factor over their lengths, (n_theta,); one of zeros is along its diagonal."""
        factor = self.factor(theta)
        lengths = row_sds(factor)[:, None]
        seen = lengths > NOTHING
        directions = np.where(seen, factor / np.where(seen, lengths, 1.0), np.eye(self.size))
        return np.asarray(directions[self._rows, self._cols], dtype=float)


class Full(_Pattern):
    """Unstructured covariance: the whole lower triangle is free (the default)."""

    name = "full"
    label = "full covariance"
    colour = "#0072B2"
    shape = "circle"

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        # np.triu_indices runs through rows; transposed, that is column by column of the lower part.
        self._cols, self._rows = np.triu_indices(size)
        self.entries = self._rows, self._cols

    @classmethod
    def includes(cls, other: type[CovarianceStructure]) -> bool:
        return other.name != cls.name

    def holds(self, pieces: Sequence[CovarianceStructure]) -> bool:
        return True

    # Two columns have one correlation, which may be anything.

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        sds = own_sds(names, column_scale)
        if self.size != 2:
            return sds
        return *sds, Measure("correlation", " ~ ".join(names), -1.0, 1.0, 0.5)

    def measured(self, theta: Floats) -> Floats:
        sds = super().measured(theta)
        if self.size != 2:
            return sds
        factor = self.factor(theta)
        product = float(sds[0] * sds[1])
        rho = float(factor[0] @ factor[1]) / product if product > NOTHING else np.nan
        return np.append(sds, np.clip(rho, -1.0, 1.0))

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        if self.size != 2:
            return super().from_measures(values, around)
        first, second, rho = np.nan_to_num(values)
        return np.array([first, second * rho, second * np.sqrt(max(0.0, 1.0 - rho**2))])

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        if self.size != 2:
            return super().measure_slopes(values, around)
        _, second, rho = np.nan_to_num(values)
        other = np.sqrt(1.0 - rho**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            turned = -second * rho / other
        return np.array([[1.0, 0.0, 0.0], [0.0, rho, second], [0.0, other, turned]])


class ZeroCorr(_Pattern):
    """Diagonal covariance: every column has its own variance, none are correlated."""

    name = "zerocorr"
    label = "zero correlations"
    colour = "#D55E00"
    shape = "square"
    correlates = False
    special_cases = frozenset({"homdiag"})

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        self._rows = self._cols = np.arange(size)
        self.entries = self._rows, self._cols

    @property
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        return row_axes(self.size, 1)

    def to_polar(self, theta: Floats) -> Floats:
        return np.array(theta, dtype=float)

    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        return np.array(coordinates, dtype=float), np.eye(self.size)


class Intercept(Full):
    """Intercepts only: the term is reduced to ``(1 | g)``."""

    name = "intercept"
    label = "intercepts only"
    colour = "#009E73"
    shape = "M-1,-.3L1,-.3L1,.3L-1,.3Z"
    intercept_only = True

    @classmethod
    def includes(cls, other: type[CovarianceStructure]) -> bool:
        return False

    def __init__(self, size: int = 1, settings: Settings | None = None) -> None:
        if size != 1:
            raise ModelError(f"Structure 'intercept' has one column, not {size}.")
        super().__init__(size, settings)


class ReducedRank(_Pattern):
    """Covariance of rank d: d independent factors, with a loading of every column on each.

    The factor is the first d columns of a lower triangle; every positive semi-definite matrix of
    rank d has such a root (the transpose of a QR decomposition's R). Parameters: k d - d (d-1)/2.

    Parameters
    ----------
    size : int
    settings : mapping, optional
        ``d``, the rank, 2 by default as in glmmTMB; a whole number from 1 to `size`.
    """

    name = "rr"
    label = "reduced rank"
    colour = "#1F1A5E"
    shape = "cross"
    settings_names = ("d",)
    least_columns = 2
    special_cases = frozenset({"rr"})
    #: Low ranks are drawn in colours and shapes of their own.
    _looks: ClassVar = {
        1.0: ("#006CFC", "M0,-1.2L.5,0L0,1.2L-.5,0Z"),
        2.0: ("#7587F3", "diamond"),
    }

    @classmethod
    def look(cls, settings: Settings) -> Look:
        if not settings:
            return super().look(settings)
        rank = _rank(settings)
        return Look(f"rank {rank:g}", *cls._looks.get(rank, (cls.colour, cls.shape)))

    @classmethod
    def short_name(cls, settings: Settings) -> str:
        return f"{cls.name}{_rank(settings):g}"

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        d = _rank(settings or {})
        if d not in range(1, size + 1):
            raise ModelError(
                f"The rank d of rr() must be a whole number from 1 to the {size} columns of its "
                f"term, not {d:g}."
            )
        cols, rows = np.triu_indices(size)
        kept = cols < d
        self._rows, self._cols = rows[kept], cols[kept]
        self._rank = int(d)
        self.entries = self._rows, self._cols

    @property
    def rank(self) -> int:
        return self._rank

    def holds(self, pieces: Sequence[CovarianceStructure]) -> bool:
        return sum(piece.rank for piece in pieces) <= self.rank

    def nearest(self, covariance: Floats) -> Floats:
        # The principal part of the correlations, so that units do not decide what is kept.
        sds = np.sqrt(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance / (sds[:, None] * sds))
        root = vectors[:, -self._rank :] * np.sqrt(values[-self._rank :]) * sds[:, None]
        upper = np.linalg.qr(root.T)[1]
        return self.canonical(np.asarray(upper.T[self._rows, self._cols], dtype=float))

    # Theta are loadings already. The first of each factor is positive by convention.

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return tuple(
            Measure(
                "loading",
                names[i] if self._rank == 1 else f"{names[i]} on factor {j + 1}",
                0.0 if i == j else -np.inf,
                np.inf,
                1.0 / float(column_scale[i]),
            )
            for i, j in zip(self._rows, self._cols, strict=True)
        )

    def measured(self, theta: Floats) -> Floats:
        return self.canonical(theta)

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        return np.array(values, dtype=float)

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        return np.eye(self.n_theta)


class HomDiag(CovarianceStructure):
    """One variance for all columns, none are correlated: theta is their relative sd."""

    name = "homdiag"
    label = "zero correlations, one sd"
    colour = "#90513F"
    shape = "M-.9,-.9L.9,-.9L.9,-.3L-.9,-.3ZM-.9,.3L.9,.3L.9,.9L-.9,.9Z"
    correlates = False
    least_columns = 2

    @property
    def n_theta(self) -> int:
        return 1

    @property
    def lower(self) -> Floats:
        return np.zeros(1)

    def start(self) -> Floats:
        return np.ones(1)

    def scale(self, column_scale: Floats) -> Floats:
        return np.array([common_size(column_scale)])

    def factor(self, theta: Floats) -> Floats:
        return np.eye(self.size) * np.asarray(theta)[..., None]

    def derivatives(self, theta: Floats) -> list[Floats]:
        return [np.eye(self.size)]

    def nearest(self, covariance: Floats) -> Floats:
        return np.array([common_size(np.sqrt(np.diag(covariance)))])

    def canonical(self, theta: Floats) -> Floats:
        return np.abs(theta)

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return ("sd",)

    @property
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        return (PolarAxis("sd", tuple(range(self.size))),)

    def to_polar(self, theta: Floats) -> Floats:
        return np.array(theta, dtype=float)

    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        return np.array(coordinates, dtype=float), np.ones((1, 1))

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return (common_sd(column_scale),)

    def measured(self, theta: Floats) -> Floats:
        return np.abs(theta)

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        return np.array(values, dtype=float)

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        return np.ones((1, 1))


def _rank(settings: Settings) -> float:
    """The d of reduced rank: 2 where it is not given, as in glmmTMB."""
    return float(settings.get("d", 2))


def own_sds(names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
    """Give a standard deviation for each of k columns."""
    return tuple(
        Measure("sd", name, 0.0, np.inf, 1.0 / float(scale))
        for name, scale in zip(names, column_scale, strict=True)
    )


def common_sd(column_scale: Floats) -> Measure:
    """Give the one standard deviation of all columns."""
    return Measure("sd", "every effect", 0.0, np.inf, 1.0 / common_size(column_scale))


def common_size(values: Floats) -> float:
    """One size for several positive ones: their geometric mean, which treats units evenly."""
    return float(np.exp(np.mean(np.log(values))))
