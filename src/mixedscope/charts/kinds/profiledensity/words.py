"""What densities of profiles say, in words made from their tables."""

from __future__ import annotations

import math

import pandas as pd

from mixedscope.charts.common.numerals import number, share
from mixedscope.charts.common.parameters import keys_of, parameter_name
from mixedscope.charts.kinds.zeta.words import bent, ends_of

__all__ = ["profiledensity_caption", "profiledensity_title"]


def profiledensity_title(parameters: pd.DataFrame, coverage: pd.DataFrame) -> str:
    """Say how much mass is at an end of a range, or which density is the most skewed."""
    found: list[tuple[float, str]] = []
    for key, (_, row) in zip(keys_of(parameters), parameters.iterrows(), strict=True):
        for end in ("low", "high"):
            if math.isfinite(row[f"at_{end}"]):
                words = f"{parameter_name(key)} is at {number(float(row[f'reach_{end}']))}"
                found.append((float(row[f"at_{end}"]), words))
    if found:
        mass, words = max(found, key=lambda one: one[0])
        return f"{share(mass)} of the profile density of {words}"
    skewed = bent(parameters, coverage)
    if skewed is None:
        return "Densities that the profiles give"
    key, row, size = skewed
    side = "right" if size > 0.0 else "left"
    return (
        f"The density of {parameter_name(key)} has the longest tail, to the {side}: 95\u00a0% are "
        f"between {number(float(row['lower']))} and {number(float(row['upper']))}"
    )


def profiledensity_caption(parameters: pd.DataFrame) -> str:
    """Say what the densities are, how far they go, and what is at ends of ranges."""
    reached = min(
        min(abs(float(row["zeta_low"])) if math.isnan(row["at_low"]) else math.inf,
            abs(float(row["zeta_high"])) if math.isnan(row["at_high"]) else math.inf)
        for _, row in parameters.iterrows()
    )  # fmt: skip
    text = [
        "Normal density of zeta times the slope of zeta: the density of each parameter, were its "
        "zeta a standard normal variable. Dashed: Wald's normal density.",
        "Bars at the foot are the 95\u00a0% intervals. Each panel has scales of its own.",
    ]
    if math.isfinite(reached):
        text.append(f"Followed to |\u03b6| of {number(reached)} at least.")
    if masses := ends_of(parameters):
        text.append(f"At ends of ranges, as bars: {masses}.")
    return " ".join(text)
