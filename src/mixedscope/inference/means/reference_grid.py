"""The grid of rows over which marginal means are taken: levels of factors, values of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.arguments import named
from mixedscope.core.errors import ModelError, suggest
from mixedscope.design.design import Design
from mixedscope.design.frame import Factor, is_numeric
from mixedscope.design.other_rows import other_rows
from mixedscope.formula.expressions import label_of
from mixedscope.formula.parse import parse_formula
from mixedscope.formula.tree import Node, names_in, unparse

__all__ = ["GridVariable", "ReferenceGrid", "reference_grid"]

Floats = NDArray[np.float64]

#: Rows of a grid at most.
_MOST: Final = 200_000

#: Values of a number that means are asked for along it.
_VALUES: Final = 25


@dataclass(frozen=True)
class GridVariable:
    """A column of the data that fixed effects use.

    Attributes
    ----------
    name : str
    is_factor : bool
    values : tuple
        As they are in the data.
    labels : tuple of str
        The same as text.
    """

    name: str
    is_factor: bool
    values: tuple[Any, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceGrid:
    """All combinations of the values of all variables, the last varying fastest.

    Attributes
    ----------
    variables : tuple of GridVariable
    x : (m, p) array
        Columns of X, those left out of the model too.
    counts : array
        Rows used with each combination of levels, an axis for each variable; of length 1 for
        numbers.
    """

    variables: tuple[GridVariable, ...]
    x: Floats
    counts: Floats


def reference_grid(
    design: Design,
    frame: pd.DataFrame,
    *,
    asked: Sequence[str],
    at: Mapping[str, Any],
) -> ReferenceGrid:
    """Make the grid: factors at all their levels, numbers at their mean.

    ``frame`` holds the rows used. Numbers in `asked` are at values over their range; ``at`` says
    otherwise, by name of a column. Raises ModelError if a name is none of the fixed effects.
    """
    names = tuple(_columns(design))
    for name in (*asked, *at):
        if name not in names:
            raise ModelError(
                f"The fixed effects have no variable {name!r}.{suggest(str(name), names)} "
                f"Known are: {', '.join(names) or 'none'}."
            )
    variables = tuple(
        _variable(design, frame[name], name, name in asked, at.get(name)) for name in names
    )
    count = prod(len(v.values) for v in variables)
    if count > _MOST:
        raise ModelError(
            f"Means over {', '.join(v.name for v in variables)} take a grid of {count:,} rows, "
            f"more than {_MOST:,}: say with at={{...}} which levels count."
        )
    rows = list(product(*(range(len(v.values)) for v in variables)))
    places = np.array(rows, dtype=np.intp).reshape(count, len(variables))
    table = pd.DataFrame(
        {
            v.name: _as_in(frame[v.name], [v.values[i] for i in places[:, j]])
            for j, v in enumerate(variables)
        },
        index=pd.RangeIndex(count),
    )
    if not variables:
        return ReferenceGrid((), np.ones((1, design.X.shape[1])), np.array(float(len(frame))))
    offset = np.zeros(count) if design.offset is not None else None
    # Columns that only offsets of the formula use: read with the others, added to nothing.
    for node in parse_formula(design.formula).offsets:
        for used in names_in(node):
            if used.name not in table:
                table[used.name] = frame[used.name].iloc[0]
    made = other_rows(design, table, offset=offset, what="the grid")
    return ReferenceGrid(variables, made.X, _counts(frame, variables))


def _counts(frame: pd.DataFrame, variables: Sequence[GridVariable]) -> Floats:
    """Count the rows of each combination of levels."""
    codes = np.zeros((len(variables), len(frame)), dtype=np.intp)
    for j, variable in enumerate(variables):
        if variable.is_factor:
            there = [(frame[variable.name] == value).to_numpy(bool) for value in variable.values]
            codes[j] = np.where(np.any(there, axis=0), np.argmax(there, axis=0), -1)
    counts = np.zeros([len(v.values) if v.is_factor else 1 for v in variables])
    np.add.at(counts, tuple(codes[:, (codes >= 0).all(axis=0)]), 1.0)
    return counts


def _columns(design: Design) -> Iterator[str]:
    """Columns of the data that the fixed effects use, in order of appearance."""
    seen = set()
    for node in _nodes(design):
        for used in names_in(node):
            if used.name not in seen:
                seen.add(used.name)
                yield used.name


def _nodes(design: Design) -> list[Node]:
    return [f for term in parse_formula(design.formula).fixed.terms for f in term.factors]


def _variable(
    design: Design, column: pd.Series, name: str, is_asked: bool, wanted: Any
) -> GridVariable:
    """One variable with its values."""
    own = [node for node in _nodes(design) if any(n.name == name for n in names_in(node))]
    as_factor = all(isinstance(design.fixed.variables[unparse(node)], Factor) for node in own)
    if not is_numeric(column) or as_factor:
        return _factor(column, name, wanted)
    values = column.to_numpy(dtype=float)
    if wanted is not None:
        chosen = _numbers(name, wanted)
    elif is_asked:
        chosen = np.linspace(values.min(), values.max(), _VALUES)
    else:
        chosen = np.array([values.mean()])
    labels = tuple(f"{value:g}" for value in chosen)
    return GridVariable(name, False, tuple(chosen.tolist()), labels)


def _numbers(name: str, wanted: Any) -> Floats:
    try:
        values = np.atleast_1d(np.asarray(wanted, dtype=float))
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ModelError(f"at: {name!r} takes a number or several, not {named(wanted)}.")
    return values


def _factor(column: pd.Series, name: str, wanted: Any) -> GridVariable:
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = [value for value in column.cat.categories if (column == value).any()]
    else:
        found = sorted(column.unique().tolist(), key=lambda v: (str(type(v)), v))
    labels = [label_of(value) for value in found]
    if wanted is not None:
        items = [wanted] if isinstance(wanted, str) or not _is_listed(wanted) else list(wanted)
        places = []
        for item in items:
            label = label_of(item)
            if label not in labels:
                raise ModelError(
                    f"at: {label!r} is no level of {name!r}.{suggest(label, labels)} "
                    f"Levels: {', '.join(labels[:20])}."
                )
            if (place := labels.index(label)) in places:
                raise ModelError(f"at: the level {label!r} of {name!r} is given twice.")
            places.append(place)
        if not places:
            raise ModelError(f"at: {name!r} takes a level or several; none is given.")
        found, labels = [found[i] for i in places], [labels[i] for i in places]
    return GridVariable(name, True, tuple(found), tuple(labels))


def _is_listed(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray | pd.Index | pd.Series)


def _as_in(column: pd.Series, values: list[Any]) -> pd.Series:
    """Values as a column of the same type."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(values, dtype=column.dtype))
    if is_numeric(column) and not pd.api.types.is_bool_dtype(column.dtype):
        return pd.Series(values, dtype=float)
    return pd.Series(values, dtype=column.dtype)
