"""Kernels of small models run by Python, while that is sooner done than to load compiled code.

To load the compiler takes longer than Python needs to fit a small model, and to compile takes
seconds. Either way gives the same bits, so that nothing but time depends on the choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["compile_always", "entries", "interpret", "is_for_python", "state"]

# Entries of arrays, times passes over them, that are left to Python: about a fifth of a second.
_MOST_WORK = 8000
# Seconds of Python after which a process compiles, or loads, whatever it calls: a little less than
# it takes to load the code of a model that is on disk.
_PATIENCE = 0.4


class _Interpreter:
    """How long this process has interpreted kernels, and whether it still does."""

    def __init__(self) -> None:
        self.is_done = False
        self.seconds = 0.0


#: Of this process.
state = _Interpreter()


def compile_always() -> None:
    """From now on interpret nothing in this process."""
    state.is_done = True


def is_for_python(work: int) -> bool:
    """Whether so much is left to Python; ``work``: entries of arrays times passes over them."""
    return work <= _MOST_WORK and not state.is_done


def interpret(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function; what divides by zero gives infinity or NaN, as in compiled code."""
    began = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            return _plain(function(*arguments))
    finally:
        state.seconds += time.perf_counter() - began
        if state.seconds > _PATIENCE:
            state.is_done = True


def entries(arguments: tuple[Any, ...]) -> int:
    """Count the entries of the arrays among some arguments."""
    total = 0
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            total += argument.size
        elif isinstance(argument, tuple):
            total += entries(argument)
    return total


def _plain(result: Any) -> Any:
    """Numbers as Python's own, which compiled code gives."""
    if isinstance(result, np.generic):
        return result.item()
    if isinstance(result, tuple):
        return tuple(_plain(part) for part in result)
    return result
