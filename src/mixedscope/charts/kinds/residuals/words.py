"""What residuals say, in words made from the stored numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed, number, share
from mixedscope.core.wording import counted

__all__ = [
    "levels_sentence",
    "leverage_sentence",
    "linear_sentence",
    "normal_sentence",
    "numbers_of",
    "residuals_caption",
    "residuals_title",
    "spread_sentence",
    "told_p",
]

#: Share that lies outside of pointwise limits where all is as it should be.
_CHANCE: Final = 0.05


def numbers_of(table: pd.DataFrame) -> Mapping[str, float]:
    """A table of names and values as a mapping."""
    return dict(zip(table["name"].tolist(), table["value"].tolist(), strict=True))


def told_p(p: float) -> str:
    """A p value, or that it is below 0.001."""
    return "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{number(p, 2)}"


def normal_sentence(numbers: Mapping[str, float], qq: pd.DataFrame) -> str:
    """Say how many residuals are where no normal ones would be."""
    outside, told = int(numbers["outside"]), int(numbers["told"])
    most = qq.iloc[int(qq["residual"].abs().to_numpy().argmax())]
    return (
        f"{outside:,} of {told:,} ({share(outside / told)}) lie outside the envelope, 5\u00a0% of "
        f"independent ones. The middle half is like SD {number(numbers['middle_sd'], 2)}; largest "
        f"{fixed(float(most['residual']), 2)} (row {most['unit']})."
    )


def linear_sentence(numbers: Mapping[str, float]) -> str:
    """Say in how many bins residuals are not about zero."""
    bins, missed = int(numbers["residual_bins"]), int(numbers["residual_missed"])
    by = f", by {number(numbers['residual_worst'], 2)} at most" if missed else ""
    return (
        f"The median is off zero in {missed} of {bins} {_bins(bins)} "
        f"({number(_CHANCE * bins, 2)} by chance){by}."
    )


def spread_sentence(numbers: Mapping[str, float]) -> str:
    """Say how the spread differs between bins, and what the test of it says."""
    least, most = numbers["root_least"], numbers["root_most"]
    bins = int(numbers["root_bins"])
    p = numbers.get("breusch_pagan_p", math.nan)
    test = f" Breusch–Pagan {told_p(p)}." if p == p else ""
    if bins == 1 or not least > 0.0:
        return f"Too few observations to compare spreads.{test}"
    fold = (most / least) ** 2
    return (
        f"Typical size differs {fixed(fold, 2) if fold < 1.1 else number(fold, 2)}-fold between "
        f"bins, off in "
        f"{int(numbers['root_missed'])} of {bins}.{test}"
    )


def leverage_sentence(numbers: Mapping[str, float], points: pd.DataFrame) -> str:
    """Say how many observations have a large Cook's distance, and which the largest."""
    if not points["cooks_distance"].notna().any():
        return "Without fixed effects there are no Cook's distances."
    most = points.nlargest(1, "cooks_distance").iloc[0]
    return (
        f"Cook's distance exceeds 1 in {counted(int(numbers['cooks_above_one']), 'row')}, 0.5 in "
        f"{int(numbers['cooks_above_half']):,}; largest {number(float(most['cooks_distance']), 2)} "
        f"(row {most['unit']}). Of fixed effects alone: {number(numbers['fixed_cooks_most'], 2)}."
    )


def levels_sentence(group: str, levels: pd.DataFrame) -> str:
    """Say between which levels the medians lie."""
    low, high = levels.iloc[0], levels.iloc[-1]
    return (
        f"{group}: medians from {fixed(float(low['median']), 2)} ({low['level']}) to "
        f"{fixed(float(high['median']), 2)} ({high['level']})"
    )


def residuals_title(numbers: Mapping[str, float]) -> str:
    """Say how many residuals are unlike normal ones, and in how many bins they are off."""
    outside, told = int(numbers["outside"]), int(numbers["told"])
    missed = int(numbers["residual_missed"]), int(numbers["root_missed"])
    bins = int(numbers["residual_bins"])
    return (
        f"{share(outside / told)} of the residuals lie outside their normal envelope; "
        f"medians are off in {missed[0]}, sizes in {missed[1]} of {bins} {_bins(bins)}"
    )


def residuals_caption(
    numbers: Mapping[str, float], shown: int, groups: Sequence[tuple[str, int, int]]
) -> str:
    """Say what residuals, envelopes, lines and contours are, and what is left out.

    ``groups``: grouping factors with levels drawn and levels there are.
    """
    told, whole = int(numbers["told"]), int(numbers["observations"])
    by, places = "each measure", "values"
    text = [
        "Standardised residuals: over σ√(1 − leverage). Envelope: pointwise, 95\u00a0% of each "
        "order statistic of independent normal values. Medians, with 95\u00a0% sign intervals, are "
        "of bins of population values: shrunken modes correlate with residuals. Cook's distances "
        "are from leverages, as lme4's. Below, levels by median."
    ]
    if "draws" in numbers:
        by, places = "size", "means"
        text = [
            f"Simulated residuals: the rank of each response among {int(numbers['draws'])} drawn "
            "from the fit, random effects anew, ties broken at random (seed "
            f"{int(numbers['seed'])}), as a normal quantile. Envelope: pointwise, 95\u00a0% of "
            "each order statistic of independent normal values; residuals of one level depend on "
            "each other. Medians, with 95\u00a0% sign intervals, are of bins of population means. "
            "Below, levels by median."
        ]
    if told < whole:
        gone = whole - told
        text.append(f"{gone:,} {'row' if gone == 1 else 'rows'} of leverage 1 left out.")
    if shown < told:
        text.append(
            f"Drawn are {shown:,} of {told:,}: the 50 largest by {by}, others evenly spaced in "
            f"population {places}."
        )
    cut = [f"{some} of {count:,} of {group}" for group, some, count in groups if some < count]
    if cut:
        text.append(f"Levels drawn: {', '.join(cut)}, evenly spaced in rank.")
    return " ".join(text)


def _bins(count: int) -> str:
    return "bin" if count == 1 else "bins"
