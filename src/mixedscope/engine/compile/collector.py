"""Little garbage collection while kernels compile.

The compiler makes millions of objects. Looking through all of them again and again takes a tenth of
the time of a first fit; looking through the latest does not, and frees what matters (without it the
first fit of two crossed factors takes 120 MB more).
"""

from __future__ import annotations

import gc
from typing import Any

from numba.core import event

__all__ = ["pause_while_compiling"]

_COMPILE = "numba:compile"
# New objects after which the latest are looked through, and how often that is done before those
# that survived are, and all.
_WHILE_COMPILING = (20_000, 10, 100_000)
_PACKAGE = __name__.partition(".")[0] + "."


class _Pause(event.Listener):
    """Slow the collector while a kernel of this package compiles.

    Kernels compile those that they call; only the outermost counts. The compiler's own lock keeps
    other threads from compiling meanwhile.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._before = gc.get_threshold()

    def on_start(self, event: Any) -> None:
        if self._depth or event.data["dispatcher"].py_func.__module__.startswith(_PACKAGE):
            self._depth += 1
        if self._depth == 1:
            self._before = gc.get_threshold()
            gc.set_threshold(*_WHILE_COMPILING)

    def on_end(self, event: Any) -> None:
        if not self._depth:
            return
        self._depth -= 1
        if not self._depth:
            gc.set_threshold(*self._before)


def pause_while_compiling() -> None:
    """From now on kernels of this package compile with little garbage collection."""
    event.register(_COMPILE, _Pause())
