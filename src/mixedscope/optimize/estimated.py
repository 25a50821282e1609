"""Minimise an objective that is estimated by random probes: search, settle, check by fresh ones.

With the same probes at every theta the estimate of the gradient is a smooth function whose root is
sought by Newton steps on the average information. The objective is asked for no more than it
knows: a step is refused only where it rises by more than its error. What the probes leave open is
told in standard errors of theta: with H the Hessian and C the covariance of the gradient over sets
of probes the root varies by ``inv(H) C inv(H)``, where the data alone leave ``2 inv(H)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol, Self, runtime_checkable

import numpy as np

from mixedscope.core.seeds import derive_seed
from mixedscope.optimize.backends.base import Outcome
from mixedscope.optimize.curvature import Curvature, exact_curvature
from mixedscope.optimize.hidden_falls import hidden_fall
from mixedscope.optimize.objective import FloatArray, SmoothObjective
from mixedscope.optimize.probe_words import APART, FAR, TOO_MUCH
from mixedscope.optimize.problem import EVALUATION_ERRORS, LimitReached, Point, Problem
from mixedscope.optimize.second_look import APART_FROM, HOPE, HOPEFUL, dips

__all__ = ["BY_INFORMATION", "EstimatedObjective", "Settler", "is_estimated"]

#: What the search is called that takes steps by the average information.
BY_INFORMATION: Final = "average-information"

#: Objective still to be gained at which a search ends, deviance units: theta is then within
#: sqrt(1e-8), a ten-thousandth, of its standard errors of the root of the estimated gradient.
_ENOUGH: Final = 1e-8

#: How many probes there may be.
_MOST_PROBES: Final = 512

#: Evaluations of one search, and times a step is shortened.
_STEPS: Final = 40
_HALVINGS: Final = 6

#: Times that a search goes on which ended before it was there.
_AGAIN: Final = 2

#: Least eigenvalue of the Hessian, as a share of the largest, that a step is divided by.
_LEAST: Final = 1e-8

#: Newton steps from zero that are rounding.
_STILL: Final = 1e-8

#: Least curvature along a step, as a share of what was thought, that the steps after it learn from.
_CURVED: Final = 0.05

#: Share by which two curvatures differ that are the same.
_ALIKE: Final = 0.2

#: Times that a saddle, or a zero beside which the objective falls, is left.
_ROUNDS: Final = 3

#: Steps out of a saddle, standardised units.
_LENGTHS: Final = (0.3, 0.1, 0.03)

#: Difference of objectives that is none.
_NOTHING: Final = 1e-6

#: Standard deviations over sigma: up to which zero may be tried, and what an escape from it tries.
_TINY: Final = 0.05
_ESCAPE: Final = 0.1


@runtime_checkable
class EstimatedObjective(Protocol):
    """What an objective beside `SmoothObjective` has if it is estimated by random probes."""

    @property
    def n_probes(self) -> int:
        """Number of probes."""
        ...

    @property
    def seed(self) -> int:
        """What the probes are drawn from."""
        ...

    def use_probes(self, n_probes: int | None, /) -> None:
        """Use so many probes from now on; None: as many as a fit begins with."""
        ...

    def with_probes(self, n_probes: int, *, seed: int | None = None) -> Self:
        """Give the same objective by other probes."""
        ...

    def gradient_covariance(self, theta: FloatArray, /) -> FloatArray:
        """Covariance (k, k) of the gradient at theta over sets of probes."""
        ...


class Settler:
    """Take a search to the root of the estimated gradient, and say how well that is known.

    Has what `mixedscope.optimize.polish.Polisher` has.

    Parameters
    ----------
    problem : Problem
        Of an `EstimatedObjective`.

    Attributes
    ----------
    probe_error : dict
        ``theta``, one standard error of the probes over the standard error of theta, the largest,
        with what the search left;
        ``objective``, that of the objective; ``difference``, of an objective above the optimum by
        no more than that the probes may have got all (`_difference`); ``probes``; ``fresh``, how
        far fresh probes are from them, in standard errors of the difference; ``iterations`` and
        ``residual`` of the equations; ``hidden``, only where there is any, how much lower the
        objective may be elsewhere, see `mixedscope.optimize.hidden_falls`. Empty before `run`.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._objective.use_probes(None)
        self.curvature: Curvature | None = None
        self.tried: list[str] = []
        self.limit: LimitReached | None = None
        self.left: None = None
        self.probe_error: dict[str, Any] = {}
        self._of_probes = 0.0
        self._point: Point | None = None
        #: Steps and changes of the gradient along them, for objectives that have secants.
        self._secants: list[tuple[FloatArray, FloatArray]] = []

    @property
    def point(self) -> Point:
        """Where we are."""
        assert self._point is not None
        return self._point

    @property
    def _objective(self) -> Any:
        return self.problem.objective

    # -- public ----------------------------------------------------------------------------------

    def search(self, x0: FloatArray) -> Outcome:
        """Search from x0 (k,), standardised units; as `Backend.search`."""
        point = self.problem.evaluate(x0, gradient=True)
        if point is None:
            return Outcome("failed", "the objective could not be evaluated at the start")
        self._point = point
        return self._descend()

    def take(self, point: Point) -> None:
        """Go on from a point that another search found, unless this one has its own."""
        if self._point is None:
            self._point = point

    def measure(self) -> None:
        """Measure curvature and probe error where we are, unless the time is over."""
        if self.problem.out_of_time:
            return
        if self.point.gradient is None:
            gradient = self.problem.gradient(self.point.x)
            self._point = Point(self.point.x, self.point.evaluation, gradient)
        if self.point.gradient is not None:
            self.curvature = self._curvature()
            self._check()

    def run(self) -> None:
        """Settle, and have more probes until they tell enough."""
        try:
            self._settle_enough()
            for _ in range(_ROUNDS):
                if self._is_hopeless() or not (self._leaves_saddle() or self._is_lower_beyond()):
                    break
                self._settle_enough()
            if not self._is_hopeless() and self._is_lower_elsewhere():
                self._settle_enough()
        except LimitReached as limit:
            self.limit = limit
            # What was measured may have been so elsewhere.
            self.curvature, self.probe_error = None, {}
        self._make_canonical()
        if self.limit is not None:
            self.measure()

    # -- steps -----------------------------------------------------------------------------------

    def _settle_enough(self) -> None:
        """Settle with as many probes as tell enough."""
        self._settle()
        for _ in range(_AGAIN):
            if self._is_hopeless() or not self._is_unfinished():
                break
            self._settle()
        while self._is_uncertain() and 2 * self._objective.n_probes <= _MOST_PROBES:
            if self._is_hopeless():
                break
            self._double()
            self._settle()

    def _settle(self) -> None:
        """Step to the root of the gradient, and check by fresh probes."""
        self.problem.stage = "polish"
        if self.point.gradient is None:
            self._evaluate_here()
        self._descend()
        self._make_canonical()
        if not self.problem.out_of_time and self.point.gradient is not None:
            self.curvature = self._curvature()
            self._check()

    def _evaluate_here(self) -> None:
        point = self.problem.evaluate(self.point.x, gradient=True)
        if point is not None:
            self._point = point

    def _curvature(self) -> Curvature:
        """Curvature where we are: by the information, or by differences of gradients."""
        point = self.point
        assert point.gradient is not None
        measured = self.problem.second_derivatives(point.x) if self._has_secants else None
        hessian = self._hessian(point) if measured is None else measured[1]
        return exact_curvature(point.x, point.gradient, point.gradient, hessian)

    def _hessian(self, point: Point) -> FloatArray:
        problem = self.problem
        theta = problem.to_theta(point.x)
        hessian = problem.hessian_to_x(np.asarray(self._objective.initial_hessian(theta)))
        # What a parameter did away from zero tells nothing of zero.
        ends = np.asarray(self._objective.lower) == 0.0
        at_zero = ends & (point.x == 0.0)
        hessian = _with_secants(hessian, [s for s in self._secants if not s[0][at_zero].any()])
        for i, curvature in self._beside_zero(point).items():
            if ends[i]:
                hessian[i] = hessian[:, i] = 0.0
                hessian[i, i] = curvature
        return hessian

    def _beside_zero(self, point: Point) -> dict[int, float]:
        """Curvatures of parameters so near zero that slopes are proportional to the way from it.

        The information is roughest there: steps by it would halve such a parameter for ever.
        """
        if not self._secants or point.gradient is None:
            return {}
        step, change = self._secants[-1]
        found = {}
        for i in np.flatnonzero((point.x > 0.0) & (point.x < _TINY)).tolist():
            here = float(point.gradient[i] / point.x[i])
            slope, way = float(point.gradient[i] - change[i]), float(point.x[i] - step[i])
            if step[i] != 0.0 and way > 0.0 and abs(slope / way - here) < _ALIKE * here:
                found[i] = here
        return found

    @property
    def _has_secants(self) -> bool:
        """Whether the information is so rough that steps learn from the gradients of others."""
        return bool(getattr(self._objective, "has_secants", False))

    def _descend(self, rival: Point | None = None) -> Outcome:
        """Take steps until nothing is left to be gained.

        ``rival``: a minimum; where steps come back to it they end.
        """
        problem = self.problem
        for _ in range(_STEPS):
            point = self.point
            if rival is not None and _is_beside(point, rival):
                return Outcome("success", "steps came back to a minimum that is known")
            if point.gradient is None:
                return Outcome("failed", "the gradient could not be computed")
            hessian = self._hessian(point)
            escape = None
            step = _newton(hessian, point.gradient)
            if -0.5 * float(step @ point.gradient) <= _ENOUGH:
                escape = self._escape(hessian)
                if escape is None:
                    return Outcome("success", "the predicted decrease fell below 1e-8")
            allowed = point.objective + point.evaluation.objective_se + 1e-6  # type: ignore[attr-defined]
            for halving in range(_HALVINGS):
                smaller = 4.0**halving
                if escape is not None:
                    step = escape / smaller
                else:
                    step = self._bounded(hessian, point, smaller - 1.0)
                found = problem.evaluate(self._moved(point.x, step), gradient=True)
                if found is not None and found.objective <= allowed:
                    break
            else:
                return Outcome("precision_loss", "no step lowers the objective beyond its error")
            if self._has_secants and found.gradient is not None:
                self._secants.append((found.x - point.x, found.gradient - point.gradient))
            self._point = found
        return Outcome("steps", f"stopped after {_STEPS} steps")

    def _bounded(self, hessian: FloatArray, point: Point, damping: float) -> FloatArray:
        """Give a step that knows of parameters which end at zero: others go without them.

        ``damping``: share of the diagonal that is added to the Hessian.
        """
        assert point.gradient is not None
        x = point.x
        ends = np.asarray(self._objective.lower) == 0.0
        is_small = ends & (x > 0.0) & (x < _TINY)
        # At zero the slope is zero but for rounding, which must not move anything.
        still = np.abs(point.gradient) <= _STILL * np.abs(hessian.diagonal())
        step, free = np.zeros(len(x)), ~(ends & (x == 0.0) & still)
        while free.any():
            own = hessian[np.ix_(free, free)]
            gradient = point.gradient[free]
            if not free.all():
                gradient = gradient + hessian[np.ix_(free, ~free)] @ step[~free]
            step[free] = _newton(own, gradient, damping)
            gone = free & is_small & (x + step < x / 4.0)
            if not gone.any():
                break
            step[gone] = -x[gone]
            free &= ~gone
        return step

    def _moved(self, x: FloatArray, step: FloatArray) -> FloatArray:
        """Take a step, in the squares of parameters that have the lower bound 0 where they grow.

        What shrinks keeps a quarter at least, unless it is so small that it may as well be zero.
        """
        out = x.copy()
        for i, (at, by) in enumerate(zip(x.tolist(), step.tolist(), strict=True)):
            if self._objective.lower[i] != 0.0 or at <= 0.0:
                out[i] = at + math.copysign(min(abs(by), max(1.0, abs(at))), by)
            elif by > 0.0:
                out[i] = min(math.sqrt(at * at + 2.0 * at * by), 3.0 * at + _ESCAPE)
            elif at + by < at / 4.0:
                out[i] = 0.0 if at < _TINY else at / 4.0
            else:
                out[i] = at + by
        return out

    def _escape(self, hessian: FloatArray) -> FloatArray | None:
        """Step away from a zero beside which the objective falls; None if there is none.

        Nor is there one where the information is so rough that curvatures are measured.
        """
        if self._has_secants:
            return None
        lower = np.asarray(self._objective.lower)
        falls = (lower == 0.0) & (self.point.x == 0.0) & (hessian.diagonal() < 0.0)
        if not falls.any():
            return None
        self._note("negative curvature")
        return np.where(falls, _ESCAPE, 0.0)

    def _leaves_saddle(self) -> bool:
        """Go down beside a point where the objective curves downwards; False if it does not."""
        problem, here, curvature = self.problem, self.point, self.curvature
        if curvature is None or not curvature.is_saddle or problem.out_of_time:
            return False
        problem.stage = "escape"
        self._note("negative curvature")
        for length in _LENGTHS:
            for step in (length * curvature.descent, -length * curvature.descent):
                found = problem.evaluate(here.x + step, gradient=True)
                if found is not None and _is_lower(found, here):
                    return self._descends_from([found], here)
        return False

    def _is_lower_beyond(self) -> bool:
        """Go on beside a variance of zero that hides directions; False if none falls."""
        problem, here = self.problem, self.point
        thetas = self._objective.beyond(problem.to_theta(here.x))
        if not len(thetas) or problem.out_of_time:
            return False
        problem.stage = "escape"
        self._note("a look beyond zero")
        found = [problem.evaluate(problem.to_x(theta), gradient=False) for theta in thetas]
        lower = [p for p in found if p is not None and _is_lower(p, here)]
        return self._descends_from(sorted(lower, key=lambda p: p.objective)[:1], here)

    def _is_lower_elsewhere(self) -> bool:
        """Go to a lower minimum where the objective knows of places to look; False if none is."""
        problem, here = self.problem, self.point
        places = self._objective.second_look(problem.to_theta(here.x))
        others = [*places.starts, *places.hopeful]
        if not (places.rays or others or places.rivals) or problem.out_of_time:
            return False
        problem.stage = "restart"
        self._note("a second look for a lower minimum")
        starts = [p for ray in places.rays for p in dips(problem, here, problem.to_x(ray))]
        starts = [p for p in starts if p.objective < here.objective + HOPE]
        tried = [starts, self._values(others), self._values(places.rivals)]
        if any(
            self._descends_from(sorted(own, key=lambda p: p.objective)[:HOPEFUL], here)
            for own in tried
        ):
            return True
        hidden = hidden_fall(problem, here, [p for own in tried for p in own])
        if hidden > 0.0 and self.probe_error:
            self.probe_error["hidden"] = hidden
        return False

    def _values(self, thetas: Sequence[FloatArray]) -> list[Point]:
        """Points at thetas (k,) that have a value."""
        problem = self.problem
        found = [problem.evaluate(problem.to_x(theta), gradient=False) for theta in thetas]
        return [point for point in found if point is not None]

    def _descends_from(self, starts: Sequence[Point], here: Point) -> bool:
        """Search from starts in turn until one leads lower than we are; False if none does."""
        try:
            for start in starts:
                self._point = start
                self._secants.clear()
                if start.gradient is None:
                    self._evaluate_here()
                self._descend(here)
                error = self.point.evaluation.objective_se  # type: ignore[attr-defined]
                enough = error if self.problem.stage == "restart" else 0.0
                if _is_lower(self.point, here, enough):
                    return True
        except LimitReached:
            self._point = min(here, self.point, key=lambda p: p.objective)
            raise
        self._point = here
        return False

    def _double(self) -> None:
        """Have twice the probes from now on."""
        problem = self.problem
        number = 2 * self._objective.n_probes
        self._note(f"{number} probes")
        self._objective.use_probes(number)
        problem.forget()
        self._secants.clear()
        self._evaluate_here()

    def _make_canonical(self) -> None:
        """Bring theta to its canonical range."""
        problem, point = self.problem, self.point
        theta = problem.to_theta(point.x)
        canonical = self._objective.canonical(theta)
        if np.array_equal(theta, canonical):
            return
        gradient = problem.gradient(problem.to_x(canonical))
        self._point = Point(problem.to_x(canonical) + 0.0, point.evaluation, gradient)

    # -- what is known ---------------------------------------------------------------------------

    def _is_uncertain(self) -> bool:
        """Whether probes leave more open than they may."""
        told = self.probe_error
        if not told:
            return False
        return self._of_probes > TOO_MUCH or bool(told["fresh"] > APART)

    def _is_hopeless(self) -> bool:
        """Whether the most probes there may be would leave more open than any estimate may."""
        share = math.sqrt(self._objective.n_probes / _MOST_PROBES)
        return bool(self.probe_error) and self._of_probes * share > FAR

    def _is_unfinished(self) -> bool:
        """Whether the search, and not the probes, leaves more open than it may."""
        told = self.probe_error
        return bool(told) and self._of_probes <= TOO_MUCH < told["theta"]

    def _check(self) -> None:
        """Compare with fresh probes, and put the error of the probes into standard errors."""
        problem, objective = self.problem, self._objective
        assert self.curvature is not None
        theta = problem.to_theta(self.point.x)
        own = self._covariance(objective, theta)
        fresh = objective.with_probes(
            objective.n_probes, seed=derive_seed(objective.seed, "fresh probes")
        )
        problem.certificate_evaluations += 1
        try:
            slope = problem.slope_to_x(fresh.evaluate_gradient(theta)[1])
            other = self._covariance(fresh, theta)
        except EVALUATION_ERRORS:
            self.probe_error = {}
            return
        assert self.point.gradient is not None
        inverse = self.curvature.inverse
        errors = np.sqrt(np.maximum((inverse @ own @ inverse).diagonal(), 0.0))
        standard = np.sqrt(2.0 * inverse.diagonal())
        difference = slope - self.point.gradient
        spread = np.sqrt(np.maximum((own + other).diagonal(), 0.0))
        # Where neither set errs, as at zero, they agree.
        apart = np.divide(np.abs(difference), spread, out=np.zeros(len(spread)), where=spread > 0.0)
        evaluation: Any = self.point.evaluation
        self._of_probes = float((errors / standard).max())
        self.probe_error = {
            # What the search left counts too: the decrement is the square of a distance in
            # standard errors.
            "theta": math.hypot(self._of_probes, math.sqrt(self.curvature.decrement)),
            "objective": float(evaluation.objective_se),
            "difference": _difference(inverse, own),
            "probes": int(evaluation.probes),
            "fresh": float(apart.max()),
            "iterations": int(evaluation.cg_iterations),
            "residual": float(evaluation.cg_residual),
        }

    def _covariance(self, objective: Any, theta: FloatArray) -> FloatArray:
        """Covariance of the gradient in standardised units."""
        half = self.problem.slope_to_x(objective.gradient_covariance(theta))
        return self.problem.slope_to_x(half.T)

    def _note(self, what: str) -> None:
        if what not in self.tried:
            self.tried.append(what)


