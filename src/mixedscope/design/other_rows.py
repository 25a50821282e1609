"""Columns of a design for other rows: X, and Z with the levels of some random-effects terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mixedscope.core.errors import DataError, ModelError, suggest
from mixedscope.design.design import Design, RandomDesign
from mixedscope.design.frame import as_frame, missing_values
from mixedscope.design.rows import named_offset, read_offset, read_weights
from mixedscope.design.structure_choice import StructureChooser, kept_terms, terms_by_group
from mixedscope.design.terms import TermColumns
from mixedscope.design.training import VALUES, WEIGHTS, Training
from mixedscope.formula.expressions import columns_in
from mixedscope.formula.parse import Formula, RandomTerm, parse_formula
from mixedscope.formula.tree import names_in, unparse

__all__ = [
    "OtherRows",
    "OtherTerms",
    "WantedTerms",
    "complement",
    "other_rows",
    "same_rows",
    "wanted_terms",
    "weights_column",
    "whole_terms",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class WantedTerms:
    """Columns of one grouping factor that are wanted of other rows.

    Attributes
    ----------
    position : int
        Of the grouping factor among those of the design.
    columns : tuple of int
        Of its k columns, ascending.
    """

    position: int
    columns: tuple[int, ...]


@dataclass(frozen=True)
class OtherTerms:
    """Columns of one grouping factor for other rows.

    Attributes
    ----------
    position : int
        Of the grouping factor among those of the design.
    columns : (c,) tuple of int
        Which of its k columns these are.
    Z : (m, c) array
    codes : (m,) int64 array or None
        Positions of the rows' levels among those of the design; -1, -2, … stand for the first, the
        second, … of the new levels. None where levels were not asked for.
    new : tuple of str
        The new levels.
    """

    position: int
    columns: tuple[int, ...]
    Z: Floats
    codes: Ints | None
    new: tuple[str, ...] = ()


@dataclass(frozen=True)
class OtherRows:
    """A design for rows that it was not made from.

    Attributes
    ----------
    n : int
        Number of rows given.
    rows : (m,) int64 array
        Positions, ascending, of those without a missing value in what is needed.
    X : (m, p) array
    own : tuple of OtherTerms
        Those whose levels were asked for.
    drawn : tuple of OtherTerms
        Those of which Z alone was.
    offset : (m,) array or None
        What is added to fixed and random effects as it is.
    weights : (m,) array or None
    """

    n: int
    rows: Ints
    X: Floats
    own: tuple[OtherTerms, ...]
    drawn: tuple[OtherTerms, ...]
    offset: Floats | None
    weights: Floats | None


def whole_terms(design: Design) -> tuple[WantedTerms, ...]:
    """All random-effects terms of a design."""
    return tuple(WantedTerms(i, tuple(range(len(r.names)))) for i, r in enumerate(design.random))


def complement(design: Design, wanted: Sequence[WantedTerms]) -> tuple[WantedTerms, ...]:
    """Random-effects terms of a design that are not among those wanted."""
    taken = {one.position: set(one.columns) for one in wanted}
    left = [
        (one.position, tuple(j for j in one.columns if j not in taken.get(one.position, ())))
        for one in whole_terms(design)
    ]
    return tuple(WantedTerms(position, columns) for position, columns in left if columns)


def wanted_terms(design: Design, said: Sequence[str]) -> tuple[WantedTerms, ...]:
    """Read a subset of the random-effects terms: grouping factors, or terms as in the formula.

    ``Subject`` is every term of that factor, ``(1 | Subject)`` its intercepts alone, whether or not
    the formula has them in a term of their own. Raises ModelError where the model has no such term.
    """
    training = _training(design)
    groups = {frozenset(t[0].factors): i for i, t in enumerate(terms_by_group(training.formula))}
    chosen: dict[int, set[int]] = {}
    for text in said:
        for position, columns in _read_terms(design, training, groups, text):
            chosen.setdefault(position, set()).update(columns)
    return tuple(WantedTerms(i, tuple(sorted(chosen[i]))) for i in sorted(chosen))


def _read_terms(
    design: Design, training: Training, groups: Mapping[frozenset[str], int], text: str
) -> Iterator[tuple[int, Sequence[int]]]:
    """Positions of the grouping factors that one text names, and their columns."""
    if "|" not in text:
        position = groups.get(frozenset(part.strip() for part in text.split(":")))
        exact = {r.group: i for i, r in enumerate(design.random)}
        position = exact.get(text.strip(), position)
        if position is None:
            raise ModelError(_unknown(text, exact))
        yield position, range(len(design.random[position].names))
        return
    inner = text.strip()
    written = inner if inner.endswith(")") else f"({inner})"
    response = unparse(training.formula.response)
    parsed = parse_formula(f"{response} ~ 1 + {written}")
    if parsed.fixed.terms:
        raise ModelError(
            f"levels: {parsed.fixed.terms[0].name!r} in {text!r} is no random-effects term: fixed "
            "effects are always taken along."
        )
    for term in parsed.random:
        position = groups.get(frozenset(term.factors))
        if position is None:
            raise ModelError(_unknown(term.group, [r.group for r in design.random]))
        random = design.random[position]
        columns = []
        for name in _names(training, random, term):
            if name not in random.names:
                raise ModelError(
                    f"levels: the model has no random effect {name!r} of {random.group!r}."
                    f"{suggest(name, random.names)} It has {', '.join(random.names)}."
                )
            columns.append(random.names.index(name))
        yield position, columns


def _unknown(said: str, known: Mapping[str, int] | Sequence[str]) -> str:
    return (
        f"levels: the model has no grouping factor {said!r}.{suggest(said, known)} "
        f"It has {', '.join(known)}; other choices are 'own' and 'population'."
    )


def _names(training: Training, random: RandomDesign, term: RandomTerm) -> tuple[str, ...]:
    """Names of the columns of a term that need not be one of the model."""
    used = [name.name for one in term.terms for node in one.factors for name in names_in(node)]
    known = training.formula.variables
    for name in used:
        if name not in known:
            raise ModelError(
                f"levels: the formula has no column {name!r}.{suggest(name, known)} "
                f"Random effects of {random.group!r} are {', '.join(random.names)}."
            )
    nothing = {name: pd.Series([], dtype=object, name=name) for name in used}
    columns = training.columns(nothing, np.empty(0, dtype=np.int64))
    try:
        return columns.columns(term.intercept, term.terms).names
    except KeyError:  # a function that the formula does not have
        written = " + ".join(("1" if term.intercept else "0", *(one.name for one in term.terms)))
        raise ModelError(
            f"levels: the model has no term ({written} | {random.group}): random effects of "
            f"{random.group!r} are {', '.join(random.names)}."
        ) from None


def other_rows(
    design: Design,
    data: Any,
    *,
    own: Sequence[WantedTerms] = (),
    drawn: Sequence[WantedTerms] = (),
    weights: str | ArrayLike | None = None,
    offset: str | ArrayLike | None = None,
    what: str = "newdata",
) -> OtherRows:
    """Make the columns of a design for other rows, with what it learned from its own.

    Parameters
    ----------
    design : Design
        Made from a formula.
    data : pandas, polars or pyarrow table, or mapping of columns
        Only the columns that are needed have to be there; they may have no rows.
    own : sequence of WantedTerms
        Random-effects terms whose levels are wanted too.
    drawn : sequence of WantedTerms
        Terms of which Z alone is wanted.
    weights : str or (n,) array, optional
        Column or values of the weights, where they are wanted.
    offset : str or (n,) array, optional
        Column, safe expression of columns, or values in place of what the model was given beside
        its formula.
    what : str
        What the data are called in messages.

    Raises
    ------
    DataError
        If a column is not there or of another kind than it was, or a categorical variable of the
        fixed effects has a level that it did not have.
    """
    training = _training(design)
    frame = as_frame(data, empty=True)
    chooser = StructureChooser(training.formula, training.structure)
    by_group = terms_by_group(training.formula)
    pieces = [
        (wanted, list(_parts_of(design, chooser, by_group, wanted)), with_levels)
        for some, with_levels in ((own, True), (drawn, False))
        for wanted in some
    ]
    needed = dict.fromkeys(_fixed_variables(training.formula), False)
    for wanted, parts, with_levels in pieces:
        for term, reduced, _ in parts:
            if not reduced:
                needed |= dict.fromkeys(_term_variables(term), False)
        if with_levels:
            # Whether a column is only needed for these.
            needed |= {v: needed.get(v, True) for v in by_group[wanted.position][0].factors}
    needed |= dict.fromkeys(_offset_variables(training, is_given=offset is not None), False)
    used = {
        name: _column(frame, name, what, optional=only_group) for name, only_group in needed.items()
    }
    all_weights = read_weights(weights, frame)
    all_offsets = read_offset(offset, frame)
    present = np.ones(len(frame), dtype=bool)
    for values in (all_weights, all_offsets):
        if values is not None:
            present &= ~np.isnan(values)
    for series in used.values():
        missing = missing_values(series)
        if missing is not None:
            present &= ~missing
    rows = np.flatnonzero(present).astype(np.int64)
    used = {name: series.take(rows) for name, series in used.items()}
    columns = training.columns(used, rows)
    fixed = training.formula.fixed
    made = []
    for wanted, parts, with_levels in pieces:
        z = _z(columns, parts, wanted)
        if not with_levels:
            made.append(OtherTerms(wanted.position, wanted.columns, z, None))
            continue
        names = by_group[wanted.position][0].factors
        codes = columns.grouping(names).codes
        made.append(OtherTerms(wanted.position, wanted.columns, z, *_apart(columns, names, codes)))
    X = columns.columns(fixed.intercept, fixed.terms).matrix
    kept = None if all_weights is None else all_weights[rows]
    return OtherRows(
        len(frame),
        rows,
        X,
        tuple(made[: len(own)]),
        tuple(made[len(own) :]),
        _offset(training, columns, frame, what, all_offsets),
        kept,
    )


def same_rows(
    design: Design, *, own: Sequence[WantedTerms] = (), drawn: Sequence[WantedTerms] = ()
) -> OtherRows:
    """Give a design's own rows as those of other data: the rows used, and these alone."""

    def terms(some: Sequence[WantedTerms], *, with_levels: bool) -> tuple[OtherTerms, ...]:
        return tuple(
            OtherTerms(
                wanted.position,
                wanted.columns,
                design.random[wanted.position].Z[:, wanted.columns],
                design.random[wanted.position].codes if with_levels else None,
            )
            for wanted in some
        )

    n = len(design.y)
    return OtherRows(
        n,
        np.arange(n, dtype=np.int64),
        design.X,
        terms(own, with_levels=True),
        terms(drawn, with_levels=False),
        design.offset,
        design.weights,
    )


