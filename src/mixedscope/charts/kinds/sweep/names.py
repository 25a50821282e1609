"""How values of keys and measures of sweeps are written for readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from mixedscope.charts.common.numerals import fixed, power, share_in_tenths
from mixedscope.charts.kinds.coefficients.parameters import NAMES
from mixedscope.charts.kinds.shrinkage.levels import number, share
from mixedscope.charts.kinds.trace.words import PHASE_NAMES
from mixedscope.summaries.keys import key_words
from mixedscope.summaries.measures import MEASURES, Measure

__all__ = [
    "FLOOR_WORDS",
    "capital",
    "named",
    "phase_name",
    "placed",
    "ranged",
    "told",
    "x_words",
]

#: How the tick of the smallest number drawn is labelled.
FLOOR_WORDS: Final = "\u2264\u2009{}"

_STARTS: Final = {
    "independent": "the optimiser's own start",
    "moments": "moments of the data",
    "identity": "random effects as variable as residuals",
}


def phase_name(phase: str) -> str:
    """Name a phase as in every other chart."""
    return PHASE_NAMES[phase]


def named(key: str, value: Any) -> str:
    """Write the value of a key for readers."""
    if key == "phase":
        return phase_name(value)
    if key in ("intervals", "tests"):
        return NAMES.get(value, str(value))
    if key == "start":
        return _STARTS.get(value, f"random start {value}")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        if value != 0 and abs(value) < (1e-2 if key == "tolerance" else 1e-3):
            return power(value)
        return share(value) if key == "share" else number(value, 12)
    return str(value)


def placed(key: str, value: Any) -> str:
    """Write the value of a key so that it can stand alone: ``8 levels of subject``."""
    text = named(key, value)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or key == "start":
        return text
    words = key_words(key)
    if words.startswith("number of "):
        return f"{text} {words.removeprefix('number of ')}"
    if words == "rows per cell":
        return f"{text} {words}"
    return f"{text} of the data" if key == "share" else f"{words} {text}"


def told(measure: Measure, value: float) -> str:
    """Write a value of a measure with its unit."""
    if measure.nominal is not None:
        return share_in_tenths(value)
    if measure.unit == "%":
        return share(value)
    if measure.floor is not None and value <= measure.floor:
        return FLOOR_WORDS.format(power(measure.floor, 1))
    if abs(value) >= 1e5 or 0 < abs(value) < 1e-3:
        text = power(value)
    elif float(value).is_integer():
        text = fixed(value)
    else:
        text = number(value, 3)
    return f"{text}\u00a0s" if measure.unit == "s" else text


def x_words(key: str) -> str:
    """Name the axis of a key or measure."""
    if key in MEASURES:
        return MEASURES[key].words
    words = key_words(key)
    return f"{words} (tighter to the right)" if key == "tolerance" else words


def ranged(measure: Measure, values: Sequence[float]) -> str:
    """Write the smallest and the largest of some values, or what all of them are."""
    low, high = told(measure, min(values)), told(measure, max(values))
    return low if low == high else f"{low} to {high}"


def capital(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[:1].upper() + text[1:]
