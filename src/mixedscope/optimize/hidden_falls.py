"""How much lower an objective may be elsewhere, for all that random probes tell of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mixedscope.optimize.problem import EVALUATION_ERRORS, Point, Problem

__all__ = ["hidden_fall"]

#: Standard errors of a difference that it may be off.
_ERRORS: Final = 2.0


def hidden_fall(problem: Problem, here: Point, points: Sequence[Point]) -> float:
    """Largest fall from where we are to one of the points that probe error may hide, or 0.

    It is two standard errors of the difference, less the difference: the same probes stand at
    both, and what they get wrong at both is no error of it.
    """
    objective: Any = problem.objective
    # Errors of a difference are no larger than those of both together: most points need no more.
    own = float(here.evaluation.objective_se)  # type: ignore[attr-defined]
    near = [
        p
        for p in points
        if p.objective - here.objective < _ERRORS * (own + float(p.evaluation.objective_se))  # type: ignore[attr-defined]
    ]
    if not near:
        return 0.0
    try:
        base, off = objective.evaluate_with_deviations(problem.to_theta(here.x))
        problem.certificate_evaluations += 1 + len(near)
        falls = [0.0]
        for point in near:
            found, other = objective.evaluate_with_deviations(problem.to_theta(point.x))
            error = math.sqrt(float(np.square(other - off).sum())) / len(off)
            falls.append(_ERRORS * error - (found.objective - base.objective))
    except EVALUATION_ERRORS:
        return 0.0
    return max(falls)