def _is_lower(point: Point, here: Point, error: float = 0.0) -> bool:
    """Whether a point is lower than another by more than an error and rounding."""
    return bool(point.objective < here.objective - error - max(here.rounding, _NOTHING))


def _is_beside(point: Point, rival: Point) -> bool:
    """Whether a point no lower than a minimum is so near that it belongs to it."""
    near = APART_FROM * max(1.0, float(np.abs(rival.x).max()))
    return bool(
        point.objective >= rival.objective and float(np.abs(point.x - rival.x).max()) < near
    )


def _newton(hessian: FloatArray, gradient: FloatArray, damping: float = 0.0) -> FloatArray:
    """Newton step downhill, by absolute curvatures; `damping`: share of the diagonal added."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2.0)
    divisors = np.maximum(np.abs(values), _LEAST * float(np.abs(values).max()) + 1e-300)
    if damping == 0.0:
        return np.asarray(-vectors @ ((vectors.T @ gradient) / divisors))
    metric = (vectors * divisors) @ vectors.T
    metric += damping * np.diag(metric.diagonal())
    return np.asarray(-np.linalg.solve(metric, gradient))


def _difference(inverse: FloatArray, covariance: FloatArray) -> float:
    """Height above the optimum up to which heights are within a standard error of the probes.

    With the same probes everywhere what they got wrong at the optimum they get wrong beside it too,
    but for their error of the slope: at a step d it adds ``sqrt(d'Cd)`` to the height ``d'Hd/2``.
    ``d'Cd <= m d'Hd`` for the largest eigenvalue m of ``inv(H) C``, so that above ``2 m`` no height
    is smaller than its error.
    """
    values, vectors = np.linalg.eigh(inverse)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return max(0.0, 2.0 * float(np.linalg.eigvalsh(root @ covariance @ root)[-1]))


def _with_secants(hessian: FloatArray, secants: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Teach a Hessian (k, k) what gradients did along steps: BFGS updates, the latest last.

    Nocedal & Wright (2006), Numerical Optimization, eq. 6.19. Steps along which the gradient rose
    by much less than was thought say that the Hessian was another one there.
    """
    for step, change in secants:
        along = hessian @ step
        thought, found = float(step @ along), float(step @ change)
        if thought > 0.0 and found > _CURVED * thought:
            hessian = hessian - np.outer(along, along) / thought + np.outer(change, change) / found
    return hessian


def is_estimated(objective: SmoothObjective) -> bool:
    """Whether an objective is an `EstimatedObjective`."""
    return isinstance(objective, EstimatedObjective)
