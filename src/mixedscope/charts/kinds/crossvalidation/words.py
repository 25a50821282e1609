"""What cross-validation says, in words made from its numbers."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import fixed, number
from mixedscope.charts.common.structure_names import in_words
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import UNSHRUNKEN

__all__ = [
    "WIDTH",
    "crossvalidation_reading",
    "crossvalidation_title",
    "is_same",
    "plus_minus",
    "scheme_name",
]

#: Half width of an interval, in standard errors.
WIDTH: Final = 2.0

#: Relative differences below this are rounding.
_SAME: Final = 1e-7

#: A level with more than this share of a difference is named.
_MUCH: Final = 0.5


def scheme_name(scheme: str, by: str) -> str:
    """Name what was held out."""
    return f"{'new' if scheme == 'new' else 'known'} levels of {by}"


def _of(table: pd.DataFrame, scheme: str) -> pd.DataFrame:
    return table[table["scheme"] == scheme].set_index("structure")


def is_same(row: pd.Series) -> bool:
    """Whether a structure predicts exactly as the first one does."""
    return bool(abs(row["difference"]) <= _SAME * row["rmse"])


def crossvalidation_title(summary: pd.DataFrame, groups: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Say which structure predicts better, where that can be told.

    ``summary``, ``groups``, ``fits``: the tables ``crossvalidation``, ``crossvalidation_groups``
    and ``crossvalidation_fits``.
    """
    summary = in_words(summary)
    structures = [s for s in dict.fromkeys(summary["structure"]) if s != UNSHRUNKEN]
    first, *others = structures
    if not others:
        parts = [
            f"{scheme_name(row['scheme'], row['by'])} {number(row['rmse'], 3)}"
            for _, row in summary[summary["structure"] == first].iterrows()
        ]
        return f"Root mean squared error of predictions with {first}: {joined(parts)}"
    clear = [f"{name} has {words}" for name in others if (words := _clear(summary, name))]
    if not clear:
        return f"Held-out data do not tell structures apart: {joined(structures)}"
    return f"Against {first}, {'; '.join(clear)}"


def _clear(summary: pd.DataFrame, name: str) -> str:
    """What is certain beyond two standard errors about one structure."""
    found: dict[str, list[str]] = {}
    for _, row in summary[summary["structure"] == name].iterrows():
        where = str(row["scheme"])
        error, width = row["difference"], WIDTH * row["difference_se"]
        if not is_same(row) and abs(error) > width:
            found.setdefault("larger errors" if error > 0 else "smaller errors", []).append(where)
        gained, width = row["density_difference"], WIDTH * row["density_difference_se"]
        if abs(gained) > width:
            words = "a higher log density" if gained > 0 else "a lower log density"
            found.setdefault(words, []).append(where)
    by = summary["by"].iloc[0]
    return joined(
        [f"{words} for {' and '.join(where)} levels of {by}" for words, where in found.items()]
    )


def crossvalidation_reading(summary: pd.DataFrame, groups: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Say what was held out, what was found with its standard error, and nothing more.

    ``summary``, ``groups``, ``fits``: the tables ``crossvalidation``, ``crossvalidation_groups``
    and ``crossvalidation_fits``.
    """
    summary, groups = in_words(summary), in_words(groups)
    text = []
    for scheme in dict.fromkeys(summary["scheme"]):
        own = _of(summary, scheme)
        parts = groups[groups["scheme"] == scheme]
        folds = int(fits.loc[fits["scheme"] == scheme, "fold"].nunique())
        text += [_held_out(scheme, own, folds), _errors(scheme, own), _densities(own, parts)]
    text.append(
        "After \u00b1 stand two standard errors over the levels held out, which are taken as "
        "independent; with few levels they are rough, and other folds would differ a little."
    )
    text.append(_ends(fits, summary))
    return " ".join(part for part in text if part)


def _held_out(scheme: str, own: pd.DataFrame, folds: int) -> str:
    by, count, n = own["by"].iloc[0], int(own["groups"].iloc[0]), int(own["n"].iloc[0])
    if scheme == "new":
        return (
            f"New levels of {by}: in {folds} folds whole levels were held out and predicted by "
            f"fits to the others, {n:,} observations of {count:,} levels. Nothing is known of a "
            "new level: its prediction is that of the population, and of levels of other factors "
            "that are known."
        )
    return (
        f"Known levels of {by}: in {folds} folds some observations of every level were held out "
        f"and predicted by fits to the others, {n:,} observations of {count:,} levels. What the "
        "level is like is known from its other observations, so that shrinkage matters."
    )


def _errors(scheme: str, own: pd.DataFrame) -> str:
    first, *others = list(own.index)
    start = f"Root mean squared error {number(own.loc[first, 'rmse'], 3)} with {first}"
    if not others:
        return f"{start}."
    parts = []
    for name in others:
        row = own.loc[name]
        who = "without shrinkage" if name == UNSHRUNKEN else f"with {name}"
        if is_same(row):
            parts.append(f"the same {who}")
        else:
            parts.append(f"{plus_minus(row['difference'], row['difference_se'])} {who}")
    # Nothing but the fixed effects predicts a new level.
    same = scheme == "new" and all(is_same(own.loc[name]) for name in others)
    why = "; structures give the same fixed effects here, and so the same predictions"
    return f"{start}; against it {joined(parts)}{why if same else ''}."


def _densities(own: pd.DataFrame, parts: pd.DataFrame) -> str:
    first, *others = [s for s in own.index if s != UNSHRUNKEN]
    density = number(own.loc[first, "log_density"], 4)
    start = f"Log density of what was observed {density} with {first}"
    if not others:
        return f"{start}."
    told = []
    for name in others:
        row = own.loc[name]
        words = plus_minus(row["density_difference"], row["density_difference_se"])
        told.append(f"{words} with {name}{_largest(parts, first, name, str(own['by'].iloc[0]))}")
    return f"{start}; against it {joined(told)}."


def _largest(parts: pd.DataFrame, first: str, name: str, by: str) -> str:
    """Name the level that makes most of a difference, if one does."""
    lost = parts["squared_error"].isna() & (parts["structure"] != UNSHRUNKEN)
    # Left out for all structures, also where another fold predicts some of its observations.
    parts = parts[~parts["level"].isin(parts.loc[lost, "level"])]
    sums = parts.groupby(["structure", "level"], sort=False)["log_density"].sum(min_count=1)
    difference = (sums[name] - sums[first]).dropna()
    total = float(difference.sum())
    level = difference.abs().idxmax()
    largest = float(difference[level])
    if abs(total) < 1.0 or largest / total <= _MUCH:
        return ""
    return f" ({_signed(largest)} of it for {by} {level} alone)"


def _signed(value: float) -> str:
    text = number(abs(value), 3)
    return f"+{text}" if value >= 0 else f"\u2212{text}"


def plus_minus(value: float, error: float) -> str:
    """Write a difference to the decimals that its error has two digits in, or one if small."""
    half = WIDTH * error
    if half > 0:
        decimals = max(0, (1 if half >= 0.1 else 0) - math.floor(math.log10(half)))
    else:
        decimals = 3
    sign = "+" if value >= 0 else "\u2212"
    return f"{sign}{fixed(abs(value), decimals)} \u00b1 {fixed(half, decimals)}"


def _ends(fits: pd.DataFrame, summary: pd.DataFrame) -> str:
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
