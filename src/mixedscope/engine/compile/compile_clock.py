"""How long a thread has waited for kernels to compile, or to be loaded from the disk.

A fit is not slow because it is the first: what this clock counted meanwhile is taken off its
seconds. Numba tells when its compiler is entered and left; the time in between is compiling,
loading, or waiting for another thread that compiles.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from numba.core import event

__all__ = ["compiling_seconds", "start_compile_clock"]

_COMPILER = "numba:compiler_lock"


class _Clock(threading.local, event.Listener):
    """Seconds of a thread; kernels compile those that they call, and only the outermost counts."""

    def __init__(self) -> None:
        self._depth = 0
        self._entered = 0.0
        self.total = 0.0

    def on_start(self, event: Any) -> None:
        if not self._depth:
            self._entered = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        # A thread that was inside the compiler when the clock was started leaves it uncounted.
        if not self._depth:
            return
        self._depth -= 1
        if not self._depth:
            self.total += time.perf_counter() - self._entered


_clock = _Clock()


def start_compile_clock() -> None:
    """From now on count."""
    event.register(_COMPILER, _clock)


def compiling_seconds() -> float:
    """Seconds that this thread has spent inside the compiler since the clock was started."""
    return _clock.total
