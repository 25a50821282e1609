"""Compiled code on disk: used when it is sound, done without when it is not."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numba import njit

from mixedscope.engine.compile import disk_cache
from mixedscope.engine.compile.disk_cache import keep_on_disk

SOURCE = """
from numba import njit
from mixedscope.engine.compile.disk_cache import keep_on_disk

@njit
def double(x):
    return x + x

keep_on_disk(double)
"""

Loader = Callable[[], Any]


@pytest.fixture
def kernel(tmp_path: Path) -> Loader:
    """Load the kernel as a fresh process would."""
    path = tmp_path / "kernels_demo.py"
    path.write_text(SOURCE)

    def load() -> Any:
        spec = importlib.util.spec_from_file_location("kernels_demo", path)
        assert spec is not None
        assert spec.loader is not None
        module: ModuleType = importlib.util.module_from_spec(spec)
        sys.modules["kernels_demo"] = module
        spec.loader.exec_module(module)
        return module.double

    return load


def files(tmp_path: Path, suffix: str) -> list[Path]:
    return sorted((tmp_path / "__pycache__").glob(f"*.{suffix}"))


def hits(kernel: Any) -> int:
    return sum(kernel.stats.cache_hits.values())


def test_what_was_compiled_is_loaded_the_next_time(kernel: Loader) -> None:
    first, second = kernel(), kernel()
    assert first(2) == second(2) == 4
    assert (hits(first), hits(second)) == (0, 1)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("keep", [0, 40, -20])
def test_a_damaged_file_is_replaced(kernel: Loader, tmp_path: Path, suffix: str, keep: int) -> None:
    kernel()(2)
    (path,) = files(tmp_path, suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    damaged, mended = kernel(), kernel()
    assert damaged(2) == mended(2) == 4
    assert (hits(damaged), hits(mended)) == (0, 1)
    # Names that the compiler numbers make the length vary by some bytes.
    assert abs(len(path.read_bytes()) - len(whole)) < 100


def test_bytes_that_mean_nothing_are_replaced(kernel: Loader, tmp_path: Path) -> None:
    kernel()(2)
    (path,) = files(tmp_path, "nbc")
    path.write_bytes(bytes(range(256)) * 8)
    assert kernel()(2) == 4
    assert hits(again := kernel()) == 0
    assert again(2) == 4
    assert hits(again) == 1


def test_code_for_other_types_is_not_run(kernel: Loader, tmp_path: Path) -> None:
    both = kernel()
    both(2)
    both(2.5)
    one, two = files(tmp_path, "nbc")
    # As two processes could leave them that stored their first results at once.
    swapped = two.read_bytes()
    two.write_bytes(one.read_bytes())
    one.write_bytes(swapped)
    again = kernel()
    assert again(2) == 4
    assert again(2.5) == 5.0
    assert hits(again) == 0


def test_a_kernel_changed_in_another_file_makes_compiled_code_stale(
    kernel: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel()(2)
    monkeypatch.setattr(disk_cache, "_sources_digest", lambda: "of other sources")
    again = kernel()
    assert again(2) == 4
    assert hits(again) == 0


def test_a_full_disk_does_not_stop_a_computation(
    kernel: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = kernel()

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(function._cache._cache_file, "_save_data", no_space)
    assert function(2) == 4
    assert kernel()(2) == 4


def test_one_warning_says_where_to_put_compiled_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_cache._warn_once.cache_clear()
    monkeypatch.setattr(disk_cache, "DiskCache", _nowhere)
    functions = [njit(lambda x: x + 1.0), njit(lambda x: x + 2.0)]
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR") as warned:
        _ = [keep_on_disk(function) for function in functions]
    assert len(warned) == 1
    assert [function(1.0) for function in functions] == [2.0, 3.0]


def _nowhere(_: object) -> None:
    raise RuntimeError("cannot cache function: no locator available")
