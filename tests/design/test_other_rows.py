"""Columns of a design for rows it was not made from: what it learned is used, nothing anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixedscope.core.errors import DataError, ModelError
from mixedscope.design.design import Design, build_design
from mixedscope.design.other_rows import OtherRows, other_rows, wanted_terms, whole_terms

RNG = np.random.default_rng(7)
N = 60
D = pd.DataFrame(
    {
        "y": RNG.normal(size=N),
        "x": RNG.gamma(3.0, size=N),
        "w": RNG.integers(0, 9, N),
        "f": pd.Categorical(RNG.choice(["lo", "mid", "hi"], N), categories=["lo", "mid", "hi"]),
        "t": RNG.choice(["p", "q", "r"], N),
        "b": RNG.random(N) > 0.5,
        "g": RNG.choice(["308", "309", "310", "311"], N),
        "h": RNG.integers(1, 4, N),
    }
)
FORMULA = (
    "y ~ poly(x, 3) + f * scale(w) + center(log(x)) + standardize(x):t + I(w > 3) + b"
    " + (1 + scale(x) + t | g) + (0 + poly(w, 2) || h) + (1 | g:h)"
)
CONTRASTS = {"f": "helmert", "t": "sum"}


def made(formula: str = FORMULA, data: pd.DataFrame = D, **options: object) -> Design:
    return build_design(formula, data, **options)  # type: ignore[arg-type]


def again(design: Design, data: object) -> OtherRows:
    return other_rows(design, data, own=whole_terms(design))


def test_the_rows_of_the_model_get_the_columns_of_the_model_to_the_bit() -> None:
    design = made(contrasts=CONTRASTS)
    rows = again(design, D)
    assert rows.X.tobytes() == design.X.tobytes()
    for found, random in zip(rows.own, design.random, strict=True):
        assert found.Z.tobytes() == random.Z.tobytes()
        assert found.codes is not None
        assert found.codes.tolist() == random.codes.tolist()


def test_columns_of_a_row_do_not_depend_on_the_rows_beside_it() -> None:
    design = made(contrasts=CONTRASTS)
    for some in (D.iloc[[5]], D.iloc[[9, 3, 41]], D.iloc[::-1], D[D.f == "hi"], D.iloc[:0]):
        rows = again(design, some)
        at = some.index.to_numpy()
        np.testing.assert_array_equal(rows.X, design.X[at])
        for found, random in zip(rows.own, design.random, strict=True):
            np.testing.assert_array_equal(found.Z, random.Z[at])
            assert found.codes is not None
            np.testing.assert_array_equal(found.codes, random.codes[at])


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas, dict, lambda d: d])
def test_other_kinds_of_tables_and_types_give_the_same_columns(convert: object) -> None:
    design = made(contrasts=CONTRASTS)
    other = D.assign(
        extra="?", f=D.f.astype(str), g=D.g.astype(int), h=D.h.astype(str), t=pd.Categorical(D.t)
    )
    other = other[sorted(other.columns)].astype({"w": float, "x": "float64"})
    rows = again(design, convert(other))  # type: ignore[operator]
    np.testing.assert_array_equal(rows.X, design.X)
    assert rows.own[0].codes is not None
    assert rows.own[0].codes.tolist() == design.random[0].codes.tolist()


def test_a_combination_is_new_if_its_pair_is() -> None:
    data = pd.DataFrame(
        {"y": np.arange(6.0) ** 2, "a": list("ppqqqp"), "b": list("uvuuuv"), "c": list("111212")}
    )
    design = made("y ~ 1 + (1 | a:b:c) + (1 | a)", data)
    new = pd.DataFrame({"a": list("pqqz"), "b": list("uuvu"), "c": list("1211")})
    crossed, single = again(design, new).own
    assert crossed.codes is not None
    assert single.codes is not None
    levels = design.random[0].levels
    assert [levels[c] if c >= 0 else None for c in crossed.codes] == ["p:u:1", "q:u:2", None, None]
    assert single.codes.tolist() == [0, 1, 1, -1]


def test_a_row_without_a_needed_value_is_incomplete_and_others_do_not_matter() -> None:
    design = made("y ~ x + f + (1 + w | g)")
    new = D.iloc[:6].copy().astype({"g": object, "w": float})
    new.loc[1, "x"], new.loc[2, "g"], new.loc[3, "w"], new["y"] = np.nan, None, np.nan, np.nan
    assert again(design, new).rows.tolist() == [0, 4, 5]
    assert other_rows(design, new).rows.tolist() == [0, 2, 3, 4, 5]
    slopes = wanted_terms(design, ["g"])
    assert other_rows(design, new, drawn=slopes).rows.tolist() == [0, 2, 4, 5]


@pytest.mark.parametrize("name", ["x", "w", "f", "g"])
def test_a_column_that_is_not_there_is_named_and_what_may_be_meant(name: str) -> None:
    design = made("y ~ x + f + (1 + w | g)")
    renamed = D.rename(columns={name: name + "_"})[["x_" if name == "x" else "x"]]
    with pytest.raises(DataError, match="of the model is not in newdata"):
        again(design, renamed.drop(columns="x", errors="ignore"))
    with pytest.raises(DataError, match=f"Column '{name}' of the model is not in newdata"):
        again(design, D.drop(columns=name))


def test_a_new_level_of_a_fixed_factor_is_refused_by_name_and_row() -> None:
    design = made("y ~ f + b + (1 | g)")
    new = D.iloc[:4].assign(f=["lo", "hi", "mdi", "lo"])
    with pytest.raises(DataError, match=r"'f' has the level 'mdi' in row 3 .* mean 'mid'\?"):
        again(design, new)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1", "2", "3"], "text or categories .row 1 holds '1'"),
        ([True, False, True], "truth values"),
        (pd.date_range("2020-01-01", periods=3), "dates"),
    ],
)
def test_a_column_of_another_kind_is_refused(values: object, words: str) -> None:
    design = made("y ~ x + (1 | g)")
    with pytest.raises(DataError, match=f"'x' held numbers when the model was made.*{words}"):
        again(design, D.iloc[:3].assign(x=values))


def test_a_value_that_is_not_finite_is_refused_by_row() -> None:
    design = made("y ~ log(x) + (1 | g)")
    with pytest.raises(DataError, match=r"log\(x\) has an infinite .* in row 2 "):
        again(design, D.iloc[:3].assign(x=[1.0, 0.0, 2.0]))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (["g"], [(0, (0, 1, 2, 3))]),
        (["(1 | g)"], [(0, (0,))]),
        (["1|g", "(0 + t | g)"], None),
        (["(0 + scale(x) | g)", "h"], [(0, (1,)), (1, (0, 1))]),
        (["h:g"], [(2, (0,))]),
        (["(1 | g/h)"], [(0, (0,)), (2, (0,))]),
        (["(t | g)"], [(0, (0, 2, 3))]),
    ],
)
def test_terms_are_chosen_by_factor_or_as_written(
    said: list[str], found: list[tuple[int, tuple[int, ...]]] | None
) -> None:
    design = made()
    if found is None:
        with pytest.raises(ModelError, match="no random effect 'tp' of 'g'"):
            wanted_terms(design, said)
        return
    assert [(t.position, t.columns) for t in wanted_terms(design, said)] == found


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("k", "no grouping factor 'k'"),
        ("(1 | gg)", "no grouping factor 'gg'"),
        ("x + (1 | g)", "'x' in .* is no random-effects term"),
        ("(1 + z | g)", "no column 'z'"),
        ("(1 + scale(w) | g)", "no random effect"),
        ("(poly(x, 2) | g)", r"no term \(1 \+ poly\(x, 2\) \| g\)"),
    ],
)
def test_terms_that_the_model_does_not_have_are_refused(said: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        wanted_terms(made(), [said])


def test_the_columns_of_a_term_that_is_not_wanted_are_not_needed() -> None:
    design = made("y ~ x + (1 | g) + (0 + w | g)")
    wanted = wanted_terms(design, ["(1 | g)"])
    rows = other_rows(design, D[["x", "g"]], own=wanted)
    assert rows.own[0].Z.tolist() == [[1.0]] * N


def test_intercepts_alone_are_what_their_structure_leaves() -> None:
    design = made(structure="intercept")
    (first, *_) = other_rows(design, D, own=whole_terms(design)).own
    np.testing.assert_array_equal(first.Z, np.ones((N, 1)))


R_COLUMNS = json.loads((Path(__file__).parents[1] / "reference" / "columns.json").read_text())


@pytest.mark.parametrize("case", R_COLUMNS["cases"], ids=lambda c: c["formula"])
def test_columns_of_other_rows_are_those_of_r(case: dict[str, Any]) -> None:
    x, levels = np.array(R_COLUMNS["x"]), ["lo", "mid", "hi"]
    data = pd.DataFrame({"x": x, "f": pd.Categorical(R_COLUMNS["f"], levels), "y": np.sin(x)})
    data["k"] = ["a", "b"] * 6
    design = made(f"y ~ {case['formula']} + (1 | k)", data, contrasts=case["contrasts"])
    new = pd.DataFrame({"x": R_COLUMNS["new_x"], "f": R_COLUMNS["new_f"]})
    tolerance = R_COLUMNS["tolerance"]
    np.testing.assert_allclose(
        other_rows(design, new).X, np.array(case["X"]), rtol=tolerance, atol=tolerance
    )


def test_functions_within_functions_keep_what_they_learned() -> None:
    # R learns anew from the other rows here (stats::makepredictcall).
    design = made("y ~ log(scale(x) + 9) + I(scale(x) > 1) + center(x / sqrt(w + 1)) + (1 | g)")
    new = pd.DataFrame({"x": [0.5, 30.0], "w": [1, 2], "g": ["308", "308"]})
    scaled = (new.x - D.x.mean()) / D.x.std()
    middle = (D.x / np.sqrt(D.w + 1)).mean()
    quotient = new.x / np.sqrt(new.w + 1) - middle
    expected = np.column_stack([np.ones(2), np.log(scaled + 9), scaled > 1, quotient])
    np.testing.assert_allclose(again(design, new).X, expected, rtol=1e-12)


def test_other_rows_have_the_offset_of_the_formula_and_of_the_argument() -> None:
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"y": rng.normal(size=30), "x": np.arange(30.0), "g": np.arange(30) % 5})
    design = build_design(
        "y ~ x + offset(center(x)) + (1 | g)", data, offset="2 * scale(x)", subset="x > 1"
    )
    new = other_rows(design, {"x": [3.0, np.nan, 100.0]})
    mean, sd = np.arange(2.0, 30.0).mean(), np.arange(2.0, 30.0).std(ddof=1)
    x = np.array([3.0, 100.0])
    assert new.rows.tolist() == [0, 2]
    assert new.offset == pytest.approx((x - mean) * (1 + 2 / sd))
    assert other_rows(build_design("y ~ x + (1 | g)", data), {"x": [3.0]}).offset is None


def test_an_offset_given_as_values_says_nothing_of_other_rows() -> None:
    data = pd.DataFrame({"y": [1.0, 2, 4, 3, 5, 9], "g": list("aabbcc")})
    design = build_design("y ~ 1 + (1 | g)", data, offset=np.arange(6.0))
    with pytest.raises(ModelError, match="given as values"):
        other_rows(design, data)
    by_name = build_design("y ~ 1 + (1 | g)", data.assign(o=1.0), offset="o")
    with pytest.raises(DataError, match="'o' of the model is not in newdata"):
        other_rows(by_name, data)


def test_a_factor_made_of_an_expression_keeps_its_levels() -> None:
    design = made("y ~ factor(w - 1) + (1 | g)")
    new = D.iloc[[3, 0]]
    np.testing.assert_array_equal(again(design, new).X, design.X[[3, 0]])
    with pytest.raises(DataError, match=r"'factor\(w - 1\)' has the level '98' in row 2"):
        again(design, new.assign(w=[1, 99]))
