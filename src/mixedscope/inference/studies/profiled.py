"""Profiles: the objective where some parameters are fixed and all others are optimised."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluated
from mixedscope.inference.studies.surface import Surface
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Profile"]

Floats = NDArray[np.float64]

#: Slope, per standardised unit, at which the others count as optimised; for a picture. The gap is
#: then right to about 1e-5 where the curvature is 1.
_SLOPE: Final = 3e-3

#: Steps allowed for one point.
_STEPS: Final = 60


class Profile:
    """The gap as a function of some coordinates, the others optimised within their bounds.

    Without bounds a profile would cross over to the mirror image, which has the other sign of an
    off-diagonal that is an axis.

    Every point is started from the solution nearest to it and from the optimum, for where there
    are several optima, or a slope of zero by symmetry, one start may be held up.

    Parameters
    ----------
    surface : Surface
        Its coordinates settle theta.
    axes : tuple of int
        Coordinates that are fixed.
    ranges : tuple of float
        Lengths that are alike, to measure distances along the axes.
    """

    def __init__(self, surface: Surface, axes: tuple[int, ...], ranges: tuple[float, ...]) -> None:
        self._objective = surface.objective
        self._scale_of = surface.estimation.scale_of
        self._base = surface.base
        self._axes = list(axes)
        self._ranges = np.array(ranges)
        self._space = surface.space
        self._values = surface.centre.copy()
        self._free = np.setdiff1d(np.arange(len(surface.centre)), axes)
        free = [surface.space.axes[i] for i in self._free]
        self._unit = np.array([axis.unit for axis in free])
        self._places = [surface.centre[self._axes]]
        self._others = [surface.centre[self._free]]
        self._evaluation: Evaluated | None = None
        self._bounds = [axis.open_range for axis in free]

    def value(self, place: Floats) -> tuple[float, float]:
        """Gap and sigma at values of the axes; NaN where the objective cannot be evaluated."""
        distance = ((np.array(self._places) - place) / self._ranges) ** 2
        near = int(distance.sum(axis=1).argmin())
        self._values[self._axes] = place
        found = [self._minimize(self._others[at]) for at in dict.fromkeys((near, 0))]
        gap, sigma, others = min(found, key=lambda f: f[0] if np.isfinite(f[0]) else np.inf)
        if not np.isfinite(gap):
            return np.nan, np.nan
        self._places.append(np.array(place, dtype=float))
        self._others.append(others)
        return gap, sigma

    def _minimize(self, begin: Floats) -> tuple[float, float, Floats]:
        """Optimise the others from a start: gap, sigma, and where that is."""
        from scipy.optimize import minimize

        result = minimize(
            self._value,
            begin / self._unit,
            jac=True,
            method="L-BFGS-B",
            bounds=self._bounds,
            options={"gtol": _SLOPE, "ftol": 0.0, "maxiter": _STEPS},
        )
        gap, _ = self._value(result.x)
        sigma = np.nan if self._evaluation is None else self._scale_of(self._evaluation)
        return gap, sigma, np.asarray(result.x * self._unit)

    def grid(self, places: Floats) -> Floats:
        """Gap and sigma (points, 2) at many places (points, axes), from the optimum outwards."""
        away = np.abs((places - self._places[0]) / self._ranges).max(axis=1)
        found = np.empty((len(places), 2))
        for point in np.argsort(away, kind="stable"):
            found[point] = self.value(places[point])
        return found

    def _value(self, x: Floats) -> tuple[float, Floats]:
        self._values[self._free] = x * self._unit
        self._evaluation = None
        theta = self._space.to_theta(self._values)
        try:
            evaluation, gradient = self._objective.evaluate_gradient(theta)
        except EVALUATION_ERRORS:
            return np.inf, np.zeros(len(x))
        self._evaluation = evaluation
        slopes = self._space.slopes(self._values)[:, self._free]
        return evaluation.objective - self._base, gradient @ slopes * self._unit
