"""The joint limit where columns are nearly collinear: found, or missing with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.charts.kinds.dumbbell.chart import dumbbell_chart
from mixedscope.charts.kinds.pooling.chart import pooling_chart
from mixedscope.charts.kinds.shrinkage.levels import pulls
from mixedscope.charts.kinds.shrinkage.words import NO_LIMIT
from mixedscope.core.errors import ModelError, StoreError
from mixedscope.inference.estimates.references import joint_limit

ORIGINS = {
    "near 1000": (1000.0, 1e-4),
    "years": (2000.0, 3.0),
    "fractional years": (2000.0, 1 / 365.25),
    "Unix seconds": (1.6e9, 86400.0),
    "seven digits": (1e9, 1.0),
}


def crossed(first: float, unit: float) -> pd.DataFrame:
    """Rows of two crossed factors; `z` is `x` from another origin."""
    rng = np.random.default_rng(0)
    n = 300
    g, c = rng.integers(0, 15, n), rng.integers(0, 10, n)
    frame = pd.DataFrame({"x": rng.standard_normal(n), "w": rng.uniform(0.5, 2.0, n)})
    slopes = 0.5 * rng.standard_normal(15)[g]
    frame["y"] = rng.standard_normal(15)[g] + (1.0 + slopes) * frame["x"] + rng.standard_normal(n)
    frame["y"] += rng.standard_normal(10)[c]
    names = {"g": [f"g{i}" for i in g], "h": [f"h{i}" for i in g], "c": [f"c{i}" for i in c]}
    frame = frame.assign(**names, f=np.where(g < 7, "a", "b"))
    frame["z"] = first + unit * frame["x"]
    return frame


def contributions(model: ms.LinearMixedModel, x: np.ndarray) -> list[np.ndarray]:
    """What each factor adds to the response at the limit, less its mean and its slope.

    Where fixed effects hold the columns of a factor, what all its levels have in common is theirs
    as well as the factor's, and the origin of a covariate decides.
    """
    limit = model.joint_limit
    assert not limit.missing
    design = model.design
    root = np.ones(len(design.y)) if design.weights is None else np.sqrt(design.weights)
    plane = root[:, None] * np.column_stack([np.ones_like(x), x])
    q, _ = np.linalg.qr(plane)
    out = []
    for term, b in zip(design.random, limit.modes, strict=True):
        part = root * np.einsum("ij,ij->i", term.Z, b[term.codes])
        out.append(part - q @ (q.T @ part))
    return out


FORMULAS = (
    "y ~ 1 + T + (1 + T | g) + (1 | c)",
    "y ~ 1 + T + zerocorr(1 + T | g) + (1 | c)",
    "y ~ 1 + T + cs(1 + T | g) + (1 | c)",
    "y ~ 1 + x + (1 + T | g) + (1 | c)",
    "y ~ 1 + T + (1 + x | g) + (1 | c)",
    "y ~ 1 + (1 + T | g) + (1 | c)",
    "y ~ 1 + f * x + zerocorr(1 + T | g) + (1 | c)",
    "y ~ 1 + x + zerocorr(1 + T | g) + zerocorr(1 + x | c)",
)


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("origin", ORIGINS)
def test_joint_limit_does_not_depend_on_the_origin_of_a_covariate(
    origin: str, formula: str, weights: str | None
) -> None:
    first, unit = ORIGINS[origin]
    data = crossed(first, unit)
    far, near = (
        ms.LinearMixedModel(formula.replace("T", name), data, weights=weights)
        for name in ("z", "x")
    )
    x = data["x"].to_numpy()
    # What rounding of `z` itself leaves of its deviations from the mean.
    digits = 64 * np.finfo(float).eps * (abs(first) / unit + 1e4)
    for got, right in zip(*(contributions(m, x) for m in (far, near)), strict=True):
        assert np.abs(got - right).max() <= digits * np.abs(right).max()
    assert far.confounded == near.confounded


@pytest.mark.parametrize("structure", ["full", "zerocorr"])
def test_a_column_twice_adds_nothing_to_the_joint_limit(structure: str) -> None:
    data = crossed(1000.0, 1e-4)
    data["twice"] = data["x"]
    formulas = [f"y ~ 1 + x + {structure}({t} | g) + (1 | c)" for t in ("1 + x", "1 + x + twice")]
    models = [ms.LinearMixedModel(f.replace("full", ""), data) for f in formulas]
    one, two = (contributions(model, data["x"].to_numpy()) for model in models)
    for got, right in zip(two, one, strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-10)


@pytest.fixture(scope="module")
def without() -> ms.Fit:
    """Two names of one factor, whose columns are nearly collinear: no origin is left to choose."""
    model = ms.LinearMixedModel("y ~ 1 + x + (1 | g) + (0 + z | h)", crossed(1000.0, 1e-4))
    with pytest.raises(ModelError, match="did not settle"):
        joint_limit(model.system)
    return model.fit()


def test_a_limit_that_cannot_be_computed_is_missing_and_says_why(
    without: ms.Fit, tmp_path: Path
) -> None:
    modes = without.conditional_modes()
    assert modes["joint_limit"].isna().all()
    assert modes[["mode", "within_group"]].notna().all(axis=None)
    without.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    limit = loaded.info["references"]["joint_limit"]
    assert "nearly collinear" in limit["missing"]
    assert set(limit) == {"missing"}
    pd.testing.assert_frame_equal(loaded.conditional_modes(), modes)


def test_charts_without_a_joint_limit_compare_with_own_rows_and_say_so(
    without: ms.Fit, tmp_path: Path
) -> None:
    fit = without.tables
    assert pulls([fit], "h", ["z"])[0].compared == "within_group"
    without.study("pooling")
    fit = without.tables
    without.save(tmp_path)
    path = ms.load_fit(tmp_path).tables.require("shrinkage_path")
    assert path["mode"].isna().equals(np.isinf(path["s"]))
    captions = [
        dumbbell_chart([fit], "g")[2],
        dumbbell_chart([fit], "h")[2],
        pooling_chart([fit])[2],
    ]
    assert all(NO_LIMIT in caption for caption in captions)
    with pytest.raises(StoreError, match=r"choose another reference\. .*did not settle"):
        pulls([fit], "h", ["z"], reference="joint_limit")
    ms.charts.motion(without)


def test_weakly_linked_factors_are_followed_to_the_least_squares_solution() -> None:
    # Each level of a meets two of b, in a chain: what the ends differ by takes many steps.
    q = 250
    rng = np.random.default_rng(1)
    a = np.repeat(np.arange(q), 4)
    b = np.minimum(a + np.tile([0, 0, 1, 1], q), q - 1)
    y = rng.standard_normal(q)[a] + rng.standard_normal(q)[b] + 0.3 * rng.standard_normal(4 * q)
    data = pd.DataFrame({"y": y, "a": [f"a{i:03}" for i in a], "b": [f"b{i:03}" for i in b]})
    limit = ms.LinearMixedModel("y ~ 1 + (1 | a) + (1 | b)", data).joint_limit
    z = np.zeros((4 * q, 2 * q))
    z[np.arange(4 * q), a] = z[np.arange(4 * q), q + b] = 1.0
    right = np.linalg.lstsq(z - z.mean(axis=0), y - y.mean(), rcond=1e-10)[0]
    found = np.concatenate([modes.ravel() for modes in limit.modes])
    # Of a step of 1e-8 of the largest mode, shorter than the one before by a fifth, four follow.
    assert np.abs(found - right).max() <= 1e-6 * np.abs(right).max()
    assert 20 < limit.iterations < 200
