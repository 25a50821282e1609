"""Py-BOBYQA: bounded, derivative-free, and it tells its trust-region radii.

Cartis, Fiala, Marteau & Roberts (2019), ACM Trans. Math. Softw. 45(3):32, after Powell (2009).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from mixedscope.core.errors import OptimizerError
from mixedscope.optimize.backends.base import Backend, Outcome, Setting, SettingValue
from mixedscope.optimize.objective import FloatArray
from mixedscope.optimize.problem import LimitReached, Problem
from mixedscope.optimize.trace import Trace

__all__ = ["PyBobyqa"]

# An objective at or below ABS_TOL makes Py-BOBYQA return at once with its diagnostics, which an
# exception would lose; no model gets there, so handing it STOP is how we end a search.
_ABS_TOL = -1e250
_STOP = -1e300

# Stands for "no bound" in Py-BOBYQA's own code; infinities would become NaN there.
_UNBOUNDED = 1e20

# Py-BOBYQA needs some limit, and keeps a list of a setting that defaults to this limit.
_MANY_EVALUATIONS = 10_000_000
_FAKE_SUCCESSES = 1_000

_CODES = {
    0: "success",
    1: "max_evaluations",
    2: "slow_progress",
    3: "false_success",
    4: "restart_detected",
    -2: "trust_region_increase",
    -3: "linear_algebra",
}


class PyBobyqa(Backend):
    """BOBYQA in Python, the optimiser of the story.

    Defaults were found by trial on 37 models (12 reference models, 25 simulated ones): rhobeg of
    0.2, 0.5 and 1.0 took 6,683, 6,053 and 6,329 evaluations in all at rhoend = 1e-6, where the
    objective was within 1e-9 of the optimum; rhoend = 1e-5 saved 6 % and ended up to 6e-8 above,
    1e-4 saved 12 % and ended up to 2e-5 above. On one model it stopped 26 above with each of
    them, at a bound that only the other side of zero leads away from.
    """

    name = "pybobyqa"
    library = "pybobyqa"
    bounded = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "rhobeg": Setting(0.5, "first trust-region radius, standardised units", positive=True),
        "rhoend": Setting(1e-6, "last trust-region radius, standardised units", positive=True),
        "npt": Setting(
            None,
            "number of interpolation points, from k + 1 to (k + 1)(k + 2)/2; 2k + 1 by default",
            minimum=2,
            integer=True,
        ),
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
        import pybobyqa

        limit: LimitReached | None = None

        def value(x: FloatArray) -> float:
            nonlocal limit
            try:
                return problem.value(x)
            except LimitReached as reached:
                limit = reached
                return _STOP

        rhobeg, rhoend, npt = settings["rhobeg"], settings["rhoend"], settings["npt"]
        lower = np.where(np.isfinite(problem.lower), problem.lower, -_UNBOUNDED)
        offset = len(problem.trace)
        with _numpy_seed(seed), warnings.catch_warnings():
            # "x0 below lower bound" cannot happen; "budget large enough?" is the user's decision.
            warnings.simplefilter("ignore", RuntimeWarning)
            result = pybobyqa.solve(
                value,
                x0,
                bounds=(lower, np.full(x0.size, _UNBOUNDED)),
                npt=npt,
                rhobeg=rhobeg,
                rhoend=rhoend,
                maxfun=_MANY_EVALUATIONS,
                objfun_has_noise=False,
                do_logging=False,
                user_params={
                    "logging.save_diagnostic_info": True,
                    "logging.save_poisedness": False,
                    "model.abs_tol": _ABS_TOL,
                    "restarts.soft.max_fake_successful_steps": _FAKE_SUCCESSES,
                },
            )
        if result.flag == result.EXIT_INPUT_ERROR:
            raise OptimizerError(
                f"optimizer 'pybobyqa' cannot start with rhobeg = {rhobeg}, rhoend = {rhoend}, "
                f"npt = {npt}: {result.msg}"
            )
        _join_radii(problem.trace, offset, result.diagnostic_info, float(rhobeg or 0.0))
        if limit is not None:
            raise limit
        return Outcome(_CODES.get(result.flag, f"flag_{result.flag}"), str(result.msg))


def _join_radii(trace: Trace, offset: int, diagnostics: Any, rhobeg: float) -> None:
    """Give each evaluation the radii under which it was asked for.

    Py-BOBYQA writes a line of its table at the beginning of an iteration, after choosing the
    step: ``nf`` evaluations have then been made, and the step was chosen within ``delta``.  The
    evaluations nf + 1 … nf(next line) belong to this iteration:

    - In a trust-region iteration the first is the step, under the line's own rho and delta.
    - Any other is a geometry step, which comes after delta has been updated, but before
      anything else changes: its delta is that of the next line, and rho is the same on both.
      A safety iteration makes geometry steps only.
    - After the last line there is no next one: if the search ends with a safety iteration, its
      evaluation checks the short step chosen under that line.
    - Before the first line stands the initial design, made with rho = delta = rhobeg.
    """
    total = len(trace)
    # A search ended within the initial design has an empty table.
    lines = list(
        zip(diagnostics["nf"], diagnostics["rho"], diagnostics["delta"], diagnostics["iter_type"])
    )
    first = int(lines[0][0]) if lines else total - offset
    for number in range(offset + 1, min(offset + first, total) + 1):
        trace.set_radii(number, rhobeg, rhobeg)
    for i, (nf, rho, delta, kind) in enumerate(lines):
        begin = offset + int(nf) + 1
        last = i + 1 == len(lines)
        end = total if last else min(offset + int(lines[i + 1][0]), total)
        after = delta if last else lines[i + 1][2]
        for number in range(begin, end + 1):
            is_step = number == begin and kind != "Safety"
            trace.set_radii(number, rho, delta if is_step else after)


@contextmanager
def _numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, from which Py-BOBYQA may draw, and put it back after."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
