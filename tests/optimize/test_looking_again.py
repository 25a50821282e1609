"""A lower minimum is looked for where the objective knows of places, whatever a search came to."""

from __future__ import annotations

import numpy as np
import pytest
from optimize_cases import Toy

from mixedscope.engine.generalized.evaluation import ManyStarts
from mixedscope.optimize.driver import minimize


def _two_wells(*, start: float, end: float = np.inf, places: ManyStarts | None = None) -> Toy:
    """Minima of -1.112 at -1.214 and of 2.853 at 2.675; no values beyond an end."""

    def value(t):
        if t[0] > end:
            raise FloatingPointError("not here")
        return (t[0] + 1.0) ** 2 * (t[0] - 3.0) ** 2 / 8.0 + t[0]

    made = Toy(value, lambda t: [(t[0] + 1.0) * (t[0] - 3.0) * (t[0] - 1.0) / 2.0 + 1.0], [start])
    made.second_look = lambda theta: ManyStarts() if places is None else places
    return made


def test_a_search_that_ended_where_values_end_is_left_for_a_lower_minimum():
    rivals = ManyStarts(rivals=[np.array([-0.5])])
    kept = minimize(_two_wells(start=2.0, end=2.5))
    left = minimize(_two_wells(start=2.0, end=2.5, places=rivals))
    assert kept.certificate["verdict"] == "not converged"
    assert kept.theta[0] == pytest.approx(2.5, abs=0.01)
    assert left.certificate["verdict"] == "optimum"
    assert left.evaluation.objective == pytest.approx(-1.1123, abs=1e-3)
    assert left.optimizer["stages"]["restart"] > 0
