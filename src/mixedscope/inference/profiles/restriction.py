"""The deviance with one parameter, or two, held at given values and all others optimised."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.profiles.constrained import (
    Held,
    bounded_inverse,
    coarse,
    hessian,
    minimize,
)
from mixedscope.inference.profiles.parameters import Parameter
from mixedscope.inference.profiles.space import Point, Space
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Base", "Knot", "Restriction"]

Floats = NDArray[np.float64]

#: What the fit may be above the least deviance that is found: its own tolerance, many times.
_LOWER: Final = 1e-5
#: Observations up to which other minima are looked for from several places. One found that is so
#: little higher, and so far away in some coordinate, is finished to see which is lower.
_ROWS: Final = 5_000
_CLOSE: Final = 0.02
#: Places searched from where all of them lead back, and nothing is collapsed: of 610 ends of random
#: profiles no search from further ones found what these did not. Where a covariance is singular it
#: may. Beyond the last only there, and where there are several minima.
_ENOUGH: Final = 2
_LAST: Final = 5
_APART: Final = 0.02
#: Deviances this near to each other are the same.
_FLAT: Final = 1e-9


class Base:
    """The optimum of a model in the coordinates of one order of its columns.

    Parameters
    ----------
    space : Space
    start : (m,) array
        Coordinates of where the fit ended.
    fixed : sequence of int
        Coordinates that are known: that of a sigma that is.

    Attributes
    ----------
    space : Space
    free : (f,) array of int
        Coordinates that are estimated: all but that of a sigma that is known.
    centre : Point
        The optimum.
    hessian : (m, m) array
        Second derivatives of the deviance there.
    """

    def __init__(self, space: Space, start: Floats, *, fixed: Sequence[int] = ()) -> None:
        self.space = space
        space.begin()
        self.hessian = hessian(self.space, start)
        self.free = np.array([i for i in range(space.size) if i not in fixed], dtype=int)
        own = self.hessian[np.ix_(self.free, self.free)]
        inverse = bounded_inverse(own, self.space.unit(start)[self.free])
        before = self.space.evaluate(start)
        held = minimize(self.space, start, self.free, inverse, tolerance=1e-12)
        check_lower(held.point.value, before.value, space.objective)
        self.centre = held.point._replace(x=self.space.canonical(held.point.x))

    @classmethod
    def of(cls, objective: SearchableObjective, theta: Floats, sigma: float) -> Base:
        """Begin at theta (k,) and sigma of a fit."""
        space = Space(objective)
        start = space.coordinates(objective.canonical(np.asarray(theta, dtype=float)), sigma)
        return cls(space, start, fixed=() if objective.system.design.sigma is None else (0,))

    @property
    def objective(self) -> SearchableObjective:
        """The objective whose optimum it is."""
        return self.space.objective


def check_lower(value: float, least: float, objective: SearchableObjective) -> None:
    """Raise UnsuitedError if a deviance is below what the fit took for the least.

    Of an approximation the lower minimum may be one that the likelihood does not have.
    """
    if not value < least - max(_LOWER, 1e-9 * abs(least)):
        return
    found = f"A profile found a deviance lower by {least - value:.2g} than that of the fit"
    again = (
        "fit again from another start, for example model.fit(start='random', seed=1), and profile "
        "the better fit"
    )
    if objective.is_approximate:
        raise UnsuitedError(
            f"{found}. That may be a minimum that Laplace's approximation alone has, as the "
            "certificate tells by lower_minimum: profile a fit by quadrature then, for example "
            f"quadrature=9, where the model has it. Else {again}"
        )
    raise UnsuitedError(f"{found}, which is not at the minimum: {again}")


class Knot(NamedTuple):
    """The least deviance at held values.

    Attributes
    ----------
    held : (h,) array
        Values of what is held: a coordinate, or a fixed effect.
    point : Point
        Of the coordinates.
    slopes : (h,) array
        Derivatives of the least deviance by the held values (envelope theorem).
    fixed_effects : callable
        Gives all fixed effects (r,), held or not.
    inverse : (f, f) array
        Of the Hessian by the free coordinates.
    """

    held: Floats
    point: Point
    slopes: Floats
    fixed_effects: Callable[[], Floats]
    inverse: Floats


class Restriction:
    """The least deviance as a function of one or two parameters.

    Parameters
    ----------
    base : Base
        Of columns in an order in which the parameters are coordinates.
    parameters : sequence of Parameter

    Attributes
    ----------
    centre : Knot
        The optimum.
    inverse : (f, f) array
        Of the Hessian there by the coordinates that are not held.
    curvature : (h, h) array
        Second derivatives of the least deviance there, by the held values.
    """

    def __init__(self, base: Base, parameters: tuple[Parameter, ...]) -> None:
        self.base = base
        self.parameters = parameters
        places = [base.space.place(p) for p in parameters]
        # Fixed effects that are no coordinates: the objective has them at their least.
        self._betas = [i for i, place in enumerate(places) if place is None]
        self._others = [i for i in range(len(parameters)) if i not in self._betas]
        self._places = [place for place in places if place is not None]
        self._free = np.array([i for i in base.free.tolist() if i not in self._places], dtype=int)
        self._positive = [i for p in parameters for i in _lengths(base.space, p) if i in self._free]
        units = base.space.unit(base.centre.x)[self._free]
        own = base.hessian[np.ix_(self._free, self._free)]
        self.inverse = bounded_inverse(own, units)
        held = np.array([p.estimate for p in parameters])
        self._spaces: dict[tuple[float, ...], Space] = {}
        if self._betas:
            self._reduce()
            held[self._betas] = base.centre.fixed_effects()[self._columns]
        # Of a reduced rank the sign of a row's last entry is no convention: an angle or length and
        # its mirror image are two covariances, and each value is held in both ways.
        self._two_fold = [
            i
            for i in self._others
            if (p := parameters[i]).kind in ("sd", "correlation")
            and (s := base.space.parts[p.term][p.part].structure).rank < s.size
        ]
        for i, place in zip(self._others, self._places, strict=True):
            own = float(base.centre.x[place])
            held[i] = self._fold(i, own) if i in self._two_fold else own
        self.centre = Knot(
            held,
            base.centre,
            np.zeros(len(held)),
            base.centre.fixed_effects,
            self.inverse,
        )
        self.curvature = self._curvature()

    def _reduce(self) -> None:
        """Take the columns of held fixed effects out of the design."""
        self._columns = [self.parameters[i].place for i in self._betas]
        searcher = self.base.space.searcher
        self._searcher = None if searcher is None else searcher.without(self._columns)

    @cached_property
    def _system(self) -> ProfiledSystem:
        """The model without the columns of held fixed effects."""
        system = self.base.objective.system
        fixed = system.fixed_columns
        rest = [c for c in range(system.n_fixed) if c not in self._columns]
        centre = self.base.centre.fixed_effects()[self._columns]
        design = replace(
            system.design,
            X=np.ascontiguousarray(fixed[:, rest]),
            x_names=tuple(system.fixed_names[c] for c in rest),
            y=system.design.y - fixed[:, self._columns] @ centre,
        )
        return ProfiledSystem(design)

    def _space(self, held: Floats) -> Space:
        """The space in which held fixed effects have these values."""
        if not self._betas:
            return self.base.space
        values = held[self._betas]
        if self._searcher is not None:
            self._searcher.hold(values)

        def make() -> SearchableObjective:
            system = self.base.objective.system
            y = system.design.y - system.fixed_columns[:, self._columns] @ values
            return SearchableObjective(self._system.with_response(y), reml=False)

        return self.base.space.moved(make, self._searcher)

    def look(self, knot: Knot, *, everywhere: bool = False) -> Knot | None:
        """Look for a lower minimum of the others elsewhere; None if none is found.

        Searches from places that differ much: all standard deviations and correlations changed in
        one direction, and all standard deviations as large as sigma without correlations; where
        these lead to another minimum, be it higher, where something is collapsed, or `everywhere`
        is said, from more; where both is so, from many. No minimum is proved to be the lowest. Of
        models of many observations from one place only, and of these only where searches are
        compiled.
        """
        space = self._space(knot.held)
        own = knot.point
        is_large = self.base.objective.system.n > _ROWS
        if len(self._free) < 2 or (is_large and space.searcher is None):
            return None
        free = self._free
        is_singular = not is_large and bool(space.collapsed(own.x)[free].any())
        everywhere = everywhere or is_singular
        sizes, near = np.abs(own.x), _APART * space.unit(own.x)
        is_alone, higher = True, None
        for number, start in enumerate(space.elsewhere(own.x)):
            if is_alone and not everywhere and number == (1 if is_large else _ENOUGH):
                break
            if number >= _LAST and (is_alone or not is_singular):
                break
            x = own.x.copy()
            x[free] = start[free]
            try:
                # Of some structures the derivatives overflow far from all data.
                with np.errstate(all="ignore"):
                    end = coarse(space, x, free, self.inverse, self._positive)
            except EVALUATION_ERRORS:
                continue
            if end is None:
                continue
            gap = end.value - own.value
            if gap > _CLOSE:
                is_alone = False
                if higher is None or end.value < higher.value:
                    higher = end
                continue
            # What is held is no nearer or further.
            if gap > -_CLOSE and (np.abs(np.abs(end.x) - sizes) < near).all():
                continue
            other = self.hold(knot.held, end.x, self.inverse)
            gap = other.point.value - own.value
            if gap < -_LOWER * _CLOSE:
                return other
            is_alone = is_alone and gap < _LOWER
        if higher is not None:
            # It may have ended in a narrow valley, as of nearly collinear columns, not at its foot.
            other = self.hold(knot.held, higher.x, self.inverse)
            if other.point.value < own.value - _LOWER * _CLOSE:
                return other
        return None

    def _slopes(self, held: Floats, point: Point) -> tuple[Floats, Callable[[], Floats]]:
        """Derivatives by the held values, and what gives all fixed effects (r,)."""
        if not self._betas and not self._two_fold:
            return point.slope[self._places], point.fixed_effects
        out = np.empty(len(held))
        out[self._others] = point.slope[self._places]
        for i, place in zip(self._others, self._places, strict=True):
            if i in self._two_fold and abs(point.x[place] - held[i]) > 1e-9:
                out[i] = -out[i]
        if len(self._betas) == 1 and math.isfinite(point.log_det_fixed):
            place, value = self._columns[0], float(held[self._betas[0]])
            full = self.base.space.evaluate(point.x)
            if math.isfinite(full.log_det_fixed):
                # The determinant is that of the others times the information on this one.
                information = math.exp(full.log_det_fixed - point.log_det_fixed)
                apart = value - float(full.fixed_effects()[place])
                out[self._betas] = 2.0 * information * apart / math.exp(point.x[0]) ** 2
                return out, lambda: np.insert(point.fixed_effects(), place, value)
        if self._betas:
            # Of the full model at this theta: P + (b - beta)' inv(V) (b - beta) is the penalised
            # residual with b held, P and V free of b.
            beta, covariance = self._fixed_effects(point.theta)
            own = covariance[self._columns]
            pull = np.linalg.solve(own[:, self._columns], held[self._betas] - beta[self._columns])
            out[self._betas] = 2.0 * pull / math.exp(point.x[0]) ** 2
            return out, lambda: beta + pull @ own
        return out, point.fixed_effects

    def _fixed_effects(self, theta: Floats) -> tuple[Floats, Floats]:
        """Fixed effects (r,) where none is held, and their covariance over sigma**2."""
        objective = self.base.objective
        evaluation = objective.evaluate(theta)
        return evaluation.beta, objective.system.beta_covariance(1.0)

    def _curvature(self) -> Floats:
        """Second derivatives of the least deviance at the optimum."""
        size = len(self.parameters)
        full = self.base.hessian
        second = np.zeros((size, size))
        cross = np.zeros((size, len(self._free)))
        second[self._block(self._others)] = full[self._block(self._places)]
        cross[self._others] = full[self._places][:, self._free]
        if self._betas:
            x = self.base.centre.x
            own = self._information()
            second[self._block(self._betas)] = 2.0 * own / math.exp(x[0]) ** 2
            for i in self._betas:
                step = np.zeros(size)
                step[i] = 1e-2 / math.sqrt(second[i, i])
                slopes = [
                    self._space(self.centre.held + s * step).evaluate(x).slope for s in (1.0, -1.0)
                ]
                mixed = (slopes[0] - slopes[1]) / (2.0 * step[i])
                cross[i] = mixed[self._free]
                second[i, self._others] = second[self._others, i] = mixed[self._places]
        return second - cross @ self.inverse @ cross.T

    def _information(self) -> Floats:
        """Inverse covariance over sigma**2 of the held fixed effects at the optimum, (b, b)."""
        centre = self.base.centre
        if len(self._betas) == 1 and math.isfinite(centre.log_det_fixed):
            fewer = self._space(self.centre.held).evaluate(centre.x)
            if math.isfinite(fewer.log_det_fixed):
                return np.array([[math.exp(centre.log_det_fixed - fewer.log_det_fixed)]])
        _, covariance = self._fixed_effects(centre.theta)
        return np.asarray(np.linalg.inv(covariance[self._block(self._columns)]))

    @staticmethod
    def _block(places: list[int]) -> tuple[NDArray[np.intp], ...]:
        own = np.array(places, dtype=np.intp)
        return np.ix_(own, own)

    @cached_property
    def _level(self) -> Point | None:
        """The least deviance where a standard deviation of a held correlation is zero.

        Whatever the correlation is, its profile is nowhere higher: it means nothing there.
        """
        if len(self.parameters) > 1:
            return None
        found = []
        for i in self._positive:
            rest = self._free != i
            x = self.base.centre.x.copy()
            x[i] = 0.0
            inverse = self.inverse[rest][:, rest]
            found.append(minimize(self.base.space, x, self._free[rest], inverse).point)
        return min(found, key=lambda point: point.value, default=None)

    def _fold(self, i: int, place: float) -> float:
        """Value within the limits of a coordinate that means the same by itself."""
        if self.parameters[i].kind == "sd":
            return abs(place)
        return math.asin(math.sin(place))

    def _ways(self, held: Floats) -> list[Floats]:
        """Coordinates of the held values, in all ways to hold them."""
        if not self._two_fold:
            return [held[self._others]]
        ways = [held]
        for i in self._two_fold:
            is_sd = self.parameters[i].kind == "sd"
            for way in list(ways):
                other = way.copy()
                other[i] = -way[i] if is_sd else math.pi - way[i]
                ways.append(other)
        return [way[self._others] for way in ways]

    def hold(self, held: Floats, start: Floats, inverse: Floats) -> Knot:
        """Optimise all but the held values, from coordinates (m,) on."""
        space = self._space(held)
        space.begin()
        best: Held | None = None
        for places in self._ways(held):
            x = self.base.centre.x.copy()  # what is known stays as it is
            x[self._free] = start[self._free]
            x[self._places] = places
            found = minimize(space, x, self._free, inverse, positive=self._positive)
            if best is None or found.point.value < best.point.value:
                best = found
        assert best is not None
        if self._level is not None and self._level.value < best.point.value - _FLAT:
            level = self._level
            return Knot(held, level, np.zeros(1), level.fixed_effects, inverse)
        point = best.point
        tidy = space.canonical(point.x)
        if tidy is not point.x:
            tidy[self._places] = held[self._others]
            tidied = space.evaluate(tidy)
            # Of an angle that a standard deviation of zero leaves open the value held may differ.
            if tidied.value <= point.value + _FLAT:
                point = tidied
        check_lower(point.value, self.centre.point.value, space.objective)
        slopes, beta = self._slopes(held, point)
        return Knot(held, point, slopes, beta, best.inverse)


def _lengths(space: Space, parameter: Parameter) -> list[int]:
    """Coordinates whose sign is part of what an angle means: the lengths of its two rows."""
    if parameter.kind != "correlation" or parameter.axis is None:
        return []
    part = space.parts[parameter.term][parameter.part]
    return [
        part.own.start + i
        for first, second, _ in parameter.axis.pairs
        for i, axis in enumerate(part.structure.polar_axes)
        if axis.kind == "sd" and axis.power == 1 and axis.columns in ((first,), (second,))
    ]
