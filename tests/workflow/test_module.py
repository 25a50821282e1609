"""The workflow as a module of another project, and the report of Snakemake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from browser import CHROMIUM, NO_CHROMIUM, Browser
from check_report import faults as report_faults
from check_report import looked_at
from check_results import faults

from mixedscope.workflow.plan import make_plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="paths of POSIX"),
]
pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")

ROOT = Path(__file__).resolve().parents[2]

CONFIG: dict[str, Any] = {
    "datasets": {"trials": {"source": "my data/trials.csv", "categorical": ["g"]}},
    "optimizers": {"auto": {}},
    "models": {
        "mine": {
            "dataset": "trials",
            "formula": "y ~ 1 + x + (1 | g)",
            "structures": ["full"],
            "optimizers": ["auto"],
        }
    },
    "charts": {"kinds": ["shrinkage", "theta"], "formats": ["svg", "html"], "keyframes": 5},
    "sweeps": {
        "starts": {
            "grid": {"start": ["independent", 1]},
            "charts": [{"x": "start", "y": "search_evaluations"}],
        }
    },
}

SNAKEFILE = """
configfile: "project.yaml"

module scope:
    snakefile: "{snakefile}"
    config: config["shrinkage"]{prefix}

use rule * from scope as scope_*

rule everything:
    default_target: True
    input:
        rules.scope_all.input,
        "{results}/fits/mine/full/auto/fit.json",
    output:
        "summary.txt"
    shell:
        "wc -c {{input}} > {{output}}"
"""


def project(directory: Path, prefix: str) -> Path:
    """A project with data, configuration and a Snakefile of its own; where its results will be."""
    (directory / "my data").mkdir()
    rows = [f"{(7 * g) % 5 + x + (g * x) % 3},{x},g{g}" for g in range(8) for x in range(6)]
    (directory / "my data/trials.csv").write_text("\n".join(["y,x,g", *rows]) + "\n")
    own = {"shrinkage": CONFIG, "models": "another thing of this project"}
    (directory / "project.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    results = f"{prefix}/results" if prefix else "results"
    text = SNAKEFILE.format(
        snakefile=ROOT / "workflow/Snakefile",
        prefix=f'\n    prefix: "{prefix}"' if prefix else "",
        results=results,
    )
    (directory / "Snakefile").write_text(text)
    return (directory / results).parent


def snakemake(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("", id="plain", marks=pytest.mark.exhaustive),
        pytest.param("deep/scope", id="with prefix", marks=pytest.mark.exhaustive),
    ],
)
def finished(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """The project, and the directory that holds its results."""
    directory = tmp_path_factory.mktemp("project")
    home = project(directory, request.param)
    snakemake(directory, "--cores", "2")
    return directory, home


def test_every_promised_file_is_where_the_project_wants_it(finished: tuple[Path, Path]) -> None:
    directory, home = finished
    assert faults(make_plan(CONFIG), home) == []
    assert (directory / "summary.txt").is_file()
    written = {path.name for path in directory.iterdir()}
    expected = {"Snakefile", "project.yaml", "my data", "summary.txt", ".snakemake"}
    assert written == expected | {home.relative_to(directory).parts[0] if home != directory
                                  else "results"}  # fmt: skip


def test_second_run_of_the_project_does_nothing(finished: tuple[Path, Path]) -> None:
    assert "Nothing to be done" in snakemake(finished[0], "--cores", "1")


@pytest.fixture(scope="module")
def report(finished: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    snakemake(finished[0], "--report", str(path))
    return path


def test_report_of_the_project_holds_every_figure_with_its_caption(
    finished: tuple[Path, Path], report: Path
) -> None:
    assert report_faults(report, finished[1]) == []


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_report_opens_offline_and_shows_every_figure(report: Path) -> None:
    with Browser() as browser:
        page = browser.open(report)
        page.wait(lambda: "mine" in page.text("#app"), "the categories are listed")
        for name in ("mine", "All models", "Sweep: starts"):
            assert name in page.text("#app")
        assert looked_at(page, report) == []
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith("file:")] == []


@pytest.mark.exhaustive
def test_default_configuration_is_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f'module scope:\n    snakefile: "{ROOT / "workflow/Snakefile"}"\n\n'
        "use rule * from scope as scope_*\n"
    )
    output = snakemake(tmp_path, "--dry-run", "scope_all", "--quiet", "rules")
    models = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))["models"]
    assert f"scope_charts_{len(models)} " in output


def test_catalog_finds_what_its_standardized_usage_asks_for() -> None:
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text("utf-8"))
    assert entry["usage"]["report"] is True
    assert entry["usage"]["software-stack-deployment"]
    for name in ("workflow/Snakefile", "config/README.md", "README.md"):
        assert (ROOT / name).is_file()
    words = (ROOT / "README.md").read_text("utf-8").lower()
    assert "snakemake" in words
    assert "workflow" in words
    json.loads((ROOT / "workflow/schemas/config.schema.json").read_text("utf-8"))
