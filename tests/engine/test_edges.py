"""Where conditional modes come to an end, and where a search for them has to begin elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.optimize.driver import minimize

pytestmark = pytest.mark.numerical


def counts(seed: int, lowest: float) -> pd.DataFrame:
    """Counts of groups whose means differ much or little, above some mean."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(12), 6), rng.uniform(0.0, 2.0, 72)
    mean = np.maximum(lowest + 0.8 * rng.normal(size=12)[g], 0.02)
    return pd.DataFrame({"y": rng.poisson(mean), "x": x, "g": g.astype(str)})


def test_a_mean_that_comes_to_zero_ends_the_search_and_is_said(tmp_path: Path) -> None:
    data = counts(3, 6.0)
    fit = ms.glmer("y ~ x + (1 | g)", data, family="poisson", link="identity")
    assert "doubt" not in fit.certificate
    # A group of zeros alone has no information of its own: nothing keeps its mean above zero.
    data.loc[data["g"] == "0", "y"] = 0
    fit = ms.glmer("y ~ x + (1 | g)", data, family="poisson", link="identity")
    assert fit.certificate["verdict"] == "not converged"
    assert "means of" in fit.certificate["doubt"]
    assert "come to 0" in fit.certificate["doubt"]
    assert fit.certificate["doubt"] in fit.certificate["words"]
    fit.save(tmp_path / "fit")
    assert ms.load_fit(tmp_path / "fit").certificate == fit.certificate


def test_a_probability_that_comes_to_one_ends_the_search_and_is_said() -> None:
    rng = np.random.default_rng(5)
    g, h = np.repeat(np.arange(15), 12), rng.integers(0, 6, 180)
    y = rng.binomial(1, np.exp(-1.4 + 0.3 * rng.normal(size=15)[g]))
    data = pd.DataFrame({"y": y, "g": g.astype(str), "h": h.astype(str)})
    formula = "y ~ 1 + (1 | g) + (1 | h)"
    inside = ms.glmer(formula, data, family="binomial", link="log")
    assert "optimum" in inside.certificate["verdict"]
    data.loc[data["g"] == "0", "y"] = 1
    fit = ms.glmer(formula, data, family="binomial", link="log")
    assert fit.certificate["verdict"] == "not converged"
    assert "have come to 1" in fit.certificate["words"]
    assert fit.predict(scale="link").max() < 0.0


def test_information_that_vanishes_is_no_minimum() -> None:
    # Zeros of a negative binomial under the identity are curved the wrong way.
    rng = np.random.default_rng(9038)
    g = np.repeat(np.arange(20), 5)
    y = rng.poisson(2.0 * rng.gamma(2.0, 0.5, 100) * rng.gamma(4.0, 0.25, 20)[g])
    y[g < 2] = 0
    data = pd.DataFrame({"y": y, "g": g.astype(str)})
    fit = ms.glmer("y ~ 1 + (1 | g)", data, family="nbinom2", link="identity")
    assert fit.certificate["verdict"] == "not converged"
    assert "edge of where there are conditional modes" in fit.certificate["words"]


def extreme() -> ms.GeneralizedLinearMixedModel:
    """Choices that are all but certain, fixed effects of which are large."""
    rng = np.random.default_rng(115)
    n, q = 60, 8
    g, h, x = rng.integers(0, q, n), rng.integers(0, 5, n), 5.0 * rng.normal(size=n)
    eta = 2.0 * rng.normal() + 0.6 * x + 5.0 * rng.normal(size=q)[g]
    y = rng.binomial(1, -np.expm1(-np.exp(np.minimum(eta, 5.0))))
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str), "h": h.astype(str)})
    formula = "y ~ x + (1 + x | g) + (1 | h)"
    return ms.GeneralizedLinearMixedModel(formula, data, "binomial", "cloglog")


@pytest.mark.parametrize("is_compiled", [True, False])
def test_modes_of_extreme_predictors_are_found_from_none(is_compiled: bool) -> None:
    objective = extreme().laplace
    if not is_compiled:
        objective = LaplaceObjective(objective.system)
    point = objective.moment_start()
    k = objective.n_theta
    # By fixed effects that grow, each from the modes before; the last are beyond 50.
    point[k:] = 0.0, 0.01
    for _ in range(10):
        value = objective.evaluate(point).objective
        last = point.copy()
        point[k:] *= 2.0
    objective.reset()
    assert objective.evaluate(last).objective == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_an_optimum_can_be_evaluated_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, q = 40, 6
    g, x = rng.integers(0, q, n), rng.normal(size=n) * 30.0
    eta = 0.1 * x + 5.0 * rng.normal(size=q)[g]
    y = rng.binomial(1, -np.expm1(-np.exp(np.minimum(eta, 5.0))))
    data = pd.DataFrame({"y": y, "x": x, "g": g.astype(str)})
    model = ms.GeneralizedLinearMixedModel("y ~ x + (1 + x | g)", data, "binomial", "cloglog")
    objective = model.laplace
    found = minimize(objective)
    if "doubt" not in found.certificate:
        objective.reset()
        again = objective.evaluate(found.theta).objective
        assert again == pytest.approx(found.evaluation.objective, abs=1e-6)


def test_roots_of_means_are_above_zero_and_their_modes_the_highest() -> None:
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(20), 6)
    y = rng.poisson((0.8 + 0.4 * rng.normal(size=20)[g]) ** 2)
    data = pd.DataFrame({"y": y, "g": g.astype(str)})
    fit = ms.glmer("y ~ 1 + (1 | g)", data, family="poisson", link="sqrt")
    sd, (beta,) = float(fit.theta[0]), fit.beta
    u = np.linspace(-9.0, 9.0, 1_800_001)
    eta = beta + sd * u
    total = 0.0
    for level in range(20):
        own = y[g == level].astype(float)
        with np.errstate(divide="ignore"):
            size = np.log(np.abs(eta)) * 2.0 * own.sum() if own.sum() else 0.0
        height = size - len(own) * eta**2 - 0.5 * u**2
        best = int(np.argmax(height))
        # Of the whole line, the other side of zero too.
        assert eta[best] > 0.0 or own.sum() == 0.0
        at = float(u[best])
        for _ in range(9):
            root = beta + sd * at
            slope = at - 2.0 * sd * (own.sum() / root - len(own) * root)
            at -= slope / (1.0 + 2.0 * sd**2 * (own.sum() / root**2 + len(own)))
        root = beta + sd * at
        highest = 2.0 * own.sum() * np.log(abs(root)) - len(own) * root**2 - 0.5 * at**2
        assert highest == pytest.approx(height[best], abs=1e-8)
        curved = 1.0 + sd**2 * (2.0 * own.sum() / root**2 + 2.0 * len(own))
        factorials = sum(np.log(np.arange(1, int(c) + 1)).sum() for c in own)
        total += -2.0 * (highest - factorials) + np.log(curved)
    assert fit.objective == pytest.approx(total, abs=1e-6)
