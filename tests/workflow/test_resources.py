"""What jobs ask of a cluster, by the size of their model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from mixedscope.sweeps.costs import fit_megabytes, fit_minutes, fit_seconds, model_size
from mixedscope.workflow.plan import Plan, make_plan
from mixedscope.workflow.resources import JobResources

SLEEP = "Reaction ~ 1 + Days + (1 + Days | Subject)"


def plan() -> Plan:
    million = {
        "formula": "y ~ 1 + x + (1 + x | person) + (1 | place)",
        "units": {"person": 2000, "place": 500},
        "covariates": {"x": {"distribution": "normal"}},
        "beta": {"(Intercept)": 1, "x": 1},
        "sigma": 1,
        "random": {"person": {"sd": 1}, "place": {"sd": 1}},
    }
    return make_plan(
        {
            "datasets": {"sleep": {"source": "sleep.csv"}, "million": {"simulate": million}},
            "optimizers": {"auto": {}},
            "models": {
                "sleep": {"dataset": "sleep", "formula": SLEEP},
                "million": {"dataset": "million", "formula": million["formula"]},
            },
        }
    )


def job(**wildcards: str) -> SimpleNamespace:
    return SimpleNamespace(**wildcards)


def store(directory: Path, rows: int) -> None:
    (directory / "results/data").mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"Reaction": 1.0, "Days": range(rows)})
    frame["Subject"] = pd.Categorical((frame["Days"] % (rows // 10)).astype(str))
    frame.to_parquet(directory / "results/data/sleep.parquet")


def test_size_counts_rows_columns_effects_and_parameters() -> None:
    size = model_size("y ~ 1 + x + (1 + x | a) + (0 + c | b)", 1000, {"a": 50, "b": 20, "c": 3})
    assert size.rows == 1000
    assert size.effects == (100, 60)
    assert size.parameters == 3 + 6
    assert size.rest == 60


def test_terms_of_one_factor_are_counted_together() -> None:
    size = model_size("y ~ 1 + (1 | a) + (0 + x | a)", 100, {"a": 10})
    assert size.effects == (20,)
    assert size.parameters == 2


def test_groups_are_no_more_than_rows() -> None:
    assert model_size("y ~ 1 + (1 | a:b)", 300, {"a": 100, "b": 100}).effects == (300,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("y ~ (x*z | g)", "y ~ (1 + x + z + x:z | g)"),
        ("y ~ 1 + (1 + x || g)", "y ~ 1 + (1 | g) + (0 + x | g)"),
        ("y ~ (1 | a/b)", "y ~ (1 | a) + (1 | a:b)"),
    ],
)
def test_a_model_costs_the_same_however_it_is_written(one: str, other: str) -> None:
    first, second = (model_size(formula, 500, {"g": 9}, "full") for formula in (one, other))
    assert first == second
    for backend in ("auto", "pybobyqa", "scipy-cobyqa", "nlopt-bobyqa"):
        assert fit_seconds(first, backend) == fit_seconds(second, backend)


@pytest.mark.parametrize(
    ("structure", "parameters"),
    [(None, 10), ("full", 10), ("zerocorr", 4), ("cs", 5), ("intercept", 1), ("rr1", 4)],
)
def test_parameters_are_those_of_the_structure(structure: str | None, parameters: int) -> None:
    assert model_size("y ~ (x * z | g)", 500, {}, structure).parameters == parameters


def test_categories_have_a_column_fewer_than_levels_but_the_first_without_an_intercept() -> None:
    levels = {"a": 3, "b": 2}
    for terms, columns in (("1 + a*b", 6), ("0 + a", 3), ("0 + a*b", 6), ("a + x", 4)):
        size = model_size(f"y ~ ({terms} | g)", 500, levels, "zerocorr")
        assert size.parameters == columns


def test_a_term_that_cannot_have_a_structure_counts_as_unrestricted() -> None:
    # Rank 3 of two columns.
    assert model_size("y ~ (1 + x | g)", 500, {}, "rr3").parameters == 3


@pytest.mark.parametrize("structure", ["zerocorr", "intercept", "cs"])
def test_fewer_parameters_cost_fewer_seconds(structure: str) -> None:
    sizes = [model_size("y ~ (x * z | g)", 500, {"g": 9}, name) for name in (structure, "full")]
    for backend in ("auto", "pybobyqa"):
        few, many = (fit_seconds(size, backend) for size in sizes)
        assert few < many


@pytest.mark.parametrize(
    ("formula", "rows", "levels", "measured"),
    [
        # Megabytes beyond those of a fit of sleepstudy, as docs/cluster.md has them.
        ("y ~ 1 + x + (1 + x | p) + (1 | q)", 1_000_000, {"p": 2000, "q": 500}, 333),
        (
            "y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)",
            73_421,
            {"s": 2972, "d": 1128, "dept": 14, "service": 2},
            74,
        ),
    ],
)
def test_fit_asks_for_no_less_than_was_measured(
    formula: str, rows: int, levels: dict[str, int], measured: int
) -> None:
    asked = fit_megabytes(model_size(formula, rows, levels))
    assert measured <= asked < 4 * measured


def test_crossed_factors_ask_for_more_than_the_largest_alone() -> None:
    levels = {"a": 20_000, "b": 5_000}
    one = model_size("y ~ 1 + (1 | a)", 100_000, levels)
    two = model_size("y ~ 1 + (1 | a) + (1 | b)", 100_000, levels)
    assert fit_megabytes(two) > fit_megabytes(one) + 8 * 5_000**2 / 1e6
    assert fit_minutes(two) > 10 * fit_minutes(one)


@pytest.mark.parametrize("step", ["fit", "study"])
def test_a_million_rows_ask_for_more_than_sleepstudy(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resources = JobResources(plan())
    for asked in (resources.memory(step), resources.minutes(step)):
        assert asked(job(model="million"), 1) > asked(job(model="sleep"), 1)


def test_stored_data_are_asked_for_their_size_and_asked_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = JobResources(plan()).memory("fit")
    before = asked(job(model="sleep"), 1)
    store(tmp_path, 1_000_000)
    large = asked(job(model="sleep"), 1)
    store(tmp_path, 100)
    assert before == asked(job(model="sleep"), 1) < large


def test_second_attempt_asks_for_twice_as_much() -> None:
    resources = JobResources(plan())
    for asked in (resources.memory("fit"), resources.minutes("draw")):
        assert asked(job(model="sleep"), 2) == 2 * asked(job(model="sleep"), 1)


def test_large_file_asks_for_more_when_it_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = JobResources(plan()).memory("prepare")
    absent = asked(job(dataset="sleep"), 1)
    (tmp_path / "sleep.csv").write_bytes(b"1,2\n" * 5_000_000)
    assert asked(job(dataset="sleep"), 1) >= absent + 500
