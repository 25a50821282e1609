"""Generalised models with several grouping factors are, compiled, what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import EvaluationError
from mixedscope.engine.compile import interpreter
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.several import SeveralLaplace
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.optimize.driver import minimize

#: Response, family, link, what else is said.
FAMILIES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("yes", "binomial", "logit", {}),
    ("yes", "binomial", "probit", {"weights": "w"}),
    ("cbind(successes, trials - successes)", "binomial", "cloglog", {}),
    ("count", "poisson", "log", {"offset": "o", "weights": "w"}),
    ("count", "poisson", "sqrt", {}),
    ("over", "nbinom2", "log", {"weights": "w"}),
    ("over", "nbinom2", "sqrt", {}),
    ("over", "nbinom1", "log", {"weights": "w"}),
    ("amount", "gamma", "log", {"offset": "o"}),
    ("steady", "gamma", "inverse", {}),
    ("steady", "gamma", "identity", {"weights": "w"}),
    ("share", "beta", "logit", {"weights": "w"}),
    ("share", "beta", "cloglog", {}),
]
DESIGNS = [
    "(1 | g) + (1 | h)",
    "(1 | sub) + (1 | g)",
    "(1 + x | g) + (1 + x | h)",
    "(1 | sub) + (1 + x | g) + (1 | h) + (1 | k)",
    "(1 + x + z || sub) + (1 | g) + (1 | row)",
]


def simulated(seed: int, sd: float = 0.6, n: int = 90) -> pd.DataFrame:
    """Crossed and nested factors, rows in no order, responses of every kind."""
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 9, n), rng.integers(0, 6, n)
    frame = pd.DataFrame({"g": g.astype(str), "h": h.astype(str)})
    frame["k"] = rng.integers(0, 4, n).astype(str)
    frame["sub"] = frame["g"] + np.where(rng.random(n) < 0.5, "a", "b")
    frame["row"] = np.arange(n).astype(str)
    frame["x"], frame["z"] = rng.normal(size=n), rng.normal(size=n) + 3.0
    frame["o"] = rng.normal(size=n) / 4.0
    frame["w"] = rng.integers(1, 4, n).astype(float)
    eta = 0.2 + 0.4 * frame["x"] + sd * (rng.normal(size=9)[g] + rng.normal(size=6)[h])
    mean = 1.0 / (1.0 + np.exp(-eta))
    frame["yes"] = rng.binomial(1, mean).astype(float)
    frame["trials"] = rng.integers(1, 9, n)
    frame["successes"] = rng.binomial(frame["trials"], mean)
    frame["count"] = rng.poisson(np.exp(eta + frame["o"])).astype(float)
    frame["over"] = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))).astype(float)
    frame["amount"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    frame["steady"] = rng.gamma(9.0, 1.0 / (3.0 + 0.2 * np.tanh(eta)) / 9.0)
    frame["share"] = rng.beta(8.0 * mean, 8.0 * (1.0 - mean))
    return frame


def model(case: tuple[str, str, str, Any], random: str, seed: int, **more: Any) -> Any:
    response, family, link, options = case
    return ms.GeneralizedLinearMixedModel(
        f"{response} ~ x + {random}", simulated(seed, **more), family, link, **options
    )


def near(made: Any, times: float, rng: np.random.Generator) -> Any:
    """A point not far from where its search starts, covariances by a factor."""
    point = np.array(made.laplace.start)
    k = made.laplace.n_theta
    size = 0.7 if made.family.link.side == 0 else 0.1
    point[:k] = times * size * (point[:k] + 0.1 * rng.normal(size=k))
    point[k:] += 0.02 * rng.normal(size=len(point) - k)
    return point


@pytest.mark.parametrize("random", DESIGNS)
@pytest.mark.parametrize("case", FAMILIES)
def test_values_and_slopes_are_those_of_steps_by_themselves(
    case: tuple[str, str, str, Any], random: str
) -> None:
    made = model(case, random, 3)
    assert type(made.laplace) is SeveralLaplace
    plain = LaplaceObjective(made.system)
    rng = np.random.default_rng(1)
    for times in (1.0, 0.3, 0.0, 1.5):
        point = near(made, times, rng)
        one, slope = made.laplace.evaluate_gradient(point)
        other, expected = plain.evaluate_gradient(point)
        for name in ("objective", "conditional_deviance", "penalty", "log_det"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-11, abs=1e-10)
        np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-7)
        np.testing.assert_array_equal(one.beta, other.beta)
        np.testing.assert_allclose(made.laplace.gradients(point[None])[0], slope, atol=1e-7)


@pytest.mark.parametrize("random", ["(1 | g)", "(1 + x | g)"])
@pytest.mark.parametrize("case", [f for f in FAMILIES if f[2] != "log" or f[1] == "gamma"])
def test_one_factor_of_other_families_is_that_of_steps_by_themselves(
    case: tuple[str, str, str, Any], random: str
) -> None:
    made = model(case, random, 4)
    assert type(made.laplace) is SingleLaplace
    plain = LaplaceObjective(made.system)
    rng = np.random.default_rng(1)
    for times in (1.0, 0.3, 0.0, 1.5):
        point = near(made, times, rng)
        one, slope = made.laplace.evaluate_gradient(point)
        other, expected = plain.evaluate_gradient(point)
        assert one.objective == pytest.approx(other.objective, rel=1e-11, abs=1e-10)
        np.testing.assert_allclose(slope, expected, rtol=1e-8, atol=1e-7)


@pytest.mark.parametrize("random", DESIGNS)
@pytest.mark.parametrize("case", [FAMILIES[i] for i in (0, 1, 3, 8)])
def test_the_information_is_that_of_steps_by_themselves(
    case: tuple[str, str, str, Any], random: str
) -> None:
    made = model(case, random, 5)
    point = near(made, 1.0, np.random.default_rng(2))
    plain = LaplaceObjective(made.system).initial_hessian(point)
    found = made.laplace.information(point)
    turned = made.laplace.coordinates.T @ found @ made.laplace.coordinates
    np.testing.assert_allclose(turned, plain, rtol=1e-9, atol=1e-9 * np.abs(plain).max())


@pytest.mark.parametrize("random", DESIGNS[::2])
@pytest.mark.parametrize("case", [FAMILIES[i] for i in (0, 1, 5, 7, 9, 11)])
def test_python_and_compiled_code_give_the_same_bits(
    case: tuple[str, str, str, Any], random: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for is_done in (False, True):
        monkeypatch.setattr(interpreter.state, "is_done", is_done)
        monkeypatch.setattr(interpreter.state, "seconds", -1e6)
        monkeypatch.setattr(interpreter, "_MOST_WORK", 10**9)
        made = model(case, random, 8, n=40)
        value, gradient = made.objective_gradient(near(made, 1.0, np.random.default_rng(0)))
        search = made.laplace.quasi_newton(made.laplace.start, 1e-9, 3)
        found.append((value, gradient.tolist(), search.thetas.tolist(), search.objectives))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in range(2, 20))]
)
@pytest.mark.parametrize("random", DESIGNS[:4])
@pytest.mark.parametrize("case", FAMILIES[0:9:4])
def test_searches_end_where_steps_by_themselves_do(
    case: tuple[str, str, str, Any], random: str, seed: int
) -> None:
    made = model(case, random, seed, sd=(0.0, 0.3, 1.0)[seed % 3])
    fit = made.fit()
    plain = minimize(LaplaceObjective(made.system))
    assert fit.objective == pytest.approx(plain.evaluation.objective, abs=1e-6)
    assert fit.certificate["verdict"] == plain.certificate["verdict"]
    assert len(fit.trace) == fit.info["optimizer"]["evaluations"]
    again = made.fit()
    assert again.objective == fit.objective
    assert again.parameters.tolist() == fit.parameters.tolist()


def test_a_trace_has_all_that_was_evaluated() -> None:
    fit = model(FAMILIES[0], DESIGNS[3], 2).fit()
    for row in fit.trace.to_dict("records"):
        point = np.concatenate([row["theta"], row["beta"]])
        evaluation = fit.model.evaluate(point)
        assert row["objective"] == pytest.approx(evaluation.objective, abs=1e-9)
        assert row["penalty"] == pytest.approx(evaluation.penalty, abs=1e-8)
        assert row["newton_steps"] >= 1


def test_models_of_other_responses_do_not_disturb_each_other() -> None:
    """They may share what does not change, but not where modes were found."""
    one = model(FAMILIES[0], DESIGNS[0], 2)
    point = near(one, 1.0, np.random.default_rng(0))
    before = one.laplace.evaluate_gradient(point)
    response = one.system.response
    turned = one.system.of_response(type(response)(1.0 - response.y))
    other = one.laplace.like(turned)
    assert type(other) is SeveralLaplace
    elsewhere = np.array(point)
    elsewhere[one.laplace.n_theta :] *= -1.0
    assert other.evaluate(elsewhere).objective == pytest.approx(before[0].objective, abs=1e-9)
    moved = point + 0.01
    expected = LaplaceObjective(one.system).evaluate_gradient(moved)
    after = one.laplace.evaluate_gradient(moved)
    assert after[0].objective == pytest.approx(expected[0].objective, abs=1e-9)
    np.testing.assert_allclose(after[1], expected[1], rtol=1e-8, atol=1e-7)


def test_where_the_rest_is_large_dense_blocks_are_left_to_do_it() -> None:
    rng = np.random.default_rng(1)
    n = 3_000
    frame = pd.DataFrame({"y": rng.integers(0, 2, n).astype(float)})
    frame["g"], frame["h"] = (
        rng.integers(0, 900, n).astype(str),
        rng.integers(0, 700, n).astype(str),
    )
    made = ms.GeneralizedLinearMixedModel("y ~ 1 + (1 | g) + (1 | h)", frame)
    assert type(made.laplace) is LaplaceObjective


def test_a_point_without_modes_is_refused() -> None:
    made = model(FAMILIES[3], DESIGNS[0], 2)
    point = np.array(made.laplace.start)
    point[2] = 1e300
    with pytest.raises(EvaluationError):
        made.objective(point)
    point[2] = np.nan
    with pytest.raises(EvaluationError):
        made.objective(point)
    assert np.isfinite(made.objective(made.laplace.start))
