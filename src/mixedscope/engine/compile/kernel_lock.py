"""Of processes that want the same kernel at once, one compiles it; the others wait, and load it.

The lock is the operating system's, which takes it back when a process ends, however it ends. It
saves time and guards nothing: whoever cannot have it (some network folders know no locks) or has
waited for longer than a kernel takes (its holder may be suspended) compiles for itself.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

if sys.platform != "win32":
    import fcntl

__all__ = ["KernelLock"]

_PAUSE = 0.02


class KernelLock:
    """The right to compile one kernel, of which a process may ask again while it has it.

    Threads never ask at once, since the compiler lets in one at a time. Kernels call each other
    in no circle, so processes that wait within each other's kernels wait in none either.
    """

    # Seconds; none for who has once waited in vain.
    patience: ClassVar[float] = 120.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._depth = 0
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether other processes wait."""
        return self._file is not None

    def acquire(self) -> None:
        """Take the lock, or go without."""
        self._depth += 1
        if self._depth > 1 or sys.platform == "win32":
            return
        # A lock of POSIX, not of BSD: children that a process leaves behind do not inherit it.
        with suppress(OSError):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            granted = False
            try:
                granted = self._wait()
            finally:
                if not granted:
                    os.close(self._file)
                    self._file = None

    def release(self) -> None:
        """Let others compile, once for each time that the lock was taken."""
        self._depth = max(0, self._depth - 1)
        if self._depth or self._file is None:
            return
        # Who waits has the file open, and finds the result; who comes later makes a file anew.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._file)
        self._file = None

    def _wait(self) -> bool:
        assert self._file is not None
        until = time.monotonic() + KernelLock.patience
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    KernelLock.patience = 0.0
                    return False
                time.sleep(_PAUSE)
            else:
                return True
