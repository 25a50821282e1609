"""What a design keeps of the rows it was made from, so that other rows get the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.contrasts import ContrastSpec
from mixedscope.design.terms import TermColumns
from mixedscope.formula.learned import Learned
from mixedscope.formula.parse import Formula

__all__ = ["VALUES", "WEIGHTS", "Training"]

#: Stands for the name of an offset, or of weights, that were given as values.
VALUES: Final = ".offset"
WEIGHTS: Final = ".weights"


@dataclass(frozen=True)
class Training:
    """What a design was made with, and what its columns learned from the rows used.

    Attributes
    ----------
    formula : Formula
    structure : str
    contrasts : mapping
    weights : str or None
        Column of the weights.
    offset : str or None
        Expression of the offset beside those of the formula; `VALUES` if it was given as
        values, which say nothing of other rows.
    learned : Learned
        Closed: columns of other rows are made with it as they would be in the model.
    """

    formula: Formula
    structure: str
    contrasts: Mapping[str, ContrastSpec]
    weights: str | None
    offset: str | None
    learned: Learned

    def columns(
        self, frame: Mapping[str, pd.Series] | pd.DataFrame, rows: NDArray[np.int64]
    ) -> TermColumns:
        """Columns of other rows, as `TermColumns` makes them."""
        return TermColumns(self.formula.text, frame, rows, self.contrasts, self.learned)
