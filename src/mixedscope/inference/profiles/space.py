"""The deviance as a function of smooth coordinates, one of which is the parameter profiled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.covariance.base import CovarianceStructure
from mixedscope.engine.search.searchable import SearchableObjective

__all__ = ["NEAR", "Point", "Space"]

Floats = NDArray[np.float64]

#: A coordinate this near to where the objective is symmetric, in units of its own, is taken to be
#: there; and how far from there to look for a way down.
NEAR: Final = 1e-3
ASIDE: Final = 0.03


@dataclass(frozen=True)
class Point:
    """The deviance at one point of a space.

    Attributes
    ----------
    x : (m,) array
    value : float
    slope : (m,) array
    evaluation : Evaluation
    """

    x: Floats
    value: float
    slope: Floats
    evaluation: Evaluation


@dataclass(frozen=True)
class _Part:
    """Where the parameters of one part of a term are: in theta, and in the coordinates."""

    structure: CovarianceStructure
    theta: slice
    own: slice


class Space:
    """Coordinates of all variance parameters of a model, and its deviance there.

    They are the logarithm of sigma, then for every part of every term its standard deviations, in
    units of the data, and angles (`mixedscope.covariance.polar`). Sigma may be left to be profiled
    out; standard deviations are then over sigma, and the first coordinate is not there.

    Parameters
    ----------
    objective : SearchableObjective
    with_sigma : bool

    Attributes
    ----------
    size : int
        Number m of coordinates.
    units : (m,) array
        A step that means about the same for all, over sigma for standard deviations.
    symmetric : (m,) array
        Distance of the point nearest to 0 about which the deviance is symmetric: 0 for standard
        deviations, pi/2 for angles, NaN for the logarithm of sigma.
    """

    def __init__(self, objective: SearchableObjective, *, with_sigma: bool) -> None:
        self.objective = objective
        self.with_sigma = with_sigma
        self.parts: list[list[_Part]] = []
        at = int(with_sigma)
        units = [1.0] * at
        symmetric = [math.nan] * at
        powers = [1.0] * at
        for term in objective.system.terms:
            begin = term.theta.start
            own: list[_Part] = []
            for part, structure in zip(term.design.parts, term.structures, strict=True):
                count = structure.n_theta
                own.append(_Part(structure, slice(begin, begin + count), slice(at, at + count)))
                scale = term.column_scale[list(part.columns)]
                for axis in structure.polar_axes:
                    is_sd = axis.kind == "sd"
                    # One standard deviation of several columns follows their common scale.
                    own_scale = np.exp(np.log(scale[list(axis.columns)]).mean()) if is_sd else 1.0
                    units.append(float(own_scale) ** (-1.0 / axis.power))
                    symmetric.append(0.0 if is_sd else math.pi / 2)
                    powers.append(1.0 / axis.power if is_sd else 0.0)
                begin, at = begin + count, at + count
            self.parts.append(own)
        self.size = at
        self.units = np.array(units)
        self.symmetric = np.array(symmetric)
        self._powers = np.array(powers)

    def unit(self, x: Floats) -> Floats:
        """A step of every coordinate (m,) that means about the same for all."""
        sigma = math.exp(x[0]) if self.with_sigma else 1.0
        return np.asarray(self.units * sigma**self._powers)

    def coordinates(self, theta: Floats, sigma: float) -> Floats:
        """Coordinates (m,) of a canonical theta (k,) and sigma."""
        x = np.empty(self.size)
        for part in (p for own in self.parts for p in own):
            x[part.own] = part.structure.to_polar(theta[part.theta])
        if self.with_sigma:
            x *= sigma**self._powers
            x[0] = math.log(sigma)
        return x

    def theta(self, x: Floats) -> tuple[Floats, float, Floats]:
        """Theta (k,), sigma (1 where it is profiled out), derivatives (k, m) of theta."""
        sigma = math.exp(x[0]) if self.with_sigma else 1.0
        shrink = sigma**-self._powers
        scaled = x * shrink
        theta = np.empty(len(self.objective.theta_names))
        slopes = np.zeros((len(theta), self.size))
        for part in (p for own in self.parts for p in own):
            theta[part.theta], own_slopes = part.structure.from_polar(scaled[part.own])
            slopes[part.theta, part.own] = own_slopes
        if self.with_sigma:
            slopes[:, 0] = -(slopes @ (scaled * self._powers))
            slopes[:, 1:] *= shrink[1:]
        return theta, sigma, slopes

    def evaluate(self, x: Floats) -> Point:
        """Evaluate with the gradient; raises FloatingPointError as the objective does."""
        theta, sigma, slopes = self.theta(x)
        if not self.with_sigma:
            evaluation, gradient = self.objective.evaluate_gradient(theta)
            return Point(x, evaluation.objective, gradient @ slopes, evaluation)
        evaluation, gradient, by_log = self.objective.evaluate_at_sigma(theta, sigma)
        slope = gradient @ slopes
        slope[0] += by_log
        return Point(x, evaluation.objective, slope, evaluation)

    def collapsed(self, x: Floats) -> tuple[bool, ...]:
        """Whether the deviance is symmetric about x in each coordinate: an sd of 0, say."""
        found = {i for i, _ in self.aside(x, np.arange(self.size))}
        return tuple(i in found for i in range(self.size))

    def canonical(self, x: Floats) -> Floats:
        """Coordinates (m,) of the same covariance: standard deviations not negative.

        Those of a model with a structure of reduced rank stay, as signs are no convention there.
        """
        if any(p.structure.rank < p.structure.size for own in self.parts for p in own):
            return x
        is_angle = self.symmetric > 0.0
        if np.all(x[self.symmetric == 0.0] >= 0.0) and np.all(np.abs(x[is_angle]) <= math.pi / 2):
            return x
        theta, sigma, _ = self.theta(x)
        return self.coordinates(self.objective.canonical(theta), sigma)

    def aside(self, x: Floats, free: NDArray[np.intp]) -> list[tuple[int, Floats]]:
        """Free coordinates at which x is where the deviance is symmetric, and points beside it."""
        out = []
        units = self.unit(x)
        for i in free.tolist():
            place = self.symmetric[i]
            if math.isnan(place):
                continue
            unit = units[i]
            # Angles are periodic.
            distance = abs(math.cos(x[i])) if place else abs(x[i])
            power = self._powers[i] or 1.0
            if distance > NEAR**power * unit:
                continue
            step = ASIDE**power * unit
            point = x.copy()
            point[i] = math.copysign(math.pi / 2 - 3.0 * step, x[i]) if place else step
            out.append((i, point))
        return out
