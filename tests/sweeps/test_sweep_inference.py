"""Intervals and tests of the runs of a sweep, against fits of the library and the known truth."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sweep_plans import CONFIG, fault, runs, told

from mixedscope.api.linear import LinearMixedModel
from mixedscope.core.errors import ModelError
from mixedscope.summaries.performance import performance
from mixedscope.summaries.runs import summarise
from mixedscope.sweeps.draws import rows_of
from mixedscope.sweeps.run import execute
from mixedscope.sweeps.table import gather, gather_timing, with_keys
from mixedscope.tables.table_files import read_table, write_table

METHODS = ["wald", "satterthwaite", "kenward-roger", "profile"]
SWEEP: dict[str, Any] = {
    "fixed": {"model": "sim", "criterion": "REML", "tests": "satterthwaite"},
    "grid": {"structure": ["full", "zerocorr"], "intervals": METHODS, "level": [0.9]},
    "hypotheses": ["cb = 1", "cb = 0, (Intercept) = 10"],
    "replicates": 3,
}


def made(sweep: dict[str, Any], **changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = runs(sweep, **changes)
    results, timing = execute([r.spec for r in found], [r.id for r in found])
    table = gather(told(found), [results])
    table.attrs["swept"] = [*sweep.get("grid", {}), "replicate"]
    return with_keys(table), gather_timing(told(found), [timing])


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, pd.DataFrame]:
    return made(SWEEP)


def test_intervals_and_tests_are_those_of_the_fit(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = runs(SWEEP)
    truths = {"(Intercept)": 10.0, "cb": 1.0, "sigma": 2.0, "sd (Intercept) | g": 2.0,
              "sd cb | g": 1.0, "correlation (Intercept) ~ cb | g": 0.0}  # fmt: skip
    for run, (_, row) in zip(found, table[0].iterrows(), strict=True):
        frame = rows_of(run.spec["data"], run.spec["draw"]).frame
        model = run.spec["model"]
        fit = LinearMixedModel(model["formula"], frame, structure=model["structure"]).fit(reml=True)
        own = fit.confint(0.9, method=row["intervals"]).dropna(subset=["lower", "upper"])
        own = own.reset_index(drop=True)
        names = json.loads(row["interval_names"])
        known = [i for i, low in enumerate(row["lower"]) if np.isfinite(low)]
        assert [names[i] for i in known if i < 2] == own.query("kind == 'beta'")["term"].tolist()
        for column in ("lower", "upper"):
            values = np.asarray(row[column])[known]
            assert np.allclose(values, own[column], rtol=1e-5, atol=1e-5), (run.keys, column)
        expected = [truths[name] for name in names]
        assert np.allclose(row["interval_truths"], expected)
        single = fit.fixed_effects(df="satterthwaite")
        terms = fit.anova(df="satterthwaite")
        joint = [fit.test(text, df="satterthwaite") for text in SWEEP["hypotheses"]]
        expected = [*single["p_value"], *terms["p_value"], *(t["p_value"].iloc[0] for t in joint)]
        assert np.allclose(row["p_value"], expected, rtol=1e-5)
        labels = json.loads(row["test_names"])
        assert labels[:3] == ["(Intercept)", "cb", "term c"]
        assert row["null_true"].tolist() == [0.0, 0.0, 0.0, 1.0, 0.0]


def test_shares_of_a_summary_are_counts_by_hand(table: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    frame = table[0]
    chart = {"kind": "line", "x": "intervals", "y": "coverage", "colour": "structure",
             "where": {"parameter": "cb"}}  # fmt: skip
    summary = summarise(*table, chart)
    for point in summary.frame.itertuples():
        own = frame[(frame["intervals"] == point.x) & (frame["structure"] == point.colour)]
        ends = [(r["lower"][1], r["upper"][1]) for _, r in own.iterrows()]
        assert point.count == 3
        assert point.middle == pytest.approx(np.mean([low <= 1 <= high for low, high in ends]))
        assert point.nominal == 0.9
    chart = {"kind": "line", "x": "structure", "y": "rejection", "colour": "effect",
             "where": {"intervals": "wald"}}  # fmt: skip
    summary = summarise(*table, chart)
    rejected = np.array([np.asarray(p) < 0.1 for p in frame["p_value"]], dtype=float)
    for structure in SWEEP["grid"]["structure"]:
        own = (frame["structure"] == structure) & (frame["intervals"] == "wald")
        shown = summary.frame[summary.frame["x"] == structure]
        assert np.allclose(shown["middle"], rejected[own].mean(axis=0))
        assert shown["null"].tolist() == [0, 0, 0, 1, 0]
        assert set(shown["nominal"]) == {0.1}


def test_results_do_not_depend_on_how_runs_are_batched(
    tmp_path: Path, table: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    found = [run for run in runs(SWEEP) if run.keys["replicate"] == 1]
    order = list(reversed(found))
    kinds = [[order], [order[0::3], order[1::3], order[2::3]]]
    for name, parts in zip(("one", "many"), kinds, strict=True):
        batches = [execute([r.spec for r in part], [r.id for r in part])[0] for part in parts]
        frame = gather(told(found), batches)
        write_table(tmp_path / name, frame, "runs", formula="", sha256="")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_performance_is_what_its_formulas_say(
    tmp_path: Path, table: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    found = runs(SWEEP)
    stored = gather(told(found), [execute([r.spec for r in found], [r.id for r in found])[0]])
    write_table(tmp_path / "runs", stored, "runs", formula="", sha256="")
    made = performance(read_table(tmp_path / "runs", "runs"))
    write_table(tmp_path / "performance", made, "performance", formula="", sha256="")
    read = read_table(tmp_path / "performance", "performance")
    chosen = read[(read["structure"] == "zerocorr") & (read["intervals"] == "satterthwaite")]
    own = stored[(stored["structure"] == "zerocorr") & (stored["intervals"] == "satterthwaite")]
    row = chosen[chosen["name"] == "cb"].set_index("quantity")
    beta = np.array([b[1] for b in own["beta"]])
    se = np.array([e[1] for e in own["beta_se"]])
    low, high = (np.array([e[1] for e in own[c]]) for c in ("lower", "upper"))
    p = np.array([v[1] for v in own["p_value"]])
    covered = (low <= 1) & (high >= 1)
    expected = {
        "runs": 3, "failed": 0, "missing": 0, "truth": 1.0, "mean": beta.mean(),
        "bias": beta.mean() - 1, "bias_se": beta.std(ddof=1) / np.sqrt(3),
        "empirical_se": beta.std(ddof=1), "empirical_se_se": beta.std(ddof=1) / np.sqrt(4),
        "model_se": np.sqrt((se**2).mean()),
        "model_se_se": np.sqrt((se**2).var(ddof=1) / (4 * 3 * (se**2).mean())),
        "coverage": covered.mean(),
        "coverage_se": np.sqrt(covered.mean() * (1 - covered.mean()) / 3),
        "width": (high - low).mean(), "width_se": (high - low).std(ddof=1) / np.sqrt(3),
    }  # fmt: skip
    for column, value in expected.items():
        assert row.loc["interval", column] == pytest.approx(value), column
    assert row.loc["test", "rejection"] == pytest.approx((p < 0.1).mean())
    assert row.loc["test", "null_true"] == 0.0
    held = chosen[chosen["name"] == "cb = 1"].iloc[0]
    assert held["null_true"] == 1.0
    assert pd.isna(held["coverage"])


def test_what_is_missing_is_counted_with_the_reason() -> None:
    # Profiles of fixed effects are none under REML, and one level of g cannot be fitted at all.
    sweep = {
        "fixed": {"model": "sim", "criterion": "REML", "intervals": "profile"},
        "grid": {"simulate.units.g": [8, 1]},
        "replicates": 2,
    }
    frame, timing = made(sweep)
    chart = {"kind": "line", "x": "criterion", "y": "coverage", "where": {"parameter": "cb"}}
    summary = summarise(frame, timing, chart)
    assert summary.frame.empty
    assert (summary.runs, summary.failed, summary.without) == (4, 2, 2)
    assert "REML" in str(summary.lacking)
    chart["where"] = {"parameter": "sigma"}
    summary = summarise(frame, timing, chart)
    assert (summary.failed, summary.without) == (2, 0)
    assert summary.frame["count"].tolist() == [2]


def test_runs_without_an_optimum_have_no_intervals() -> None:
    optimizers = {"short": {"backend": "nlopt-bobyqa", "max_evaluations": 2, "polish": False}}
    models = {"sim": {**CONFIG["models"]["sim"], "optimizers": ["short"]}}
    sweep = {"fixed": {"model": "sim", "intervals": "wald", "tests": "none"},
             "grid": {"simulate.sigma": [2.0]}, "replicates": 2}  # fmt: skip
    found = runs(sweep, optimizers=optimizers, models=models)
    results, _ = execute([r.spec for r in found], [r.id for r in found])
    assert results["error"].isna().all()
    assert set(results["verdict"]) == {"not converged"}
    for name in ("interval", "test"):
        assert results[f"{name}_names"].isna().all()
        assert set(results[f"{name}_remarks"]) == {"no optimum was found: not converged"}
    rows = performance(gather(told(found), [results]))
    # None of them is left out of the table without a word.
    for quantity in ("interval", "test"):
        own = rows[rows["quantity"] == quantity]
        assert own["name"].tolist() == ["(Intercept)", "cb"]
        assert own["missing"].tolist() == [2, 2]
        assert set(own["reason"]) == {"no optimum was found: not converged"}
        assert own[["coverage", "rejection"]].isna().all(axis=None)


def test_a_point_of_which_all_runs_failed_is_in_the_table() -> None:
    sweep = {
        "fixed": {"model": "sim", "tests": "none"},
        "grid": {"simulate.units.g": [1, 8]},
        "replicates": 2,
    }
    found = runs(sweep)
    results, _ = execute([r.spec for r in found], [r.id for r in found])
    rows = performance(gather(told(found), [results]))
    failed = rows[rows["failed"] == 2]
    assert failed["name"].tolist() == ["(Intercept)", "cb", "term c"]
    assert failed["rejection"].isna().all()
    assert all("level" in reason for reason in failed["reason"])


def test_cells_without_data_leave_the_truth_of_what_is_estimated() -> None:
    made_data = deepcopy(CONFIG["datasets"])
    made_data["made"]["simulate"] |= {
        "formula": "y ~ 1 + c * d + (1 | g)",
        "conditions": {"c": ["a", "b"], "d": ["u", "v"]},
        "beta": {"(Intercept)": 10, "cb": 1, "dv": 0, "cb:dv": 4},
        "random": {"g": {"sd": 2}},
    }
    models = {"sim": {"dataset": "made", "formula": "y ~ 1 + c * d + (1 | g)"}}
    sweep = {
        "fixed": {
            "model": "sim",
            "intervals": "satterthwaite",
            "tests": "satterthwaite",
            "simulate.sigma": 2,
        },
        "grid": {"subset": ["c == 'a' or d == 'u'", "c == 'b' or d == 'v'"]},
    }
    frame, _ = made(sweep, datasets=made_data, models=models)
    assert frame["error"].isna().all(), frame["error"].tolist()
    known = [dict(zip(json.loads(row["interval_names"]), row["interval_truths"], strict=True))
             for _, row in frame.iterrows()]  # fmt: skip
    # Of three cells three means are known, whatever the fourth coefficient would be.
    assert pytest.approx(known[0], abs=1e-9) == {"(Intercept)": 10, "cb": 1, "dv": 0}
    cells = {("a", "v"): 10.0, ("b", "u"): 11.0, ("b", "v"): 15.0}
    for (c, d), mean in cells.items():
        told = {"(Intercept)": 1, "cb": c == "b", "dv": d == "v", "cb:dv": (c, d) == ("b", "v")}
        assert sum(known[1][n] for n in known[1] if told[n]) == pytest.approx(mean)
    for _, row in frame.iterrows():
        labels = json.loads(row["test_names"])
        assert np.isnan(row["null_true"][[n == "term c:d" for n in labels].index(True)])
        assert "term c:d: " in row["test_remarks"]
        assert len(row["p_value"]) == len(row["null_true"]) == len(labels)
    assert frame["null_true"].iloc[0][2] == 1.0


FIXED = {"model": "sim", "criterion": "REML"}


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ({"grid": {"intervals": ["profil"]}}, ["Did you mean 'profile'", "grid.intervals.0"]),
        ({"grid": {"intervals": ["bootstrap"]}}, ["refit in every run", "profile"]),
        ({"grid": {"tests": ["satterwaithe"]}}, ["Did you mean 'satterthwaite'"]),
        ({"grid": {"tests": [True]}}, ["tests", "True", "kenward-roger"]),
        ({"grid": {"level": [95], "intervals": ["wald"]}}, ["between 0 and 1", "95"]),
        ({"grid": {"level": [0.9]}}, ["'intervals' or 'tests'"]),
        ({"grid": {"interval": ["wald"]}}, ["Did you mean 'intervals'"]),
        (
            {"fixed": {"model": "sim"}, "grid": {"tests": ["kenward-roger"]}},
            ["tests", "criterion: REML"],
        ),
        ({"grid": {"intervals": ["wald"]}, "hypotheses": ["cb = 1"]}, ["'tests'"]),
        ({"grid": {"tests": ["none"]}, "hypotheses": ["cb = 1", "cb = 1"]}, ["listed twice"]),
        ({"grid": {"tests": ["none"]}, "hypotheses": [" "]}, ["empty"]),
        (
            {"grid": {"tests": ["none"]}, "hypotheses": ["cc = 1"]},
            ["hypotheses: model 'sim': ", "'cc'", "(Intercept), cb"],
        ),
        ({"grid": {"tests": ["none"]}, "type": "IV"}, ["type", "Known: I, II, III"]),
    ],
)
def test_message_names_the_key_and_the_remedy(sweep: dict[str, Any], words: list[str]) -> None:
    message = fault({"fixed": FIXED, **sweep})
    assert "sweeps.s" in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("chart", "fixed", "words"),
    [
        ({"y": "coverage", "colour": "parameter"}, {}, ["the key 'intervals'"]),
        ({"y": "rejection", "colour": "effect"}, {"intervals": "wald"}, ["the key 'tests'"]),
        ({"y": "coverage"}, {"intervals": "wald"}, ["under where: parameter"]),
        ({"y": "coverage", "colour": "effect"}, {"intervals": "wald"}, ["not measured by effect"]),
        (
            {"y": "coverage", "where": {"effect": "cb"}, "colour": "parameter"},
            {"intervals": "wald"},
            ["where.effect"],
        ),
        (
            {"y": "coverage", "colour": "parameter"},
            {"intervals": "wald", "model": "sleep"},
            ["known truth"],
        ),
    ],
)
def test_message_about_a_chart_says_what_is_missing(
    chart: dict[str, Any], fixed: dict[str, Any], words: list[str]
) -> None:
    grid = {"structure": ["full", "zerocorr"]}
    sweep = {"fixed": {**FIXED, **fixed}, "grid": grid, "charts": [{"x": "structure", **chart}]}
    message = fault(sweep)
    assert "charts.0" in message
    for word in words:
        assert word in message


def test_a_name_that_no_run_has_is_refused_with_the_known_ones(
    table: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    chart = {"kind": "line", "x": "structure", "y": "rejection", "where": {"effect": "term d"}}
    with pytest.raises(ModelError, match=r"where.effect: .*Did you mean 'term c'.*Known: "):
        summarise(*table, chart)
