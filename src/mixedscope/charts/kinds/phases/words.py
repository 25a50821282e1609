"""What is said of the phases of all fits of a run: whether the last dominates large models."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.charts.common.along import told_seconds
from mixedscope.charts.common.numerals import fixed, percent
from mixedscope.charts.kinds.trace.words import FEW, part_of
from mixedscope.core.vocabulary import FINE_TUNING

__all__ = ["SIZE_NAMES", "phases_caption", "phases_title", "trend_row"]

#: Measures of size in the stored tables, and what they are called in a picture.
SIZE_NAMES: Final = {
    "n_theta": "covariance parameters",
    "q": "random effects",
    "n": "observations",
}

_FIT: Final = ["model", "structure", "optimizer"]


def phases_title(
    phases: pd.DataFrame,
    trend: pd.DataFrame,
    timing: pd.DataFrame | None = None,
    timing_trend: pd.DataFrame | None = None,
    *,
    order: str = "n_theta",
) -> str:
    """Say whether the last phase dominates, and whether it does so more as models grow.

    ``phases``, ``trend``: as made by `mixedscope.summaries.phases`. ``timing``, ``timing_trend``:
    those of the seconds, which it then tells of. ``order``: what makes a fit large: that by which
    the bars are ordered (one of "n_theta", "q", "n").
    """
    optimizer = str(trend["optimizer"].iloc[0])
    own = _ordered(phases[phases["optimizer"] == optimizer], order)
    row = trend_row(trend if timing_trend is None else timing_trend, optimizer, order)
    told = [_last_part(own, timing, fit) for fit in (0, -1)]
    (first, low), (last, high) = told
    if len(own) == 1:
        return f"Fine tuning and verification took {last}"
    by = f"by {optimizer}, " if trend["optimizer"].nunique() > 1 else ""
    # The rows say which fits these are.
    least, most = (f"{int(own[order].iloc[i]):,}" for i in (0, -1))
    ends = f"{by}{first} with the fewest {SIZE_NAMES[order]} ({least}), {last} with the most "
    grows = high > low and row["rank_correlation"] > 0
    verb = "comes" if grows and high > 0.5 else "does not come"
    return f"Fine tuning {verb} to dominate in large models: {ends}({most})"


def _ordered(phases: pd.DataFrame, order: str) -> pd.DataFrame:
    """One row per fit as the bars are ordered: its evaluations, and those of the last phase."""
    fits = phases.drop_duplicates(_FIT).sort_values([order, "q", "n"], kind="stable")
    own = [phases[_same(phases, fit)] for _, fit in fits.iterrows()]
    return fits.assign(
        evaluations=[int(rows["evaluations"].sum()) for rows in own],
        last=[int(rows.loc[rows["phase"] == FINE_TUNING, "evaluations"].sum()) for rows in own],
    )


def _same(table: pd.DataFrame, fit: pd.Series) -> pd.Series:
    """Rows of a fit."""
    return (table[_FIT] == fit[_FIT]).all(axis=1)


def _last_part(fits: pd.DataFrame, timing: pd.DataFrame | None, at: int) -> tuple[str, float]:
    """Say which part of its evaluations, or seconds, a fit spent in the last phase."""
    fit = fits.iloc[at]
    if timing is None:
        part, total = int(fit["last"]), int(fit["evaluations"])
        return f"{part_of(part, total)} evaluations", part / total
    own = timing[_same(timing, fit)]
    seconds = float(own["seconds"].sum())
    share = float(own.loc[own["phase"] == FINE_TUNING, "seconds"].sum()) / (seconds or 1.0)
    return f"{percent(share)} of {told_seconds(seconds)}", share


def phases_caption(
    phases: pd.DataFrame,
    trend: pd.DataFrame,
    timing_trend: pd.DataFrame | None = None,
    *,
    order: str = "n_theta",
) -> str:
    """Say what the bars are, and in numbers whether the last phase grows with the model."""
    words = [
        f"A bar for every fit, ordered by its number of {SIZE_NAMES[order]} (the most at the "
        "bottom): the share of each "
        "phase in all evaluations of the objective"
        + ("" if timing_trend is None else " and in all seconds")
        + ". What follows the optimiser's own search, such as polishing, is a piece of its own. "
        "Below, the share of fine tuning and verification, with what of it follows the search, "
        "against the size of the model."
        + (" M: millions." if (phases[["q", "n"]] >= 100_000).any(axis=None) else "")
        + ("" if timing_trend is None else " Seconds are those of a fit without compiling.")
    ]
    for optimizer in dict.fromkeys(trend["optimizer"]):
        words.append(_sentence(trend, optimizer, "evaluations"))
        if timing_trend is not None:
            words.append(_sentence(timing_trend, optimizer, "seconds"))
    fits = phases.drop_duplicates(_FIT)
    short = int((phases.groupby(_FIT, sort=False)["evaluations"].sum() < FEW).sum())
    if short:
        words.append(
            f"Pale bars: {short:,} of {len(fits):,} fits took fewer than {FEW} evaluations: a "
            "share of them is a matter of one or two."
        )
    models = phases["model"].nunique()
    if models < len(fits):
        words.append(
            f"The {len(fits):,} fits are of {models:,} model{'' if models == 1 else 's'}, and not "
            "independent."
        )
    polished = int(phases["polish_evaluations"].sum())
    total = int(phases["evaluations"].sum())
    gradients = fits["certificate_gradients"].sum(min_count=1)
    words.append(
        f"After the searches came {polished:,} of {total:,} evaluations"
        + (
            ""
            if pd.isna(gradients)
            else f"; checking the results took another {int(gradients):,} gradients, which are "
            "in no bar"
        )
        + "."
    )
    return " ".join(words)


def _sentence(trend: pd.DataFrame, optimizer: str, what: str) -> str:
    """Correlations, shares and dominance of the last phase for one optimiser."""
    rows = {size: trend_row(trend, optimizer, size) for size in SIZE_NAMES}
    row = rows["q"]
    found = [
        f"{fixed(rows[size]['rank_correlation'], 2)} with the number of {name}"
        for size, name in SIZE_NAMES.items()
        if pd.notna(rows[size]["rank_correlation"])
    ]
    text = (
        f"By {optimizer}, fine tuning and verification took more than half of the {what} of "
        f"{int(row['dominates'])} of {int(row['fits'])} fits, {percent(row['mean_share'])} "
        f"on average, {percent(row['smallest_share'])} with the fewest random effects "
        f"({row['smallest']}) and {percent(row['largest_share'])} with the most "
        f"({row['largest']})"
    )
    if found:
        text += "; rank correlation of its share: " + ", ".join(found)
    return text + "."


def trend_row(trend: pd.DataFrame, optimizer: str, size: str) -> pd.Series:
    """The row on the last phase of one optimiser against one measure of size."""
    chosen = (
        (trend["optimizer"] == optimizer)
        & (trend["phase"] == FINE_TUNING)
        & (trend["size"] == size)
    )
    return trend[chosen].iloc[0]
