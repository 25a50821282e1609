"""What contours of pairs of parameters say, in words made from their tables."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import fixed, number, told_level
from mixedscope.charts.common.parameters import Key, keys_of, parameter_name
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["profilepairs_caption", "profilepairs_title"]

#: Zeta at the ends of an interval of 95 %, and how near to it a point of a trace is.
_CUTOFF = NormalDist().inv_cdf(0.975)
_EXACT = 1e-6


def profilepairs_title(traces: pd.DataFrame) -> str:
    """Say which parameter moves most as another goes through its 95 % interval."""
    best: tuple[float, str] | None = None
    names = [f"{axis}_{part}" for axis in "xy" for part in ("kind", "group", "term", "term2")]
    for _, own in traces.groupby([*names, "along"], dropna=False, sort=False):
        along = str(own["along"].iloc[0])
        other = "y" if along == "x" else "x"
        within = own[own[f"{along}_zeta"].abs() <= _CUTOFF + _EXACT]
        ends = within[f"{along}_zeta"].abs() >= _CUTOFF - _EXACT
        zeta = within[f"{other}_zeta"]
        if ends.sum() < 2 or zeta.isna().any():
            continue
        moved = float(zeta.max() - zeta.min())
        if best is not None and moved <= best[0]:
            continue
        held = parameter_name(next(keys_of(own, f"{along}_")))
        follows = parameter_name(next(keys_of(own, f"{other}_")))
        reach = within[along].to_numpy(dtype=float)
        values, moving = within[other].to_numpy(dtype=float), zeta.to_numpy(dtype=float)
        first, last = int(reach.argmin()), int(reach.argmax())
        if abs(moving[last] - moving[first]) < 0.999 * moved:
            # It goes to and fro.
            low, high = number(float(values.min())), number(float(values.max()))
            told = f"{follows} moves most: between {low} and {high}"
        else:
            low, high = number(float(values[first])), number(float(values[last]))
            told = f"{follows} follows most: from {low} to {high}"
        start, stop = number(float(reach.min())), number(float(reach.max()))
        best = moved, f"As {held} goes from {start} to {stop}, {told}"
    if best is None:
        return "Contours of the likelihood of pairs of parameters"
    if best[0] < 0.01:
        return "Over its 95\u00a0% interval, no parameter moves another's estimate"
    return best[1]


def profilepairs_caption(
    contours: pd.DataFrame, shown: list[Key], *, total: int, missing: int
) -> str:
    """Say what the contours hold, what the traces are, and where ranges end."""
    levels = sorted(contours["level"].unique().tolist())
    told = told_level(*levels)
    text = [
        f"Contours are joint {told} confidence regions (chi-squared, 2 degrees of "
        "freedom), each vertex a refit: above the diagonal in the parameters' units, below on "
        "the scale of \u03b6, where a normal likelihood has ellipses.",
    ]
    largest = levels[-1]
    radius = math.sqrt(-2.0 * math.log1p(-largest))
    single = 2.0 * NormalDist().cdf(radius) - 1.0
    text.append(
        f"One parameter's shadow of the {told_level(largest)} region is its own "
        f"{fixed(100 * single, 1)}\u00a0% interval."
    )
    if contours["at_end"].any():
        ends = _ended(contours)
        text.append(f"Red: the range ends within a region ({ends}).")
    if total > len(shown):
        text.append(f"The first {len(shown)} of {total} parameters, those of variances before.")
    if missing:
        text.append("Empty: two correlations that cannot be held at once.")
    return " ".join(text)


def _ended(contours: pd.DataFrame) -> str:
    """Parameters at an end of whose range vertices are."""
    own = contours[contours["at_end"]]
    found: list[str] = []
    for axis in "xy":
        for key, value in zip(keys_of(own, f"{axis}_"), own[axis], strict=True):
            at_zero = key[0] == "sd" and value <= 0.0
            at_one = key[0] == "correlation" and bool(np.isclose(abs(value), 1.0, atol=1e-6))
            if at_zero or at_one:
                found.append(f"{parameter_name(key)} at {number(float(round(value)))}")
    told = list(dict.fromkeys(found))
    more = f", and {len(told) - 3} more" if len(told) > 3 else ""
    return (joined(told[:3]) + more) or "at the end of a correlation's range"
