"""The family that a response suggests, and why: a guess, said as one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.frame import factorize, is_numeric, numeric_column
from mixedscope.formula.parse import TRIALS, parse_formula
from mixedscope.formula.tree import Call, Name, unparse

__all__ = ["COUNTED", "Suggestion", "suggested_family", "suggested_for", "words_of"]

#: Words in names of columns of counts.
COUNTED: Final = (
    "count|counts|seizures|ticks|visits|events|errors|mistakes|accidents|falls|deaths|fixations|"
    "hits|fruits|eggs|offspring|lesions|calls"
)
#: Words in names of columns of ratings and scores, which are whole numbers as well.
_RATED: Final = (
    "rating|ratings|score|scores|likert|scale|points|mark|marks|grade|level|percent|year"
)
#: Values that a column of counts has at least, if its name does not say that it is one.
_VALUES: Final = 4
#: Skewness of counts at least: of most ratings it is less.
_SKEW: Final = 0.5


@dataclass(frozen=True)
class Suggestion:
    """A family for a response.

    Attributes
    ----------
    name : str
        Of the response.
    family : str
    reason : str
        What the response holds, as a clause.
    levels : tuple of str
        If it is two numbers other than 0 and 1: these, to be declared as categories.
    """

    name: str
    family: str
    reason: str
    levels: tuple[str, ...] = ()


def words_of(name: str) -> list[str]:
    """The words of the name of a column, in small letters: ``RT (ms)``, ``subjId``, ``Subj.Nr``."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z]+", spaced.lower())


def suggested_family(values: pd.Series, name: str) -> Suggestion | None:
    """The family that two values or counts suggest; None of what may be measured."""
    present = values.dropna()
    is_truth = pd.api.types.is_bool_dtype(present.dtype)
    if is_truth or not is_numeric(present):
        levels = factorize(present).levels if present.nunique() == 2 else ()
        if len(levels) != 2:
            return None
        first, second = levels
        return Suggestion(
            name, "binomial", f"{name} is {first!r} or {second!r}, and {second!r} counts as 1"
        )
    numbers = numeric_column(present)
    found = np.unique(numbers)
    if len(found) == 2:
        low, high = (f"{value:g}" for value in found)
        if (low, high) == ("0", "1"):
            return Suggestion(name, "binomial", f"{name} is 0 or 1")
        return Suggestion(
            name, "binomial", f"{name} is {low} or {high}, and {high} counts as 1", (low, high)
        )
    return _counts(numbers, found, name)


def suggested_for(formula: str, frame: pd.DataFrame) -> Suggestion | None:
    """The family that the response of a formula suggests.

    Raises FormulaError if the formula cannot be read.
    """
    response = parse_formula(formula).response
    if isinstance(response, Call) and response.function == TRIALS:
        reason = f"{unparse(response)} says successes and failures"
        return Suggestion(unparse(response), "binomial", reason)
    if not isinstance(response, Name) or response.name not in frame.columns:
        return None
    return suggested_family(frame[response.name], response.name)


def _counts(
    numbers: NDArray[np.float64],
    found: NDArray[np.float64],
    name: str,
) -> Suggestion | None:
    """Poisson for whole numbers that are counts by their name or by their distribution."""
    if len(found) < 2 or found[0] < 0 or np.any(found != np.round(found)):
        return None
    words = words_of(name)
    if not any(re.fullmatch(COUNTED, word) for word in words):
        away = numbers - numbers.mean()
        skewness = float((away**3).mean()) / float((away**2).mean()) ** 1.5
        if any(re.fullmatch(_RATED, word) for word in words):
            return None
        if found[0] > 0 or len(found) < _VALUES or skewness < _SKEW:
            return None
    reason = (
        f"{name} holds whole numbers from {found[0]:g} to {found[-1]:g}, half of them "
        f"{np.median(numbers):g} or less: counts, it seems"
    )
    return Suggestion(name, "poisson", reason)
