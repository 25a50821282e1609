"""One grouping factor of a model: its columns, and the factor that theta gives them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError
from mixedscope.covariance.registry import CovarianceStructure, make_structure
from mixedscope.design.design import RandomDesign
from mixedscope.engine.basis import products_of_rows
from mixedscope.engine.untangle import is_nearly_collinear, uncentred, untangled

__all__ = [
    "LARGEST",
    "GroupEffects",
    "group_effects",
    "inverse_of_lower",
    "joined",
    "numbered_apart",
]

Floats = NDArray[np.float64]
_Kind = TypeVar("_Kind", bound=np.generic)

LARGEST = 1e145
"""Numbers up to this, and down to its reciprocal, can be squared and summed."""

#: Step of central differences of covariances, in theta of columns of unit root mean square.
_STEP = 1e-5


@dataclass(frozen=True)
class GroupEffects:
    """The random effects of one grouping factor, all its terms of the formula together.

    Attributes
    ----------
    design : RandomDesign
    structures : tuple of CovarianceStructure
        One per part of the design: the covariance of the factor is their direct sum.
    column_scale : (k,) array
        Root mean square of the columns, rows multiplied by the square roots of the weights
        (1 for a column of zeros), divided by the `unit`.
    standard : (n, k) array
        The columns that the engine works with: those of the data in units of it, or orthogonal ones
        (see `mixing`), rows multiplied by the square roots of the weights; the same array in terms
        that share their columns.
    theta : slice
        Where its parameters stand in the model's theta.
    mixing : tuple of (k, k) array or None
        Per part of the design, where its columns are nearly collinear and its covariance
        unstructured: lower triangular M such that the columns are ``Q @ M`` with those of Q, which
        the engine works with, orthogonal and of unit root mean square (or zero).
    uncentred : tuple of str
        Columns nearly collinear with others, which the structure forbids to be mixed.
    unit : float
        Root mean square of the columns that the engine works with.
    """

    design: RandomDesign
    structures: tuple[CovarianceStructure, ...]
    column_scale: Floats
    standard: Floats
    theta: slice
    mixing: tuple[Floats | None, ...]
    uncentred: tuple[str, ...] = ()
    unit: float = 1.0

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

    @property
    def correlated(self) -> list[tuple[int, int]]:
        """Pairs of columns, the earlier first, whose correlation is estimated."""
        return [
            (first, second)
            for part, structure in zip(self.design.parts, self.structures, strict=True)
            if structure.correlates
            for first in part.columns
            for second in part.columns
            if first < second
        ]

    def factor(self, theta: Floats) -> Floats:
        """Relative covariance factors (..., k, k) in the units of the columns.

        ``theta`` (..., n_theta): the term's.
        """
        if len(self.structures) == 1:
            return self.structures[0].factor(theta)
        lam = np.zeros((*theta.shape[:-1], self.size, self.size))
        for columns, structure, part in self._split(theta):
            lam[..., columns, columns] = structure.factor(part)
        return lam

    @cached_property
    def _units(self) -> Floats | None:
        """Matrix U (k, k) such that columns of the data are ``standard @ U``, if not diagonal."""
        if all(m is None for m in self.mixing):
            return None
        units = np.diag(self.column_scale)
        for (columns, _, _), mixing in zip(self._layout, self.mixing, strict=True):
            if mixing is not None:
                units[columns, columns] = mixing
        return units

    @cached_property
    def _from_units(self) -> Floats:
        """Inverse of U."""
        assert self._units is not None
        return inverse_of_lower(self._units)

    def unit_factor(self, theta: Floats) -> Floats:
        """Relative covariance factor for the columns of the data at unit root mean square."""
        return self.factor(theta) * self.column_scale[:, None]

    def standard_factor(self, theta: Floats) -> Floats:
        """Relative covariance factor for the columns that the engine works with."""
        if self._units is None:
            return self.unit_factor(theta)
        return self._units @ self.factor(theta)

    def standard_covariance(self, covariance: Floats) -> Floats:
        """Bring a covariance (k, k) of the data's columns to those of the engine."""
        if self._units is None:
            return covariance * self.column_scale[:, None] * self.column_scale
        return self._units @ covariance @ self._units.T

    def data_columns(self, standard: Floats) -> Floats:
        """Bring the engine's columns (n, k) to those of the data, rows weighted as they are."""
        return standard * self.column_scale if self._units is None else standard @ self._units

    def standard_columns(self, columns: Floats) -> Floats:
        """Bring columns (m, k) of the data, of any rows, to those of the engine."""
        return columns / self.column_scale if self._units is None else columns @ self._from_units

    def data_modes(self, modes: Floats) -> Floats:
        """Bring random effects (q, k) of the engine's columns to those of the data."""
        return modes / self.column_scale if self._units is None else modes @ self._from_units.T

    def data_covariances(self, blocks: Floats) -> Floats:
        """Bring covariances (q, k, k) of the engine's random effects to those of the data."""
        if self._units is None:
            return blocks / (self.column_scale[:, None] * self.column_scale)
        return np.asarray(self._from_units @ blocks @ self._from_units.T)

    def pullback(self, theta: Floats, gradient: Floats) -> Floats:
        """Turn derivatives (..., k, k) by :meth:`standard_factor` into those by the term's theta.

        Only the lower triangles of the derivatives count.
        """
        if self._units is None:
            own = gradient * self.column_scale[:, None]
        else:
            own = self._units.T @ np.tril(gradient)
        return np.concatenate(
            [
                structure.pullback(part, own[..., columns, columns])
                for columns, structure, part in self._split(theta)
            ],
            axis=-1,
        )

    @property
    def has_entries(self) -> bool:
        """Whether all that its structures do is to put theta in places of the factor."""
        return all(structure.entries is not None for structure in self.structures)

    def entries(self) -> tuple[NDArray[np.intp], Floats] | None:
        """Where theta stands in the flattened factor (k k,), and what scales it there.

        None if a structure does more than put theta in its places. Where columns are mixed
        `coordinates` takes the place of the scale.
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
        """Theta nearest to a relative covariance (k, k) for the engine's columns."""
        if self._units is None:
            own = covariance / (self.column_scale[:, None] * self.column_scale)
            return joined([s.nearest(own[columns, columns]) for columns, s, _ in self._layout])
        parts = []
        for (columns, structure, _), mixing in zip(self._layout, self.mixing, strict=True):
            own = covariance[columns, columns]
            if mixing is None:
                scale = self.column_scale[columns]
                parts.append(structure.nearest(own / (scale[:, None] * scale)))
                continue
            # The factor is found for the engine's columns, whose covariance is well conditioned.
            assert structure.entries is not None
            factor = structure.factor(structure.nearest(own))
            parts.append((inverse_of_lower(mixing) @ factor)[structure.entries])
        return joined(parts)

    def standard_derivatives(self, theta: Floats) -> list[Floats]:
        """Derivative (k, k) of :meth:`standard_factor` by every entry of the term's theta."""
        out = []
        for columns, structure, part in self._split(theta):
            for derivative in structure.derivatives(part):
                full = np.zeros((self.size, self.size))
                full[columns, columns] = derivative * self.column_scale[columns][:, None]
                if self._units is not None:
                    full[columns, columns] = self._units[columns, columns] @ derivative
                out.append(full)
        return out

    def covariance_curvatures(self, theta: Floats) -> Floats:
        """Second derivatives (p, p, k, k) of ``F F'``, F :meth:`standard_factor`, by p entries."""
        if self.has_entries:
            steps = np.array(self.standard_derivatives(theta))
            half = np.einsum("iab,jcb->ijac", steps, steps)
            return np.asarray(half + half.swapaxes(2, 3))
        # Theta that are no entries bend the factor itself: by differences of first derivatives.
        out = np.empty((self.n_theta, self.n_theta, self.size, self.size))
        lengths = _STEP * np.maximum(1.0, np.abs(theta * self.scale)) / self.scale
        for i, length in enumerate(lengths.tolist()):
            beside = np.array(theta, dtype=float)
            beside[i] += length
            above = self._covariance_slopes(beside)
            beside[i] = theta[i] - length
            out[i] = (above - self._covariance_slopes(beside)) / (2.0 * length)
        return (out + out.swapaxes(0, 1)) / 2.0

    def _covariance_slopes(self, theta: Floats) -> Floats:
        """First derivatives (p, k, k) of ``F F'``, F :meth:`standard_factor`."""
        half = np.array(self.standard_derivatives(theta)) @ self.standard_factor(theta).T
        return np.asarray(half + half.swapaxes(1, 2))

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
        return self.scale_of(1.0)

    def scale_of(self, unit: float) -> Floats:
        """Factors that bring theta to columns of this root mean square, shape (n_theta,)."""
        sizes = self.column_scale / unit
        return joined([s.scale(sizes[columns]) for columns, s, _ in self._layout])

    @property
    def coordinates(self) -> Floats | None:
        """Matrix (n_theta, n_theta) from theta to entries of ``M @ factor``; None without any M.

        These are theta for columns that are not collinear any more, and scaled theta elsewhere.
        """
        return self.coordinates_of(1.0)

    def coordinates_of(self, unit: float) -> Floats | None:
        """Those for columns of this root mean square."""
        if all(m is None for m in self.mixing):
            return None
        out = np.diag(self.scale_of(unit))
        at = 0
        for structure, mixing in zip(self.structures, self.mixing, strict=True):
            own = slice(at, at + structure.n_theta)
            if mixing is not None and structure.entries is not None:
                rows, cols = structure.entries
                out[own, own] = mixing[np.ix_(rows, rows)] * (cols[:, None] == cols) / unit
            at = own.stop
        return out

    @property
    def start(self) -> Floats:
        """Theta of the identity for the engine's columns, shape (n_theta,)."""
        return self.start_of(1.0)

    def start_of(self, unit: float) -> Floats:
        """That of the identity for columns of this root mean square."""
        identity = joined([s.identity for s in self.structures])
        coordinates = self.coordinates_of(unit)
        if coordinates is None:
            return identity / self.scale_of(unit)
        return inverse_of_lower(coordinates) @ identity

    @property
    def lower(self) -> Floats:
        """Canonical lower bounds of theta, shape (n_theta,)."""
        return joined([s.lower for s in self.structures])

    @property
    def edges(self) -> Floats:
        """Sizes of theta at which the covariance is singular, shape (n_theta,); NaN where none."""
        return joined([s.edges for s in self.structures])

    @property
    def columns(self) -> NDArray[np.intp]:
        """Which of theta are entries of one column of the factor (n_theta,); -1: of none."""
        return numbered_apart([s.columns for s in self.structures])

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

    def is_deficient(self, factor: Floats, tol: float) -> bool:
        """Whether a factor (k, k) of the structures has less than their rank, to within `tol`."""
        if self.rank == self.size and _is_clearly_regular(factor, tol):
            return False
        return bool(np.linalg.svd(factor, compute_uv=False)[self.rank - 1] <= tol)

    def canonical(self, theta: Floats) -> Floats:
        """Return the theta of the same covariance within its canonical range."""
        return joined([s.canonical(part) for _, s, part in self._split(theta)])

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
        return [(columns, structure, theta[..., own]) for columns, structure, own in self._layout]

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


