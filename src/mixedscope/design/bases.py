"""Functions of a formula that make several columns of one: what they learn, and their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError
from mixedscope.formula.tree import Call, Node, Number, Paren

__all__ = ["BASES", "Basis", "Polynomials", "orthogonal_polynomials"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Basis:
    """A function of a formula that makes columns ``f(x)1``, ``f(x)2``, … of one column.

    Attributes
    ----------
    read : callable
        ``read(text, node)`` gives the column's node and the settings of a call in the formula
        `text`, or raises FormulaError.
    learn : callable
        ``learn(x, settings, call)`` gives what `columns` needs of the rows a model is made from, or
        raises DataError, which names the `call` as written.
    columns : callable
        ``columns(x, learned)`` gives the columns (m, k) for values (m,) of any rows.
    """

    read: Callable[[str, Call], tuple[Node, Any]]
    learn: Callable[[Floats, Any, str], Any]
    columns: Callable[[Floats, Any], Floats]


# -- orthogonal polynomials -----------------------------------------------------------------------


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


def _read_poly(text: str, node: Call) -> tuple[Node, int]:
    arguments = list(node.arguments)
    for name, value in node.keywords:
        if name != "degree" or len(arguments) > 1:
            raise FormulaError(
                text, value.position, "poly() takes a column and a degree: poly(x, 2)."
            )
        arguments.append(value)
    if len(arguments) > 2:
        raise FormulaError(text, arguments[2].position, "poly() takes one column and a degree.")
    degree: Node = arguments[1] if len(arguments) == 2 else Number(1.0, "1", 0)
    while isinstance(degree, Paren):
        degree = degree.inner
    if not isinstance(degree, Number) or degree.value not in range(1, 26):
        raise FormulaError(
            text, degree.position, "The degree of poly() must be a whole number from 1 to 25."
        )
    return arguments[0], int(degree.value)


def _learn_poly(x: Floats, degree: int, call: str) -> Polynomials:
    distinct = len(np.unique(x))
    if degree >= distinct:
        raise DataError(
            f"{call}: the degree must be less than the number of different values, {distinct}."
        )
    return orthogonal_polynomials(x, degree)


#: By name of the function.
BASES: Final[dict[str, Basis]] = {
    "poly": Basis(_read_poly, _learn_poly, lambda x, learned: learned.columns(x)),
}
