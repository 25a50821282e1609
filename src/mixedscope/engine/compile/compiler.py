"""The compiler, with all that watches it; loaded when something is to be compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from mixedscope.engine.compile.announcement import announce_compiling
from mixedscope.engine.compile.collector import pause_while_compiling
from mixedscope.engine.compile.compile_clock import start_compile_clock
from mixedscope.engine.compile.disk_cache import keep_on_disk

__all__ = ["dispatcher_of"]

pause_while_compiling()
start_compile_clock()
announce_compiling()


def dispatcher_of(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Give what compiles a function when it is called, or loads it from the disk."""
    compiled: Any = njit(error_model="numpy", **options)(function)
    keep_on_disk(compiled)
    return compiled
