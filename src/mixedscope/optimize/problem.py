"""The objective as an optimiser sees it: recorded, standardised, limited, never NaN."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mixedscope.core.evaluation import Evaluated
from mixedscope.core.progress import progress_bar
from mixedscope.core.wording import counted
from mixedscope.optimize.certificate import rounding
from mixedscope.optimize.objective import CompiledSearch, FloatArray, SmoothObjective
from mixedscope.optimize.trace import Trace

__all__ = ["EVALUATION_ERRORS", "LimitReached", "Point", "Problem"]

#: What an evaluation may raise when theta is out of reach; anything else is a bug and passes.
EVALUATION_ERRORS = (FloatingPointError, ZeroDivisionError, OverflowError, np.linalg.LinAlgError)


class LimitReached(Exception):
    """Raised through an optimiser when it may not evaluate any more.

    Parameters
    ----------
    code : str
        ``"max_evaluations"`` or ``"max_seconds"``.
    message : str
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Point:
    """A point with what is known there.

    Attributes
    ----------
    x : (k,) array
        Standardised units.
    evaluation : Evaluated
    gradient : (k,) array or None
        In standardised units; None if not computed.
    """

    __slots__ = ("evaluation", "gradient", "x")

    def __init__(self, x: FloatArray, evaluation: Evaluated, gradient: FloatArray | None) -> None:
        self.x = x
        self.evaluation = evaluation
        self.gradient = gradient

    @property
    def objective(self) -> float:
        """The objective there."""
        return self.evaluation.objective

    @property
    def rounding(self) -> float:
        """Bound of its rounding error."""
        return rounding(self.objective, self.evaluation.rounding)

    @property
    def at_most(self) -> float:
        """What the objective is at most, whatever its own cancellations lost."""
        return self.objective + self.evaluation.rounding


