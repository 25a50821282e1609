"""In which directions, and how curved, the covariance of random effects moves with its parameters.

Where the covariances that a structure allows make a linear space (unstructured, independent,
compound symmetry with one variance) every basis of that space serves, for what is made of it does
not depend on the basis. Other structures are curved: their parameters are variances and
correlations, of reduced rank loadings, and second derivatives count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.covariance.base import CovarianceStructure
from mixedscope.engine.group_effects import GroupEffects

__all__ = ["TermDirections", "linear_basis", "term_directions"]

Floats = NDArray[np.float64]

#: Step of the differences of first derivatives, as a share of what a parameter may move.
_STEP: Final = 2e-3

#: Points in general position from which the space of covariances is spanned.
_POINTS: Final = 6


@dataclass(frozen=True)
class TermDirections:
    """Derivatives of the covariance of one grouping factor, for the engine's columns.

    Everything is over sigma squared.

    Attributes
    ----------
    first : (m, k, k) array
        By every parameter, which are scaled so that each has unit length.
    second : (m, m, k, k) array or None
        By every pair of them; None where all are zero.
    """

    first: Floats
    second: Floats | None


def term_directions(term: GroupEffects, theta: Floats) -> TermDirections:
    """Derivatives by the parameters of all parts of a grouping factor, at its own ``theta``.

    Raises UnsuitedError where a curved structure has a variance of zero, or a correlation at an
    end of its range: derivatives do not exist there.
    """
    firsts: list[Floats] = []
    seconds: list[Floats | None] = []
    curved = False
    at = 0
    for part, structure in zip(term.design.parts, term.structures, strict=True):
        own = theta[at : at + structure.n_theta]
        at += structure.n_theta
        embedding = np.eye(term.size)[:, list(part.columns)]
        basis = linear_basis(structure)
        if basis is not None:
            first = _standard(term, embedding @ basis @ embedding.T)
            firsts.append(_orthonormal(first))
            seconds.append(None)
            continue
        curved = True
        first, second = _curved(structure, own, term.group)
        first = _standard(term, embedding @ first @ embedding.T)
        second = _standard(term, embedding @ second @ embedding.T)
        lengths = np.linalg.norm(first, axis=(1, 2))
        if not lengths.all():
            raise _no_derivatives(term.group, structure.name, "loadings that are all zero")
        firsts.append(first / lengths[:, None, None])
        seconds.append(second / (lengths[:, None] * lengths)[:, :, None, None])
    first = np.concatenate(firsts)
    if not curved:
        return TermDirections(first, None)
    m, k = len(first), term.size
    second = np.zeros((m, m, k, k))
    place = 0
    for own_first, own_second in zip(firsts, seconds, strict=True):
        end = place + len(own_first)
        if own_second is not None:
            second[place:end, place:end] = own_second
        place = end
    return TermDirections(first, second)


@lru_cache(maxsize=256)
def linear_basis(structure: CovarianceStructure) -> Floats | None:
    """Basis (n_theta, k, k) of the covariances that a structure allows; None if they are curved.

    They are curved if covariances in general position span more dimensions than theta has.
    """
    rng = np.random.default_rng(0)
    start = structure.start()
    rows = []
    for _ in range(_POINTS):
        theta = start * (1.0 + 0.3 * rng.uniform(-1.0, 1.0, len(start)))
        theta += 0.2 * rng.uniform(-1.0, 1.0, len(start))
        rows += [d.ravel() for d in _slopes(structure, theta)]
    _, values, axes = np.linalg.svd(np.array(rows), full_matrices=False)
    rank = int((values > 1e-9 * values[0]).sum())
    if rank > structure.n_theta:
        return None
    made = axes[:rank].reshape(-1, structure.size, structure.size)
    return np.asarray(0.5 * (made + made.transpose(0, 2, 1)))


def _slopes(structure: CovarianceStructure, theta: Floats) -> Floats:
    """Derivative (n_theta, k, k) of the relative covariance by theta."""
    factor = structure.factor(theta)
    halves = np.array([derivative @ factor.T for derivative in structure.derivatives(theta)])
    return np.asarray(halves + halves.transpose(0, 2, 1))


def _standard(term: GroupEffects, matrices: Floats) -> Floats:
    """Bring covariances (..., k, k) to the engine's columns."""
    flat = matrices.reshape(-1, term.size, term.size)
    return np.array([term.standard_covariance(m) for m in flat]).reshape(matrices.shape)


