"""Covariance structures: how theta makes the relative covariance factor of one random-effects term.

A term with k columns has covariance ``sigma**2 * lam @ lam.T`` for every level of its grouping
factor; ``lam`` (k, k), lower triangular, is the relative covariance factor and theta are its free
parameters (Bates, Maechler, Bolker & Walker 2015, J. Stat. Softw. 67(1), eq. 4).

A new structure is one class here, entered in :data:`STRUCTURES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.errors import ModelError, suggest

__all__ = ["STRUCTURES", "CovarianceStructure", "Full", "Intercept", "ZeroCorr", "make_structure"]

Floats = NDArray[np.float64]


class CovarianceStructure(ABC):
    """Map between the free parameters of one term and its relative covariance factor.

    Parameters
    ----------
    size : int
        Number of columns k of the term.
    settings : mapping of str to float, optional
        Settings of the structure, where it has any.

    Attributes
    ----------
    name : str
        The name users write in formulas and configurations.
    entries : tuple of (n_theta,) arrays of int, or None
        Rows and columns where theta stands in the factor, if that is all the structure does.
    intercept_only : bool
        Whether the structure replaces the columns of its term by a single intercept.
    correlates : bool
        Whether random effects of the term may be correlated.
    """

    entries: tuple[NDArray[np.intp], NDArray[np.intp]] | None = None
    name: ClassVar[str]
    intercept_only: ClassVar[bool] = False
    correlates: ClassVar[bool] = True

    def __init__(self, size: int, settings: Mapping[str, float] | None = None) -> None:
        if settings:
            raise ModelError(
                f"Covariance structure {self.name!r} takes no settings, got {sorted(settings)}."
            )
        self.size = size

    @property
    @abstractmethod
    def n_theta(self) -> int:
        """Number of free parameters."""

    @property
    @abstractmethod
    def lower(self) -> Floats:
        """Canonical lower bounds, shape (n_theta,): 0 where the sign is a convention."""

    @abstractmethod
    def start(self) -> Floats:
        """Theta of the identity, shape (n_theta,)."""

    @abstractmethod
    def scale(self, column_scale: Floats) -> Floats:
        """Factors that bring theta to columns of unit root mean square, shape (n_theta,).

        Parameters
        ----------
        column_scale : (k,) array
            Root mean square of each column of the term.
        """

    @abstractmethod
    def factor(self, theta: Floats) -> Floats:
        """Relative covariance factor, shape (k, k), lower triangular."""

    @abstractmethod
    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        """Turn a derivative by the factor, shape (k, k), into one by theta, shape (n_theta,)."""

    @abstractmethod
    def derivatives(self, theta: Floats) -> list[Floats]:
        """Derivative (k, k) of the factor by every entry of theta."""

    @abstractmethod
    def nearest(self, covariance: Floats) -> Floats:
        """Theta whose covariance is, or comes close to, a positive definite one (k, k)."""

    @abstractmethod
    def canonical(self, theta: Floats) -> Floats:
        """Return the theta of the same covariance that respects :attr:`lower`."""

    @abstractmethod
    def theta_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of theta from the names of the columns, as in lme4 (without the group)."""


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

    def __init__(self, size: int, settings: Mapping[str, float] | None = None) -> None:
        super().__init__(size, settings)
        # np.triu_indices runs through rows; transposed, that is column by column of the lower part.
        self._cols, self._rows = np.triu_indices(size)
        self.entries = self._rows, self._cols


class ZeroCorr(_Pattern):
    """Diagonal covariance: every column has its own variance, none are correlated."""

    name = "zerocorr"
    correlates = False

    def __init__(self, size: int, settings: Mapping[str, float] | None = None) -> None:
        super().__init__(size, settings)
        self._rows = self._cols = np.arange(size)
        self.entries = self._rows, self._cols


class Intercept(Full):
    """Intercepts only: the term is reduced to ``(1 | g)``."""

    name = "intercept"
    intercept_only = True

    def __init__(self, size: int = 1, settings: Mapping[str, float] | None = None) -> None:
        if size != 1:
            raise ModelError(f"Structure 'intercept' has one column, not {size}.")
        super().__init__(size, settings)


STRUCTURES: dict[str, type[CovarianceStructure]] = {
    structure.name: structure for structure in (Full, ZeroCorr, Intercept)
}
"""Covariance structures by the name users write."""


def make_structure(
    name: str, size: int, settings: Mapping[str, float] | None = None
) -> CovarianceStructure:
    """Build the covariance structure called `name` for a term of `size` columns.

    Raises
    ------
    ModelError
        If no structure has that name.
    """
    if name not in STRUCTURES:
        known = ", ".join(STRUCTURES)
        raise ModelError(
            f"Unknown covariance structure {name!r}.{suggest(name, STRUCTURES)} Known are: {known}."
        )
    return STRUCTURES[name](size, settings)
