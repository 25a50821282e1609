"""What a sheet of checks says, in words made from the stored numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import number, share
from mixedscope.charts.kinds.residuals.words import told_p

__all__ = [
    "check_caption",
    "check_title",
    "checks_of",
    "collinearity_sentence",
    "compared_sentence",
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

#: Names of the ends of limits, and the p value from which on downwards numbers stand out.
_ENDS: Final = ("lower", "upper")
_RARE: Final = 0.05

#: What is told of how responses are distributed (``shown`` of the numbers).
_SHARES: Final = 2


def density_sentence(numbers: Mapping[str, float]) -> str:
    """Say how much of the response is not where drawn ones are."""
    if numbers.get("shown") == _SHARES:
        return (
            f"Shares of successes in bins of population means: {share(numbers['mass_outside'])} of "
            f"the outcomes are in bins outside the 95\u00a0% band of {int(numbers['draws']):,} "
            "simulated data sets."
        )
    return (
        f"{share(numbers['mass_outside'])} of the observed mass lies outside the 95\u00a0% band of "
        f"{int(numbers['draws']):,} simulated data sets."
    )


def compared_sentence(numbers: Mapping[str, float]) -> str:
    """Say of a generalised model how dispersed responses are, and how many are zero."""
    parts = []
    if "dispersion_observed" in numbers:
        ratio = numbers["dispersion_observed"] / numbers["dispersion_mean"]
        limits = [numbers[f"dispersion_{end}"] / numbers["dispersion_mean"] for end in _ENDS]
        parts.append(
            f"Dispersion {number(ratio, 3)} times that of simulated data (95\u00a0%: "
            f"{number(limits[0], 3)} to {number(limits[1], 3)}; {told_p(numbers['dispersion_p'])})."
        )
    if "zeros_observed" in numbers:
        parts.append(
            f"{int(numbers['zeros_observed']):,} zeros, {number(numbers['zeros_mean'], 3)} "
            f"simulated ({number(numbers['zeros_lower'], 3)} to "
            f"{number(numbers['zeros_upper'], 3)}; {told_p(numbers['zeros_p'])})."
        )
    return " ".join(parts) or "Single outcomes tell nothing of their dispersion."


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


def checks_of(
    residuals: Mapping[str, float],
    numbers: Mapping[str, float],
    collinearity: pd.DataFrame,
    terms: pd.DataFrame,
) -> dict[str, bool]:
    """Say of each check whether it stands out, by the rules that the caption states."""
    least, most = residuals["root_least"], residuals["root_most"]
    found = {
        "simulated data": numbers["mass_outside"] > _mass(numbers),
        "linearity": residuals["residual_missed"] > residuals["residual_likely"]
        and residuals["residual_worst"] > _OFF,
        "spread": residuals["root_missed"] > residuals["root_likely"]
        and most**2 > _TIMES * least**2,
        **_of_kind(residuals, numbers),
        "collinearity": bool((collinearity["vif"] >= _MODERATE).any()),
        "residuals": residuals["gap"] > _GAP,
        "random effects": bool((terms["outside"] > terms["likely"]).any())
        if "likely" in terms
        else bool((terms["gap"] > _GAP).any()),
    }
    return found


def _mass(numbers: Mapping[str, float]) -> float:
    """Share outside its limits from which on it stands out: of few bins one is not enough."""
    few = 1.5 / numbers["places"] if numbers.get("shown") == _SHARES else 0.0
    return max(_MASS, few)


def _of_kind(residuals: Mapping[str, float], numbers: Mapping[str, float]) -> dict[str, bool]:
    """Checks that there are of linear models alone, or of generalised ones."""
    if "fixed_cooks_most" in residuals:
        return {"influence": residuals["fixed_cooks_most"] > 1.0}
    return {
        name: numbers[f"{name}_p"] < _RARE
        for name in ("dispersion", "zeros")
        if f"{name}_p" in numbers
    }


def standing_out(
    residuals: Mapping[str, float],
    numbers: Mapping[str, float],
    collinearity: pd.DataFrame,
    terms: pd.DataFrame,
) -> list[str]:
    """Name the checks that stand out: see `checks_of`."""
    return _found(checks_of(residuals, numbers, collinearity, terms))


def _found(checks: Mapping[str, bool]) -> list[str]:
    return [name for name, stands_out in checks.items() if stands_out]


def check_title(checks: Mapping[str, bool]) -> str:
    """Say which of the checks stand out."""
    found = _found(checks)
    if not found:
        return f"None of {len(checks)} checks stands out"
    verb = "stands" if len(found) == 1 else "stand"
    return f"{len(found)} of {len(checks)} checks {verb} out: {', '.join(found)}"


def check_caption(shown: int, told: int, drawn: int, terms: int, *, family: bool = False) -> str:
    """Say by which rules checks stand out, and what is drawn.

    ``drawn``: terms of random effects with a panel, of those that vary. ``family``: of a
    generalised model.
    """
    text = [
        "A check stands out where over 5\u00a0% of observed mass lie outside the band, medians are "
        "off in more bins than chance makes likely and one by over 0.3, sizes likewise and over "
        "2-fold, Cook's distance of fixed effects exceeds 1, variance inflation reaches 5, or a "
        "value outside its envelope is off by over 0.5. Residuals and modes are over their "
        "standard deviations under the model; bands are pointwise."
    ]
    if family:
        text = [
            "Data are simulated from the fit, random effects anew. A check stands out where over "
            "5\u00a0% of the observed mass lie outside the band, and more than one bin of shares; "
            "dispersion (Pearson's statistic at the modes) or zeros have p below 0.05; medians are "
            "off in more bins than chance makes likely and one by over 0.3, sizes likewise and "
            "over 2-fold; variance inflation reaches 5; a residual outside its envelope is off by "
            "over 0.5; more modes lie outside than in 95\u00a0% of simulated data."
        ]
    if shown < told:
        text.append(f"Drawn are {shown:,} of {told:,} observations, extremes among them.")
    if drawn < terms:
        text.append(f"Of {terms} terms that vary the {drawn} least normal are drawn.")
    return " ".join(text)
