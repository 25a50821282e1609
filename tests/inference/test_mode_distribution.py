"""How modes vary under the model: against dense algebra, responses drawn, and refits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import mixedscope as ms
from mixedscope.core.errors import UnsuitedError
from mixedscope.inference.estimates.simulated import simulate_responses
from mixedscope.inference.studies import mode_distribution
from mixedscope.inference.studies.mode_distribution import modes_covariance


def data(seed: int = 4, *, levels: int = 14, slope: float = 0.6) -> pd.DataFrame:
    """Unbalanced levels of two crossed factors, and weights."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), rng.integers(3, 9, levels))
    h = rng.integers(0, 5, len(g))
    x = rng.normal(size=len(g))
    y = 5 + x + rng.normal(size=levels)[g] * 1.5 + slope * rng.normal(size=levels)[g] * x
    y += rng.normal(size=5)[h] + rng.normal(size=len(g))
    names = {"g": [f"g{i:02d}" for i in g], "h": [f"h{i}" for i in h]}
    return pd.DataFrame({**names, "x": x, "y": y, "w": rng.uniform(0.5, 2.0, len(g))})


CASES: dict[str, dict[str, Any]] = {
    "crossed": {"formula": "y ~ 1 + x + (1 + x | g) + (1 | h)"},
    "weighted": {"formula": "y ~ 1 + x + (1 + x | g)", "weights": "w"},
    "structure": {"formula": "y ~ 1 + (1 + x | g)", "structure": "zerocorr"},
}


def made(case: str, *, reml: bool = False, frame: pd.DataFrame | None = None) -> ms.Fit:
    asked = dict(CASES[case])
    return ms.LinearMixedModel(
        asked.pop("formula"), data() if frame is None else frame, **asked
    ).fit(reml=reml)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("reml", [False, True])
def test_variances_are_those_of_dense_algebra(case: str, reml: bool) -> None:
    fit = made(case, reml=reml)
    tables = fit.study("mode_distribution")
    system, sigma = fit._profiled.system, fit.sigma
    design = system.design
    weights = np.ones(system.n) if design.weights is None else design.weights
    blocks, roots = [], []
    for term in system.terms:
        q = len(term.design.levels)
        own = np.zeros((system.n, q, term.size))
        own[np.arange(system.n), term.design.codes] = term.design.Z
        blocks.append(own.reshape(system.n, -1))
        factor = sigma * term.factor(fit.theta[term.theta])
        roots.append(np.kron(np.eye(q), factor @ factor.T))
    z = np.hstack(blocks)
    d = np.zeros((z.shape[1],) * 2)
    at = 0
    for root in roots:
        d[at : at + len(root), at : at + len(root)] = root
        at += len(root)
    v = np.linalg.inv(z @ d @ z.T + sigma**2 * np.diag(1.0 / weights))
    x = design.X
    p = v - v @ x @ np.linalg.solve(x.T @ v @ x, x.T @ v)
    of_modes = d @ z.T @ p @ z @ d
    found = tables.require("mode_errors")
    scale = np.sqrt(np.diag(d))
    np.testing.assert_allclose(
        found["mode_sd"], np.sqrt(np.diag(of_modes)), atol=1e-7 * scale.max()
    )
    np.testing.assert_allclose(
        found["error_sd"], np.sqrt(np.diag(d) - np.diag(of_modes)), atol=1e-7 * scale.max()
    )
    whole = modes_covariance(system, fit.theta, sigma)
    np.testing.assert_allclose(whole, of_modes, atol=1e-8 * scale.max() ** 2)