def _offset_variables(training: Training, *, is_given: bool) -> list[str]:
    """Columns that the offsets are made of, but for one that is given."""
    found = [v for node in training.formula.offsets for v in _used(node)]
    if is_given or training.offset is None or training.offset == VALUES:
        return found
    return found + sorted(columns_in(training.offset))


def _offset(
    training: Training,
    columns: TermColumns,
    frame: pd.DataFrame,
    what: str,
    given: Floats | None,
) -> Floats | None:
    """The sum of the offsets in the rows that are complete; `given` is of all rows."""
    added = [columns.numeric(node, "The offset") for node in training.formula.offsets]
    if given is not None:
        added.append(given[columns.rows])
    elif training.offset == VALUES:
        raise ModelError(
            f"The offset of this model was given as values, which {what} cannot have: give those "
            f"of {what}, offset=, or make the model with the name of a column, or an expression of "
            "columns, as its offset."
        )
    elif training.offset is not None and len(columns.rows):
        values = named_offset(training.offset, frame, columns.rows, columns.learned)
        columns.check_finite(values, f"The offset {training.offset}")
        added.append(values)
    elif training.offset is not None:  # columns of no rows have no type to go by
        added.append(np.empty(0))
    return np.sum(added, axis=0) if added else None


def _parts_of(
    design: Design,
    chooser: StructureChooser,
    by_group: Sequence[Sequence[RandomTerm]],
    wanted: WantedTerms,
) -> Iterator[tuple[RandomTerm, bool, tuple[int, ...]]]:
    """Terms that have wanted columns: the term, whether it is a mere intercept, its columns."""
    terms = kept_terms(chooser, by_group[wanted.position])
    parts = design.random[wanted.position].parts
    for (term, reduced), part in zip(terms, parts, strict=True):
        if set(part.columns) & set(wanted.columns):
            yield term, reduced, part.columns


