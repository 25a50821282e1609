"""Ticks of the axes of an animation, the same in player and film."""

from __future__ import annotations

import math

from mixedscope.charts.common.numerals import fixed, power_of_ten

__all__ = ["gap_ticks", "nice_ticks"]


def nice_ticks(low: float, high: float, count: int = 4) -> list[tuple[float, str]]:
    """Round numbers inside a range, about as many as asked for, with their labels."""
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * min((1, 2, 5, 10), key=lambda m: abs(math.log(m * power / raw)))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [i * step for i in range(first, last + 1)]
    return [(round(v, 12), fixed(v + 0.0, digits)) for v in values]


def gap_ticks(floor: float, top: float, most: int = 6) -> list[tuple[float, str]]:
    """Powers of ten on a logarithmic axis of gaps, the floor among them.

    ``floor``, ``top``: ends of the axis, powers of ten.
    """
    low, high = round(math.log10(floor)), round(math.log10(top))
    step = math.ceil((high - low + 1) / most)
    return [(10.0**e, power_of_ten(e)) for e in range(low, high + 1, step)]
