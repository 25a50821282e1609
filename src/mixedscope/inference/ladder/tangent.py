"""Cones of covariances around a fit: the directions in which a structure can be left from there.

A structure is a map from theta to covariance matrices. Where its derivatives span all directions,
these can be taken both ways. Directions in which the first derivative vanishes, as at a standard
deviation of zero or a correlation of one, are left to second order: the square of a step, one way
only. An unstructured covariance can be left by every symmetric matrix that is positive
semi-definite on the directions that have no variance yet (Drton 2009, Ann. Stat. 37, 979-1012,
on tangent cones where parametrisations degenerate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mixedscope.covariance.base import CovarianceStructure
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.inference.estimates.estimates import SINGULAR

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["SMALL", "Tangent", "at_covariance", "at_theta", "is_unstructured", "raised"]

Floats = NDArray[np.float64]

#: Relative size at which derivatives, and what is left of them, count as zero.
_ZERO = 1e-5

#: Standard deviation, over sigma, that zeros are raised to.
SMALL = 0.1

#: Step of the differences of derivatives.
_STEP = 1e-4

#: Relative distance from a covariance up to which it is found again.
_FOUND = 1e-5


@dataclass(frozen=True)
class Tangent:
    """Directions of covariance matrices (k, k) of one term, in the units of its columns.

    Attributes
    ----------
    free : (f, k, k) array
        Can be taken both ways.
    rays : (r, k, k) array
        Can be taken one way.
    null : (k, m) array
        Orthonormal for columns of unit root mean square: added to, on these, by any positive
        semi-definite matrix.
    is_exact : bool
        Whether these are all: where not, the true cone is no convex one, and wider.
    """

    free: Floats
    rays: Floats
    null: Floats
    is_exact: bool = True

    @property
    def is_plane(self) -> bool:
        """Whether every direction can be taken both ways."""
        return self.is_exact and not len(self.rays) and not self.null.shape[1]

    def embedded(self, matrix: Floats) -> Tangent:
        """Give the directions for other columns, of which these are ``matrix`` (k', k) times."""
        return replace(
            self,
            free=matrix @ self.free @ matrix.T,
            rays=matrix @ self.rays @ matrix.T,
            null=matrix @ self.null,
        )


def is_unstructured(structure: CovarianceStructure) -> bool:
    """Whether every covariance is possible, whatever the name of the structure."""
    return structure.n_theta == structure.size * (structure.size + 1) // 2


def raised(objective: ProfiledObjective | LaplaceObjective, theta: Floats) -> Floats:
    """Move theta (k,) off the boundary: no principal standard deviation below 0.1 sigma.

    For columns of unit root mean square, as far as the structures allow. What a generalised model
    has behind theta stays.
    """
    out = np.array(theta, dtype=float)
    for term in objective.system.terms:
        factor = term.standard_factor(theta[term.theta])
        values, vectors = np.linalg.eigh(factor @ factor.T)
        # Directions that a structure of reduced rank leaves out are not meant.
        if values[term.size - term.rank] < SMALL**2:
            covariance = (vectors * np.maximum(values, SMALL**2)) @ vectors.T
            out[term.theta] = term.nearest_theta(covariance)
    return out


def at_covariance(structure: CovarianceStructure, covariance: Floats, scale: Floats) -> Tangent:
    """Directions in which a structure can be left at a covariance (k, k) that it allows.

    The covariance is relative to sigma squared, in units of the columns, and may be singular;
    ``scale`` (k,) is the root mean square of the columns. Not exact where theta is not found, or
    leaves the covariance in ways of its own.
    """
    if is_unstructured(structure):
        return _unstructured(covariance, scale)
    theta = _theta(structure, covariance, scale)
    if theta is None:
        k = structure.size
        return Tangent(np.empty((0, k, k)), np.empty((0, k, k)), np.empty((k, 0)), False)
    return at_theta(structure, theta, scale)


def at_theta(structure: CovarianceStructure, theta: Floats, scale: Floats) -> Tangent:
    """Directions in which a structure can be left at a theta; as `at_covariance`."""
    k = structure.size
    if is_unstructured(structure):
        factor = structure.factor(theta)
        return _unstructured(factor @ factor.T, scale)
    theta = _snapped(structure, theta, scale)
    steps = 1.0 / structure.scale(scale)
    slopes = _slopes(structure, theta, scale) * steps[:, None, None]
    flat = slopes.reshape(len(theta), -1)
    axes, values, _ = np.linalg.svd(flat, full_matrices=True)
    values = np.append(values, np.zeros(len(theta) - len(values)))
    moving = values > _ZERO * max(1.0, float(values.max(initial=0.0)))
    free = np.tensordot(axes.T[moving], slopes, axes=1)
    still = axes.T[~moving]
    own = np.flatnonzero(np.abs(flat).max(axis=1) <= _ZERO)
    if len(own) == len(still):
        still = np.eye(len(theta))[own]  # each parameter by itself: what its square adds is a ray
    rays, is_exact = _second_order(structure, theta, scale, steps, still, free)
    back = 1.0 / scale[:, None] / scale
    return Tangent(free * back, rays * back, np.empty((k, 0)), is_exact)


def _second_order(
    structure: CovarianceStructure,
    theta: Floats,
    scale: Floats,
    steps: Floats,
    still: Floats,
    free: Floats,
) -> tuple[Floats, bool]:
    """What steps along `still` (m, n_theta) add to second order: half-lines, and if that is all."""
    k, m = structure.size, len(still)
    if not m:
        return np.empty((0, k, k)), True
    second = np.empty((m, m, k, k))
    for a, direction in enumerate(still):
        h = _STEP * steps * direction
        above = _slopes(structure, theta + h, scale) * steps[:, None, None]
        below = _slopes(structure, theta - h, scale) * steps[:, None, None]
        change = (above - below) / (2.0 * _STEP)
        second[a] = np.tensordot(still, change, axes=1)
    plane = np.linalg.qr(free.reshape(len(free), -1).T)[0] if len(free) else np.empty((k * k, 0))
    flat = second.reshape(m, m, -1)
    rest = flat - (flat @ plane) @ plane.T
    sizes = np.linalg.norm(rest, axis=2)
    largest = max(1.0, float(sizes.max()))
    mixed = sizes.copy()
    np.fill_diagonal(mixed, 0.0)
    alone = np.diag(sizes) > _ZERO * 10.0 * largest
    # A step without effect to second order may have one of higher order; two steps that do
    # something together leave by a cone that is not spanned by half-lines.
    is_mixed = bool((mixed > _ZERO * 10.0 * largest).any())
    rays = rest[np.arange(m), np.arange(m)][alone].reshape(-1, k, k)
    if is_mixed:
        rays = rays[:1]  # sums of two are not among the covariances of the structure
    return rays, bool(alone.all()) and not is_mixed


def _slopes(structure: CovarianceStructure, theta: Floats, scale: Floats) -> Floats:
    """Derivatives (n_theta, k, k) of the covariance for columns of unit root mean square."""
    factor = structure.factor(theta) * scale[:, None]
    changes = np.array(structure.derivatives(theta)) * scale[:, None]
    half = changes @ factor.T
    return np.asarray(half + half.swapaxes(1, 2))


def _unstructured(covariance: Floats, scale: Floats) -> Tangent:
    k = len(scale)
    values, vectors = np.linalg.eigh(covariance * scale[:, None] * scale)
    vectors = vectors[:, ::-1]
    rank = int((values > SINGULAR**2).sum())
    free = []
    for i in range(rank):
        for j in range(i, k):
            pair = np.outer(vectors[:, i], vectors[:, j])
            free.append(pair + pair.T)
    back = 1.0 / scale[:, None] / scale
    directions = np.array(free).reshape(-1, k, k) * back
    return Tangent(directions, np.empty((0, k, k)), vectors[:, rank:] / scale[:, None])


def _snapped(structure: CovarianceStructure, theta: Floats, scale: Floats) -> Floats:
    """Put theta that is as good as at an end exactly there."""
    edges = structure.edges
    near = np.abs(np.abs(theta) - edges) * structure.scale(scale) <= SINGULAR
    return np.where(near, np.copysign(np.nan_to_num(edges), theta), theta)


def _theta(structure: CovarianceStructure, covariance: Floats, scale: Floats) -> Floats | None:
    """Theta of a covariance that the structure allows; None if it is not found.

    The structure's own nearest theta is for positive definite matrices and stays short of the
    ends: what is close to an end is tried there, the rest is found by least squares.
    """
    from scipy.optimize import least_squares

    k = structure.size
    lower = np.tril_indices(k)
    outer = scale[:, None] * scale
    wanted = (covariance * outer)[lower]
    size = max(float(np.abs(wanted).max()), SINGULAR**2)
    raised = covariance + np.diag(1e-8 * size / scale**2)
    try:
        begin = structure.nearest(raised)
    except np.linalg.LinAlgError:
        return None
    edges = structure.edges
    unit = structure.scale(scale)
    zeros = (edges == 0.0) & (np.abs(begin) * unit <= 0.02)
    ends = (edges > 0.0) & (np.abs(begin) > 0.7 * edges)
    # The last start is off all ends, where nothing would move.
    aside = begin + 0.3 / unit * np.sin(1.0 + np.arange(len(begin)))
    none = np.zeros(len(begin), dtype=bool)
    starts = [(begin, fixed) for fixed in _unique([zeros | ends, zeros, none])]
    for start, fixed in [*starts, (aside, none)]:
        theta = np.where(fixed, np.copysign(np.nan_to_num(edges), start), start)
        moving = ~fixed

        def distance(x: Floats, theta: Floats = theta, moving: Floats = moving) -> Floats:
            full = theta.copy()
            full[moving] = x
            factor = structure.factor(full)
            return np.asarray(((factor @ factor.T * outer)[lower] - wanted) / size)

        if moving.any():
            fitted = least_squares(distance, theta[moving], xtol=1e-14, ftol=1e-14, gtol=1e-14)
            theta[moving] = fitted.x
        if np.abs(distance(theta[moving])).max() <= _FOUND:
            return np.asarray(theta)
    return None


def _unique(choices: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    return [c for i, c in enumerate(choices) if not any((c == o).all() for o in choices[:i])]
