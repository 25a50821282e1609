"""What a coefficient plot shows, in words made from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from mixedscope.charts.common.numerals import number, told_level
from mixedscope.charts.kinds.coefficients.parameters import METHODS, NAMES
from mixedscope.charts.kinds.shrinkage.words import joined

__all__ = ["coefficients_caption", "coefficients_title"]

_INTERCEPT: Final = "(Intercept)"

#: So many effects are told one by one in a title.
_TOLD: Final = 2
#: Widths of intervals that differ by less are about the same.
_SAME: Final = 1.05


def coefficients_title(table: pd.DataFrame, labels: Sequence[str]) -> str:
    """Say which effects' intervals exclude 0, or whose interval differs most between fits."""
    drawn = table[table["lower"].notna() & table["upper"].notna()]
    effects = drawn[(drawn["kind"] == "beta") & (drawn["term"] != _INTERCEPT)]
    if len(labels) > 1:
        return _between_fits(effects if len(effects) else drawn, labels)
    if effects.empty:
        return "Parameters and their intervals" if len(drawn) else "Parameters, without intervals"
    method = next(m for m in METHODS if (effects["method"] == m).any())
    own = effects[effects["method"] == method]
    clear = own[(own["lower"] > 0) | (own["upper"] < 0)]
    by = f"{NAMES[method]} intervals" if method != "wald" else "Wald's intervals"
    if len(own) <= _TOLD:
        told = [
            f"{term} {number(estimate)} ({number(low)} to {number(high)})"
            for term, estimate, low, high in zip(
                own["term"], own["estimate"], own["lower"], own["upper"], strict=True
            )
        ]
        if len(own) == 1:
            return f"{told[0]}: {by[:-1]} {'excludes' if len(clear) else 'includes'} 0"
        return f"{joined(told)}: {by} of {len(clear)} of {len(own)} effects exclude 0"
    return f"{by[:1].upper()}{by[1:]} of {len(clear)} of {len(own)} effects exclude 0"


def _between_fits(drawn: pd.DataFrame, labels: Sequence[str]) -> str:
    """Say which interval is how many times as wide in one fit as in another."""
    widths = drawn.assign(width=drawn["upper"] - drawn["lower"])
    best: tuple[float, str, int, int] | None = None
    for key, own in widths.groupby(["method", "name"], sort=False):
        known = own[own["width"] > 0]
        if known["fit"].nunique() < 2:
            continue
        order = known["width"].to_numpy().argsort(kind="stable")
        wide, narrow = known.iloc[order[-1]], known.iloc[order[0]]
        ratio = float(wide["width"] / narrow["width"])
        if best is None or ratio > best[0]:
            best = (ratio, str(key[1]), int(wide["fit"]), int(narrow["fit"]))
    if best is None:
        return f"Parameters of {len(labels)} fits"
    ratio, name, wide_fit, narrow_fit = best
    if ratio < _SAME:
        return f"Intervals of the {len(labels)} fits are about equally wide"
    return (
        f"The interval of {name} is {number(ratio)} times as wide under {labels[wide_fit]} as "
        f"under {labels[narrow_fit]}"
    )


def coefficients_caption(
    table: pd.DataFrame, level: float, *, without_zero: Sequence[str], scales: int
) -> str:
    """Say what the marks are and what is missing.

    ``without_zero``: names of the effects on whose axis 0 is not. ``scales``: panels of fixed
    effects.
    """
    methods = [m for m in METHODS if (table["method"] == m).any()]
    text = ["Points: estimates."]
    if methods:
        text[0] = (
            f"Points: estimates; bars: intervals at {told_level(level)} by "
            f"{joined([NAMES[m] for m in methods])}."
        )
    if table["mean"].notna().any():
        text.append("Stroke: mean of the bootstrap's draws; its gap from the point is the bias.")
    if scales > 1:
        text.append("Fixed effects of other sizes have panels with scales of their own.")
    if without_zero:
        text.append(f"0 is not on the axis of {joined(list(without_zero))}.")
    none = table[table["lower"].isna() & table["estimate"].notna()]
    if len(none) and methods:
        text.append("Points alone: no interval is stored or asked for.")
    lost = list(dict.fromkeys(table.loc[~np.isfinite(table["estimate"]), "name"]))
    if lost:
        text.append(f"Cannot be estimated: {joined(lost[:8])}{' and others' * (len(lost) > 8)}.")
    return " ".join(text)
