"""Principal axes against the covariance matrix that the table of estimates gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.drawing import draw
from mixedscope.core.errors import UnsuitedError
from mixedscope.tables.store import FitTables

FORMULA = "y ~ 1 + x + z + (1 + x + z | g)"
TERMS = ["(Intercept)", "x", "z"]


def data(seed: int = 3, *, z: float = 0.0, levels: int = 12, each: int = 8) -> pd.DataFrame:
    """Levels that vary in intercept and slope, and, with `z`, in another slope."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), each)
    out = pd.DataFrame({"g": [f"g{i:02d}" for i in g]})
    out["x"], out["z"] = rng.normal(size=len(g)) * 3, rng.normal(size=len(g))
    u = rng.normal(size=(levels, 3)) @ np.array([[4.0, 1.0, 0.0], [0.0, 0.5, 0.0], [0, 0, z]])
    out["y"] = 10 + u[g, 0] + (1 + u[g, 1]) * out["x"] + u[g, 2] * out["z"]
    out["y"] += 2 * rng.normal(size=len(g))
    return out


def studied(frame: pd.DataFrame, structure: str = "full", **model: Any) -> FitTables:
    fit = ms.LinearMixedModel(model.pop("formula", FORMULA), frame, structure=structure, **model)
    return fit.fit().study("principal")


def covariance(fit: FitTables, group: str = "g") -> np.ndarray:
    """Of the random effects, in the units of the data."""
    own = fit.estimates[fit.estimates["group"] == group]
    sd = own[own["kind"] == "sd"].set_index("term")["estimate"]
    out = np.diag(sd.to_numpy(dtype=float) ** 2)
    for _, row in own[(own["kind"] == "correlation") & own["estimate"].notna()].iterrows():
        i, j = sd.index.get_loc(row["term"]), sd.index.get_loc(row["term2"])
        out[i, j] = out[j, i] = row["estimate"] * sd.iloc[i] * sd.iloc[j]
    return out


def matrix(fit: FitTables, group: str = "g") -> tuple[np.ndarray, np.ndarray]:
    """Loadings (axes, terms) and root mean squares of the columns."""
    own = fit.require("principal_loadings")
    own = own[own["group"] == group]
    size = own["component"].max()
    return (
        own["loading"].to_numpy().reshape(size, size),
        own["column_rms"].to_numpy().reshape(size, size)[0],
    )


def wide(table: pd.DataFrame, column: str, by: str) -> np.ndarray:
    """Levels by terms or axes, in the order of the table."""
    return table[column].to_numpy(dtype=float).reshape(-1, table[by].nunique())


