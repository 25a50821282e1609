"""Design matrices: names and values of R's model.matrix, and the random effects of lme4."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedscope.core.errors import DataError, FormulaError, MixedscopeError, ModelError
from mixedscope.design.design import Design, build_design

# The data of the comparison with R: the same lines define `d` there, with f, g factors.
D = pd.DataFrame(
    {
        "x": [1, 2, 3, 5, 8, 13, 4, 7],
        "z": [0.5, 1, -1, 2, 0, 3, 1, -2],
        "f": list("abcabcab"),
        "g": list("uvuvuvvu"),
        "flag": [True, False, True, True, False, False, True, False],
        "y": range(1, 9),
        "k": list("ppppqqqq"),
    }
)

# model.matrix(~ …, d)[c(2, 6), ] and its column names, R 4.2.2.
R_MATRICES: list[tuple[str, str, list[float]]] = [
    ("f*g", "(Intercept)|fb|fc|gv|fb:gv|fc:gv", [1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1]),
    ("0+f*g", "fa|fb|fc|gv|fb:gv|fc:gv", [0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 1]),
    (
        "f:g",
        "(Intercept)|fa:gu|fb:gu|fc:gu|fa:gv|fb:gv|fc:gv",
        [1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1],
    ),
    (
        "0+x+f:g",
        "x|fa:gu|fb:gu|fc:gu|fa:gv|fb:gv|fc:gv",
        [2, 0, 0, 0, 0, 1, 0, 13, 0, 0, 0, 0, 0, 1],
    ),
    ("x+x:f", "(Intercept)|x|x:fb|x:fc", [1, 2, 2, 0, 1, 13, 0, 13]),
    ("0+x:f", "x:fa|x:fb|x:fc", [0, 2, 0, 0, 0, 13]),
    ("f/x", "(Intercept)|fb|fc|fa:x|fb:x|fc:x", [1, 1, 0, 0, 2, 0, 1, 0, 1, 0, 0, 13]),
    ("f/g", "(Intercept)|fb|fc|fa:gv|fb:gv|fc:gv", [1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1]),
    ("f:x+g", "(Intercept)|gv|fa:x|fb:x|fc:x", [1, 1, 0, 2, 0, 1, 1, 0, 0, 13]),
    ("g:f+f", "(Intercept)|fb|fc|gv:fa|gv:fb|gv:fc", [1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1]),
    ("0+g+f", "gu|gv|fb|fc", [0, 1, 1, 0, 0, 1, 0, 1]),
    (
        "(f+g+x)^2-f:g",
        "(Intercept)|fb|fc|gv|x|fb:x|fc:x|gv:x",
        [1, 1, 0, 1, 2, 2, 0, 2, 1, 0, 1, 1, 13, 0, 13, 13],
    ),
    (
        "flag*f",
        "(Intercept)|flagTRUE|fb|fc|flagTRUE:fb|flagTRUE:fc",
        [1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0],
    ),
    (
        "poly(x, 2)*f",
        "(Intercept)|poly(x, 2)1|poly(x, 2)2|fb|fc|poly(x, 2)1:fb|poly(x, 2)2:fb|"
        "poly(x, 2)1:fc|poly(x, 2)2:fc",
        [1, -0.3280024333, 0.2181549700, 1, 0, -0.3280024333, 0.2181549700, 0, 0]
        + [1, 0.7410425344, 0.5411921371, 0, 1, 0, 0, 0.7410425344, 0.5411921371],
    ),
    ("I(x > 3)+I(x^2/2)", "(Intercept)|I(x > 3)TRUE|I(x^2/2)", [1, 0, 2, 1, 1, 84.5]),
    (
        "log(x)+sqrt(x):z",
        "(Intercept)|log(x)|sqrt(x):z",
        [1, 0.6931471806, 1.4142135624, 1, 2.5649493575, 10.8166538264],
    ),
    (
        "x*z*f",
        "(Intercept)|x|z|fb|fc|x:z|x:fb|x:fc|z:fb|z:fc|x:z:fb|x:z:fc",
        [1, 2, 1, 1, 0, 2, 2, 0, 1, 0, 2, 0, 1, 13, 3, 0, 1, 39, 0, 13, 0, 3, 0, 39],
    ),
    (
        "g+f:g:x",
        "(Intercept)|gv|gu:fa:x|gv:fa:x|gu:fb:x|gv:fb:x|gu:fc:x|gv:fc:x",
        [1, 1, 0, 0, 0, 2, 0, 0, 1, 1, 0, 0, 0, 0, 0, 13],
    ),
]


def design(right: str, data: Any = D, **options: Any) -> Design:
    return build_design(f"y ~ {right} + (1 | k)", data, **options)


@pytest.mark.parametrize(("right", "names", "values"), R_MATRICES)
def test_fixed_columns_are_those_of_model_matrix(
    right: str, names: str, values: list[float]
) -> None:
    made = design(right)
    assert "|".join(made.x_names) == names
    assert made.X[[1, 5]].ravel() == pytest.approx(values, abs=1e-9)


# The same with contrasts.arg.
@pytest.mark.parametrize(
    ("right", "contrast", "names", "values"),
    [
        (
            "f*g",
            "sum",
            "(Intercept)|f1|f2|gv|f1:gv|f2:gv",
            [1, 0, 1, 1, 0, 1, 1, -1, -1, 1, -1, -1],
        ),
        (
            "f*g",
            "helmert",
            "(Intercept)|f1|f2|gv|f1:gv|f2:gv",
            [1, 1, -1, 1, 1, -1, 1, 0, 2, 1, 0, 2],
        ),
        (
            "f",
            "sequential-difference",
            "(Intercept)|fb-a|fc-b",
            [1, 1 / 3, -1 / 3, 1, 1 / 3, 2 / 3],
        ),
        ("0+f", "sum", "fa|fb|fc", [0, 1, 0, 0, 0, 1]),
        (
            "f*x",
            {"treatment": {"base": "b"}},
            "(Intercept)|fa|fc|x|fa:x|fc:x",
            [1, 0, 0, 2, 0, 0, 1, 0, 1, 13, 0, 13],
        ),
    ],
)
def test_contrasts_are_those_of_model_matrix(
    right: str, contrast: Any, names: str, values: list[float]
) -> None:
    made = design(right, contrasts={"f": contrast})
    assert "|".join(made.x_names) == names
    assert made.X[[1, 5]].ravel() == pytest.approx(values, abs=1e-9)


def test_poly_is_that_of_r() -> None:
    # poly(c(1, 2, 3, 5, 8, 13, 4, 7), 3), rows 1 and 8, R 4.2.2
    made = design("0 + poly(x, 3)")
    expected = [-0.42518833941, 0.493365855211, -0.50098073772]
    assert made.X[0] == pytest.approx(expected, abs=1e-10)
    expected = [0.15792709749, -0.396454705081, -0.24842588780]
    assert made.X[7] == pytest.approx(expected, abs=1e-10)


def test_poly_is_orthonormal_at_a_high_degree() -> None:
    x = np.linspace(0, 1, 200) ** 3
    data = pd.DataFrame({"x": x, "y": np.arange(200), "k": ["p", "q"] * 100})
    columns = design("poly(x, 20)", data).X
    columns[:, 0] /= np.sqrt(200)
    assert columns.T @ columns == pytest.approx(np.eye(21), abs=1e-12)


def test_poly_does_not_mind_the_scale_of_its_column() -> None:
    far = D.assign(x=1e6 + 1e-3 * D["x"])
    assert pytest.approx(design("poly(x, 3)").X, abs=1e-6) == design("poly(x, 3)", far).X


def test_scale_centres_and_standardises_as_in_r() -> None:
    column = design("0 + scale(x)").X[:, 0]
    assert column == pytest.approx((D["x"] - D["x"].mean()) / D["x"].std())


def test_the_response_may_be_a_function() -> None:
    made = build_design("log(y) ~ x + (1 | k)", D)
    assert made.response == "log(y)"
    assert made.y == pytest.approx(np.log(D["y"]))


# -- random effects -------------------------------------------------------------------------------
SLEEP = pd.DataFrame(
    {
        "y": np.random.default_rng(3).standard_normal(60),
        "days": np.tile(np.arange(10), 6),
        "f": np.tile(list("abcab"), 12),
        "subject": np.repeat([308, 309, 310, 330, 331, 332], 10),
        "item": np.tile(np.arange(10), 6),
    }
)


def test_names_and_columns_of_a_vector_term() -> None:
    (term,) = build_design("y ~ days + (1 + days | subject)", SLEEP).random
    assert term.names == ("(Intercept)", "days")
    assert term.levels == ("308", "309", "310", "330", "331", "332")
    assert term.Z[:, 1].tolist() == SLEEP["days"].tolist()
    assert term.Z.flags.c_contiguous
    assert term.codes.dtype == np.int64
    assert [(p.columns, p.structure) for p in term.parts] == [((0, 1), "full")]


def test_categorical_terms_use_the_contrasts_of_the_fixed_part() -> None:
    made = build_design("y ~ f + (1 + f | subject)", SLEEP, contrasts={"f": "sum"})
    assert made.random[0].names == made.x_names == ("(Intercept)", "f1", "f2")
    assert np.array_equal(made.random[0].Z, made.X)


def test_without_an_intercept_a_categorical_term_has_all_its_levels() -> None:
    # colnames of mkReTrms blocks for (0 + f | subject) in lme4: fa, fb, fc
    made = build_design("y ~ f + (0 + f | subject)", SLEEP)
    assert made.random[0].names == ("fa", "fb", "fc")


def test_two_bars_with_a_categorical_variable_are_diagonal_over_all_columns() -> None:
    (term,) = build_design("y ~ f + (1 + f || subject)", SLEEP).random
    assert term.names == ("(Intercept)", "fb", "fc")
    assert [(p.columns, p.structure) for p in term.parts] == [((0, 1, 2), "zerocorr")]


def test_terms_of_one_group_are_amalgamated_at_the_first() -> None:
    made = build_design("y ~ 1 + (1 | subject) + (1 | item) + (0 + days | subject)", SLEEP)
    assert [r.group for r in made.random] == ["subject", "item"]
    assert made.random[0].names == ("(Intercept)", "days")
    assert [p.columns for p in made.random[0].parts] == [(0,), (1,)]


def test_nested_groups_have_a_level_per_combination() -> None:
    made = build_design("y ~ 1 + (1 | subject/f)", SLEEP)
    assert [r.group for r in made.random] == ["subject", "subject:f"]
    assert made.random[1].levels[:3] == ("308:a", "308:b", "308:c")
    assert len(made.random[1].levels) == 18


def test_structure_zerocorr_makes_every_part_diagonal() -> None:
    made = build_design("y ~ 1 + (1 + days | subject) + (1 | item)", SLEEP, structure="zerocorr")
    assert [p.structure for r in made.random for p in r.parts] == ["zerocorr", "zerocorr"]


def test_structure_intercept_reduces_every_term() -> None:
    made = build_design(
        "y ~ 1 + (1 | subject) + (0 + days | subject) + (f || item)", SLEEP, structure="intercept"
    )
    assert [(r.group, r.names) for r in made.random] == [
        ("subject", ("(Intercept)",)),
        ("item", ("(Intercept)",)),
    ]
    assert {p.structure for r in made.random for p in r.parts} == {"full"}


def test_all_structures_use_the_same_rows() -> None:
    holes = SLEEP.assign(days=SLEEP["days"].where(SLEEP.index != 7))
    formula = "y ~ 1 + (1 + days | subject)"
    full, reduced = (build_design(formula, holes, structure=s) for s in ("full", "intercept"))
    assert np.array_equal(full.rows, reduced.rows)


# -- rows -----------------------------------------------------------------------------------------
def test_rows_with_missing_model_variables_are_dropped_and_counted() -> None:
    holes = D.assign(z=np.nan, f=D["f"].where(D.index != 2), y=D["y"].where(D.index != 5))
    made = design("x + f", holes)
    assert made.n_dropped == 2
    assert made.rows.tolist() == [0, 1, 3, 4, 6, 7]
    assert made.y.tolist() == [1, 2, 4, 5, 7, 8]


def test_zero_weights_equal_dropped_rows() -> None:
    weights = np.ones(8)
    weights[[1, 6]] = 0
    made = design("scale(x) + f", weights=weights)
    dropped = design("scale(x) + f", D.drop(index=[1, 6]))
    assert made.n_zero_weight == 2
    assert made.n_dropped == 0
    assert pytest.approx(dropped.X) == made.X
    assert made.weights is not None
    assert len(made.weights) == 6


def test_weights_may_be_a_column() -> None:
    made = design("x", D.assign(w=[1, 2, np.nan, 4, 5, 6, 0, 8]), weights="w")
    assert made.n_dropped == 1
    assert made.n_zero_weight == 1
    assert made.weights is not None
    assert made.weights.tolist() == [1, 2, 4, 5, 6, 8]


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, dict])
def test_every_kind_of_table_gives_the_same_design(convert: Any) -> None:
    made, expected = design("f*x", convert(D)), design("f*x")
    assert np.array_equal(made.X, expected.X)
    assert made.random[0].levels == expected.random[0].levels


def test_a_numeric_column_with_a_contrast_is_categorical() -> None:
    made = build_design("y ~ item + (1 | subject)", SLEEP, contrasts={"item": "treatment"})
    assert made.x_names[1] == "item1"
    assert len(made.x_names) == 10


def test_columns_with_unusual_names_and_levels_pass_through() -> None:
    data = D.rename(columns={"f": "a|b"}).assign(k=["<script>alert(1)</script>"] * 4 + ["a|b"] * 4)
    made = build_design("y ~ `a|b` + (1 | k)", data)
    assert made.x_names == ("(Intercept)", "`a|b`b", "`a|b`c")
    assert set(made.random[0].levels) == {"<script>alert(1)</script>", "a|b"}


# -- what cannot be modelled ----------------------------------------------------------------------
INFINITE = D.assign(x=D["x"].astype(float).where(D.index != 3, np.inf))
UNIQUE = D.assign(id=range(8))


@pytest.mark.parametrize(
    ("error", "formula", "data", "options", "words"),
    [
        (DataError, "y ~ xx + (1 | k)", D, {}, r"'xx' .* Did you mean 'x'"),
        (DataError, "f ~ x + (1 | k)", D, {}, "response 'f' is not numeric"),
        (DataError, "flag ~ x + (1 | k)", D, {}, "not numeric"),
        (DataError, "y ~ x + (1 | k)", INFINITE, {}, r"'x' .*inf.* row 4"),
        (DataError, "y ~ log(z) + (1 | k)", D, {}, r"log\(z\) .* row 3"),
        (DataError, "y ~ x + (1 | k)", D.assign(y=2.5), {}, "constant"),
        (DataError, "y ~ z + (1 | k)", D.assign(z=np.nan), {}, "All 8 rows .* 'z'"),
        (DataError, "y ~ poly(x, 9) + (1 | k)", D, {}, "number of different values, 8"),
        (DataError, "y ~ x + (1 | k)", D, {"weights": -np.ones(8)}, "not negative"),
        (DataError, "y ~ x + (1 | k)", D, {"weights": np.zeros(8)}, "No rows remain"),
        (DataError, "y ~ x + (1 | k)", D, {"weights": np.ones(7)}, "one number per row"),
        (DataError, "y ~ x + (1 | k)", D, {"weights": "w"}, "'w' is not in the data"),
        (DataError, "y ~ x + (1 | k)", D, {"weights": "f"}, "not numeric"),
        (DataError, "y ~ t + (1 | k)", D.assign(t=pd.Timestamp("2024-01-01")), {}, "dates"),
        (ModelError, "y ~ x", D, {}, "no random-effects term"),
        (ModelError, "y ~ x + (1 | k)", D.assign(k="p"), {}, "only one level"),
        (ModelError, "y ~ x + (1 | id)", UNIQUE, {}, "as many levels"),
        (ModelError, "y ~ x + (1 | id)", UNIQUE, {"unidentified": "alow"}, "Did you mean 'allow'"),
        (ModelError, "y ~ x + (x | k) + (1 | k)", D, {}, r"'\(Intercept\)' of 'k' .* twice"),
        (ModelError, "y ~ c + (1 | k)", D.assign(c="one"), {}, "'c' has only one level"),
        (ModelError, "y ~ x + (1 | k)", D, {"structure": "fulll"}, "Did you mean 'full'"),
        (ModelError, "y ~ f + (1 | k)", D, {"contrasts": {"ff": "sum"}}, "Did you mean 'f'"),
        (FormulaError, "y ~ x + zerocor(1 + x | k)", D, {}, "Did you mean 'zerocorr'"),
        (FormulaError, "y ~ log(f) + (1 | k)", D, {}, "needs numbers"),
        (FormulaError, "y ~ poly(x, z) + (1 | k)", D, {}, "degree of poly"),
    ],
)
def test_what_cannot_be_modelled_is_explained(
    error: type[MixedscopeError],
    formula: str,
    data: pd.DataFrame,
    options: dict[str, Any],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        build_design(formula, data, **options)


def test_a_grouping_factor_among_the_fixed_effects_does_not_fill_the_memory() -> None:
    n = 100_000
    many = pd.DataFrame(
        {"y": np.arange(n), "id": np.arange(n).astype(str), "k": ["p", "q"] * (n // 2)}
    )
    with pytest.raises(ModelError, match=r"'id' would make 100000 columns .* \(1 \| id\)"):
        design("id", many)


def test_known_weights_allow_one_row_per_level() -> None:
    made = build_design("y ~ x + (1 | id)", UNIQUE, weights=np.arange(1.0, 9.0))
    assert len(made.random[0].levels) == 8


def test_an_unknown_structure_in_the_formula_is_pointed_at() -> None:
    with pytest.raises(FormulaError) as caught:
        build_design("y ~ x + zerocor(1 + x | k)", D)
    assert caught.value.position == 8


def test_columns_used_twice_are_made_once() -> None:
    made = build_design("y ~ x + (1 + x | k) + (1 + x | g)", D)
    assert made.random[0].Z is made.random[1].Z
    assert not np.shares_memory(made.y, D["y"].to_numpy())
