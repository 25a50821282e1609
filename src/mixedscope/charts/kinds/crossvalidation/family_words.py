"""What cross-validation of models with a family says, in words made from its numbers."""

from __future__ import annotations

from typing import Final

import pandas as pd

from mixedscope.charts.common.numerals import number
from mixedscope.charts.common.structure_names import in_words
from mixedscope.charts.kinds.crossvalidation.differences import (
    BESIDE,
    WIDTH,
    ends,
    is_same,
    plus_minus,
    scheme_name,
    scores_of,
)
from mixedscope.charts.kinds.shrinkage.words import joined
from mixedscope.core.vocabulary import NO_RANDOM

__all__ = ["family_reading", "family_title"]

#: Scores that are better the larger they are.
_LARGER: Final = ("log_density", "auc")


def family_title(summary: pd.DataFrame) -> str:
    """Say which structure predicts better, or of a single one what random effects add."""
    summary = in_words(summary)
    by = str(summary["by"].iloc[0])
    first, *others = [s for s in dict.fromkeys(summary["structure"]) if s not in BESIDE]
    if others:
        clear = [f"{name} has {more}" for name in others if (more := _clear(summary, name))]
        if not clear:
            return f"Held-out data do not tell structures apart: {joined([first, *others])}"
        return f"Against {first}, {'; '.join(clear)}"
    none = summary[summary["structure"] == NO_RANDOM]
    if none.empty:
        parts = [
            f"{scheme_name(row['scheme'], by)} {number(row['log_density'], 4)}"
            for _, row in summary.iterrows()
        ]
        return f"Log score of predictions with {first}: {joined(parts)}"
    told: dict[str, list[str]] = {"raise": [], "lower": [], "": []}
    for _, row in none.iterrows():
        gain, error = -row["density_difference"], row["density_difference_se"]
        if not abs(gain) > WIDTH * error:
            told[""].append(str(row["scheme"]))
            continue
        size = plus_minus(abs(gain), error).lstrip("+")
        told["raise" if gain > 0 else "lower"].append(f"{size} for {row['scheme']}")
    parts = [
        f"{verb} the log score by {joined(words)} levels of {by}"
        for verb in ("raise", "lower")
        if (words := told[verb])
    ]
    if told[""]:
        of = "ones" if parts else f"levels of {by}"
        parts.append(f"make no clear difference for {joined(told[''])} {of}")
    return f"Random effects {joined(parts)}"


def _clear(summary: pd.DataFrame, name: str) -> str:
    """What is certain beyond two standard errors about one structure."""
    found: dict[str, list[str]] = {}
    for _, row in summary[summary["structure"] == name].iterrows():
        for value, difference, called in scores_of(summary):
            size, width = row[difference], WIDTH * row[f"{difference}_se"]
            if not is_same(row, value, difference) and abs(size) > width:
                comparative = "larger" if size > 0 else "smaller"
                found.setdefault(f"a {comparative} {called}", []).append(row["scheme"])
    by = summary["by"].iloc[0]
    return joined(
        [f"{words} for {' and '.join(where)} levels of {by}" for words, where in found.items()]
    )


def family_reading(summary: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Say what was held out, what the scores are and which way they are better."""
    text = []
    for scheme in dict.fromkeys(summary["scheme"]):
        own = summary[summary["scheme"] == scheme].iloc[0]
        folds = int(fits.loc[fits["scheme"] == scheme, "fold"].nunique())
        what = "whole levels" if scheme == "new" else "some observations of every level"
        name = scheme_name(scheme, str(own["by"]))
        text.append(
            f"{name[0].upper()}{name[1:]}: {what} held out in {folds} folds, "
            f"{int(own['n']):,} observations of {int(own['groups']):,} levels."
        )
    scores = [(value, called) for value, _, called in scores_of(summary)]
    larger = [called for value, called in scores if value in _LARGER]
    smaller = [called for value, called in scores if value not in _LARGER]
    text += [
        "Each observation is predicted by itself, averaged over the normal distribution that its "
        "linear predictor has given the rest; the log score sums logarithms of what was observed.",
        f"Better are a smaller {joined(smaller)} and a larger {joined(larger)}.",
        "After \u00b1 stand two standard errors over levels.",
        ends(fits, summary),
    ]
    return " ".join(part for part in text if part)
