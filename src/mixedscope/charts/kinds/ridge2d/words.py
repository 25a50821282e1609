"""What pairs of parameters of a bootstrap say, in words made from their tables."""

from __future__ import annotations

import math

import pandas as pd

from mixedscope.charts.common.numerals import fixed, number, share_in_tenths, told_level
from mixedscope.charts.common.parameters import of_key, parameter_name
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["edges", "ridge2d_caption", "ridge2d_title"]


def ridge2d_title(pairs: pd.DataFrame) -> str:
    """Say which of the pairs drawn depend on each other most."""
    known = pairs[pairs["correlation"].notna()]
    if not len(known):
        return "Pairs of parameters over the draws of a bootstrap"
    row = known.iloc[int(known["correlation"].abs().to_numpy().argmax())]
    names = f"{parameter_name(of_key(row, 'x_'))} and {parameter_name(of_key(row, 'y_'))}"
    # Rank correlations of independent draws are below this in 997 of 1,000 cases.
    if abs(row["correlation"]) < 3.0 / math.sqrt(max(float(row["draws"]) - 1.0, 1.0)):
        return "The parameters drawn do not depend on each other, as far as the draws tell"
    return f"{names} depend most: rank correlation {fixed(float(row['correlation']), 2)}"


def edges(row: pd.Series) -> list[tuple[str, str, int]]:
    """Ends of ranges at which draws of a pair are: axis, end, how many."""
    return [
        (axis, end, int(row[f"at_{axis}_{end}"]))
        for axis in "xy"
        for end in ("low", "high")
        if int(row[f"at_{axis}_{end}"])
    ]


def ridge2d_caption(
    pairs: pd.DataFrame, levels: list[float], *, total: int, drawn: int, likelihood: list[float],
    is_chosen: bool,
) -> str:  # fmt: skip
    """Say which pairs, which regions, and what is at ends of ranges."""
    told = told_level(*levels)
    count = int(pairs["draws"].max())
    text = []
    if not is_chosen and total > len(pairs):
        text.append(f"The {len(pairs)} of {total} pairs whose draws depend most on each other.")
    text.append(
        f"Estimates of {count:,} simulated responses"
        + (f" ({drawn:,} drawn)" if drawn < count else "")
        + f"; lines hold {told} of those inside the ranges: where a normal kernel density "
        "(Scott's rule, reflected at ends of ranges) is highest."
    )
    if counts := _at_ends(pairs):
        text.append(f"At ends of ranges, on the frame: {counts}.")
    if likelihood:
        told = told_level(*likelihood)
        text.append(
            f"Dashed: the likelihood's joint {told} regions (chi-squared, 2 degrees of freedom)."
        )
    return " ".join(text)


def _at_ends(pairs: pd.DataFrame, most: int = 3) -> str:
    """Share of the draws of each parameter that are at an end of its range."""
    found: dict[str, float] = {}
    for _, row in pairs.iterrows():
        for axis, end, count in edges(row):
            name = parameter_name(of_key(row, f"{axis}_"))
            at = "0" if row[f"{axis}_kind"] == "sd" else "the lower end" if end == "low" else "1"
            found[f"{name} at {at}"] = count / int(row["draws"])
    ordered = sorted(found, key=lambda words: -found[words])
    told = [f"{share_in_tenths(found[words])} of {words}" for words in ordered[:most]]
    more = f", and {number(len(ordered) - most)} more" if len(ordered) > most else ""
    return joined(told) + more
