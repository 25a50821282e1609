"""Influence of observations and groups against dense algebra, lme4 and fits without them."""

from __future__ import annotations

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of
from random_models import COUNT, random_model
from reference.cases import RECIPES

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.inference.diagnostics import deletions
from mixedscope.inference.diagnostics.deletions import estimates_without
from mixedscope.inference.diagnostics.units import by_level, by_observation
from mixedscope.tables.table_files import read_table, write_table

REFERENCE = Path(__file__).parents[1] / "reference" / "diagnostics.json"

#: Formula, structure, weights, REML; of one frame with crossed and nested factors.
MODELS = [
    ("y ~ 1 + x + (1 + x | g)", "full", True, False),
    ("y ~ 1 + x + f + (1 + x | g) + (1 | h)", "full", False, True),
    ("y ~ 1 + x + (1 | g/k) + (1 + x | h)", "full", True, True),
    ("y ~ 1 + x + (0 + f | g)", "cs", True, False),
    ("y ~ 1 + x + (1 + x || h)", "full", False, False),
    ("y ~ 1 + x + (1 + x | g)", "full", True, False, 1.3),
    ("y ~ 1 + x + (1 | g/k)", "full", False, True, 0.8),
]


def frame(n: int = 54) -> pd.DataFrame:
    rng = np.random.default_rng(12)
    g, h, k = np.arange(n) % 6, np.arange(n) // 12, rng.integers(0, 2, n)
    x, f = rng.normal(size=n), rng.integers(0, 3, n)
    y = x + 1.5 * rng.normal(size=(6, 2))[g, k] + rng.normal(size=6)[g] * x
    y = y + rng.normal(size=5)[h] * (1 + x) + rng.normal(size=n)
    return pd.DataFrame(
        {
            "y": y, "x": x, "f": np.array(list("abc"))[f], "g": [f"g{i}" for i in g],
            "h": [f"h{i}" for i in h], "k": [f"k{i}" for i in k], "w": rng.uniform(0.5, 2.0, n),
        }
    )  # fmt: skip


@cache
def fitted(
    formula: str, structure: str, weighted: bool, reml: bool, sigma: float | None = None
) -> ms.Fit:
    weights = "w" if weighted else None
    model = ms.LinearMixedModel(formula, frame(), structure=structure, weights=weights, sigma=sigma)
    return model.fit(reml=reml)


@cache
def sleepstudy() -> tuple[ms.Fit, dict[str, Any]]:
    known = json.loads(REFERENCE.read_text("utf-8"))["influence_sleepstudy"]["values"]
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return ms.LinearMixedModel(formula, RECIPES["sleepstudy"]()).fit(), known


# -- theta as it was -------------------------------------------------------------------------------
@pytest.mark.parametrize("position", [None, 0, -1])
@pytest.mark.parametrize("case", MODELS, ids=str)
def test_deletion_at_theta_agrees_with_dense_algebra(case: Any, position: int | None) -> None:
    fit = fitted(*case)
    group = None if position is None else fit.model.system.terms[position].group
    model, reml = fit.model, case[3]
    dense, logs = dense_of(model, fit.theta), 2.0 * np.log(model.system.root_weights)
    found = fit.influence(group, method="fixed")
    units = found._units.rows
    for unit, rows in list(enumerate(units))[:: 5 if group is None else 1]:
        rest = dense.without(rows)
        n, r = rest.x.shape
        degrees = n - r if reml else n
        variance = rest.pwrss / degrees if len(case) < 5 else case[4] ** 2
        covariance = variance * rest.phi
        determinant = np.linalg.slogdet(rest.v)[1]
        if reml:
            determinant -= np.linalg.slogdet(rest.phi)[1]
        objective = determinant + degrees * np.log(2 * np.pi * variance) + rest.pwrss / variance
        objective -= np.delete(logs, rows).sum()
        got = found._without
        assert np.allclose(got.beta[unit], rest.beta, rtol=0, atol=1e-9)
        assert np.allclose(got.std_error[unit], np.sqrt(np.diag(covariance)), rtol=1e-9)
        assert got.sigma[unit] == pytest.approx(np.sqrt(variance), rel=1e-9)
        assert got.objective[unit] == pytest.approx(objective, abs=1e-8)
        assert got.log_det[unit] == pytest.approx(np.linalg.slogdet(covariance)[1], abs=1e-8)
        d = fit.beta - rest.beta
        cook = d @ np.linalg.solve(fit.vcov.to_numpy(), d) / r
        assert found.cooks_distance.iloc[unit] == pytest.approx(cook, rel=1e-7, abs=1e-12)