class Problem:
    """Evaluate for an optimiser in standardised units, and record everything.

    Parameters
    ----------
    objective : Objective
    trace : Trace
        Where evaluations are recorded.
    max_evaluations : int, optional
    max_seconds : float, optional
        From the construction of this object, compiling included.
    progress : bool
        Show a progress bar once the optimisation has lasted `PATIENCE` seconds.
    on_first : callable, optional
        Is told how many seconds the first evaluation took, compiling apart.

    Attributes
    ----------
    stage : str
        Under which name evaluations are recorded.
    best : Point or None
        The best point so far.
    previous : Point or None
        The best before it.
    certificate_evaluations : int
        Gradients computed by `gradient`, which are not part of the search.
    certificate_hessians : int
        Exact Hessians computed by `second_derivatives`.
    """

    PATIENCE = 2.0

    def __init__(
        self,
        objective: SmoothObjective,
        trace: Trace,
        *,
        max_evaluations: int | None = None,
        max_seconds: float | None = None,
        progress: bool = False,
        on_first: Callable[[float], None] | None = None,
    ) -> None:
        self.objective = objective
        self.trace = trace
        self.scale = np.array(objective.scale, dtype=np.float64)
        self.lower = np.array(objective.lower, dtype=np.float64) * self.scale
        self._shape = shape = objective.coordinates
        self._unshape = None if shape is None else _inverse(shape)
        self.stage = "search"
        self.best: Point | None = None
        self.previous: Point | None = None
        self.certificate_evaluations = 0
        self.certificate_hessians = 0
        self._on_first = on_first
        self._worst = -math.inf
        self._max_evaluations = max_evaluations
        self._max_seconds = max_seconds
        self._bar: Any = (
            progress_bar(max_evaluations, "evaluations", delay=self.PATIENCE) if progress else None
        )
        self._began = time.perf_counter()
        self._compiled = objective.compiling_seconds()

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.scale.size

    @property
    def seconds(self) -> float:
        """Seconds since the start, less those of `compile_seconds`."""
        return time.perf_counter() - self._began - self.compile_seconds

    @property
    def compile_seconds(self) -> float:
        """Seconds since the start in which code was compiled, or loaded from the disk."""
        return self.objective.compiling_seconds() - self._compiled

    def forget(self) -> None:
        """Forget what was best: the objective is estimated by other probes from now on."""
        self.best = self.previous = None
        self._worst = -math.inf

    def close(self) -> None:
        """Finish the progress bar."""
        if self._bar is not None:
            self._bar.close()

    # -- units ---------------------------------------------------------------------------------

    def to_x(self, theta: FloatArray) -> FloatArray:
        """Bring theta (..., k) to standardised units."""
        return theta * self.scale if self._shape is None else theta @ self._shape.T

    def to_theta(self, x: FloatArray) -> FloatArray:
        """Bring standardised units (..., k) to theta."""
        return x / self.scale if self._unshape is None else x @ self._unshape.T

    def slope_to_x(self, slope: FloatArray) -> FloatArray:
        """Bring gradients (..., k) by theta to standardised units."""
        return slope / self.scale if self._unshape is None else slope @ self._unshape

    def hessian_to_x(self, hessian: FloatArray) -> FloatArray:
        """Bring a Hessian by theta to standardised units."""
        if self._unshape is None:
            return hessian / np.outer(self.scale, self.scale)
        return self._unshape.T @ hessian @ self._unshape

    # -- what optimisers call ------------------------------------------------------------------

    def value(self, x: FloatArray) -> float:
        """Evaluate at x for an optimiser without derivatives.

        Gives the objective; where it could not be evaluated, a finite number above everything seen
        so far (the trace says ``failed`` and does not hold this number). May raise LimitReached.
        """
        point = self.evaluate(x, gradient=False)
        return self._substitute() if point is None else point.objective

    def value_and_gradient(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Evaluate at x for an optimiser with derivatives, gradient in standardised units.

        Where the objective could not be evaluated the value is that of `value` and the gradient
        points away from the best point, so that a line search turns back.

        May raise LimitReached.
        """
        point = self.evaluate(x, gradient=True)
        if point is None or point.gradient is None:
            back = np.zeros(self.size) if self.best is None else np.asarray(x) - self.best.x
            return self._substitute(), np.nan_to_num(back)
        return point.objective, point.gradient

    def evaluate(self, x: FloatArray, *, gradient: bool) -> Point | None:
        """Evaluate at x, record it, and keep it if it is the best; None if it failed.

        Raises LimitReached before the evaluation, if it is not allowed any more.
        """
        self._check_limits()
        # Optimisers may reuse their array: both are copies.
        x = np.array(x, dtype=np.float64)
        theta = self.to_theta(x)
        slope: FloatArray | None = None
        evaluation: Evaluated | None
        before = self.seconds if self._on_first is not None else 0.0
        try:
            if gradient:
                evaluation, slope = self.objective.evaluate_gradient(theta)
            else:
                evaluation = self.objective.evaluate(theta)
            # sum() is finite only if every entry is, short of an overflow that is a failure too.
            if not math.isfinite(evaluation.objective) or (
                slope is not None and not math.isfinite(slope.sum())
            ):
                evaluation = slope = None
        except EVALUATION_ERRORS:
            evaluation = slope = None
        if self._on_first is not None:
            self._on_first(self.seconds - before)
            self._on_first = None
        point = self._keep(x, theta, evaluation, slope)
        if self._bar is not None:
            self._show(evaluation)
        return point

    def _keep(
        self,
        x: FloatArray,
        theta: FloatArray,
        evaluation: Evaluated | None,
        slope: FloatArray | None,
    ) -> Point | None:
        """Record one evaluation, and keep it if it is the best."""
        compiling = self.compile_seconds
        seconds = time.perf_counter() - self._began - compiling
        self.trace.append(self.stage, theta, evaluation, slope, seconds, compiling)
        if evaluation is None:
            return None
        point = Point(x, evaluation, None if slope is None else self.slope_to_x(slope))
        if evaluation.objective > self._worst:
            self._worst = evaluation.objective
        # Rounding may be lower than anything that is there to be found: what counts is what the
        # objective is at most.
        if self.best is None or point.at_most < self.best.at_most:
            self.previous, self.best = self.best, point
        return point

    @property
    def is_timed(self) -> bool:
        """Whether a limit of time or a progress bar is to be looked after."""
        return self._max_seconds is not None or self._bar is not None

    @property
    def evaluations_left(self) -> int:
        """How many more evaluations are allowed."""
        if self._max_evaluations is None:
            return sys.maxsize
        return self._max_evaluations - len(self.trace)

    def record(self, search: CompiledSearch) -> None:
        """Record the evaluations that a compiled search made, and keep the best."""
        self.trace.extend(self.stage, search, self.seconds, self.compile_seconds)
        values = [v for v in search.objectives if math.isfinite(v)]
        if not values:
            return
        self._worst = max(self._worst, *values)
        ranked = sorted(values)
        best = self._point_of(search, ranked[0])
        if best.evaluation.rounding > rounding(best.objective):
            points = [self._point_of(search, value) for value in ranked]
            ranked = [p.objective for p in sorted(points, key=lambda p: p.at_most)]
            best = self._point_of(search, ranked[0])
        if self.best is not None and self.best.at_most <= best.at_most:
            return
        self.previous = self.best
        if len(ranked) > 1 and not self.objective.is_quick:
            self.previous = self._point_of(search, ranked[1])
        self.best = best

    def _point_of(self, search: CompiledSearch, value: float) -> Point:
        """Give the first point of a search where the objective has this value."""
        number = search.objectives.index(value)
        evaluation = search.evaluation(number)
        assert evaluation is not None
        slope = search.gradients[number]
        gradient = None if math.isnan(slope[0]) else self.slope_to_x(slope)
        return Point(self.to_x(search.thetas[number]), evaluation, gradient)

    # -- what the certificate calls ------------------------------------------------------------

    def gradient(self, x: FloatArray) -> FloatArray | None:
        """Compute the gradient at x in standardised units, unrecorded; None if it fails.

        Verification is not search: these evaluations are counted in
        ``certificate_evaluations`` and fall under no limit of evaluations.
        """
        self.certificate_evaluations += 1
        try:
            _, slope = self.objective.evaluate_gradient(self.to_theta(x))
        except EVALUATION_ERRORS:
            return None
        slope = self.slope_to_x(slope)
        return slope if np.all(np.isfinite(slope)) else None

    def gradients(self, points: FloatArray) -> FloatArray | None:
        """Compute gradients at every row of `points` (m, k), as `gradient`; None if one fails."""
        if self.objective.is_compiled:
            self.certificate_evaluations += len(points)
            try:
                slopes = self.slope_to_x(self.objective.gradients(self.to_theta(points)))
            except EVALUATION_ERRORS:
                return None
            return slopes if math.isfinite(slopes.sum()) else None
        out = np.empty_like(points)
        for i, point in enumerate(points):
            slope = self.gradient(point)
            if slope is None:
                return None
            out[i] = slope
        return out

    def second_derivatives(self, x: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Gradient and Hessian at x in standardised units, exact; None without, or if it fails."""
        try:
            found = self.objective.second_derivatives(self.to_theta(x))
        except EVALUATION_ERRORS:
            return None
        if found is None or not math.isfinite(found[0].sum() + found[1].sum()):
            return None
        self.certificate_hessians += 1
        return self.slope_to_x(found[0]), self.hessian_to_x(found[1])

    @property
    def effort(self) -> int:
        """Values and gradients so far; an exact Hessian counts as the differences it replaces."""
        exact = 2 * self.size * self.certificate_hessians
        return len(self.trace) + self.certificate_evaluations + exact

    @property
    def out_of_time(self) -> bool:
        """Whether the time allowed is over."""
        if self._max_seconds is None:
            return False
        # Who waits does not care what for.
        return time.perf_counter() - self._began >= self._max_seconds

    # -- helpers -------------------------------------------------------------------------------

    def _check_limits(self) -> None:
        if self._max_evaluations is not None and len(self.trace) >= self._max_evaluations:
            raise LimitReached(
                "max_evaluations",
                f"stopped at the limit of {counted(self._max_evaluations, 'evaluation')} "
                "(max_evaluations)",
            )
        # One evaluation is always made: without any there is no result to give back.
        if len(self.trace) > 0 and self.out_of_time:
            raise LimitReached(
                "max_seconds", f"stopped at the limit of {self._max_seconds:g} s (max_seconds)"
            )

    def _substitute(self) -> float:
        """Give a finite value above all others, near enough not to spoil a quadratic model."""
        if self.best is None:
            return 0.0
        return self._worst + max(1.0, self._worst - self.best.objective)

    def _show(self, evaluation: Evaluated | None) -> None:
        if evaluation is not None:
            best = evaluation.objective
            if self.best is not None:
                best = min(best, self.best.objective)
            self._bar.set_postfix_str(f"{self.stage}, best {best:.6f}", refresh=False)
        self._bar.update(1)


def _inverse(shape: FloatArray) -> FloatArray:
    """Invert by substitution what is a lower triangle: its entries may differ much in size."""
    if any(row[i + 1 :].any() for i, row in enumerate(shape)):
        return np.asarray(np.linalg.inv(shape))
    out = np.zeros_like(shape)
    for i, row in enumerate(shape):
        out[i] = -(row[:i] @ out[:i]) / row[i]
        out[i, i] = 1.0 / row[i]
    return out
