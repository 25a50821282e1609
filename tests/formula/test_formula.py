"""The formula language: terms as R expands them, and errors that point at the character."""

from __future__ import annotations

import pickle

import pytest

from mixedscope.core.errors import FormulaError
from mixedscope.formula.parse import parse_formula
from mixedscope.formula.tree import UNNAMED, unparse


def terms(right: str) -> list[str]:
    return [term.name for term in parse_formula(f"y ~ {right}").fixed.terms]


def random(right: str) -> list[tuple[str, bool, list[str], str]]:
    return [
        (r.group, r.intercept, [t.name for t in r.terms], r.structure)
        for r in parse_formula(f"y ~ {right}").random
    ]


# Source of the labels: attr(terms(y ~ …), "term.labels") in R 4.2.2.
@pytest.mark.parametrize(
    ("right", "labels"),
    [
        ("a*b*c - a:b", ["a", "b", "c", "a:c", "b:c", "a:b:c"]),
        ("(a + b)/c", ["a", "b", "a:b:c"]),
        ("a/(b + c)", ["a", "a:b", "a:c"]),
        ("b:a + a + c*a", ["a", "c", "b:a", "a:c"]),
        ("(a + b + c)^3 - a:b:c", ["a", "b", "c", "a:b", "a:c", "b:c"]),
        ("(a + b*c)^2", ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("a*b + (c + d)^2 + b:c", ["a", "b", "c", "d", "a:b", "c:d", "b:c"]),
    ],
)
def test_fixed_terms_expand_and_order_as_in_r(right: str, labels: list[str]) -> None:
    assert terms(right) == labels


@pytest.mark.parametrize(
    ("right", "intercept"),
    [
        ("x", True),
        ("1 + x", True),
        ("0 + x", False),
        ("x - 1", False),
        ("-1 + x", False),
        ("0 + x + 1", True),
        ("x - 1 + 0", False),
        ("1", True),
        ("0", False),
    ],
)
def test_last_word_on_the_intercept_wins_as_in_r(right: str, intercept: bool) -> None:
    assert parse_formula(f"y ~ {right}").fixed.intercept is intercept


def test_ampersand_is_a_colon_and_two_stars_are_a_power() -> None:
    assert terms("a&b") == terms("a:b")
    assert terms("(a + b)**2") == terms("(a + b)^2")


@pytest.mark.parametrize(
    "name",
    ["log(x)", "poly(x, 2)", "I(x^2/2)", "I(x > 3)", "I((a + b) * c)", "`my column`", "log(x, 2)"],
)
def test_terms_are_named_as_r_deparses_them(name: str) -> None:
    assert terms(name) == [name]


def test_spaces_do_not_change_a_formula() -> None:
    tight = parse_formula("y~1+log( x )*a+(1+x||g)")
    loose = parse_formula(" y  ~ 1 + log(x) * a\n + ( 1 + x || g ) ")
    assert [t.name for t in tight.fixed.terms] == [t.name for t in loose.fixed.terms]
    assert tight.groups == loose.groups


def test_nested_groups_expand_from_the_outside_in() -> None:
    assert [r[0] for r in random("(1 | a/b/c)")] == ["a", "a:b", "a:b:c"]


def test_crossed_groups_expand_to_both_and_their_interaction() -> None:
    assert [r[0] for r in random("(1 | a*b)")] == ["a", "b", "a:b"]


def test_interaction_groups_accept_both_signs() -> None:
    assert [r[0] for r in random("(1 | a:b) + (1 | c&d)")] == ["a:b", "c:d"]


def test_random_terms_follow_the_intercept_rules() -> None:
    assert random("(x | g) + (0 + x | h) + (x - 1 | i)") == [
        ("g", True, ["x"], "full"),
        ("h", False, ["x"], "full"),
        ("i", False, ["x"], "full"),
    ]


def test_two_bars_and_zerocorr_are_the_same_structure() -> None:
    assert random("(1 + x || g)") == random("zerocorr(1 + x | g)")


def test_a_setting_may_be_written_without_a_name_or_as_a_truth_value() -> None:
    assert dict(parse_formula("y ~ rr(1 + x | g, 2)").random[0].settings) == {UNNAMED: 2.0}
    assert dict(parse_formula("y ~ cs(1 + x | g, hom = TRUE)").random[0].settings) == {"hom": 1.0}


def test_a_wrapper_keeps_its_name_and_settings() -> None:
    (term,) = parse_formula("y ~ x + rr(1 + x | g, k = 2)").random
    assert (term.structure, dict(term.settings)) == ("rr", {"k": 2.0})


def test_groups_are_amalgamated_at_their_first_appearance() -> None:
    formula = parse_formula("y ~ (1 | g) + (1 | h) + (0 + x | g) + (1 | a:b) + (0 + x | b:a)")
    assert formula.groups == ("g", "h", "a:b")


def test_variables_are_all_columns_in_order_of_appearance() -> None:
    formula = parse_formula("log(y) ~ x*poly(z, 2) + (1 + w | a/b)")
    assert formula.variables == ("y", "x", "z", "w", "a", "b")


def test_random_terms_may_stand_in_one_more_pair_of_parentheses() -> None:
    assert random("(x + ((1 | g)))")[0][0] == "g"


def test_backticks_name_unusual_columns() -> None:
    formula = parse_formula("`a|b` ~ `1 x` + (1 | `<script>alert(1)</script>`)")
    assert formula.variables == ("a|b", "1 x", "<script>alert(1)</script>")


def test_a_formula_survives_pickling() -> None:
    formula = parse_formula("y ~ x + (1 | g)")
    assert pickle.loads(pickle.dumps(formula)).groups == ("g",)


def test_an_error_survives_pickling() -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula("y ~ (x")
    assert pickle.loads(pickle.dumps(caught.value)).position == 4


def test_a_formula_of_a_thousand_terms_is_read() -> None:
    assert len(terms(" + ".join(f"x{i}" for i in range(1000)))) == 1000


# text, the character pointed at, words of the message
BAD = [
    ("", 0, "is empty"),
    ("y + x", 5, "No '~'"),
    ("y ~ x ~ z", 6, "second '~'"),
    ("~ x + (1 | g)", 0, "response is missing"),
    ("y ~", 2, "Nothing follows '~'"),
    ("y ~ (x + z", 4, "never closed"),
    ("y ~ x + z)", 9, "closes nothing"),
    ("y ~ ()", 4, "parentheses are empty"),
    ("y ~ x | g", 6, "needs parentheses"),
    ("y ~ (1 | )", 7, "No grouping factor"),
    ("y ~ (| g)", 5, "Nothing before '|'"),
    ("y ~ lgo(x)", 4, "Did you mean 'log'"),
    ("y ~ x $ z", 6, "Unexpected character '$'"),
    ("y ~ x +", 6, "Nothing follows '+'"),
    ("y ~ a + * b", 8, "'*' needs a term before it"),
    ("y ~ ((1 | g) | h)", 8, "cannot stand inside another"),
    ("y ~ (1 | g | h)", 7, "cannot stand inside another"),
    ("(1 | g) ~ x", 0, "response cannot be a random-effects term"),
    ("y:z ~ x", 1, "cannot be used here in a response"),
    ("3 ~ x", 0, "must be a column or made of columns"),
    ("offset(y) ~ x", 0, "stands behind '~'"),
    ("y ~ x:offset(z)", 6, "can only be added"),
    ("y ~ x - offset(z)", 8, "can only be added"),
    ("y ~ (offset(z) | g)", 5, "can only be added"),
    ("y ~ offset(3)", 11, "needs a column"),
    ("y ~ offset(a, b)", 4, "takes one argument"),
    ("y ~ (a + b)^1.5", 12, "whole number"),
    ("y ~ x^x", 6, "whole number"),
    ("y ~ a b", 6, "operator is missing before 'b'"),
    ("y ~ 2 * x", 4, "Only 0 and 1"),
    ("y ~ (1 | g):x", 7, "only be added"),
    ("y ~ x - (1 | g)", 8, "only be added"),
    ("y ~ (0 | g)", 5, "Nothing varies"),
    ("y ~ (1 | a + b)", 11, "cannot be added"),
    ("y ~ (1 | log(a))", 9, "grouping factor must be a column"),
    ("y ~ log(1 | g)", 10, "cannot stand inside log()"),
    ("y ~ log()", 4, "needs something between"),
    ("y ~ 'a'", 4, "goes in backticks"),
    ("y ~ `abc", 4, "never closed"),
    ("y ~ a:(0 + b)", 6, "only be removed in a sum"),
    ("y ~ a - b", 8, "no term 'b'"),
    ("y ~ y + x", 4, "cannot explain itself"),
    ("(y ~ x)", 3, "inside parentheses"),
    ("y ~ zerocorr(1 + x || g)", 19, "cannot be used inside zerocorr"),
    ("y ~ rr(1 | g, 2, 3)", 14, "takes one setting at most"),
    ("y ~ rr(1 | g, 2, d = 3)", 14, "takes one setting at most"),
    ("y ~ rr(1 | g, x)", 14, "must be a number"),
    ("y ~ rr(1 | g, k = x)", 18, "must be a number"),
    ("y ~ x %% 2", 6, "'%' cannot be used"),
    ("y ~ " + "(" * 500, 64, "Nested too deeply"),
    ("y ~ (" + " + ".join(f"a{i}" for i in range(30)) + ")^9", 5, "more than 2000 terms"),
]


@pytest.mark.parametrize(("text", "position", "words"), BAD, ids=[words for _, _, words in BAD])
def test_syntax_errors_say_what_and_point_where(text: str, position: int, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert words in caught.value.message
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("y ~ __import__('os').system('x')", 4),
        ("y ~ eval(x)", 4),
        ("y ~ log(open('x'))", 8),
        ("y ~ x.__class__()", 4),
        ("__import__('os') ~ x", 0),
        ("y ~ (1 | exec('x'))", 9),
        ("y ~ I(lambda: 0)", 12),
    ],
)
def test_a_formula_is_data_and_never_runs_code(
    text: str, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("code was run")

    monkeypatch.setattr("os.system", refuse)
    monkeypatch.setattr("builtins.eval", refuse)
    monkeypatch.setattr("builtins.exec", refuse)
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "y ~ " + "*".join(f"x{i}" for i in range(1500)),
        "y ~ " + ":".join(f"x{i}" for i in range(1500)),
        "y ~ I(" + "+".join(["x"] * 1500) + ")",
        "y ~ " + "-" * 1500 + "x",
        "y ~ " + "^".join(["x"] * 1500),
        "y ~ (1 | " + ":".join(f"g{i}" for i in range(1500)) + ")",
    ],
)
def test_towers_of_operations_are_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="simplify|Nested|whole number|more than 2000"):
        parse_formula(text)


