"""The workflow as users run it, on a configuration of seconds.

Every run of the tests has the configuration of one model, whose jobs are the fewest that do all
these things. With ``--exhaustive`` the same is asked of a whole run of two models.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_results import faults

import mixedscope
from mixedscope.workflow.plan import make_plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals and paths of POSIX"),
]
pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")

ROOT = Path(__file__).resolve().parents[2]
SMALL = yaml.safe_load((ROOT / "config/small.yaml").read_text("utf-8"))
# A chart of each way through the workflow, in two formats: `.ci/run` draws all of them.
SMALL["charts"] |= {"kinds": ["shrinkage", "trace", "ledger", "theta"], "formats": ["svg", "html"]}
SMALL["models"]["sleep"]["optimizers"] = ["nlopt"]
# Tests change the formula: hypotheses name its coefficients.
SMALL["models"]["sleep"]["tests"] = True

#: One model, one chart.
ONE = deepcopy(SMALL)
for _key, _name in (("models", "tasting"), ("datasets", "tasting")):
    ONE[_key].pop(_name)
for _study in ("efficiency", "crossvalidation", "profile", "influence"):
    ONE["models"]["sleep"].pop(_study)
ONE["models"]["sleep"]["bootstrap"] = {"draws": 40, "batch": 20}
ONE["models"]["sleep"]["table"] = {"formats": ["markdown"], "intervals": "bootstrap"}
ONE["charts"] |= {"kinds": ["shrinkage"], "formats": ["svg"]}

INFERENCE = {
    *("tests", "influence", "profile", "profile_pairs", "fit_bootstrap", "fit_bootstrap_batch"),
    *("table_1", "table_2"),
}
DRAWING = {"charts_1", "charts_2", "moving_1", "moving_2", "phases_charts"}


def command(directory: Path, *arguments: str) -> list[str]:
    """Snakemake on ``directory/config.yaml``, with results below the directory."""
    options = ["--directory", str(directory), "--configfile", str(directory / "config.yaml")]
    return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")] + [
        *options,
        *arguments,
    ]


def snakemake(
    directory: Path, *arguments: str, ok: bool = True, **environment: str
) -> tuple[int, str]:
    done = subprocess.run(
        command(directory, *arguments),
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or not ok, done.stdout
    return done.returncode, done.stdout


def configured(directory: Path, content: dict[str, Any]) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return directory


def planned_jobs(output: str) -> dict[str, int]:
    """Jobs per rule, from the table of a dry run."""
    table = output.rpartition("Job stats:")[2]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(ONE, id="one model"),
        pytest.param(SMALL, id="two models", marks=pytest.mark.exhaustive),
    ],
)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, set[str]]:
    """A whole run with one core, and the rules that it had jobs of."""
    directory = configured(tmp_path_factory.mktemp("one-core"), request.param)
    output = snakemake(directory, "--cores", "1")[1]
    return directory, set(planned_jobs(output))


@pytest.fixture
def finished(started: tuple[Path, set[str]]) -> Path:
    return started[0]


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the whole run to spoil."""
    directory = tmp_path / "copy"
    shutil.copytree(finished, directory, symlinks=True)
    return directory


def content_of(directory: Path) -> dict[str, Any]:
    """Configuration of a run."""
    return dict(yaml.safe_load((directory / "config.yaml").read_text("utf-8")))


def contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted((directory / "results").rglob("*"))
        if path.is_file()
        and "logs" not in path.parts
        and not re.search(r"timing|-seconds", path.name)
    }


def test_run_writes_every_promised_file(finished: Path) -> None:
    assert not faults(make_plan(content_of(finished)), finished)


