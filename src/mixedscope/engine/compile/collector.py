"""Little garbage collection while kernels compile.

The compiler makes millions of objects. Looking through all of them again and again takes a tenth of
the time of a first fit; looking through the latest does not, and frees what matters (without it the
first fit of two crossed factors takes 120 MB more).
"""

from __future__ import annotations

import gc

from numba.core import event

from mixedscope.engine.compile.own_kernels import COMPILE, OwnKernels

__all__ = ["pause_while_compiling"]

# New objects after which the latest are looked through, and how often that is done before those
# that survived are, and all.
_WHILE_COMPILING = (20_000, 10, 100_000)


class _Pause(OwnKernels):
    """Slow the collector while a kernel of this package compiles."""

    def __init__(self) -> None:
        super().__init__()
        self._before = gc.get_threshold()

    def begin(self) -> None:
        self._before = gc.get_threshold()
        gc.set_threshold(*_WHILE_COMPILING)

    def end(self) -> None:
        gc.set_threshold(*self._before)


def pause_while_compiling() -> None:
    """From now on kernels of this package compile with little garbage collection."""
    event.register(COMPILE, _Pause())
