"""Exact second derivatives beside those of dense algebra, and when they are used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of
from scipy.linalg import block_diag

import mixedscope as ms
from mixedscope.engine import blocked, second_derivatives
from mixedscope.engine.search import searchable

FORMULAS = {
    "crossed intercepts": "y ~ 1 + x + (1 | g) + (1 | h)",
    "crossed slopes": "y ~ 1 + x + (1 + x | g) + (1 + x + z | h)",
    "independent slopes": "y ~ 1 + (1 + x || g) + (1 + z || h)",
    "three factors": "y ~ 1 + z + (1 + x | g) + (1 + z | h) + (1 | k)",
    "reduced rank": "y ~ 1 + x + rr(1 + x + z | g, d=1) + (1 | h)",
    "nearly collinear": "y ~ 1 + year + (1 + year | g) + (1 + x | h)",
    "rank-deficient": "y ~ 1 + x + I(2 * x) + (1 + x | g) + (1 | h)",
}


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 90
    g, h, k = rng.integers(0, 11, n), rng.integers(0, 7, n), rng.integers(0, 4, n)
    x, z = rng.normal(size=n), 1.0 + rng.normal(size=n)
    y = 3.0 + x + 0.8 * rng.normal(size=11)[g] + 0.5 * z * rng.normal(size=7)[h]
    return pd.DataFrame(
        {
            "y": y + rng.normal(size=n),
            "x": x,
            "z": z,
            "year": 2000.0 + 3.0 * rng.random(n),
            "w": rng.uniform(0.3, 3.0, n),
            "g": g,
            "h": h,
            "k": k,
        }
    )


FRAME = _frame()


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Take these small models for large ones, for which exact derivatives are worth it."""
    monkeypatch.setattr(blocked, "WHOLE", 0)
    monkeypatch.setattr(searchable, "is_worthwhile", lambda cross, parameters: True)
    # Several pieces, the last of them smaller.
    monkeypatch.setattr(second_derivatives, "_PIECE", 4)


def _thetas(objective):
    rng = np.random.default_rng(8)
    signs = np.where(objective.lower == 0.0, 1.0, rng.choice([-1.0, 1.0], len(objective.lower)))
    x = rng.uniform(0.3, 0.9, len(signs)) * signs
    # A variance of zero; all of them; signs that are not canonical.
    single = np.where(objective.columns == objective.columns[0], 0.0, x)
    for point in (x, single, np.zeros_like(x), -x):
        shape = objective.coordinates
        yield point / objective.scale if shape is None else np.linalg.solve(shape, point)


def _dense_derivatives(model, theta, degrees, variance, *, reml):
    """Gradient and Hessian in dense algebra; V is quadratic in theta, its differences exact."""
    k, dense = len(theta), dense_of(model, theta)

    def v(step):
        halves = [
            np.kron(np.eye(len(term.design.levels)), term.factor((theta + step)[term.theta]))
            for term in model.system.terms
        ]
        half = dense.z @ block_diag(*halves)
        return half @ half.T

    steps = np.diag(1.0 / np.maximum(1.0, model.profiled().scale))
    first = [(v(s) - v(-s)) / 2.0 / s.max() for s in steps]
    inner, rest = dense.p if reml else dense.s, dense.p @ dense.y
    gradient, hessian = np.empty(k), np.empty((k, k))
    slopes = np.array([-rest @ d @ rest for d in first])
    share = degrees / dense.pwrss if variance is None else 1.0 / variance
    moved = [inner @ d for d in first]
    for i, one in enumerate(steps):
        gradient[i] = np.trace(moved[i]) + slopes[i] * share
        for j, other in enumerate(steps[: i + 1]):
            second = v(one + other) - v(one - other) - v(other - one) + v(-one - other)
            second /= 4.0 * one.max() * other.max()
            traces = np.sum(inner * second) - np.sum(moved[i] * moved[j].T)
            squares = 2.0 * rest @ first[i] @ dense.p @ first[j] @ rest - rest @ second @ rest
            if variance is None:
                squares -= slopes[i] * slopes[j] / dense.pwrss
            hessian[i, j] = hessian[j, i] = traces + squares * share
    return gradient, hessian


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("by_rows", [False, True])
def test_derivatives_are_those_of_dense_algebra(name, weights, reml, by_rows, monkeypatch):
    monkeypatch.setattr(second_derivatives, "_is_summed_by_rows", lambda *counts: by_rows)
    model = ms.LinearMixedModel(FORMULAS[name], FRAME, weights=weights)
    objective = model.profiled(reml=reml)
    for theta in _thetas(objective):
        gradient, hessian = objective.second_derivatives(theta)
        slope, exact = _dense_derivatives(model, theta, objective.degrees, None, reml=reml)
        # A year of 2000 takes six digits from the dense covariance; units of the parameters.
        size = 1e-6 if name == "nearly collinear" else 1e-10
        unit = np.sqrt(np.abs(np.diag(exact))) + objective.scale
        assert np.all(np.abs(hessian - exact) <= size * unit[:, None] * unit)
        assert np.all(np.abs(gradient - slope) <= size * unit)
        own = objective.evaluate_gradient(theta)[1]
        assert np.all(np.abs(gradient - own) <= 1e-9 * unit)


