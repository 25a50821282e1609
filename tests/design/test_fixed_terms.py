"""Which columns of X belong to which term, and which terms contain others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mixedscope.design.design import build_design
from mixedscope.design.fixed_terms import FixedTerms

D = pd.DataFrame(
    {
        "y": np.arange(1.0, 25.0),
        "x": np.arange(1, 25) / 7.0,
        "z": np.sin(np.arange(1, 25)),
        "f": ["a", "b", "c"] * 8,
        "g": ["u"] * 12 + ["v"] * 12,
        "k": list("ppppqqqq") * 3,
    }
)


def fixed(right: str, **options: object) -> FixedTerms:
    return build_design(f"y ~ {right} + (1 | k)", D, **options).fixed  # type: ignore[arg-type]


# attr(model.matrix(~ …), "assign") and attr(terms(~ …), "term.labels"), R 4.2.2.
@pytest.mark.parametrize(
    ("right", "assign", "labels"),
    [
        ("f*g", [0, 1, 1, 2, 3, 3], "f g f:g"),
        ("0 + f*g", [1, 1, 1, 2, 3, 3], "f g f:g"),
        ("x + f:x + f:g", [0, 1, 2, 2, 3, 3, 3], "x x:f f:g"),
        ("f:g - 1", [1, 1, 1, 1, 1, 1], "f:g"),
        ("poly(x,2)*f + z", [0, 1, 1, 2, 2, 3, 4, 4, 4, 4], "poly(x, 2)|f|z|poly(x, 2):f"),
        ("x:f", [0, 1, 1, 1], "x:f"),
        ("0 + x + g:f:x", [1, 2, 2, 2, 2, 2, 2], "x x:g:f"),
        ("f + x + f:x + f:g:x", [0, 1, 1, 2, 3, 3, 4, 4, 4], "f x f:x f:x:g"),
    ],
)
def test_columns_are_assigned_to_terms_as_in_r(right: str, assign: list[int], labels: str) -> None:
    made = fixed(right)
    assert list(made.names) == labels.split("|" if "|" in labels else " ")
    first = 0 if made.terms[0].name == "(Intercept)" else 1
    columns = [number for number, term in enumerate(made.terms, first) for _ in term.columns]
    assert columns == assign
    assert [c for term in made.terms for c in term.columns] == list(range(len(assign)))


def test_variables_of_a_term_are_numeric_or_factors_with_contrasts_or_indicators() -> None:
    made = fixed("0 + f*poly(x, 2)", contrasts={"f": "sum"})
    both = made["f:poly(x, 2)"]
    assert made.factors(both) == {"f"}
    assert made.numbers(both) == {"poly(x, 2)"}
    assert made["f"].indicated == {"f"}
    assert both.indicated == frozenset()
    assert made.codings["f"].name == "sum"
    values = made.variables["poly(x, 2)"]
    assert isinstance(values, np.ndarray)
    assert values.shape == (24, 2)


def test_a_term_is_contained_in_those_with_more_factors_and_the_same_numbers() -> None:
    made = fixed("f*g*x")
    containing = {t.name: {c.name for c in made.containing(t)} for t in made.terms}
    assert containing["f"] == {"f:g"}
    assert containing["x"] == {"f:x", "g:x", "f:g:x"}
    assert containing["f:x"] == {"f:g:x"}
    assert containing["f:g"] == set()
    assert containing["(Intercept)"] == {"f", "g", "f:g"}
