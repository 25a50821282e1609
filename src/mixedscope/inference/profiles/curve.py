"""The profile of one parameter: zeta as a function of its value, followed from the optimum out.

With d the deviance, all other parameters optimised, and d_min its minimum, zeta is
``sign(psi - estimate) sqrt(d(psi) - d_min)`` (Bates & Watts 1988, Nonlinear Regression Analysis
and Its Applications, section 6.1). By the envelope theorem its slope ``d'(psi) / (2 zeta)`` is a
component of a gradient that is there anyway, so that steps in zeta, and its roots, need few points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.inference.profiles.marks import Mark, inverse, misfit, rise, through
from mixedscope.inference.profiles.restriction import Knot, Restriction
from mixedscope.optimize.problem import EVALUATION_ERRORS

__all__ = ["Curve", "together"]

Floats = NDArray[np.float64]

#: How near to a value of zeta that is asked for a point has to come.
_EXACT: Final = 1e-7
#: How near a walk has to come to where a root is then looked for.
_CLOSE: Final = 0.05
#: Longest step of zeta between points.
_STRIDE: Final = 0.8
#: Points to one side at most, and tries to come exactly to a value of zeta.
_MOST: Final = 40
_TRIES: Final = 12
#: Rise of the deviance below which it is told by its slope, which has more digits, as far as the
#: deviance leaves it open: by this share of itself, or of so much if that is more.
_SMALL: Final = 1e-6
_DIGITS: Final = 1e-12
_ROUNDED: Final = 1e3
#: By how much zeta may rise differently from what slopes at both ends of a step say; by less where
#: something is collapsed at one end only.
_MISFIT: Final = 0.05
#: So much is allowed between points however near to each other.
_LEAST: Final = 1e-6
#: Misfit beyond which between two points no root is looked for before they were mended.
_JUMP: Final = 0.3
#: Points between which something collapses are no further apart in zeta.
_KINK: Final = 0.02
#: Share of their distance from a place by which points are apart from which a start there is made.
_APART: Final = 0.2
#: Sigma over its estimate, as a logarithm, below which zeta may have come to its limit where sigma
#: vanishes: its slope is no more than this, and so much further on zeta is the same, to this.
_VANISHED: Final = -math.log(100.0)
_LEVEL: Final = 1e-5
_BEYOND: Final = -math.log(1e4)
_SAME: Final = 1e-4
#: Slope of zeta by the logarithm of the distance from the estimate at which it may be level, and
#: how many units further out it has to be the same.
_LEVEL_OFF: Final = 1e-4
_OUT: Final = (20.0, 40.0, 80.0)
#: Units of a step at most until zeta has risen so far, where it may be level.
_PATIENT: Final = 2.0
_RISEN: Final = 0.3
#: Steps beyond the first point that a side may grow by, in slopes of the start.
_WIDEST: Final = 8.0


class Curve:
    """The profile of one parameter, point by point.

    Parameters
    ----------
    restriction : Restriction
        Of the parameter alone.

    Attributes
    ----------
    marks : list of Mark
        Ascending in the coordinate.
    ended : dict of {-1, 1} to bool
        Whether it is followed no further to one side: the range ends there, or sigma vanishes.
    failed : set of {-1, 1}
        Sides on which it ended because the deviance could not be evaluated further out.
    levelled : set of {-1, 1}
        Sides on which it ended because zeta has a limit there, however far out.
    """

    def __init__(self, restriction: Restriction) -> None:
        self.restriction = restriction
        self.parameter = restriction.parameters[0]
        knot = restriction.centre
        self._least = knot.point.value
        self._centre = float(knot.held[0])
        self._low, self._high = self.parameter.coordinate_limits
        curvature = float(restriction.curvature[0, 0])
        slope = math.sqrt(curvature / 2.0) if curvature > 0.0 else math.nan
        self.marks = [Mark(self._centre, 0.0, slope, knot, self._state(knot.point.x))]
        self._tried: set[tuple[float, ...]] = set()
        self._looked: set[float] = set()
        self.ended = {-1: self._at_end(-1), 1: self._at_end(1)}
        self.failed: set[int] = set()
        self.levelled: set[int] = set()

    def further(self, levels: Sequence[float]) -> Curve:
        """The same followed until |zeta| is each of these too; this one stays as it is."""
        other = self._copied()
        other.reach(levels)
        return other

    def _copied(self) -> Curve:
        """One that is followed further for itself."""
        other = copy(self)
        other.marks, other.ended = list(self.marks), dict(self.ended)
        other.failed, other.levelled = set(self.failed), set(self.levelled)
        other._tried, other._looked = set(self._tried), set(self._looked)
        return other

    def _at_end(self, side: int) -> bool:
        """Whether the estimate is at the end of the range on one side."""
        end = self._low if side < 0 else self._high
        if not math.isfinite(end):
            return False
        space = self.restriction.base.space
        x = self.restriction.base.centre.x
        place = self.restriction._places[0]
        return bool(space.collapsed(x)[place]) and abs(self._centre - end) < 0.1

    # -- points -----------------------------------------------------------------------------------

    def hold(self, place: float) -> Mark:
        """Evaluate the profile at a value of the coordinate, starting from the points known."""
        near = self._near(place)
        x = through([(m.place, m.knot.point.x) for m in near], place)
        held = np.array([place])
        try:
            knot = self.restriction.hold(held, x, near[0].knot.inverse)
        except EVALUATION_ERRORS:
            knot = self.restriction.hold(held, near[0].knot.point.x, near[0].knot.inverse)
        return self._mark(place, knot)

    def at(self, place: float) -> Mark:
        """The profile at any value of the coordinate; this one stays as it is.

        Further out than it was followed it is followed to there first, and in either case it is
        looked whether the others are at their lowest.
        """
        side = 1 if place > self._centre else -1
        other = self._copied()
        for _ in range(_MOST):
            own = other._side(side)
            step = other._bounded(own, other._step(own, _STRIDE))
            if not step < abs(place - own[-1].place) or (own[-1].place - place) * side >= 0.0:
                break
            try:
                other.add(own[-1].place + side * step)
            except EVALUATION_ERRORS:
                break
        mark = other.hold(place)
        knot = self.restriction.look(mark.knot, everywhere=True) if mark.zeta else None
        return mark if knot is None else self._mark(place, knot)

    def _mark(self, place: float, knot: Knot) -> Mark:
        """Zeta and its slope at a knot."""
        rise = knot.point.value - self._least
        apart = place - self._centre
        slope = float(knot.slopes[0])
        if rise < _SMALL:
            told = max(0.5 * slope * apart, 0.0)
            unsure = _DIGITS * max(abs(self._least), _ROUNDED)
            low, high = max(rise - unsure, 0.0), max(rise, 0.0) + unsure
            rise = min(max(told, low), high)
            if apart and rise != told:
                # In a narrow valley of the others the slope is less exact than the deviance.
                slope = 2.0 * rise / apart
        zeta = math.copysign(math.sqrt(rise), apart)
        slope = slope / (2.0 * zeta) if zeta else self.marks[self._middle()].slope
        return Mark(place, zeta, slope, knot, self._state(knot.point.x))

    def add(self, place: float) -> Mark:
        """Evaluate at a value of the coordinate, unless that is known, and keep the point."""
        for mark in self.marks:
            if mark.place == place:
                return mark
        mark = self.hold(place)
        self.marks.append(mark)
        self.marks.sort(key=lambda m: m.place)
        return mark

    def _middle(self) -> int:
        return next(i for i, m in enumerate(self.marks) if m.zeta == 0.0)

    def _near(self, place: float) -> list[Mark]:
        """Up to three points to start from, the nearest first, all on one side of the optimum.

        None is next to another, seen from the place: what solutions lack would count many times.
        """
        side = [m for m in self.marks if (m.place - self._centre) * (place - self._centre) >= 0.0]
        found: list[Mark] = []
        for m in sorted(side, key=lambda m: abs(m.place - place)):
            least = _APART * abs(m.place - place)
            if all(abs(m.place - other.place) >= least for other in found):
                found.append(m)
                if len(found) == 3:
                    break
        return found

    # -- walking ----------------------------------------------------------------------------------

    def reach(self, levels: Sequence[float]) -> None:
        """Follow the profile until |zeta| is each of these, exactly, or the range ends."""
        for side in (-1, 1):
            for level in sorted(levels):
                self.find(side * level)
        self._refine()
        for side in (-1, 1):
            self.end(side * max(levels))
        for level in (*levels, *(-v for v in levels)):
            self.find(level)

    def end(self, zeta: float) -> Mark | None:
        """Find the point of this zeta, as `find`, and look whether the others are at their lowest.

        Only at the last point of a side: what is lower there is followed back to where the two
        minima are equally low.
        """
        side = 1 if zeta > 0.0 else -1
        mark = self.find(zeta)
        for _ in range(_TRIES):
            if not self._look(side):
                break
            self._refine()
            mark = self.find(zeta)
        return mark

    def _look(self, side: int) -> bool:
        """Look for a lower minimum of the others at the last point of a side; whether one is."""
        at = 0 if side < 0 else -1
        last = self.marks[at]
        if last.zeta == 0.0 or last.place in self._looked:
            return False
        self._looked.add(last.place)
        try:
            knot = self.restriction.look(last.knot)
        except EVALUATION_ERRORS:
            return False
        if knot is None:
            return False
        self.marks[at] = self._mark(last.place, knot)
        self._spread(at)
        return True

    def _side(self, side: int) -> list[Mark]:
        """Points of one side, the optimum first."""
        own = [m for m in self.marks if (m.place - self._centre) * side >= 0.0]
        return own if side > 0 else own[::-1]

    def _walk(self, side: int, level: float) -> None:
        """Go out from the last point of a side to about |zeta| = `level`."""
        own = self._side(side)
        while not self.ended[side] and len(own) < _MOST:
            last = own[-1]
            missing = level - abs(last.zeta)
            if missing <= _CLOSE:
                return
            step = self._step(own, missing / math.ceil(missing / _STRIDE - 1e-9))
            place = last.place + side * self._bounded(own, step)
            end = self._low if side < 0 else self._high
            if (place - end) * side >= 0.0:
                place = end
                self.ended[side] = True
            try:
                own.append(self.add(place))
            except EVALUATION_ERRORS:
                self.ended[side] = True
                self.failed.add(side)
                return
            if side < 0 and self._has_vanished(own[-1]):
                self.ended[side] = True
            if self._is_level(own[-1]):
                self.ended[side] = True
                self.levelled.add(side)

    def _has_vanished(self, mark: Mark) -> bool:
        """Whether a point is of a sigma so small that zeta has its limit where sigma vanishes.

        There is one where random effects can take up all of the residuals.
        """
        if self.parameter.kind != "sigma" or mark.place > self._centre + _VANISHED:
            return False
        if abs(mark.slope) > _LEVEL:
            return False
        try:
            return abs(self.hold(mark.place + _BEYOND).zeta - mark.zeta) <= _SAME
        except EVALUATION_ERRORS:
            return False

    def _is_level(self, mark: Mark) -> bool:
        """Whether zeta has come to a limit, of a parameter that the data leave open to one side.

        As where fixed effects separate responses, or counts vary no more than Poisson's do.
        """
        if not self.restriction.base.space.may_level:
            return False
        apart = mark.place - self._centre
        if abs(mark.slope * apart) > _LEVEL_OFF:
            return False
        unit = self._unit()
        for distance in _OUT:
            place = mark.place + math.copysign(distance * unit, apart)
            try:
                if abs(self.hold(place).zeta - mark.zeta) > _SAME:
                    return False
            except EVALUATION_ERRORS:
                return distance > _OUT[0]
        return True

    def _bounded(self, own: Sequence[Mark], step: float) -> float:
        """A step from the last point of a side that is not much longer than those before it."""
        first = 1.0 / own[0].slope if own[0].slope > 0.0 else self._scale()
        gaps = [abs(b.place - a.place) for a, b in pairwise(own)]
        if self.restriction.base.space.may_level and abs(own[-1].zeta) < _RISEN:
            # Out of where it is level, or nearly, slopes do not tell how soon it rises.
            step = min(step, _PATIENT * self._unit())
        return min(step, 4.0 * max(gaps, default=math.inf), _WIDEST * first)

    def _scale(self) -> float:
        """A first step where the deviance has no curvature."""
        return 0.1 * self._unit() if self.restriction._places else 1.0

    def _unit(self) -> float:
        """A step of the coordinate that means about the same for all."""
        base = self.restriction.base
        return float(base.space.unit(base.centre.x)[self.restriction._places[0]])

    def _step(self, own: list[Mark], rise: float) -> float:
        """How far to go from the last point for zeta to rise by so much."""
        last = own[-1]
        slope = abs(last.slope) if math.isfinite(last.slope) and last.slope != 0.0 else math.nan
        if math.isnan(slope):
            return self._scale()
        if len(own) < 2:
            return rise / slope
        before = own[-2]
        apart = abs(last.place - before.place)
        side = 1.0 if last.place > before.place else -1.0
        mean = abs(last.zeta - before.zeta) / apart
        if last.slope <= 0.0 and mean == 0.0:
            # Level, as where one of two correlated effects has vanished: rounding has a sign.
            return self._scale()
        steady = rise / max(last.slope, 0.2 * mean)
        step = side * (inverse(own[-3:], last.zeta + side * rise) - last.place)
        # Where the polynomial turns it says nothing.
        return step if 0.4 * steady < step < 3.0 * steady else steady

    def find(self, zeta: float) -> Mark | None:
        """Find the point of this zeta; None if the profile ends, or is followed, no further."""
        before = self.marks.copy()
        found = self._find(zeta)
        if found is not None and len(self.marks) > len(before) + 1:
            # Tries next to it tell nothing more.
            known = {m.place for m in before}
            self.marks = [
                m for m in self.marks
                if m is found or m.place in known or m.state != found.state
                or abs(m.zeta - found.zeta) > _CLOSE
            ]  # fmt: skip
        return found

    def _find(self, zeta: float) -> Mark | None:
        """Walk to about this zeta, and look for the root there."""
        side = 1 if zeta > 0.0 else -1
        self._walk(side, abs(zeta))
        for _ in range(_TRIES):
            own = self._side(side)
            place = next((i for i, m in enumerate(own) if abs(m.zeta) >= abs(zeta) - _EXACT), None)
            if place is None:
                if self.ended[side] or abs(zeta) - abs(own[-1].zeta) > _CLOSE:
                    return None
                step = self._step(own, abs(zeta) - abs(own[-1].zeta))
                self.add(min(max(own[-1].place + side * step, self._low), self._high))
                continue
            if abs(abs(own[place].zeta) - abs(zeta)) <= _EXACT:
                return own[place]
            if place == 0:
                return None
            low, high = own[place - 1], own[place]
            # A root in a jump from one minimum to another is none.
            if misfit(*sorted((low, high), key=lambda m: m.place)) > _JUMP and self._mend():
                self._walk(side, abs(zeta))
                continue
            near = own[max(0, place - 2) : place + 2]
            guess = inverse(near, zeta)
            share = (guess - low.place) / (high.place - low.place)
            if not 0.0 < share < 1.0:
                guess = inverse([low, high], zeta)
                share = (guess - low.place) / (high.place - low.place)
            if not 0.0 < share < 1.0:
                share = (zeta - low.zeta) / (high.zeta - low.zeta)
                guess = low.place + min(max(share, 0.02), 0.98) * (high.place - low.place)
            if guess in (low.place, high.place):
                return low if abs(low.zeta - zeta) < abs(high.zeta - zeta) else high
            self.add(guess)
        return None

    def returns(self, mark: Mark) -> bool:
        """Whether the profile, as far as it was followed, comes back to smaller sizes of zeta."""
        own = self._side(1 if mark.zeta > 0.0 else -1)
        level = abs(mark.zeta) - 1e3 * _EXACT
        return any(
            abs(m.zeta) < level and abs(m.place - self._centre) > abs(mark.place - self._centre)
            for m in own
        )

    def _refine(self) -> None:
        """Mend points at which others were optimised to a wrong minimum, and locate kinks."""
        for _ in range(_MOST):
            if not self._mend() and not self._split():
                return

    def _mend(self) -> bool:
        """Solve again, from each other's solutions, neighbours whose slopes say they do not fit.

        Zeta rises between points by about the mean of their slopes times their distance, unless the
        others were optimised to different minima. Returns whether a point was lowered.
        """
        lowered = False
        middle = self._middle()
        # From the optimum out, as its solution is the best known.
        for i in (*range(middle - 1, -1, -1), *range(middle, len(self.marks) - 1)):
            a, b = self.marks[i], self.marks[i + 1]
            pair = a.place, a.zeta, b.place, b.zeta
            if pair in self._tried or misfit(a, b) <= self._allowed(a, b):
                continue
            self._tried.add(pair)
            for at, own, other in ((i, a, b), (i + 1, b, a)):
                if own.zeta == 0.0:
                    continue
                found = self._again(own, other)
                if found is not None:
                    self.marks[at] = found
                    self._spread(at)
                    lowered = True
        return lowered

    def _again(self, own: Mark, other: Mark) -> Mark | None:
        """A point found from the solution of another; None if that does not lower it."""
        start, inverse = other.knot.point.x, self.restriction.inverse
        try:
            knot = self.restriction.hold(np.array([own.place]), start, inverse)
        except EVALUATION_ERRORS:
            return None
        found = self._mark(own.place, knot)
        return found if abs(found.zeta) < abs(own.zeta) - _EXACT else None

    def _spread(self, at: int) -> None:
        """Solve neighbours of a point that was lowered from its solution, while that lowers them.

        Where two minima of the others are nearly equal slopes do not tell which one a point has.
        """
        for way in (-1, 1):
            here = at + way
            while 0 <= here < len(self.marks) and self.marks[here].zeta != 0.0:
                found = self._again(self.marks[here], self.marks[here - way])
                if found is None:
                    break
                self.marks[here] = found
                here += way

    @staticmethod
    def _allowed(a: Mark, b: Mark) -> float:
        """By how much zeta may rise from a to b otherwise than their slopes say."""
        most = _MISFIT if a.state == b.state else 0.02 * _MISFIT
        return max(_LEAST, min(most, _MISFIT / _STRIDE * rise(a, b)))

    def _split(self) -> bool:
        """Add a point between two of which something is collapsed at one only; False if done."""
        for a, b in pairwise(self.marks):
            middle = 0.5 * (a.place + b.place)
            if abs(b.zeta - a.zeta) > _KINK and a.place < middle < b.place and a.state != b.state:
                self.add(middle)
                return True
        return False

    def _state(self, x: Floats) -> bytes:
        """What is collapsed at a point, the parameter itself apart."""
        state = self.restriction.base.space.collapsed(x)
        state[self.restriction._places] = False
        return state.tobytes()


def together(curves: Sequence[Curve]) -> list[Mark]:
    """The points of several curves of one parameter, the lower where they differ at a place."""
    found: dict[float, Mark] = {}
    for mark in (m for curve in curves for m in curve.marks):
        if mark.place not in found or abs(mark.zeta) < abs(found[mark.place].zeta):
            found[mark.place] = mark
    return [found[place] for place in sorted(found)]
