"""Where another minimum of the objective may lie, seen from one that was found.

The objective of a mixed model may have several minima. They were seen at two kinds of places:
beside ends where a covariance is nearly singular, and where observations have very different
weights, so that those of large weight and those of small weight each suggest a variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mixedscope.model.covariance import CovarianceStructure
    from mixedscope.model.objective import ProfiledObjective
    from mixedscope.model.random_term import RandomTerm

__all__ = ["SecondLook", "second_look"]

Floats = NDArray[np.float64]

#: Standard deviations over sigma, for columns of unit root mean square, that a ray tries.
_RAY: Final = np.array([0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0])

#: How many of them where all weights are equal: farther out nothing was ever found.
_NEAR: Final = 4

#: Correlations from here on, and standard deviations over sigma up to here, are nearly singular.
_CORRELATED: Final = 0.9
_SMALL: Final = 0.1

#: How many times larger one standard deviation of a nearly singular term is made.
_LARGER: Final = 10.0


class SecondLook(NamedTuple):
    """Points from which another minimum may be reached.

    Attributes
    ----------
    rays : list of (m, k) arrays
        Along each, one standard deviation grows and all else is as it was; a point lower than its
        neighbours tells of a minimum close by.
    starts : list of (k,) arrays
        Points to search from; the lowest first.
    """

    rays: list[Floats]
    starts: list[Floats]


def second_look(objective: ProfiledObjective, theta: Floats) -> SecondLook:
    """Say where to look for another minimum; nothing where none was ever seen.

    Parameters
    ----------
    objective : ProfiledObjective
    theta : (k,) array
        A minimum, canonical.

    Notes
    -----
    Rays are tried for single standard deviations that are nearly zero, and for all where weights
    differ. For a term whose columns are nearly perfectly correlated, or hardly vary, each start
    has one of its standard deviations ten times as large and no correlations. Where weights
    differ and there are several parameters, the identity is a start too.
    """
    weights = objective.system.design.weights
    weighted = weights is not None and float(weights.max()) > float(weights.min())
    rays, starts = [], []
    sizes = _RAY if weighted else _RAY[:_NEAR]
    for term, columns, structure, own in _parts(objective):
        scales = term.column_scale[columns]
        size = structure.size
        if size == 1 or not structure.correlates:
            # One parameter is one standard deviation, but for structures that share them.
            if structure.n_theta != size:
                continue
            for j, place in enumerate(range(own.start, own.stop)):
                if weighted or abs(theta[place]) * scales[j] < _SMALL:
                    ray = np.tile(theta, (len(sizes), 1))
                    ray[:, place] = sizes / scales[j]
                    rays.append(ray)
            continue
        # In the engine's own columns, where an intercept and a year are not alike.
        factor = term.standard_factor(theta[term.theta])[np.ix_(columns, columns)]
        sds = _nearly_singular(factor)
        if sds is None:
            continue
        for j in range(size):
            larger = np.maximum(sds, _SMALL)
            larger[j] *= _LARGER
            variances = np.ones(term.size)
            variances[columns] = larger**2
            start = theta.copy()
            start[own] = term.nearest_theta(np.diag(variances))[
                own.start - term.theta.start : own.stop - term.theta.start
            ]
            starts.append(start)
    if weighted and len(theta) > 1:
        starts.append(np.asarray(objective.start, dtype=float))
    return SecondLook(rays, starts)


def _parts(
    objective: ProfiledObjective,
) -> Iterator[tuple[RandomTerm, list[int], CovarianceStructure, slice]]:
    """Grouping factor, columns, structure and place in theta of every term as written."""
    for term in objective.system.terms:
        first = term.theta.start
        for part, structure in zip(term.design.parts, term.structures, strict=True):
            own = slice(first, first + structure.n_theta)
            yield term, list(part.columns), structure, own
            first = own.stop


def _nearly_singular(factor: Floats) -> Floats | None:
    """Relative standard deviations (k,) of a factor (k, k) that is nearly singular, else None."""
    sds = np.linalg.norm(factor, axis=1)
    if float(sds.min()) < _SMALL:
        return sds
    rows = factor / sds[:, None]
    correlations = np.abs(rows @ rows.T)
    np.fill_diagonal(correlations, 0.0)
    return sds if float(correlations.max()) >= _CORRELATED else None
