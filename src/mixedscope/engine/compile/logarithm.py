"""Logarithm, exponential and error function, the same to Python as to compiled code.

Numpy computes its own, which may differ in the last bit from those that compiled code calls: those
of the system's library, which Python's ``math`` calls too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from mixedscope.engine.compile.compiled import Twofold

__all__ = ["erfc", "exp", "expm1", "log", "log1p"]


class _Log(Twofold):
    @cached_property
    def compiled(self) -> Any:
        """What the compiler knows."""
        return math.log

    @staticmethod
    def interpreted(x: float) -> float:
        """Logarithm; minus infinity of 0, NaN of negative numbers."""
        if x > 0.0:
            return math.log(x)
        return -math.inf if x == 0.0 else math.nan


class _Log1p(Twofold):
    @cached_property
    def compiled(self) -> Any:
        """What the compiler knows."""
        return math.log1p

    @staticmethod
    def interpreted(x: float) -> float:
        """Logarithm of one more; minus infinity of -1, NaN below."""
        if x > -1.0:
            return math.log1p(x)
        return -math.inf if x == -1.0 else math.nan


class _Exp(Twofold):
    @cached_property
    def compiled(self) -> Any:
        """What the compiler knows."""
        return math.exp

    @staticmethod
    def interpreted(x: float) -> float:
        """Exponential function; infinity where that is beyond floating-point numbers."""
        try:
            return math.exp(x)
        except OverflowError:
            return math.inf


class _Expm1(Twofold):
    @cached_property
    def compiled(self) -> Any:
        """What the compiler knows."""
        return math.expm1

    @staticmethod
    def interpreted(x: float) -> float:
        """Exponential function less one; infinity where that is beyond floating-point numbers."""
        try:
            return math.expm1(x)
        except OverflowError:
            return math.inf


class _Erfc(Twofold):
    @cached_property
    def compiled(self) -> Any:
        """What the compiler knows."""
        return math.erfc

    @staticmethod
    def interpreted(x: float) -> float:
        """Complementary error function."""
        return math.erfc(x)


#: For kernels.
log = cast(Callable[[float], float], _Log())
log1p = cast(Callable[[float], float], _Log1p())
exp = cast(Callable[[float], float], _Exp())
expm1 = cast(Callable[[float], float], _Expm1())
erfc = cast(Callable[[float], float], _Erfc())