@pytest.mark.parametrize("structure", ["full", "zerocorr", "cs", "rr1"])
@pytest.mark.parametrize("weighted", [False, True])
def test_axes_are_those_of_the_covariance_of_columns_of_unit_size(structure, weighted) -> None:
    frame = data(z=1.0)
    weights = np.where(np.arange(len(frame)) % 3, 1.0, 2.5) if weighted else None
    fit = studied(frame, structure, weights=weights)
    loadings, rms = matrix(fit)
    columns = np.column_stack([np.ones(len(frame)), frame["x"], frame["z"]])
    root = np.ones(len(frame)) if weights is None else np.sqrt(weights)
    np.testing.assert_allclose(rms, np.sqrt(((columns * root[:, None]) ** 2).mean(axis=0)))
    wanted = covariance(fit) * np.outer(rms, rms)
    axes = fit.require("principal")
    variances = axes["sd"].to_numpy() ** 2
    size = np.trace(wanted)
    np.testing.assert_allclose(loadings @ loadings.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(loadings.T @ np.diag(variances) @ loadings, wanted, atol=1e-9 * size)
    np.testing.assert_allclose(axes["share"], variances / size, atol=1e-9)
    assert (np.diff(variances) <= 0).all()
    assert axes["allowed"].tolist() == [True, structure != "rr1", structure != "rr1"]
    assert (loadings[np.arange(3), np.abs(loadings).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("structure", ["full", "zerocorr"])
def test_coordinates_along_all_axes_give_back_the_levels(structure: str) -> None:
    fit = studied(data(z=1.0), structure)
    loadings, rms = matrix(fit)
    levels, modes = fit.require("principal_levels"), fit.modes
    for column in ("mode", "joint_limit", "within_group"):
        back = wide(levels, column, "component") @ loadings / rms
        np.testing.assert_allclose(back, wide(modes, column, "term"), rtol=1e-9, atol=1e-9)
    assert levels["level"].tolist() == modes["level"].tolist()
    assert levels["n_obs"].tolist() == modes["n_obs"].tolist()
    if structure == "zerocorr":
        # Each axis is a term: its spread given the data is that of the term.
        order = np.abs(loadings).argmax(axis=1)
        wanted = wide(modes, "std_dev", "term")[:, order] * rms[order]
        np.testing.assert_allclose(wide(levels, "std_dev", "component"), wanted, rtol=1e-8)


def test_along_a_collapsed_axis_nothing_is_left() -> None:
    fit = studied(data())
    axes = fit.require("principal")
    assert axes["collapsed"].tolist() == [False, False, True]
    assert fit.info["singular"][0]["rank"] == 2
    levels = fit.require("principal_levels").query("component == 3")
    sigma = fit.estimates.query("kind == 'sigma'")["estimate"].item()
    assert (levels["mode"].abs() < 1e-3 * sigma).all()
    assert (levels["std_dev"] <= axes["sd"].iloc[2]).all()
    assert levels["joint_limit"].std() > 0.1


def test_a_level_without_an_estimate_has_coordinates_on_the_axes_of_what_it_has() -> None:
    frame = data(z=1.0)
    # Nothing tells the slope of z in the first level: within it z stands still.
    frame.loc[frame["g"] == "g00", "z"] = 0.7
    for structure, missing in (("full", [True] * 3), ("zerocorr", None)):
        fit = studied(frame, structure)
        own = fit.require("principal_levels").query("level == 'g00'")
        known = fit.modes.query("level == 'g00'")["within_group"].isna().to_numpy()
        loadings, _ = matrix(fit)
        wanted = ((loadings != 0) & known).any(axis=1)
        assert own["within_group"].isna().tolist() == wanted.tolist()
        if missing is not None:
            assert wanted.tolist() == missing
        else:
            assert 0 < wanted.sum() < 3


def test_what_the_data_do_not_determine_has_no_axes() -> None:
    frame = data().assign(one=1.0, h=[f"h{i % 8}" for i in range(96)])
    fit = studied(frame, formula="y ~ 1 + x + (1 + one | g) + (1 + x | h)")
    axes = fit.require("principal").set_index("group")
    assert axes.loc["g", ["sd", "share"]].isna().all(axis=None)
    assert not axes.loc["g", "collapsed"].any()
    assert axes.loc["h", "sd"].notna().all()
    assert set(fit.require("principal_levels")["group"]) == {"h"}
    with pytest.raises(UnsuitedError, match="do not determine"):
        ms.charts.principal(fit, "g")
    assert "do not determine" in draw("principal-g", [fit], {}).caption
    assert draw("principal-h", [fit], {}).title.startswith("Principal axes of h")
    told = studied(frame, "intercept", formula="y ~ 1 + x + (1 + one | g) + (1 + x | h)")
    with pytest.raises(UnsuitedError, match="single column"):
        ms.charts.principal(told, "h")


def test_tables_are_stored_and_read_again(tmp_path) -> None:
    fit = ms.LinearMixedModel(FORMULA, data()).fit()
    made = fit.study("principal")
    fit.save(tmp_path)
    again = ms.load_fit(tmp_path).tables
    for name in ("principal", "principal_loadings", "principal_levels"):
        pd.testing.assert_frame_equal(again.require(name), made.require(name), check_dtype=False)
