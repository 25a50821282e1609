"""Clones, data and working folders whose paths have characters that shells take for their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from mixedscope.workflow.shell_text import ShellText, odd_characters

ROOT = Path(__file__).resolve().parents[2]
ODD = "A b (c) [d] 'e' \"f\" & $g #h ü 学校;*?!~`x"


def test_a_path_is_quoted_where_it_is_formatted_and_nowhere_else() -> None:
    path = ShellText(f"/{ODD}/bin/python")
    command = f"{path} -c 'print(1)'"
    asked = subprocess.run(
        ["bash", "-c", f"printf %s {path}; : {command}"], capture_output=True, text=True, check=True
    )
    assert asked.stdout == f"/{ODD}/bin/python"
    assert os.path.dirname(path) == f"/{ODD}/bin"
    assert " ".join([path]) == f"/{ODD}/bin/python"
    assert f"{ShellText('/usr/bin/python3.11')}" == "/usr/bin/python3.11"
    assert odd_characters("/R & D/données") == "' ' or '&'"
    assert odd_characters("/usr/bin/python3") == ""


def cloned(directory: Path) -> list[str]:
    """A copy of the workflow with a Python of its own below a directory, and how to start it."""
    directory.mkdir()
    for name in ("src", "workflow", "profiles", "config"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, directory / name, ignore=ignored)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, directory)
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(directory / ".venv")], check=True
    )
    python = directory / ".venv/bin/python"
    packages = directory / f".venv/lib/python{sysconfig.get_python_version()}/site-packages"
    own = f"import sys; sys.path.insert(0, {str(directory / 'src')!r})"
    (packages / "project.pth").write_text(f"{own}\n{sysconfig.get_path('purelib')}\n")
    return [str(python), "-m", "snakemake", "-s", str(directory / "Snakefile"), "--cores", "2"]


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name != "posix", reason="names that other systems do not have")
def test_clone_data_and_working_folder_may_have_odd_paths(tmp_path: Path) -> None:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    (tmp_path / ODD).mkdir()
    work = tmp_path / ODD / "work"
    work.mkdir()
    source = f"{ODD}.csv"
    rows = [f"{(7 * g) % 5 + x + (g * x) % 3},{x},g{g}" for g in range(8) for x in range(6)]
    (work / source).write_text("\n".join(["y,x,g", *rows]) + "\n")
    config = {
        "datasets": {"trials": {"source": source, "categorical": ["g"]}},
        "models": {"mine": {"dataset": "trials", "formula": "y ~ 1 + x + (1 | g)"}},
        "charts": {"kinds": ["shrinkage", "theta"], "formats": ["svg", "html"], "keyframes": 5},
    }
    (work / "my config.yaml").write_text(yaml.safe_dump(config))
    command = [*cloned(tmp_path / ODD / "clone"), "--configfile", "my config.yaml"]
    for more in ([], ["--report", "report.html"]):
        done = subprocess.run(
            [*command, *more], cwd=work, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "results/index.html").is_file()
    assert (work / "report.html").is_file()


@pytest.mark.slow
def test_braces_in_the_path_of_a_clone_are_refused_in_words(tmp_path: Path) -> None:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    command = cloned(tmp_path / "{x}")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Snakemake reads braces in a path as wildcards" in done.stderr
    assert not (tmp_path / "results").exists()
