"""What a coefficient plot shows, in words made from the numbers drawn."""

from __future__ import annotations

import math
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


def coefficients_title(table: pd.DataFrame, labels: Sequence[str], *, ratios: str = "") -> str:
    """Say which effects' intervals exclude 0, or whose interval differs most between fits.

    ``ratios``: what exponentials of effects are called, where these are drawn.
    """
    none, shown = ("1", lambda value: number(math.exp(value))) if ratios else ("0", number)
    drawn = table[table["lower"].notna() & table["upper"].notna()]
    effects = drawn[(drawn["kind"] == "beta") & (drawn["term"] != _INTERCEPT)]
    if len(labels) > 1:
        return _between_fits(effects if len(effects) else drawn, labels, ratios=ratios)
    if effects.empty:
        return "Parameters and their intervals" if len(drawn) else "Parameters, without intervals"
    method = next(m for m in METHODS if (effects["method"] == m).any())
    own = effects[effects["method"] == method]
    clear = own[(own["lower"] > 0) | (own["upper"] < 0)]
    by = f"{NAMES[method]} intervals" if method != "wald" else "Wald's intervals"
    if len(own) <= _TOLD:
        told = [
            f"{_of(ratios)}{term} {shown(estimate)} ({shown(low)} to {shown(high)})"
            for term, estimate, low, high in zip(
                own["term"], own["estimate"], own["lower"], own["upper"], strict=True
            )
        ]
        if len(own) == 1:
            return f"{told[0]}: {by[:-1]} {'excludes' if len(clear) else 'includes'} {none}"
        return f"{joined(told)}: {by} of {len(clear)} of {len(own)} effects exclude {none}"
    what = f"{ratios.replace('ratio', 'ratios', 1)}" if ratios else "effects"
    return f"{by[:1].upper()}{by[1:]} of {len(clear)} of {len(own)} {what} exclude {none}"


def _of(ratios: str) -> str:
    """The beginning of what is said of a ratio."""
    return f"{ratios} of " if ratios else ""


def _between_fits(drawn: pd.DataFrame, labels: Sequence[str], *, ratios: str) -> str:
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
    on_log = ", on the log scale," if ratios else ""
    if ratio < _SAME:
        where = " on the log scale" if ratios else ""
        return f"Intervals of the {len(labels)} fits are about equally wide{where}"
    return (
        f"The interval of {name} is{on_log} {number(ratio)} times as wide under "
        f"{labels[wide_fit]} as under {labels[narrow_fit]}"
    )


def coefficients_caption(
    table: pd.DataFrame,
    level: float,
    *,
    without_zero: Sequence[str],
    scales: int,
    ratios: str = "",
    scale: str = "",
) -> str:
    """Say what the marks are and what is missing.

    ``without_zero``: names of the effects on whose axis 0, of ratios 1, is not. ``scales``: panels
    of fixed effects. ``ratios``: what exponentials of effects are called, where these are drawn.
    ``scale``: of the link.
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
    has_effects = bool((table["kind"] == "beta").any())
    if ratios:
        text.append(
            f"Fixed effects are drawn as {ratios.replace('ratio', 'ratios', 1)} on a log scale, "
            "without the intercept, whose exponential is none."
        )
    elif scale and has_effects:
        text.append(f"Scale of fixed effects and standard deviations: {scale}.")
    if scales > 1:
        text.append("Fixed effects of other sizes have panels with scales of their own.")
    if without_zero:
        text.append(f"{1 if ratios else 0} is not on the axis of {joined(list(without_zero))}.")
    none = table[table["lower"].isna() & table["estimate"].notna()]
    if len(none) and methods:
        text.append("Points alone: no interval is stored or asked for.")
    lost = list(dict.fromkeys(table.loc[~np.isfinite(table["estimate"]), "name"]))
    if lost:
        text.append(f"Cannot be estimated: {joined(lost[:8])}{' and others' * (len(lost) > 8)}.")
    return " ".join(text)