def _is_clearly_regular(factor: Floats, tol: float) -> bool:
    """Whether a bound puts the smallest singular value of a lower triangle (k, k) above `tol`.

    The product of all of them is that of the diagonal, and none is above the Frobenius norm. For
    small matrices this takes a fraction of the time of a decomposition.
    """
    if factor.size == 1:
        return abs(float(factor[0, 0])) > tol
    norm = math.sqrt(float(np.vdot(factor, factor)))
    if not 0.0 < norm < math.inf:
        return False
    share = math.prod([value / norm for value in factor.diagonal().tolist()])
    return abs(share) * norm > 1.001 * tol


def numbered_apart(parts: Sequence[NDArray[np.intp]]) -> NDArray[np.intp]:
    """Join numbers from 0 on so that those of different parts differ; -1 stays.

    A single part is given back as it is, not to be written to.
    """
    if len(parts) == 1:
        return parts[0]
    out, first = [], 0
    for part in parts:
        out.append(np.where(part >= 0, part + first, -1))
        first += int(part.max(initial=-1)) + 1
    return np.concatenate(out)


def inverse_of_lower(matrix: Floats) -> Floats:
    """Inverse of a lower triangle, row by row: entries of different sizes keep their digits."""
    out = np.zeros_like(matrix)
    for i, row in enumerate(matrix):
        out[i] = -(row[:i] @ out[:i]) / row[i]
        out[i, i] = 1.0 / row[i]
    return out


