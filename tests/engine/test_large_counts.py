"""Counts of ten millions: their log-likelihoods change as linear predictors are rounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedscope as ms
from mixedscope.engine.generalized.laplace import LaplaceObjective

pytestmark = pytest.mark.numerical


def counts(n: int = 3000, sd: float = 0.01) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    y = rng.poisson(1e7 * np.exp(0.3 * x + sd * rng.normal(size=n)))
    return pd.DataFrame({"y": y, "x": x, "row": np.arange(n).astype(str)})


def by_itself(data: pd.DataFrame, theta: float, beta: np.ndarray) -> float:
    """-2 log-likelihood by Laplace's approximation of every row, as if there were no other."""
    y = data["y"].to_numpy(dtype=float)
    fixed = beta[0] + beta[1] * data["x"].to_numpy() - np.log(y)
    u = np.zeros(len(y))
    for _ in range(100):
        ratio = np.exp(fixed + theta * u)
        u -= (u + theta * y * (ratio - 1.0)) / (1.0 + theta**2 * y * ratio)
    change = fixed + theta * u
    lost = y * (np.expm1(change) - change)
    # Of a mean equal to the count, by Stirling's series.
    own = 0.5 * np.log(2.0 * np.pi * y) + 1.0 / (12.0 * y)
    np.testing.assert_allclose(own[:5], special.gammaln(y[:5] + 1) - y[:5] * np.log(y[:5]) + y[:5])
    curved = np.log1p(theta**2 * y * np.exp(change))
    return float((2.0 * (lost + own) + u**2 + curved).sum())


@pytest.mark.parametrize("sd", [0.001, 0.01, 0.5])
def test_an_effect_of_each_row_is_found(sd: float) -> None:
    data = counts(sd=sd)
    fit = ms.glmer("y ~ x + (1 | row)", data, family="poisson")
    assert fit.certificate["verdict"] == "optimum"
    assert fit.theta[0] == pytest.approx(sd, rel=0.1)
    assert fit.objective == pytest.approx(by_itself(data, fit.theta[0], fit.beta), rel=1e-11)


def test_all_searches_for_modes_know_of_rounding() -> None:
    data = counts()
    single = ms.GeneralizedLinearMixedModel("y ~ x + (1 | row)", data, "poisson").laplace
    start = single.moment_start()
    plain = LaplaceObjective(single.system)
    assert plain.evaluate(start).objective == pytest.approx(
        single.evaluate(start).objective, rel=1e-12
    )
    penalised = ms.glmer("y ~ x + (1 | row)", data, family="poisson", nAGQ=0)
    assert penalised.certificate["verdict"] == "optimum"
