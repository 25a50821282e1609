"""Generalised models with one grouping factor: compiled as a whole, they are what they were."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

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
)

from mixedscope.core.errors import EvaluationError, ModelError
from mixedscope.engine.generalized.compiled import by_columns
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.engine.generalized.linking import steps_of
from mixedscope.engine.generalized.quadrature import QuadratureObjective
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.engine.generalized.single_quadrature import SingleQuadrature
from mixedscope.engine.kernels import laplace_steps

#: Families that others are made like, and what else may be said of them.
CASES: list[Case] = [
    *FAMILIES,
    ("yes", "binomial", "logit", {"weights": "w"}),
    ("cbind(successes, trials - successes)", "binomial", "logit", {"weights": "w"}),
    ("count", "poisson", "log", {"weights": "w"}),
    ("over", "nbinom2", "log", {"offset": "o", "weights": "w"}),
]
RANDOM = ["(1 | g)", "(1 + x | g)", "(1 + x + z || g)"]
COUNTS = ("poisson", "nbinom2")


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
    return add_responses(frame, eta, rng)


def single(case: Case, random: str, seed: int, *, sd: float = 0.6, **more: Any) -> Any:
    return model(simulated(seed, sd), case, random, **more)


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("case", CASES)
def test_values_and_slopes_are_those_of_steps_by_themselves(case: Case, random: str) -> None:
    made = single(case, random, 3)
    assert type(made.laplace) is SingleLaplace
    assert_points_agree(made, LaplaceObjective(made.system))


@pytest.mark.parametrize(
    ("seed", "points"),
    [(3, 2), (4, 9), *(pytest.param(s, 3 + s, marks=pytest.mark.exhaustive) for s in range(5, 25))],
)
@pytest.mark.parametrize("case", CASES)
def test_quadrature_is_that_of_steps_by_themselves(case: Case, seed: int, points: int) -> None:
    made = single(case, ("(1 | g)", "(0 + x | g)")[seed % 2], seed, quadrature=points)
    assert type(made.laplace) is SingleQuadrature
    assert_points_agree(made, QuadratureObjective(made.system, points))


@pytest.mark.parametrize("random", RANDOM)
@pytest.mark.parametrize("case", [c for c in CASES if c[1] in COUNTS and c[2] == "log"])
def test_the_information_is_that_of_steps_by_themselves(case: Case, random: str) -> None:
    made = single(case, random, 5)
    point = 0.8 * made.laplace.start
    plain = LaplaceObjective(made.system).initial_hessian(point)
    found = made.laplace.information(point)
    turned = made.laplace.coordinates.T @ found @ made.laplace.coordinates
    # Each adds a little of its own to what no data tell.
    np.testing.assert_allclose(turned, plain, rtol=1e-3, atol=1e-3 * np.abs(plain).max())


@pytest.mark.parametrize(("random", "points"), [("(1 + x | g)", 1), ("(1 | g)", 5)])
@pytest.mark.parametrize("case", CASES)
def test_python_and_compiled_code_give_the_same_bits(
    case: Case, random: str, points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_bits_agree(monkeypatch, lambda: single(case, random, 8, quadrature=points))


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.exhaustive) for s in range(2, 40))]
)
@pytest.mark.parametrize(("random", "points"), [("(1 | g)", 1), ("(1 + x | g)", 1), ("(1 | g)", 6)])
@pytest.mark.parametrize("case", [FAMILIES[0], FAMILIES[3], FAMILIES[5]])
def test_searches_end_where_steps_by_themselves_do(
    case: Case, random: str, points: int, seed: int
) -> None:
    made = single(case, random, seed, sd=(0.0, 0.3, 1.0)[seed % 3], quadrature=points)
    plain = (
        LaplaceObjective(made.system) if points == 1 else QuadratureObjective(made.system, points)
    )
    assert_ends_agree(made, plain)


@pytest.mark.parametrize("points", [1, 4])
def test_a_trace_has_all_that_was_evaluated(points: int) -> None:
    fit = single(FAMILIES[0], "(1 | g)", 2, quadrature=points).fit()
    assert_trace_is_whole(fit)


@pytest.mark.parametrize("points", [1, 4])
def test_a_point_without_modes_is_refused(points: int) -> None:
    made = single(FAMILIES[3], "(1 | g)", 2, quadrature=points)
    point = np.array(made.laplace.start)
    point[1] = 1e300
    with pytest.raises(EvaluationError):
        made.objective(point)
    point[1] = np.nan
    with pytest.raises(EvaluationError):
        made.objective(point)
    assert np.isfinite(made.objective(made.laplace.start))


def test_quadrature_of_another_response_or_of_what_is_not_compiled_has_as_many_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = single(FAMILIES[0], "(1 | g)", 2, quadrature=4)
    response = made.system.response
    system = made.system.of_response(type(response)(1.0 - response.y))
    mirrored = np.array(made.laplace.start)
    mirrored[1:] *= -1.0
    expected = made.objective(made.laplace.start)
    for kind, is_compiled in ((SingleQuadrature, True), (QuadratureObjective, False)):
        monkeypatch.setattr(SingleQuadrature, "fits", Mock(return_value=is_compiled))
        other = made.laplace.like(system)
        assert type(other) is kind
        assert other.points == 4
        # Of the other answers everything has the other sign.
        assert other.evaluate(mirrored).objective == pytest.approx(expected, abs=1e-9)


def test_what_is_not_summed_over_nodes_compiles_nothing_for_it() -> None:
    place = laplace_steps.ALL.index(laplace_steps.nodes)
    for is_single in (True, False):
        numbers = steps_of("binomial", "logit", is_single=is_single, linked=False)
        assert numbers[place] == 0
    numbers = steps_of("binomial", "logit", is_single=True, linked=False, has_nodes=True)
    assert numbers[place] != 0


def test_more_nodes_than_can_be_summed_over_are_refused() -> None:
    with pytest.raises(ModelError, match="has 20,001 nodes; choose 300 points or fewer"):
        single(FAMILIES[0], "(1 | g)", 2, quadrature=20_001)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 33])
def test_a_row_is_brought_to_other_units_as_if_it_were_alone(size: int) -> None:
    rng = np.random.default_rng(size)
    rows = rng.standard_normal((40, size))
    # Entries of many sizes: in another order their sums would round otherwise.
    matrix = rng.standard_normal((size, size)) * 10.0 ** rng.uniform(-6.0, 6.0, (size, size))
    in_order = np.zeros_like(rows)
    for j in range(size):
        in_order += rows[:, j, None] * matrix[:, j]
    for given in (rows, np.asfortranarray(rows)):
        np.testing.assert_array_equal(by_columns(given, matrix), in_order)
        np.testing.assert_array_equal(by_columns(given, np.asfortranarray(matrix)), in_order)
    for row, whole in zip(rows, in_order, strict=True):
        np.testing.assert_array_equal(by_columns(row, matrix), whole)
