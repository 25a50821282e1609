"""A line on stderr says that kernels compile, once on a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Seconds pass with every look at the clock, so that quick kernels seem slow to compile.
COMPILES = """
import sys
from itertools import count
from types import SimpleNamespace
from numba import njit
from mixedscope.engine.compile import announcement, compiler

step = float(sys.argv[1])
clock = count()
announcement.time = SimpleNamespace(monotonic=lambda: step * next(clock))

def same(x):
    return x

same.__module__ = sys.argv[2]
for kernel in (njit(same), njit(same)):
    assert kernel(1) == 1
"""


def said(cache: Path, step: float, module: str = "mixedscope.made_up") -> str:
    run = subprocess.run(
        [sys.executable, "-c", COMPILES, str(step), module],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not run.stdout
    return run.stderr


def test_what_takes_long_is_said_once_by_all_processes(tmp_path: Path) -> None:
    assert not said(tmp_path, 0.01)
    assert not said(tmp_path, 2.0, "another.package")
    first = said(tmp_path, 2.0)
    assert first.startswith("mixedscope: compiling, once on this machine")
    assert first.count("\n") == 1
    assert not said(tmp_path, 2.0)


def test_several_quick_kernels_add_up(tmp_path: Path) -> None:
    assert said(tmp_path, 0.4).count("compiling") == 1
