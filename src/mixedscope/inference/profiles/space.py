"""The deviance as a function of smooth coordinates, one of which is the parameter profiled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.covariance.base import CovarianceStructure
from mixedscope.covariance.polar import row_axes
from mixedscope.engine.search.searchable import SearchableObjective

if TYPE_CHECKING:
    from mixedscope.engine.group_effects import GroupEffects
    from mixedscope.engine.search.searchable import PolarEnd, PolarSearch
    from mixedscope.inference.profiles.parameters import Parameter

__all__ = ["NEAR", "Point", "Space", "point_of"]

Floats = NDArray[np.float64]

#: A coordinate this near to where the objective is symmetric, in units of its own, is taken to be
#: there; and how far from there to look for a way down.
NEAR: Final = 1e-3
ASIDE: Final = 0.03
#: The same for angles, of which a minimum further off than that is deep enough to count.
_TURN: Final = 0.01
#: From such steps second derivatives at a point of symmetry are taken. Of columns that are nearly
#: collinear angles are told apart by very small ones.
_SHORT: Final = 1e-3
_SHORT_TURN: Final = 3e-5
#: Logarithms of sigma beyond this have no square.
_LARGEST: Final = 300.0
_QUARTER: Final = math.pi / 2
#: Places in no order; of a model of many minima a fifth to two fifths of such led to the lowest.
_SCATTERED: Final = 16
_NONE: Final = np.empty(0, dtype=np.int64)
_NOTHING: Final = np.empty((0, 0))


class Point(NamedTuple):
    """The deviance at one point of a space.

    Attributes
    ----------
    x : (m,) array
    theta : (k,) array
    value : float
    slope : (m,) array
    fixed_effects : callable
        Gives the fixed effects (r,) there.
    log_det_fixed : float
        ``log |X' inv(V) X|``, V the covariance over sigma squared; NaN where that is not known.
    """

    x: Floats
    theta: Floats
    value: float
    slope: Floats
    fixed_effects: Callable[[], Floats]
    log_det_fixed: float = math.nan


@dataclass(frozen=True)
class _Part:
    """Where the parameters of one part of a term are: in theta, and in the coordinates."""

    structure: CovarianceStructure
    theta: slice
    own: slice


def _rows(at: int, size: int, rank: int) -> list[tuple[int, list[int]]]:
    """Where the length and the angles of each row of a triangle are, its coordinates from `at`."""
    out, angle = [], at + size
    for a in range(size):
        width = min(a + 1, rank) - 1
        out.append((at + a, list(range(angle, angle + width))))
        angle += width
    return out


def point_of(end: PolarEnd) -> Point:
    """The point where a compiled search ended."""
    return Point(end.x, end.theta, end.value, end.slope, end.fixed_effects, end.log_det_fixed)


class Space:
    """Coordinates of all variance parameters of a model, and its deviance there.

    They are the logarithm of sigma, then for every part of every term its standard deviations, in
    units of the data, and angles (`mixedscope.covariance.polar`).

    Parameters
    ----------
    objective : SearchableObjective

    Attributes
    ----------
    size : int
        Number m of coordinates.
    symmetric : (m,) array
        Distance of the point nearest to 0 about which the deviance is symmetric: 0 for standard
        deviations, pi/2 for angles, NaN for the logarithm of sigma.
    searcher : PolarSearch or None
        Makes evaluations and searches in compiled code, where that can be.
    may_level : bool
        Whether a profile may come to a limit without the range of its parameter ending.
    """

    may_level: ClassVar[bool] = False

    def __init__(self, objective: SearchableObjective) -> None:
        self._objective: SearchableObjective | None = objective
        self._model = objective
        self._make: Callable[[], SearchableObjective] | None = None
        self.searcher: PolarSearch | None = objective.polar_search()
        self._lay_out(objective.system.terms)

    def _lay_out(self, terms: Sequence[GroupEffects], further: Sequence[float] = ()) -> None:
        """Say which coordinate is what: those of the covariances, then further ones of any range.

        ``further``: steps of these that mean about the same as one of a standard deviation.
        """
        self.parts: list[list[_Part]] = []
        at = 1
        units, symmetric, powers = [1.0], [math.nan], [0.0]
        # Angles after the first of a row, which mean nothing where one before them is ± pi/2.
        self._later: list[int] = []
        # Of triangles: the lengths of the rows and the angles of each.
        self._rows: list[list[tuple[int, list[int]]]] = []
        for term in terms:
            begin = term.theta.start
            own: list[_Part] = []
            for part, structure in zip(term.design.parts, term.structures, strict=True):
                count = structure.n_theta
                own.append(_Part(structure, slice(begin, begin + count), slice(at, at + count)))
                scale = term.column_scale[list(part.columns)]
                if structure.polar_axes == row_axes(structure.size, structure.rank):
                    self._rows.append(_rows(at, structure.size, structure.rank))
                for axis in structure.polar_axes:
                    is_sd = axis.kind == "sd"
                    if not is_sd and not axis.pairs:
                        self._later.append(len(units))
                    # One standard deviation of several columns follows their common scale.
                    own_scale = np.exp(np.log(scale[list(axis.columns)]).mean()) if is_sd else 1.0
                    units.append(float(own_scale) ** (-1.0 / axis.power))
                    symmetric.append(0.0 if is_sd else math.pi / 2)
                    powers.append(1.0 / axis.power if is_sd else 0.0)
                begin, at = begin + count, at + count
            self.parts.append(own)
        self.n_theta = sum(p.structure.n_theta for own in self.parts for p in own)
        self._n_variance = at
        self.size = at + len(further)
        units += further
        symmetric += [math.nan] * len(further)
        powers += [0.0] * len(further)
        self.symmetric = np.array(symmetric)
        self._units = np.array(units)
        self._powers = np.array(powers)
        self._is_sd, self._is_angle = self.symmetric == 0.0, self.symmetric > 0.0
        nears = self._units * np.where(self._is_sd, NEAR**self._powers, NEAR)
        own_nears = (nears, self._powers, self._is_sd)
        self._nears = tuple(a[1 : self._n_variance].tolist() for a in own_nears)
        every = [p.structure for own in self.parts for p in own]
        self._has_signs = any(structure.rank < structure.size for structure in every)

    def moved(self, make: Callable[[], SearchableObjective], searcher: PolarSearch | None) -> Space:
        """The same coordinates of the model with fixed effects held, made when it is needed."""
        other = copy(self)
        other._objective, other._make, other.searcher = None, make, searcher
        return other

    def place(self, parameter: Parameter) -> int | None:
        """Position of the coordinate that a parameter is; None of fixed effects, which are none."""
        if parameter.kind == "beta":
            return None
        if parameter.kind == "sigma":
            return 0
        part = self.parts[parameter.term][parameter.part]
        return part.own.start + parameter.place

    def begin(self) -> None:
        """Let what is evaluated from here on not depend on what was before."""

    @property
    def objective(self) -> SearchableObjective:
        """The objective whose deviance this is."""
        if self._objective is None:
            assert self._make is not None
            self._objective = self._make()
        return self._objective

    def unit(self, x: Floats) -> Floats:
        """A step of every coordinate (m,) that means about the same for all."""
        return np.asarray(self._units * math.exp(x[0]) ** self._powers)

    def coordinates(self, theta: Floats, sigma: float) -> Floats:
        """Coordinates (m,) of a canonical theta (k,) and sigma."""
        x = np.empty(self.size)
        for part in (p for own in self.parts for p in own):
            x[part.own] = part.structure.to_polar(theta[part.theta])
        x *= sigma**self._powers
        x[0] = math.log(sigma)
        return x

    def theta(self, x: Floats) -> tuple[Floats, float, Floats]:
        """Theta (k,), sigma, derivatives (k, m) of theta."""
        sigma = math.exp(x[0])
        shrink = sigma**-self._powers
        scaled = x * shrink
        theta = np.empty(self.n_theta)
        slopes = np.zeros((len(theta), self.size))
        for part in (p for own in self.parts for p in own):
            theta[part.theta], own_slopes = part.structure.from_polar(scaled[part.own])
            slopes[part.theta, part.own] = own_slopes
        slopes[:, 0] = -(slopes @ (scaled * self._powers))
        slopes[:, 1:] *= shrink[1:]
        return theta, sigma, slopes

    def evaluate(self, x: Floats) -> Point:
        """Evaluate with the gradient; raises FloatingPointError as the objective does."""
        if self.searcher is not None:
            end = self.searcher.search(x, _NONE, _NOTHING, 0.0)
            if end is not None:
                return point_of(end)
        if not abs(x[0]) < _LARGEST:
            raise FloatingPointError("sigma is out of the range of floating-point numbers.")
        theta, sigma, slopes = self.theta(x)
        evaluation, gradient, by_log = self.objective.evaluate_at_sigma(theta, sigma)
        slope = gradient @ slopes
        slope[0] += by_log
        return Point(x, theta, evaluation.objective, slope, lambda: evaluation.beta)

    def collapsed(self, x: Floats) -> NDArray[np.bool_]:
        """Whether x is where the deviance is symmetric (m,): a standard deviation of 0, say."""
        # So few that numpy takes longer. Angles are periodic.
        sigma, *values = x[: self._n_variance].tolist()
        sigma = math.exp(sigma)
        near = [
            abs(value) <= own * sigma**power if is_sd else abs(math.cos(value)) <= own
            for value, own, power, is_sd in zip(values, *self._nears, strict=True)
        ]
        return np.array([False, *near, *[False] * (self.size - self._n_variance)])

    def canonical(self, x: Floats) -> Floats:
        """Coordinates (m,) of the same covariance: standard deviations not negative.

        Those of a model with a structure of reduced rank stay, as signs are no convention there.
        """
        if self._has_signs:
            return x
        _, *values = x[: self._n_variance].tolist()
        for value, is_sd in zip(values, self._nears[2], strict=True):
            if value < 0.0 if is_sd else not -_QUARTER <= value <= _QUARTER:
                break
        else:
            return x
        theta, sigma, _ = self.theta(x)
        return self.coordinates(self._model.canonical(theta), sigma)

    def opened(self, x: Floats, free: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp], int]:
        """The same covariance written so that ways out of where x is symmetric can be seen.

        Gives coordinates (m,); those that are free and where the deviance is symmetric, then those
        that mean nothing at x but do beside it; and how many the former are. Of rows that vanish
        together the angles are turned to one direction: their covariance, as it leaves zero, is of
        rank 1.
        """
        collapsed = self.collapsed(x)
        if not collapsed[free].any():
            return x, free[:0], 0
        loose: list[int] = []
        own = set(free.tolist())
        for rows in self._rows:
            gone = [row for row, (length, _) in enumerate(rows) if collapsed[length]]
            for row in gone:
                angles = [i for i in rows[row][1] if i in own]
                if len(gone) > 1 and len(angles) == len(rows[row][1]):
                    x = x.copy()
                    for j, i in enumerate(angles):
                        ahead = math.copysign(_QUARTER, x[i]) if j == gone[0] else 0.0
                        x[i] = ahead if j <= gone[0] else x[i]
                loose += angles
        places = free[collapsed[free]]
        symmetric = [i for i in places.tolist() if i not in loose]
        return x, np.array([*symmetric, *loose], dtype=np.intp), len(symmetric)

    def shortest(self, x: Floats) -> Floats:
        """Steps (m,) from which second derivatives are taken where the deviance is symmetric."""
        lengths = _SHORT**self._powers * self.unit(x)
        return np.where(self._is_sd, lengths, _SHORT_TURN)

    def elsewhere(self, x: Floats) -> Iterator[Floats]:
        """Coordinates (m,) far from x, and from each other, with the same sigma.

        Those come first that led to other minima most often, of random models; then random ones.
        """
        units, places = self.unit(x), np.arange(self.size)
        # In no direction that is special.
        lengths = np.abs(x) + 0.3**self._powers * units
        turned = x + np.sin(1.0 + places)
        yield np.where(self._is_sd, lengths, np.where(self._is_angle, turned, x))
        for size in (1.0, 4.0):
            far = np.where(self._is_sd, size**self._powers * units, 0.0)
            yield np.where(self._is_sd | self._is_angle, far, x)
        if self._is_angle.any():
            yield np.where(self._is_angle, -x, x)
        lengths = np.exp(np.sin(2.0 + places) * self._powers) * units
        turned = x + np.sin(1.0 + 2.0 * places)
        yield np.where(self._is_sd, lengths, np.where(self._is_angle, turned, x))
        for way in np.random.default_rng(0).normal(size=(_SCATTERED, self.size)):
            yield x + 1.5 * way * units

    def aside(self, x: Floats, free: NDArray[np.intp]) -> list[tuple[int, Floats]]:
        """Free coordinates at which x is where the deviance is symmetric, and points beside it.

        Angles that mean nothing at x are ± pi/2 there, to either side where that is not the same.
        """
        collapsed = self.collapsed(x)
        if not collapsed[free].any():
            return []
        x = x.copy()
        opened = set()
        for i in self._later:
            if collapsed[i - 1]:
                collapsed[i] = True
                opened.add(i)
                x[i] = math.copysign(_QUARTER, x[i])
        out = []
        units = self.unit(x)
        for i in free[collapsed[free]].tolist():
            if i in opened:
                continue
            for turn in (_TURN, -_TURN) if i + 1 in opened else (_TURN,):
                point = x.copy()
                if self._is_angle[i]:
                    point[i] = math.copysign(_QUARTER - turn, x[i])
                else:
                    point[i] = ASIDE ** self._powers[i] * units[i]
                out.append((i, point))
        return out