@pytest.mark.parametrize("reml", [False, True])
def test_derivatives_where_sigma_is_known(reml):
    model = ms.LinearMixedModel(FORMULAS["crossed slopes"], FRAME, sigma=0.8)
    objective = model.profiled(reml=reml)
    for theta in _thetas(objective):
        gradient, hessian = objective.second_derivatives(theta)
        slope, exact = _dense_derivatives(model, theta, objective.degrees, 0.64, reml=reml)
        unit = np.sqrt(np.abs(np.diag(exact))) + objective.scale
        assert np.all(np.abs(hessian - exact) <= 1e-10 * unit[:, None] * unit)
        assert np.all(np.abs(gradient - slope) <= 1e-10 * unit)


def test_none_where_cancelling_leaves_too_few_digits():
    model = ms.LinearMixedModel(FORMULAS["crossed slopes"], FRAME)
    objective = model.profiled()
    assert objective.second_derivatives(np.full(len(objective.start), 1e7)) is None
    assert objective.second_derivatives(objective.start) is not None


def test_none_where_theta_are_no_entries_of_a_factor():
    model = ms.LinearMixedModel("y ~ 1 + cs(1 + x + z | g) + (1 | h)", FRAME)
    objective = model.profiled()
    assert objective.second_derivatives(objective.start) is None


@pytest.mark.parametrize("name", ["crossed slopes", "independent slopes", "three factors"])
def test_a_fit_ends_where_differences_of_gradients_lead(name, monkeypatch):
    exact = ms.LinearMixedModel(FORMULAS[name], FRAME).fit()
    monkeypatch.setattr(searchable, "is_worthwhile", lambda cross, parameters: False)
    differences = ms.LinearMixedModel(FORMULAS[name], FRAME).fit()
    made = exact.info["optimizer"]
    assert made["certificate_hessians"] > 0
    assert made["certificate_evaluations"] <= 1
    assert differences.info["optimizer"]["certificate_hessians"] == 0
    # Both were polished until 1e-11 was left to be gained, of an objective near 300.
    assert exact.objective == pytest.approx(differences.objective, abs=1e-9)
    ours, theirs = exact.certificate, differences.certificate
    for key in ("verdict", "active_bounds", "residual", "unidentified"):
        assert ours[key] == theirs[key]
    # One-sided differences are good to their step, a ten-thousandth.
    smallest = theirs["min_hessian_eigenvalue"]
    assert ours["min_hessian_eigenvalue"] == pytest.approx(smallest, rel=2e-3, abs=1e-2)


def test_only_models_of_many_parameters_and_dense_rows_are_worth_it(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(6)
    rows = 2000
    frame = pd.DataFrame(rng.normal(size=(rows, 5)), columns=["y", *"abcd"])
    frame["g"], frame["h"] = rng.integers(0, 60, rows), rng.integers(0, 30, rows)

    def has(formula):
        objective = ms.LinearMixedModel(formula, frame).profiled()
        return objective.second_derivatives(objective.start) is not None

    slopes = "1 + a + b + c + d"
    assert has(f"y ~ 1 + ({slopes} | g) + ({slopes} | h)")
    assert not has(f"y ~ 1 + ({slopes} | g)")
    assert not has("y ~ 1 + (1 | g) + (1 | h)")
    frame["h"] = frame["g"] // 2
    assert not has(f"y ~ 1 + ({slopes} | g) + ({slopes} | h)")