def test_the_closed_form_is_what_cross_products_without_the_row_give() -> None:
    fit = fitted(*MODELS[1])
    units = by_observation(fit.model.design, fit.model.data.index)
    alone = by_level(fit.model.design, {"row": pd.Series(np.arange(54))}, "row")
    closed, formed = (
        estimates_without(fit.model.profiled(reml=True), fit.theta, own, "fixed")
        for own in (units, alone)
    )
    for name in ("beta", "std_error", "sigma", "objective", "log_det"):
        assert np.allclose(getattr(closed, name), getattr(formed, name), rtol=1e-8, atol=1e-9)


# -- theta moves -----------------------------------------------------------------------------------
def test_influence_on_sleepstudy_is_that_of_refits_by_lme4() -> None:
    fit, known = sleepstudy()
    of_rows, of_groups = known["by_observation"], known["by_group"]
    rows, groups = fit.influence(method="exact"), fit.influence("Subject", method="exact")
    for found, expected in ((rows, of_rows), (groups, of_groups)):
        assert np.allclose(found._without.beta, expected["beta"], rtol=0, atol=1e-6)
        assert np.allclose(found._without.sigma, expected["sigma"], rtol=0, atol=1e-5)
        assert np.allclose(found._without.objective, expected["objective"], rtol=0, atol=1e-7)
        assert np.allclose(found.cooks_distance, expected["cooks_exact"], rtol=1e-5, atol=1e-8)
    lme4 = np.array(of_rows["dfbetas_lme4_sign"])
    assert np.allclose(rows.dfbetas, -lme4, rtol=0, atol=1e-6)
    assert list(groups.units) == of_groups["levels"]
    hat = fit.cooks_distance(method="leverage")
    assert np.allclose(hat, known["cooks_distance_hat"], rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("method", "errors", "sigma"), [("fixed", 8e-3, 1.0), ("newton", 3e-4, 0.02)]
)
def test_shortcuts_are_as_near_to_the_exact_as_said(
    method: str, errors: float, sigma: float
) -> None:
    fit, known = sleepstudy()
    found, expected = fit.influence(method=method)._without, known["by_observation"]
    assert (np.abs(found.beta - expected["beta"]) / found.std_error).max() < errors
    assert np.abs(found.sigma - expected["sigma"]).max() < sigma


def test_a_newton_step_that_is_not_enough_is_said() -> None:
    # Groups of which one alone makes the slopes differ: theta is another without it.
    data = frame()
    data["y"] += np.where(data["g"] == "g2", 6.0 * data["x"], 0.0)
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data).fit()
    step, exact = fit.influence("g"), fit.influence("g", method="exact")
    assert "use method='exact'" in step.notes["g2"]
    gaps = step._without.objective - exact._without.objective
    assert (gaps >= -1e-8).all()
    said = np.array([bool(note) for note in step._without.notes])
    assert (gaps[~said] < 0.2).all()


@pytest.mark.parametrize("case", MODELS, ids=str)
def test_exact_estimates_are_those_of_a_fit_to_the_other_rows(case: Any) -> None:
    formula, structure, weighted, reml, *sigma = case
    fit = fitted(*case)
    weights = "w" if weighted else None
    for group, chosen in ((None, [3, 40]), ("h", ["h1"]), ("g", ["g4"])):
        if group is not None and f"| {group}" not in formula:
            continue
        found = fit.influence(group, method="exact")
        for label in chosen:
            data = frame()
            rows = data.index == label if group is None else data[group] == label
            rest = ms.LinearMixedModel(
                formula, data[~rows], structure=structure, weights=weights, sigma=(*sigma, None)[0]
            ).fit(reml=reml)
            unit = list(found.units).index(label)
            got = found._without
            assert got.objective[unit] <= rest.objective + 1e-6
            assert got.objective[unit] == pytest.approx(rest.objective, abs=1e-6)
            assert np.allclose(got.beta[unit], rest.beta, rtol=0, atol=2e-4)
            assert got.sigma[unit] == pytest.approx(rest.sigma, rel=1e-3)


