"""Shrinkage as a lens: the map from own estimates to modes, by dense algebra and by modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.common.render import to_spec
from mixedscope.charts.kinds.lens.words import lens_caption, lens_title
from mixedscope.core.errors import ModelError
from mixedscope.inference.studies.lens import lens_study


def rows(seed: int = 5, *, balanced: bool = False) -> pd.DataFrame:
    """Twelve groups of 3 to 14 rows, and a factor that crosses them."""
    rng = np.random.default_rng(seed)
    sizes = np.full(12, 6) if balanced else np.arange(3, 15)
    g = np.repeat(np.arange(12), sizes)
    x = np.tile(np.arange(6.0), 12) if balanced else rng.normal(size=g.size) + 1.0
    h = rng.integers(0, 5, size=g.size)
    b = rng.normal(size=(12, 2)) @ [[3.0, 0.8], [0.0, 1.0]]
    y = 10 + b[g, 0] + (2 + b[g, 1]) * x + rng.normal(size=5)[h] + rng.normal(size=g.size)
    w = rng.uniform(0.5, 2.0, size=g.size)
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i:02}" for i in g], "h": h.astype(str), "w": w})


def dense(fit: ms.Fit, data: pd.DataFrame, level: str, weights: bool) -> np.ndarray:
    """The map of a level by its own columns and the fitted covariance."""
    own = data[data["g"] == level]
    z = np.column_stack([np.ones(len(own)), own["x"]])
    w = own["w"].to_numpy() if weights else np.ones(len(own))
    told = fit.tables.estimates
    sds = told[(told["kind"] == "sd") & (told["group"] == "g")]["estimate"].to_numpy()
    found = told[(told["kind"] == "correlation") & (told["group"] == "g")]["estimate"]
    rho = float(found.iloc[0]) if len(found) else 0.0
    covariance = np.outer(sds, sds) * [[1.0, rho], [rho, 1.0]]
    a = (z * w[:, None]).T @ z / fit.sigma**2
    return np.asarray(covariance @ np.linalg.inv(covariance + np.linalg.inv(a)))


@pytest.mark.parametrize(
    ("formula", "structure", "weights"),
    [
        ("y ~ x + (x | g)", "full", False),
        ("y ~ x + (x | g)", "zerocorr", True),
        ("y ~ x + (x | g) + (1 | h)", "full", True),
    ],
)
@pytest.mark.parametrize("reml", [False, True])
def test_the_map_is_that_of_dense_algebra(
    formula: str, structure: str, weights: bool, reml: bool
) -> None:
    data = rows()
    model = ms.LinearMixedModel(
        formula, data, structure=structure, weights="w" if weights else None
    )
    fit = model.fit(reml=reml)
    fit.study("lens")
    table = fit.tables.require("lens")
    own = table[table["group"] == "g"]
    assert set(own["role"]) == {"least", "median", "most"}
    volume = {
        level: np.linalg.det(np.eye(2) - dense(fit, data, level, weights))
        for level in sorted(data["g"].unique())
    }
    order = sorted(volume, key=lambda level: -volume[level])
    for role, level in (("least", order[0]), ("median", order[5]), ("most", order[-1])):
        found = own[own["role"] == role]
        assert found["level"].unique().tolist() == [level]
        assert found["n_obs"].unique().tolist() == [int((data["g"] == level).sum())]
        wanted = dense(fit, data, level, weights)
        assert np.allclose(found["weight"].to_numpy().reshape(2, 2), wanted, atol=1e-8)
        kept = fit.tables.require("lens_kept")
        kept = kept[(kept["group"] == "g") & (kept["role"] == role)]["kept"].to_numpy()
        assert np.allclose(kept, np.sort(np.linalg.eigvals(wanted).real)[::-1], atol=1e-8)


def test_modes_are_the_map_of_own_estimates() -> None:
    fit = ms.LinearMixedModel("y ~ x + (x | g)", rows()).fit()
    fit.study("lens")
    table = fit.tables.require("lens")
    modes = fit.tables.modes.pivot(index="level", columns="term", values=["mode", "within_group"])
    for role in ("least", "median", "most"):
        own = table[table["role"] == role]
        weight = own["weight"].to_numpy().reshape(2, 2)
        terms = own["term"].iloc[[0, 2]].tolist()
        at = modes.loc[own["level"].iloc[0]]
        reference = np.array([at["within_group", term] for term in terms])
        mode = np.array([at["mode", term] for term in terms])
        assert np.allclose(weight @ reference, mode, atol=1e-7)


def test_levels_of_one_design_have_one_map_and_a_collapsed_dimension_keeps_nothing() -> None:
    data = rows(balanced=True).drop(columns="h")
    fit = ms.LinearMixedModel("y ~ x + (x | g)", data).fit()
    assert lens_study(fit._studied())["lens"]["role"].unique().tolist() == ["every"]
    collapsed = replace(fit._studied(), theta=fit.theta * [1.0, 1.0, 0.0])
    kept = lens_study(collapsed)["lens_kept"]["kept"]
    assert kept.iloc[0] > 0.1
    assert kept.iloc[1] == pytest.approx(0.0, abs=1e-12)
    caption = lens_caption(
        [("full covariance", lens_study(collapsed)["lens_kept"])],
        [("every", "g00", 6)],
        ("(Intercept)", "x"),
        others=0,
    )
    assert "Flat under full covariance: a dimension has collapsed." in caption
    told = f"keeps 0\u00a0% to {round(100 * kept.iloc[0])}\u00a0%"
    title = lens_title([("full covariance", lens_study(collapsed)["lens_kept"])], "g")
    assert told.replace("\u00a0", " ") in title.replace("\u00a0", " ")


def test_levels_without_an_estimate_of_their_own_are_not_shown() -> None:
    data = rows()
    # Of g00 a single row is left, of g01 rows at one x.
    data = pd.concat([data[data["g"] == "g00"].head(1), data[data["g"] != "g00"]])
    data.loc[data["g"] == "g01", "x"] = 1.0
    fit = ms.LinearMixedModel("y ~ x + (x | g)", data).fit()
    fit.study("lens")
    assert set(fit.tables.require("lens")["level"]).isdisjoint({"g00", "g01"})


def test_words_of_the_lens_are_those_of_its_tables() -> None:
    fit = ms.LinearMixedModel("y ~ x + (x | g)", rows()).fit()
    flat = ms.LinearMixedModel("y ~ x + (x | g)", rows(), structure="zerocorr").fit()
    chart = ms.charts.lens(fit, flat)
    spec = to_spec(chart)
    kept = fit.tables.require("lens_kept")
    ends = {
        role: [round(100 * v) for v in (own["kept"].min(), own["kept"].max())]
        for role, own in kept.groupby("role")
    }
    title = " ".join(spec["title"]["text"]).replace("\u00a0", " ")
    (low, high), (least, most) = ends["least"], ends["most"]
    assert f"least data keeps {low} % to {high} % by direction" in title
    assert f"the most {least} % to {most} %" in title
    assert "under full covariance" in title
    assert len(spec["description"].split()) <= 90
    # A fit without one of the terms is left out, with the reason.
    short = ms.LinearMixedModel("y ~ x + (x | g)", rows(), structure="intercept").fit()
    words = to_spec(ms.charts.lens(short, fit))["description"]
    assert "Not shown is intercepts only: g has no random effect 'x' there." in words


def test_a_lens_is_over_two_terms_of_the_model() -> None:
    fit = ms.LinearMixedModel("y ~ x + (x | g) + (1 | h)", rows()).fit()
    for asked, words in (
        ({"group": "h"}, "has a single one"),
        ({"group": "gg"}, "no grouping factor 'gg'"),
        ({"terms": ["x"]}, "give two"),
        ({"terms": ["x", "z"]}, "No random effect 'z'"),
    ):
        with pytest.raises(ModelError, match=words):
            ms.charts.lens(fit, **asked)
