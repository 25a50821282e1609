"""Steps: kernels that other kernels call by address."""

from __future__ import annotations

import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from mixedscope import LinearMixedModel
from mixedscope.engine import blocked
from mixedscope.engine.compile.compiled import kernel
from mixedscope.engine.compile.step import Step
from mixedscope.engine.kernels import steps
from mixedscope.engine.linking import steps_of_single, steps_of_whole

half = Step(1, "float64", "float64[::1]", "int64")
call = half.call


@kernel
def first(x: Any, n: int) -> float:
    return float(x[0] * n)


@kernel
def last(x: Any, n: int) -> float:
    if n < 0:
        raise ValueError("negative")
    return float(x[-1] * n)


@kernel
def caller(addresses: Any, x: Any, n: int) -> float:
    return float(call(addresses, x, n) + 0.5)


def numbers_of(function: Any, *, linked: bool) -> np.ndarray:
    numbers = np.zeros(2, dtype=np.int64)
    half.put(numbers, function)
    if linked:
        half.link(numbers)
    return numbers


def run(is_compiled: bool) -> Any:
    return caller.compiled if is_compiled else caller.interpreted  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_compiled", [False, True])
def test_who_fills_in_the_number_says_what_is_called(is_compiled: bool) -> None:
    x = np.array([2.0, 3.0])
    numbers = numbers_of(first, linked=is_compiled)
    assert run(is_compiled)(numbers, x, 4) == 8.5
    assert numbers[0] == 0
    assert run(is_compiled)(numbers_of(last, linked=is_compiled), x, 4) == 12.5


@pytest.mark.parametrize("is_compiled", [False, True])
def test_errors_come_through(is_compiled: bool) -> None:
    numbers = numbers_of(last, linked=is_compiled)
    with pytest.raises(ValueError, match="negative"):
        run(is_compiled)(numbers, np.ones(1), -1)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_no_number_is_an_error(is_compiled: bool) -> None:
    with pytest.raises(RuntimeError, match="not linked"):
        run(is_compiled)(np.zeros(2, dtype=np.int64), np.ones(1), 1)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_numbers_of_the_other_way_are_an_error(is_compiled: bool) -> None:
    """Compiled code calls no address that is none, nor does Python take one."""
    with pytest.raises(RuntimeError, match="not linked"):
        run(is_compiled)(numbers_of(first, linked=not is_compiled), np.ones(1), 1)


def test_other_types_do_not_compile() -> None:
    with pytest.raises(TypingError):
        run(True)(np.zeros(2, dtype=np.int64), np.ones((2, 2)), 1)


def test_a_function_has_one_address() -> None:
    one, other = numbers_of(first, linked=True), numbers_of(first, linked=True)
    assert one[1] == other[1] > 0


def linked(row: np.ndarray) -> set[str]:
    named = {name: step for name, step in vars(steps).items() if isinstance(step, Step)}
    assert len(named) == steps.STEPS == len(row)
    return {name for name, step in named.items() if row[step._place]}


def test_only_what_the_data_lead_to_is_named() -> None:
    single = linked(steps_of_single(2, reml=False))
    assert single == {"level_factors", "eliminate_head", "back_solve", "derivative_tier"}
    assert linked(steps_of_single(2, reml=True)) - single == {"fixed_forms"}
    (crossed,) = steps_of_whole([1], [12], 3, reml=False)
    assert not {n for n in linked(crossed) if "parent" in n or n in {"head_forms", "invert_tier"}}
    inner, outer = steps_of_whole([1, 1], [0, 0], 0, reml=False)
    assert {"eliminate_parent_narrow", "parent_forms_narrow"} <= linked(inner)
    assert "invert_tier" in linked(outer) - linked(inner)
    assert not {"eliminate_parent", "parent_forms", "eliminate_sparse"} & linked(inner)


# Columns of the inner and of the outer factor: the steps for few columns meet those for many.
@pytest.mark.parametrize("inner", ["1", "x", "x + z"])
@pytest.mark.parametrize("outer", ["1", "x", "x + z"])
@pytest.mark.parametrize("reml", [False, True])
def test_every_width_finds_its_steps(inner: str, outer: str, reml: bool) -> None:
    """Gradients by kernels are those by differences, whatever lies within what."""
    rng = np.random.default_rng(1)
    n = 240
    g, h = np.arange(n) // 24, np.arange(n) // 6
    data: dict[str, Any] = {"g": g, "h": h, "x": rng.normal(size=n), "z": rng.normal(size=n)}
    data["item"] = np.arange(n) % 5
    data["y"] = rng.normal(size=n) + rng.normal(size=10)[g] + rng.normal(size=40)[h]
    for crossed in ("", " + (1 | item)"):
        formula = f"y ~ x + z + ({inner} | h) + ({outer} | g){crossed}"
        objective = LinearMixedModel(formula, data).profiled(reml=reml)
        theta = objective.start + 0.1
        _, slope = objective.evaluate_gradient(theta)
        for i in range(len(theta)):
            step = np.zeros(len(theta))
            step[i] = 1e-5
            above = objective.evaluate(theta + step).objective
            below = objective.evaluate(theta - step).objective
            assert slope[i] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-4)


_FORMULAS = ["y ~ x + (1 + x | g)", "y ~ x + (1 + x | g) + (1 | h)", "y ~ x + (1 | g) + (x | g:h)"]


def _for_copies() -> dict[str, Any]:
    rng = np.random.default_rng(8)
    g, h = np.arange(120) % 12, np.arange(120) // 12 % 5
    y = rng.normal(size=120) + rng.normal(size=12)[g] + rng.normal(size=5)[h]
    return {"y": y, "x": rng.normal(size=120), "g": g, "h": h}


@pytest.mark.parametrize("formula", _FORMULAS)
@pytest.mark.parametrize("copied", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_model_that_was_fitted_fit_like_it(formula: str, copied: Any) -> None:
    """Arrays that share memory in a system share it in a copy, whose results are the same."""
    data = _for_copies()
    model = LinearMixedModel(formula, data)
    model.fit()
    fit, again = model.fit(reml=True), copied(model).fit(reml=True)
    np.testing.assert_array_equal(again.fitted(), fit.fitted())
    old = fit.refit(np.sin(data["y"]))
    np.testing.assert_array_equal(copied(fit).refit(np.sin(data["y"])).fitted(), old.fitted())


def test_copies_of_an_objective_follow_theta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where models are not worked on as a whole: the factors are views in a copy too."""
    monkeypatch.setattr(blocked, "WHOLE", 0)
    model = LinearMixedModel(_FORMULAS[1], _for_copies())
    model.fit()
    objective = model.profiled(reml=False)
    other = deepcopy(objective)
    for theta in (objective.start, objective.start + 0.3):
        assert other.evaluate(theta).objective == objective.evaluate(theta).objective


def test_another_process_fits_a_model_that_was_fitted_here(tmp_path: Path) -> None:
    """Addresses of code hold in one process only."""
    fitted = {formula: LinearMixedModel(formula, _for_copies()) for formula in _FORMULAS}
    values = {formula: model.fit().objective for formula, model in fitted.items()}
    (tmp_path / "models").write_bytes(pickle.dumps(fitted))
    code = (
        "import pickle, sys; fitted = pickle.load(open(sys.argv[1], 'rb')); "
        "print(*[repr(model.fit().objective) for model in fitted.values()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "models")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        [float(value) for value in done.stdout.split()], list(values.values()), rtol=1e-9
    )
