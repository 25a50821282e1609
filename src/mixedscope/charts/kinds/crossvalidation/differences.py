"""Scores of structures and how they differ, as pictures and sentences write them."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import NO_RANDOM, UNSHRUNKEN

__all__ = [
    "BESIDE",
    "WIDTH",
    "ends",
    "has_family",
    "is_same",
    "plus_minus",
    "scheme_name",
    "scores_of",
]

BESIDE: Final = (UNSHRUNKEN, NO_RANDOM)
"""What stands beside structures in the tables, and is none."""

WIDTH: Final = 2.0
"""Half width of an interval, in standard errors."""

#: Relative differences below this are rounding.
_SAME: Final = 1e-7


def scheme_name(scheme: str, by: str) -> str:
    """Name what was held out."""
    return f"{'new' if scheme == 'new' else 'known'} levels of {by}"


def has_family(summary: pd.DataFrame) -> bool:
    """Whether the table ``crossvalidation`` is of a model with a family."""
    return "outcomes" in summary.columns


def scores_of(summary: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Scores that the table ``crossvalidation`` holds: value, difference and name of each."""
    error = ("rmse", "difference", "root mean squared error")
    if not has_family(summary):
        return [error, ("log_density", "density_difference", "log density of the data")]
    log = ("log_density", "density_difference", "log score")
    if summary["brier"].isna().all():
        return [error, log]
    brier = ("brier", "brier_difference", "Brier score")
    return [brier, log, ("auc", "auc_difference", "area under the curve")]


def is_same(row: pd.Series, value: str = "rmse", difference: str = "difference") -> bool:
    """Whether a structure predicts exactly as the first one does."""
    return bool(abs(row[difference]) <= _SAME * abs(row[value]))


def plus_minus(value: float, error: float) -> str:
    """Write a difference to the decimals that its error has two digits in, or one if small."""
    half = WIDTH * error
    if half > 0:
        decimals = max(0, (1 if half >= 0.1 else 0) - math.floor(math.log10(half)))
    else:
        decimals = 3
    sign = "+" if value >= 0 else "\u2212"
    return f"{sign}{fixed(abs(value), decimals)} \u00b1 {fixed(half, decimals)}"


def ends(fits: pd.DataFrame, summary: pd.DataFrame) -> str:
    """Say how the fits ended, and what was left out where one failed."""
    counts = fits["status"].value_counts()
    failed, stopped = int(counts.get("failed", 0)), int(counts.get("stopped", 0))
    text = f"Of {len(fits):,} fits "
    if not failed and not stopped:
        return f"{text}all converged."
    parts = [f"{failed} failed"] * bool(failed)
    parts += [f"{stopped} stopped short of an optimum"] * bool(stopped)
    text += joined(parts)
    if failed:
        gone = summary.groupby("scheme", sort=False)["groups_failed"].first()
        levels = joined([f"{n} ({scheme})" for scheme, n in gone.items() if n])
        text += f"; levels left out for all structures: {levels}"
    return f"{text}."
