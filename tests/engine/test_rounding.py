"""What an evaluation loses to rounding is bounded, and nothing below the infimum is accepted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_decimals import dense_objective
from numpy.typing import NDArray
from optimize_cases import KnowsNoMore

import mixedscope as ms
from mixedscope.core.evaluation import Evaluation
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.optimize.certificate import rounding
from mixedscope.optimize.problem import Problem
from mixedscope.optimize.trace import Trace

Floats = NDArray[np.float64]

META = pd.DataFrame(
    {
        "y": [3.2, -2.4, -1.3, -2.6, -0.2, 2, 0, 1],
        "w": [12, 5, 19, 18, 2, 4, 4, 4],
        "study": range(8),
    }
)


def constant_within_groups(groups: int, rows: int) -> pd.DataFrame:
    g = np.repeat(np.arange(groups), rows)
    return pd.DataFrame({"y": np.sin(1.7 * g), "g": g, "h": np.tile(np.arange(rows), groups)})


def noisy() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    data = constant_within_groups(6, 4)
    data["y"] += rng.normal(size=24)
    data["x"] = rng.normal(size=24)
    return data.assign(outer=data["g"] // 2, t=pd.Categorical(data["h"]))


MODELS: dict[str, tuple[str, pd.DataFrame, str | None]] = {
    "weights": ("y ~ 1 + (1 | study)", META, "w"),
    "constant within groups": ("y ~ 1 + (1 | g)", constant_within_groups(6, 4), None),
    "random intercepts": ("y ~ 1 + x + (1 | g)", noisy(), None),
    "random slopes": ("y ~ 1 + x + (1 + x | g)", noisy(), None),
    "crossed": ("y ~ 1 + x + (1 | g) + (1 | h)", noisy(), None),
    "nested": ("y ~ 1 + x + (1 | outer) + (1 | g)", noisy(), None),
    "ar1": ("y ~ 1 + x + ar1(0 + t | g)", noisy(), None),
}


def dense(model: ms.LinearMixedModel, theta: Floats, *, reml: bool) -> float:
    design = model.design
    blocks = []
    for term in model.system.terms:
        rows = term.design.Z @ term.factor(theta[term.theta])
        n, k = rows.shape
        block = np.zeros((n, k * len(term.design.levels)))
        for i in range(n):
            first = term.design.codes[i] * k
            block[i, first : first + k] = rows[i]
        blocks.append(block)
    return dense_objective(design.y, design.X, blocks, design.weights, reml=reml)


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("size", [1.0, 1e3, 1e7])
@pytest.mark.parametrize("name", MODELS)
def test_the_objective_agrees_with_dense_algebra_to_its_own_bound(
    name: str, size: float, reml: bool
) -> None:
    formula, data, weights = MODELS[name]
    model = ms.LinearMixedModel(formula, data, weights=weights)
    rng = np.random.default_rng(0)
    theta = size * np.abs(rng.normal(size=len(model.theta_names)))
    if name == "ar1":
        theta[1] = 0.3  # the angle of the correlation
    evaluation = model.evaluate(theta, reml=reml)
    right = dense(model, theta, reml=reml)
    bound = rounding(right, evaluation.rounding)
    assert abs(evaluation.objective - right) <= bound
    assert bound < 1e-5  # a bound that says something


@pytest.mark.parametrize("name", MODELS)
def test_doubles_alone_agree_to_their_wider_bound(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula, data, weights = MODELS[name]
    model = ms.LinearMixedModel(formula, data, weights=weights)
    rng = np.random.default_rng(1)
    theta = 1e5 * np.abs(rng.normal(size=len(model.theta_names)))
    if name == "ar1":
        theta[1] = 0.3
    exact = model.objective(theta)
    monkeypatch.setattr(ProfiledObjective, "_is_lossy", lambda *_: False)
    evaluation = model.evaluate(theta)
    assert abs(evaluation.objective - exact) <= rounding(exact, evaluation.rounding)


@pytest.mark.parametrize("name", ["weights", "random slopes", "crossed", "ar1"])
def test_the_gradient_of_large_random_effects_is_that_of_the_objective(name: str) -> None:
    formula, data, weights = MODELS[name]
    model = ms.LinearMixedModel(formula, data, weights=weights)
    rng = np.random.default_rng(2)
    theta = 1e4 * np.abs(rng.normal(size=len(model.theta_names)))
    if name == "ar1":
        theta[1] = 0.3
    for reml in (False, True):
        _, gradient = model.objective_gradient(theta, reml=reml)
        for i, slope in enumerate(gradient):
            step = np.zeros_like(theta)
            step[i] = 1e-3 * theta[i]
            rise = dense(model, theta + step, reml=reml) - dense(model, theta - step, reml=reml)
            # Central differences are good to the square of the relative step, of slopes that
            # are at most of the size of the number of observations in units of log(theta).
            tolerance = 1e-5 * len(data)
            assert slope * theta[i] == pytest.approx(rise / 2e-3, rel=1e-4, abs=tolerance)


# -- what a fit makes of it ------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa", "nlopt-bobyqa", "scipy-lbfgsb"])
def test_all_variance_between_studies_is_a_limit_not_an_optimum(optimizer: str) -> None:
    fit = ms.LinearMixedModel("y ~ 1 + (1 | study)", META, weights="w").fit(optimizer)
    infimum = 8 * (1 + math.log(2 * math.pi * META["y"].var(ddof=0)))
    assert infimum == pytest.approx(33.136842, abs=1e-6)
    assert infimum - 1e-9 <= fit.objective <= infimum + 1e-3
    certificate = fit.certificate
    assert certificate["residual"] == "vanishing"
    assert certificate["verdict"] == "not converged"
    assert certificate["limit"] == pytest.approx(infimum, abs=1e-6)
    assert "The deviance tends to 33.136842" in certificate["words"]
    trace = fit.trace
    assert trace["objective"].min() >= infimum - 1e-6


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
def test_a_response_constant_within_groups_has_no_optimum(optimizer: str, reml: bool) -> None:
    data = constant_within_groups(10, 6)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", data).fit(optimizer, reml=reml)
    assert fit.certificate["residual"] == "vanishing"
    assert fit.certificate["verdict"] == "not converged"
    assert fit.certificate["limit"] is None
    what = "REML criterion" if reml else "deviance"
    assert f"The {what} falls without bound" in fit.certificate["words"]
    assert f"the {what} does not rise" in fit.certificate["words"]


@pytest.mark.parametrize("reml", [False, True])
def test_no_meta_analysis_ends_below_its_infimum_or_at_an_arbitrary_point(reml: bool) -> None:
    limits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(4, 12))
        w = np.exp(rng.normal(0, 1.5, n))
        y = rng.normal(0, rng.choice([0.3, 1.0, 3.0]), n) + rng.normal(size=n) / np.sqrt(w)
        data = pd.DataFrame({"y": y, "w": w, "study": np.arange(n)})
        model = ms.LinearMixedModel("y ~ 1 + (1 | study)", data, weights="w")
        fit = model.fit(reml=reml)
        degrees = n - 1 if reml else n
        limit = degrees * (1 + math.log(2 * math.pi * y.var() * n / degrees))
        limit += math.log(n) if reml else 0.0
        assert model.objective([1e6], reml=reml) == pytest.approx(limit, abs=1e-6)
        grid = [model.objective([t], reml=reml) for t in np.geomspace(1e-2, 1e4, 60)]
        lowest = min(*grid, limit)
        if fit.certificate["residual"] == "vanishing":
            limits += 1
            assert fit.certificate["verdict"] == "not converged"
            assert fit.certificate["limit"] == pytest.approx(limit, abs=1e-6)
            assert lowest - 1e-3 <= fit.objective <= limit + 1e-3
        else:
            assert fit.theta[0] < 1e3
    assert 0 < limits < 40


class Noisy(KnowsNoMore):
    """A parabola whose evaluations far from its minimum are lower than they should be."""

    theta_names = ("a",)
    beta_names = ()
    start = np.array([1.0])
    lower = np.array([-np.inf])
    scale = np.array([1.0])

    def evaluate(self, theta: Floats) -> Any:
        value = float(theta[0] ** 2)
        error = 100.0 if theta[0] > 5.0 else 0.0
        return Evaluation(value - error, np.empty(0), 1.0, 0.0, 0.0, 0.0, error)


def test_the_best_point_is_the_one_that_is_lowest_whatever_rounding_did() -> None:
    objective: Any = Noisy()
    problem = Problem(objective, Trace(("a",), (), np.ones(1), ()))
    problem.evaluate(np.array([1.0]), gradient=False)
    far = problem.evaluate(np.array([6.0]), gradient=False)
    assert far is not None
    assert far.objective < 1.0
    assert problem.best is not None
    assert problem.best.x.tolist() == [1.0]
