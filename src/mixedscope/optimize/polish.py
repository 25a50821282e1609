"""From where a search ended to a certified optimum: escape saddles, polish, clean up zeros.

Every optimiser ends here, so that which one was used decides about the way, not about the answer.
Each evaluation made here is recorded, under the stage ``escape``, ``polish`` or ``restart``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.optimize.backends.scipy import run_bfgs
from mixedscope.optimize.certificate import (
    POLISH_TOLERANCE,
    ROUNDING_TOLERANCE,
    VERDICT_TOLERANCE,
    Left,
    tolerance_scale,
)
from mixedscope.optimize.curvature import Curvature, exact_curvature, measure_curvature
from mixedscope.optimize.objective import FloatArray
from mixedscope.optimize.problem import LimitReached, Point, Problem
from mixedscope.optimize.second_look import look_again, look_aside

__all__ = ["Polisher"]

#: Rounds of escaping and polishing after which to give up.
_ROUNDS = 12

#: Times that a lower minimum is looked for, the last of them in vain.
_SECOND_LOOKS = 4

#: Newton steps on one Hessian, and the factor by which each has to reduce the decrement.
_NEWTON_STEPS = 4
_NEWTON_FACTOR = 0.25

#: Above this objective to be gained a quadratic model is not trusted; BFGS takes over.
_NEWTON_REACH = 0.05

#: A Hessian is used again within this distance (largest entry) of where it was measured; within
#: the other where an eigenvalue is so small that its sign may change on the way, and where another
#: one is cheap.
_NEARBY = 1e-3
_NEARBY_FLAT = 1e-5

#: Lengths of the first step along negative curvature, standardised units.
_ESCAPE_STEPS = (0.1, 0.01, 1e-3)

#: A covariance parameter closer to an end of its range than this fraction of the largest is tried
#: at exactly it.
_TINY = 0.02

#: Not tried either if the curvature says that it costs more than this, times `tolerance_scale`;
#: what is done may cost rounding only.
_COSTLY = 1e-5


class Polisher:
    """Take a point to an optimum as far as the limits allow.

    Parameters
    ----------
    problem : Problem
    point : Point
        Where the search ended.

    Attributes
    ----------
    point : Point
        Where we are.
    curvature : Curvature or None
        Of that point; None until `measure`, or where it cannot be had.
    tried : list of str
        What was done, a few words each.
    limit : LimitReached or None
        The limit that ended the work, if one did.
    left : Left or None
        A lower minimum that was left.
    """

    def __init__(self, problem: Problem, point: Point) -> None:
        self.problem = problem
        self.point = point
        self.curvature: Curvature | None = None
        self._measured: Point | None = None
        self._is_exact = False
        self.tried: list[str] = []
        self.limit: LimitReached | None = None
        self.left: Left | None = None
        self.make_canonical()

    # -- public --------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure the curvature of the point, unless the time is over."""
        if self.point.gradient is None and not self.problem.out_of_time:
            self.point = Point(
                self.point.x, self.point.evaluation, self.problem.gradient(self.point.x)
            )
        gradient = self.point.gradient
        old = self.curvature
        if gradient is None or self.problem.out_of_time:
            self.curvature = None
        elif old is not None and self.point is self._measured:
            return
        elif old is not None and self._is_near(old):
            self.curvature = old.with_gradient(gradient)
        else:
            self.curvature = self._measured_here(gradient)
            self._measured = self.point

    def _measured_here(self, gradient: FloatArray) -> Curvature | None:
        """Exact curvature where that is to be had, else by differences; None if one fails."""
        x = self.point.x
        exact = self.problem.second_derivatives(x)
        self._is_exact = exact is not None
        if exact is not None:
            return exact_curvature(x, gradient, *exact)
        return measure_curvature(self.problem.gradients, x, gradient, secant=self._secant())

    def _secant(self) -> tuple[FloatArray, FloatArray] | None:
        """Step from the best point before this one, and what it did to the gradient."""
        here, before = self.point, self.problem.previous
        if before is None or here is not self.problem.best:
            return None
        if here.gradient is None or before.gradient is None:
            return None
        return here.x - before.x, here.gradient - before.gradient

    def _is_near(self, old: Curvature) -> bool:
        """Whether a Hessian measured before serves here too."""
        distance = float(np.abs(old.x - self.point.x).max())
        return distance <= (_NEARBY if old.is_clear and not self._is_exact else _NEARBY_FLAT)

    def run(self) -> None:
        """Escape and polish until nothing is left to be gained, then clean up zeros."""
        try:
            settled = self._settle_down()
            for _ in range(_SECOND_LOOKS):
                # What cannot be checked, as at an edge beyond which there are no values, need not
                # be the lowest either.
                if not settled and self.problem.out_of_time:
                    break
                lower = self._lower(settled)
                if lower is None:
                    break
                self.move(lower)
                settled = self._settle_down()
            if not settled:
                return
        except LimitReached as limit:
            self.limit = limit
            best = self.problem.best
            if best is not None and best.at_most < self.point.at_most:
                self.move(best)
        self.make_canonical()
        self.measure()

    def _lower(self, settled: bool) -> Point | None:
        """Give a lower point that is better too; None if none was found."""
        self.left = None
        problem, here = self.problem, self.point
        places = problem.objective.second_look(problem.to_theta(here.x))
        lower = look_again(problem, here, places, self.note)
        if lower is not None or not settled or self.curvature is None:
            return lower
        aside = look_aside(problem, here, self.curvature)
        if aside is None:
            return None
        left_out = [self._left_out(point) for point in (aside, here)]
        # Not where one of them is not known, NaN.
        if aside.objective + left_out[0] < here.objective + left_out[1]:
            problem.stage = "restart"
            self.note("a second look for a lower minimum")
            return problem.evaluate(aside.x, gradient=True)
        self.left = Left(aside.objective, problem.to_theta(aside.x), *left_out)
        return None

    def _left_out(self, point: Point) -> float:
        """What the objective leaves out at a point."""
        return self.problem.objective.left_out(self.problem.to_theta(point.x))

    def _settle_down(self) -> bool:
        """Settle, clean up zeros and look beyond them in turns; False if it cannot be checked."""
        for _ in range(_ROUNDS):
            if not self._settle():
                return False
            self._clean()
            if not self._look_beyond():
                break
        return True

    def make_canonical(self) -> None:
        """Bring theta to its canonical range: no diagonal element of Λ is negative."""
        theta = self.problem.to_theta(self.point.x)
        canonical = self.problem.objective.canonical(theta)
        if theta.tolist() == canonical.tolist():  # for so few numpy's comparison takes longer
            return
        gradient, curvature = self.point.gradient, self.curvature
        # Gradient and Hessian change their signs with the parameters.  Those of zeros do not show
        # in theta itself, but in a theta beside it.
        beside = np.where(theta == 0.0, 1e-200, theta)
        flips = np.sign(self.problem.objective.canonical(beside)) * np.sign(beside)
        if np.array_equal(theta * flips, canonical):
            gradient = None if gradient is None else gradient * flips
            self.curvature = None if curvature is None else curvature.flipped(flips)
        else:  # more than signs changed: what was measured no longer belongs to this theta
            gradient = self.curvature = None
        # Adding zero turns -0.0 into 0.0, which would be printed.
        self.point = Point(self.problem.to_x(canonical) + 0.0, self.point.evaluation, gradient)

    # -- steps ---------------------------------------------------------------------------------

    def _settle(self) -> bool:
        """Escape and polish until nothing is left to be gained; False if it cannot be checked."""
        for _ in range(_ROUNDS):
            self.measure()
            curvature = self.curvature
            if curvature is None:
                return False
            if curvature.is_saddle and self._is_level(curvature):
                if not self._escape(curvature):
                    break
            elif self._is_small(curvature) or not self._polish(curvature):
                break
            self.make_canonical()
        return True

    def _is_small(self, curvature: Curvature) -> bool:
        return curvature.decrement <= POLISH_TOLERANCE * tolerance_scale(self.point.objective)

    def _is_level(self, curvature: Curvature) -> bool:
        """Whether slopes gain nothing worth having, so that only curvature can."""
        return curvature.decrement <= VERDICT_TOLERANCE * tolerance_scale(self.point.objective)

    def move(self, point: Point) -> None:
        """Go on from another point."""
        self.point = point

    def _polish(self, curvature: Curvature) -> bool:
        """Reduce what is left to be gained; False if nothing helps any more."""
        self.problem.stage = "polish"
        before = curvature.decrement
        if not curvature.is_saddle and before <= _NEWTON_REACH and self._newton(curvature):
            self.note("Newton steps")
            return True
        if before <= ROUNDING_TOLERANCE * tolerance_scale(self.point.objective):
            # Only rounding is left for a line search to find.
            return False
        start = self.point.at_most
        run_bfgs(self.problem, self.point.x, inverse=curvature.inverse)
        self.note("BFGS")
        best = self.problem.best
        if best is None or not best.at_most < start:
            return False
        self.move(best)
        return True

    def _newton(self, curvature: Curvature) -> bool:
        """Take Newton steps on one Hessian as long as they pay."""
        moved = False
        for _ in range(_NEWTON_STEPS):
            point = self.problem.evaluate(self.point.x + curvature.newton_step, gradient=True)
            if point is None or point.gradient is None:
                break
            after = curvature.with_gradient(point.gradient)
            # Near the optimum the objective is flat in rounding; the gradient is not.
            rises = point.objective > self.point.objective + point.rounding
            if rises or after.decrement > _NEWTON_FACTOR * curvature.decrement:
                break
            self.move(point)
            self.curvature = curvature = after
            moved = True
            if self._is_small(curvature):
                break
        return moved

    def _escape(self, curvature: Curvature) -> bool:
        """Leave a saddle along its negative curvature; False if nothing is gained."""
        self.problem.stage = "escape"
        self.note("negative curvature")
        direction = curvature.descent
        origin = self.point
        enough = origin.objective - origin.rounding
        for sign in (1.0, -1.0):
            for length in _ESCAPE_STEPS:
                point = self._probe(origin, sign * length * direction)
                if point is None or not point.at_most < enough:
                    continue
                # Downhill: go on in doubled steps while it pays.
                best, reach = point, length
                while True:
                    reach *= 2.0
                    point = self._probe(origin, sign * reach * direction)
                    if point is None or not point.at_most < best.at_most:
                        break
                    best = point
                self.move(best)
                self.problem.stage = "polish"
                run_bfgs(self.problem, best.x)
                self.note("BFGS")
                if self.problem.best is not None:
                    self.move(self.problem.best)
                return True
        return False

    def _probe(self, origin: Point, step: FloatArray) -> Point | None:
        return self.problem.evaluate(origin.x + step, gradient=False)

    def _clean(self) -> None:
        """Put theta at exactly the end of its range, as zero, where that costs nothing."""
        problem, x = self.problem, self.point.x
        sizes = np.abs(x)
        edges, column = problem.objective.edges * problem.scale, problem.objective.columns
        # How large a fixed effect is says nothing of what is small among covariance parameters.
        comparable = (column >= 0) | ~np.isnan(edges)
        tiny = _TINY * max([1.0, *sizes[comparable].tolist()])
        # NaN, where there is no such end, is never near.
        near = np.abs(sizes - edges) < tiny
        if not near.any():
            return
        # With an element of a column of Λ all of the column may be zero.
        parts = []
        for i in np.flatnonzero(near).tolist():
            whole = np.flatnonzero(column == column[i])
            zero = column[i] >= 0 and edges[i] == 0.0 and bool(np.all(np.abs(x[whole]) < tiny))
            parts.append(whole if zero else np.array([i]))
        target = np.where(edges > 0.0, np.copysign(edges, x), 0.0)
        parts = [p for p in parts if np.any(x[p] != target[p]) and not self._costs(p, target)]
        if not parts:
            return
        problem.stage = "polish"
        attempts = [np.concatenate(parts)] + (parts if len(parts) > 1 else [])
        for i, indices in enumerate(attempts):
            trial = self.point.x.copy()
            trial[indices] = target[indices]
            point = problem.evaluate(trial, gradient=True)
            if point is None or point.objective > self.point.objective + self.point.rounding:
                continue
            self.move(point)
            if i == 0:
                return

    def _costs(self, indices: NDArray[np.intp], target: FloatArray) -> bool:
        """Whether putting these parameters at their targets clearly raises the objective."""
        if self.curvature is None:
            return False
        step = np.zeros_like(target)
        step[indices] = target[indices] - self.point.x[indices]
        limit = _COSTLY * tolerance_scale(self.point.objective)
        return self.curvature.change(step) > limit

    def _look_beyond(self) -> bool:
        """Leave an edge beside which the objective falls unseen by curvature; False if none."""
        problem = self.problem
        points = problem.objective.beyond(problem.to_theta(self.point.x))
        if not len(points):
            return False
        problem.stage = "escape"
        self.note("a look beyond zero")
        enough = self.point.objective - self.point.rounding
        found = [problem.evaluate(problem.to_x(theta), gradient=False) for theta in points]
        lower = [p for p in found if p is not None and p.at_most < enough]
        if not lower:
            return False
        self.move(min(lower, key=lambda p: p.objective))
        problem.stage = "polish"
        run_bfgs(problem, self.point.x)
        self.note("BFGS")
        if problem.best is not None:
            self.move(problem.best)
        self.make_canonical()
        return True

    def note(self, what: str) -> None:
        """Remember what was done, once."""
        if what not in self.tried:
            self.tried.append(what)
