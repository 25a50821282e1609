r"""Distributions of likelihood-ratio statistics where the null hypothesis lies on a boundary.

A variance cannot be negative. Where one is tested against zero, the parameters allowed near the
null hypothesis are not a plane but a cone, and the statistic is, in large samples,

.. math:: d^2(Z, T_0) - d^2(Z, T_1), \qquad Z \sim N(0, I),

with the squared distances of Z from the cones of directions in which the poorer and the richer
model can be left, in the metric of the information (Chernoff 1954, Ann. Math. Stat. 25, 573-578;
Self & Liang 1987, J. Am. Stat. Assoc. 82, 605-610). With T0 a plane and T1 a convex cone this is
a mixture of chi-squared distributions (Shapiro 1985, Biometrika 72, 133-144): halves of 0 and 1
degrees of freedom for one variance, halves of q and q + 1 for one that brings q covariances along
(Stram & Lee 1994, Biometrics 50, 1171-1177). For the cones of mixed models in general see Baey,
Cournede & Kuhn (2019, Comput. Stat. Data Anal. 135, 107-122).

Lengths scale with Z, so that only its direction is simulated and the tail is exact along each:
p-values keep their relative precision however small they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.seeds import generator

__all__ = ["NOTHING", "Cone", "NullDistribution", "chi_squared", "null_distribution"]

Floats = NDArray[np.float64]

#: A statistic up to this is zero: optimisers end that far apart.
NOTHING: Final = 1e-6

#: Directions drawn for a cone of half-lines, and for one with matrices, which costs more.
_DRAWS: Final = 8192
_DRAWS_MATRICES: Final = 2048

#: Relative size at which lengths count as zero, and at which directions lie in a plane.
_RELATIVE: Final = 1e-8
_INSIDE: Final = 1e-7

#: The projection stops when no coordinate moves by more than this, or after so many steps.
_SETTLED: Final = 1e-7
_STEPS: Final = 3000


@dataclass(frozen=True)
class Cone:
    """A convex cone: a plane, half-lines, and the images of positive semi-definite matrices.

    Attributes
    ----------
    free : (d, f) array
        Directions that can be taken both ways, in coordinates with unit information.
    rays : (d, r) array
        Directions that can be taken one way.
    blocks : tuple of (d, m, m) arrays
        Linear maps, symmetric in the last two axes, of positive semi-definite matrices (m, m).
    """

    free: Floats
    rays: Floats
    blocks: tuple[Floats, ...] = ()

    @property
    def is_plane(self) -> bool:
        """Whether every direction can be taken both ways."""
        return self.rays.shape[1] == 0 and not self.blocks

    @cached_property
    def plane(self) -> Floats:
        """Orthonormal basis (d, f') of the directions that can be taken both ways."""
        return _span(self.free)

    @cached_property
    def span(self) -> Floats:
        """Orthonormal basis (d, s) of the smallest plane that holds the cone."""
        parts = [self.free, self.rays, *(_coordinates(b) for b in self.blocks)]
        return _span(np.hstack(parts))

    def seen_from(self, plane: Floats) -> Cone:
        """Give the cone without what lies in a plane (orthonormal basis, (d, f)) inside it.

        Half-lines and matrices of which nothing is left, of no information or in the plane
        altogether, are no directions.
        """

        def rest(directions: Floats) -> Floats:
            flat = directions.reshape(len(directions), -1)
            left = flat - plane @ (plane.T @ flat)
            # What lies in the plane leaves rounding behind, and nothing else.
            gone = np.linalg.norm(left, axis=0) <= _INSIDE * np.linalg.norm(flat, axis=0)
            return np.asarray(np.where(gone, 0.0, left).reshape(directions.shape))

        rays = rest(self.rays)
        blocks = (rest(b) for b in self.blocks)
        return Cone(rest(self.free), rays[:, rays.any(axis=0)], tuple(b for b in blocks if b.any()))

    def squared_lengths(self, points: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Squared lengths (n,) of the projections of points (n, d) on the cone, and how many axes.

        The second, (n,), counts the half-lines that a projection lies on; it means nothing where
        there are matrices.
        """
        along = points @ self.plane
        lengths = np.einsum("ij,ij->i", along, along)
        if self.is_plane:
            return lengths, np.zeros(len(points), dtype=np.intp)
        beyond = self.seen_from(self.plane)
        corner = _Corner(beyond.rays, beyond.blocks)
        more, counts = corner.project(points)
        return lengths + more, counts


@dataclass(frozen=True)
class NullDistribution:
    """Distribution of a statistic in large samples, if the poorer model is true.

    Attributes
    ----------
    dofs, weights : tuple
        Degrees of freedom of the chi-squared distributions in the mixture, and their weights;
        empty where the mixture is known by its draws alone.
    dimension : int
        Of the space from which directions were drawn.
    shares : (n,) array or None
        Squared length in each direction; None where the weights are exact.
    """

    dofs: tuple[int, ...]
    weights: tuple[float, ...]
    dimension: int
    shares: Floats | None = None

    @property
    def is_mixture(self) -> bool:
        """Whether it is anything else than one chi-squared distribution."""
        return len(self.dofs) != 1

    def p_value(self, statistic: float) -> tuple[float, float]:
        """Probability of a statistic as large, with its Monte Carlo standard error."""
        if statistic <= NOTHING:
            return 1.0, 0.0
        if self.shares is None:
            tails = (w * _tail(d, statistic) for d, w in zip(self.dofs, self.weights, strict=True))
            return float(sum(tails)), 0.0
        values = np.zeros(len(self.shares))
        positive = self.shares > 0.0
        values[positive] = _tail(self.dimension, statistic / self.shares[positive])
        return float(values.mean()), float(values.std() / np.sqrt(len(values)))

    def quantile(self, level: float) -> float:
        """The statistic that is exceeded with a probability of 1 - level."""
        from scipy.optimize import brentq

        if self.p_value(2.0 * NOTHING)[0] <= 1.0 - level:
            return 0.0
        return float(brentq(lambda s: self.p_value(s)[0] - (1.0 - level), 2.0 * NOTHING, 1e4))

    def words(self) -> str:
        """Name the distribution."""
        if not self.dofs:
            return f"a mixture of χ² up to {self.dimension} degrees of freedom"
        parts = [
            (f"χ²({d})" if d else "0") if len(self.dofs) == 1 else f"{w:.2g} χ²({d})"
            for d, w in zip(self.dofs, self.weights, strict=True)
            if w > 0.0
        ]
        return " + ".join(parts)


def chi_squared(dof: int) -> NullDistribution:
    """Give the chi-squared distribution; with no degrees of freedom it is zero."""
    return NullDistribution((dof,), (1.0,), dof)


def null_distribution(poorer: Cone, richer: Cone, *, seed: int = 0) -> NullDistribution:
    """Derive the distribution of the statistic from two cones, one inside the other.

    They hold the directions in which the poorer and the richer model can be left. Where the weights
    have no simple form, directions are drawn from ``seed``.
    """
    inner, outer = poorer.seen_from(poorer.plane), richer.seen_from(poorer.plane)
    q = outer.plane.shape[1]
    if poorer.is_plane:
        if outer.is_plane:
            return chi_squared(q)
        edges = outer.seen_from(outer.plane)
        lines = [edges.rays, *(_coordinates(b) for b in edges.blocks if b.shape[1] == 1)]
        if all(b.shape[1] == 1 for b in edges.blocks):
            weights = _exact_weights(np.hstack(lines))
            if weights is not None:
                return NullDistribution(tuple(range(q, q + len(weights))), weights, q + 2)
    basis = outer.span
    d = basis.shape[1]
    whole = _DRAWS_MATRICES if any(b.shape[1] > 1 for b in outer.blocks) else _DRAWS
    points = generator(seed, "boundary").standard_normal((whole // 2, d))
    points = np.concatenate([points, -points])  # pairs vary less than single draws
    points = points / np.linalg.norm(points, axis=1)[:, None] @ basis.T
    lengths, counts = outer.squared_lengths(points)
    dofs: tuple[int, ...] = ()
    weights = ()
    if not inner.is_plane:
        lengths = np.maximum(lengths - inner.squared_lengths(points)[0], 0.0)
    elif all(b.shape[1] == 1 for b in outer.blocks):
        most = int(counts.max())
        dofs = tuple(range(q, q + most + 1))
        weights = tuple(np.bincount(counts, minlength=most + 1) / len(counts))
    return NullDistribution(dofs, weights, d, lengths)


def _exact_weights(lines: Floats) -> tuple[float, ...] | None:
    """Weights for one half-line, or for two by the angle between them."""
    if lines.shape[1] == 1:
        return (0.5, 0.5)
    if lines.shape[1] != 2:
        return None
    a, b = lines.T
    cosine = float(a @ b / np.sqrt((a @ a) * (b @ b)))
    inside = float(np.arccos(np.clip(cosine, -1.0, 1.0)) / (2.0 * np.pi))
    return (0.5 - inside, 0.5, inside)


def _tail(dof: int, values: Floats | float) -> Floats:
    from scipy.special import chdtrc

    return np.asarray(chdtrc(dof, values)) if dof else np.zeros(np.shape(values))


def _span(directions: Floats) -> Floats:
    """Orthonormal basis of the directions (d, n), whatever their lengths."""
    lengths = np.linalg.norm(directions, axis=0)
    long = lengths > _RELATIVE * max(float(lengths.max(initial=0.0)), 1e-300)
    if not long.any():
        return np.empty((len(directions), 0))
    left, values, _ = np.linalg.svd(directions[:, long] / lengths[long], full_matrices=False)
    return np.asarray(left[:, values > 1e-6 * values[0]])


def _coordinates(block: Floats) -> Floats:
    """Images (d, m (m+1)/2) of an orthonormal basis of the symmetric matrices."""
    rows, cols = np.tril_indices(block.shape[1])
    return np.asarray(block[:, rows, cols] * np.where(rows == cols, 1.0, np.sqrt(2.0)))


class _Corner:
    """A cone without a plane in it, on which points are projected.

    By projected gradients with the momentum of Nesterov, for all points at once: the cone of the
    coordinates (positive numbers, positive semi-definite matrices) is simple, their metric is not.
    """

    def __init__(self, rays: Floats, blocks: Sequence[Floats]) -> None:
        # Scales that leave the cone of the coordinates as it is: axes of about unit length.
        parts = [rays / _lengths(rays)]
        self.sizes = [b.shape[1] for b in blocks]
        for block in blocks:
            scale = np.sqrt(_lengths(np.einsum("dii->di", block)))
            parts.append(_coordinates(block / (scale[:, None] * scale)))
        self.n_rays = rays.shape[1]
        self.axes = np.hstack(parts)

    def project(self, points: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Squared lengths (n,) of the projections, and how many half-lines they lie on (n,)."""
        metric = self.axes.T @ self.axes
        target = points @ self.axes
        values = np.linalg.eigvalsh(metric)
        top, low = float(values[-1]), max(float(values[0]), 1e-6 * float(values[-1]))
        momentum = (np.sqrt(top) - np.sqrt(low)) / (np.sqrt(top) + np.sqrt(low))
        x = self._inside(target / top)
        found = x.copy()
        active = np.arange(len(points))
        y = x
        for _ in range(_STEPS):
            new = self._inside(y - (y @ metric - target[active]) / top)
            moved = np.abs(new - x).max(axis=1)
            y = new + momentum * (new - x)
            x = new
            done = moved <= _SETTLED * (1.0 - momentum)
            if done.any():
                found[active[done]] = x[done]
                active, x, y = active[~done], x[~done], y[~done]
            if not len(active):
                break
        found[active] = x
        lengths = 2.0 * np.einsum("ij,ij->i", found, target)
        lengths -= np.einsum("ij,ij->i", found @ metric, found)
        counts = (found > 1e-5).sum(axis=1)
        return np.maximum(lengths, 0.0), counts

    def _inside(self, x: Floats) -> Floats:
        """Project coordinates (n, p) on the cone that they may lie in."""
        out = x.copy()
        out[:, : self.n_rays] = np.maximum(x[:, : self.n_rays], 0.0)
        at = self.n_rays
        for m in self.sizes:
            count = m * (m + 1) // 2
            out[:, at : at + count] = _positive(x[:, at : at + count], m)
            at += count
        return out


def _positive(x: Floats, m: int) -> Floats:
    """Coordinates of the positive semi-definite part of symmetric matrices (n, m (m+1)/2)."""
    if m == 1:
        return np.maximum(x, 0.0)
    rows, cols = np.tril_indices(m)
    scale = np.where(rows == cols, 1.0, np.sqrt(2.0))
    matrices = np.zeros((len(x), m, m))
    matrices[:, rows, cols] = x / scale
    values, vectors = np.linalg.eigh(matrices)  # reads the lower triangle
    whole = (vectors * np.maximum(values, 0.0)[:, None, :]) @ vectors.swapaxes(1, 2)
    return np.asarray(whole[:, rows, cols] * scale)


def _lengths(columns: Floats) -> Floats:
    return np.asarray(np.maximum(np.linalg.norm(columns, axis=0), 1e-300))
