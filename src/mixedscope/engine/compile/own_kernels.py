"""When kernels of this package compile: what numba tells of all that it compiles, narrowed down."""

from __future__ import annotations

from typing import Any, Final

from numba.core import event

__all__ = ["COMPILE", "OwnKernels"]

#: What numba calls the compilation of a function.
COMPILE: Final = "numba:compile"
_PACKAGE = __name__.partition(".")[0] + "."


class OwnKernels(event.Listener):
    """Told when a kernel of this package begins and has ended to compile.

    Kernels compile those that they call; only the outermost counts. The compiler's own lock keeps
    other threads from compiling meanwhile.
    """

    def __init__(self) -> None:
        self._depth = 0

    def on_start(self, event: Any) -> None:
        """Count one more, if it is ours or called by ours."""
        if self._depth or event.data["dispatcher"].py_func.__module__.startswith(_PACKAGE):
            self._depth += 1
            if self._depth == 1:
                self.begin()
            self.look()

    def on_end(self, event: Any) -> None:
        """Count one less."""
        if not self._depth:
            return
        self.look()
        self._depth -= 1
        if not self._depth:
            self.end()

    def begin(self) -> None:
        """Nothing of this package compiled, and now something does."""

    def look(self) -> None:
        """A kernel or one that it calls begins or has ended."""

    def end(self) -> None:
        """Nothing of this package compiles any more."""
