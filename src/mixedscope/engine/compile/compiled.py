"""How the engine compiles: three decorators for all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from mixedscope.engine.compile.announcement import announce_compiling
from mixedscope.engine.compile.collector import pause_while_compiling
from mixedscope.engine.compile.compile_clock import start_compile_clock
from mixedscope.engine.compile.disk_cache import keep_on_disk

__all__ = ["inlined", "kernel", "part"]

_Function = TypeVar("_Function", bound=Callable[..., object])

pause_while_compiling()
start_compile_clock()
announce_compiling()


def kernel(function: _Function) -> _Function:
    """Compile when first called, and keep the result on disk.

    Divisions by zero give infinities or NaN, as in numpy: kernels test what they divide by, and a
    branch for an exception at every division would double the code to compile.

    What costs seconds of compilation is kept out of kernels: assigning one array to a part of
    another, whose error message pulls in text formatting; sorting; and integers written out
    (``0``) handed to other kernels, for which these are compiled once more.
    """
    return _compile(function, {"no_cfunc_wrapper": True})


def part(function: _Function) -> _Function:
    """Compile a function that only kernels call: without what a call from Python needs."""
    return _compile(function, {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})


def inlined(function: _Function) -> _Function:
    """Copy a function into the kernels that call it, where it has but one or two callers.

    The code of a called function is optimised once more with each of its callers, at every level of
    calls: fewer levels take less time to compile.
    """
    return _compile(function, {"inline": "always"})


def _compile(function: _Function, options: dict[str, Any]) -> _Function:
    compiled: Any = njit(error_model="numpy", **options)(function)
    keep_on_disk(compiled)
    return cast(_Function, compiled)
