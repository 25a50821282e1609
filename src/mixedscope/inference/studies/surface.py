"""The objective around an optimum, on lines and planes through it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.inference.estimates.estimation import Estimation
from mixedscope.inference.studies.coordinates import Coordinates
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Surface"]

Floats = NDArray[np.float64]


class Surface:
    """The gap, objective minus that at the optimum, in coordinates around it.

    Parameters
    ----------
    estimation : Estimation
    theta : (k,) array
        The optimum: all that was searched.
    space : Coordinates

    Attributes
    ----------
    centre : (m,) array
        Coordinates of the optimum; an undefined correlation is 0.
    sigma : float
        There; 1 of generalised models.
    """

    def __init__(self, estimation: Estimation, theta: Floats, space: Coordinates) -> None:
        self.space = space
        self.estimation = estimation
        self.objective = estimation.objective
        self.theta = np.array(theta, dtype=float)
        self.centre = np.nan_to_num(space.of_theta(self.theta))
        estimation.begin()
        evaluation = self.objective.evaluate(self.theta)
        self.base = float(evaluation.objective)
        self.sigma = estimation.scale_of(evaluation)

    def value(self, values: Floats) -> tuple[float, float]:
        """Gap and sigma at coordinates (m,); NaN where the objective cannot be evaluated."""
        try:
            evaluation = self.objective.evaluate(self.space.to_theta(values))
        except EVALUATION_ERRORS:
            return np.nan, np.nan
        gap = float(evaluation.objective) - self.base
        if not np.isfinite(gap):
            return np.nan, np.nan
        return gap, self.estimation.scale_of(evaluation)

    def gap(self, **at: float) -> float:
        """Gap where some coordinates, by ``_<position>``, are not those of the optimum."""
        values = self.centre.copy()
        for position, value in at.items():
            values[int(position[1:])] = value
        return self.value(values)[0]

    def reach(self, position: int, target: float) -> tuple[float, float]:
        """How far down and up a coordinate goes until the gap is `target`, approximately.

        Steps are doubled until the gap is beyond; a curve that stays below is followed for 30
        units, as theta of a perfectly explained response has no upper end.
        """
        axis = self.space.axes[position]
        centre = float(self.centre[position])
        out = []
        for sign, end in ((-1.0, centre - axis.lower), (1.0, axis.upper - centre)):
            most = min(30.0 * axis.unit, end)
            step, before = 0.02 * axis.unit, (0.0, 0.0)
            while True:
                step = min(step, most)
                gap = self.gap(**{f"_{position}": centre + sign * step})
                if not gap < target or step >= most:
                    break
                before, step = (step, gap), 2.0 * step
            if np.isfinite(gap) and gap > target:
                # The gap grows about as a square: its root is nearly straight.
                low, high = np.sqrt(max(before[1], 0.0)), np.sqrt(gap)
                share = (np.sqrt(target) - low) / (high - low)
                step = before[0] + float(np.clip(share, 0.0, 1.0)) * (step - before[0])
            out.append(step)
        return out[0], out[1]

    def correlation(self, i: int, j: int, reach: dict[int, tuple[float, float]]) -> float:
        """Correlation of two coordinates in the curvature around the optimum, at most 0.95.

        Second differences over a third of their reach.
        """
        steps = [max(reach[p]) / 3.0 for p in (i, j)]
        a, b = (
            sum(self.gap(**{f"_{p}": self.centre[p] + s * step}) for s in (-1.0, 1.0))
            for p, step in zip((i, j), steps, strict=True)
        )
        mixed = sum(
            s
            * t
            * self.gap(
                **{f"_{i}": self.centre[i] + s * steps[0], f"_{j}": self.centre[j] + t * steps[1]}
            )
            for s in (-1.0, 1.0)
            for t in (-1.0, 1.0)
        )
        product = a * b
        if not (np.isfinite(mixed) and product > 0.0):
            return 0.0
        return float(np.clip(mixed / 4.0 / np.sqrt(product), -0.95, 0.95))
