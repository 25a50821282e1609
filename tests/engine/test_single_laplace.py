"""Generalised models with one grouping factor: compiled as a whole, they are what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import EvaluationError
from mixedscope.engine.compile import interpreter
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.optimize.driver import minimize

FAMILIES = [
    ("yes", "binomial", {}),
    ("yes", "binomial", {"weights": "w"}),
    ("cbind(successes, trials - successes)", "binomial", {"weights": "w"}),
    ("count", "poisson", {"offset": "o"}),
    ("count", "poisson", {"weights": "w"}),
    ("over", "nbinom2", {"offset": "o", "weights": "w"}),
    ("over", "nbinom2", {}),
]
RANDOM = ["(1 | g)", "(1 + x | g)", "(1 + x + z || g)"]


def simulated(seed: int, sd: float = 0.6) -> pd.DataFrame:
    """Groups of one row and of many, in no order; responses of every kind."""
    rng = np.random.default_rng(seed)
    n, q = int(rng.integers(60, 300)), int(rng.integers(6, 25))
    g = rng.permutation(np.sort(rng.integers(0, q, n)))
    frame = pd.DataFrame({"g": g.astype(str), "x": rng.normal(size=n)})
    frame["z"] = rng.normal(size=n) + 3.0
    frame["o"] = rng.normal(size=n) / 4.0
    frame["w"] = rng.integers(1, 4, n).astype(float)
    eta = 0.2 + 0.4 * frame["x"] + sd * rng.normal(size=q)[g]
    eta += 0.3 * sd * rng.normal(size=q)[g] * frame["x"]
    mean = 1.0 / (1.0 + np.exp(-eta))
    frame["yes"] = rng.binomial(1, mean).astype(float)
    frame["trials"] = rng.integers(1, 9, n)
    frame["successes"] = rng.binomial(frame["trials"], mean)
    frame["count"] = rng.poisson(np.exp(eta + frame["o"])).astype(float)
    frame["over"] = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))).astype(float)
    return frame


def model(case: tuple[str, str, Any], random: str, seed: int, **more: Any) -> Any:
    response, family, options = case
    return ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + z + {random}", simulated(seed, **more), family, **options
    )


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("case", FAMILIES)
def test_values_and_slopes_are_those_of_steps_by_themselves(
    case: tuple[str, str, Any], random: str
) -> None:
    made = model(case, random, 3)
    assert type(made.laplace) is SingleLaplace
    plain = LaplaceObjective(made.system)
    rng = np.random.default_rng(1)
    for times in (1.0, 0.3, 0.0, 3.0):
        point = np.array(made.laplace.start)
        k = made.laplace.n_theta
        point[:k] = times * (point[:k] + 0.1 * rng.normal(size=k))
        point[k:] += 0.1 * rng.normal(size=len(point) - k)
        one, slope = made.laplace.evaluate_gradient(point)
        other, expected = plain.evaluate_gradient(point)
        for name in ("objective", "conditional_deviance", "penalty", "log_det"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-11, abs=1e-10)
        np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-7)
        np.testing.assert_array_equal(one.beta, other.beta)
        np.testing.assert_allclose(made.laplace.gradients(point[None])[0], slope, atol=1e-7)


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("case", FAMILIES[2:])
def test_the_information_is_that_of_steps_by_themselves(
    case: tuple[str, str, Any], random: str
) -> None:
    made = model(case, random, 5)
    point = 0.8 * made.laplace.start
    plain = LaplaceObjective(made.system).initial_hessian(point)
    found = made.laplace.information(point)
    turned = made.laplace.coordinates.T @ found @ made.laplace.coordinates
    # Each adds a little of its own to what no data tell.
    np.testing.assert_allclose(turned, plain, rtol=1e-3, atol=1e-3 * np.abs(plain).max())


@pytest.mark.parametrize("case", FAMILIES)
def test_python_and_compiled_code_give_the_same_bits(
    case: tuple[str, str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for is_done in (False, True):
        monkeypatch.setattr(interpreter.state, "is_done", is_done)
        monkeypatch.setattr(interpreter.state, "seconds", -1e6)
        monkeypatch.setattr(interpreter, "_MOST_WORK", 10**9)
        made = model(case, "(1 + x | g)", 8)
        value, gradient = made.objective_gradient(0.9 * made.laplace.start)
        search = made.laplace.quasi_newton(made.laplace.start, 1e-9, 5)
        found.append((value, gradient.tolist(), search.thetas.tolist(), search.objectives))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in range(2, 40))]
)
@pytest.mark.parametrize("random", RANDOM[:2])
@pytest.mark.parametrize("case", FAMILIES[1:6:2])
def test_searches_end_where_steps_by_themselves_do(
    case: tuple[str, str, Any], random: str, seed: int
) -> None:
    made = model(case, random, seed, sd=(0.0, 0.3, 1.0)[seed % 3])
    fit = made.fit()
    plain = minimize(LaplaceObjective(made.system))
    assert fit.objective == pytest.approx(plain.evaluation.objective, abs=1e-6)
    assert len(fit.trace) == fit.info["optimizer"]["evaluations"]
    again = made.fit()
    assert again.objective == fit.objective
    assert again.parameters.tolist() == fit.parameters.tolist()


def test_a_trace_has_all_that_was_evaluated() -> None:
    fit = model(FAMILIES[0], "(1 | g)", 2).fit()
    trace = fit.trace
    for row in trace.to_dict("records"):
        point = np.concatenate([row["theta"], row["beta"]])
        evaluation = fit.model.evaluate(point)
        assert row["objective"] == pytest.approx(evaluation.objective, abs=1e-9)
        assert row["penalty"] == pytest.approx(evaluation.penalty, abs=1e-8)
        assert row["newton_steps"] >= 1


def test_a_point_without_modes_is_refused() -> None:
    made = model(FAMILIES[3], "(1 | g)", 2)
    point = np.array(made.laplace.start)
    point[1] = 1e300
    with pytest.raises(EvaluationError):
        made.objective(point)
    point[1] = np.nan
    with pytest.raises(EvaluationError):
        made.objective(point)
    assert np.isfinite(made.objective(made.laplace.start))
