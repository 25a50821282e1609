"""Compiled code on disk: used when it is sound, done without when it is not."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from numba import njit
from numba.core import event
from numba.core.errors import TypingError

from mixedscope.engine.compile import disk_cache, kernel_lock
from mixedscope.engine.compile.disk_cache import keep_on_disk
from mixedscope.engine.compile.kernel_lock import KernelLock

SOURCE = """
from numba import njit
from mixedscope.engine.compile.disk_cache import keep_on_disk

@njit
def same(x):
    return x

@njit
def double(x):
    return same(x) + same(x)

@njit
def none(x):
    return x.no_such_thing

@njit
def one_or_none(x):
    return same(x) + none(x)

for function in (same, double, none, one_or_none):
    keep_on_disk(function)
"""

# Another process that calls the kernel, and waits inside its compiler for a line.
CALLS_AND_WAITS = """
import importlib.util, sys
from numba.core import event

spec = importlib.util.spec_from_file_location("kernels_demo", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["kernels_demo"] = module
spec.loader.exec_module(module)
with event.install_recorder("numba:compile") as compiled:
    class Waits(event.Listener):
        def on_start(self, event):
            if event.data["dispatcher"] is module.double:
                print("compiling", flush=True)
                sys.stdin.readline()

        def on_end(self, event):
            pass

    event.register("numba:compile", Waits())
    assert module.double(2) == 4
print(sum(found.is_start for _, found in compiled.buffer))
"""

# Another process that has a lock until it ends.
HOLDS = """
import sys
from pathlib import Path
from mixedscope.engine.compile.kernel_lock import KernelLock

lock = KernelLock(Path(sys.argv[1]))
KernelLock.patience = 0.0
lock.acquire()
print("free" if lock.held else "taken", flush=True)
sys.stdin.readline()
"""

posix = pytest.mark.skipif(os.name != "posix", reason="only POSIX has such locks")

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
    """What is kept of the kernel that the tests call, not of those that it calls."""
    return sorted((tmp_path / "__pycache__").glob(f"*double*.{suffix}"))


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
    monkeypatch.setattr(disk_cache, "sources_digest", lambda: "of other sources")
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


def _nowhere(_: object, *, is_part: bool) -> None:
    raise RuntimeError("cannot cache function: no locator available")


# -- with other processes --------------------------------------------------------------------------
@contextmanager
def process(code: str, argument: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that says something first, and ends with the test."""
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(argument)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield run
    finally:
        run.kill()
        run.communicate()


def said(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def compiled_while(function: Callable[[], Any]) -> int:
    """Kernels that a call compiles."""
    with event.install_recorder("numba:compile") as recorder:
        function()
    return sum(found.is_start for _, found in recorder.buffer)


class Waits:
    """What this process waits for another: on the first occasion it does something."""

    def __init__(
        self, patch: pytest.MonkeyPatch, do: Callable[[], object], jump: float = 0
    ) -> None:
        self.count, self._do, self._jump = 0, do, jump
        patch.setattr(kernel_lock, "time", self)
        patch.setattr(KernelLock, "patience", 120.0)  # the test may use it up

    def monotonic(self) -> float:
        """Seconds, of which each wait takes so many more."""
        return time.monotonic() + self.count * self._jump

    def sleep(self, seconds: float) -> None:
        self.count += 1
        if self.count == 1:
            self._do()
        time.sleep(seconds)


def locks(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "__pycache__").glob("*.lock")]


@posix
def test_of_two_processes_one_compiles_and_the_other_loads(
    kernel: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = kernel()
    with process(CALLS_AND_WAITS, tmp_path / "kernels_demo.py") as other:
        assert said(other) == "compiling"

        def go_on() -> None:
            assert other.stdin is not None
            other.stdin.write("\n")
            other.stdin.flush()

        waits = Waits(monkeypatch, go_on)
        here = compiled_while(lambda: function(2))
        there = int(said(other))
    assert waits.count
    # `double` and the kernel that it calls.
    assert (here, there) == (0, 2)
    assert hits(function) == 1
    assert len([*(tmp_path / "__pycache__").glob("*.nbc")]) == 2
    assert locks(tmp_path) == []


@posix
def test_a_process_that_is_killed_while_it_compiles_blocks_nobody(
    kernel: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = kernel()
    with process(CALLS_AND_WAITS, tmp_path / "kernels_demo.py") as other:
        assert said(other) == "compiling"
        waits = Waits(monkeypatch, other.kill)
        assert compiled_while(lambda: function(2)) == 2
    assert waits.count
    assert function(2) == 4
    assert hits(again := kernel()) == 0
    assert again(2) == 4
    assert hits(again) == 1
    assert locks(tmp_path) == []


@posix
def test_who_waits_in_vain_compiles_and_never_waits_again(
    kernel: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = kernel()
    path = function._cache.lock._path
    path.parent.mkdir(exist_ok=True)
    with process(HOLDS, path) as other:
        assert said(other) == "free"
        waits = Waits(monkeypatch, lambda: None, jump=50.0)
        assert compiled_while(lambda: function(2)) == 2
        waited = waits.count
        assert waited in (2, 3)
        assert compiled_while(lambda: function(2.5)) == 2
        assert waits.count == waited
        assert not function._cache.lock.held


@posix
def test_a_kernel_is_locked_while_it_compiles_and_free_when_that_fails(kernel: Loader) -> None:
    kernel()
    module = sys.modules["kernels_demo"]
    functions = [module.double, module.none, module.one_or_none]
    held: list[list[bool]] = []

    class Looks(event.Listener):
        def on_start(self, event: Any) -> None:
            held.append([function._cache.lock.held for function in functions])

        def on_end(self, event: Any) -> None:
            pass

    looks = Looks()
    event.register("numba:compile", looks)
    try:
        assert module.double(2) == 4
        with pytest.raises(TypingError, match="no_such_thing"):
            module.one_or_none(2)
    finally:
        event.unregister("numba:compile", looks)
    assert held[0] == held[1] == [True, False, False]
    assert [False, False, True] in held
    assert [False, True, True] in held
    for function in functions:
        path = function._cache.lock._path
        with process(HOLDS, path) as other:
            assert said(other) == "free"


@posix
def test_a_lock_that_a_process_has_is_its_own_again_and_free_after_the_last(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kernel.lock"
    lock = KernelLock(path)
    lock.acquire()
    lock.acquire()
    lock.release()
    with process(HOLDS, path) as other:
        assert said(other) == "taken"
    lock.release()
    lock.release()
    assert not path.exists()
    with process(HOLDS, path) as other:
        assert said(other) == "free"


@posix
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EACCES])
@pytest.mark.parametrize("call", ["os.open", "fcntl.lockf"])
def test_where_there_are_no_locks_kernels_compile_all_the_same(
    kernel: Loader, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    module, name = call.split(".")
    tried: list[str] = []
    opens = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if module == "os" and not str(path).endswith(".lock"):
            return opens(path, *arguments, **options)
        tried.append(str(path))
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(getattr(kernel_lock, module), name, refuse)
    function = kernel()
    assert function(2) == 4
    assert tried
    again = kernel()
    assert again(2) == 4
    assert (hits(function), hits(again)) == (0, 1)


def test_nobody_waits_where_nothing_can_be_saved(
    kernel: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = kernel()

    def read_only() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(function._cache._impl.locator, "ensure_cache_path", read_only)
    assert function(2) == 4
    assert not function._cache.lock.held
    assert function(2.5) == 5.0
