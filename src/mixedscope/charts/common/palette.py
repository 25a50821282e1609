"""The usual colours of charts, and what others have to be like that take their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

from mixedscope.charts.common.numerals import fixed, in_full
from mixedscope.core.errors import ModelError, suggest
from mixedscope.core.vocabulary import CONVERGENCE, EXPLORATION, FINE_TUNING
from mixedscope.covariance.registry import STRUCTURES, look_of

__all__ = ["GROUP_COLOURS", "THEMES", "USUAL", "check_colours", "contrast", "luminance"]

#: Fixed meanings; names of stages and phases are those of the stored tables. Structures say their
#: own colours (`mixedscope.charts.common.structure_names.structure_colours`).
USUAL: Final[dict[str, str]] = {
    # shrinkage
    "reference": "#B37400",
    "mode": "#0072B2",
    "population": "#000000",
    "movement": "#868686",
    "ellipse": "#2F93CC",
    "zero": "#6E6E6E",
    # levels of variance and of degrees of freedom; grouping factors have `GROUP_COLOURS`
    "observations": "#949494",
    "fixed": "#3F3F3F",
    # phases of an optimisation, each lighter than the one before
    EXPLORATION: "#F2D8AE",
    CONVERGENCE: "#D6EBFB",
    FINE_TUNING: "#FAFAFA",
    # evaluations
    "evaluation": "#6C6C6C",
    "best": "#0072B2",
    "failed": "#CC3311",
    "polish": "#B5568D",
    "escape": "#882255",
    "restart": "#2F857B",
}

#: Colours of grouping factors, in the order of the formula.
GROUP_COLOURS: Final = ("#0072B2", "#8C4A18", "#008C78", "#5A0A50", "#967814", "#1E00A0")

#: Ink and paper of every theme: "light" for screens, "print" for paper (no tint anywhere).
THEMES: Final[dict[str, dict[str, str]]] = {
    "light": {"ink": "#222222", "soft": "#5A5A5A", "grid": "#E6E6E6", "paper": "#FFFFFF"},
    "print": {"ink": "#000000", "soft": "#333333", "grid": "#DDDDDD", "paper": "#FFFFFF"},
}

# -- colours of a user's own -----------------------------------------------------------------------

_HEX: Final = re.compile(r"#[0-9A-Fa-f]{6}")

#: Least contrast of marks with paper, and of ink with what is shaded behind it (WCAG 2.2).
_LEAST_OF_MARKS: Final = 2.0
_LEAST_OF_INK: Final = 4.5
_SHADES: Final = (EXPLORATION, CONVERGENCE, FINE_TUNING)

#: Colours that stand side by side, and how far apart they are at least (CIE 1976, L*a*b*).
_TOGETHER: Final = (
    ("reference", "mode", "movement", "ellipse", "population"),
    ("evaluation", "best", "failed", "polish", "escape", "restart"),
    _SHADES,
)
_APART: Final = 12.0


def check_colours(colours: Any) -> None:
    """Raise ModelError if a colour has no meaning, is not written as one, or cannot be read."""
    from mixedscope.core.arguments import named  # which loads what plans do not need

    if not isinstance(colours, Mapping):
        raise ModelError(
            "colours is a mapping of meanings to colours, such as "
            f'colours={{"mode": "#0072B2"}}, not {named(colours)}.'
        )
    known = [*USUAL, *STRUCTURES]
    for name, colour in colours.items():
        if name not in known and (not isinstance(name, str) or look_of(name) is None):
            raise ModelError(
                f"There is no colour {name!r}.{suggest(str(name), known)} "
                f"Known are: {', '.join(known)}."
            )
        if not isinstance(colour, str) or not _HEX.fullmatch(colour):
            raise ModelError(
                f"The colour of {name!r} is written with six hexadecimal digits, such as "
                f'"#0072B2", not {named(colour)}.'
            )
        if name in _SHADES:
            found = contrast(colour, THEMES["light"]["ink"])
            if found < _LEAST_OF_INK:
                raise ModelError(
                    f"Text on {name!r} cannot be read: {colour} has a contrast of "
                    f"{fixed(found, 1)} to ink, and needs {in_full(_LEAST_OF_INK)}: "
                    "take a lighter one."
                )
            continue
        found = contrast(colour, THEMES["light"]["paper"])
        if name != "observations" and found < _LEAST_OF_MARKS:
            raise ModelError(
                f"Marks of {name!r} can hardly be seen: {colour} has a contrast of "
                f"{fixed(found, 1)} to paper, and needs {in_full(_LEAST_OF_MARKS)}: "
                "take a darker one."
            )
    whole = {**USUAL, **colours}
    structures = tuple(name for name in colours if name not in USUAL)
    for group in (*_TOGETHER, structures):
        for first, second in combinations(group, 2):
            if {first, second} & set(colours) and _apart(whole[first], whole[second]) < _APART:
                raise ModelError(
                    f"{first!r} ({whole[first]}) and {second!r} ({whole[second]}) stand side by "
                    "side and look alike: take colours that differ more."
                )


def _linear(colour: str) -> tuple[float, float, float]:
    """Linear light of red, green and blue."""
    parts = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return red, green, blue


def luminance(colour: str) -> float:
    """Relative luminance of a colour: 0 is black, 1 white (WCAG 2.2)."""
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast of two colours as WCAG defines it, from 1 to 21."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def _apart(first: str, second: str) -> float:
    """Distance of two colours in L*a*b* under daylight (D65)."""

    def lab(colour: str) -> tuple[float, float, float]:
        red, green, blue = _linear(colour)
        x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
        y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
        x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
        return 116 * y - 16, 500 * (x - y), 200 * (y - z)

    return sum((a - b) ** 2 for a, b in zip(lab(first), lab(second), strict=True)) ** 0.5
