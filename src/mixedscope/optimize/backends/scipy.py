"""Optimisers of SciPy: COBYQA without derivatives, BFGS and L-BFGS-B with exact gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from mixedscope.optimize.backends.base import Backend, Outcome, Setting, SettingValue
from mixedscope.optimize.certificate import rounding, tolerance_scale
from mixedscope.optimize.objective import FloatArray, SmoothObjective
from mixedscope.optimize.problem import EVALUATION_ERRORS, Problem

__all__ = ["SCIPY_BACKENDS", "Bfgs", "ScipyCobyqa", "ScipyLbfgsb", "descend", "run_bfgs"]

_MANY = 10_000_000


class Bfgs(Backend):
    """Quasi-Newton without bounds; signs are made canonical afterwards.

    If the objective offers an approximate Hessian (`initial_hessian`), its inverse starts BFGS.
    """

    name = "bfgs"
    library = "scipy.optimize"
    bounded = False
    starts_from_moments = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "ftol": Setting(
            1e-9,
            "predicted decrease of the objective at which to stop, deviance units (times a "
            "ten-thousandth of an objective above 10,000)",
        ),
        "gtol": Setting(
            1e-6, "largest gradient entry at which to stop, per standardised unit", positive=True
        ),
    }
    hastened: ClassVar[Mapping[str, SettingValue]] = {"ftol": 1e-6}

    def load(self, objective: SmoothObjective) -> None:
        """Import SciPy's optimisers, slow to load, unless the search itself is compiled."""
        if not objective.is_compiled:
            super().load(objective)

    tolerance = "ftol"

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        ftol, gtol = settings["ftol"], settings["gtol"]
        assert ftol is not None
        assert gtol is not None
        if _search_compiled(problem, x0, ftol):
            return Outcome(
                "success", "the predicted decrease fell below ftol (a search of the engine's own)"
            )
        inverse = _initial_inverse(problem, x0)
        return run_bfgs(problem, x0, ftol=ftol, gtol=gtol, inverse=inverse)


def run_bfgs(
    problem: Problem,
    x0: FloatArray,
    *,
    ftol: float = 1e-9,
    gtol: float = 1e-6,
    inverse: FloatArray | None = None,
    most: int = sys.maxsize,
) -> Outcome:
    """Run SciPy's BFGS from x0, with a criterion of its own.

    SciPy's criterion is the gradient, whose size says little: on large data no gradient is ever
    small.  Here the search also ends when its model predicts less than `ftol` to be gained by the
    next step, before it is evaluated, and when a line search finds nothing but rounding.

    ``x0`` (k,): standardised units. ``ftol``: predicted decrease at which to stop, times
    `tolerance_scale`. ``gtol``: largest gradient entry at which to stop. ``inverse`` (k, k):
    inverse Hessian to start with, positive definite. ``most``: evaluations after which to stop.
    """
    options: dict[str, Any] = {"gtol": gtol, "maxiter": _MANY}
    if inverse is not None:
        options["hess_inv0"] = inverse
    monitor = _Monitor(problem, ftol, most)
    try:
        return _scipy(x0, "BFGS", options, function=monitor.evaluate, callback=monitor.accept)
    except _Finished as finished:
        return Outcome(finished.code, str(finished))


