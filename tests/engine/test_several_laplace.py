"""Generalised models with several grouping factors are, compiled, what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from laplace_cases import (
    FAMILIES,
    Case,
    add_responses,
    assert_bits_agree,
    assert_ends_agree,
    assert_points_agree,
    assert_trace_is_whole,
    model,
    near,
)

import mixedscope as ms
from mixedscope.core.errors import EvaluationError
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.several import SeveralLaplace

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
    return add_responses(frame, eta, rng)


def several(case: Case, random: str, seed: int, *, sd: float = 0.6, n: int = 90) -> Any:
    return model(simulated(seed, sd, n), case, random)


@pytest.mark.parametrize("random", DESIGNS)
@pytest.mark.parametrize("case", FAMILIES)
def test_values_and_slopes_are_those_of_steps_by_themselves(case: Case, random: str) -> None:
    made = several(case, random, 3)
    assert type(made.laplace) is SeveralLaplace
    assert_points_agree(made, LaplaceObjective(made.system))


@pytest.mark.parametrize("random", DESIGNS)
@pytest.mark.parametrize("case", [FAMILIES[i] for i in (0, 1, 3, 8)])
def test_the_information_is_that_of_steps_by_themselves(case: Case, random: str) -> None:
    made = several(case, random, 5)
    point = near(made, 1.0, np.random.default_rng(2))
    plain = LaplaceObjective(made.system).initial_hessian(point)
    found = made.laplace.information(point)
    turned = made.laplace.coordinates.T @ found @ made.laplace.coordinates
    np.testing.assert_allclose(turned, plain, rtol=1e-9, atol=1e-9 * np.abs(plain).max())


@pytest.mark.parametrize("random", DESIGNS[::2])
@pytest.mark.parametrize("case", [FAMILIES[i] for i in (0, 1, 5, 7, 9, 11)])
def test_python_and_compiled_code_give_the_same_bits(
    case: Case, random: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_bits_agree(monkeypatch, lambda: several(case, random, 8, n=40))


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in range(2, 20))]
)
@pytest.mark.parametrize("random", DESIGNS[:4])
@pytest.mark.parametrize("case", FAMILIES[0:9:4])
def test_searches_end_where_steps_by_themselves_do(case: Case, random: str, seed: int) -> None:
    made = several(case, random, seed, sd=(0.0, 0.3, 1.0)[seed % 3])
    assert_ends_agree(made, LaplaceObjective(made.system))


def test_a_trace_has_all_that_was_evaluated() -> None:
    assert_trace_is_whole(several(FAMILIES[0], DESIGNS[3], 2).fit())


def test_models_of_other_responses_do_not_disturb_each_other() -> None:
    """They may share what does not change, but not where modes were found."""
    one = several(FAMILIES[0], DESIGNS[0], 2)
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
    made = several(FAMILIES[3], DESIGNS[0], 2)
    point = np.array(made.laplace.start)
    point[2] = 1e300
    with pytest.raises(EvaluationError):
        made.objective(point)
    point[2] = np.nan
    with pytest.raises(EvaluationError):
        made.objective(point)
    assert np.isfinite(made.objective(made.laplace.start))
