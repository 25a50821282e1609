"""The natural logarithm, the same to Python as to compiled code.

Numpy computes its own, which may differ in the last bit from the one that compiled code calls: that
of the system's library, which Python's ``math`` calls too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from mixedscope.engine.compile.compiled import Twofold

__all__ = ["log"]


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


#: For kernels.
log = cast(Callable[[float], float], _Log())
