"""What profiles say, in words made from their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mixedscope.charts.common.numerals import number, share, told_level
from mixedscope.charts.common.parameters import Key, keys_of, parameter_name
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = [
    "LEVEL",
    "bent",
    "boundary_told",
    "ends_of",
    "interval_of",
    "without_fixed_effects",
    "zeta_caption",
    "zeta_title",
]

#: The coverage that titles speak of.
LEVEL = 0.95


def interval_of(coverage: pd.DataFrame, key: Key, level: float = LEVEL) -> pd.Series | None:
    """The row of an interval of a parameter; None if there is none."""
    own = coverage[(coverage["level"] - level).abs() < 1e-9]
    for found, (_, row) in zip(keys_of(own), own.iterrows(), strict=True):
        if found == key:
            return row
    return None


def bent(parameters: pd.DataFrame, coverage: pd.DataFrame) -> tuple[Key, pd.Series, float] | None:
    """The parameter whose interval is least symmetric about its estimate, and by how much.

    The measure is the logarithm of the ratio of its two sides; intervals that end with the range
    have none.
    """
    best: tuple[Key, pd.Series, float] | None = None
    for key, estimate in zip(keys_of(parameters), parameters["estimate"], strict=True):
        row = interval_of(coverage, key)
        if row is None or not pd.isna(row["remark"]):
            continue
        up, down = float(row["upper"]) - estimate, estimate - float(row["lower"])
        if up <= 0.0 or down <= 0.0:
            continue
        size = math.log(up / down)
        if best is None or abs(size) > abs(best[2]):
            best = key, row, size
    return best


def boundary_told(coverage: pd.DataFrame, level: float = LEVEL) -> list[tuple[Key, str]]:
    """Parameters whose interval ends with their range, and what is said of each."""
    own = coverage[(coverage["level"] - level).abs() < 1e-9]
    return [
        (key, str(row["remark"]))
        for key, (_, row) in zip(keys_of(own), own.iterrows(), strict=True)
        if not pd.isna(row["remark"])
    ]


def zeta_title(parameters: pd.DataFrame, coverage: pd.DataFrame) -> str:
    """Say which parameter might be at its boundary, or whose interval is the least symmetric."""
    ends = boundary_told(coverage)
    if zeros := [key for key, remark in ends if "0 is inside" in remark]:
        names = joined([parameter_name(key) for key in zeros[:2]])
        more = f" and {len(zeros) - 2} more" if len(zeros) > 2 else ""
        return f"0 is inside the 95\u00a0% interval of {names}{more}"
    if ends:
        return (
            f"The 95\u00a0% interval of {parameter_name(ends[0][0])} goes to the end of its range"
        )
    found = bent(parameters, coverage)
    if found is None:
        return "Profiles of the parameters"
    key, row, _ = found
    estimate = _estimate(parameters, key)
    up, down = float(row["upper"]) - estimate, estimate - float(row["lower"])
    return (
        f"The 95\u00a0% interval of {parameter_name(key)} is the least symmetric: "
        f"{number(down)} below and {number(up)} above {number(estimate)}"
    )


def _estimate(parameters: pd.DataFrame, key: Key) -> float:
    at = list(keys_of(parameters)).index(key)
    return float(parameters["estimate"].iloc[at])


def zeta_caption(
    parameters: pd.DataFrame, coverage: pd.DataFrame, *, absolute: bool, levels: Sequence[float]
) -> str:
    """Say what zeta is, what the lines are, and what is at ends of ranges."""
    told = told_level(*levels)
    what = "The size of zeta" if absolute else "Zeta"
    text = [
        f"{what}, the{'' if absolute else ' signed'} root of the rise of the deviance as one "
        "parameter is moved and all others are optimised again (dots: points found so).",
        f"Level lines mark intervals of {told}. Dashed: Wald's, from the slope at the estimate.",
    ]
    ends = boundary_told(coverage)
    if ends:
        parts = [f"{parameter_name(key)}: {remark}" for key, remark in ends[:3]]
        text.append(f"Of 95\u00a0% intervals, {'; '.join(parts)}.")
    masses = ends_of(parameters)
    if masses:
        text.append(f"Where the range ends, the rest of the normal law is: {masses}.")
    return " ".join(text)


def without_fixed_effects(info: Mapping[str, Any]) -> str:
    """Say why fixed effects are not among the profiles of a fit by REML; nothing of others."""
    if info.get("criterion") != "REML":
        return ""
    return " Fixed effects have no profile: the REML criterion is no function of them."


def ends_of(parameters: pd.DataFrame, most: int = 3) -> str:
    """Say which profiles go to an end of the range, and which share of a density is there."""
    parts = []
    for key, (_, row) in zip(keys_of(parameters), parameters.iterrows(), strict=True):
        for end in ("low", "high"):
            mass = float(row[f"at_{end}"])
            if math.isfinite(mass):
                at = number(float(row[f"reach_{end}"]))
                parts.append((mass, f"{share(mass)} at {at} of {parameter_name(key)}"))
    parts.sort(key=lambda part: -part[0])
    told = joined([words for _, words in parts[:most]])
    return told + (f", and {len(parts) - most} more" if len(parts) > most else "")
