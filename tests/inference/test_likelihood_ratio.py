"""Likelihood-ratio tests between structures hold their level, and say so where they cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from dense_models import dense_of
from scipy.stats import chi2

import mixedscope as ms
from mixedscope.core.errors import ModelError, UnsuitedError
from mixedscope.inference.hypotheses import information
from mixedscope.inference.ladder.bootstrap_test import Fitted, bootstrap_draws, bootstrap_p_values
from mixedscope.inference.ladder.likelihood_ratio import _information, reference

LEVEL = 0.05
DRAWS = 1000


def data(groups: int = 120, each: int = 6, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), each)
    x, z = rng.standard_normal((2, len(g)))
    b = rng.standard_normal((groups, 3)) * [1.0, 0.6, 0.5]
    y = 1.0 + (b[g] * np.column_stack([np.ones(len(g)), x, z])).sum(axis=1)
    visit = pd.Categorical(np.tile(np.arange(each) % 3, groups))
    y += rng.standard_normal(len(g))
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g.astype(str), "visit": visit})


FRAME = data()


def pair(terms: str, poorer: str, richer: str, *, reml: bool = False) -> tuple[Any, ...]:
    formula = f"y ~ 1 + x + z + ({terms} | g)"
    models = [ms.LinearMixedModel(formula, FRAME, structure=s) for s in (poorer, richer)]
    objectives = [m.profiled(reml=reml) for m in models]
    thetas = [m.fit(reml=reml).theta for m in models]
    return objectives[0], thetas[0], objectives[1], thetas[1]


@pytest.mark.parametrize(
    ("terms", "poorer", "richer", "naive_is_wrong"),
    [
        pytest.param("1 + x", "intercept", "zerocorr", True, marks=pytest.mark.exhaustive),
        ("1 + x", "intercept", "full", True),
        pytest.param("1 + x + z", "intercept", "zerocorr", True, marks=pytest.mark.exhaustive),
        pytest.param("1 + x + z", "intercept", "full", True, marks=pytest.mark.exhaustive),
        pytest.param("1 + x", "zerocorr", "full", False, marks=pytest.mark.exhaustive),
        pytest.param("1 + x + z", "rr1", "full", True, marks=pytest.mark.exhaustive),
    ],
)
def test_a_true_poorer_model_is_rejected_as_often_as_promised(
    terms: str, poorer: str, richer: str, naive_is_wrong: bool
) -> None:
    # REML, whose distribution is closer to that of large samples with 120 groups.
    first, theta, second, above = pair(terms, poorer, richer, reml=True)
    found = reference(first, theta, second)
    assert found.exact is not None
    fits = {"a": Fitted(first, theta), "b": Fitted(second, above)}
    drawn = bootstrap_draws(fits, [("a", "b")], range(DRAWS), seed=5)
    assert drawn["failed"].sum() <= 0.01 * DRAWS
    statistics = drawn.loc[~drawn["failed"], "statistic"].to_numpy()
    error = np.sqrt(LEVEL * (1.0 - LEVEL) / len(statistics))
    rate = np.mean(statistics > found.exact.quantile(1.0 - LEVEL))
    # Some of the difference is that 120 groups are not endless: 0.043 to 0.057 in 10,000 draws.
    assert abs(rate - LEVEL) < 2.5 * error + 0.007, rate
    naive = np.mean(statistics > chi2.ppf(1.0 - LEVEL, found.parameters))
    assert naive <= rate - 0.005 if naive_is_wrong else naive == pytest.approx(rate)


def test_two_variances_have_weights_that_the_information_gives() -> None:
    first, theta, second, _ = pair("1 + x + z", "intercept", "zerocorr")
    found = reference(first, theta, second)
    # The covariates are independent draws: about a right angle.
    np.testing.assert_allclose(found.exact.weights, (0.25, 0.5, 0.25), atol=0.02)


def test_singular_poorer_fit_gets_bounds() -> None:
    frame = FRAME.assign(y=np.random.default_rng(8).standard_normal(len(FRAME)))
    frame["y"] += np.random.default_rng(9).standard_normal(120)[FRAME["g"].astype(int)]
    formula = "y ~ 1 + x + z + (1 + x + z | g)"
    models = [ms.LinearMixedModel(formula, frame, structure=s) for s in ("zerocorr", "full")]
    fits = [model.fit() for model in models]
    assert fits[0].singular
    found = reference(models[0].profiled(), fits[0].theta, models[1].profiled())
    assert found.kind == "bounds"
    for statistic in (1.0, 4.0, 12.0):
        told = found.p_values(statistic)
        assert told["p_value"] is None
        assert told["p_low"] <= told["p_high"]
        # Truths without zeros are among those that the poorer model allows.
        assert told["p_low"] >= told["p_naive"] - 1e-12


def test_rank_one_more_gets_bounds_around_its_bootstrap() -> None:
    first, theta, second, above = pair("1 + x + z", "rr1", "rr2")
    found = reference(first, theta, second)
    assert found.kind == "bounds"
    fits = {"rr1": Fitted(first, theta), "rr2": Fitted(second, above)}
    drawn = bootstrap_draws(fits, [("rr1", "rr2")], range(600), seed=1)
    for statistic in (2.0, 4.0):
        told = found.p_values(statistic)
        drawn_p = bootstrap_p_values(drawn, "rr1", "rr2", statistic)
        slack = 3.0 * drawn_p["bootstrap_error"] + 0.01
        assert told["p_low"] - slack <= drawn_p["bootstrap_p"] <= told["p_high"] + slack


def test_draws_do_not_depend_on_how_they_are_batched() -> None:
    first, theta, second, above = pair("1 + x", "intercept", "full")
    fits = {"a": Fitted(first, theta), "b": Fitted(second, above)}
    whole = bootstrap_draws(fits, [("a", "b")], range(40), seed=2)
    parts = [bootstrap_draws(fits, [("a", "b")], r, seed=2) for r in (range(15), range(15, 40))]
    together = pd.concat(parts, ignore_index=True)
    np.testing.assert_allclose(whole["statistic"], together["statistic"], atol=1e-8)
    assert whole["draw"].tolist() == together["draw"].tolist()


def test_failed_refits_are_counted_and_left_out() -> None:
    drawn = pd.DataFrame(
        {
            "poorer": "a", "richer": "b", "draw": range(5),
            "statistic": [0.0, 1.0, 2.0, 3.0, np.nan], "failed": [False] * 4 + [True],
        }
    )  # fmt: skip
    told = bootstrap_p_values(drawn, "a", "b", 2.0)
    assert (told["bootstrap_draws"], told["bootstrap_failed"]) == (5, 1)
    assert told["bootstrap_p"] == pytest.approx(3 / 5)
    assert told["bootstrap_zero"] == 0.25


def test_models_of_other_columns_are_refused() -> None:
    first, theta, _, _ = pair("1 + x", "zerocorr", "full")
    other = ms.LinearMixedModel("y ~ 1 + x + z + (1 + z | g)", FRAME).profiled()
    with pytest.raises(ModelError, match="not among those"):
        reference(first, theta, other)


def rated(seed: int = 4) -> pd.DataFrame:
    """Ratings of 9 items by 12 people, a tenth of them missing, with weights."""
    rng = np.random.default_rng(seed)
    p, i = (v.ravel() for v in np.meshgrid(np.arange(12), np.arange(9)))
    kept = rng.random(len(p)) < 0.9
    p, i = p[kept], i[kept]
    x = rng.uniform(-1.0, 2.0, len(p))
    y = rng.normal(size=12)[p] + 0.7 * rng.normal(size=9)[i] + rng.normal(size=len(p))
    w = rng.uniform(0.5, 2.0, len(p))
    return pd.DataFrame({"y": y, "x": x, "p": p.astype(str), "i": i.astype(str), "w": w})


@pytest.mark.parametrize("sigma", [None, 1.3])
@pytest.mark.parametrize("reml", [True, False])
def test_information_is_that_of_dense_algebra(reml: bool, sigma: float | None) -> None:
    data = rated()
    poorer, richer = (
        ms.LinearMixedModel(f"y ~ 1 + x + {terms}", data, weights="w", sigma=sigma)
        for terms in ("(1 | p)", "(1 + x | p) + (1 | i)")
    )
    theta = poorer.fit(reml=reml).theta
    covariances = [np.diag([theta[0] ** 2, 0.0]), np.zeros((1, 1))]
    dense, design = dense_of(poorer, theta), richer.design
    root = np.sqrt(data["w"].to_numpy())
    changes = []
    for random in design.random:
        z = random.Z * root[:, None]
        same = random.codes[:, None] == random.codes
        for i, j in zip(*np.tril_indices(z.shape[1]), strict=True):
            change = np.outer(z[:, i], z[:, j])
            changes.append(same * (change if i == j else change + change.T))
    moved = [dense.p @ change for change in changes]
    expected = np.array([[np.vdot(a, b.T) for b in moved] for a in moved])
    if sigma is None:
        traces = np.array([np.trace(m) for m in moved])
        expected -= np.outer(traces, traces) / (len(data) - 2)
    found = _information(richer.profiled(reml=reml).system, covariances)
    size = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(
        found / size[:, None] / size, expected / size[:, None] / size, atol=1e-12
    )


def test_what_fixed_effects_explain_has_no_information() -> None:
    data = rated()
    system = ms.LinearMixedModel("y ~ 1 + p + (1 | p) + (1 | i)", data).profiled().system
    found = _information(system, [np.zeros((1, 1)), np.ones((1, 1))])
    assert found[0].tolist() == [0.0, 0.0]
    assert found[1, 1] > 0.0


def test_information_that_does_not_fit_into_memory_leaves_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = rated()
    fits = [ms.lmer(f"y ~ 1 + x + {t}", data, reml=True) for t in ("(1 | p)", "(1 | p) + (1 | i)")]
    monkeypatch.setattr(information, "_MOST_BYTES", 0)
    with pytest.raises(UnsuitedError, match=r"0 GB of memory: ask for df=\"satterthwaite\""):
        fits[1].fixed_effects(df="kenward-roger")
    row = ms.lrtest(*fits).iloc[1]
    assert np.isnan(row["p_value"])
    assert (row["p_low"], row["p_high"]) == (0.0, 1.0)
    assert "GB of memory" in row["remark"]
