"""Polynomials of one column: orthonormal ones, learned from its values, and plain powers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Polynomials", "Powers", "orthogonal_polynomials"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Polynomials:
    """What `orthogonal_polynomials` learned: how each column is made of those before it.

    Attributes
    ----------
    mean, size : float
        Values are centred at `mean` and divided by `size`, the largest deviation from it.
    first : float
        Value of the polynomial of degree 0.
    shares : tuple of (2 j,) array
        Per degree j: what the j columns before it take away, twice.
    lengths : tuple of float
        Per degree: what is left is divided by it.
    """

    mean: float
    size: float
    first: float
    shares: tuple[Floats, ...]
    lengths: tuple[float, ...]

    def columns(self, x: Floats) -> Floats:
        """Polynomials (m, degree) of values (m,): for the values learned from, to the bit."""
        centred = (x - self.mean) / self.size
        basis = [np.full(len(centred), self.first)]
        for shares, length in zip(self.shares, self.lengths, strict=True):
            column = centred * basis[-1]
            for share, earlier in zip(shares.tolist(), (*basis, *basis), strict=True):
                column = column - share * earlier
            basis.append(column / length)
        return np.ascontiguousarray(np.array(basis[1:]).T)


def orthogonal_polynomials(x: Floats, degree: int) -> Polynomials:
    """Learn orthonormal polynomials in `x` (n,) of degree 1 to `degree`, as R's ``poly``.

    For these values the columns have length one, sum to zero, and have positive leading
    coefficients. Each is x times the one before, made orthogonal to all before it (Brubeck,
    Nakatsukasa & Trefethen 2021, SIAM Review 63(2): Vandermonde with Arnoldi), which is stable
    where powers of x are not.
    """
    mean = float(np.mean(x))
    centred = x - mean
    size = float(np.abs(centred).max())  # columns are normalised below, so scale is free
    centred = centred / size
    basis = np.empty((degree + 1, len(centred)))
    basis[0] = first = float(1.0 / np.sqrt(len(centred)))
    all_shares, lengths = [], []
    for j in range(1, degree + 1):
        # Orthogonalised twice, against rounding; plain sums, because those of BLAS depend on its
        # number of threads.
        column = centred * basis[j - 1]
        shares = []
        for earlier in (*basis[:j], *basis[:j]):
            shares.append(float(np.sum(column * earlier)))
            column = column - shares[-1] * earlier
        all_shares.append(np.array(shares))
        lengths.append(float(np.sqrt(np.sum(column * column))))
        basis[j] = column / lengths[-1]
    return Polynomials(mean, size, first, tuple(all_shares), tuple(lengths))


@dataclass(frozen=True)
class Powers:
    """Powers 1 to `degree` of a column, as they are."""

    degree: int

    def columns(self, x: Floats) -> Floats:
        """Powers (m, degree) of values (m,)."""
        return np.ascontiguousarray(x[:, None] ** np.arange(1, self.degree + 1))
