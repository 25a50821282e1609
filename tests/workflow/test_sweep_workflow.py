"""Sweeps as the workflow runs them."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sweep_plans import CONFIG
from test_workflow import configured, planned_jobs, snakemake

from mixedscope.tables.table_files import read_table

pytestmark = pytest.mark.slow

TARGET = "results/sweeps/tiny/runs.parquet"
PERFORMANCE = "results/sweeps/tiny/performance.parquet"


def content(replicates: int) -> dict[str, Any]:
    out = deepcopy(CONFIG)
    out["models"].pop("sleep")
    out["charts"] = {"formats": ["svg"], "kinds": ["trace"]}
    out["sweeps"] = {
        "tiny": {
            "grid": {"optimizer": ["auto", "bobyqa"], "start": ["independent", 1]},
            "fixed": {"intervals": "profile", "tests": "satterthwaite"},
            "replicates": replicates,
            "batch_seconds": 0.15,
            "charts": [{"x": "optimizer", "y": "search_evaluations"}],
        }
    }
    return out


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = configured(tmp_path_factory.mktemp("sweep"), content(6))
    snakemake(directory, "--cores", "1", TARGET, PERFORMANCE, "results/charts/sweeps/tiny/"
              "search_evaluations-by-optimizer.caption.json")  # fmt: skip
    return directory


def test_all_runs_are_there_in_order(finished: Path) -> None:
    runs = read_table(finished / TARGET, "runs")
    assert len(runs) == 24
    assert runs["replicate"].tolist() == [1, 2, 3, 4, 5, 6] * 4
    assert runs["error"].isna().all()
    assert len(list((finished / "results/sweeps/tiny/batches").glob("*.timing.parquet"))) > 1


def test_runs_are_csv_too(finished: Path) -> None:
    for name in ("runs", "runs_timing"):
        stored = read_table(finished / f"results/sweeps/tiny/{name}.parquet", name)
        text = pd.read_csv(finished / f"results/sweeps/tiny/{name}.csv")
        assert list(text.columns) == list(stored.columns)
        assert text["run"].tolist() == stored["run"].tolist()
        assert text.select_dtypes("number").notna().any(axis=None)


def test_performance_is_over_the_replicates(finished: Path) -> None:
    table = read_table(finished / PERFORMANCE, "performance")
    assert (table["runs"] == 6).all()
    assert (table[["failed", "missing"]] == 0).all(axis=None)
    own = table[(table["name"] == "cb") & (table["quantity"] == "interval")]
    assert own["truth"].tolist() == [1.0] * 4
    # Optimisers and starts that find the same optimum have the same intervals.
    for column in ("bias", "coverage", "width"):
        assert own[column].to_numpy() == pytest.approx(own[column].iloc[0], rel=1e-3, abs=1e-4)


def test_chart_lies_beside_its_caption(finished: Path) -> None:
    directory = finished / "results/charts/sweeps/tiny"
    assert (directory / "search_evaluations-by-optimizer.svg").stat().st_size > 1000


@pytest.mark.exhaustive
def test_second_run_does_nothing(finished: Path) -> None:
    assert "Nothing to be done" in snakemake(finished, "--cores", "1", TARGET)[1]


@pytest.mark.exhaustive
def test_added_points_are_all_that_runs(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True)
    configured(copy, content(7))
    jobs = planned_jobs(snakemake(copy, "--dry-run", TARGET)[1])
    # Four runs are new; how many of them make a job depends on what the others took.
    batches = jobs.pop("sweep_batch")
    assert 1 <= batches <= 4
    assert jobs == {"sweep_plan": 1, "sweep_gather": 1, "total": batches + 2}
    configured(copy, content(5))
    jobs = planned_jobs(snakemake(copy, "--dry-run", TARGET)[1])
    assert "sweep_batch" not in jobs


@pytest.mark.exhaustive
def test_bytes_are_those_of_another_run_with_other_cores_and_batches(
    finished: Path, tmp_path: Path
) -> None:
    changed = content(6)
    changed["sweeps"]["tiny"]["batch_seconds"] = 1000
    other = configured(tmp_path / "other", changed)
    snakemake(other, "--cores", "4", TARGET, PERFORMANCE)
    batches = [
        {path.name for path in (directory / "results/sweeps/tiny/batches").iterdir()}
        for directory in (finished, other)
    ]
    assert batches[0] != batches[1]
    for file in (TARGET, PERFORMANCE):
        assert (finished / file).read_bytes() == (other / file).read_bytes(), file
