"""Which variables of a model are numeric and which categorical, and doubts whether they should be.

A column of text is categorical by itself; a number that was typed with a comma, or one word in a
column of numbers, makes it one. What follows says so and changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.contrasts import Coding
from mixedscope.design.frame import Factor, factorize, is_numeric, numeric_column, unusable_kind

__all__ = [
    "TextCheck",
    "check_text",
    "column_words",
    "doubts",
    "number_doubts",
    "variable",
    "variable_words",
]

_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")
_TIME = r"(?:[ T,]+\d{1,2}:\d\d.*)?\s*"
_DATE = re.compile(r"\s*\d{4}-\d\d-\d\d" + _TIME)
#: Dates that `days` does not read: the year in front behind other marks, or at the end.
_OTHER_DATE = re.compile(
    r"\s*(?:\d{4}([./])\d{1,2}\1\d{1,2}|\d{1,2}([./-])\s?\d{1,2}\2\s?\d{4}|"
    r"\d\d([./])\d\d\3\d\d)" + _TIME
)
#: From what share of values a column of text is thought to be one of numbers.
_MOSTLY = 0.75
#: More levels than this part of the rows are thought to be no categories, from so many on.
_CROWDED, _MANY = 0.5, 10


@dataclass(frozen=True)
class TextCheck:
    """How a column of text would read as numbers.

    Attributes
    ----------
    numbers : int
        Values that are numbers.
    rows : int
        All values.
    first : int or None
        Position of the first value that is none.
    value : str
        That value.
    fractions, commas : bool
        Whether numbers have decimal points, and whether values that are none have decimal commas.
    """

    numbers: int
    rows: int
    first: int | None
    value: str
    fractions: bool
    commas: bool


def check_text(factor: Factor) -> TextCheck:
    """Read the levels of a column of text as numbers."""
    written = pd.Series(factor.levels, dtype=object)
    parsed = pd.to_numeric(written, errors="coerce").to_numpy(dtype=np.float64)
    number = np.isfinite(parsed)
    counts = np.bincount(factor.codes, minlength=len(number))
    other = ~number[factor.codes]
    first = int(other.argmax()) if other.any() else None
    odd = [level for level, ok in zip(factor.levels, number, strict=True) if not ok]
    return TextCheck(
        numbers=int(counts[number].sum()),
        rows=len(factor.codes),
        first=first,
        value="" if first is None else factor.levels[factor.codes[first]],
        fractions=bool((parsed[number] % 1 != 0).any()),
        commas=bool(odd) and all(_COMMA.fullmatch(level) for level in odd),
    )


def doubts(
    name: str, series: pd.Series, factor: Factor, rows: NDArray[np.int64] | None = None
) -> list[str]:
    """Sentences on a categorical predictor that may have been meant as a number.

    Parameters
    ----------
    name : str
    series : Series
        The column, without missing values.
    factor : Factor
        Its codes and levels.
    rows : (n,) int array, optional
        Positions in the user's data, for messages; 0, 1, … by default.
    """
    levels, n = len(factor.levels), len(factor.codes)
    taken = f"Column {name!r} is taken as categorical with {levels} levels"
    declare = f"if categories are meant, declare them (categorical: [{name}])"
    is_text = not isinstance(series.dtype, pd.CategoricalDtype) and not is_numeric(series)
    if is_text and not pd.api.types.is_bool_dtype(series.dtype):
        found = check_text(factor)
        if found.first is None:
            if found.fractions:
                return [f"{taken}, but all its values are numbers written as text; {declare}."]
        elif found.commas or found.numbers >= _MOSTLY * found.rows:
            at = found.first if rows is None else int(rows[found.first])
            what = f"row {at + 1} holds {found.value!r}"
            if found.commas:
                return [f"{taken}: {what}. If commas are decimal, set decimal: ','; {declare}."]
            return [
                f"{taken}: {what}, but {found.numbers} of its {found.rows} values are numbers. "
                f"Correct it, or name it under missing; {declare}."
            ]
        elif levels > 2 and all(_DATE.fullmatch(level) for level in factor.levels):
            return [
                f"{taken}, which look like dates: days({name}) makes numbers of them; {declare}."
            ]
        elif levels > 2 and all(
            _DATE.fullmatch(level) or _OTHER_DATE.fullmatch(level) for level in factor.levels
        ):
            return [
                f"{taken}, which look like dates, as {found.value!r}: write them as 2020-12-31 "
                f"and days({name}) makes numbers of them; {declare}."
            ]
    if levels >= _MANY and levels > _CROWDED * n:
        return [
            f"{taken} in {n} rows, nearly one for each: is it a number, or a grouping factor, "
            f"(1 | {name})?"
        ]
    return []


def number_doubts(name: str, series: pd.Series, factor: Factor) -> list[str]:
    """Sentences on a column of numbers that contrasts make categorical, and may not be meant to.

    A few whole numbers are codes of categories; many, or fractions, are measured as a rule.
    """
    levels = len(factor.levels)
    whole = bool((numeric_column(series) % 1 == 0).all())
    if whole and levels < _MANY:
        return []
    return [
        f"Column {name!r} holds numbers; contrasts make it categorical with {levels} levels, "
        f"{levels - 1} coefficients. If a slope is meant, leave it out of contrasts; if categories "
        f"are meant, declare them (categorical: [{name}], in pandas astype('category'))."
    ]


def variable(coding: Coding | None, *, full: bool = False) -> dict[str, Any]:
    """Describe a variable as ``fit.json`` keeps it: numeric, or categorical and how coded.

    ``coding``: None of a number. ``full``: whether it is coded by an indicator for every level,
    everywhere in the model.
    """
    if coding is None:
        return {"kind": "numeric"}
    made: dict[str, Any] = {
        "kind": "categorical",
        "levels": list(coding.levels),
        "coding": "indicators" if full else coding.name,
        "base": None,
    }
    if coding.name in ("treatment", "sum") and not full:
        odd = 0.0 if coding.name == "treatment" else -1.0
        base = int((coding.matrix == odd).all(axis=1).argmax())
        made["base"] = coding.levels[base]
    return made


def variable_words(variables: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which variables are numeric and which categorical, and how these are coded."""
    numeric = [name for name, entry in variables.items() if entry["kind"] == "numeric"]
    parts = [f"numeric {', '.join(numeric)}"] if numeric else []
    for name, entry in variables.items():
        if entry["kind"] == "numeric":
            continue
        how = f"{len(entry['levels'])} levels"
        if entry["coding"] == "indicators":
            how += ", an indicator for each"
        else:
            how += f", {entry['coding']} contrasts"
        if entry["base"] is not None:
            role = "base" if entry["coding"] == "treatment" else "-1 for"
            how += f", {role} {entry['base']!r}"
        parts.append(f"categorical {name} ({how})")
    return f"Variables: {'; '.join(parts)}." if parts else ""


def column_words(frame: pd.DataFrame) -> Sequence[str]:
    """Say of every column what it holds, and of those of text what is doubtful."""
    numeric, categorical, others, doubtful = [], [], [], []
    for name in frame.columns:
        series = frame[name].dropna()
        kind = unusable_kind(series)
        if is_numeric(series):
            numeric.append(str(name))
        elif kind is not None:
            others.append(f"{name} ({kind})")
        elif len(series):
            factor = factorize(series)
            categorical.append(f"{name} ({len(factor.levels)} levels, first {factor.levels[0]!r})")
            if pd.api.types.is_string_dtype(series.dtype):
                doubtful += doubts(str(name), series, factor, series.index.to_numpy())
        else:
            others.append(f"{name} (no values)")
    said = [
        f"{what}: {', '.join(names)}"
        for what, names in (
            ("Numeric", numeric),
            ("Categorical", categorical),
            ("Neither", others),
        )
        if names
    ]
    return [*said, *doubtful]
