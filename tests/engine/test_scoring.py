"""The search by information: it ends where the general one does, in fewer evaluations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.engine.search import starting
from mixedscope.engine.search.scoring import is_scorable, log_information, search_scoring

FORMULA = "y ~ 1 + x + (1 | a) + (1 | b) + (1 | c)"


def crossed(sds, seed=1, n=4000):
    rng = np.random.default_rng(seed)
    levels = {"a": 300, "b": 200, "c": 12}
    data = {name: rng.integers(0, q, n) for name, q in levels.items()}
    y = rng.normal(size=n)
    for (name, q), sd in zip(levels.items(), sds, strict=True):
        y += sd * rng.normal(size=q)[data[name]]
    frame = pd.DataFrame({k: pd.Categorical(v) for k, v in data.items()})
    return frame.assign(y=y, x=rng.normal(size=n))


@pytest.fixture(scope="module")
def model():
    return ms.LinearMixedModel(FORMULA, crossed([0.8, 0.4, 0.3]))


@pytest.mark.parametrize("reml", [False, True])
def test_information_is_the_average_information_of_the_logarithms(model, reml):
    objective = model.profiled(reml=reml)
    blocked = objective.system.blocked
    assert is_scorable(blocked)
    theta = np.array([0.7, 0.5, 0.2])
    factors = objective.factors(theta)
    information = log_information(blocked, factors, blocked.solve(factors), objective.degrees)
    expected = starting.average_information(objective, theta) * np.outer(theta, theta)
    np.testing.assert_allclose(information, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reml", [False, True])
def test_search_ends_where_the_general_one_does(model, reml):
    scored = model.fit("bfgs", reml=reml)
    general = model.fit("bfgs", reml=reml, max_seconds=1000.0)
    assert scored.objective == pytest.approx(general.objective, abs=1e-8)
    np.testing.assert_allclose(scored.theta, general.theta, rtol=1e-6)
    assert scored.certificate["verdict"] == general.certificate["verdict"] == "optimum"
    assert scored.n_evaluations < general.n_evaluations


@pytest.mark.parametrize("sds", [(0.8, 0.0, 0.3), (0.0, 0.0, 0.0)])
def test_variances_of_zero_are_found(sds):
    model = ms.LinearMixedModel(FORMULA, crossed(sds, seed=5))
    scored, general = model.fit("bfgs"), model.fit("bfgs", max_seconds=1000.0)
    assert scored.objective == pytest.approx(general.objective, abs=1e-7)
    assert scored.certificate["verdict"] == general.certificate["verdict"]
    np.testing.assert_allclose(scored.theta, general.theta, atol=1e-4)


def test_recorded_evaluations_are_those_of_the_objective(model):
    for row in model.fit("bfgs").trace.itertuples():
        value, gradient = model.objective_gradient(row.theta)
        assert row.objective == pytest.approx(value, abs=1e-8)
        if row.gradient is not None:
            np.testing.assert_allclose(row.gradient, gradient, rtol=1e-6, atol=1e-6)


def test_far_start_leads_to_the_same_optimum(model):
    near, far = model.fit("bfgs"), model.fit("bfgs", start=[20.0, 0.1, 5.0])
    assert far.objective == pytest.approx(near.objective, abs=1e-7)


def test_limit_of_evaluations_is_kept(model):
    assert len(model.fit("bfgs", max_evaluations=2).trace) <= 2


def test_start_at_zero_is_left_to_the_general_search(model):
    objective = model.profiled()
    assert search_scoring(objective, np.array([0.0, 0.5, 0.5]), 1e-9, 100) is None
    assert model.fit("bfgs", start=[0.0, 0.5, 0.5]).certificate["verdict"] == "optimum"
