"""One line on stderr while kernels compile for the first time on a machine.

A first fit takes seconds where the next takes thousandths of one; who waits is told why, once. A
file beside the compiled code remembers that it was said, so that the jobs of a run that compile at
once say it once too. Where nothing can be kept there is a warning already.
"""

from __future__ import annotations

import os
import sys
import time

from numba.core import event

from mixedscope.engine.compile.disk_cache import DiskCache, sources_digest
from mixedscope.engine.compile.own_kernels import COMPILE, OwnKernels

__all__ = ["announce_compiling"]

# Seconds of compiling in a process after which it is worth a line.
_PATIENCE = 1.0
_LINE = (
    "mixedscope: compiling, once on this machine: the first fit of each kind of model takes some "
    "seconds longer."
)


class _Announcement(OwnKernels):
    """Add up the seconds of a process."""

    def __init__(self) -> None:
        super().__init__()
        self._began = 0.0
        self._total = 0.0
        self._is_done = False

    def begin(self) -> None:
        self._began = time.monotonic()

    def end(self) -> None:
        self._total += time.monotonic() - self._began

    def look(self) -> None:
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
    event.register(COMPILE, _Announcement())
