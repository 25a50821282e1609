"""Where a fit begins: by name, by theta, or where another fit ended."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from optimize_cases import quadratic

import mixedscope as ms
from mixedscope.core.errors import ModelError, OptimizerError
from mixedscope.optimize.starts import START_NAMES, named_start

FORMULA = "y ~ 1 + x + (1 + x | g) + (1 | h)"


@pytest.fixture(scope="module")
def model() -> ms.LinearMixedModel:
    rng = np.random.default_rng(11)
    g, h = (cells.ravel() for cells in np.indices((12, 8)))
    x = rng.normal(size=g.size)
    b = rng.normal(size=(12, 2))
    y = 1.0 + x + b[g, 0] + b[g, 1] * x + rng.normal(size=8)[h] + rng.normal(size=g.size)
    return ms.LinearMixedModel(FORMULA, pd.DataFrame({"y": y, "x": x, "g": g, "h": h}))


@pytest.fixture(scope="module")
def fit(model: ms.LinearMixedModel) -> ms.Fit:
    return model.fit()


@pytest.fixture(scope="module")
def responses(fit: ms.Fit) -> np.ndarray:
    return fit.simulate(4, seed=5)


def first(fit: ms.Fit) -> np.ndarray:
    return np.asarray(fit.trace["theta"].iloc[0])


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
@pytest.mark.parametrize("start", START_NAMES)
def test_every_named_start_leads_to_the_optimum(model, fit, optimizer, start):
    other = model.fit(optimizer, start=start, seed=3)
    assert other.objective == pytest.approx(fit.objective, abs=1e-7)


@pytest.mark.parametrize("optimizer", ["nlopt-newuoa", "bfgs"])
def test_a_named_start_is_where_the_search_begins(model, optimizer):
    objective = model.profiled()
    begins = {name: first(model.fit(optimizer, start=name, seed=1)) for name in START_NAMES}
    np.testing.assert_allclose(begins["identity"] * objective.scale, [1, 0, 1, 1])
    np.testing.assert_allclose(begins["moments"], objective.moment_start())
    np.testing.assert_allclose(begins["random"], named_start(objective, "random", seed=1))
    np.testing.assert_array_equal(begins["independent"], first(model.fit(optimizer)))


def test_random_starts_follow_the_seed_and_are_canonical(model):
    objective = model.profiled()
    starts = [named_start(objective, "random", seed=seed) for seed in range(20)]
    assert len({tuple(theta) for theta in starts}) == 20
    assert all((theta >= objective.lower).all() for theta in starts)
    np.testing.assert_array_equal(starts[7], named_start(objective, "random", seed=7))


def test_a_refit_continues_from_the_estimates(fit, responses):
    np.testing.assert_allclose(first(fit.refit(responses[0])), fit.theta)


def test_an_independent_refit_owes_nothing_to_the_fit(fit, responses):
    independent = fit.refit(responses[0], start="independent")
    model = fit.model.with_response(responses[0])
    np.testing.assert_array_equal(first(independent), model.profiled().moment_start())
    continued = fit.refit(responses[0])
    assert independent.objective == pytest.approx(continued.objective, abs=1e-7)


@pytest.mark.parametrize("start", ["independent", "random", [1.0, 0.2, 1.0, 0.5]])
def test_many_refits_agree_whatever_their_starts(fit, responses, start):
    usual = fit.refit_many(responses)
    others = fit.refit_many(responses, start=start)
    np.testing.assert_allclose(others.objective, usual.objective, atol=1e-6)
    np.testing.assert_allclose(others.theta, usual.theta, atol=2e-3)
    assert others.converged.all()
    assert others.frame().columns.tolist() == usual.frame().columns.tolist()


def test_a_bootstrap_may_start_independently(fit):
    usual = fit.parametric_bootstrap(3, seed=2)
    independent = fit.parametric_bootstrap(3, seed=2, start="independent")
    np.testing.assert_allclose(independent.objective, usual.objective, atol=1e-6)


def test_an_unknown_start_is_refused_with_a_suggestion(model, fit, responses):
    for attempt in (
        lambda: model.fit(start="momens"),
        lambda: fit.refit_many(responses, start="momens"),
    ):
        with pytest.raises(OptimizerError, match="Did you mean 'moments'"):
            attempt()


def test_a_start_of_the_wrong_length_names_the_parameters(model):
    with pytest.raises(ModelError, match="g.x"):
        model.fit(start=[1.0])


def test_an_objective_without_moments_says_so():
    with pytest.raises(OptimizerError, match="moments"):
        named_start(quadratic(), "moments")
