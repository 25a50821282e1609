"""What a sheet of checks says, in words made from the stored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import number, share

__all__ = [
    "check_caption",
    "check_title",
    "collinearity_sentence",
    "density_sentence",
    "effects_sentence",
    "standing_out",
]

#: Where a check stands out: mass outside, medians and quantiles off by so much, sizes so many
#: times others, and the smallest moderate factor.
_MASS: Final = 0.05
_OFF: Final = 0.3
_GAP: Final = 0.5
_TIMES: Final = 2.0
_MODERATE: Final = 5.0
_HIGH: Final = 10.0


def density_sentence(numbers: Mapping[str, float]) -> str:
    """Say how much of the response is not where drawn ones are."""
    return (
        f"{share(numbers['mass_outside'])} of the observed mass lies outside the 95\u00a0% band of "
        f"{int(numbers['draws']):,} simulated data sets."
    )


def collinearity_sentence(table: pd.DataFrame) -> str:
    """Say which factor is the largest, and how large that is."""
    known = table[table["vif"].notna()]
    if known.empty:
        return "Fewer than two terms: nothing to be collinear with."
    most = known.nlargest(1, "vif").iloc[0]
    vif = float(most["vif"])
    size = "low" if vif < _MODERATE else "moderate" if vif < _HIGH else "high"
    return f"Largest variance inflation: {number(vif)} ({most['term']}), {size}."


def effects_sentence(outside: int, levels: int, gap: float) -> str:
    """Say how many modes of a term are where none of a normal distribution would be."""
    off = f", by {number(gap, 2)} at most" if outside else ""
    return f"{outside:,} of {levels:,} outside the envelope{off}."


def standing_out(
    residuals: Mapping[str, float],
    numbers: Mapping[str, float],
    collinearity: pd.DataFrame,
    terms: pd.DataFrame,
) -> list[str]:
    """Name the checks that stand out, by the rules that the caption states."""
    least, most = residuals["root_least"], residuals["root_most"]
    found = {
        "simulated data": numbers["mass_outside"] > _MASS,
        "linearity": residuals["residual_missed"] > residuals["residual_likely"]
        and residuals["residual_worst"] > _OFF,
        "spread": residuals["root_missed"] > residuals["root_likely"]
        and most**2 > _TIMES * least**2,
        "influence": residuals["fixed_cooks_most"] > 1.0,
        "collinearity": bool((collinearity["vif"] >= _MODERATE).any()),
        "residuals": residuals["gap"] > _GAP,
        "random effects": bool((terms["gap"] > _GAP).any()),
    }
    return [name for name, stands_out in found.items() if stands_out]


def check_title(found: Sequence[str]) -> str:
    """Say which checks stand out."""
    if not found:
        return "None of 7 checks stands out"
    verb = "stands" if len(found) == 1 else "stand"
    return f"{len(found)} of 7 checks {verb} out: {', '.join(found)}"


def check_caption(shown: int, told: int, drawn: int, terms: int) -> str:
    """Say by which rules checks stand out, and what is drawn.

    ``drawn``: terms of random effects with a panel, of those that vary.
    """
    text = [
        "A check stands out where over 5\u00a0% of observed mass lie outside the band, medians are "
        "off in more bins than chance makes likely and one by over 0.3, sizes likewise and over "
        "2-fold, Cook's distance of fixed effects exceeds 1, variance inflation reaches 5, or a "
        "value outside its envelope is off by over 0.5. Residuals and modes are over their "
        "standard deviations under the model; bands are pointwise."
    ]
    if shown < told:
        text.append(f"Drawn are {shown:,} of {told:,} observations, extremes among them.")
    if drawn < terms:
        text.append(f"Of {terms} terms that vary the {drawn} least normal are drawn.")
    return " ".join(text)
