"""Files of keys that were taken out of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixedscope.sweeps.plan import SweepPlan
from mixedscope.workflow.config.model import definitions_of
from mixedscope.workflow.inference_plan import InferencePlan
from mixedscope.workflow.plan import Plan, make_plan
from mixedscope.workflow.taken_out import remove_taken_out, taken_out

KEYS: dict[str, Any] = {
    "tests": True,
    "influence": True,
    "profile": {"pairs": True},
    "bootstrap": 100,
    "table": ["html", "word"],
    "crossvalidation": {"by": "g"},
    "efficiency": {"draws": 20},
}
SWEEP = {"fixed": {"tests": "none"}, "grid": {"structure": ["full"]}}


def plans(sweep: dict[str, Any] = SWEEP, **model: Any) -> tuple[Plan, SweepPlan]:
    plan = make_plan(
        {
            "datasets": {"d": {"source": "d.csv"}},
            "models": {"m": {"dataset": "d", "formula": "y ~ 1 + (1 | g)", **model}},
            "sweeps": {"s": sweep},
        }
    )
    config = plan.config
    return plan, SweepPlan(config.sweeps, definitions_of(config), "", config.charts.formats)


def asked(plan: Plan, sweeps: SweepPlan) -> set[str]:
    """What the workflow makes for these keys, and of the model and sweep at all."""
    inference = InferencePlan(plan)
    files = [
        *inference.table_files(), *inference.csv_files(), *inference.printed_files(),
        *plan.shown_tables(), *plan.csv_files(), *plan.chart_files(), *plan.fit_files("fit.json"),
        *sweeps.table_files(), *sweeps.csv_files(),
    ]  # fmt: skip
    return set(files)


def made(files: set[str], directory: Path) -> None:
    for file in files:
        path = directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def there(directory: Path) -> set[str]:
    found = directory.rglob("*")
    return {path.relative_to(directory).as_posix() for path in found if path.is_file()}


def test_nothing_that_is_asked_for_is_taken_out(tmp_path: Path) -> None:
    plan, sweeps = plans(**KEYS)
    made(asked(plan, sweeps), tmp_path)
    assert taken_out(plan, sweeps, str(tmp_path / "results")) == []


def test_what_keys_that_are_gone_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    full = plans(**KEYS)
    draws = {f"results/fits/m/full/auto/bootstrap/{i}.parquet" for i in ("0-49", "50-99")}
    others = {"results/fits/other/full/auto/profile.parquet", "results/compare/other/table.html"}
    for key in KEYS:
        directory = tmp_path / key
        made(asked(*full) | draws | others, directory)
        left = {k: v for k, v in KEYS.items() if k != key}
        plan, sweeps = plans(**left)
        removed = remove_taken_out(plan, sweeps, str(directory / "results"))
        assert removed, key
        assert there(directory) == asked(plan, sweeps) | draws | others, key
        assert remove_taken_out(plan, sweeps, str(directory / "results")) == []


def test_part_of_a_key_that_is_gone_takes_its_part_along(tmp_path: Path) -> None:
    made(asked(*plans(**KEYS)), tmp_path)
    fewer = {**KEYS, "profile": True, "table": "html"}
    remove_taken_out(*plans(**fewer), str(tmp_path / "results"))
    assert there(tmp_path) == asked(*plans(**fewer))


def test_sweeps_without_tests_have_no_performance(tmp_path: Path) -> None:
    made(asked(*plans()), tmp_path)
    bare = plans({"grid": {"structure": ["full"]}})
    remove_taken_out(*bare, str(tmp_path / "results"))
    assert there(tmp_path) == asked(*bare)
    assert "results/sweeps/s/performance.csv" not in there(tmp_path)
