"""What the columns of a table hold, and the model that they suggest: a first guess, said as one.

Nothing is decided here that a user cannot read in the configuration and change there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from mixedscope.cli.families import COUNTED, Suggestion, suggested_family, words_of
from mixedscope.core.wording import counted
from mixedscope.design.frame import factorize, is_numeric, numeric_column
from mixedscope.families.registry import is_normal

__all__ = ["Column", "Guess", "described_columns", "formula_name", "guesses"]

Kind = Literal["number", "whole number", "category", "other"]

#: Levels that are named where a column is described.
_SHOWN: Final = 4
#: A grouping factor has this many levels at least, and each this many rows on average.
_LEVELS: Final = 5
_ROWS: Final = 2.0
#: A predictor of more levels would have a coefficient for each.
_CONDITIONS: Final = 6
#: Predictors and grouping factors of a guess.
_PREDICTORS: Final = 2
_FACTORS: Final = 2
#: Rows for each random effect, from which on slopes are among those of a guess.
_PER_EFFECT: Final = 4.0

#: Words that mean something else in formulas.
_RESERVED: Final = ("and", "or", "not", "in", "true", "false")

#: Words that are usual in names of columns, by what these are.
_WORDS: Final = {
    "response": (
        "rt|reaction|latency|duration|time|score|response|outcome|dv|y|value|yield|rating|"
        "correct|accuracy|count|total|result|weight|height|thickness|strength|math"
    )
    + f"|{COUNTED}",
    "factor": (
        "id|nr|subject|subj|participant|ppt|proband|vp|vpn|person|patient|pupil|student|child|driver|worker|"
        "item|word|stimulus|stim|trial|school|class|site|clinic|hospital|batch|plate|sample|"
        "block|plot|group|team|rater|judge|animal|mouse|herd|family|village|district|region"
    ),
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    kind : str
        ``number``, ``whole number``, ``category``, or ``other``, such as dates.
    levels : int
        Different values.
    missing : int
    told : str
        What it holds, in words.
    """

    name: str
    kind: Kind
    levels: int
    missing: int
    told: str

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.kind in ("number", "whole number")

    def sounds_like(self, role: str) -> bool:
        """Whether a word of its name is usual for a role."""
        return any(re.fullmatch(_WORDS[role], word) for word in words_of(self.name))


@dataclass(frozen=True)
class Guess:
    """A formula that the columns suggest, and the structures to compare.

    Attributes
    ----------
    formula : str
    structures : tuple of str
    family : str or None
        Of a generalised model.
    suggestion : Suggestion or None
        Why the family was guessed, if it was.
    """

    formula: str
    structures: tuple[str, ...]
    family: str | None = None
    suggestion: Suggestion | None = None


def described_columns(frame: pd.DataFrame) -> list[Column]:
    """Say what each column of a table holds."""
    return [_described(frame[name], str(name)) for name in frame.columns]


def _described(values: pd.Series, name: str) -> Column:
    missing = int(values.isna().sum())
    gone = f", {missing:,} missing" if missing else ""
    if missing == len(values):
        return Column(name, "other", 0, missing, "nothing: all values are missing")
    if is_numeric(values) and not pd.api.types.is_bool_dtype(values.dtype):
        numbers = numeric_column(values.dropna())
        levels = len(np.unique(numbers))
        whole = bool(np.all(numbers == np.round(numbers)))
        span = f"{numbers.min():g} to {numbers.max():g}"
        if whole:
            told = f"whole numbers from {span}, {counted(levels, 'value')}{gone}"
            return Column(name, "whole number", levels, missing, told)
        return Column(name, "number", levels, missing, f"numbers from {span}{gone}")
    if pd.api.types.is_datetime64_any_dtype(values.dtype) or values.dtype.kind == "m":
        told = f"dates or durations{gone}; days() in derive: makes numbers of them"
        return Column(name, "other", int(values.nunique()), missing, told)
    present = factorize(values.dropna()).levels
    shown = ", ".join(map(repr, present[:_SHOWN])) + (", …" if len(present) > _SHOWN else "")
    told = f"{counted(len(present), 'level')}: {shown}{gone}"
    return Column(name, "category", len(present), missing, told)


