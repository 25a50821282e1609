"""Counts of ten millions and more: log-likelihoods change as linear predictors are rounded."""

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


def overdispersed(family: str, scale: float, own: float, seed: int, n: int = 240) -> pd.DataFrame:
    """Counts of a mean of `scale`, with effects of crossed groups and a slope."""
    rng = np.random.default_rng(seed)
    g, h, x = rng.integers(0, 15, n), rng.integers(0, 10, n), rng.normal(size=n)
    mean = scale * np.exp(0.3 * x + 0.4 * rng.normal(size=15)[g] + 0.3 * rng.normal(size=10)[h])
    shape = own if family == "nbinom2" else mean / own
    y = rng.poisson(rng.gamma(shape, mean / shape)).astype(float)
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (1 | g) + (1 | h)"])
@pytest.mark.parametrize("scale", [3e5, 1e7, 1e11])
def test_large_overdispersed_counts_are_fitted(scale: float, formula: str) -> None:
    data = overdispersed("nbinom2", scale, 5.0, 7)
    fit = ms.glmer(formula, data, family="nbinom2")
    assert fit.certificate["verdict"] == "optimum"
    # Counts this large are gamma variables to rounding: a tenth of the counts has the same shape,
    # and a likelihood that differs by what a change of units does.
    tenth = data.assign(y=np.rint(data["y"] / 10.0))
    other = ms.glmer(formula, tenth, family="nbinom2")
    np.testing.assert_allclose(fit.theta, other.theta, rtol=1e-3)
    assert fit.objective - other.objective == pytest.approx(
        2.0 * len(data) * np.log(10.0), abs=2e4 / scale
    )


def test_the_compiled_likelihood_of_large_counts_is_that_of_the_plain_one() -> None:
    for family in ("nbinom2", "nbinom1"):
        data = overdispersed(family, 1e8, 20.0, 8)
        for formula in ("y ~ x + (1 | g)", "y ~ x + (1 | g) + (1 | h)"):
            one = ms.GeneralizedLinearMixedModel(formula, data, family).laplace
            assert one.is_compiled
            point = one.moment_start()
            plain = LaplaceObjective(one.system)
            value, slope = one.evaluate_gradient(point)
            other, exact = plain.evaluate_gradient(point)
            assert value.objective == pytest.approx(other.objective, rel=1e-12)
            np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("scale", [1e4, 2e6, 1e9])
@pytest.mark.parametrize("own", [0.3, 40.0, 2e3])
def test_a_dispersion_far_from_one_is_found(own: float, scale: float) -> None:
    data = overdispersed("nbinom1", scale, own, 9)
    fit = ms.glmer("y ~ x + (1 | g) + (1 | h)", data, family="nbinom1")
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    assert fit.dispersion == pytest.approx(own, rel=0.5, abs=0.3)
    # From the truth no lower point is found.
    truth = np.array([0.4, 0.3, np.log(scale), 0.3, np.log(own)])
    assert fit.objective <= fit.model.laplace.evaluate(truth).objective + 1e-6


def test_shares_next_to_zero_and_one_are_fitted() -> None:
    rng = np.random.default_rng(4)
    n = 160
    g, x = rng.integers(0, 16, n), rng.normal(size=n)
    mean = special.expit(-2.0 + 0.4 * x + 0.5 * rng.normal(size=16)[g])
    y = np.clip(rng.beta(2.0 * mean, 2.0 * (1.0 - mean)), 1e-12, 1.0 - 1e-12)
    y[:4] = 1e-12
    y[4] = 1.0 - 1e-12
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})
    fit = ms.glmer("y ~ x + (1 | g)", data, family="beta")
    assert fit.certificate["verdict"] in ("optimum", "boundary optimum")
    turned = ms.glmer("y ~ x + (1 | g)", data.assign(y=1.0 - y), family="beta")
    assert turned.objective == pytest.approx(fit.objective, abs=1e-2)
    np.testing.assert_allclose(turned.beta, -fit.beta, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(("theta", "intercept"), [(30.0, 300.0), (1.0, 300.0)])
def test_modes_are_found_where_the_penalty_is_nothing_beside_what_rows_tell(
    theta: float, intercept: float
) -> None:
    rng = np.random.default_rng(1)
    g, h, x = rng.integers(0, 12, 120), rng.integers(0, 9, 120), rng.normal(size=120)
    y = rng.poisson(np.exp(1.0 + 0.3 * x + 1.5 * rng.normal(size=12)[g])).astype(float)
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})
    model = ms.GeneralizedLinearMixedModel("y ~ x + (1 | g) + (1 | h)", data, "poisson")
    point = np.array([theta, theta, intercept, 0.3])
    value = model.laplace.evaluate(point).objective
    plain = LaplaceObjective(model.laplace.system)
    assert plain.evaluate(point).objective == pytest.approx(value, rel=1e-9)
