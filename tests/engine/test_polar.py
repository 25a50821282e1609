"""Compiled searches in polar coordinates give what evaluations from Python give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem
from mixedscope.inference.profiles.constrained import minimize
from mixedscope.inference.profiles.space import Space

NONE, NOTHING = np.empty(0, dtype=np.int64), np.empty((0, 0))


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g, h = np.repeat(np.arange(8), 6), np.tile(np.arange(6), 8)
    x = rng.normal(size=48)
    y = 20.0 + rng.normal(size=8)[g] * (1.0 + x) + rng.normal(size=6)[h] + rng.normal(size=48)
    return pd.DataFrame(
        {"y": y, "x": x, "z": rng.normal(size=48), "w": rng.uniform(0.3, 3.0, size=48), "g": g,
         "h": h, "outer": g // 2}
    )  # fmt: skip


FRAME = _frame()
MODELS = {
    "intercepts": "y ~ 1 + x + (1 | g)",
    "slopes": "y ~ 1 + x + (1 + x | g)",
    "three columns": "y ~ 1 + x + (1 + x + z | g)",
    "zerocorr beside": "y ~ 1 + x + zerocorr(1 + x | g) + (1 | h)",
    "crossed": "y ~ 1 + x + (1 + x | g) + (1 + z | h)",
    "nested": "y ~ 1 + x + (1 | outer) + (1 + x | g)",
    "reduced rank": "y ~ 1 + x + rr(1 + x + z | g, d=1) + (1 | h)",
    "rank two": "y ~ 1 + x + rr(1 + x + z | g, d=2)",
}


def _objective(name: str, *, reml: bool = False, weights: str | None = None) -> SearchableObjective:
    return ms.LinearMixedModel(MODELS[name], FRAME, weights=weights).profiled(reml=reml)


def _places(space: Space, number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    x = rng.uniform(-1.5, 1.5, size=space.size)
    x[0] = rng.uniform(-0.5, 0.5)
    return x


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_a_compiled_evaluation_is_that_from_python(
    name: str, reml: bool, weights: str | None
) -> None:
    space = Space(_objective(name, reml=reml, weights=weights))
    assert space.searcher is not None
    for number in range(4):
        x = _places(space, number)
        end = space.searcher.search(x, NONE, NOTHING, 0.0)
        assert end is not None
        searcher, space.searcher = space.searcher, None
        point = space.evaluate(x)
        space.searcher = searcher
        assert end.value == pytest.approx(point.value, rel=1e-12)
        np.testing.assert_allclose(end.theta, point.theta, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(end.slope, point.slope, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(end.fixed_effects(), point.fixed_effects(), rtol=1e-9)
        system = space.objective.system
        system.solve(space.objective.factors(point.theta))
        information = np.linalg.inv(system.beta_covariance(1.0))
        assert end.log_det_fixed == pytest.approx(np.linalg.slogdet(information)[1], abs=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_a_compiled_search_ends_where_one_from_python_does(name: str) -> None:
    space = Space(_objective(name))
    start = space.coordinates(np.array(_objective(name).start), 1.0)
    for held in (0, 1, space.size - 1):
        free = np.setdiff1d(np.arange(space.size), [held])
        found = minimize(space, start, free, 0.05 * np.eye(len(free)))
        searcher, space.searcher = space.searcher, None
        again = minimize(space, start, free, 0.05 * np.eye(len(free)))
        space.searcher = searcher
        assert found.point.value == pytest.approx(again.point.value, abs=1e-6)
        assert found.point.x[held] == start[held]


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("columns", [[0], [1], [2], [2, 0], [0, 1, 2]])
@pytest.mark.parametrize("random", ["(1 + x | g)", "(1 + x | g) + (1 + z | h)", "(1 | outer/g)"])
def test_fixed_effects_are_held_without_forming_products_anew(
    random: str, columns: list[int], weights: str | None
) -> None:
    # The dates lie far from zero: hardly to be told from the intercept.
    frame = FRAME.assign(date=2020.0 + FRAME["z"])
    model = ms.LinearMixedModel(f"y ~ 1 + x + date + {random}", frame, weights=weights)
    objective = model.profiled(reml=False)
    design = objective.system.design
    space = Space(objective)
    assert space.searcher is not None
    plain = space.evaluate(x := _places(space, 1)).value
    searcher = space.searcher.without(columns)
    assert searcher is not None
    rest = [c for c in range(3) if c not in columns]
    for values in ([0.1, -0.2, 0.3], [-30.0, 4.0, 8.0]):
        held = np.array(values)[: len(columns)]
        searcher.hold(held)
        other = replace(
            design, X=np.ascontiguousarray(design.X[:, rest]),
            x_names=tuple(design.x_names[c] for c in rest),
            y=design.y - design.X[:, columns] @ held,
        )  # fmt: skip
        moved = Space(SearchableObjective(ProfiledSystem(other)))
        own = searcher.search(x, NONE, NOTHING, 0.0)
        expected = moved.evaluate(x)
        assert own is not None
        assert own.value == pytest.approx(expected.value, rel=1e-10)
        assert own.log_det_fixed == pytest.approx(expected.log_det_fixed, abs=1e-8)
        np.testing.assert_allclose(own.slope, expected.slope, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(own.fixed_effects(), expected.fixed_effects(), rtol=1e-8)
    # What was handed in has not changed.
    assert space.evaluate(x).value == plain


@pytest.mark.parametrize("formula", ["y ~ 1 + x + cs(1 + x | g)", "y ~ 1 + x + homdiag(1 + x | g)"])
def test_structures_of_other_parameters_are_searched_from_python(formula: str) -> None:
    assert Space(ms.LinearMixedModel(formula, FRAME).profiled(reml=False)).searcher is None
