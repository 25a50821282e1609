"""Terms become columns: R's model matrix for one list of terms, fixed or random.

Coding follows R's ``terms`` and ``model.matrix``: a factor of a term is coded by its contrasts if
the rest of the term is contained in an earlier term (or is empty), and by an indicator for every
level otherwise; without an intercept the first factor of the first term that has one gets all its
indicators (Chambers & Hastie 1992, Statistical Models in S, p. 38).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError, ModelError, suggest
from mixedscope.design.bases import BASES
from mixedscope.design.categories import CATEGORICAL, INDICATORS, in_order, read_category
from mixedscope.design.contrasts import Coding, ContrastSpec, contrast_matrix, full_dummies
from mixedscope.design.fixed_terms import FixedTerm, FixedTerms
from mixedscope.design.frame import (
    Factor,
    codes_among,
    cross,
    cross_among,
    crossing,
    factorize,
    is_numeric,
    numeric_column,
    refuse_unusable,
    unusable_kind,
)
from mixedscope.design.missing_codes import found_codes
from mixedscope.design.variables import check_text, doubts, number_doubts, variable
from mixedscope.formula.expressions import Evaluator, label_of
from mixedscope.formula.learned import Learned
from mixedscope.formula.parse import RandomTerm, Term
from mixedscope.formula.tree import Call, Name, Node, names_in, unparse

__all__ = ["ColumnBlock", "TermColumns"]

INTERCEPT = "(Intercept)"
MAX_BYTES = 2**32  # of one term; more is a mistake rather than a model


@dataclass(frozen=True)
class ColumnBlock:
    """Named columns of a model matrix: ``matrix`` (n, k), ``names`` (k,)."""

    matrix: NDArray[np.float64]
    names: tuple[str, ...]


class TermColumns:
    """Builds model-matrix columns over one set of rows, each variable evaluated once.

    What a column owes to all rows, such as levels, means and bases of polynomials, is asked of
    :class:`~mixedscope.formula.learned.Learned` by what is written in the formula. With what was
    learned from the rows of a model the columns of any other rows are those the model would have.

    Parameters
    ----------
    text : str
        The formula, for errors.
    frame : DataFrame or mapping of str to Series
        The rows used, without missing values in the formula's variables.
    rows : (n,) int array
        Their positions in the user's data, for errors.
    contrasts : mapping of str to contrast specification
    learned : Learned, optional
        What the columns learned from the rows of a model; by default they learn from these rows.
    """

    def __init__(
        self,
        text: str,
        frame: Mapping[str, pd.Series] | pd.DataFrame,
        rows: NDArray[np.int64],
        contrasts: Mapping[str, ContrastSpec],
        learned: Learned | None = None,
    ) -> None:
        self.text = text
        self.frame = frame
        self.rows = rows
        self.contrasts = contrasts
        self.learned = Learned() if learned is None else learned
        self.codings: dict[str, Coding] = {}
        self.notes: list[str] = []
        self.codes: dict[str, list[str]] = {}  # of columns of numbers: on values such as -999
        self._contrasted: set[str] = set()  # variables that have contrasts somewhere
        self._variables: dict[str, ColumnBlock | Factor] = {}
        self._groups: dict[str, Factor] = {}
        self._blocks: dict[tuple[bool, tuple[str, ...]], ColumnBlock] = {}

    def columns(self, intercept: bool, terms: Sequence[Term]) -> ColumnBlock:
        """Columns of an intercept (if any) and terms, in order; matrix (n, k) in C order.

        The same block when asked for the same again: not to be written to.
        """
        key = (intercept, tuple(term.name for term in terms))
        if key not in self._blocks:
            self._blocks[key] = self._columns(intercept, terms)
        return self._blocks[key]

    def random(self, term: RandomTerm, *, reduced: bool) -> ColumnBlock:
        """Columns of a random-effects term, or of the intercept that it is reduced to."""
        return self.columns(True, ()) if reduced else self.columns(term.intercept, term.terms)

    def _columns(self, intercept: bool, terms: Sequence[Term]) -> ColumnBlock:
        full = self._full_codes(intercept, terms)
        blocks = [self._term(term, full) for term in terms]
        if len(blocks) == 1 and not intercept:
            return ColumnBlock(np.ascontiguousarray(blocks[0].matrix), blocks[0].names)
        names = [name for block in blocks for name in block.names]
        if intercept:
            names.insert(0, INTERCEPT)
        matrix = np.empty((len(self.rows), len(names)))
        at = int(intercept)
        matrix[:, :at] = 1.0
        for block in blocks:
            width = len(block.names)
            matrix[:, at : at + width] = block.matrix
            at += width
        return ColumnBlock(matrix, tuple(names))

    def assigned(self, intercept: bool, terms: Sequence[Term]) -> FixedTerms:
        """Say which of :meth:`columns` belong to which term, and what each is made of."""
        full = self._full_codes(intercept, terms)
        out = [FixedTerm(INTERCEPT, range(1))] if intercept else []
        variables: dict[str, NDArray[np.float64] | Factor] = {}
        codings: dict[str, Coding] = {}
        at = int(intercept)
        for term in terms:
            width, indicated = 1, set()
            for node in term.factors:
                name, value = unparse(node), self._variable(node)
                if isinstance(value, ColumnBlock):
                    variables[name] = value.matrix
                    width *= len(value.names)
                    continue
                variables[name], codings[name] = value, self.coding(node, value)
                if (term.name, name) in full:
                    indicated.add(name)
                    width *= len(value.levels)
                else:
                    width *= len(codings[name].suffixes)
            names = tuple(unparse(node) for node in term.factors)
            out.append(FixedTerm(term.name, range(at, at + width), names, frozenset(indicated)))
            at += width
        return FixedTerms(tuple(out), variables, codings)

    def _term(self, term: Term, full: set[tuple[str, str]]) -> ColumnBlock:
        block = ColumnBlock(np.empty((0, 1)), ("",))
        for node in term.factors:
            is_full = bool(full) and (term.name, unparse(node)) in full
            width = len(block.names) * self._width(node)
            if 8 * width * len(self.rows) > MAX_BYTES:
                raise ModelError(
                    f"The term {term.name!r} would make {width} columns for {len(self.rows)} "
                    f"rows: is it a grouping factor? Then write (1 | {term.name})."
                )
            block = _product(block, self._coded(node, is_full))
        return block

    def _width(self, node: Node) -> int:
        variable = self._variable(node)
        return len(variable.levels if isinstance(variable, Factor) else variable.names)

    def variable(self, node: Node) -> ColumnBlock | Factor:
        """What a node is: columns of numbers, or categories."""
        return self._variable(node)

    def numeric(self, node: Node, where: str) -> NDArray[np.float64]:
        """Evaluate the response, or another node that must be one numeric column."""
        variable = self._variable(node)
        if isinstance(variable, Factor):
            raise DataError(
                f"{where} {unparse(node)!r} is not numeric: {self._why(node, variable)}"
            )
        if variable.matrix.shape[1] != 1:
            raise DataError(f"{where} {unparse(node)!r} has more than one column.")
        return np.ascontiguousarray(variable.matrix[:, 0])

    def _why(self, node: Node, factor: Factor) -> str:
        """Why a column that should be numeric is none, and what to do."""
        series = self.frame[node.name] if isinstance(node, Name) else None
        if isinstance(node, Call) and node.function in CATEGORICAL:
            return f"{node.function}() makes it categorical; choose a numeric column."
        if series is None or pd.api.types.is_bool_dtype(series.dtype):
            return f"it holds truth values; derive a number: if_else({unparse(node)}, 1, 0)."
        if isinstance(series.dtype, pd.CategoricalDtype):
            return "it is categorical; choose a numeric column, or derive one."
        found = check_text(factor)
        if found.first is None:
            return "its numbers are written as text; derive a column with number()."
        at = int(self.rows[found.first]) + 1
        what = f"row {at} holds {found.value!r}"
        if found.commas:
            return f"{what}; if commas are decimal, set decimal: ','."
        if found.numbers:
            return (
                f"{what}; {found.numbers} of its {found.rows} values are numbers. Correct it, or "
                "name it under missing."
            )
        return f"{what}; choose a numeric column, or derive one."

    def indicated(self, intercept: bool, terms: Sequence[Term]) -> tuple[str, Factor] | None:
        """The one factor, by name, whose indicators :meth:`columns` would give and nothing else."""
        if intercept or len(terms) != 1 or len(terms[0].factors) != 1:
            return None
        variable = self._variable(terms[0].factors[0])
        return (terms[0].name, variable) if isinstance(variable, Factor) else None

    # -- coding --------------------------------------------------------------------------------
    def _full_codes(self, intercept: bool, terms: Sequence[Term]) -> set[tuple[str, str]]:
        """Which (term, factor) pairs get an indicator per level rather than contrasts."""
        full: set[tuple[str, str]] = set()
        if intercept and all(len(term.factors) == 1 for term in terms):
            return full
        earlier: list[set[str]] = []
        for term in terms:
            factors = {unparse(node) for node in term.factors}
            for name in factors:
                rest = factors - {name}
                if rest and not any(rest <= other for other in earlier):
                    full.add((term.name, name))
            earlier.append(factors)
        if not intercept:
            for term in terms:
                categorical = [
                    node for node in term.factors if isinstance(self._variable(node), Factor)
                ]
                if categorical:
                    full.add((term.name, unparse(categorical[0])))
                    break
        return full

    def _coded(self, node: Node, full: bool) -> ColumnBlock:
        variable, name = self._variable(node), unparse(node)
        if isinstance(variable, ColumnBlock):
            return variable
        coding = self.coding(node, variable)
        if full:
            coding = full_dummies(variable.levels)
        else:
            self._contrasted.add(name)
        return ColumnBlock(coding.matrix[variable.codes], tuple(name + s for s in coding.suffixes))

    def coding(self, node: Node, factor: Factor) -> Coding:
        """The contrasts of a categorical variable."""
        name = node.name if isinstance(node, Name) else unparse(node)
        if name not in self.codings:
            spec = self.contrasts.get(name)
            if isinstance(node, Call) and node.function in CATEGORICAL:
                said = read_category(self.text, node)
                argument = said.argument
                spec = spec or said.coding
                if spec is None and isinstance(argument, Name):
                    spec = self.contrasts.get(argument.name)
            self.codings[name] = contrast_matrix(name, factor.levels, spec)
        return self.codings[name]

    def described(self, response: str) -> dict[str, dict[str, Any]]:
        """What each variable of the terms is, and how coded, but for the response as written."""
        known = {key: v for key, v in self._variables.items() if key != response}
        codings = {
            f"`{name}`" if f"`{name}`" in known else name: c for name, c in self.codings.items()
        }
        return {
            key: variable(codings.get(key), full=key not in self._contrasted)
            for key, value in known.items()
            if isinstance(value, ColumnBlock) or key in codings
        }

    # -- variables -----------------------------------------------------------------------------
    def _variable(self, node: Node) -> ColumnBlock | Factor:
        key = unparse(node)
        if key not in self._variables:
            if len(self.rows):
                made = self._evaluate(node, key)
                names = made.names if isinstance(made, ColumnBlock) else None
                self.learned.once(("names", key), lambda: names)
            else:  # columns of no rows have no type to go by
                names = self.learned["names", key]
                made = (
                    self._factor(pd.Series([], dtype=object), key)
                    if names is None
                    else (ColumnBlock(np.empty((0, len(names))), names))
                )
            self._variables[key] = made
        return self._variables[key]

    def _evaluate(self, node: Node, key: str) -> ColumnBlock | Factor:
        if isinstance(node, Name):
            return self._column(node, key)
        for used in names_in(node):
            if used.name in self.codes:  # it was looked at before
                continue
            series = self.frame[used.name]
            refuse_unusable(series)
            if is_numeric(series):
                self._numbers(series, used.name)
        evaluator = Evaluator(self.text, self.frame, self.rows, self.learned)
        if isinstance(node, Call) and node.function in CATEGORICAL:
            return self._category(node, key, evaluator)
        if isinstance(node, Call) and node.function in BASES:
            return self._basis(node, key, evaluator)
        value = evaluator.value(node)
        if value.kind == "boolean":
            return self._factor(pd.Series(np.full(len(self.rows), value.data), name=key), key)
        if value.kind == "text":
            raise FormulaError(
                self.text, node.position, f"{key} is text; only numbers or conditions can be used."
            )
        values = np.full(len(self.rows), value.data, dtype=np.float64)
        self.check_finite(values, key)
        return ColumnBlock(values[:, None], (key,))

    def _column(self, node: Name, key: str) -> ColumnBlock | Factor:
        """A column as it is: numbers, or a factor, as it was when the model was made."""
        series = self.frame[node.name]
        is_factor = self.learned.once(
            ("is a factor", key), lambda: not is_numeric(series) or node.name in self.contrasts
        )
        if is_factor:
            refuse_unusable(series)
            factor = self._factor(series, key)
            if self.learned.closed:
                return factor
            if node.name not in self.contrasts:
                self.notes += doubts(node.name, series, factor, self.rows)
            elif is_numeric(series):
                self.notes += number_doubts(node.name, series, factor)
            return factor
        if not is_numeric(series):
            raise self._of_another_kind(series)
        return ColumnBlock(self._numbers(series, node.name)[:, None], (key,))

    def _numbers(self, series: pd.Series, name: str) -> NDArray[np.float64]:
        """Numbers (n,) of a column, all finite; it is noted which may stand for missing ones."""
        values = numeric_column(series)
        whole = isinstance(series.dtype, np.dtype) and series.dtype.kind in "iu"
        if not whole and not (math.isfinite(values.min()) and math.isfinite(values.max())):
            self.check_finite(values, f"Column {name!r}")
        self._look_for_codes(name, values)
        return values

    def _look_for_codes(self, name: str, values: NDArray[np.float64]) -> None:
        """Note of a column of the model's own rows what may stand for a missing value."""
        if not self.learned.closed and name not in self.codes:
            self.codes[name] = [
                code.told(
                    name,
                    f"make it missing (data[{name!r}].replace({code.value:g}, float('nan')) in "
                    f"pandas, missing: [NA, {code.value:g}] of a text file), or leave these rows "
                    "out by subset.",
                )
                for code in found_codes(values)
            ]

    def _of_another_kind(self, series: pd.Series) -> DataError:
        """What to say of a column that held numbers when the model was made."""
        kind = unusable_kind(series)
        if kind is None and pd.api.types.is_bool_dtype(series.dtype):
            kind = "truth values"
        row = f"row {int(self.rows[0]) + 1} holds {series.iloc[0]!r}"
        return DataError(
            f"Column {series.name!r} held numbers when the model was made; here it holds "
            f"{kind or 'text or categories'} ({row}). Make numbers of it: in pandas "
            f"pd.to_numeric(data[{series.name!r}].astype(str))."
        )

    def _factor(self, series: pd.Series, key: str) -> Factor:
        """Code a column by the levels that it has, or had when the model was made."""
        if not self.learned.closed:
            factor = factorize(series)
            self.learned.once(("levels", key), lambda: factor.levels)
            return factor
        factor = codes_among(series, self.learned["levels", key])
        new = np.flatnonzero(factor.codes < 0)
        if len(new):
            value = label_of(series.iloc[int(new[0])])
            raise DataError(
                f"{key!r} has the level {value!r} in row {int(self.rows[new[0]]) + 1} (counted "
                "from 1), which did not occur when the model was made: there is no coefficient "
                f"for it.{suggest(value, factor.levels)} Levels: {', '.join(factor.levels[:20])}."
            )
        return factor

    def _category(self, node: Call, key: str, evaluator: Evaluator) -> ColumnBlock | Factor:
        """A variable that a function of the formula makes categorical."""
        said = read_category(self.text, node)
        argument = said.argument
        if isinstance(argument, Name):
            series = self.frame[argument.name]
        else:
            value = evaluator.value(argument)
            data = np.broadcast_to(value.data, (len(self.rows),))
            if value.kind == "number":
                self.check_finite(data, unparse(argument))
            series = pd.Series(np.array(data), name=unparse(argument))
        if said.levels is None or self.learned.closed:
            factor = self._factor(series, key)
        else:
            factor = in_order(factorize(series), said.levels, key, self.rows)
            self.learned.once(("levels", key), lambda: factor.levels)
        if node.function != INDICATORS:
            return factor
        matrix = np.eye(len(factor.levels))[factor.codes]
        return ColumnBlock(matrix, tuple(key + level for level in factor.levels))

    def _basis(self, node: Call, key: str, evaluator: Evaluator) -> ColumnBlock:
        """Columns of a function that makes several of one."""
        basis = BASES[node.function]
        argument, settings = basis.read(self.text, node)
        x = evaluator.numeric(argument, f"{node.function}()")
        x = np.array(np.broadcast_to(x, (len(self.rows),)))
        self.check_finite(x, unparse(argument))
        learned = self.learned.once(key, lambda: basis.learn(x, settings, key))
        matrix = basis.columns(x, learned)
        return ColumnBlock(matrix, tuple(f"{key}{j + 1}" for j in range(matrix.shape[1])))

    def grouping(self, names: Sequence[str]) -> Factor:
        """Code the rows by the combinations of columns of a grouping factor.

        Of rows that are not those of the model -1 stands for a combination that did not occur.
        """
        factor: Factor | None = None
        for i, name in enumerate(names):
            own = self._group(name)
            factor = own if factor is None else self._crossed(factor, own, tuple(names[: i + 1]))
        assert factor is not None
        return factor

    def _group(self, name: str) -> Factor:
        if name not in self._groups:
            series = self.frame[name]
            if self.learned.closed:
                self._groups[name] = codes_among(series, self.learned["groups", name])
            else:
                self._groups[name] = made = factorize(series)
                self.learned.once(("groups", name), lambda: made.levels)
        return self._groups[name]

    def _crossed(self, a: Factor, b: Factor, names: tuple[str, ...]) -> Factor:
        if self.learned.closed:
            return cross_among(a, b, self.learned["groups", names])
        made = cross(a, b)
        self.learned.once(("groups", names), lambda: crossing(a, b, made))
        return made

    def check_finite(self, values: NDArray[np.float64], what: str) -> None:
        """Refuse values (n,) of which one is not finite, naming its row."""
        bad = ~np.isfinite(values)
        if bad.any():
            first = int(bad.argmax())
            raise DataError(
                f"{what} has an infinite or undefined value ({values[first]:g}) in row "
                f"{self.rows[first] + 1} (counted from 1), {int(bad.sum())} in all: "
                "correct or filter these rows."
            )


def _product(a: ColumnBlock, b: ColumnBlock) -> ColumnBlock:
    """Row-wise Kronecker product, the columns of `a` varying fastest, as in R."""
    if a.names == ("",):
        return b
    matrix = b.matrix[:, :, None] * a.matrix[:, None, :]
    matrix = matrix.reshape(len(matrix), len(a.names) * len(b.names))
    return ColumnBlock(matrix, tuple(f"{left}:{right}" for right in b.names for left in a.names))
