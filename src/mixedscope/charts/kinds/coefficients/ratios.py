"""Coefficients of a link as ratios: which they are, and the ticks of their axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mixedscope.charts.common.link_scale import ratio_words, scale_words
from mixedscope.core.errors import UnsuitedError
from mixedscope.tables.store import FitTables

__all__ = ["ratio_ticks", "ratios_of", "scale_of"]

#: Ticks of an axis at most; spans, largest over smallest, from which on ticks are 1, 2, 5, 10 ...
_TICKS: Final = 6
_WIDE: Final = 4.0


def scale_of(tables: Sequence[FitTables]) -> str:
    """The scale of the fixed effects of fits that are drawn together; empty of linear models."""
    return scale_words(tables[0].info)


def ratios_of(tables: Sequence[FitTables]) -> str:
    """What exponentials of the coefficients of these fits are called.

    Raises UnsuitedError where they are no ratios.
    """
    words = ratio_words(tables[0].info)
    if words:
        return words
    info: Mapping[str, Any] = tables[0].info
    what = f"the link {info['link']!r}" if info.get("family") else "a linear model"
    raise UnsuitedError(
        f"Coefficients of {what} are no logarithms of ratios: those of the links logit, log and "
        "cloglog are; leave ratios out"
    )


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends of an axis of ratios, six or fewer; 1 if it is there.

    Examples
    --------
    >>> ratio_ticks(0.3, 12.0)
    [0.5, 1.0, 2.0, 5.0, 10.0]
    >>> ratio_ticks(0.87, 1.24)
    [0.9, 1.0, 1.1, 1.2]
    """
    if high / low >= _WIDE:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for steps in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            found = [m * 10.0**e for e in range(first, last + 1) for m in steps]
            found = [float(f"{v:.6g}") for v in found if low <= v <= high]
            if len(found) <= _TICKS:
                return found
        every = math.ceil(len(found) / _TICKS)
        return [v for v in found if round(math.log10(v)) % every == 0]
    raw = (high - low) / (_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw)
    # Counted from 1, so that it is one of them.
    count = range(math.ceil((low - 1.0) / step), math.floor((high - 1.0) / step) + 1)
    return [float(f"{1.0 + i * step:.6g}") for i in count]