def joined(parts: Sequence[NDArray[_Kind]]) -> NDArray[_Kind]:
    """Join one-dimensional arrays; a single one is given back as it is, not to be written to."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def group_effects(
    designs: tuple[RandomDesign, ...], root_weights: Floats | None, unit: float = 1.0
) -> tuple[GroupEffects, ...]:
    """Attach structures, scales and places in theta to the random effects of a design.

    ``unit``: what the response, and with it the effects, are measured in.
    """
    out: list[GroupEffects] = []
    measured: dict[int, tuple[Floats, Floats, Floats]] = {}
    mixed: dict[tuple[int, tuple[int, ...]], tuple[Floats, tuple[Floats, ...]]] = {}
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
        tangled = [
            len(part.columns) > 1
            and structure.name == "full"
            and is_nearly_collinear(cosines, list(part.columns))
            for part, structure in zip(design.parts, structures, strict=True)
        ]
        mixing: list[Floats | None] = [None] * len(structures)
        far = uncentred(design, cosines, tangled)
        if any(tangled):
            parts = tuple(i for i, is_tangled in enumerate(tangled) if is_tangled)
            if (key, parts) not in mixed:
                columns = [list(design.parts[i].columns) for i in parts]
                rows = np.ascontiguousarray(design.Z.T)
                rows = rows if root_weights is None else rows * root_weights
                mixed[key, parts] = untangled(rows, scale, standard, columns)
            standard, found = mixed[key, parts]
            for i, matrix in zip(parts, found, strict=True):
                mixing[i] = matrix
        own = slice(first, first + n_theta)
        out.append(GroupEffects(design, structures, scale, standard, own, tuple(mixing), far))
        first = own.stop
    return tuple(out) if unit == 1.0 else _measured_in(unit, out)


def _measured_in(unit: float, terms: Sequence[GroupEffects]) -> tuple[GroupEffects, ...]:
    """The same with columns of another root mean square than 1."""
    columns = {id(t.standard): t.standard * unit for t in terms}
    return tuple(
        replace(
            t,
            column_scale=t.column_scale / unit,
            standard=columns[id(t.standard)],
            mixing=tuple(None if m is None else m / unit for m in t.mixing),
            unit=unit,
        )
        for t in terms
    )


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