class _Finished(Exception):
    """Raised through SciPy when there is nothing left to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Monitor:
    """Watch the line searches of BFGS and end them when they are done."""

    PATIENCE = 12

    def __init__(self, problem: Problem, ftol: float, most: int) -> None:
        self._problem = problem
        self._ftol = ftol
        self._left = most
        self._base: tuple[FloatArray, float, FloatArray] | None = None
        self._trials: list[tuple[FloatArray, float, FloatArray]] = []

    def evaluate(self, x: FloatArray) -> tuple[float, FloatArray]:
        if self._base is not None and not self._trials:
            base_x, base_value, base_gradient = self._base
            # A quasi-Newton step p promises -g'p/2; the first trial is that step, or less.
            promise = -0.5 * float(base_gradient @ (x - base_x))
            if promise <= self._ftol * tolerance_scale(base_value):
                raise _Finished("success", "the predicted decrease fell below ftol")
        if self._left == 0:
            raise _Finished("max_evaluations", "as many evaluations as were asked for")
        self._left -= 1
        value, gradient = self._problem.value_and_gradient(x)
        self._trials.append((np.array(x), value, gradient))
        if self._base is None:
            # The first line search starts from the first point evaluated.
            self._base = self._trials.pop()
        elif len(self._trials) >= self.PATIENCE and all(
            trial[1] > self._base[1] - self._rounding(self._base[1]) for trial in self._trials
        ):
            raise _Finished("precision_loss", "a line search found no decrease beyond rounding")
        return value, gradient

    def _rounding(self, value: float) -> float:
        """Bound of the rounding errors of trials: that of the best point, which is near."""
        best = self._problem.best
        return rounding(value) if best is None else best.rounding

    def accept(self, intermediate_result: Any) -> None:
        x = intermediate_result.x
        for trial in reversed(self._trials):
            if np.array_equal(trial[0], x):
                self._base = trial
                break
        self._trials.clear()


def descend(problem: Problem, x0: FloatArray, *, ftol: float, most: int) -> bool:
    """Search from x0 by the quickest way; whether it ended by itself within `most` evaluations."""
    before = len(problem.trace)
    if not _search_compiled(problem, x0, ftol, most):
        run_bfgs(problem, x0, ftol=ftol, inverse=_initial_inverse(problem, x0), most=most)
    return len(problem.trace) - before < most


def _search_compiled(
    problem: Problem, x0: FloatArray, ftol: float, most: int = sys.maxsize
) -> bool:
    """Let the objective run the search itself, if it can; tell whether it did."""
    objective = problem.objective
    if problem.is_timed or not objective.is_compiled:
        return False
    # The size of the objective, which the tolerance depends on, is not known yet: the strictest.
    most = min(most, problem.evaluations_left)
    if most < 1:  # the next evaluation says which limit is reached
        return False
    search = objective.quasi_newton(problem.to_theta(x0), ftol, most)
    if search is None:
        return False
    problem.record(search)
    return True


def _initial_inverse(problem: Problem, x0: FloatArray) -> FloatArray | None:
    """Invert the objective's approximate Hessian at x0, made positive definite if need be."""
    objective = problem.objective
    try:
        known = objective.initial_hessian(problem.to_theta(x0))
    except EVALUATION_ERRORS:
        return None
    if known is None:
        return None
    hessian = problem.hessian_to_x(np.asarray(known, dtype=np.float64))
    if not np.all(np.isfinite(hessian)):
        return None
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    top = float(np.abs(values).max())
    if top == 0.0:
        return None
    # Directions without information would give endless steps; they get a modest one.
    values = np.maximum(np.abs(values), 1e-4 * top)
    inverse = (vectors / values) @ vectors.T
    return (inverse + inverse.T) / 2


class ScipyLbfgsb(Backend):
    """Limited-memory quasi-Newton within bounds."""

    name = "scipy-lbfgsb"
    library = "scipy.optimize"
    bounded = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "ftol": Setting(1e-14, "relative decrease of the objective at which to stop"),
        "gtol": Setting(
            1e-4, "largest projected gradient entry at which to stop, per standardised unit"
        ),
        "maxcor": Setting(20, "number of steps remembered", minimum=1, integer=True),
    }
    tolerance = "ftol"

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        options = {**settings, "maxfun": _MANY, "maxiter": _MANY}
        return _scipy(
            x0, "L-BFGS-B", options, function=problem.value_and_gradient, bounds=_bounds(problem)
        )


class ScipyCobyqa(Backend):
    """Quadratic models within a trust region and bounds (Ragonneau & Zhang)."""

    name = "scipy-cobyqa"
    library = "scipy.optimize"
    bounded = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "rhobeg": Setting(0.5, "first trust-region radius, standardised units", positive=True),
        "rhoend": Setting(1e-6, "last trust-region radius, standardised units", positive=True),
    }
    tolerance = "rhoend"

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        options = {
            "initial_tr_radius": settings["rhobeg"],
            "final_tr_radius": settings["rhoend"],
            "maxfev": _MANY,
            "maxiter": _MANY,
        }
        return _scipy(x0, "COBYQA", options, function=problem.value, bounds=_bounds(problem))


SCIPY_BACKENDS: tuple[Backend, ...] = (ScipyCobyqa(), Bfgs(), ScipyLbfgsb())


def _bounds(problem: Problem) -> Any:
    from scipy.optimize import Bounds

    return Bounds(problem.lower, np.full(problem.size, np.inf))


def _scipy(
    x0: FloatArray,
    method: str,
    options: Mapping[str, Any],
    *,
    function: Callable[[FloatArray], Any],
    bounds: Any = None,
    callback: Callable[..., None] | None = None,
) -> Outcome:
    from scipy.optimize import minimize

    result = minimize(
        function,
        x0,
        method=method,
        jac=method != "COBYQA" or None,
        bounds=bounds,
        options=dict(options),
        callback=callback,
    )
    code = "success" if result.success else f"status_{result.status}"
    return Outcome(code, str(result.message))
