"""Structures whose factor holds theta itself: unstructured, diagonal, reduced rank."""

# The methods are documented where the base class declares them.
# ruff: noqa: D102

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.errors import ModelError
from mixedscope.model.structures.base import CovarianceStructure, Floats, Settings

__all__ = ["Full", "HomDiag", "Intercept", "ReducedRank", "ZeroCorr"]


class _Pattern(CovarianceStructure):
    """A factor whose entries at fixed places are theta itself, column by column."""

    _rows: NDArray[np.intp]
    _cols: NDArray[np.intp]

    @property
    def n_theta(self) -> int:
        return len(self._rows)

    @property
    def lower(self) -> Floats:
        return np.where(self._rows == self._cols, 0.0, -np.inf)

    def start(self) -> Floats:
        return np.where(self._rows == self._cols, 1.0, 0.0)

    def scale(self, column_scale: Floats) -> Floats:
        return np.asarray(column_scale[self._rows], dtype=float)

    def factor(self, theta: Floats) -> Floats:
        lam = np.zeros((self.size, self.size))
        lam[self._rows, self._cols] = theta
        return lam

    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        return np.asarray(gradient[self._rows, self._cols], dtype=float)

    def derivatives(self, theta: Floats) -> list[Floats]:
        out = np.zeros((self.n_theta, self.size, self.size))
        out[np.arange(self.n_theta), self._rows, self._cols] = 1.0
        return list(out)

    def nearest(self, covariance: Floats) -> Floats:
        free = np.linalg.cholesky(covariance if self.correlates else np.diag(np.diag(covariance)))
        return np.asarray(free[self._rows, self._cols], dtype=float)

    def canonical(self, theta: Floats) -> Floats:
        # lam @ lam.T does not change when a whole column changes its sign; the first entry of a
        # column that is not zero, its diagonal as a rule, is made positive.
        sign = np.ones(self.size)
        for entry in range(self.n_theta - 1, -1, -1):
            if theta[entry] != 0.0:
                sign[self._cols[entry]] = np.sign(theta[entry])
        return theta * sign[self._cols] + 0.0

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            names[i] if i == j else f"{names[i]}.{names[j]}"
            for i, j in zip(self._rows, self._cols, strict=True)
        )


class Full(_Pattern):
    """Unstructured covariance: the whole lower triangle is free (the default)."""

    name = "full"
    special_cases = frozenset(
        {"zerocorr", "homdiag", "cs", "homcs", "ar1", "hetar1", "rr", "intercept"}
    )

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        # np.triu_indices runs through rows; transposed, that is column by column of the lower part.
        self._cols, self._rows = np.triu_indices(size)
        self.entries = self._rows, self._cols


class ZeroCorr(_Pattern):
    """Diagonal covariance: every column has its own variance, none are correlated."""

    name = "zerocorr"
    correlates = False
    special_cases = frozenset({"homdiag"})

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        self._rows = self._cols = np.arange(size)
        self.entries = self._rows, self._cols


class Intercept(Full):
    """Intercepts only: the term is reduced to ``(1 | g)``."""

    name = "intercept"
    intercept_only = True
    special_cases = frozenset()

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
    settings_names = ("d",)
    least_columns = 2
    special_cases = frozenset({"rr"})

    def __init__(self, size: int, settings: Settings | None = None) -> None:
        super().__init__(size, settings)
        d = float((settings or {}).get("d", 2))
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

    def nearest(self, covariance: Floats) -> Floats:
        # The principal part of the correlations, so that units do not decide what is kept.
        sds = np.sqrt(np.diag(covariance))
        values, vectors = np.linalg.eigh(covariance / (sds[:, None] * sds))
        root = vectors[:, -self._rank :] * np.sqrt(values[-self._rank :]) * sds[:, None]
        upper = np.linalg.qr(root.T)[1]
        return self.canonical(np.asarray(upper.T[self._rows, self._cols], dtype=float))


class HomDiag(CovarianceStructure):
    """One variance for all columns, none are correlated: theta is their relative sd."""

    name = "homdiag"
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
        return np.eye(self.size) * theta[0]

    def derivatives(self, theta: Floats) -> list[Floats]:
        return [np.eye(self.size)]

    def nearest(self, covariance: Floats) -> Floats:
        return np.array([common_size(np.sqrt(np.diag(covariance)))])

    def canonical(self, theta: Floats) -> Floats:
        return np.abs(theta)

    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return ("sd",)


def common_size(values: Floats) -> float:
    """One size for several positive ones: their geometric mean, which treats units evenly."""
    return float(np.exp(np.mean(np.log(values))))
