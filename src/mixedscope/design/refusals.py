"""What no model can be made of, and columns of which little is left: said before any fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.categories import CATEGORICAL
from mixedscope.design.contrasts import ContrastSpec
from mixedscope.design.terms import INTERCEPT
from mixedscope.formula.expressions import columns_in
from mixedscope.formula.parse import Formula
from mixedscope.formula.tree import Call, Name, names_in, unparse

__all__ = ["check_contrasts", "far_from_zero", "refuse_own_offset"]

#: Deviations from the mean over the mean up to which the engine takes a column for constant.
_FAR: Final = 1e-11

#: A column that varies by no more units in the last place is constant but for rounding.
_ROUNDING: Final = 16.0


def check_contrasts(contrasts: Mapping[str, ContrastSpec], parsed: Formula) -> None:
    """Refuse contrasts of what the formula does not use."""
    terms = [*parsed.fixed.terms, *(term for part in parsed.random for term in part.terms)]
    calls = [
        unparse(node)
        for term in terms
        for node in term.factors
        if isinstance(node, Call) and node.function in CATEGORICAL
    ]
    names = [*parsed.variables, *calls]
    for name in contrasts:
        if name not in names:
            raise ModelError(
                f"Contrasts are given for {name!r}, which the formula does not use."
                f"{suggest(name, names)}"
            )


def refuse_own_offset(parsed: Formula, offset: Any, frame: pd.DataFrame) -> None:
    """Refuse an offset made of the response: what is left is no longer what was modelled."""
    if not isinstance(parsed.response, Name):
        return
    used = {name.name for node in parsed.offsets for name in names_in(node)}
    if isinstance(offset, str):
        used |= {offset} if offset in frame.columns else columns_in(offset)
    if parsed.response.name in used:
        raise ModelError(
            f"The offset is made of the response {parsed.response.name!r}: it must be known "
            "without it."
        )


def far_from_zero(*blocks: tuple[Sequence[str], NDArray[np.float64]]) -> list[str]:
    """Name columns that vary, but so little beside their size that they count as constant.

    ``blocks``: names and columns.
    """
    notes = []
    seen = {INTERCEPT}
    for names, matrix in blocks:
        if seen.issuperset(names):
            continue
        # Nearly all columns vary enough in some of their rows, and are not looked at any further:
        # rows from all over, for those of one group may be alike.
        some = matrix[:: max(len(matrix) // 64, 1)]
        near = np.ptp(some, axis=0) <= 100.0 * _FAR * np.abs(matrix[0])
        for j in np.flatnonzero(near).tolist():
            if names[j] not in seen:
                seen.add(names[j])
                notes += _constant_words(names[j], matrix[:, j])
    return notes


def _constant_words(name: str, column: NDArray[np.float64]) -> list[str]:
    """The sentence on a column that counts as constant although it varies; none for others."""
    first = float(column[0])
    away = column - first
    spread = float(np.ptp(away))
    if spread <= _ROUNDING * float(np.spacing(abs(first))):
        return []
    middle = first + float(away.mean())
    if float(away.std()) > _FAR * abs(middle):
        return []
    way = f"center({name})" if name.isidentifier() else "center(...) of what it is made of"
    return [
        f"{name!r} varies by {spread:.3g} around {middle:.6g}: so little beside its size that "
        f"it counts as constant. Centre it: write {way}, or subtract {middle:.6g} in the data."
    ]
