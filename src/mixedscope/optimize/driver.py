"""Minimise an objective: search, check, escape, polish, and say what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedscope.core.errors import OptimizerError
from mixedscope.optimize.announcement import GRADIENT, LONG, announce_fit, is_by_gradient
from mixedscope.optimize.backends import get_backend
from mixedscope.optimize.certificate import certificate
from mixedscope.optimize.estimated import BY_INFORMATION, Settler, is_estimated
from mixedscope.optimize.objective import FloatArray, Objective, SmoothObjective
from mixedscope.optimize.polish import Polisher
from mixedscope.optimize.problem import EVALUATION_ERRORS, LimitReached, Problem
from mixedscope.optimize.trace import Trace

__all__ = ["OptimizationResult", "minimize"]


@dataclass(frozen=True)
class OptimizationResult:
    """What an optimisation found, how, and whether to trust it.

    Attributes
    ----------
    theta : (k,) array
        The optimum in canonical signs, theta units.
    evaluation : what `Objective.evaluate` yields
        The objective and its parts there.
    trace : Trace
        Every evaluation.
    certificate : dict
        See `mixedscope.optimize.certificate.certificate`.
    optimizer : dict
        ``name``, of the backend, or `mixedscope.optimize.estimated.BY_INFORMATION` where that
        searched in its place; ``requested``, as given (``"auto"``, say); ``settings``, complete;
        ``return_code`` and ``message`` of the search, or of the limit that ended the work;
        ``evaluations``, rows of the trace; ``stages``, evaluations per stage;
        ``search_excess``, how much higher the objective was where the search ended;
        ``certificate_evaluations``, gradients computed to check the result, which are not rows
        of the trace; ``certificate_hessians``, exact Hessians computed for the same purpose,
        where these take less time than differences of gradients.
    seconds : float
        Wall time of all this, less `compile_seconds`.
    compile_seconds : float
        Wall time in which code was compiled, or loaded from the disk, meanwhile: nothing where
        the process has made such a fit before.
    """

    theta: FloatArray
    evaluation: Any
    trace: Trace
    certificate: dict[str, Any]
    optimizer: dict[str, Any]
    seconds: float
    compile_seconds: float


def minimize(
    objective: SmoothObjective,
    *,
    optimizer: str = "auto",
    settings: Mapping[str, object] | None = None,
    start: FloatArray | None = None,
    max_evaluations: int | None = None,
    max_seconds: float | None = None,
    polish: bool = True,
    progress: bool | None = None,
    announce: bool = False,
    seed: int = 0,
) -> OptimizationResult:
    """Minimise an objective from a start to a certified optimum.

    Parameters
    ----------
    objective : SmoothObjective
    optimizer : str
        One of `mixedscope.optimize.backends.optimizer_names`.
    settings : mapping, optional
        Settings of the optimizer by name; the others keep their defaults.
    start : (k,) array, optional
        Theta units; by default the objective's own start, or for ``"bfgs"`` its guess from
        moments where it has one.
    max_evaluations : int, optional
        Limit for all stages together; the best point so far is then the result.
    max_seconds : float, optional
        Limit of wall time.  An evaluation under way is not interrupted; after the limit the
        certificate has no curvature and says so.
    polish : bool
        Escape saddles and polish until the optimum is certified.  Otherwise the result is what
        the search found, in canonical signs, and the certificate says what that is.
    progress : bool, optional
        Show a progress bar if the fit takes more than two seconds.
    announce : bool
        Tell the logger ``mixedscope`` how long the fit will take, and how much memory, if an
        evaluation takes more than a second.
    seed : int
        For optimizers that draw random numbers.

    Returns
    -------
    OptimizationResult

    Raises
    ------
    OptimizerError
        For an unknown optimizer, setting or value, and where the objective cannot be evaluated
        at any point that the search tried.
    """
    backend = get_backend(optimizer)
    if settings is not None and not isinstance(settings, Mapping):
        raise OptimizerError(
            f"settings must be a mapping of names to values, as {{'rhobeg': 0.1}}, not {settings!r}"
            f"; optimizer {optimizer!r} has {', '.join(backend.settings) or 'none'}."
        )
    given = list(settings or {})
    # Elsewhere the last digits cost less by the objective's own search than by polishing.
    own = objective.is_compiled and (objective.is_quick or objective.has_scoring)
    if optimizer == "auto" and polish and not own:
        settings = {**backend.hastened, **(settings or {})}
    # Of an estimated objective the line searches of backends with gradients would ask too much.
    by_probes = is_estimated(objective)
    by_information = by_probes and backend.starts_from_moments
    if by_information and given:
        raise OptimizerError(
            f"models with solver='iterative' are searched by the average information where "
            f"{optimizer!r} is asked for, which has no settings: leave out "
            f"{', '.join(map(repr, given))}, or name another optimizer"
        )
    resolved = {} if by_information else backend.resolve(settings)
    _check_limit("max_evaluations", max_evaluations, whole=True)
    _check_limit("max_seconds", max_seconds, whole=False)
    if start is None and backend.starts_from_moments:
        start = objective.moment_start()
    theta0 = _check_start(objective, start)
    name = BY_INFORMATION if by_information else backend.name
    trace = Trace(objective.theta_names, objective.beta_names, objective.scale, objective.parts)
    backend.load(objective)
    problem = Problem(
        objective,
        trace,
        on_first=_announcement(objective, name) if announce else None,
        max_evaluations=max_evaluations,
        max_seconds=max_seconds,
        progress=bool(progress),
    )
    settler = Settler(problem) if by_probes else None
    stopped = ""
    try:
        try:
            if settler is not None and by_information:
                code, message = settler.search(problem.to_x(theta0))
            else:
                code, message = backend.search(problem, problem.to_x(theta0), resolved, seed)
        except LimitReached as limit:
            code, message = limit.code, limit.message
            stopped = message
        except EVALUATION_ERRORS:
            # Of the optimiser's own arithmetic, where it was told nothing but stand-ins.
            if problem.best is not None:
                raise
        if problem.best is None:
            raise OptimizerError(
                f"optimizer {backend.name!r} failed: the objective could not be evaluated at any "
                f"point that it tried ({len(trace)}), the first being theta = {theta0.tolist()}. "
                "Try another start, and check the data for extreme values"
            )
        found = problem.best.objective
        if settler is not None:
            settler.take(problem.best)
        polisher = settler or Polisher(problem, problem.best)
        if polish:
            polisher.run()
            if polisher.limit is not None:
                code, message = polisher.limit.code, polisher.limit.message
                stopped = message
        else:
            polisher.measure()
    finally:
        problem.close()
    point = polisher.point
    theta = problem.to_theta(point.x)
    # Cleaned zeros may cost as much as rounding; that is no excess below zero.
    excess = max(0.0, found - point.objective)
    verdict = certificate(
        objective,
        theta,
        point.objective,
        point.gradient,
        polisher.curvature,
        polisher.tried,
        excess,
        None if settler is None else settler.probe_error,
        polisher.left,
        stopped,
    )
    return OptimizationResult(
        theta=theta,
        evaluation=point.evaluation,
        trace=trace,
        certificate=verdict,
        optimizer={
            "name": name,
            "requested": optimizer,
            "settings": resolved,
            "return_code": code,
            "message": message,
            "evaluations": len(trace),
            "stages": trace.stages(),
            "search_excess": excess,
            "certificate_evaluations": problem.certificate_evaluations,
            "certificate_hessians": problem.certificate_hessians,
        },
        seconds=problem.seconds,
        compile_seconds=problem.compile_seconds,
    )


def _announcement(objective: SmoothObjective, optimizer: str) -> Callable[[float], None] | None:
    """Announce a long fit; if it is not known to be one, what to do with its first evaluation."""
    if objective.is_quick:
        return None
    seconds, held = objective.workload()
    parameters = len(objective.theta_names)
    factor = GRADIENT if is_by_gradient(optimizer) else 1.0
    if seconds * factor > LONG:
        announce_fit(seconds, seconds * GRADIENT, parameters, optimizer, held=held, measured=False)
        return None

    def tell(took: float) -> None:
        if took > LONG:
            value = took / factor
            announce_fit(value, value * GRADIENT, parameters, optimizer, held=held, measured=True)

    return tell


def _check_limit(name: str, value: float | None, *, whole: bool) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(
        value, bool
    )
    if not number or not value > 0 or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise OptimizerError(f"{name} must be {kind} above 0, not {value!r}")


def _check_start(objective: Objective, start: FloatArray | None) -> FloatArray:
    names = objective.theta_names
    theta = np.array(objective.start if start is None else start, dtype=np.float64)
    if theta.shape != (len(names),):
        raise OptimizerError(
            f"start must have one number for each of {', '.join(names)} ({len(names)}), "
            f"not shape {theta.shape}"
        )
    if not math.isfinite(theta.sum()) and not np.isfinite(theta).all():
        raise OptimizerError(f"start must be finite, not {theta.tolist()}")
    # Canonical signs are within the bounds, and the objective is the same there.
    return np.maximum(objective.canonical(theta), objective.lower)
