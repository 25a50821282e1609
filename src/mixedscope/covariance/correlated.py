"""Structures of one correlation: compound symmetry and first-order autoregression."""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from mixedscope.covariance.base import CovarianceStructure, Floats, Measure, Settings
from mixedscope.covariance.correlations import (
    END,
    AutoregressiveCorrelation,
    CompoundCorrelation,
    Correlation,
    fold,
)
from mixedscope.covariance.patterns import common_sd, common_size, own_sds
from mixedscope.covariance.polar import PolarAxis

__all__ = ["Ar1", "CompoundSymmetry", "HetAr1", "HomCompoundSymmetry"]


# Where a standard deviation is zero, an angle may be anything: these are looked at, with standard
# deviations of these shares of sigma.
_ANGLES = (-1.5, -1.2, -0.6, 0.0, 0.6, 1.2, 1.5)
_PROBE = 0.1
_SMALL_PROBE = 0.02

# Where one standard deviation of many vanishes (this theta, columns of unit root mean square) the
# others may have another correlation, even one as far as it goes: one of these angles.
_VANISHING = 0.05
_FAR = (-1.5, -0.6, 0.6, 1.5)


class _OneCorrelation(CovarianceStructure):
    """Standard deviations times a correlation matrix of one parameter, its angle the last theta."""

    least_columns = 2
    hides_directions = True
    kind: ClassVar[type[Correlation]]

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        self.correlation = self.kind(size)

    @property
    def lower(self) -> Floats:
        return np.append(np.zeros(self.n_theta - 1), -np.inf)

    @property
    def edges(self) -> Floats:
        return np.append(np.zeros(self.n_theta - 1), END)

    def start(self) -> Floats:
        # Exactly the identity: an angle this far from the ends needs no safety.
        return np.append(np.ones(self.n_theta - 1), self.correlation.angle(0.0, inside=1.0))

    def canonical(self, theta: Floats) -> Floats:
        return np.append(np.abs(theta[:-1]), fold(float(theta[-1])))

    @abstractmethod
    def _sds(self, theta: Floats) -> Floats:
        """Standard deviations of theta, (n_theta - 1,)."""

    @abstractmethod
    def _roots(self, sds: Floats) -> tuple[Floats, Floats]:
        """Theta of standard deviations, and its derivatives, both (n_theta - 1,)."""

    def measured(self, theta: Floats) -> Floats:
        sds = self._sds(theta)
        # One sd of many, or the one of all, leaves no pair of effects to be correlated.
        defined = np.count_nonzero(sds) > (self.n_theta > 2)
        rho = self.correlation.value(float(theta[-1])) if defined else np.nan
        return np.append(sds, rho)

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        values = np.nan_to_num(values)
        roots, _ = self._roots(values[:-1])
        return np.append(roots, self.correlation.angle(float(values[-1]), inside=1.0))

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        values = np.nan_to_num(values)
        _, slopes = self._roots(values[:-1])
        return np.diag(np.append(slopes, self.correlation.angle_slope(float(values[-1]))))

    # Theta are smooth coordinates themselves.

    @property
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        return *self._sd_axes, self.correlation.polar_axis

    @property
    @abstractmethod
    def _sd_axes(self) -> tuple[PolarAxis, ...]:
        """What theta but the angle are."""

    def to_polar(self, theta: Floats) -> Floats:
        return np.array(theta, dtype=float)

    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        return np.array(coordinates, dtype=float), np.eye(self.n_theta)

    def _split(self, covariance: Floats) -> tuple[Floats, float]:
        """Standard deviations and the angle of a typical correlation."""
        sds = np.sqrt(np.diag(covariance))
        typical = self.correlation.typical(covariance / (sds[:, None] * sds))
        return sds, self.correlation.angle(typical)


