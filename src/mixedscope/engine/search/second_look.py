"""Where another minimum of the objective may lie, seen from one that was found.

The objective of a mixed model may have several minima. They were seen at two kinds of places:
beside ends where a covariance is nearly singular, and where observations have very different
weights, so that those of large weight and those of small weight each suggest a variance.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mixedscope.covariance.registry import CovarianceStructure
    from mixedscope.engine.group_effects import GroupEffects
    from mixedscope.engine.objective import ProfiledObjective

__all__ = [
    "SecondLook",
    "elsewhere",
    "has_unequal_weights",
    "second_look",
    "spread_starts",
]

Floats = NDArray[np.float64]

#: Standard deviations over sigma, for columns of unit root mean square, that a ray tries.
_RAY: Final = np.array([0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])

#: Those where all weights are equal: at others nothing was ever found.
_NEAR: Final = np.array([0.0, 0.3, 1.0, 3.0])

#: Starts for weights that differ: all standard deviations over sigma, and those but one of them.
_ALL: Final = (0.1, 10.0)
_OTHERS: Final = 0.05

#: Where a single standard deviation vanishes, others may do so with it: all of them together.
_TOGETHER: Final = (0.3, 1.0, 3.0)

#: Correlations from here on, and standard deviations over sigma up to here, are nearly singular.
_CORRELATED: Final = 0.9
_SMALL: Final = 0.1

#: How many times larger one standard deviation of a nearly singular term is made; and standard
#: deviations over sigma that all of them are made, which led to other minima of models of few
#: levels.
_LARGER: Final = 10.0
_EQUAL: Final = (1.0, 10.0)


class SecondLook(NamedTuple):
    """Points from which another minimum may be reached.

    Attributes
    ----------
    rays : list of (m, k) arrays
        Along each, one standard deviation grows and all else is as it was; a point lower than its
        neighbours tells of a minimum close by.
    starts : list of (k,) arrays
        Points to search from; the lowest first.
    hopeful : list of (k,) arrays
        Points to search from where the objective is not much higher there.
    rivals : list of (k,) arrays
        Points to search from whatever that takes: linear models have none.
    """

    rays: list[Floats]
    starts: list[Floats]
    hopeful: list[Floats]
    rivals: Sequence[Floats] = ()


def elsewhere(objective: ProfiledObjective, thetas: Floats) -> list[Floats]:
    """Points (..., k) beside which structures have other minima than those at thetas (..., k)."""
    out = []
    for term, _, columns, structure, own in _parts(objective):
        if not structure.hides_directions:  # others have none
            continue
        scale = structure.scale(term.column_scale[columns] / objective.unit)
        for part in structure.elsewhere(thetas[..., own], scale):
            point = np.array(thetas, dtype=float)
            point[..., own] = part
            out.append(point)
    return out


def has_unequal_weights(objective: ProfiledObjective) -> bool:
    """Whether observations have different weights."""
    weights = objective.system.design.weights
    return weights is not None and float(weights.max()) > float(weights.min())


def spread_starts(objective: ProfiledObjective) -> list[Floats]:
    """Thetas (k,) of different sizes: all small, all large, and one larger than all others.

    Where weights differ, searches from many more led to lower minima for one response in 10,000.
    """
    identity = np.asarray(objective.start, dtype=float)
    out = [size * identity for size in _ALL]
    own = np.flatnonzero(objective.lower == 0.0)
    if len(own) > 1:
        for i in own.tolist():
            start = _OTHERS * identity
            start[i] = identity[i]
            out.append(start)
    return out


def second_look(objective: ProfiledObjective, theta: Floats) -> SecondLook:
    """Say where to look for another minimum; nothing where none was ever seen.

    ``theta`` (k,): a minimum, canonical. Standard deviations are those for columns of the unit of
    the objective.

    Rays are tried for single standard deviations that are nearly zero, and for all where weights
    differ; where there are several parameters all standard deviations together are hopeful then.
    For a term whose columns are nearly perfectly correlated, or hardly vary, starts have no
    correlations, and one of the standard deviations ten times as large or all of them equal. Where
    weights differ and there are several parameters, the identity and `spread_starts` are starts
    too. What structures know of themselves is hopeful, see `elsewhere`.
    """
    weighted, unit = has_unequal_weights(objective), objective.unit
    rays: list[Floats] = []
    starts: list[Floats] = []
    sizes = _RAY if weighted else _NEAR
    factors = objective.factors(theta)
    for term, at, columns, structure, own in _parts(objective):
        factor, size = factors[at], structure.size
        if size == 1 or not structure.correlates:
            # One parameter is one standard deviation, but for structures that share them.
            if structure.n_theta != size:
                continue
            scales = (term.column_scale[columns] / unit).tolist()
            for j, place in enumerate(range(own.start, own.stop)):
                if weighted or abs(theta[place]) * scales[j] < _SMALL:
                    ray = np.tile(theta, (len(sizes), 1))
                    ray[:, place] = sizes / scales[j]
                    rays.append(ray)
            continue
        # In the engine's own columns, where an intercept and a year are not alike.
        rows = factor.tolist()
        if size < term.size:
            rows = [[rows[i][j] for j in columns] for i in columns]
        if unit != 1.0:
            rows = [[entry / unit for entry in row] for row in rows]
        sds = _nearly_singular(rows)
        if sds is None:
            continue
        least = np.maximum(sds, _SMALL)
        larger = least + np.diag(least) * (_LARGER - 1.0)
        for row in [*larger, *(np.full(size, value) for value in _EQUAL)]:
            variances = np.ones(term.size)
            variances[columns] = (row * unit) ** 2
            start = theta.copy()
            start[own] = term.nearest_theta(np.diag(variances))[
                own.start - term.theta.start : own.stop - term.theta.start
            ]
            starts.append(start)
    hopeful = elsewhere(objective, theta)
    if len(theta) > 1:
        identity = np.asarray(objective.start, dtype=float)
        if weighted:
            starts += [identity, *spread_starts(objective)]
        elif rays and objective.entries is not None:
            hopeful += [size * identity for size in _TOGETHER]
    return SecondLook(rays, starts, hopeful)


def _parts(
    objective: ProfiledObjective,
) -> Iterator[tuple[GroupEffects, int, list[int], CovarianceStructure, slice]]:
    """Term, its number, columns, structure and place in theta of every part of a term."""
    for number, term in enumerate(objective.system.terms):
        first = term.theta.start
        for part, structure in zip(term.design.parts, term.structures, strict=True):
            own = slice(first, first + structure.n_theta)
            yield term, number, list(part.columns), structure, own
            first = own.stop


def _nearly_singular(rows: list[list[float]]) -> list[float] | None:
    """Relative standard deviations of a factor, given by rows, that is nearly singular, else None.

    Factors are so small that numpy takes longer.
    """
    sds = [math.hypot(*row) for row in rows]
    if min(sds) < _SMALL:
        return sds
    for i, row in enumerate(rows):
        for j in range(i):
            product = sum(map(operator.mul, row, rows[j]))
            if abs(product) >= _CORRELATED * sds[i] * sds[j]:
                return sds
    return None
