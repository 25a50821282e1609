"""The package as it is built: what wheel and sdist hold, and that the wheel alone is enough."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="what builds the package is not part of it")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def relative_links(text: str) -> list[str]:
    found = re.findall(
        r'(?:\]\(|src=")([^)"\s]+)', re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    )
    return [path for path in found if not path.startswith(("https:", "#"))]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sdist and wheel, the wheel built of the sdist."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [uv, "build", "--quiet", "--out-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.exhaustive
def test_wheel_holds_package_and_workflow_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = message_from_string(
            archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
        )
    own = {path.relative_to(ROOT / "src").as_posix() for path in _tracked("src")}
    shipped = {
        f"mixedscope/workflow/shipped/{path.relative_to(ROOT).as_posix()}"
        for folder in ("Snakefile", "workflow", "config", "profiles", "environment.yml")
        for path in _tracked(folder)
    }
    packed = {name for name in names if ".dist-info/" not in name}
    assert own | shipped <= packed
    assert not [name for name in packed if "__pycache__" in name or "test" in name.split("/")[0]]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert relative_links(str(metadata.get_payload())) == []
    assert {"data", "films", "word", "workflow"} <= set(metadata.get_all("Provides-Extra") or [])


@pytest.mark.exhaustive
def test_sdist_holds_tests_and_documentation_and_no_results(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"tests/test_build.py", "docs/guide.md", "workflow/Snakefile", "hatch_build.py"} <= names
    pictures = set(re.findall(r'src="([^"]+)"', README))
    assert pictures
    assert pictures <= names
    assert [name for name in names if name.startswith("results/")] == ["results/README.md"]
    assert not [name for name in names if name.startswith((".venv", "uv.lock"))]


@pytest.mark.exhaustive
@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_wheel_alone_makes_a_project_that_plans_its_run(built: Path, tmp_path: Path) -> None:
    pytest.importorskip("snakemake", reason="the workflow's dependencies are a group of their own")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    packages = next((tmp_path / "env/lib").glob("python*")) / "site-packages"
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Dependencies are those of this environment; files that lead to the clone are not read.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = tmp_path / "env/bin/python"

    def run(*arguments: str, folder: Path = tmp_path) -> str:
        done = subprocess.run(
            [python, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert f"workflow: {packages}" in run("mixedscope")
    run("mixedscope", "init", "paper")
    planned = run("snakemake", "--cores", "1", "--dry-run", folder=tmp_path / "paper")
    assert "Fit first: structure full, optimiser auto" in planned
    assert "charts of first" in planned


def test_readme_of_an_index_has_no_relative_links(hook: ModuleType) -> None:
    assert relative_links(README)
    plain = hook.described(README, None, "1.2.3")
    assert relative_links(plain) == []
    assert "**The guide (`docs/guide.md`) walks through four models" in plain
    assert "*Picture: Shrinkage of intercepts and slopes of sleepstudy" in plain


def test_with_a_repository_its_links_lead_there_at_the_tag(hook: ModuleType) -> None:
    text = hook.described(README, "https://example.org/us/mixedscope/", "1.2.3")
    assert relative_links(text) == []
    assert "](https://example.org/us/mixedscope/blob/v1.2.3/docs/guide.md)" in text
    assert '<img src="https://example.org/us/mixedscope/raw/v1.2.3/docs/figures/' in text


def _tracked(folder: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name]
