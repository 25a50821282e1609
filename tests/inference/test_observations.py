"""Leverages and residuals of observations against dense algebra, lme4 and limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of
from reference.cases import RECIPES

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError
from mixedscope.engine.observations import observations
from mixedscope.inference.estimates.leverage import effective_degrees

REFERENCE = Path(__file__).parents[1] / "reference" / "diagnostics.json"
SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"

#: Formula, structure, weights; of one frame with crossed and nested factors.
MODELS = [
    ("y ~ 1 + x + (1 + x | g)", "full", True),
    ("y ~ 1 + x + f + (1 + x + z | g) + (1 | h)", "full", False),
    ("y ~ 1 + x + (1 | g/k) + (1 + z | h)", "full", True),
    ("y ~ 0 + f + (1 + x || g) + (1 | k)", "full", False),
    ("y ~ 1 + x + (0 + f | g)", "cs", True),
    ("y ~ 1 + (0 + f | h) + (1 | g)", "ar1", False),
    ("y ~ 1 + x + (1 + x + z | h)", "rr", True),
]


def frame(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g, h = rng.integers(0, 8, n), rng.integers(0, 5, n)
    x, z = rng.normal(size=n), rng.normal(2.0, 1.0, n)
    y = x + rng.normal(size=8)[g] * (1 + x) + rng.normal(size=5)[h] + rng.normal(size=n)
    k = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "y": y, "x": x, "z": z, "f": np.array(list("abc"))[rng.integers(0, 3, n)],
            "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h], "k": [f"k{i}" for i in k],
            "w": rng.uniform(0.3, 3.0, n),
        }
    )  # fmt: skip


def model(formula: str, structure: str, weighted: bool) -> ms.LinearMixedModel:
    return ms.LinearMixedModel(
        formula, frame(), structure=structure, weights="w" if weighted else None
    )


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("case", MODELS, ids=str)
def test_observations_agree_with_dense_algebra(case: tuple[str, str, bool], reml: bool) -> None:
    own = model(*case)
    objective = own.profiled(reml=reml)
    rng = np.random.default_rng(len(case[0]))
    theta = objective.canonical(objective.start * rng.uniform(0.3, 1.7, len(objective.start)))
    dense = dense_of(own, theta)
    found = observations(own.system, objective.factors(theta))
    assert np.allclose(found.leverage, 1.0 - np.diag(dense.p), rtol=0, atol=1e-11)
    assert np.allclose(found.marginal, np.diag(dense.s), rtol=0, atol=1e-11)
    assert np.allclose(found.pull, dense.s @ dense.x @ dense.phi, rtol=1e-9, atol=1e-11)


def test_without_variance_leverages_are_those_of_least_squares() -> None:
    own = model("y ~ 1 + x + f + (1 + x | g)", "full", True)
    objective = own.profiled()
    found = observations(own.system, objective.factors(np.zeros(3)))
    q, _ = np.linalg.qr(own.system.fixed_columns * own.system.root_weights[:, None])
    assert np.allclose(found.leverage, (q**2).sum(axis=1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("columns", ["1", "1 + x"])
def test_densely_crossed_factors_give_the_sum_that_the_gradient_gives(columns: str) -> None:
    rng = np.random.default_rng(5)
    g, h = (a.ravel() for a in np.meshgrid(np.arange(60), np.arange(70), indexing="ij"))
    data = pd.DataFrame({"g": g.astype(str), "h": h.astype(str), "x": rng.normal(size=4200)})
    data["y"] = rng.normal(size=60)[g] + rng.normal(size=70)[h] + rng.normal(size=4200)
    own = ms.LinearMixedModel(f"y ~ 1 + x + ({columns} | g) + (1 | h)", data)
    system, objective = own.system, own.profiled()
    assert system.blocked.is_densely_crossed
    assert system.blocked.small is None
    theta = objective.start * 0.7
    factors = [f.copy() for f in objective.factors(theta)]
    found = observations(system, factors)
    total = effective_degrees(system, factors, system.solve(factors)).total
    assert found.leverage.sum() == pytest.approx(total, rel=1e-10)
    # One leverage by what its own response does to its fitted value.
    step = np.zeros(system.n)
    step[17] = 1.0
    values = []
    for response in (own.design.y + step, own.design.y):
        other = system.with_response(response)
        beta = other.beta(other.solve(factors).beta)
        own_modes = zip(other.terms, other.modes(), strict=True)
        mean = other.fixed_columns[17] @ beta
        values.append(mean + sum(t.design.Z[17] @ b[t.design.codes[17]] for t, b in own_modes))
    assert values[0] - values[1] == pytest.approx(found.leverage[17], rel=1e-8)


def test_leverages_and_standardised_residuals_are_those_of_lme4() -> None:
    known = json.loads(REFERENCE.read_text("utf-8"))["influence_sleepstudy"]["values"]
    fit = ms.LinearMixedModel(SLEEP, RECIPES["sleepstudy"]()).fit()
    # lme4's theta is 2e-7 from the optimum.
    assert np.allclose(fit.leverage(), known["hatvalues"], rtol=0, atol=1e-6)
    assert np.allclose(fit.residuals("standardised"), known["rstudent"], rtol=0, atol=1e-5)
    pd.testing.assert_series_equal(fit.residuals("standardized"), fit.residuals("standardised"))


def test_standardised_residuals_vary_by_one_given_theta() -> None:
    fit = model("y ~ 1 + x + (1 + x | g)", "full", True).fit(reml=True)
    dense = dense_of(fit.model, fit.theta)
    expected = (dense.p @ dense.y) / np.sqrt(np.diag(dense.p)) / fit.sigma
    assert np.allclose(fit.residuals("standardised"), expected, rtol=1e-8)


def test_a_row_that_has_a_coefficient_to_itself_has_leverage_1_and_no_residual() -> None:
    data = frame().assign(only=np.eye(60)[7])
    fit = ms.LinearMixedModel("y ~ 1 + x + only + (1 | g)", data).fit()
    assert fit.leverage()[7] == pytest.approx(1.0, abs=1e-10)
    assert np.flatnonzero(fit.residuals("standardised").isna()).tolist() == [7]


def test_leverages_lost_in_rounding_are_refused() -> None:
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(6), 3)
    data = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=18)})
    data["y"] = 1e7 * rng.normal(size=6)[g] + 1e-4 * rng.normal(size=18)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", data).fit()
    with pytest.raises(UnsuitedError, match="shrunk"):
        fit.leverage()