class _EqualSds(_OneCorrelation):
    """One standard deviation for all: theta is (relative sd, angle)."""

    @property
    def n_theta(self) -> int:
        return 2

    def scale(self, column_scale: Floats) -> Floats:
        return np.array([common_size(column_scale), 1.0])

    def factor(self, theta: Floats) -> Floats:
        return theta[..., :1, None] * self.correlation.root(theta[..., 1])[0]

    def derivatives(self, theta: Floats) -> list[Floats]:
        root, slope = self.correlation.root(theta[..., 1])
        return [root, theta[..., :1, None] * slope]

    def nearest(self, covariance: Floats) -> Floats:
        sds, angle = self._split(covariance)
        return np.array([common_size(sds), angle])

    def beyond(self, theta: Floats, scale: Floats) -> list[Floats]:
        # Without variance no angle matters, but the slope of the variance depends on it.
        if theta[0] != 0.0:
            return []
        return [
            np.array([probe / scale[0], angle])
            for probe in (_PROBE, _SMALL_PROBE)
            for angle in _ANGLES
        ]

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return "sd", self.correlation.angle_name

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return common_sd(column_scale), self.correlation.measure

    @property
    def _sd_axes(self) -> tuple[PolarAxis, ...]:
        return (PolarAxis("sd", tuple(range(self.size))),)

    def _sds(self, theta: Floats) -> Floats:
        return np.abs(theta[:-1])

    def _roots(self, sds: Floats) -> tuple[Floats, Floats]:
        return sds, np.ones(1)


class _OwnSds(_OneCorrelation):
    """A standard deviation for each: theta is their square roots, then the angle.

    A negative standard deviation would turn round the correlations of one column with all others,
    which is another matrix; the square of a root is never negative. Where a standard deviation of
    zero is a minimum, the curvature by its root is positive.
    """

    @property
    def n_theta(self) -> int:
        return self.size + 1

    def scale(self, column_scale: Floats) -> Floats:
        return np.append(np.sqrt(column_scale), 1.0)

    def factor(self, theta: Floats) -> Floats:
        return theta[..., :-1, None] ** 2 * self.correlation.root(theta[..., -1])[0]

    def derivatives(self, theta: Floats) -> list[Floats]:
        root, slope = self.correlation.root(theta[..., -1])
        out = np.zeros((self.n_theta, *root.shape))
        each = np.arange(self.size)
        own = 2.0 * theta[..., :-1, None] * root
        out[each, ..., each, :] = np.moveaxis(own, -2, 0)
        out[-1] = theta[..., :-1, None] ** 2 * slope
        return list(out)

    def nearest(self, covariance: Floats) -> Floats:
        sds, angle = self._split(covariance)
        return np.append(np.sqrt(sds), angle)

    def beyond(self, theta: Floats, scale: Floats) -> list[Floats]:
        # Beside an sd of zero the objective may fall with its square, the fourth power of the
        # root; and an angle that suits the other columns need not suit all of them.
        zeros = np.flatnonzero(theta[:-1] == 0.0)
        if not len(zeros):
            return []
        lifted = theta.copy()
        lifted[zeros] = np.sqrt(_PROBE) / scale[zeros]
        out = [np.append(lifted[:-1], angle) for angle in _ANGLES]
        # With fewer than two sds no angle matters, but slopes depend on it.
        angles = _ANGLES if len(zeros) > self.size - 2 else (float(theta[-1]),)
        for i in zeros:
            for angle in angles:
                point = np.append(theta[:-1], angle)
                point[i] = lifted[i]
                out.append(point)
        return out

    def elsewhere(self, theta: Floats, scale: Floats) -> list[Floats]:
        # One minimum has one standard deviation of zero, the other has another, or none.
        lifted = np.maximum(np.abs(theta), np.sqrt(_PROBE) / scale)
        out = []
        for i in range(self.size):
            for angle in _FAR:
                point = lifted.copy()
                point[..., i] = _VANISHING / scale[i]
                point[..., -1] = angle
                out.append(point)
        return out

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return *(f"sqrt.{name}" for name in names), self.correlation.angle_name

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return *own_sds(names, column_scale), self.correlation.measure

    @property
    def _sd_axes(self) -> tuple[PolarAxis, ...]:
        return tuple(PolarAxis("sd", (i,), power=2) for i in range(self.size))

    def _sds(self, theta: Floats) -> Floats:
        return np.asarray(theta[:-1] ** 2, dtype=float)

    def _roots(self, sds: Floats) -> tuple[Floats, Floats]:
        roots = np.sqrt(np.maximum(sds, 0.0))
        with np.errstate(divide="ignore"):
            return roots, 0.5 / roots


class CompoundSymmetry(_OwnSds):
    """Compound symmetry, heterogeneous: own standard deviations, one correlation for all pairs."""

    name = "cs"
    label = "compound symmetry"
    colour = "#7A1F5C"
    shape = "triangle-up"
    kind = CompoundCorrelation
    special_cases = frozenset({"homcs", "zerocorr", "homdiag"})