def formula_name(name: str) -> str:
    """A column as a formula names it."""
    is_plain = re.fullmatch(r"[^\W\d][\w.]*", name) and name.lower() not in _RESERVED
    return name if is_plain else f"`{name}`"


def guesses(
    columns: Sequence[Column], frame: pd.DataFrame, family: str | None = None
) -> Iterator[Guess]:
    """Models that the columns suggest, the richest first; none where nothing can be a group.

    ``family``: as the user says it; by default what the response suggests.
    """
    usable = [c for c in columns if c.levels > 1 and "`" not in c.name and "\n" not in c.name]
    factors = _factors(usable, len(frame))
    response = _response([c for c in usable if c not in factors])
    if not factors or response is None:
        return
    others = [c for c in usable if c not in factors and c is not response]
    predictors = _predictors(others, len(frame))
    suggestion = None
    if family is None:
        suggestion = suggested_family(frame[response.name], response.name)
        family = None if suggestion is None else suggestion.family
    elif is_normal(family):
        family = None
    intercepts = [f"(1 | {formula_name(factor.name)})" for factor in factors]
    slope = next((p for p in predictors if _varies_within(p, factors[0], frame)), None)
    if slope is not None and family is None:
        effects = 2 if slope.is_numeric else slope.levels
        if len(frame) >= _PER_EFFECT * effects * factors[0].levels:
            first = f"(1 + {formula_name(slope.name)} | {formula_name(factors[0].name)})"
            text = _formula(response, predictors, [first, *intercepts[1:]])
            yield Guess(text, ("full", "zerocorr", "intercept"))
    for some, groups in (
        *((some, intercepts) for some in (predictors, predictors[:1], [])),
        ([], intercepts[:1]),
    ):
        yield Guess(_formula(response, some, groups), ("full",), family, suggestion)


def _formula(response: Column, predictors: Iterable[Column], random: Iterable[str]) -> str:
    terms = ["1", *(formula_name(p.name) for p in predictors), *random]
    return f"{formula_name(response.name)} ~ {' + '.join(terms)}"


def _factors(columns: Sequence[Column], rows: int) -> list[Column]:
    """Columns that rows can be grouped by, the most telling first."""
    found = [
        c
        for c in columns
        if _LEVELS <= c.levels <= rows / _ROWS
        and c.missing < rows / 5
        and (c.kind == "category" or (c.kind == "whole number" and c.sounds_like("factor")))
    ]
    # Of equal names, the more levels the more there is to shrink.
    found.sort(key=lambda c: (not c.sounds_like("factor"), -c.levels))
    return found[:_FACTORS]


def _response(columns: Sequence[Column]) -> Column | None:
    """The column that is most likely measured."""
    named = [c for c in columns if c.sounds_like("response") and (c.is_numeric or c.levels == 2)]
    numbers = [c for c in columns if c.is_numeric and c.levels > _CONDITIONS]
    return max(named or numbers, key=lambda c: (c.kind == "number", c.levels), default=None)


def _predictors(columns: Sequence[Column], rows: int) -> list[Column]:
    """Columns that may explain the response: conditions first, then numbers."""
    fit = [
        c
        for c in columns
        if c.missing < rows / 5
        and not c.sounds_like("factor")
        and (c.is_numeric or (c.kind == "category" and c.levels <= _CONDITIONS))
    ]
    return sorted(fit, key=lambda c: c.is_numeric)[:_PREDICTORS]


def _varies_within(predictor: Column, factor: Column, frame: pd.DataFrame) -> bool:
    """Whether most levels of a factor have several values of a predictor."""
    both = frame[[predictor.name, factor.name]].dropna()
    codes = {name: factorize(both[name]).codes for name in (predictor.name, factor.name)}
    per_level = pd.DataFrame(codes).drop_duplicates().groupby(factor.name).size()
    return bool(len(per_level)) and float((per_level > 1).mean()) > 0.5
