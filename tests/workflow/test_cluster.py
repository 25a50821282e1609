"""Jobs that are killed and run again, on this machine and on Slurm; what jobs ask a cluster for.

The tests on Slurm run where there is one: `tests/slurm/check` starts one on this machine for them.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from compare_results import differences
from test_workflow import ROOT, command, configured, snakemake

from mixedscope.tables.table_files import read_table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for jobs in /proc"),
]

PROFILE = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text("utf-8"))
TARGET = "results/sweeps/killed/runs.parquet"
RUNS = 96


def content() -> dict[str, Any]:
    """The shipped sweep over sizes, with fewer points, cut into batches of some seconds."""
    config = yaml.safe_load((ROOT / "config/sweeps/size.yaml").read_text("utf-8"))
    sweep = config["sweeps"].pop("size")
    config["sweeps"] = {
        "killed": {
            "grid": {**sweep["grid"], "simulate.units.subject": [8, 32]},
            "replicates": 12,
            "batch_seconds": 1.6,
        }
    }
    config["charts"] = {"formats": ["svg"], "kinds": ["trace"]}
    return config


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep on one core of this machine."""
    directory = configured(tmp_path_factory.mktemp("undisturbed"), content())
    snakemake(directory, "--cores", "1", TARGET)
    return directory


def batch_process(directory: Path) -> int | None:
    """A process that is computing a batch of the run in this directory: its log is open."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            files = {os.readlink(file) for file in (path / "fd").iterdir()}
            logs = [f for f in files if f.startswith(f"{directory}/results/logs/sweeps")]
            # The job that plans a sweep has a log there too.
            if any(Path(log).stem not in ("plan", "gather", "performance") for log in logs):
                return int(path.name)
        except OSError:
            continue  # has ended meanwhile
    return None


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


def run_and_strike(directory: Path, strikes: list[Callable[[int], None]], *options: str) -> str:
    """Run the sweep, do these things to a batch while it is computing, and give the log."""
    log = directory / "log.txt"
    with log.open("w") as file:
        run = subprocess.Popen(
            command(directory, *options, TARGET), cwd=ROOT, stdout=file, stderr=file
        )
    try:
        for strike in strikes:
            struck = wait_for(lambda: batch_process(directory), 300, "a batch")
            strike(struck)
            wait_for(lambda pid=struck: not Path(f"/proc/{pid}").exists(), 60, "its end")
        assert run.wait(timeout=600) == 0, log.read_text()
    finally:
        if run.poll() is None:
            run.terminate()
            run.wait()
    return log.read_text()


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def check_nothing_is_lost(undisturbed: Path, directory: Path) -> None:
    assert differences(undisturbed, directory) == []
    runs = read_table(directory / TARGET, "runs")
    assert len(runs) == RUNS
    assert runs["error"].isna().all()
    batches = directory / "results/sweeps/killed/batches"
    stored = [
        run
        for path in batches.glob("*.parquet")
        if ".timing" not in path.name
        for run in read_table(path, "sweep_batch")["run"]
    ]
    assert len(stored) == len(set(stored)) == RUNS
    assert "Nothing to be done" in snakemake(directory, "--cores", "1", TARGET)[1]


# -- on this machine -------------------------------------------------------------------------------
@pytest.mark.exhaustive
def test_killed_job_is_tried_again_and_nothing_is_lost_or_counted_twice(
    undisturbed: Path, tmp_path: Path
) -> None:
    directory = configured(tmp_path / "retried", content())
    log = run_and_strike(directory, [kill], "--cores", "1", "--retries", "1")
    assert log.count("Trying to restart job") == 1
    check_nothing_is_lost(undisturbed, directory)


@pytest.mark.exhaustive
def test_killed_job_without_retries_is_made_up_for_by_the_next_run(
    undisturbed: Path, tmp_path: Path
) -> None:
    directory = configured(tmp_path / "again", content())
    with pytest.raises(AssertionError, match="Error in rule sweep_batch"):
        run_and_strike(directory, [kill], "--cores", "1")
    assert not (directory / TARGET).exists()
    snakemake(directory, "--cores", "1", TARGET)
    check_nothing_is_lost(undisturbed, directory)


# -- what is asked for -----------------------------------------------------------------------------
def rules() -> dict[str, str]:
    """Text of every rule that runs a script as a job, by name."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        text = path.read_text("utf-8")
        for part in re.split(r"^ *rule\b", text, flags=re.MULTILINE)[1:]:
            name = (re.match(r" (\w+):", part) or re.search(r"name:\s+f?\"?(\w+)", part))[1]
            if "script:" in part and "localrule: True" not in part:
                found[name] = part
    return found


def test_every_job_says_what_it_does() -> None:
    """Otherwise Snakemake lists all of its files."""
    assert [name for name, text in rules().items() if "message:" not in text] == []


def test_every_job_asks_for_memory_and_minutes() -> None:
    assert {"fit", "prepare", "sweep_batch", "job"} <= set(rules())
    silent = [
        name
        for name, text in rules().items()
        if not re.search(r"\bmem_mb=", text) or not re.search(r"\bruntime=", text)
    ]
    assert silent == []


def test_profile_groups_rules_that_exist() -> None:
    assert set(PROFILE["groups"]) <= set(rules())
    assert set(PROFILE["groups"].values()) == set(PROFILE["group-components"])


# -- on Slurm --------------------------------------------------------------------------------------
def no_slurm() -> str:
    """Why the tests on Slurm cannot be run here; empty if they can."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "the plugin for Slurm is not installed (uv run --group slurm)"
    if shutil.which("sinfo") is None:
        return "there is no Slurm on this machine (tests/slurm/check starts one)"
    asked = subprocess.run(["sinfo", "--noheader"], capture_output=True, timeout=30, check=False)
    return "" if asked.returncode == 0 else "no Slurm answers (tests/slurm/check starts one)"


on_slurm = pytest.mark.skipif("no_slurm()", reason="needs Slurm and its plugin: tests/slurm/check")

SLURM = [
    *("--profile", str(ROOT / "profiles/slurm"), "--latency-wait", "10"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
]


def kill_through_slurm(process: int) -> None:
    environment = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    (job,) = (entry.partition("=")[2] for entry in environment if entry.startswith("SLURM_JOB_ID="))
    subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)


def lose_the_node(process: int) -> None:
    """What a crash of the node does to its jobs; then it comes back."""
    node = sinfo("%N")
    for state in ("down", "resume"):
        # It may have come back by itself before it is told to.
        subprocess.run(
            ["scontrol", "update", f"nodename={node}", f"state={state}", "reason=test"],
            check=state == "down",
        )
        time.sleep(2)
    wait_for(lambda: sinfo("%T") in ("idle", "mixed", "allocated"), 60, "the return of the node")


def sinfo(asked: str) -> str:
    """What Slurm tells about its first node."""
    told = subprocess.run(
        ["sinfo", "--noheader", "--Node", f"--format={asked}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()[0]


@on_slurm
def test_bytes_on_slurm_are_those_of_one_core(undisturbed: Path, tmp_path: Path) -> None:
    directory = configured(tmp_path / "slurm", content())
    snakemake(directory, *SLURM, TARGET)
    check_nothing_is_lost(undisturbed, directory)


@on_slurm
def test_jobs_lost_on_a_node_are_tried_again(undisturbed: Path, tmp_path: Path) -> None:
    directory = configured(tmp_path / "slurm", content())
    log = run_and_strike(directory, [kill, kill_through_slurm, lose_the_node], *SLURM)
    assert log.count("Trying to restart job") >= 3
    check_nothing_is_lost(undisturbed, directory)
