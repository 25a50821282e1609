"""What cross-validation says, in words made from its numbers."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import number
from mixedscope.charts.common.structure_names import in_words
from mixedscope.charts.kinds.crossvalidation.differences import (
    WIDTH,
    ends,
    has_family,
    is_same,
    plus_minus,
    scheme_name,
)
from mixedscope.charts.kinds.crossvalidation.family_words import family_reading, family_title
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import UNSHRUNKEN

__all__ = ["crossvalidation_reading", "crossvalidation_title"]


#: A level with more than this share of a difference is named.
_MUCH: Final = 0.5


def _of(table: pd.DataFrame, scheme: str) -> pd.DataFrame:
    return table[table["scheme"] == scheme].set_index("structure")


def crossvalidation_title(summary: pd.DataFrame, groups: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Say which structure predicts better, where that can be told.

    ``summary``, ``groups``, ``fits``: the tables ``crossvalidation``, ``crossvalidation_groups``
    and ``crossvalidation_fits``.
    """
    if has_family(summary):
        return family_title(summary)
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
    if has_family(summary):
        return family_reading(summary, fits)
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
    text.append(ends(fits, summary))
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