def test_long_sums_are_read_inside_terms_too() -> None:
    long = " + ".join(f"x{i}" for i in range(1200))
    assert len(random(f"({long} | g)")[0][2]) == 1200


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(FormulaError, match="must be text, not int"):
        parse_formula(3)  # type: ignore[arg-type]


def test_a_text_read_before_is_not_read_again() -> None:
    first = parse_formula("y ~ once + (1 | g)")
    assert parse_formula("y ~ once " + "+ (1 | g)") is first
    for _ in range(2):
        with pytest.raises(FormulaError, match="Nothing follows"):
            parse_formula("y ~ once +")


def test_offsets_are_found_wherever_they_are_added() -> None:
    formula = parse_formula("y ~ a + offset(log(t)) + (b + offset(2*w) + (1 | g))")
    assert [term.name for term in formula.fixed.terms] == ["a", "b"]
    assert [unparse(node) for node in formula.offsets] == ["log(t)", "2 * w"]
    assert formula.variables == ("y", "a", "b", "t", "w", "g")


@pytest.mark.parametrize(
    ("left", "name", "columns"),
    [("1000/y", "1000/y", ("y",)), ("a - b", "a - b", ("a", "b")), ("-y^2", "-y^2", ("y",))],
)
def test_a_response_is_arithmetic_with_columns(left: str, name: str, columns: tuple) -> None:
    formula = parse_formula(f"{left} ~ x")
    assert unparse(formula.response) == name
    assert formula.variables == (*columns, "x")


def test_groups_are_categories_with_or_without_factor() -> None:
    formula = parse_formula("y ~ 1 + (1 | factor(a)) + (1 | as.factor(b)/c)")
    assert formula.groups == ("a", "b", "b:c")
    with pytest.raises(FormulaError, match="must be a column"):
        parse_formula("y ~ 1 + (1 | factor(a > 1))")
