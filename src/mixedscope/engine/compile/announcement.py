"""One line on stderr while kernels compile for the first time on a machine.

A first fit takes seconds where the next takes thousandths of one; who waits is told why, once. A
file beside the compiled code remembers that it was said, so that the jobs of a run that compile at
once say it once too. Where nothing can be kept there is a warning already.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from numba.core import event

from mixedscope.engine.compile.disk_cache import DiskCache, sources_digest

__all__ = ["announce_compiling"]

_PACKAGE = __name__.partition(".")[0] + "."
# Seconds of compiling in a process after which it is worth a line.
_PATIENCE = 1.0
_LINE = (
    "mixedscope: compiling, once on this machine: the first fit of each kind of model takes some "
    "seconds longer."
)


class _Announcement(event.Listener):
    """Add up the seconds of a process; kernels compile those that they call."""

    def __init__(self) -> None:
        self._depth = 0
        self._began = 0.0
        self._total = 0.0
        self._is_done = False

    def on_start(self, event: Any) -> None:
        if self._depth or event.data["dispatcher"].py_func.__module__.startswith(_PACKAGE):
            if not self._depth:
                self._began = time.monotonic()
            self._depth += 1
            self._look()

    def on_end(self, event: Any) -> None:
        if not self._depth:
            return
        self._look()
        self._depth -= 1
        if not self._depth:
            self._total += time.monotonic() - self._began

    def _look(self) -> None:
        if self._is_done or self._total + time.monotonic() - self._began < _PATIENCE:
            return
        self._is_done = True
        if sys.stderr is not None and _is_first():
            print(_LINE, file=sys.stderr, flush=True)


def _is_first() -> bool:
    """Whether nobody has said so of this version of the kernels on this machine."""
    try:
        folder = DiskCache(_is_first).make_folder()
        marker = folder / f"announced-{sources_digest()[:16]}"
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except (OSError, RuntimeError):  # said already, or no folder can be written
        return False
    return True


def announce_compiling() -> None:
    """From now on say so."""
    event.register("numba:compile", _Announcement())
