"""Optimisers of NLopt (Johnson): BOBYQA, NEWUOA, Nelder-Mead, COBYLA, without derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from mixedscope.optimize.backends.base import Backend, Outcome, Setting, SettingValue
from mixedscope.optimize.objective import FloatArray
from mixedscope.optimize.problem import Problem

__all__ = ["NLOPT_BACKENDS", "NloptBackend"]

_CODES = {
    1: "success",
    2: "stopval_reached",
    3: "ftol_reached",
    4: "xtol_reached",
    5: "maxeval_reached",
    6: "maxtime_reached",
}

_MESSAGES = {
    "success": "the optimiser's own criterion was met",
    "ftol_reached": "the objective changed by less than ftol_rel or ftol_abs",
    "xtol_reached": "the parameters changed by less than xtol_abs",
    "maxeval_reached": "the optimiser made maxeval evaluations",
    "roundoff_limited": "rounding errors allowed no further progress",
}


def _settings(
    *, xtol_abs: float = 1e-6, ftol_abs: float = 0.0, maxeval: int = 0
) -> dict[str, Setting]:
    return {
        "initial_step": Setting(
            0.5, "first step or trust radius, standardised units", positive=True
        ),
        "xtol_abs": Setting(xtol_abs, "step at which to stop, standardised units"),
        "ftol_abs": Setting(ftol_abs, "change of the objective at which to stop, deviance units"),
        "ftol_rel": Setting(0.0, "relative change of the objective at which to stop"),
        "maxeval": Setting(
            maxeval,
            "evaluations after which to leave the rest to polishing; 0: no limit",
            integer=True,
        ),
    }


class NloptBackend(Backend):
    """One algorithm of NLopt.

    Attributes
    ----------
    algorithm : str
        Its name in NLopt.
    for_one : str
        The algorithm for a single parameter, where it needs another.
    """

    library = "nlopt"
    algorithm: ClassVar[str]
    for_one: ClassVar[str | None] = None
    settings: ClassVar[Mapping[str, Setting]] = _settings()
    tolerance = "xtol_abs"

    def search(
        self,
        problem: Problem,
        x0: FloatArray,
        settings: Mapping[str, SettingValue],
        seed: int,
    ) -> Outcome:
        """Search; see `Backend.search`."""
        import nlopt

        swapped = x0.size == 1 and self.for_one is not None
        algorithm = self.for_one if swapped and self.for_one else self.algorithm
        opt = nlopt.opt(getattr(nlopt, algorithm), x0.size)
        opt.set_min_objective(lambda x, _gradient: problem.value(x))
        if self.bounded:
            opt.set_lower_bounds(problem.lower)
        opt.set_initial_step(settings["initial_step"])
        opt.set_xtol_abs(settings["xtol_abs"])
        opt.set_xtol_rel(0.0)
        opt.set_ftol_abs(settings["ftol_abs"])
        opt.set_ftol_rel(settings["ftol_rel"])
        opt.set_maxeval(settings["maxeval"])
        try:
            opt.optimize(np.array(x0))
            flag = opt.last_optimize_result()
            code = _CODES.get(flag, f"flag_{flag}")
        except nlopt.RoundoffLimited:
            code = "roundoff_limited"
        message = _MESSAGES.get(code, code)
        if swapped:
            message += f"; {self.algorithm} needs two parameters, so {algorithm} took its place"
        return Outcome(code, message)


class NloptBobyqa(NloptBackend):
    """Powell's BOBYQA (2009): quadratic models within a trust region and bounds."""

    name = "nlopt-bobyqa"
    algorithm = "LN_BOBYQA"
    bounded = True


class NloptNewuoa(NloptBackend):
    """Powell's NEWUOA (2004), without bounds, MixedModels.jl's default."""

    name = "nlopt-newuoa"
    algorithm = "LN_NEWUOA"
    for_one = "LN_BOBYQA"
    bounded = False


class NloptNelderMead(NloptBackend):
    """Simplex search within bounds (Nelder & Mead 1965; Box 1965).

    With 20 parameters it had found nothing after 30,000 evaluations, hence the limit.
    """

    name = "nlopt-neldermead"
    algorithm = "LN_NELDERMEAD"
    bounded = True
    settings = _settings(xtol_abs=1e-4, ftol_abs=1e-6, maxeval=5000)


class NloptCobyla(NloptBackend):
    """Powell's COBYLA (1994): linear models within a trust region and bounds.

    Linear models creep along curved valleys, 24,000 evaluations in one; hence the limit.
    """

    name = "nlopt-cobyla"
    algorithm = "LN_COBYLA"
    bounded = True
    settings = _settings(xtol_abs=1e-4, maxeval=5000)


NLOPT_BACKENDS: tuple[Backend, ...] = (
    NloptBobyqa(),
    NloptNewuoa(),
    NloptNelderMead(),
    NloptCobyla(),
)
