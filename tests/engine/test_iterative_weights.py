"""Iterative fits where few rows have nearly all of the weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.engine.iterative.objective import IterativeObjective
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.iterative.weights import unit_of_weights, words_of_weights

FORMULA = "y ~ x + (1|u) + (1|i)"
N = 1200


def ratings(slope=""):
    rng = np.random.default_rng(0)
    u, i, x = rng.integers(0, 120, N), rng.integers(0, 50, N), rng.normal(size=N)
    y = 1.0 + 0.3 * x + 0.6 * rng.normal(size=120)[u] + 0.5 * rng.normal(size=50)[i]
    frame = pd.DataFrame({"y": y + rng.normal(size=N), "x": x})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


def heavy(ratio, rows=12):
    weights = np.ones(N)
    weights[:rows] = ratio
    return weights


@pytest.mark.parametrize("weights", [None, np.ones(N), np.linspace(0.2, 3.0, N), heavy(1e4, 5)])
def test_ordinary_weights_change_no_units(weights):
    model = ms.LinearMixedModel(FORMULA, ratings(), weights=weights)
    objective = IterativeObjective(IterativeSystem(model.design))
    assert unit_of_weights(weights) == objective.unit == 1.0
    assert np.array_equal(objective.scale, model.profiled().scale)
    assert objective.cause_of_errors == words_of_weights(weights) == ""


@pytest.mark.parametrize("terms", ["(1|u) + (1|i)", "(1+x|u) + (1|i)", "cs(1+x|u) + (1|i)"])
def test_units_are_those_of_the_median_weight(terms):
    """The start is that of the same rows without the heavy ones' weights, to within these rows."""
    start = []
    for ratio in (1.0, 1e8):
        model = ms.LinearMixedModel(f"y ~ x + {terms}", ratings(), weights=heavy(ratio))
        objective = IterativeObjective(IterativeSystem(model.design))
        start.append(objective.start)
        covariances = [f @ f.T for f in objective.factors(objective.start)]
    unit = unit_of_weights(heavy(1e8))
    assert unit == pytest.approx(np.sqrt(1e8 * 12 / N), rel=1e-3)
    assert all(np.diag(c) == pytest.approx(unit**2) for c in covariances)
    assert start[1][0] == pytest.approx(start[0][0])
    assert np.all(np.abs(start[1]) <= 3.0)


def test_a_fit_with_heavy_rows_ends_where_the_exact_one_does():
    how = {"data": ratings(), "weights": heavy(1e6)}
    exact = ms.LinearMixedModel(FORMULA, **how, solver="exact").fit()
    fit = ms.LinearMixedModel(FORMULA, **how, solver="iterative").fit()
    height = ms.LinearMixedModel(FORMULA, **how, solver="exact").profiled(reml=False)
    assert fit.certificate["verdict"] == "optimum"
    assert height.evaluate(fit.theta).objective < exact.objective + 0.25
    told = fit.certificate["probe_error"]
    assert abs(fit.objective - exact.objective) < 4.0 * told["objective"]


def test_probes_that_leave_all_open_are_no_optimum():
    """With 1e9 in 12 of the rows they did, 264 above the minimum; now the weights are named."""
    weights = heavy(1e9)
    fit = ms.LinearMixedModel(FORMULA, ratings(), weights=weights, solver="iterative").fit()
    told = fit.certificate
    assert told["verdict"] == "not converged"
    assert told["probe_error"]["theta"] > 0.5
    assert "the largest is 1.0e+09 times their median" in told["doubt"]
    assert "solver='sparse' or 'exact'" in told["words"]
    assert "ended at an optimum" not in told["words"]
