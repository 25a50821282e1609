"""Coordinates of the parameters of generalised models: fixed effects and dispersion among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.profiles.parameters import Parameter
from mixedscope.inference.profiles.space import Point, Space

__all__ = ["GeneralizedSpace"]

Floats = NDArray[np.float64]


class GeneralizedSpace(Space):
    """Coordinates of all parameters of a generalised model, and its deviance there.

    Those of :class:`Space`, of a sigma of 1 that is known; then of the fixed effects, and the
    logarithm of the dispersion where there is one. Fixed effects that are to be held are
    coordinates themselves, behind the others, which are coefficients of orthogonal columns of unit
    root mean square in what is left of theirs: however collinear columns are, steps are alike.

    Parameters
    ----------
    objective : LaplaceObjective
    held : sequence of int
        Places of the fixed effects that are coordinates themselves.

    Attributes
    ----------
    evaluations : int
        How often the deviance was evaluated.
    """

    may_level: ClassVar[bool] = True

    def __init__(self, objective: LaplaceObjective, held: Sequence[int] = ()) -> None:
        self.evaluations = 0
        self._laplace = objective
        self._objective = self._model = cast("Any", objective)
        r = objective.n_fixed
        order = [*(j for j in range(r) if j not in held), *held]
        columns = objective.system.X[:, order]
        root = math.sqrt(len(columns))
        upper = np.asarray(np.linalg.qr(columns, mode="r")) / root
        free = r - len(held)
        turn = np.eye(r)
        if free:
            turn[:free, :free] = np.linalg.inv(upper[:free, :free])
            turn[:free, free:] = -turn[:free, :free] @ upper[:free, free:]
        self._turn = np.empty_like(turn)
        self._turn[order] = turn
        self._back = np.linalg.inv(self._turn)
        self._order = order
        # How much of a held column the others do not make.
        own = np.abs(np.diag(upper[free:, free:]))
        dispersion = len(objective.theta_names) - objective.n_theta - r
        unit = objective.system.unit
        further = [*np.full(free, unit), *(unit / own), *np.ones(dispersion)]
        self._has_dispersion = bool(dispersion)
        self.searcher = None
        self._lay_out(objective.system.terms, further)
        self._beta = slice(self._n_variance, self._n_variance + r)

    def of(self, objective: LaplaceObjective) -> GeneralizedSpace:
        """The same coordinates of the same model with another response."""
        other = copy(self)
        other.evaluations = 0
        other._laplace = objective
        other._objective = other._model = cast("Any", objective)
        return other

    def begin(self) -> None:
        """Forget the conditional modes of other points."""
        self._laplace.reset()

    def place(self, parameter: Parameter) -> int | None:
        """Position of the coordinate that a parameter is."""
        if parameter.kind == "beta":
            return self._n_variance + self._order.index(parameter.place)
        if parameter.kind == "dispersion":
            return self.size - 1
        return super().place(parameter)

    def coordinates(self, theta: Floats, sigma: float = 1.0) -> Floats:
        """Coordinates (m,) of a canonical point (k,) of the search."""
        x = np.empty(self.size)
        x[0] = 0.0
        for part in (p for own in self.parts for p in own):
            x[part.own] = part.structure.to_polar(theta[part.theta])
        k, r = self._laplace.n_theta, self._laplace.n_fixed
        x[self._beta] = self._back @ theta[k : k + r]
        x[self._n_variance + r :] = theta[k + r :]
        return x

    def theta(self, x: Floats) -> tuple[Floats, float, Floats]:
        """A point (k,) of the search, sigma, derivatives (k, m) of the point."""
        own, sigma, own_slopes = super().theta(x)
        k, r = self._laplace.n_theta, self._laplace.n_fixed
        point = np.concatenate([own, self._turn @ x[self._beta], x[self._n_variance + r :]])
        slopes = np.zeros((len(point), self.size))
        slopes[:k] = own_slopes
        slopes[k : k + r, self._beta] = self._turn
        if self._has_dispersion:
            slopes[-1, -1] = 1.0
        return point, sigma, slopes

    def evaluate(self, x: Floats) -> Point:
        """Evaluate with the gradient; raises FloatingPointError as the objective does."""
        self.evaluations += 1
        point, _, slopes = self.theta(x)
        evaluation, gradient = self._laplace.evaluate_gradient(point)
        if not (math.isfinite(evaluation.objective) and np.isfinite(gradient).all()):
            raise FloatingPointError("The deviance is not finite.")
        slope = gradient @ slopes
        slope[0] = 0.0
        return Point(x, point, evaluation.objective, slope, lambda: evaluation.beta)

    def canonical(self, x: Floats) -> Floats:
        """Coordinates (m,) of the same covariance: standard deviations not negative."""
        tidy = super().canonical(x)
        if tidy is not x:
            # What is no covariance stays as it is, to the digit.
            tidy[self._n_variance :] = x[self._n_variance :]
        return tidy
