"""Optimisers of SciPy: COBYQA without derivatives, BFGS and L-BFGS-B with exact gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mixedscope.optimize.backends.base import Backend, Outcome, Setting, SettingValue
from mixedscope.optimize.objective import CurvedObjective, FloatArray
from mixedscope.optimize.problem import EVALUATION_ERRORS, Problem

__all__ = ["SCIPY_BACKENDS", "Bfgs", "ScipyCobyqa", "ScipyLbfgsb", "run_bfgs"]

_MANY = 10_000_000


class Bfgs(Backend):
    """Quasi-Newton without bounds; signs are made canonical afterwards.

    If the objective offers an approximate Hessian (`CurvedObjective`), its inverse starts BFGS.
    """

    name = "bfgs"
    bounded = False
    uses_gradient = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "gtol": Setting(
            1e-4, "largest gradient entry at which to stop, per standardised unit", positive=True
        ),
    }

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        gtol = settings["gtol"]
        assert gtol is not None
        return run_bfgs(problem, x0, gtol=gtol, inverse=_initial_inverse(problem, x0))


def run_bfgs(
    problem: Problem, x0: FloatArray, *, gtol: float, inverse: FloatArray | None = None
) -> Outcome:
    """Run SciPy's BFGS from x0.

    Parameters
    ----------
    problem : Problem
    x0 : (k,) array
        Standardised units.
    gtol : float
        Largest gradient entry at which to stop.
    inverse : (k, k) array, optional
        Inverse Hessian to start with, positive definite.
    """
    options: dict[str, Any] = {"gtol": gtol, "maxiter": _MANY}
    if inverse is not None:
        options["hess_inv0"] = inverse
    return _scipy(problem, x0, "BFGS", options, gradient=True)


def _initial_inverse(problem: Problem, x0: FloatArray) -> FloatArray | None:
    """Invert the objective's approximate Hessian at x0, made positive definite if need be."""
    objective = problem.objective
    if not isinstance(objective, CurvedObjective):
        return None
    try:
        hessian = np.asarray(objective.initial_hessian(x0 / problem.scale), dtype=np.float64)
    except EVALUATION_ERRORS:
        return None
    hessian = hessian / np.outer(problem.scale, problem.scale)
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
    bounded = True
    uses_gradient = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "ftol": Setting(1e-14, "relative decrease of the objective at which to stop"),
        "gtol": Setting(
            1e-4, "largest projected gradient entry at which to stop, per standardised unit"
        ),
        "maxcor": Setting(20, "number of steps remembered", minimum=1, integer=True),
    }

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        options = {**settings, "maxfun": _MANY, "maxiter": _MANY}
        return _scipy(problem, x0, "L-BFGS-B", options, gradient=True, bounds=_bounds(problem))


class ScipyCobyqa(Backend):
    """Quadratic models within a trust region and bounds (Ragonneau & Zhang)."""

    name = "scipy-cobyqa"
    bounded = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "rhobeg": Setting(0.5, "first trust-region radius, standardised units", positive=True),
        "rhoend": Setting(1e-6, "last trust-region radius, standardised units", positive=True),
    }

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
        return _scipy(problem, x0, "COBYQA", options, gradient=False, bounds=_bounds(problem))


SCIPY_BACKENDS: tuple[Backend, ...] = (ScipyCobyqa(), Bfgs(), ScipyLbfgsb())


def _bounds(problem: Problem) -> Any:
    from scipy.optimize import Bounds

    return Bounds(problem.lower, np.full(problem.size, np.inf))


def _scipy(
    problem: Problem,
    x0: FloatArray,
    method: str,
    options: Mapping[str, Any],
    *,
    gradient: bool,
    bounds: Any = None,
) -> Outcome:
    from scipy.optimize import minimize

    result = minimize(
        problem.value_and_gradient if gradient else problem.value,
        x0,
        method=method,
        jac=True if gradient else None,
        bounds=bounds,
        options=dict(options),
    )
    code = "success" if result.success else f"status_{result.status}"
    return Outcome(code, str(result.message))
