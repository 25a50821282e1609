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


def _vague(curved: float, left_out: float = 0.0) -> Toy:
    """Minima near 1 and, lower, near 3, of which an approximation leaves out something."""
    made = Toy(
        lambda t: curved * (t[0] - 1.0) ** 2 * (t[0] - 3.0) ** 2 - 0.1 * t[0],
        lambda t: [4.0 * curved * (t[0] - 1.0) * (t[0] - 3.0) * (t[0] - 2.0) - 0.1],
        [0.8],
        lower=[0.0],
    )
    made.far_starts = lambda theta: [np.array([4.0])]
    made.left_out = lambda theta: left_out if theta[0] > 2.0 else 0.0
    made.is_quick = made.is_compiled = made.is_approximate = True
    made.gradients = lambda thetas: np.array([made.gradient_of(theta) for theta in thetas])
    return made


@pytest.mark.parametrize(("curved", "is_looked_for"), [(1.0, True), (100.0, False)])
def test_starts_for_vague_standard_deviations_wait_for_one(curved, is_looked_for):
    # Twice the inverse curvature is the variance: of the square of a half at 1, or a tenth of it.
    result = minimize(_vague(curved))
    assert result.certificate["verdict"] == "optimum"
    assert result.theta[0] == pytest.approx(3.0 if is_looked_for else 1.0, abs=0.05)
    assert "lower_minimum" not in result.certificate
    assert result.evaluation.objective == result.trace.frame()["best"].min()


@pytest.mark.parametrize("left_out", [1.0, np.nan])
def test_a_lower_minimum_of_an_approximation_that_is_no_better_is_told(left_out):
    result = minimize(_vague(1.0, left_out))
    assert result.theta[0] == pytest.approx(1.0, abs=0.05)
    told = result.certificate["lower_minimum"]
    assert told["theta"] == pytest.approx([3.0], abs=0.05)
    assert told["objective"] == pytest.approx(-0.3, abs=0.01)
    assert told["left_out_here"] == 0.0
    assert told["left_out_there"] == (None if np.isnan(left_out) else left_out)
    assert "0.2 deviance points lower" in result.certificate["words"]
    assert ("is not known" in result.certificate["words"]) == bool(np.isnan(left_out))
    # The trace is that of the search: what was looked at aside is verification.
    assert result.evaluation.objective == result.trace.frame()["best"].min()
    assert "restart" not in result.optimizer["stages"]
