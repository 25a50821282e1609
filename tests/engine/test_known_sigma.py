"""The objective and its gradient where sigma is given beside theta."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mixedscope as ms
from mixedscope.engine import blocked
from mixedscope.engine.search.searchable import SearchableObjective

Floats = NDArray[np.float64]


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 4)
    h = np.tile(np.arange(4), 6)
    return pd.DataFrame(
        {
            "y": 20.0 + 3.0 * np.sin(1.7 * g) + rng.normal(size=24),
            "x": rng.normal(size=24),
            "w": rng.uniform(0.3, 3.0, size=24),
            "g": g,
            "h": h,
            "outer": g // 2,
            "t": pd.Categorical(h),
        }
    )


FRAME = _frame()
MODELS = {
    "intercepts": "y ~ 1 + x + (1 | g)",
    "slopes": "y ~ 1 + x + (1 + x | g)",
    "crossed": "y ~ 1 + x + (1 + x | g) + (1 | h)",
    "nested": "y ~ 1 + x + (1 | outer) + (1 + x | g)",
    "ar1": "y ~ 1 + x + ar1(0 + t | g)",
    "cs and crossed": "y ~ 1 + x + cs(1 + x | g) + (1 | h)",
    "reduced rank": "y ~ 1 + x + rr(0 + t | g, d=1)",
    "rank-deficient": "y ~ 1 + x + I(2 * x) + (1 | g) + (1 | h)",
}


def _objective(name: str, weights: str | None, *, reml: bool) -> SearchableObjective:
    return ms.LinearMixedModel(MODELS[name], FRAME, weights=weights).profiled(reml=reml)


def _theta(objective: SearchableObjective) -> Floats:
    return np.random.default_rng(7).uniform(0.3, 0.9, size=len(objective.theta_names))


def _dense(objective: SearchableObjective, theta: Floats, sigma: float) -> float:
    """-2 log-likelihood of a normal distribution, or the REML criterion, from its covariance."""
    system = objective.system
    y, x, w = system.design.y, system.fixed_columns, system.root_weights**2
    v = np.diag(1.0 / w)
    for term in system.terms:
        rows = term.design.Z @ term.factor(theta[term.theta])
        v += (rows @ rows.T) * (term.design.codes[:, None] == term.design.codes)
    v *= sigma**2
    information = x.T @ np.linalg.solve(v, x)
    residual = y - x @ np.linalg.solve(information, x.T @ np.linalg.solve(v, y))
    value = np.linalg.slogdet(v)[1] + residual @ np.linalg.solve(v, residual)
    value += objective.degrees * math.log(2.0 * math.pi)
    return float(value + (np.linalg.slogdet(information)[1] if objective.reml else 0.0))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_deviance_and_gradient_at_a_given_sigma_are_those_of_dense_algebra(
    name: str, reml: bool, weights: str | None, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not whole:
        monkeypatch.setattr(blocked, "WHOLE", 0)
        monkeypatch.setattr(blocked, "SMALL", 0)
    objective = _objective(name, weights, reml=reml)
    assert (objective.system.blocked.small is not None) == whole
    theta, step = _theta(objective), 1e-5
    for sigma in (0.4, 1.1, 3.0):
        evaluation, gradient, slope = objective.evaluate_at_sigma(theta, sigma)
        value = _dense(objective, theta, sigma)
        assert evaluation.objective == pytest.approx(value, rel=1e-11)
        assert evaluation.sigma == pytest.approx(sigma, rel=1e-14)
        size = 1e-7 * abs(value)  # differences: rounding over the step, and its square
        for i in range(len(theta)):
            move = step * (np.arange(len(theta)) == i)
            rise = _dense(objective, theta + move, sigma) - _dense(objective, theta - move, sigma)
            assert gradient[i] == pytest.approx(rise / (2 * step), rel=1e-6, abs=size)
        rise = _dense(objective, theta, sigma * (1 + step)) - _dense(
            objective, theta, sigma * (1 - step)
        )
        assert slope == pytest.approx(rise / (2 * step), rel=1e-6, abs=size)


@pytest.mark.parametrize("size", [1.0, 1e6])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", ["slopes", "crossed", "ar1"])
def test_at_its_own_sigma_it_is_the_profiled_objective(name: str, reml: bool, size: float) -> None:
    # Of the larger size evaluations need twice the digits.
    objective = _objective(name, None, reml=reml)
    theta = size * _theta(objective)
    if name == "ar1":
        theta[1] = 0.3
    own, own_gradient = objective.evaluate_gradient(theta)
    evaluation, gradient, slope = objective.evaluate_at_sigma(theta, own.sigma)
    assert evaluation.objective == pytest.approx(own.objective, abs=1e-9 + own.rounding)
    np.testing.assert_array_equal(evaluation.beta, own.beta)
    np.testing.assert_allclose(gradient * theta, own_gradient * theta, rtol=1e-7, atol=1e-7)
    assert slope == pytest.approx(0.0, abs=1e-9)
    # The gradient is linear in the reciprocal of sigma's square.
    variances = np.array([0.25, 1.0, 4.0]) * own.sigma**2
    found = [objective.evaluate_at_sigma(theta, s)[1] * theta for s in np.sqrt(variances)]
    shares = (1 / variances[1] - 1 / variances[0]) / (1 / variances[2] - 1 / variances[0])
    expected = found[0] + shares * (found[2] - found[0])
    np.testing.assert_allclose(found[1], expected, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_sigma_that_is_no_number_above_zero_cannot_be_evaluated(sigma: float) -> None:
    objective = _objective("slopes", None, reml=False)
    with pytest.raises(FloatingPointError, match="sigma"):
        objective.evaluate_at_sigma(_theta(objective), sigma)
