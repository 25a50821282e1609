"""Where a generalised model may have another minimum, seen from one that was found."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mixedscope.families.links import ProbabilityLink

__all__ = ["far_starts", "rival_starts", "singular_starts"]

Floats = NDArray[np.float64]

#: Standard deviations, on columns of unit root mean square, that are nearly zero; and shares of the
#: largest that are.
_SMALL: Final = 0.1

#: Those that all are given where one is hardly known: ten led to all of 12 lower minima that
#: searches had missed, three or five to nine, thirty to eight. Or so many times the largest.
_WIDE: Final = 10.0
_WIDER: Final = 3.0


class _Searched(Protocol):
    """What is asked of the objective of a generalised model."""

    n_theta: int

    @property
    def system(self) -> Any: ...  # of the engine that solves it or of the one that iterates
    @property
    def start(self) -> Floats: ...
    def moment_start(self) -> Floats: ...


def singular_starts(objective: _Searched, point: Floats) -> list[Floats]:
    """Where covariances are nearly singular others that are not may be better: all equal ones.

    Fixed effects, and the dispersion, start where they are.
    """
    factors = objective.system.standard_factors(point[: objective.n_theta])
    starts: list[Floats] = []
    together = np.array(point, dtype=float)
    for term, factor in zip(objective.system.terms, factors, strict=True):
        # Of one intercept, the most frequent term, numpy is not waited for.
        one = factor.size == 1
        lengths = np.abs(factor[0]) if one else np.linalg.svd(factor, compute_uv=False)
        largest = max(float(lengths[0]), _SMALL)
        if lengths[term.rank - 1] < _SMALL * largest or float(lengths[0]) < _SMALL:
            for size in (1.0, largest):
                start = np.array(point, dtype=float)
                start[term.theta] = term.nearest_theta(size**2 * np.eye(term.size))
                starts.append(start)
            together[term.theta] = term.nearest_theta(np.eye(term.size))
    if len(starts) > 2:
        starts.append(together)
    if starts:
        # Searches from elsewhere have missed what those from moments find.
        starts.append(objective.moment_start())
    return starts


def far_starts(objective: _Searched, point: Floats) -> list[Floats]:
    """All standard deviations large: of few outcomes one may be small, or explain them all.

    Only of outcomes: amounts and counts tell how much they vary.
    """
    system = objective.system
    family = system.family
    if family.dispersion is not None or not isinstance(family.link, ProbabilityLink):
        return []
    largest = max(float(np.abs(point[t.theta] * t.scale).max()) for t in system.terms)
    start = np.array(point, dtype=float)
    for term in system.terms:
        start[term.theta] = max(_WIDE, _WIDER * largest) * term.start
    return [start]


def rival_starts(objective: _Searched, point: Floats) -> list[Floats]:
    """Where the dispersion explains what effects of single rows explain here.

    With an effect for each row, or nearly, a family with a dispersion says the same twice: a
    minimum in which one does it may hide a lower one in which the other does.
    """
    if objective.system.family.dispersion is None:
        return []
    rivals = []
    for term in objective.system.terms:
        is_of_rows = 2 * len(term.design.levels) > objective.system.n
        if is_of_rows and np.abs(point[term.theta] * term.scale).max() > _SMALL:
            start = np.array(point, dtype=float)
            # Of zeros the slope is zero: the search cannot come back to where it began.
            start[term.theta] = 0.0
            start[-1] = objective.moment_start()[-1]
            rivals.append(start)
    return rivals
