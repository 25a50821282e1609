"""Fits of generalised models with solver='iterative' as users meet them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.optimize import estimated

FORMULA = "y ~ x + (1|u) + (1|i)"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(7)
    n, users, items = 5000, 700, 120
    u, i, x = rng.integers(0, users, n), rng.integers(0, items, n), rng.normal(size=n)
    eta = 0.2 * x + 0.8 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    y = (rng.uniform(size=n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    frame = pd.DataFrame({"y": y, "x": x, "z": rng.normal(size=n)})
    return frame.assign(u=pd.Categorical(u), i=pd.Categorical(i))


@pytest.fixture(scope="module")
def fit(data):
    return ms.glmer(FORMULA, data, solver="iterative")


@pytest.fixture(scope="module")
def exact(data):
    return ms.glmer(FORMULA, data)


def test_estimates_are_those_of_the_exact_engine(fit, exact):
    told = fit.certificate["probe_error"]
    assert abs(fit.objective - exact.objective) < 4.5 * told["objective"]
    errors = np.sqrt(np.diag(exact.vcov))
    assert (np.abs(fit.parameters - exact.parameters) / errors).max() < 0.01
    np.testing.assert_allclose(np.sqrt(np.diag(fit.vcov)), errors, rtol=1e-3)
    pd.testing.assert_frame_equal(
        pd.DataFrame(fit.fixed_effects()), pd.DataFrame(exact.fixed_effects()), rtol=5e-3
    )
    found, expected = fit.conditional_modes(), exact.conditional_modes()
    np.testing.assert_allclose(found["mode"], expected["mode"], atol=2e-3)
    # Of 120 items the conditional errors are there, of 700 people they are not computed.
    items = (found["group"] == "i").to_numpy()
    np.testing.assert_allclose(found["std_dev"][items], expected["std_dev"][items], rtol=1e-3)
    assert found["std_dev"][~items].isna().all()


def test_the_print_says_how_far_it_is_known(fit):
    assert "optimum to within probe error: theta is within" in str(fit)


def test_a_stored_fit_comes_back(fit, tmp_path):
    fit.save(tmp_path / "fit")
    found = ms.load_fit(tmp_path / "fit")
    assert found.certificate == fit.certificate
    for name in ("objective_se", "cg_iterations", "probes", "newton_steps"):
        assert found.trace[name].notna().all()
    assert all(len(errors) == 4 for errors in found.trace["gradient_se"])
    # The model is made again, and its numbers are held to those stored.
    assert found.model.specification().solver == "iterative"
    pd.testing.assert_series_equal(found.predict(), fit.predict(), rtol=1e-6)


def test_predictions_residuals_and_draws_are_there(fit, exact):
    np.testing.assert_allclose(fit.predict(), exact.predict(), atol=2e-3)
    np.testing.assert_allclose(fit.residuals("pearson"), exact.residuals("pearson"), atol=1e-2)
    assert fit.simulate(2, seed=1).shape == (2, 5000)


@pytest.mark.parametrize(
    "what",
    [
        lambda f: f.approximation,
        lambda f: f.parametric_bootstrap(2),
        lambda f: f.influence(),
        lambda f: f.study("ledger"),
        lambda f: f.study("pooling"),
        lambda f: ms.lrtest(f),
    ],
)
def test_what_needs_a_factorisation_is_refused_with_advice(fit, what):
    with pytest.raises(ModelError, match="solver='exact'"):
        what(fit)


def test_likelihoods_are_compared_by_the_same_probes(fit, exact, data):
    more = ms.glmer("y ~ x + z + (1|u) + (1|i)", data, solver="iterative")
    plain = ms.glmer("y ~ x + z + (1|u) + (1|i)", data)
    table, expected = ms.lrtest(fit, more), ms.lrtest(exact, plain)
    error = table["statistic_se"].iloc[1]
    assert np.isnan(table["statistic_se"].iloc[0])
    assert 0.0 < error < fit.certificate["probe_error"]["objective"] / 5.0
    difference = table["statistic"].iloc[1] - expected["statistic"].iloc[1]
    assert abs(difference) < 5.0 * error + 1e-5
    assert "statistic_se" not in expected
    with pytest.raises(ModelError, match="all made with solver=.iterative."):
        ms.lrtest(exact, more)


def test_fits_of_fewer_probes_are_compared_by_as_many_as_others(fit, data, monkeypatch):
    few = ms.lrtest(fit, ms.glmer("y ~ x + z + (1|u) + (1|i)", data, solver="iterative"))
    monkeypatch.setattr(estimated, "TOO_MUCH", 0.0)
    monkeypatch.setattr(estimated, "_MOST_PROBES", 64)
    more = ms.glmer("y ~ x + z + (1|u) + (1|i)", data, solver="iterative")
    assert [f.certificate["probe_error"]["probes"] for f in (fit, more)] == [32, 64]
    table = ms.lrtest(fit, more)
    # Not off by what 32 and 64 probes differ by.
    difference = table["statistic"].iloc[1] - few["statistic"].iloc[1]
    apart = abs(table["objective"].iloc[0] - fit.objective)
    assert abs(difference) < 5.0 * few["statistic_se"].iloc[1] + 1e-5 < apart


def test_terms_are_left_out_and_profiles_drawn_by_the_same_probes(fit, exact):
    names = ["lower", "upper"]
    found, expected = (one.confint(method="profile") for one in (fit, exact))
    np.testing.assert_allclose(
        found[names].to_numpy(float), expected[names].to_numpy(float), atol=1e-4
    )
    statistic = fit.drop1()["statistic"].iloc[1]
    assert statistic == pytest.approx(exact.drop1()["statistic"].iloc[1], abs=1e-3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"solver": "sparse"}, "is for linear models"),
        ({"solver": "iterative", "quadrature": 0}, "is for Laplace's approximation"),
        ({"solver": "iterative", "link": "probit", "information": "expected"}, "observed"),
        ({"solver": "iterativ"}, "Did you mean 'iterative'"),
    ],
)
def test_what_does_not_go_together_is_refused(data, given, words):
    with pytest.raises(ModelError, match=words):
        ms.GeneralizedLinearMixedModel(FORMULA, data, **given)


def test_a_ladder_is_that_of_exact_fits_to_the_stated_error(data):
    formula = "y ~ x + (1 + x | u) + (1 | i)"
    found, expected = (
        ms.ladder(ms.GeneralizedLinearMixedModel(formula, data, solver=solver))
        for solver in ("iterative", "auto")
    )
    assert "±" in str(found)
    table, other = found.structures, expected.structures
    assert list(table["structure"]) == list(other["structure"])
    np.testing.assert_allclose(table["objective"], other["objective"], atol=0.05)
    assert table["edf"].isna().all()