def test_a_variance_that_is_zero_only_with_a_unit_is_found_without_it() -> None:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(5), 6)
    data = pd.DataFrame({"g": [f"g{i}" for i in g], "y": rng.normal(size=30)})
    data["y"] += np.array([0.0, 0.9, -0.9, 0.9, -0.9])[g]
    # One row so far out that it hides what differs between the groups.
    data.loc[0, "y"] = 14.0
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", data).fit()
    assert fit.theta[0] == 0.0
    found = fit.influence(method="exact")
    assert found._without.theta[0, 0] > 0.2
    rest = ms.LinearMixedModel("y ~ 1 + (1 | g)", data.drop(index=0)).fit()
    assert found._without.theta[0, 0] == pytest.approx(rest.theta[0], rel=1e-4)
    # The slope by theta is zero there by symmetry: one Newton step stays.
    assert fit.influence(method="newton")._without.theta[0, 0] == 0.0


# -- what cannot be told ---------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["fixed", "newton", "exact"])
def test_coefficients_that_only_a_unit_tells_are_said_and_missing(method: str) -> None:
    data = frame().assign(only=np.eye(54)[7])
    fit = ms.LinearMixedModel("y ~ 1 + x + only + (1 | g)", data).fit()
    found = fit.influence(method=method)
    assert found.notes.to_dict() == {7: "inestimable without it: only"}
    assert found.dfbeta.loc[7].isna().tolist() == [False, False, True]
    assert np.isnan(found.cooks_distance[7])
    assert found.cooks_distance.notna().sum() == 53
    # The row says nothing of the others: their own estimates stay.
    assert np.allclose(found.dfbeta.loc[7, ["(Intercept)", "x"]], 0.0, atol=2e-3)
    by_f = ms.LinearMixedModel("y ~ 1 + f + (1 | g)", data).fit().influence("f", method=method)
    assert by_f.notes["b"].startswith("inestimable without it: fb")
    assert by_f.notes["a"].startswith("inestimable without it: (Intercept), fb, fc")


def test_what_is_left_with_one_level_is_said() -> None:
    data = frame().query("g in ['g1', 'g2']")
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit()
    found = fit.influence("g", method="exact")
    assert "only one level of 'g' is left" in found.notes["g1"]
    assert np.isnan(found._without.sigma).all()


def test_groups_are_factors_of_the_model_or_columns_of_its_data() -> None:
    fit = fitted(*MODELS[2])
    with_f = fitted(*MODELS[3])
    assert list(with_f.influence("f", method="fixed").units) == ["a", "b", "c"]
    nested = fit.influence("g:k", method="fixed")
    assert len(nested.units) == frame()[["g", "k"]].drop_duplicates().shape[0]
    assert len(fit.cooks_distance("k")) == 2
    with pytest.raises(ModelError, match="Did you mean 'g:k'"):
        fit.influence("g:K")
    with pytest.raises(ModelError, match="Did you mean 'exact'"):
        fit.influence(method="exactly")
    with pytest.raises(ModelError, match="leave out group='g'"):
        fit.cooks_distance("g", method="leverage")
    with pytest.raises(ModelError, match="leave out group='g'"):
        fit.cooks_distance("g", all_rows=True)


# -- tables ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("group", [None, "h"])
def test_tables_are_stored_as_they_are(group: str | None, tmp_path: Path) -> None:
    data = frame().set_axis([f"r{i}" for i in range(54)])
    data.loc["r2", "x"] = np.nan
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | h) + (1 | g)", data).fit()
    found = fit.influence(group)
    for kind, table in (("influence", found.table), ("influence_parameters", found.parameters)):
        path = write_table(tmp_path / f"{kind}.parquet", table, kind, formula="", sha256="")
        assert len(read_table(path, kind)) == len(table)
    if group is None:
        assert found.table["unit"].tolist() == [f"r{i}" for i in range(54) if i != 2]
        assert found.table["row"].tolist() == [i for i in range(54) if i != 2]
    own = found.parameters.query("kind == 'beta' and term == 'x'")
    assert np.allclose(own["scaled"], found.dfbetas["x"])
    assert np.allclose(own["change"], found.dfbeta["x"])
    sds = found.parameters.query("kind == 'sd'")
    assert len(sds) == 3 * len(found.units)
    whole = fit.variance_components().query("kind == 'sd'")["estimate"].to_numpy()
    assert np.allclose((sds["estimate"] + sds["change"]).to_numpy().reshape(3, -1).T, whole)


