"""Studies of generalised fits: what their tables say is what direct evaluations give."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.studies.registry import STUDIES

FAMILIES = [name for name, study in STUDIES.items() if study.families]


@cache
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 180
    data = pd.DataFrame({"g": rng.integers(0, 15, n).astype(str), "x": rng.normal(size=n)})
    data["h"] = rng.integers(0, 6, n).astype(str)
    effects = rng.normal(size=(15, 2)) * [1.0, 0.6]
    own = effects[data["g"].astype(int)]
    eta = 0.4 + 0.5 * data["x"] + own[:, 0] + own[:, 1] * data["x"]
    data["count"] = rng.poisson(rng.gamma(3.0, np.exp(eta) / 3.0))
    data["answer"] = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    return data


@cache
def fitted(name: str) -> ms.GeneralizedFit:
    formula, family, optimizer = {
        "nbinom": ("count ~ x + (1 + x | g)", "nbinom2", "auto"),
        "crossed": ("answer ~ x + (1 | g) + (1 | h)", "binomial", "nlopt-bobyqa"),
    }[name]
    return ms.GeneralizedLinearMixedModel(formula, frame(), family).fit(optimizer)


def points(fit: ms.GeneralizedFit) -> list[np.ndarray]:
    """Where the rows of the trace were evaluated."""
    found = []
    for row in fit.trace.itertuples():
        more = [] if fit.dispersion is None else [np.log(row.dispersion)]
        found.append(np.concatenate([row.theta, row.beta, more]))
    return found


def dense(fit: ms.GeneralizedFit, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of the spherical random effects, X, and working weights at the modes."""
    objective = fit.model.laplace
    objective.reset()
    modes = objective.modes_at(point)
    columns = []
    for term in objective.system.terms:
        factor = term.factor(point[term.theta])
        for level in range(len(term.design.levels)):
            columns.append((term.design.codes == level)[:, None] * term.design.Z @ factor)
    return np.hstack(columns), objective.system.X, modes.rows.weight


@pytest.mark.parametrize("name", ["nbinom", "crossed"])
def test_parameters_are_those_of_the_points(name: str) -> None:
    fit = fitted(name)
    table = fit.study("parameters").require("parameters")
    last = table[table["evaluation"] == len(fit.trace)]
    objective = fit.model.laplace
    theta = points(fit)[-1][: objective.n_theta]
    for term in objective.system.terms:
        square = np.square(term.factor(theta[term.theta])).sum(axis=1)
        own = last[(last["group"] == term.group) & (last["kind"] == "sd")]
        np.testing.assert_allclose(own["value"], np.sqrt(square), rtol=1e-12)
    sizes = table.loc[table["kind"] == "dispersion", "value"]
    assert len(sizes) == (0 if fit.dispersion is None else len(fit.trace))
    if fit.dispersion is not None:
        np.testing.assert_array_equal(sizes, fit.trace["dispersion"])
    assert "sigma" not in set(table["kind"])


@pytest.mark.parametrize("name", ["nbinom", "crossed"])
def test_the_ledger_adds_up_and_degrees_are_those_of_dense_algebra(name: str) -> None:
    fit = fitted(name)
    tables = fit.study("ledger")
    ledger, lines = tables.require("ledger"), tables.require("ledger_terms")
    parts = ledger["conditional_deviance"] + ledger["part_penalty"] + ledger["log_det"]
    np.testing.assert_allclose(parts, ledger["objective"], rtol=1e-12)
    for at in (0, len(ledger) - 1):
        row = ledger.iloc[at]
        point = points(fit)[int(row["evaluation"]) - 1]
        assert fit.model.objective(point) == pytest.approx(row["objective"], abs=1e-7)
        z, x, weight = dense(fit, point)
        both = np.hstack([z, x])
        inner = both.T @ (np.maximum(weight, 0.0)[:, None] * both)
        penalty = np.diag([1.0] * z.shape[1] + [0.0] * x.shape[1])
        kept = np.diag(np.linalg.solve(inner + penalty, inner))
        assert row["edf"] == pytest.approx(kept.sum(), rel=1e-6)
        assert row["edf_fixed"] == x.shape[1]
        own = lines[(lines["evaluation"] == row["evaluation"]) & lines["term"].isna()]
        assert row["edf"] - row["edf_fixed"] == pytest.approx(own["edf"].sum(), rel=1e-9)
        assert own["share"].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["nbinom", "crossed"])
