"""Safe expressions on columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixedscope.core.errors import DataError, FormulaError
from mixedscope.formula.algebra import FUNCTIONS
from mixedscope.formula.expressions import (
    EXPRESSION_FUNCTIONS,
    evaluate_condition,
    evaluate_expression,
    label_of,
)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": [1.0, 2.0, np.nan, 4.0],
            "n": [1, 2, 3, 4],
            "f": pd.Categorical(["a", "b", "a|b", None]),
            "s": ["10", "20", "x", "40"],
            "flag": [True, False, True, False],
            "my col": [4, 3, 2, 1],
        }
    )


def numbers(text: str, frame: pd.DataFrame) -> list[float]:
    return evaluate_expression(text, frame).data.tolist()


def test_arithmetic_has_the_usual_precedence(frame: pd.DataFrame) -> None:
    assert numbers("1 + 2 * n ^ 2 / 2 - -n", frame) == [3.0, 7.0, 13.0, 21.0]
    assert numbers("-n ^ 2", frame) == [-1.0, -4.0, -9.0, -16.0]
    assert numbers("2 ^ 3 ^ n // 1 % 7", frame)[0] == 1.0
    assert numbers("(n - 1) * `my col`", frame) == [0.0, 3.0, 4.0, 3.0]


def test_a_constant_fills_the_column(frame: pd.DataFrame) -> None:
    assert numbers("2 + 3", frame) == [5.0] * 4


def test_functions_look_at_the_whole_column(frame: pd.DataFrame) -> None:
    assert numbers("center(n)", frame) == [-1.5, -0.5, 0.5, 1.5]
    assert numbers("center(n, 1)", frame) == [0.0, 1.0, 2.0, 3.0]
    assert numbers("n / max(n) + abs2(n)", frame) == [1.25, 4.5, 9.75, 17.0]
    z = np.array(numbers("standardize(n)", frame))
    assert z.mean() == pytest.approx(0)
    assert z.std(ddof=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("n > 1 and n <= 3", [False, True, True, False]),
        ("not (n > 1) or n == 4", [True, False, False, True]),
        ("flag & n != 1", [False, False, True, False]),
        ("f in ['a', 'a|b']", [True, False, True, False]),
        ("n not in [1, 2]", [False, False, True, True]),
        ("f == 'a|b' | flag", [True, False, True, False]),
        ("s >= '20'", [False, True, True, True]),
        ("is_missing(x)", [False, False, True, False]),
        ("number(if_else(s == 'x', '0', s)) > 15", [False, True, False, True]),
        ("text(n) == '3'", [False, False, True, False]),
    ],
)
def test_conditions(text: str, kept: list[bool], frame: pd.DataFrame) -> None:
    assert evaluate_condition(text, frame).tolist() == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x != 1", [False, True, False, True]),
        ("not (x == 1)", [False, True, False, True]),
        ("x > 0 or n == 3", [True, True, True, True]),
        ("x > 0 and n == 3", [False, False, False, False]),
        ("not (x > 0 and n == 9)", [True, True, True, True]),
        ("f != 'a'", [False, True, True, False]),
        ("f not in ['a']", [False, True, True, False]),
    ],
)
def test_a_missing_value_is_never_a_reason_to_keep_a_row(
    text: str, kept: list[bool], frame: pd.DataFrame
) -> None:
    assert evaluate_condition(text, frame).tolist() == kept


def test_missing_inputs_give_missing_results(frame: pd.DataFrame) -> None:
    assert evaluate_expression("log(x)", frame).missing.tolist() == [False, False, True, False]


@pytest.mark.parametrize("text", ["log(n - 1)", "1 / (n - 2)", "sqrt(1 - n)"])
def test_an_undefined_result_names_its_row(text: str, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=r"row \d"):
        evaluate_expression(text, frame)


def test_an_unknown_column_is_named_with_its_neighbour(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="'flg' .* Did you mean 'flag'"):
        evaluate_condition("flg", frame)


def test_a_text_without_quotes_is_told_to_have_some(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="'ja' .* is not in the data. .* write it in quotes: 'ja'"):
        evaluate_condition("s == ja", frame)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("n >", 2, "Nothing follows '>'"),
        ("n == 'a'", 2, "text with a number"),
        ("f + 1", 0, "needs numbers"),
        ("1 < n < 3", 6, "cannot be chained"),
        ("n in 3", 5, "list in brackets"),
        ("n in [1, 'a']", 9, "mixes"),
        ("n and flag", 0, "true or false"),
        ("__import__('os')", 0, "never runs code"),
        ("n.__class__.mro()", 0, "never runs code"),
        ("poly(n, 2)", 0, "Unknown function"),
        ("log(n, 2, 3)", 0, "1 to 2 arguments"),
        ("n ? 1", 2, "Unexpected character"),
        ("number(s)", 0, "cannot read 'x' (row 3)"),
        ("if_else(flag, 1, 'a')", 0, "one kind"),
        ("n ~ 1", 2, "cannot be used"),
        ("s = 'x'", 2, "write '=='"),
        ("flag and n = 1", 11, "write '=='"),
        ("n; 1", 1, "Unexpected character"),
        ("", 0, "ends too early"),
    ],
)
def test_errors_point_at_the_character(
    text: str, position: int, words: str, frame: pd.DataFrame
) -> None:
    with pytest.raises(FormulaError) as caught:
        evaluate_expression(text, frame)
    assert words in caught.value.message
    assert caught.value.position == position


def test_a_filter_must_be_a_condition(frame: pd.DataFrame) -> None:
    with pytest.raises(FormulaError, match="must be a condition"):
        evaluate_condition("n + 1", frame)


def test_functions_of_formulas_that_give_one_column_are_functions_of_expressions() -> None:
    others = {"poly", "ns", "bs", "factor", "as.factor", "C", "fulldummy", "I", "offset"}
    assert set(FUNCTIONS) - set(EXPRESSION_FUNCTIONS) == others


@pytest.mark.parametrize(
    ("value", "label"), [(308.0, "308"), (1.5, "1.5"), (True, "TRUE"), ("a|b", "a|b"), (7, "7")]
)
def test_labels_read_as_in_r(value: object, label: str) -> None:
    assert label_of(value) == label