def _z(
    columns: TermColumns,
    parts: Sequence[tuple[RandomTerm, bool, tuple[int, ...]]],
    wanted: WantedTerms,
) -> Floats:
    """The wanted columns of Z (m, c), each out of the term that it belongs to in the model."""
    out = np.empty((len(columns.rows), len(wanted.columns)))
    for term, reduced, owned in parts:
        matrix = columns.random(term, reduced=reduced).matrix
        for j, column in enumerate(owned):
            if column in wanted.columns:
                out[:, wanted.columns.index(column)] = matrix[:, j]
    return out


def _apart(columns: TermColumns, names: Sequence[str], codes: Ints) -> tuple[Ints, tuple[str, ...]]:
    """Tell new levels, all of which have the code -1, apart; also what they are called."""
    new = np.flatnonzero(codes < 0)
    if not len(new):
        return codes, ()
    used = {name: columns.frame[name].iloc[new] for name in names}
    found = TermColumns(columns.text, used, columns.rows[new], {}).grouping(names)
    out = codes.copy()
    out[new] = -1 - found.codes
    return out, found.levels


def _column(frame: pd.DataFrame, name: str, what: str, *, optional: bool) -> pd.Series:
    """A column that is needed, or could be done without by predicting for the population."""
    try:
        return frame[name]
    except KeyError:
        way = f" levels='population' does without {name!r}." if optional else ""
        raise DataError(
            f"Column {name!r} of the model is not in {what}.{suggest(name, frame.columns)} "
            f"Columns: {', '.join(frame.columns[:30]) or 'none'}.{way}"
        ) from None


def _fixed_variables(formula: Formula) -> list[str]:
    return [v for term in formula.fixed.terms for n in term.factors for v in _used(n)]


def _term_variables(term: RandomTerm) -> list[str]:
    return [v for one in term.terms for n in one.factors for v in _used(n)]


def _used(node: Any) -> list[str]:
    return [name.name for name in names_in(node)]


def _training(design: Design) -> Training:
    if design.training is None:
        raise ModelError("This design was not made from a formula: it has no columns of new rows.")
    return design.training


def weights_column(design: Design, newdata: Any, advice: str) -> str | None:
    """The column of new rows that has their weights, None of a model without weights.

    Raises DataError, which ends with ``advice``, if new rows have no such column.
    """
    if design.weights is None:
        return None
    column = None if design.training is None else design.training.weights
    if column is not None and column in as_frame(newdata, empty=True).columns:
        return column
    where = f"the column {column!r}"
    if column is None or column == WEIGHTS:
        where = "values of their own"
    raise DataError(f"The model has weights from {where}, and newdata has none: {advice}")
