"""Fits with solver='iterative' as users meet them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError

FORMULA = "y ~ x + (1|u) + (1|i)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    n, users, items = 5000, 700, 120
    u, i, x = rng.integers(0, users, n), rng.integers(0, items, n), rng.normal(size=n)
    y = 0.2 * x + 0.6 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    frame = pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "z": rng.normal(size=n)})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


@pytest.fixture(scope="module")
def fit(data):
    return ms.LinearMixedModel(FORMULA, data, solver="iterative").fit()


@pytest.fixture(scope="module")
def exact(data):
    return ms.LinearMixedModel(FORMULA, data).fit()


def test_estimates_are_those_of_the_exact_engine(fit, exact):
    told = fit.certificate["probe_error"]
    assert abs(fit.objective - exact.objective) < 4.5 * told["objective"]
    np.testing.assert_allclose(fit.theta, exact.theta, atol=5e-4)
    np.testing.assert_allclose(fit.beta, exact.beta, atol=1e-5)
    np.testing.assert_allclose(fit.bse_fe, exact.bse_fe, rtol=1e-4)
    found, expected = fit.conditional_modes(), exact.conditional_modes()
    np.testing.assert_allclose(found["mode"], expected["mode"], atol=2e-3)
    # Of 120 items the conditional errors are there, of 700 people they are not computed.
    items = (found["group"] == "i").to_numpy()
    np.testing.assert_allclose(found["std_dev"][items], expected["std_dev"][items], rtol=1e-3)
    assert found["std_dev"][~items].isna().all()


def test_blocks_and_print_say_how_it_was_solved_and_how_far_it_is_known(fit):
    words = str(fit.model.blocks())
    assert "conjugate gradients for i, as solver='iterative' asks for" in words
    assert "32 random probes" in words
    assert "optimum to within probe error: theta is within" in str(fit)


def test_blocks_name_all_factors_that_are_iterated():
    rng = np.random.default_rng(8)
    n = 3000
    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n)})
    for name, levels in (("u", 900), ("i", 250), ("s", 220), ("k", 4)):
        data[name] = pd.Categorical(rng.integers(0, levels, n))
    formula = "y ~ x + (1|u) + (1 + x|i) + (1|s) + (1|k)"
    words = str(ms.LinearMixedModel(formula, data, solver="iterative").blocks())
    assert "eliminated level by level: u; then conjugate gradients for i and s" in words
    assert words.count("Iterated") == 2


def test_slopes_of_the_iterated_factor_are_not_compared_by_other_probes(data, fit):
    more = ms.LinearMixedModel("y ~ x + (1|u) + (1 + x|i)", data, solver="iterative").fit()
    with pytest.raises(ModelError, match="with the same columns"):
        ms.lrtest(fit, more)


def test_no_solver_but_the_one_asked_for_is_taken(data):
    words = str(ms.LinearMixedModel(FORMULA, data).blocks())
    assert "conjugate" not in words


def test_a_stored_fit_comes_back(fit, data, tmp_path):
    fit.save(tmp_path / "fit")
    found = ms.load_fit(tmp_path / "fit")
    assert found.certificate == fit.certificate
    trace = found.trace
    for name in ("objective_se", "cg_iterations", "cg_residual", "probes"):
        assert trace[name].notna().all()
    assert all(len(errors) == 2 for errors in trace["gradient_se"])
    # The model is made again, and its numbers are held to those stored.
    assert found.evaluate().objective == pytest.approx(fit.objective, abs=1e-8)
    assert found.spec.solver == "iterative"


@pytest.mark.parametrize(
    "what",
    [
        lambda f: f.conditional_covariances(),
        lambda f: f.profile(),
        lambda f: f.parametric_bootstrap(2),
        lambda f: f.refit_many(np.asarray(f.model.design.y)[None]),
        lambda f: f.influence(),
        lambda f: f.leverage(),
        lambda f: f.drop1(),
        lambda f: f.predict(se=True),
        lambda f: f.means("x"),
        lambda f: f.study("ledger"),
        lambda f: f.study("pooling"),
        lambda f: ms.lrtest(f),
    ],
)
def test_what_needs_a_factorisation_is_refused_with_advice(fit, what):
    with pytest.raises(ModelError, match="solver='exact' or solver='sparse'"):
        what(fit)


def test_likelihoods_are_compared_by_the_same_probes(fit, exact, data):
    more = ms.LinearMixedModel("y ~ x + z + (1|u) + (1|i)", data, solver="iterative").fit()
    plain = ms.LinearMixedModel("y ~ x + z + (1|u) + (1|i)", data).fit()
    statistic = ms.lrtest(fit, more)["statistic"].iloc[1]
    expected = ms.lrtest(exact, plain)["statistic"].iloc[1]
    assert statistic == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ModelError, match="same second largest grouping factor"):
        ms.lrtest(exact, more)


def test_a_known_sigma_is_kept(data):
    found, expected = (
        ms.LinearMixedModel(FORMULA, data, sigma=1.1, solver=solver).fit()
        for solver in ("iterative", "exact")
    )
    assert found.sigma == 1.1
    np.testing.assert_allclose(found.theta, expected.theta, atol=5e-4)
    assert abs(found.objective - expected.objective) < 0.05
