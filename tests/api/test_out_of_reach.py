"""Theta out of reach, equal models, one of a kind: what is said, and that it is ours."""

from __future__ import annotations

import pytest
from bad_input import build, frame, message_of

import mixedscope as ms
from mixedscope.core.errors import MixedscopeError, ModelError, OptimizerError
from mixedscope.core.wording import counted

HUGE = [[1e200, 0.0, 1e200], [1e150, 0.0, 1e160], [1e100, 1e100, 1e100], [1e20, 0.0, 1e20]]


@pytest.mark.parametrize("theta", HUGE, ids=str)
def test_an_objective_that_cannot_be_computed_says_where(theta: list[float]) -> None:
    model = build()
    for call in (model.evaluate, model.objective, model.objective_gradient, model.fit().evaluate):
        said = message_of(ms.errors.EvaluationError, lambda call=call: call(theta))  # type: ignore[misc]
        assert f"theta = {theta}" in said
    # As it was before there was an error of our own.
    with pytest.raises(FloatingPointError):
        model.objective(theta)


@pytest.mark.parametrize("theta", HUGE, ids=str)
@pytest.mark.parametrize("optimizer", ["auto", "bfgs", "pybobyqa", "scipy-lbfgsb", "nlopt-bobyqa"])
def test_a_start_out_of_reach_is_told(optimizer: str, theta: list[float]) -> None:
    said = message_of(OptimizerError, lambda: build().fit(optimizer, start=theta))
    assert "could not be evaluated at any" in said
    assert str(theta) in said


def test_models_that_are_equal_have_one_hash() -> None:
    contrasts = {"g": {"levels": ["a", "b"], "contrast": "sum"}}
    spec = ms.LinearMixedModel("y ~ x + (1 | g)", frame()).specification()
    again = ms.LinearMixedModel("y ~ x + (1 | g)", frame()).specification()
    assert spec == again
    assert hash(spec) == hash(again)
    other = type(spec)(spec.formula, contrasts=contrasts)
    assert len({spec, again, other}) == 2


def test_a_ladder_of_something_else_says_what_it_is_made_of() -> None:
    for thing in (3, None, frame()):
        said = message_of(ModelError, lambda thing=thing: ms.ladder(thing, frame()))  # type: ignore[misc]
        assert "a list of fits" in said


def test_errors_are_all_that_their_module_lists() -> None:
    listed = [getattr(ms.errors, name) for name in dir(ms.errors)]
    assert MixedscopeError in listed
    assert all(isinstance(error, type) and issubclass(error, Exception) for error in listed)


def test_one_of_a_kind_is_singular() -> None:
    assert (counted(0, "row"), counted(1, "row"), counted(2000, "row")) == (
        *("0 rows", "1 row", "2,000 rows"),
    )
    fit = build(frame().assign(x=lambda d: d["x"].mask(d.index == 3))).fit(
        "pybobyqa", max_evaluations=1, polish=False
    )
    assert "1 evaluation;" in str(fit)
    assert "1 row with missing values was dropped." in str(fit)