def test_quantiles_are_the_modes_in_order_against_normal_ones() -> None:
    fit = made("crossed")
    tables = fit.study("mode_distribution")
    quantiles, counts = (tables.require(f"mode_{name}") for name in ("quantiles", "normality"))
    for key, own in quantiles.groupby(["group", "term"], sort=False):
        modes = tables.modes.set_index(["group", "term"]).loc[[key]].set_index("level")["mode"]
        assert own["mode"].tolist() == sorted(modes)
        np.testing.assert_array_equal(own["mode"], modes[own["level"]])
        np.testing.assert_allclose(own["normal"], norm.ppf((own["rank"] - 0.5) / len(own)))
        row = counts.set_index(["group", "term"]).loc[key]
        outside = ((own["mode"] < own["lower"]) | (own["mode"] > own["upper"])).sum()
        assert row["outside"] == outside
        assert row["expected"] == pytest.approx(0.05 * len(own), abs=0.02 * len(own))
        assert row["joint"]


def test_the_envelope_is_that_of_responses_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mode_distribution, "_DRAWS", 4000)
    fit = made("crossed")
    table = fit.study("mode_distribution").require("mode_quantiles")
    system = fit._profiled.system
    rng = np.random.default_rng(8)
    drawn = []
    factors = system.standard_factors(fit.theta)
    for y in simulate_responses(fit._profiled, fit.theta, 1500, rng):
        other = system.with_response(y)
        other.solve(factors)
        drawn.append(other.modes()[0][:, 1])
    own = fit.tables.modes.query("group == 'g' and term == 'x'")["mode"].to_numpy()
    values = np.array(drawn)
    values *= np.sqrt((own**2).mean() / (values**2).mean(axis=1))[:, None]
    values.sort(axis=1)
    low, high = np.quantile(values, [0.025, 0.975], axis=0)
    rows = table.query("group == 'g' and term == 'x'")
    # Quantiles of tails of so many draws are known to some 5 % of the spread of the modes.
    unit = np.sqrt((own**2).mean())
    np.testing.assert_allclose(rows["lower"], low, atol=0.12 * unit)
    np.testing.assert_allclose(rows["upper"], high, atol=0.12 * unit)


def test_levels_by_themselves_are_nearly_those_together(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = data(6, levels=60)
    together = made("weighted", frame=frame).study("mode_distribution")
    monkeypatch.setattr(mode_distribution, "_JOINT", 1)
    apart = made("weighted", frame=frame).study("mode_distribution")
    assert not apart.require("mode_normality")["joint"].any()
    one, other = (t.require("mode_quantiles") for t in (together, apart))
    unit = one.groupby("term")["mode"].transform("std")
    for end in ("lower", "upper"):
        assert (np.abs(one[end] - other[end]) / unit).max() < 0.3


def test_terms_without_variance_have_no_quantiles_and_draws_repeat() -> None:
    frame = data(3, slope=0.0)
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", frame, structure="zerocorr").fit()
    first, again = (fit.study("mode_distribution") for _ in range(2))
    if fit.estimates.query("kind == 'sd' and term == 'x'")["estimate"].item() == 0.0:
        assert set(first.require("mode_quantiles")["term"]) == {"(Intercept)"}
        errors = first.require("mode_errors").query("term == 'x'")
        assert (errors[["error_sd", "mode_sd"]] == 0.0).all(axis=None)
    pd.testing.assert_frame_equal(first.require("mode_quantiles"), again.require("mode_quantiles"))


def test_sigma_that_vanishes_is_refused() -> None:
    frame = data()
    frame["y"] = frame["g"].str[1:].astype(float)
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", frame).fit()
    with pytest.raises(UnsuitedError):
        fit.study("mode_distribution")


@pytest.mark.exhaustive
def test_refits_of_the_model_leave_the_envelope_as_often_as_expected() -> None:
    fit = made("weighted", frame=data(6, levels=40))
    outside, expected = [], []
    for y in fit.simulate(120, seed=5):
        table = fit.refit(y).study("mode_distribution").require("mode_normality")
        own = table[table["term"] == "(Intercept)"]
        outside.append(int(own["outside"].sum()))
        expected.append(float(own["expected"].sum()))
    # A mean of 120 counts, each of an SD of some 2.5.
    assert np.mean(outside) == pytest.approx(np.mean(expected), abs=0.75)
