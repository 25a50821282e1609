"""One grouping factor of a model: its columns, and the factor that theta gives them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.errors import DataError
from mixedscope.model.basis import products_of_rows
from mixedscope.model.covariance import CovarianceStructure, make_structure
from mixedscope.model.design import RandomDesign

__all__ = ["LARGEST", "RandomTerm", "joined", "random_terms"]

Floats = NDArray[np.float64]
_Kind = TypeVar("_Kind", bound=np.generic)

LARGEST = 1e145
"""Numbers up to this, and down to its reciprocal, can be squared and summed."""

# Smallest eigenvalue of the matrix of cosines between columns below which they are nearly
# collinear; and the least of a column that counts as its own.
_COLLINEAR = 0.01
_OWN = 1e-4


@dataclass(frozen=True)
class RandomTerm:
    """The random effects of one grouping factor, all its terms of the formula together.

    Attributes
    ----------
    design : RandomDesign
    structures : tuple of CovarianceStructure
        One per part of the design: the covariance of the factor is their direct sum.
    column_scale : (k,) array
        Root mean square of the columns, rows multiplied by the square roots of the weights
        (1 for a column of zeros).
    standard : (n, k) array
        The columns in units of it, rows multiplied by the square roots of the weights; the same
        array in terms that share their columns.
    theta : slice
        Where its parameters stand in the model's theta.
    mixing : tuple of (k, k) array or None
        Per part of the design, where its columns are nearly collinear and its covariance
        unstructured: lower triangular M such that the columns are ``Q @ M`` with those of Q
        orthogonal and of unit root mean square.
    """

    design: RandomDesign
    structures: tuple[CovarianceStructure, ...]
    column_scale: Floats
    standard: Floats
    theta: slice
    mixing: tuple[Floats | None, ...]

    @property
    def group(self) -> str:
        """Name of the grouping factor."""
        return self.design.group

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the k columns."""
        return self.design.names

    @property
    def size(self) -> int:
        """Number of columns k."""
        return len(self.design.names)

    def factor(self, theta: Floats) -> Floats:
        """Relative covariance factor (k, k) in the units of the columns, from the term's theta."""
        lam = np.zeros((self.size, self.size))
        for columns, structure, part in self._split(theta):
            lam[columns, columns] = structure.factor(part)
        return lam

    def standard_factor(self, theta: Floats) -> Floats:
        """Relative covariance factor for columns of unit root mean square."""
        return self.factor(theta) * self.column_scale[:, None]

    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        """Turn a derivative by :meth:`standard_factor` into one by the term's theta."""
        own = gradient * self.column_scale[:, None]
        return np.concatenate(
            [
                structure.pullback(part, own[columns, columns])
                for columns, structure, part in self._split(theta)
            ]
        )

    def entries(self) -> tuple[NDArray[np.intp], Floats] | None:
        """Where theta stands in the flattened factor (k k,), and what scales it there.

        None if a structure does more than put theta in its places.
        """
        places, scales = [], []
        for columns, structure, _ in self._layout:
            if structure.entries is None:
                return None
            rows, cols = structure.entries
            first = columns.start
            places.append(rows * self.size + cols + first * (self.size + 1))
            scales.append(self.column_scale[rows + first if first else rows])
        return joined(places), joined(scales)

    @property
    def entry_places(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the factor where theta stands, where all its structures do so."""
        rows, cols = [], []
        for columns, structure, _ in self._layout:
            assert structure.entries is not None
            first = columns.start
            rows.append(structure.entries[0] + first if first else structure.entries[0])
            cols.append(structure.entries[1] + first if first else structure.entries[1])
        return joined(rows), joined(cols)

    def nearest_theta(self, covariance: Floats) -> Floats:
        """Theta nearest to a relative covariance (k, k) for columns of unit mean square."""
        own = covariance / (self.column_scale[:, None] * self.column_scale)
        return joined([s.nearest(own[columns, columns]) for columns, s, _ in self._layout])

    def standard_derivatives(self, theta: Floats) -> list[Floats]:
        """Derivative (k, k) of :meth:`standard_factor` by every entry of the term's theta."""
        out = []
        for columns, structure, part in self._split(theta):
            for derivative in structure.derivatives(part):
                full = np.zeros((self.size, self.size))
                full[columns, columns] = derivative * self.column_scale[columns][:, None]
                out.append(full)
        return out

    @cached_property
    def free_entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns (row >= column) of the entries of the covariance that are free."""
        rows, cols = [], []
        for columns, structure, _ in self._layout:
            first = columns.start
            rows.append(structure.free_pairs[0] + first)
            cols.append(structure.free_pairs[1] + first)
        return joined(rows), joined(cols)

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        return self.theta.stop - self.theta.start

    @property
    def scale(self) -> Floats:
        """Factors that bring theta to columns of unit root mean square, shape (n_theta,)."""
        return joined([s.scale(self.column_scale[columns]) for columns, s, _ in self._layout])

    @property
    def coordinates(self) -> Floats | None:
        """Matrix (n_theta, n_theta) from theta to entries of ``M @ factor``; None without any M.

        These are theta for columns that are not collinear any more, and scaled theta elsewhere.
        """
        if all(m is None for m in self.mixing):
            return None
        out = np.diag(self.scale)
        at = 0
        for structure, mixing in zip(self.structures, self.mixing, strict=True):
            own = slice(at, at + structure.n_theta)
            if mixing is not None and structure.entries is not None:
                rows, cols = structure.entries
                out[own, own] = mixing[np.ix_(rows, rows)] * (cols[:, None] == cols)
            at = own.stop
        return out

    @property
    def start(self) -> Floats:
        """Theta of the identity for columns of unit root mean square, shape (n_theta,)."""
        return joined([s.identity for s in self.structures]) / self.scale

    @property
    def lower(self) -> Floats:
        """Canonical lower bounds of theta, shape (n_theta,)."""
        return joined([s.lower for s in self.structures])

    @property
    def edges(self) -> Floats:
        """Sizes of theta at which the covariance is singular, shape (n_theta,); NaN where none."""
        return joined([s.edges for s in self.structures])

    def beyond(self, theta: Floats) -> list[Floats]:
        """Points (n_theta,) from which to look past a degenerate theta; see the structures."""
        out = []
        at = 0
        for columns, structure, part in self._split(theta):
            own = slice(at, at + structure.n_theta)
            for point in structure.beyond(part, structure.scale(self.column_scale[columns])):
                out.append(np.concatenate([theta[: own.start], point, theta[own.stop :]]))
            at = own.stop
        return out

    def enlarged(self, theta: Floats, times: float) -> Floats:
        """Theta (n_theta,) of random effects so many times as large, correlated as before."""
        return np.concatenate([s.enlarged(part, times) for _, s, part in self._split(theta)])

    @property
    def rank(self) -> int:
        """Rank of the covariance where no parameter is at an end of its range."""
        return sum(s.rank for s in self.structures)

    def canonical(self, theta: Floats) -> Floats:
        """Return the theta of the same covariance within its canonical range."""
        return np.concatenate([s.canonical(part) for _, s, part in self._split(theta)])

    def theta_names(self) -> tuple[str, ...]:
        """Names as lme4's: ``Subject.(Intercept)``, ``Subject.Days.(Intercept)``.

        A name that two parts of the group would have, such as ``Subject.sd``, is followed by the
        first column of its part.
        """
        inner: list[tuple[str, str]] = []
        for part, structure in zip(self.design.parts, self.structures, strict=True):
            columns = tuple(self.names[c] for c in part.columns)
            inner.extend((name, columns[0]) for name in structure.theta_names(columns))
        if len(self.structures) == 1:
            return tuple(f"{self.group}.{name}" for name, _ in inner)
        count = Counter(name for name, _ in inner)
        return tuple(
            f"{self.group}.{name}" if count[name] == 1 else f"{self.group}.{name}.{first}"
            for name, first in inner
        )

    def _split(self, theta: Floats) -> list[tuple[slice, CovarianceStructure, Floats]]:
        return [(columns, structure, theta[own]) for columns, structure, own in self._layout]

    @cached_property
    def _layout(self) -> list[tuple[slice, CovarianceStructure, slice]]:
        """Columns, structure and place in the term's theta of every part."""
        out = []
        at = 0
        for part, structure in zip(self.design.parts, self.structures, strict=True):
            columns = slice(part.columns[0], part.columns[-1] + 1)
            out.append((columns, structure, slice(at, at + structure.n_theta)))
            at += structure.n_theta
        return out


def joined(parts: Sequence[NDArray[_Kind]]) -> NDArray[_Kind]:
    """Join one-dimensional arrays; a single one is given back as it is, not to be written to."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def random_terms(
    designs: tuple[RandomDesign, ...], root_weights: Floats | None
) -> tuple[RandomTerm, ...]:
    """Attach structures, scales and places in theta to the random effects of a design."""
    out: list[RandomTerm] = []
    measured: dict[int, tuple[Floats, Floats, Floats]] = {}
    first = 0
    for design in designs:
        structures = tuple(
            make_structure(part.structure, len(part.columns), part.settings)
            for part in design.parts
        )
        n_theta = sum(s.n_theta for s in structures)
        key = id(design.Z)  # terms with the same columns share them
        if key not in measured:
            measured[key] = _measure(design, root_weights)
        scale, cosines, standard = measured[key]
        mixing = tuple(
            _mixing(standard, scale, cosines, list(part.columns))
            if structure.name == "full" and len(part.columns) > 1
            else None
            for part, structure in zip(design.parts, structures, strict=True)
        )
        own = slice(first, first + n_theta)
        out.append(RandomTerm(design, structures, scale, standard, own, mixing))
        first = own.stop
    return tuple(out)


def _measure(design: RandomDesign, root_weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Root mean squares of the columns (k,), cosines between them (k, k), and standard columns."""
    # Along rows of contiguous memory sums are several times faster.
    rows = np.ascontiguousarray(design.Z.T)
    if root_weights is not None:
        rows = rows * root_weights
    products = products_of_rows(rows)
    squares = products.diagonal().tolist()  # so few that numpy takes longer
    if min(squares) > LARGEST**-2 and max(squares) < LARGEST**2:
        lengths = np.sqrt(products.diagonal())
        scale = lengths / math.sqrt(len(design.Z))
        cosines = products / (lengths[:, None] * lengths)
    else:
        scale, cosines = _measure_extreme(design, rows)
    if root_weights is None and set(scale.tolist()) == {1.0}:
        return scale, cosines, design.Z
    standard = np.empty(design.Z.shape)
    for column, row in enumerate(rows):
        np.divide(row, scale[column], out=standard[:, column])
    return scale, cosines, standard


def _measure_extreme(design: RandomDesign, rows: Floats) -> tuple[Floats, Floats]:
    """Root mean squares of the rows (k, n) and their cosines, for huge, tiny and zero ones."""
    # Divided by the largest entry first: squares of huge or tiny covariates stay finite.
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1))
    largest[largest == 0.0] = 1.0
    relative = rows / largest[:, None]
    lengths = np.sqrt(np.array([row @ row for row in relative]))
    scale = np.where(lengths > 0.0, largest * lengths / math.sqrt(len(design.Z)), 1.0)
    for name, size in zip(design.names, scale, strict=True):
        if not 1.0 / LARGEST <= size <= LARGEST:
            raise DataError(
                f"The values of {name!r} in the random effects of {design.group!r}, times the "
                f"square roots of the weights if there are any, are about {size:.0e}: their "
                "squares are beyond the range of floating-point numbers. Measure the variable "
                "in another unit."
            )
    standard = rows / scale[:, None]
    cosines = standard @ standard.T / len(design.Z)
    np.fill_diagonal(cosines, 1.0)  # a column of zeros is nothing to be untangled
    return scale, cosines


def _mixing(standard: Floats, scale: Floats, cosines: Floats, columns: list[int]) -> Floats | None:
    """Write nearly collinear columns as orthogonal ones times a lower triangle.

    The order is from the last column to the first, so that the product of the triangle and a
    lower triangular factor is lower triangular too. None where nothing is nearly collinear.
    """
    if len(columns) == 2:
        smallest = 1.0 - abs(float(cosines[columns[1], columns[0]]))
    else:
        smallest = float(np.linalg.eigvalsh(cosines[np.ix_(columns, columns)])[0])
    if smallest >= _COLLINEAR:
        return None
    upper = np.linalg.qr(standard[:, columns[::-1]], mode="r") / np.sqrt(len(standard))
    signs = np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    lower = (upper * signs[:, None])[::-1, ::-1]
    np.fill_diagonal(lower, np.maximum(np.diag(lower), _OWN))
    return np.asarray(lower * scale[columns])