def test_loaded_fits_with_offset_subset_and_columns_too_many_say_the_same(tmp_path: Path) -> None:
    data = frame().assign(twice=lambda d: 2.0 * d["x"], off=lambda d: 10.0 * d["x"] ** 2)
    data.index = pd.Index([f"r{i}" for i in range(54)])
    fit = ms.LinearMixedModel(
        "y ~ 1 + x + twice + offset(off) + (1 | g)",
        data.assign(y=data["y"] + data["off"]),
        subset=data["h"] != "h1",
        weights="w",
    ).fit(reml=True)
    plain = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data[data["h"] != "h1"], weights="w").fit(
        reml=True
    )
    fit.save(tmp_path)
    for method in ("fixed", "exact"):
        expected = plain.influence(method=method)
        for found in (fit, ms.load_fit(tmp_path)):
            got = found.influence(method=method)
            assert got.units.equals(plain.residuals().index)
            assert np.allclose(got.dfbetas, expected.dfbetas, rtol=0, atol=1e-5)
            assert np.allclose(got.covratio, expected.covratio, rtol=1e-5)
    assert np.allclose(fit.leverage(), plain.leverage(), atol=1e-6)
    assert np.allclose(fit.sandwich(), plain.sandwich(), rtol=1e-4)
    assert fit.r2().to_dict() == pytest.approx(plain.r2().to_dict(), rel=1e-5)


def test_distances_stand_beside_their_rows() -> None:
    data = frame().set_axis(np.arange(54)[::-1] * 3)
    data.iloc[5, 0] = np.nan
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit()
    data["cook"] = fit.cooks_distance()
    assert data["cook"].isna().sum() == 1
    assert fit.cooks_distance(all_rows=True).index.equals(data.index)
    assert fit.cooks_distance("g").index.tolist() == [f"g{i}" for i in range(6)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", range(COUNT))
def test_random_models_are_what_they_are_without_a_unit(number: int) -> None:
    random = random_model(number)
    fit = random.build().fit(reml=random.reml)
    dense, n = dense_of(fit.model, fit.theta), len(random.data)
    assert np.allclose(fit.leverage(), 1.0 - np.diag(dense.p), rtol=0, atol=1e-10)
    units = np.random.default_rng(number).choice(n, 3, replace=False)
    fixed = fit.influence(method="fixed")._without
    for unit in units:
        error = fixed.beta[unit] - dense.without(np.array([unit])).beta
        assert (np.abs(error) / fixed.std_error[unit]).max() < 1e-7
    exact = fit.influence(fit.model.system.terms[-1].group, method="exact")
    for unit, rows in list(enumerate(exact._units.rows))[:3]:
        if exact._without.notes[unit]:
            continue
        rest = random.data.iloc[np.setdiff1d(np.arange(n), rows)]
        alone = ms.LinearMixedModel(random.formula, rest).fit(reml=random.reml)
        assert exact._without.objective[unit] == pytest.approx(alone.objective, abs=1e-6)


def test_estimates_are_labelled_as_other_tables_are() -> None:
    fit = fitted(*MODELS[0])
    found = fit.influence("g", method="exact")
    table, names = found.estimates, fit._profiled.beta_names
    assert table.index.equals(found.units)
    wide = table[[f"beta {name}" for name in names]].set_axis(list(names), axis=1)
    own = fit.fixed_effects().set_index("term")["estimate"]
    pd.testing.assert_frame_equal(own.to_numpy() - wide, found.dfbeta)
    long = found.parameters.set_index(["kind", "term", "unit"])["estimate"]
    for unit in table.index:
        assert table.loc[unit, "sigma"] == long.loc[("sigma", np.nan, unit)].item()
    assert [c for c in table if c.startswith("theta ")] == [
        f"theta {name}" for name in fit._profiled.theta_names
    ]
    assert table["objective"].tolist() == found.table["objective"].tolist()


def test_what_is_not_determined_is_missing_without_every_unit() -> None:
    data = frame().assign(row=np.arange(54))
    model = ms.LinearMixedModel("y ~ x + (1 | g) + (1 | row)", data, unidentified="allow")
    table = model.fit().influence("g", method="fixed").estimates
    assert table[["sigma", "theta row.(Intercept)"]].isna().all(axis=None)
    assert table["beta x"].notna().all()
    assert table["note"].str.contains("row").all()


def test_what_takes_long_is_announced_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fit = fitted(*MODELS[0])
    plain = fit.influence(method="newton").table
    assert not caplog.records
    monkeypatch.setattr(deletions, "_TRIED", 0.0)
    monkeypatch.setattr(deletions, "_LONG", 0.0)
    with caplog.at_level(logging.WARNING, logger="mixedscope"):
        pd.testing.assert_frame_equal(fit.influence(progress=True).table, plain)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("Leaving out one observation by method 'newton' takes ")
    assert " here, the 53 that are left about " in said
    assert said.endswith('method="fixed" takes none, theta staying as it was.')