def _orthonormal(matrices: Floats) -> Floats:
    """Orthonormal basis (m, k, k) of the same space, however different the sizes of its columns."""
    flat = matrices.reshape(len(matrices), -1)
    # Entries of their own first: a space of entries is spanned by them whatever their sizes.
    largest = np.abs(flat).max(axis=0)
    scale = np.where(largest > 0.0, largest, 1.0)
    _, values, axes = np.linalg.svd(flat / scale, full_matrices=False)
    kept = axes[values > 1e-9 * values[0]] * scale
    kept = kept / np.linalg.norm(kept, axis=1)[:, None]
    return np.asarray(kept.reshape(-1, *matrices.shape[1:]))


def _curved(structure: CovarianceStructure, theta: Floats, group: str) -> tuple[Floats, Floats]:
    """Derivatives (m, k, k) and (m, m, k, k) by variances, correlations and loadings."""
    names = tuple(str(i) for i in range(structure.size))
    measures = structure.measures(names, np.ones(structure.size))
    values = structure.measured(theta)
    kinds = np.array([measure.kind for measure in measures])
    lower = np.array([measure.lower for measure in measures])
    upper = np.array([measure.upper for measure in measures])
    is_sd, is_correlation = kinds == "sd", kinds == "correlation"
    # Distances from the ends, relative to what is in between: at an end there is no derivative.
    room = np.minimum(values - lower, upper - values)
    room[is_correlation] /= 0.5 * (upper - lower)[is_correlation]
    loadings = ~(is_sd | is_correlation)
    at_end = ~(room > 1e-4) & ~loadings
    if at_end.any():
        what = "variance of zero" if at_end[is_sd].any() else "correlation at an end of its range"
        raise _no_derivatives(group, structure.name, f"a {what}")
    chosen = np.where(is_sd, values**2, values)
    reach = np.where(is_sd, chosen, 1.0)
    reach[is_correlation] = np.minimum(room[is_correlation], 1.0)
    reach[loadings] = max(1e-3, float(np.abs(values[loadings]).max(initial=0.0)))

    def first(at: Floats) -> Floats:
        own = np.where(is_sd, np.sqrt(np.where(is_sd, at, 1.0)), at)
        point = structure.from_measures(own, theta)
        by_measure = np.tensordot(
            structure.measure_slopes(own, theta).T, _slopes(structure, point), axes=1
        )
        by_measure[is_sd] /= 2.0 * own[is_sd][:, None, None]
        return np.asarray(by_measure)

    second = np.array(
        [_difference(first, chosen, j, _STEP * float(reach[j])) for j in range(len(chosen))]
    )
    return first(chosen), 0.5 * (second + second.transpose(1, 0, 2, 3))


def _difference(
    function: Callable[[Floats], Floats], at: Floats, place: int, step: float
) -> Floats:
    """Derivative of a function by one argument, from four values (its error is of fourth order)."""
    total: Floats = np.zeros(())
    for times, weight in ((-2, 1.0), (-1, -8.0), (1, 8.0), (2, -1.0)):
        point = at.copy()
        point[place] += times * step
        total = total + weight * function(point)
    return np.asarray(total / (12.0 * step))


def _no_derivatives(group: str, structure: str, what: str) -> UnsuitedError:
    return UnsuitedError(
        f"The covariance of {group!r} has {what}, where the structure {structure!r} has no "
        "derivatives that the Kenward-Roger adjustment needs: ask for df='satterthwaite', or fit "
        "a structure that the data support."
    )
