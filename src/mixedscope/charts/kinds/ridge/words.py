"""What the draws of a bootstrap say, in words made from their tables."""

from __future__ import annotations

import pandas as pd

from mixedscope.charts.common.numerals import number, share_in_tenths, told_level
from mixedscope.charts.common.parameters import keys_of, parameter_name
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["ends_told", "ridge_caption", "ridge_title", "singular_told"]


def ridge_title(parameters: pd.DataFrame) -> str:
    """Say how many draws are singular, and which parameter is the furthest off on average."""
    first = parameters.iloc[0]
    singular, used = int(first["singular"]), int(first["used"])
    verb = "is" if singular == 1 else "are"
    start = f"{singular:,} of {used:,} draws {verb} singular ({share_in_tenths(singular / used)})"
    if singular == 0:
        start = f"No draw of {used:,} is singular"
    biased = _most_biased(parameters)
    return start if biased is None else f"{start}; {biased}"


def _most_biased(parameters: pd.DataFrame) -> str | None:
    """The parameter whose draws differ most from its estimate on average, in their SDs.

    None where no mean is further off than four of its standard errors: one of many is off by three
    easily.
    """
    off = (parameters["mean"] - parameters["estimate"]) / parameters["std_dev"]
    off = off[parameters["std_dev"] > 0.0]
    off = off[off.abs() * parameters["draws"] ** 0.5 > 4.0]
    if not len(off):
        return None
    row = parameters.loc[off.index].iloc[int(off.abs().to_numpy().argmax())]
    key = next(keys_of(row.to_frame().T))
    side = "above" if row["mean"] > row["estimate"] else "below"
    return (
        f"{parameter_name(key)} is most biased, {number(row['mean'])} on average, {side} its "
        f"{number(row['estimate'])}"
    )


def ridge_caption(parameters: pd.DataFrame, *, shared: bool) -> str:
    """Say what is drawn: draws, kernel, spikes, interval."""
    first = parameters.iloc[0]
    text = [
        f"Estimates of {int(first['used']):,} simulated responses, as normal kernel "
        "densities (bandwidth by Silverman's rule, reflected at ends of ranges)"
        + (", of equal areas where an axis is shared." if shared else ".")
    ]
    if singular := singular_told(parameters):
        text.append(singular)
    if told := ends_told(parameters):
        text.append(f"Bars are draws at an end of a range: {told}.")
    level = told_level(float(first["level"]))
    if parameters["lower"].notna().any():
        text.append(f"Intervals: {level}, {first['interval']}.")
    else:
        text.append(f"There are too few draws for {level} intervals.")
    return " ".join(text)


def singular_told(parameters: pd.DataFrame) -> str:
    """Say how many of the draws are singular."""
    first = parameters.iloc[0]
    singular, used = int(first["singular"]), int(first["used"])
    if not singular:
        return "None is singular."
    return f"{singular:,} of them ({share_in_tenths(singular / used)}) are singular."


def ends_told(parameters: pd.DataFrame, most: int = 3) -> str:
    """Say which parameters have draws at an end of their range, and how many."""
    parts = []
    for key, (_, row) in zip(keys_of(parameters), parameters.iterrows(), strict=True):
        for end in ("low", "high"):
            count = int(row[f"at_{end}"])
            if count:
                at = number(float(row[f"range_{end}"]))
                words = (
                    f"{parameter_name(key)} {share_in_tenths(count / int(row['draws']))} at {at}"
                )
                parts.append((count, words))
    parts.sort(key=lambda part: -part[0])
    told = [words for _, words in parts[:most]]
    return joined(told) + (f", and {len(parts) - most} more" if len(parts) > most else "")
