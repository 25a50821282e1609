"""What coefficient plots draw and say is recomputed from estimates and intervals."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from caption_claims import agrees
from scipy.stats import norm

import mixedscope as ms
from mixedscope.charts.drawing import draw
from mixedscope.charts.kinds.coefficients.chart import panels_of
from mixedscope.charts.kinds.coefficients.parameters import labels_of
from mixedscope.core.errors import ModelError

FORMULA = "y ~ 1 + x + z + (1 + x | g)"


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(14), 7)
    x, z = rng.normal(size=98), 1000.0 * rng.normal(size=98)
    u = rng.normal(size=(14, 2)) * (2.0, 0.7)
    y = 500 + u[g, 0] + (3 + u[g, 1]) * x + 0.0002 * z + rng.normal(size=98)
    return pd.DataFrame({"g": [f"g{i}" for i in g], "x": x, "z": z, "d": 2 * x, "y": y})


@pytest.fixture(scope="module")
def fit() -> ms.Fit:
    made = ms.LinearMixedModel(FORMULA, frame()).fit()
    made.profile()
    made.parametric_bootstrap(80, seed=1)
    return made


@pytest.fixture(scope="module")
def others() -> list[ms.Fit]:
    structures = ("zerocorr", "intercept")
    return [ms.LinearMixedModel(FORMULA, frame(), structure=s).fit() for s in structures]


def drawn(chart: Any) -> pd.DataFrame:
    """Every point with its interval, as the specification holds it."""
    spec = getattr(chart, "chart", chart).to_dict()
    tables = [t for t in spec["datasets"].values() if t and {"estimate", "lower"} <= set(t[0])]
    return pd.concat([pd.DataFrame(t) for t in tables], ignore_index=True).drop_duplicates()


def words(chart: Any) -> tuple[str, str]:
    spec = getattr(chart, "chart", chart).to_dict()
    text = spec["title"]["text"]
    return " ".join(text) if isinstance(text, list) else text, spec["description"]


def test_all_intervals_of_one_fit_stand_together_with_their_own_ends(fit: ms.Fit) -> None:
    chart = ms.charts.coefficients(fit)
    rows = drawn(chart)
    estimates = fit.estimates.query("kind == 'beta'").set_index("term")
    wald = rows[rows["series"] == "Wald interval"].dropna(subset=["lower"]).set_index("name")
    z = norm.ppf(0.975)
    for name in ("x", "z", "(Intercept)"):
        own = estimates.loc[name]
        assert wald.loc[name, "lower"] == pytest.approx(
            own["estimate"] - z * own["std_error"], rel=1e-5
        )
    for method, ends in (
        ("profile", fit.profile().confint()),
        ("bootstrap", fit.confint(method="bootstrap")),
    ):
        found = rows[rows["series"] == f"{method} interval"].dropna(subset=["lower"])
        found = found.set_index("name")
        for kind, name in (("beta", "x"), ("sd", "x | g"), ("correlation", "(Intercept) ~ x | g")):
            own = ends[(ends["kind"] == kind) & ((ends["term"] == "x") | (ends["term2"] == "x"))]
            for end in ("lower", "upper"):
                assert found.loc[name, end] == pytest.approx(own[end].item(), rel=1e-4, abs=1e-5)
    means = rows[rows["series"] == "bootstrap interval"].set_index("name")["mean"]
    draws = fit.parametric_bootstrap(80, seed=1)
    assert means["x"] == pytest.approx(draws.beta[:, 1].mean(), rel=1e-5)
    title, caption = words(chart)
    assert "95\u00a0% by Wald, profile and bootstrap" in caption
    assert "its gap from the point is the bias" in caption
    parts = re.match(r"x (\S+) \((\S+) to (\S+)\) and z (\S+) \((\S+) to (\S+)\): Wald's intervals "
                     r"of (\d) of 2 effects exclude 0$", title)  # fmt: skip
    assert parts is not None
    for written, column in zip(parts.groups()[:3], ("estimate", "lower", "upper"), strict=True):
        assert agrees(written, wald.loc["x", column])
    assert int(parts[7]) == ((wald["lower"] > 0) | (wald["upper"] < 0))[["x", "z"]].sum()


def test_profile_and_bootstrap_by_themselves_are_drawn(fit: ms.Fit) -> None:
    draws = ms.charts.coefficients(fit.parametric_bootstrap(80, seed=1))
    assert set(drawn(draws)["name"]) >= {"x", "σ", "x | g", "(Intercept) ~ x | g"}
    assert words(draws)[1].startswith(
        "Points: estimates; bars: intervals at 95\u00a0% by bootstrap."
    )
    profiled = ms.charts.coefficients(fit.profile(), level=0.9)
    rows = drawn(profiled)
    ends = fit.profile().confint(0.9).set_index("term").loc["z"]
    own = rows[(rows["name"] == "z") & (rows["series"] == "profile interval")]
    assert own["upper"].item() == pytest.approx(ends["upper"], rel=1e-4)


def test_intervals_that_are_named_are_made_and_others_are_told(fit: ms.Fit) -> None:
    asked = ["kenward-roger", "satterthwaite"]
    reml = ms.LinearMixedModel(FORMULA, frame()).fit(reml=True)
    rows = drawn(ms.charts.coefficients(reml, intervals=asked, level=0.8))
    for method, label in (
        ("satterthwaite", "Satterthwaite"),
        ("kenward-roger", "Kenward\u2013Roger"),
    ):
        ends = reml.confint(0.8, method).query("kind == 'beta'").set_index("term")
        own = rows[rows["series"] == f"{label} interval"].dropna(subset=["lower"]).set_index("name")
        assert own["upper"][["x", "z"]].tolist() == pytest.approx(
            ends["upper"][["x", "z"]].tolist(), rel=1e-5
        )
    with pytest.raises(ModelError, match=r"'profile'.*fit\.profile\(\)"):
        ms.charts.coefficients(reml.tables, intervals=["profile"])
    with pytest.raises(ModelError, match="Did you mean 'profile'"):
        ms.charts.coefficients(fit, intervals=["profil"])
    with pytest.raises(ModelError, match="between 0 and 1"):
        ms.charts.coefficients(fit, level=95)
    with pytest.raises(ModelError, match="No fixed effect 'w'"):
        ms.charts.coefficients(fit, terms=["w"])


def test_fits_are_dodged_and_the_widest_difference_is_told(
    fit: ms.Fit, others: list[ms.Fit]
) -> None:
    chart = ms.charts.coefficients(fit.tables, *others)
    rows = drawn(chart).dropna(subset=["lower"])
    assert set(rows["series"]) == {"full covariance", "zero correlations", "intercepts only"}
    title, _ = words(chart)
    parts = re.match(
        r"The interval of (\S+) is (\S+) times as wide under (.+) as under (.+)$", title
    )
    assert parts is not None
    widths = (rows["upper"] - rows["lower"]).groupby([rows["name"], rows["series"]]).first()
    effects = widths.loc[["x", "z"]]
    ratio = effects.groupby(level=0).max() / effects.groupby(level=0).min()
    assert parts[1] == ratio.idxmax()
    assert agrees(parts[2], ratio.max())
    assert widths[parts[1]].idxmax() == parts[3]
    assert widths[parts[1]].idxmin() == parts[4]


def test_axes_are_those_of_one_size_and_the_intercept_is_alone() -> None:
    table = pd.DataFrame(
        {
            "kind": ["beta"] * 5 + ["sd", "sd", "correlation"],
            "name": ["(Intercept)", "a", "b", "c", "lost", "s", "t", "r"],
            "estimate": [251.0, 10.0, 0.01, 3.0, np.nan, 24.0, 0.5, 0.1],
            "lower": [240.0, 7.0, -0.02, 2.5, np.nan, np.nan, 0.4, np.nan],
            "upper": [260.0, 13.0, 0.03, 3.5, np.nan, np.nan, 0.6, np.nan],
        }
    )
    assert panels_of(table) == [["(Intercept)"], ["a", "c"], ["b", "lost"], ["s"], ["t"], ["r"]]


def test_what_cannot_be_estimated_is_named_and_criteria_tell_fits_apart() -> None:
    model = ms.LinearMixedModel("y ~ 1 + x + d + (1 | g)", frame())
    ml, reml = model.fit(), model.fit(reml=True)
    assert labels_of([ml.info, reml.info]) == ["full covariance, ML", "full covariance, REML"]
    chart = ms.charts.coefficients(ml, reml, kinds=["beta"])
    _, caption = words(chart)
    assert caption.endswith("Cannot be estimated: d.")
    assert "cannot be estimated" in str(chart.to_dict()["datasets"])


def test_every_kind_has_its_boundary(fit: ms.Fit) -> None:
    spec = ms.charts.coefficients(fit).to_dict()
    ends = [t for t in spec["datasets"].values() if t and set(t[0]) == {"p"}]
    assert [{"p": -1.0}, {"p": 1.0}] in ends
    assert [{"p": 0.0}] in ends


def test_a_configuration_may_leave_all_to_the_chart(fit: ms.Fit) -> None:
    settings = {"kinds": ["beta", "sd"], "intervals": None, "level": None}
    figure = draw("coefficients", [fit.tables], {"coefficients": settings})
    assert "by Wald" in figure.caption
    with pytest.raises(ModelError, match="Did you mean 'sd'"):
        draw("coefficients", [fit.tables], {"coefficients": {"kinds": ["sds"]}})