def test_nothing_but_what_is_promised_is_left(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {".snakemake", "config.yaml", "results"}
    assert not [path for path in (finished / "results").rglob("*") if path.name.endswith(".tmp")]


def test_second_run_does_nothing(finished: Path) -> None:
    assert "Nothing to be done" in snakemake(finished, "--cores", "1")[1]


@pytest.mark.exhaustive
def test_bytes_are_those_of_another_run_with_other_cores(finished: Path, tmp_path: Path) -> None:
    other = configured(tmp_path / "four-cores", content_of(finished))
    snakemake(other, "--cores", "4")
    ours, theirs = contents(finished), contents(other)
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_changed_formula_reruns_its_model_only(copied: Path) -> None:
    content = content_of(copied)
    content["models"]["sleep"]["formula"] = "Reaction ~ 0 + Days + (1 + Days | Subject)"
    configured(copied, content)
    output = snakemake(copied, "--dry-run")[1]
    jobs = planned_jobs(output)
    structures = len(content["models"]["sleep"]["structures"])
    assert jobs["fit"] == structures
    assert jobs["compare"] == 1
    assert "prepare" not in jobs
    told = " ".join(re.findall(r"^Job \d+: (.+)$", output, re.MULTILINE))
    assert told.count("Fit sleep: structure ") == structures
    others = set(content["models"]) - {"sleep"}
    assert not [name for name in others if re.search(rf"\b{name}\b", told)]


@pytest.mark.exhaustive
def test_new_structure_adds_one_fit(copied: Path) -> None:
    content = content_of(copied)
    structures = content["models"]["sleep"]["structures"]
    structures.append(next(s for s in ("zerocorr", "intercept", "cs") if s not in structures))
    configured(copied, content)
    assert planned_jobs(snakemake(copied, "--dry-run")[1])["fit"] == 1


@pytest.mark.exhaustive
def test_films_that_are_asked_for_remake_no_still(
    started: tuple[Path, set[str]], copied: Path
) -> None:
    if "moving_1" not in started[1]:
        pytest.skip("nothing moves in this run")
    films = {"film", "index", "total"}
    assert set(planned_jobs(snakemake(copied, "--dry-run", "films")[1])) == {*films, "films"}
    content = content_of(copied)
    content["charts"]["films"] = True
    configured(copied, content)
    assert set(planned_jobs(snakemake(copied, "--dry-run")[1])) == {*films, "default"}


@pytest.mark.exhaustive
def test_changed_chart_settings_redraw_and_refit_nothing(
    started: tuple[Path, set[str]], copied: Path
) -> None:
    content = content_of(copied)
    content["charts"] = {**content.get("charts", {}), "shrinkage": {"scale": "coef"}}
    configured(copied, content)
    jobs = planned_jobs(snakemake(copied, "--dry-run")[1])
    assert set(jobs) == {"charts_1", "charts_2", "index", "default", "total"} & started[1]


@pytest.mark.parametrize(
    ("source", "rerun"),
    [
        pytest.param(
            "charts/kinds/shrinkage/chart.py",
            {"charts_1", "charts_2", "index"},
            marks=pytest.mark.exhaustive,
        ),
        (
            "engine/kernels/elimination.py",
            {"fit", "study", "race", "efficiency", "efficiency_batch", "crossvalidation"}
            | {"phases", "compare", "bootstrap", *INFERENCE, *DRAWING, "index"},
        ),
        # The ladder is one of the charts of a model of several structures, as `charts_1` draws
        # them.
        pytest.param(
            "inference/ladder/compare.py",
            {"compare", "bootstrap", "charts_1", "index"},
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_changed_package_code_reruns_what_depends_on_it(
    started: tuple[Path, set[str]], tmp_path: Path, source: str, rerun: set[str]
) -> None:
    package = tmp_path / "src" / "mixedscope"
    shutil.copytree(
        Path(mixedscope.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    with (package / source).open("a", encoding="utf-8") as file:
        file.write("\n_CHANGED = True\n")  # comments make no difference
    # The copy goes before the installed package.
    directory, rules = started
    output = snakemake(directory, "--dry-run", PYTHONPATH=str(package.parent))[1]
    assert set(planned_jobs(output)) - {"default", "total"} == rerun & rules


def test_unknown_key_stops_before_anything_runs(tmp_path: Path) -> None:
    content = deepcopy(SMALL)
    content["models"]["sleep"]["structure"] = content["models"]["sleep"].pop("structures")
    status, output = snakemake(configured(tmp_path, content), "--cores", "1", ok=False)
    assert status != 0
    assert "models.sleep.structure: unknown key. Did you mean 'structures'?" in output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_failing_fit_says_why_and_leaves_no_half_written_file(copied: Path) -> None:
    content = content_of(copied)
    content["models"]["sleep"]["formula"] = "Reaction ~ 1 + Dys + (1 | Subject)"
    configured(copied, content)
    status, output = snakemake(copied, "--cores", "1", ok=False)
    assert status != 0
    assert "Did you mean 'Days'?" in output
    for directory in (copied / "results/fits/sleep").glob("*/*"):
        assert not (directory / "fit.json").exists()


@pytest.mark.exhaustive
def test_killed_run_recovers_after_unlocking(copied: Path) -> None:
    content = content_of(copied)
    content["models"]["sleep"]["formula"] = "Reaction ~ 1 + (1 + Days | Subject)"
    configured(copied, content)
    run = subprocess.Popen(
        command(copied, "--cores", "2"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    incomplete = copied / ".snakemake" / "incomplete"
    deadline = time.monotonic() + 60
    while not any(incomplete.glob("*")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert run.poll() is None, "the run was over before it could be killed"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    status, output = snakemake(copied, "--cores", "2", ok=False)
    assert status != 0
    assert "--unlock" in output
    snakemake(copied, "--unlock")
    snakemake(copied, "--cores", "2")
    assert not faults(make_plan(content), copied)
    assert "Nothing to be done" in snakemake(copied, "--cores", "1")[1]


def test_another_configuration_replaces_nothing_of_the_same_name(finished: Path) -> None:
    content = content_of(finished)
    content["models"]["sleep"]["formula"] = "Reaction ~ 1 + (1 | Subject)"
    other = finished.parent / "other.yaml"
    other.write_text(yaml.safe_dump(content, sort_keys=False))
    status, output = snakemake(finished, "--dry-run", "--configfile", str(other), ok=False)
    assert status != 0
    assert "would replace: model 'sleep' of" in output
    assert "Traceback" not in output


@pytest.mark.exhaustive
def test_report_needs_no_configuration_after_a_run(copied: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        + ["--directory", str(copied), "--report", str(report)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert report.is_file()
