"""What a model is and the data that it was given: the part that all kinds of models have alike."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from mixedscope.core.arguments import number_array
from mixedscope.core.errors import FormulaError
from mixedscope.design.frame import as_frame, in_order_of
from mixedscope.design.spec import ModelSpec
from mixedscope.design.training import VALUES, WEIGHTS
from mixedscope.formula.expressions import columns_in
from mixedscope.formula.parse import Formula, parse_formula

__all__ = ["GIVEN", "ModelData", "columns_of"]

#: Columns of :attr:`ModelData.data` that hold what was given as values.
GIVEN: Final = {"weights": WEIGHTS, "offset": VALUES, "subset": ".subset"}


class ModelData:
    """A model without its data, and the columns of its data.

    Attributes
    ----------
    source : dict
        What is known of where the data come from: ``attrs`` of their table.
    """

    source: dict[Any, Any]
    _spec: ModelSpec
    _frame: pd.DataFrame
    _columns: list[str]
    _given: dict[str, Any]

    def _take(
        self, data: Any, of_rows: Mapping[str, Any], *, formula: str, **said: Any
    ) -> tuple[pd.DataFrame, Formula, dict[str, Any]]:
        """Read what is said of the model: the frame of its data, its formula, values of rows.

        ``of_rows``: weights, offset and subset, as names or as values of every row.
        """
        parsed = parse_formula(formula)
        frame = as_frame(data, only=_wanted(parsed, of_rows))
        given = dict(of_rows)
        if isinstance(data, pd.DataFrame):
            given = {key: in_order_of(value, data.index) for key, value in given.items()}
        named: dict[str, Any] = {
            key: value if isinstance(value, str) or value is None else GIVEN[key]
            for key, value in given.items()
        }
        self._spec = ModelSpec(formula, **named, **said)
        return frame, parsed, given

    def _keep(
        self, data: Any, frame: pd.DataFrame, parsed: Formula, given: Mapping[str, Any]
    ) -> None:
        """Keep the data that a design was made of."""
        # A copy on write: the data of the model stay what they are now. Their rows keep their
        # labels, by which results are aligned with them.
        self._frame = frame.copy(deep=False)
        if isinstance(data, pd.DataFrame) and frame is not data:
            self._frame.index = data.index
        self._columns = list(dict.fromkeys([*parsed.variables, *columns_of(self._spec, frame)]))
        self._given = {
            GIVEN[key]: _as_column(key, value)
            for key, value in given.items()
            if not (value is None or isinstance(value, str))
        }
        self.source = dict(getattr(data, "attrs", {}) or {})

    @property
    def formula(self) -> str:
        """Formula as written."""
        return self._spec.formula

    @property
    def structure(self) -> str:
        """Covariance structure asked of every term."""
        return self._spec.structure

    @property
    def contrasts(self) -> Mapping[str, Any]:
        """Coding of categorical variables that was asked for, by name."""
        return self._spec.contrasts

    @property
    def weights(self) -> str | None:
        """Column of :attr:`data` that holds the weights."""
        return self._spec.weights

    @property
    def offset(self) -> str | None:
        """Column of :attr:`data`, or expression, that is added to the formula's offsets."""
        return self._spec.offset

    @property
    def subset(self) -> str | None:
        """Condition on columns of :attr:`data` that holds in the rows used."""
        return self._spec.subset

    @cached_property
    def data(self) -> pd.DataFrame:
        """The columns that the model uses: all rows, on the index of the data given."""
        return self._frame[self._columns].assign(**self._given)


def _wanted(parsed: Formula, of_rows: Mapping[str, Any]) -> set[str]:
    """Names of columns that a model may read: those of its formula, and of what is said of rows."""
    found = set(parsed.variables)
    for text in of_rows.values():
        if isinstance(text, str):
            found.add(text)
            with suppress(FormulaError):  # the name of a column may be no expression
                found |= columns_in(text)
    return found


def columns_of(spec: ModelSpec, frame: pd.DataFrame) -> list[str]:
    """Columns that weights, offset and subset are read from."""
    found = []
    for text in (spec.weights, spec.offset, spec.subset):
        if text is not None and text in frame.columns:
            found.append(text)
        elif text is not None and text not in GIVEN.values():
            found += sorted(columns_in(text))
    return found


def _as_column(key: str, values: Any) -> Any:
    """Values given for every row as a column that can be stored."""
    if key == "subset":
        # Missing truth is none: the row is not used.
        return pd.Series(np.asarray(values).tolist(), dtype="boolean").fillna(False).to_numpy(bool)
    return number_array(key, values, "numbers", missing=True)
