"""Axes of logarithms, and distances of an objective from its minimum as they are drawn on them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mixedscope.charts.common.numerals import power_of_ten

__all__ = ["gap_axis", "gap_labels", "power_labels", "smallest_gap"]


def smallest_gap(objectives: Iterable[float]) -> float:
    """Give the smallest gap that is drawn: 1e-9, or the next power of ten above rounding.

    Rounding is taken as 16 units in the last place of the largest of the objectives.
    """
    largest = float(np.nanmax(np.abs(np.fromiter(objectives, dtype=float))))
    return max(1e-9, 10.0 ** math.ceil(math.log10(16.0 * float(np.spacing(largest)))))


def power_labels(exponents: Sequence[int], words: Iterable[str] | None = None) -> str:
    """Give the Vega expression that writes a power of ten as 100, 0.01 or 1e−5, or as `words`."""
    told = ", ".join(f"'{w}'" for w in words or map(power_of_ten, exponents))
    return f"[{told}][round(log(datum.value) / LN10) - ({exponents[0]})]"


def gap_labels(exponents: Sequence[int]) -> str:
    """The same, the first for all gaps up to it: smaller ones are drawn at the floor."""
    first, *others = map(power_of_ten, exponents)
    return power_labels(exponents, [f"0 to {first}", *others])


def gap_axis(span: tuple[float, float]) -> dict[str, Any]:
    """Ticks and labels of an axis of gaps from the floor to the top, some eight at most."""
    exponents = range(round(math.log10(span[0])), math.floor(math.log10(span[1])) + 1)
    every = len(exponents) // 8 + 1
    shown = [10.0**e for e in exponents if (e - exponents[0]) % every == 0]
    return {"values": shown, "labelExpr": gap_labels(exponents)}
