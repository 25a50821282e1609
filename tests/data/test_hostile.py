"""Numerically hostile data: the same model in awkward units, and models near the edge."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, ModelError

FORMULA = "y ~ 1 + x + (1 + x | g)"


def _data(seed=0, q=30, per=8, sds=(1.0, 0.5), sigma=1.0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(q), per)
    x = rng.normal(size=q * per)
    b = rng.normal(size=(q, 2)) * sds
    y = 3.0 + 2.0 * x + b[g, 0] + b[g, 1] * x + sigma * rng.normal(size=q * per)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.fixture(scope="module")
def plain():
    data = _data()
    return data, ms.LinearMixedModel(FORMULA, data).fit()


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_a_large_shift_of_the_response_changes_only_the_intercept(plain, optimizer):
    data, fit = plain
    other = ms.LinearMixedModel(FORMULA, data.assign(y=data["y"] + 1e8)).fit(optimizer)
    assert other.objective == pytest.approx(fit.objective, abs=2e-6)
    np.testing.assert_allclose(other.theta, fit.theta, atol=1e-4)
    assert other.beta[0] - 1e8 == pytest.approx(fit.beta[0], abs=1e-6)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_units_of_a_covariate_change_nothing_but_its_coefficients(plain, unit, optimizer):
    data, fit = plain
    other = ms.LinearMixedModel(FORMULA, data.assign(x=data["x"] * unit)).fit(optimizer)
    assert other.objective == pytest.approx(fit.objective, abs=1e-6)
    assert other.beta[1] * unit == pytest.approx(fit.beta[1], rel=1e-6)
    sd = other.variance_components().query("kind == 'sd' and term == 'x'")["estimate"].iloc[0]
    own = fit.variance_components().query("kind == 'sd' and term == 'x'")["estimate"].iloc[0]
    assert sd * unit == pytest.approx(own, rel=1e-4)
    assert len(other.trace) <= 2 * len(ms.LinearMixedModel(FORMULA, data).fit(optimizer).trace)


@pytest.mark.parametrize("sigma", [1e-4, 1e-3])
def test_residuals_far_smaller_than_random_effects_are_recovered(sigma):
    fit = ms.LinearMixedModel(FORMULA, _data(1, sigma=sigma)).fit()
    assert fit.certificate["verdict"] == "optimum"
    assert fit.sigma == pytest.approx(sigma, rel=0.15)
    sd = fit.variance_components().query("kind == 'sd'")["estimate"].to_numpy()
    np.testing.assert_allclose(sd, [1.0, 0.5], rtol=0.35)


def test_random_effects_far_smaller_than_residuals_are_a_certified_fit():
    fit = ms.LinearMixedModel(FORMULA, _data(2, sds=(1e-5, 1e-5))).fit()
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    assert fit.sigma == pytest.approx(1.0, rel=0.1)


def test_a_duplicated_column_is_dropped_by_name(plain):
    data, fit = plain
    other = ms.LinearMixedModel(
        "y ~ 1 + x + twin + (1 + x | g)", data.assign(twin=3.0 * data["x"] - 2.0)
    )
    assert other.dropped_coefficients == ("twin",)
    assert other.fit().objective == pytest.approx(fit.objective, abs=1e-8)


def test_nearly_collinear_columns_are_kept_and_explain_what_they_do(plain):
    data, _ = plain
    noise = np.random.default_rng(3).normal(size=len(data))
    near = data["x"] + 1e-5 * noise
    one = ms.LinearMixedModel("y ~ 1 + x + near + (1 | g)", data.assign(near=near)).fit()
    # The same column space, well conditioned.
    two = ms.LinearMixedModel("y ~ 1 + x + noise + (1 | g)", data.assign(noise=noise)).fit()
    assert one.objective == pytest.approx(two.objective, abs=1e-6)
    assert one.beta[2] * 1e-5 == pytest.approx(two.beta[2], rel=1e-4)


def test_weights_over_ten_orders_of_magnitude_agree_with_dense_algebra():
    data = _data(4, q=10, per=6)
    weights = 10.0 ** np.random.default_rng(5).uniform(-5, 5, size=len(data))
    model = ms.LinearMixedModel(FORMULA, data.assign(w=weights), weights="w")
    fit = model.fit()
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    theta = fit.theta
    lam = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    z = np.column_stack([np.ones(len(data)), data["x"]])
    same = data["g"].to_numpy()[:, None] == data["g"].to_numpy()
    # Rows scaled to unit weight keep the dense matrix well conditioned.
    root = np.sqrt(weights)
    v = np.eye(len(data)) + same * ((z @ lam) @ (z @ lam).T) * np.outer(root, root)
    x, y = z * root[:, None], data["y"].to_numpy() * root
    inner = np.linalg.solve(v, x)
    beta = np.linalg.solve(x.T @ inner, inner.T @ y)
    rest = y - x @ beta
    n = len(data)
    r2 = rest @ np.linalg.solve(v, rest)
    dense = np.linalg.slogdet(v)[1] + n * (1 + np.log(2 * np.pi * r2 / n)) - np.log(weights).sum()
    assert fit.objective == pytest.approx(dense, abs=1e-6)


def test_a_hundred_thousand_levels_of_hardly_more_than_one_row_beside_another_factor():
    rng = np.random.default_rng(6)
    n, q = 101_000, 100_000
    fine = np.concatenate([np.arange(q), rng.integers(0, q, n - q)])
    coarse = rng.integers(0, 50, n)
    y = rng.normal(size=q)[fine] + 0.5 * rng.normal(size=50)[coarse] + rng.normal(size=n)
    data = pd.DataFrame({"y": y, "fine": fine, "coarse": coarse})
    fit = ms.LinearMixedModel("y ~ 1 + (1 | fine) + (1 | coarse)", data).fit()
    assert fit.certificate["verdict"] == "optimum"
    assert fit.theta[1] * fit.sigma == pytest.approx(0.5, rel=0.3)
    total = (fit.theta[0] * fit.sigma) ** 2 + fit.sigma**2
    assert total == pytest.approx(2.0, rel=0.05)


def _one_row_each(q=100_000):
    """Every level of id once, beside a factor of 50; residual variances known up to a factor."""
    rng = np.random.default_rng(8)
    weights = 10.0 ** rng.uniform(-1, 1, q)
    g = rng.integers(0, 50, q)
    y = rng.normal(size=q) + 0.5 * rng.normal(size=50)[g] + rng.normal(size=q) / np.sqrt(weights)
    return pd.DataFrame({"y": y, "id": np.arange(q), "g": g, "w": weights})


ONE_ROW_EACH = "y ~ 1 + (1 | id) + (1 | g)"


@pytest.mark.parametrize("weights", [None, "equal"])
def test_an_effect_of_every_observation_is_refused_where_residuals_do_the_same(weights):
    data = _one_row_each(1000).assign(equal=2.0)
    with pytest.raises(ModelError, match="'id' has as many levels .* give weights"):
        ms.LinearMixedModel(ONE_ROW_EACH, data, weights=weights)


def test_weights_that_differ_tell_a_hundred_thousand_effects_from_residuals():
    fit = ms.LinearMixedModel(ONE_ROW_EACH, _one_row_each(), weights="w").fit()
    assert fit.certificate["verdict"] == "optimum"
    assert fit.theta[0] * fit.sigma == pytest.approx(1.0, rel=0.03)
    assert fit.theta[1] * fit.sigma == pytest.approx(0.5, rel=0.3)
    assert fit.sigma == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("unit", [1e-140, 1e140])
def test_a_response_in_a_far_unit_gives_the_same_theta(plain, unit):
    data, fit = plain
    other = ms.LinearMixedModel(FORMULA, data.assign(y=data["y"] * unit)).fit()
    np.testing.assert_allclose(other.theta, fit.theta, atol=1e-5)
    assert other.sigma / unit == pytest.approx(fit.sigma, rel=1e-6)
    assert other.objective == pytest.approx(fit.objective + 2 * len(data) * np.log(unit), rel=1e-9)


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e200, 1e300])
@pytest.mark.parametrize(("column", "words"), [("y", "response 'y'"), ("x", "'x' in the random")])
def test_numbers_that_cannot_be_squared_are_refused_by_name(plain, column, words, unit):
    data, _ = plain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match=f"{words}.* another unit"):
            ms.LinearMixedModel(FORMULA, data.assign(**{column: data[column] * unit}))


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_a_fixed_effect_may_have_any_unit(plain, unit):
    data, _ = plain
    formula = "y ~ 1 + x + (1 | g)"
    fit = ms.LinearMixedModel(formula, data).fit()
    other = ms.LinearMixedModel(formula, data.assign(x=data["x"] * unit)).fit()
    assert other.objective == pytest.approx(fit.objective, abs=1e-8)
    assert other.beta[1] * unit == pytest.approx(fit.beta[1], rel=1e-8)
