"""Jobs of simulations of shrinkage: how draws are cut, and which are not made again."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from check_results import table_files

from mixedscope.core.errors import ConfigError
from mixedscope.tables.table_files import write_table
from mixedscope.workflow.efficiency_plan import EfficiencyPlan
from mixedscope.workflow.plan import make_plan

SMALL = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "config/small.yaml").read_text("utf-8")
)


def planned(code: str = "c", **asked: Any) -> EfficiencyPlan:
    content = deepcopy(SMALL)
    content["models"]["sleep"]["efficiency"] = asked
    return EfficiencyPlan(make_plan(content), code)


def store(plan: EfficiencyPlan, batch: str, seconds: float) -> None:
    """Put a batch there, as its job would, but for its content."""
    paths = [plan.batch_files("sleep", part)[0] for part in ("draws", "refits", "timing")]
    paths = [path.replace(Path(path).name.split(".")[0], batch) for path in paths]
    named = {"formula": "", "sha256": ""}
    draws = pd.DataFrame({"draw": [0], "structure": ["full"], "measure": ["fitted"]})
    empty = dict.fromkeys(("group", "term", "squared_error", "bias2", "variance"))
    told = {"batch": {"key": plan.key("sleep")}}
    write_table(paths[0], draws.assign(**empty), "efficiency_draws", **named, extra=told)
    refits = pd.DataFrame({"draw": [0], "structure": ["full"], "status": ["converged"]})
    empty = dict.fromkeys(("objective", "sigma", "evaluations", "singular"))
    write_table(paths[1], refits.assign(**empty), "efficiency_refits", **named)
    blocks = plan.blocks(batch)
    timing = pd.DataFrame({"block": blocks, "structure": None, "draws": 25, "seconds": seconds})
    write_table(paths[2], timing, "efficiency_timing", **named)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_draws_are_in_some_batch_once() -> None:
    plan = planned(draws=210, batch_seconds=0.5)
    names = plan.batches["sleep"]
    blocks = [block for name in names for block in plan.blocks(name)]
    assert len(names) > 1
    assert sorted(blocks) == list(range(9))


def test_models_that_do_not_ask_have_no_jobs() -> None:
    assert list(planned().batches) == ["sleep"]


def test_cheap_draws_are_put_into_one_job() -> None:
    assert planned(draws=100, batch_seconds=1000).batches["sleep"] == ["0-3"]


def test_measured_seconds_decide_how_draws_are_cut() -> None:
    first = planned(draws=25)
    store(first, "0-0", seconds=3.0)
    assert planned(draws=150, batch_seconds=6).batches["sleep"] == ["0-0", "1-1", "2-3", "4-5"]


def test_stored_draws_are_not_made_again() -> None:
    store(planned(draws=100, batch_seconds=1000), "0-3", seconds=0.1)
    more = planned(draws=200, batch_seconds=1000)
    assert more.batches["sleep"] == ["0-3", "4-7"]
    fewer = planned(draws=50, batch_seconds=1000)
    assert fewer.batches["sleep"] == ["0-3"]


def test_draws_of_other_code_are_made_again() -> None:
    store(planned(draws=100, batch_seconds=1000), "0-3", seconds=0.1)
    other = planned(code="d", draws=200, batch_seconds=1000)
    assert other.batches["sleep"] == ["0-7"]


def test_damaged_batches_are_made_again() -> None:
    plan = planned(draws=100, batch_seconds=1000)
    store(plan, "0-3", seconds=0.1)
    Path(plan.batch_files("sleep", "draws")[0]).write_bytes(b"half")
    assert planned(draws=200, batch_seconds=1000).batches["sleep"] == ["0-7"]


def test_every_model_has_a_seed_of_its_own() -> None:
    content = deepcopy(SMALL)
    for model in content["models"].values():
        model["efficiency"] = {}
    plan = EfficiencyPlan(make_plan(content), "c")
    assert plan.seed("sleep") != plan.seed("tasting")
    content["seed"] = 8
    assert EfficiencyPlan(make_plan(content), "c").seed("sleep") != plan.seed("sleep")


def test_charts_and_tables_are_those_asked_for() -> None:
    content = deepcopy(SMALL)
    content["models"]["sleep"]["crossvalidation"] = {}
    del content["models"]["sleep"]["efficiency"]
    plan = make_plan(content)
    assert "crossvalidation" in plan.charts()["sleep"]
    assert "efficiency" not in plan.charts()["sleep"]
    assert "ladder" in plan.charts()["sleep"]
    content["models"]["sleep"]["structures"] = ["full"]
    assert "ladder" not in make_plan(content).charts()["sleep"]
    assert "results/compare/sleep/crossvalidation_groups.parquet" in table_files(plan)
    assert "results/compare/sleep/crossvalidation_groups.csv" in plan.csv_files()
    assert not [path for path in plan.csv_files() if "efficiency" in path or "timing" in path]
    stems = {path.rpartition(".")[0] for path in table_files(plan)}
    assert {path.rpartition(".")[0] for path in plan.shown_tables()} <= stems


def test_a_factor_that_the_formula_lacks_is_refused() -> None:
    content = deepcopy(SMALL)
    content["models"]["sleep"]["crossvalidation"] = {"by": "Subjekt"}
    with pytest.raises(ConfigError, match="Did you mean 'Subject'"):
        make_plan(content)