class Ar1(_EqualSds):
    """First-order autoregression: one standard deviation, correlation rho ** distance."""

    name = "ar1"
    label = "autoregression"
    colour = "#879951"
    shape = "triangle-left"
    kind = AutoregressiveCorrelation
    ordered = True
    special_cases = frozenset({"homdiag"})


class HetAr1(_OwnSds):
    """First-order autoregression, heterogeneous: own standard deviations."""

    name = "hetar1"
    label = "autoregression, own sds"
    colour = "#6B5300"
    shape = "triangle-right"
    kind = AutoregressiveCorrelation
    ordered = True
    special_cases = frozenset({"ar1", "zerocorr", "homdiag"})


class HomCompoundSymmetry(CovarianceStructure):
    """Compound symmetry, homogeneous: one standard deviation s and one correlation rho.

    Theta is (a, m): ``a = s sqrt(1 - rho)``, the standard deviation of a difference over
    ``sqrt(2)``, and ``m = s sqrt((1 + (k-1) rho) / k)``, that of the mean of the k effects, both
    relative to sigma. The covariance ``a**2 (I - J/k) + m**2 J`` is a polynomial in them, and the
    ends of the range of rho are a = 0 and m = 0.

    The Cholesky factor follows from that of :class:`CompoundCorrelation`: with
    ``c = m**2 - a**2 / k``, the covariance of two effects, and ``e_j = a**2 + (j + 1) c``
    (positive for j < k - 1 unless a = m = 0)

    * column 0: ``sqrt(e_0)``, below it ``c / sqrt(e_0)``;
    * column j: ``a sqrt(e_j / e_{j-1})``, below it ``a c / sqrt(e_{j-1} e_j)``;
    * last entry: ``a m sqrt(k) / sqrt(e_{k-2})``.
    """

    name = "homcs"
    label = "compound symmetry, one sd"
    colour = "#CC79A7"
    shape = "triangle-down"
    least_columns = 2
    special_cases = frozenset({"homdiag"})

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        self.correlation = CompoundCorrelation(size)

    @property
    def n_theta(self) -> int:
        return 2

    @property
    def lower(self) -> Floats:
        return np.zeros(2)

    def start(self) -> Floats:
        return np.array([1.0, 1.0 / np.sqrt(self.size)])

    def scale(self, column_scale: Floats) -> Floats:
        return common_size(column_scale) * np.array([1.0, np.sqrt(self.size)])

    def factor(self, theta: Floats) -> Floats:
        return self._with_slopes(theta)[0]

    def derivatives(self, theta: Floats) -> list[Floats]:
        return list(self._with_slopes(theta)[1:])

    def nearest(self, covariance: Floats) -> Floats:
        sds = np.sqrt(np.diag(covariance))
        s, k = common_size(sds), self.size
        typical = self.correlation.typical(covariance / (sds[:, None] * sds))
        rho = self.correlation.value(self.correlation.angle(typical))
        return s * np.sqrt(np.array([1.0 - rho, (1.0 + (k - 1) * rho) / k]))

    def canonical(self, theta: Floats) -> Floats:
        return np.abs(theta)

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return "differences", "mean"

    def measures(self, names: tuple[str, ...], column_scale: Floats) -> tuple[Measure, ...]:
        return common_sd(column_scale), self.correlation.measure

    def measured(self, theta: Floats) -> Floats:
        k = self.size
        a2, m2 = (float(value) ** 2 for value in theta)
        variance = m2 + a2 * (k - 1) / k
        if variance == 0.0:
            return np.array([0.0, np.nan])
        return np.array([np.sqrt(variance), (m2 - a2 / k) / variance])

    def from_measures(self, values: Floats, around: Floats) -> Floats:
        return self._of_sd(values)[0]

    def measure_slopes(self, values: Floats, around: Floats) -> Floats:
        return self._of_sd(values)[1]

    # With psi = angle/2 + pi/4, as for `CompoundCorrelation`: a = s sqrt(k/(k-1)) cos(psi) and
    # m = s sin(psi).

    @property
    def polar_axes(self) -> tuple[PolarAxis, ...]:
        return PolarAxis("sd", tuple(range(self.size))), self.correlation.polar_axis

    def to_polar(self, theta: Floats) -> Floats:
        shape = np.sqrt((self.size - 1) / self.size)
        apart, mean = theta[0] * shape, theta[1]
        angle = 2.0 * np.arctan2(mean, apart) - np.pi / 2
        return np.array([np.hypot(apart, mean), angle])

    def from_polar(self, coordinates: Floats) -> tuple[Floats, Floats]:
        sd, angle = (float(value) for value in coordinates)
        psi = angle / 2 + np.pi / 4
        apart = np.sqrt(self.size / (self.size - 1)) * np.cos(psi)
        turned = -np.sqrt(self.size / (self.size - 1)) * np.sin(psi)
        mean, mean_turned = np.sin(psi), np.cos(psi)
        slopes = np.array([[apart, sd * turned / 2], [mean, sd * mean_turned / 2]])
        return sd * np.array([apart, mean]), slopes

    def _of_sd(self, values: Floats) -> tuple[Floats, Floats]:
        """Theta of a standard deviation and a correlation, and its derivatives (2, 2) by them."""
        k = self.size
        sd, rho = (float(value) for value in np.nan_to_num(values))
        apart = np.sqrt(max(0.0, 1.0 - rho))
        mean = np.sqrt(max(0.0, (1.0 + (k - 1) * rho) / k))
        with np.errstate(divide="ignore", invalid="ignore"):
            by_rho = np.array([-1.0, (k - 1) / k]) * sd / (2.0 * np.array([apart, mean]))
        slopes = np.column_stack([[apart, mean], by_rho])
        return sd * np.array([apart, mean]), slopes

    def _with_slopes(self, theta: Floats) -> Floats:
        """The factor and its derivatives by a and by m, (3, ..., k, k)."""
        k = self.size
        a, m = theta[..., :1], theta[..., 1:]
        # The factor has a corner where both are zero. The objective has not, and its derivative by
        # the factor is zero: the derivatives along the axes serve as well as any.
        corner = (a == 0.0) & (m == 0.0)
        if corner.any():
            a, m = np.where(corner, 1.0, a), np.where(corner, 1.0, m)
        out = np.zeros((3, *a.shape[:-1], k, k))
        c = m**2 - a**2 / k
        e = a**2 + np.arange(1, k) * c  # e_0 ... e_{k-2}
        # Derivatives by a and by m of c and of e.
        d_c = np.array([-2.0 * a / k, 2.0 * m])
        d_e = np.arange(1, k) * d_c
        d_e[0] += 2.0 * a
        d_a, d_m = np.array([1.0, 0.0]), np.array([0.0, 1.0])
        shape = (2, *(1,) * a.ndim)
        d_a, d_m = d_a.reshape(shape), d_m.reshape(shape)
        first = np.sqrt(e[..., :1])
        out[0, ..., 0, 0] = first[..., 0]
        out[1:, ..., 0, 0] = (d_e[..., :1] / (2.0 * first))[..., 0]
        out[0, ..., 1:, 0] = c / first
        out[1:, ..., 1:, 0] = d_c / first - c * d_e[..., :1] / (2.0 * first**3)
        before, here = e[..., :-1], e[..., 1:]
        d_before, d_here = d_e[..., :-1], d_e[..., 1:]
        inner = np.arange(1, k - 1)
        ratio = np.sqrt(here / before)
        grows = d_here / here - d_before / before
        out[0, ..., inner, inner] = np.moveaxis(a * ratio, -1, 0)
        out[1:, ..., inner, inner] = d_a * ratio + a * ratio / 2 * grows
        both = 1.0 / np.sqrt(before * here)
        below = np.tril(np.ones((k, k)), -1)[:, 1 : k - 1]
        out[0, ..., 1 : k - 1] += below * (a * c * both)[..., None, :]
        change = (d_a * c + a * d_c) * both - a * c * both / 2 * (d_here / here + d_before / before)
        out[1:, ..., 1 : k - 1] += below * change[..., None, :]
        end = np.sqrt(k / e[..., -1:])
        last = (d_a * m + a * d_m) * end - a * m * end * d_e[..., -1:] / (2.0 * e[..., -1:])
        out[0, ..., -1, -1] = (a * m * end)[..., 0]
        out[1:, ..., -1, -1] = last[..., 0]
        if corner.any():
            axes = np.zeros((3, k, k))
            axes[1], axes[2, :, 0] = np.eye(k), 1.0
            out = np.where(corner[..., None], axes.reshape(3, *(1,) * (a.ndim - 1), k, k), out)
        return out