def test_stopping_says_what_the_evaluations_were_worth(name: str) -> None:
    fit = fitted(name)
    tables = fit.study("stopping")
    table, accuracy = tables.require("stopping"), tables.require("accuracy")
    assert table["sigma"].isna().all()
    assert table["dispersion"].isna().all() == (fit.dispersion is None)
    objective = fit.trace["objective"]
    np.testing.assert_allclose(table["gap"], objective.cummin() - objective.min(), atol=1e-12)
    row = table.iloc[len(table) // 2]
    at = points(fit)[int(row["best_evaluation"]) - 1]
    final = fit.parameters.to_numpy()

    def told(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        z, x, weight = dense(fit, point)
        inner = z.T @ (weight[:, None] * z) + np.eye(z.shape[1])
        cross = z.T @ (weight[:, None] * x)
        information = x.T @ (weight[:, None] * x) - cross.T @ np.linalg.solve(inner, cross)
        modes = fit.model.laplace.modes_at(point)
        terms = fit.model.laplace.system.terms
        b = [t.data_modes(own).ravel() for t, own in zip(terms, modes.b, strict=True)]
        return np.sqrt(np.diag(np.linalg.inv(information))), np.concatenate(b)

    errors, modes = told(final)
    now_errors, now_modes = told(at)
    k = len(fit.theta)
    r = len(fit.beta)
    moved = np.abs((at - final)[k : k + r] / errors).max()
    assert row["beta"] == pytest.approx(moved, rel=1e-5)
    assert row["std_error"] == pytest.approx(np.abs(now_errors / errors - 1.0).max(), rel=1e-5)
    table_modes = fit.conditional_modes()
    # Modes that are known, where a variance is zero, have no standard deviation to be told in.
    spread = table_modes["std_dev"].to_numpy()
    away = (np.abs(now_modes - modes)[spread > 0.0] / spread[spread > 0.0]).max()
    assert row["modes"] == pytest.approx(away, rel=1e-5)
    if fit.dispersion is not None:
        change = np.exp(at[-1] - final[-1]) - 1.0
        assert row["dispersion"] == pytest.approx(abs(change), rel=1e-6)
    wanted = {"gap", "beta", "std_error", "modes"} | ({"dispersion"} if name == "nbinom" else set())
    assert set(accuracy["measure"]) == wanted
    assert accuracy["tolerance"].notna().any()


def test_a_landscape_shows_the_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedscope.inference.studies.landscape._PER_AXIS", (7, 7))
    fit = fitted("nbinom")
    names = fit.parameters.index.tolist()
    pairs = [[names[0], "x"], ["(Intercept)", "log(size)"]]
    tables = fit.study("landscape", pairs=pairs)
    grid, panels = tables.require("landscape"), tables.require("landscape_panels")
    assert panels["x_kind"].tolist() == ["theta", "beta"]
    assert panels["y_kind"].tolist() == ["beta", "dispersion"]
    assert grid["sigma"].isna().all()
    final = fit.parameters.to_numpy()
    rng = np.random.default_rng(0)
    for number, pair in enumerate(pairs, start=1):
        own = grid[grid["panel"] == number]
        places = [names.index(name) for name in pair]
        for row in own.iloc[rng.integers(0, len(own), 5)].itertuples():
            point = final.copy()
            point[places] = row.x, row.y
            gap = fit.model.objective(point) - fit.objective
            assert row.gap == pytest.approx(gap, abs=1e-6, rel=1e-9)
    marks = tables.require("landscape_points")
    seen = marks[(marks["kind"] == "evaluation") & (marks["panel"] == 1)]
    at = np.array(points(fit))[seen["evaluation"].astype(int) - 1]
    np.testing.assert_allclose(seen[["x", "y"]], at[:, [0, names.index("x")]], rtol=1e-12)


def test_a_profiled_landscape_optimises_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mixedscope.inference.studies.landscape._PER_AXIS", (5, 5))
    fit = fitted("crossed")
    pairs = [["g.(Intercept)", "x"]]
    tables = fit.study("landscape", pairs=pairs, scale="sd", others="profiled")
    grid = tables.require("landscape")
    row = grid.iloc[7]
    from scipy.optimize import minimize

    laplace, final = fit.model.laplace, fit.parameters.to_numpy()
    places = [0, fit.parameters.index.tolist().index("x")]
    free = np.setdiff1d(np.arange(len(final)), places)

    def value(others: np.ndarray) -> tuple[float, np.ndarray]:
        point = final.copy()
        point[places], point[free] = (abs(row["x"]), row["y"]), others
        found, slope = laplace.evaluate_gradient(point)
        return found.objective, slope[free]

    best = minimize(value, final[free], jac=True, method="BFGS").fun - fit.objective
    assert row["gap"] == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("name", ["nbinom", "crossed"])
def test_modes_along_the_search_are_those_of_its_points(name: str) -> None:
    fit = fitted(name)
    table = fit.study("motion").require("modes_every")
    number = int(table["evaluation"].iloc[len(table) // 2])
    laplace = fit.model.laplace
    laplace.reset()
    found = laplace.modes_at(points(fit)[number - 1])
    b = [t.data_modes(own).ravel() for t, own in zip(laplace.system.terms, found.b, strict=True)]
    own = table[table["evaluation"] == number]
    np.testing.assert_allclose(own["mode"], np.concatenate(b), rtol=1e-6, atol=1e-8)


def test_the_lens_takes_linearised_estimates_to_the_modes() -> None:
    fit = fitted("nbinom")
    lens = fit.study("lens").require("lens")
    modes = fit.conditional_modes()
    for (_, level), own in lens.groupby(["role", "level"]):
        rows = modes[modes["level"] == level].set_index("term")
        weight = own.pivot(index="term", columns="term2", values="weight")
        found = weight @ rows.loc[weight.columns, "linearised"]
        np.testing.assert_allclose(found, rows.loc[found.index, "mode"], rtol=1e-5)


def test_principal_axes_turn_modes_and_linearised_estimates() -> None:
    fit = fitted("nbinom")
    tables = fit.study("principal")
    axes, levels = tables.require("principal"), tables.require("principal_levels")
    loadings = tables.require("principal_loadings")
    sds = fit.model.laplace.system.terms[0].unit_factor(fit.theta[:3])
    np.testing.assert_allclose(axes["sd"], np.linalg.svd(sds, compute_uv=False), rtol=1e-9)
    modes = fit.conditional_modes()
    own = loadings[loadings["component"] == 1]
    weights = (own["loading"] * own["column_rms"]).to_numpy()
    first = levels[levels["component"] == 1]
    for column in ("mode", "linearised"):
        values = modes[column].to_numpy().reshape(-1, 2) @ weights
        np.testing.assert_allclose(first[column], values, rtol=1e-9, atol=1e-12)
    assert first[["joint_limit", "within_group"]].isna().all(axis=None)


def test_correlations_of_modes_are_those_of_the_penalised_information() -> None:
    fit = fitted("nbinom")
    table = fit.study("mode_correlations").require("mode_correlations").set_index("level")
    z, _, weight = dense(fit, fit.parameters.to_numpy())
    inner = np.linalg.inv(z.T @ (weight[:, None] * z) + np.eye(z.shape[1]))
    term = fit.model.laplace.system.terms[0]
    factor = term.factor(fit.theta[term.theta])
    for place, level in enumerate(term.design.levels):
        block = inner[2 * place : 2 * place + 2, 2 * place : 2 * place + 2]
        covariance = factor @ block @ factor.T
        expected = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        assert table.loc[level, "correlation"] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in FAMILIES])
def test_other_studies_say_in_a_sentence_that_they_are_of_linear_models(name: str) -> None:
    with pytest.raises(UnsuitedError, match="is of linear models: "):
        fitted("nbinom").study(name)
