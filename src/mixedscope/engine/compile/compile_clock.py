"""How long a thread has waited for kernels to compile, or to be loaded from the disk.

A fit is not slow because it is the first: what this clock counted meanwhile is taken off its
seconds. Numba tells when its compiler is entered and left; the time in between is compiling,
loading, or waiting for another thread that compiles. To load numba itself counts too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["compiling", "compiling_seconds", "start_compile_clock"]

_COMPILER = "numba:compiler_lock"


class _Clock(threading.local):
    """Seconds of a thread; kernels compile those that they call, and only the outermost counts."""

    def __init__(self) -> None:
        self._depth = 0
        self._entered = 0.0
        self.total = 0.0

    def enter(self) -> None:
        """Count from now on."""
        if not self._depth:
            self._entered = time.perf_counter()
        self._depth += 1

    def leave(self) -> None:
        """Count no more, if all that was entered was left."""
        # A thread that was inside the compiler when the clock was started leaves it uncounted.
        if not self._depth:
            return
        self._depth -= 1
        if not self._depth:
            self.total += time.perf_counter() - self._entered


_clock = _Clock()


def start_compile_clock() -> None:
    """From now on count what the compiler does."""
    from numba.core import event

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            _clock.enter()

        def on_end(self, event: Any) -> None:
            _clock.leave()

    event.register(_COMPILER, Listener())


@contextmanager
def compiling() -> Iterator[None]:
    """Count what happens meanwhile."""
    _clock.enter()
    try:
        yield
    finally:
        _clock.leave()


def compiling_seconds() -> float:
    """Seconds that this thread has spent so."""
    return _clock.total
