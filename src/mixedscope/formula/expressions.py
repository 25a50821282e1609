"""Safe expressions on columns: arithmetic, comparisons, logic and a fixed list of functions.

Data preparation filters and derives with them, and formulas use the same evaluator inside their
functions. The text is parsed into a tree (`mixedscope.formula.syntax`) and the tree is walked;
nothing is ever handed to Python's or pandas' evaluator.

Missing values follow SQL: arithmetic and comparisons with a missing value are missing, ``and`` and
``or`` use three-valued logic, and a filter keeps a row only where its condition is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import DataError, FormulaError, suggest
from mixedscope.formula.functions import (
    ARITHMETIC,
    COMPARE,
    EXPRESSION_FUNCTIONS,
    LEARNING,
    NAMED_ARGUMENT,
    NUMERIC,
)
from mixedscope.formula.learned import Learned
from mixedscope.formula.syntax import Parser, tokenize
from mixedscope.formula.tree import (
    Binary,
    Call,
    Items,
    Name,
    Node,
    Number,
    Paren,
    Text,
    Unary,
    Word,
    names_in,
    unparse,
)
from mixedscope.formula.values import (
    Array,
    Value,
    column_value,
    days_of,
    is_time,
    label_of,
    number_value,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXPRESSION_FUNCTIONS",
    "Evaluator",
    "Value",
    "column_value",
    "columns_in",
    "evaluate_condition",
    "evaluate_expression",
    "label_of",
    "parse_expression",
]


# -- evaluation -----------------------------------------------------------------------------------
class Evaluator:
    """Walks one syntax tree over named columns.

    Parameters
    ----------
    text : str
        The text the tree was parsed from, for errors.
    columns : mapping of str to Series
        All of one length.
    rows : (n,) int array, optional
        Positions of their rows in the user's data, for errors; 0, 1, … by default.
    learned : Learned, optional
        What functions of whole columns learn from these rows, or learned from others.
    """

    def __init__(
        self,
        text: str,
        columns: Mapping[Any, pd.Series] | pd.DataFrame,
        rows: NDArray[np.int64] | None = None,
        learned: Learned | None = None,
    ) -> None:
        self.text = text
        self.columns = columns
        self.rows = rows
        self.learned = Learned() if learned is None else learned

    def _fail(self, node: Node, message: str) -> NoReturn:
        raise FormulaError(self.text, node.position, message)

    def value(self, node: Node) -> Value:
        """Evaluate a node.

        Raises FormulaError if an operation does not suit the kind of its operands.
        """
        match node:
            case Number():
                return number_value(np.asarray(node.value))
            case Text():
                return Value("text", np.asarray(node.value, dtype=object), np.asarray(False))
            case Name():
                return column_value(self.columns[node.name])
            case Paren():
                return self.value(node.inner)
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)
            case Items():
                self._fail(node, "A list in brackets can only stand after 'in'.")
            case Word():
                self._fail(node, f"{node.word} cannot stand here.")

    def numeric(self, node: Node, where: str) -> Array:
        """Evaluate a node that must be numeric; truth counts as 0 and 1."""
        value = self.value(node)
        if value.kind == "text":
            if isinstance(node, Name) and is_time(self.columns[node.name]):
                self._fail(node, f"{where} needs numbers: write days({node.name}).")
            self._fail(node, f"{where} needs numbers, but this is text{self._first_word(value)}.")
        return np.where(value.missing, np.nan, value.data.astype(np.float64))

    def _first_word(self, value: Value) -> str:
        """The first value of a column of text that is no number, and its row; empty of a scalar."""
        import pandas as pd

        if not value.data.ndim:
            return ""
        parsed = pd.to_numeric(pd.Series(value.data, dtype=object), errors="coerce").to_numpy()
        words = np.isnan(parsed.astype(float)) & ~value.missing
        if not words.any():
            return " (number() reads it as numbers)"
        first = int(words.argmax())
        row = first if self.rows is None else int(self.rows[first])
        return f" (row {row + 1} holds {value.data[first]!r})"

    def _logical(self, node: Node, where: str) -> Value:
        value = self.value(node)
        if value.kind != "boolean":
            self._fail(node, f"{where} needs a condition that is true or false.")
        return value

    def _unary(self, node: Unary) -> Value:
        if node.op == "not":
            value = self._logical(node.operand, "'not'")
            return Value("boolean", ~value.data, value.missing)
        x = self.numeric(node.operand, repr(node.op))
        return number_value(-x if node.op == "-" else x)

    def _binary(self, node: Binary) -> Value:
        op = node.op
        if op in ("and", "or"):
            return self._logic(node)
        if op in ("in", "not in"):
            return self._membership(node)
        if op in COMPARE:
            return self._comparison(node)
        if op not in ARITHMETIC:
            self._fail(node, f"{op!r} cannot be used in an expression.")
        left = self.numeric(node.left, repr(op))
        right = self.numeric(node.right, repr(op))
        with np.errstate(all="ignore"):
            return number_value(ARITHMETIC[op](left, right))

    def _logic(self, node: Binary) -> Value:
        a, b = (self._logical(side, repr(node.op)) for side in (node.left, node.right))
        if node.op == "and":  # false and missing is false
            certain = (~a.data & ~a.missing) | (~b.data & ~b.missing)
            data = a.data & b.data
        else:  # true or missing is true
            certain = (a.data & ~a.missing) | (b.data & ~b.missing)
            data = (a.data & ~a.missing) | (b.data & ~b.missing)
        return Value("boolean", data & ~a.missing & ~b.missing if node.op == "and" else data,
                     (a.missing | b.missing) & ~certain)  # fmt: skip

    def _comparison(self, node: Binary) -> Value:
        a, b = self.value(node.left), self.value(node.right)
        if (a.kind == "text") != (b.kind == "text"):
            self._fail(
                node,
                "This compares text with a number; put the text in quotes, or convert with "
                "number(…) or text(…).",
            )
        missing = np.asarray(a.missing | b.missing)
        if a.kind == "text":
            data = np.asarray(COMPARE[node.op](a.data, b.data), dtype=bool)
        else:
            with np.errstate(invalid="ignore"):
                data = COMPARE[node.op](a.data.astype(float), b.data.astype(float))
        return Value("boolean", np.asarray(data), missing)

    def _membership(self, node: Binary) -> Value:
        import pandas as pd

        value = self.value(node.left)
        items = node.right
        if isinstance(items, Paren):
            items = Items((items.inner,), items.position)
        if not isinstance(items, Items):
            self._fail(items, f"{node.op!r} needs a list in brackets, such as ['a', 'b'].")
        values = [self.value(item) for item in items.items]
        for item, found in zip(items.items, values, strict=True):
            if found.data.ndim:
                self._fail(item, "A list can hold only numbers and quoted texts.")
            if (found.kind == "text") != (value.kind == "text"):
                self._fail(item, "This list mixes text and numbers, or differs from the column.")
        wanted = [found.data.item() for found in values]
        found_in = pd.Series(np.atleast_1d(value.data)).isin(wanted).to_numpy(dtype=bool)
        data: Array = found_in.reshape(value.data.shape)
        return Value("boolean", ~data if node.op == "not in" else data, value.missing)

    def _call(self, node: Call) -> Value:
        name, arguments = node.function, node.arguments
        if node.keywords:
            key, given = node.keywords[0]
            allowed = NAMED_ARGUMENT.get(name)
            if allowed is None:
                self._fail(given, f"{name}() takes no named arguments here.")
            if key != allowed or len(node.keywords) > 1 or len(arguments) != 1:
                self._fail(
                    given, f"{name}() takes a column and {allowed}: {name}(x, {allowed} = 2)."
                )
            arguments = (*arguments, given)
            node = Call(name, arguments, (), node.position)
        if name == "I":
            self._count(node, 1, 1)
            return self.value(arguments[0])
        if name == "is_missing":
            self._count(node, 1, 1)
            missing = self.value(arguments[0]).missing
            return Value("boolean", missing, np.zeros_like(missing))
        if name == "if_else":
            return self._choice(node)
        if name == "days":
            self._count(node, 1, 1)
            return self._day_numbers(node)
        if name in ("text", "number"):
            self._count(node, 1, 1)
            return self._conversion(node)
        if name not in NUMERIC and name not in LEARNING:
            self._fail(node, f"{name}() cannot be used inside another expression.")
        function, most = NUMERIC.get(name, (np.subtract, 2 if name == "center" else 1))
        self._count(node, 1, most)
        inputs = [self.numeric(a, f"{name}()") for a in arguments]
        for extra, argument in zip(inputs[1:], arguments[1:], strict=True):
            if extra.ndim:
                self._fail(argument, f"The second argument of {name}() must be one number.")
        if not self.learned.closed and inputs[0].ndim and np.isnan(inputs[0]).all():
            self._fail(arguments[0], f"{name}() has no values: everything here is missing.")
        with np.errstate(all="ignore"):
            if name in LEARNING and len(inputs) == 1:
                learn, function = LEARNING[name]
                inputs.append(self.learned.once(unparse(node), lambda: learn(inputs[0])))
            return number_value(function(*inputs))

    def _count(self, node: Call, least: int, most: int) -> None:
        if not least <= len(node.arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            plural = "" if wanted == "1" else "s"
            self._fail(
                node,
                f"{node.function}() takes {wanted} argument{plural}, not {len(node.arguments)}.",
            )

    def _choice(self, node: Call) -> Value:
        self._count(node, 3, 3)
        condition = self._logical(node.arguments[0], "if_else()")
        a, b = self.value(node.arguments[1]), self.value(node.arguments[2])
        if a.kind != b.kind:
            self._fail(node, "Both results of if_else() must be of one kind.")
        data = np.where(condition.data, a.data, b.data)
        missing = np.where(condition.data, a.missing, b.missing) | condition.missing
        if a.kind == "number":
            data = np.where(missing, np.nan, data)
        return Value(a.kind, data, missing)

    def _day_numbers(self, node: Call) -> Value:
        argument = node.arguments[0]
        if not isinstance(argument, Name):
            self._fail(argument, "days() takes one column.")
        series = self.columns[argument.name]
        try:
            numbers = days_of(series)
        except ValueError:
            self._fail(argument, f"days() needs dates or durations; {argument.name!r} holds none.")
        bad = np.isnan(numbers) & series.notna().to_numpy(dtype=bool)
        if bad.any():
            first = int(bad.argmax())
            self._fail(
                argument,
                f"days() cannot read {str(series.iloc[first])!r} (row {first + 1}): it reads dates "
                "such as 2020-12-31.",
            )
        return number_value(numbers)

    def _conversion(self, node: Call) -> Value:
        import pandas as pd

        value = self.value(node.arguments[0])
        if node.function == "text":
            if value.kind == "text":
                return value
            shown = [label_of(v) for v in np.atleast_1d(value.data).tolist()]
            data = np.array(shown, dtype=object).reshape(value.data.shape)
            return Value("text", data, value.missing)
        if value.kind != "text":
            return number_value(np.where(value.missing, np.nan, value.data.astype(float)))
        raw = pd.Series(np.atleast_1d(value.data), dtype=object)
        numbers = pd.to_numeric(raw, errors="coerce").to_numpy(dtype=np.float64)
        numbers = np.where(np.atleast_1d(value.missing), np.nan, numbers)
        bad = np.isnan(numbers) & ~np.atleast_1d(value.missing)
        if bad.any():
            example = np.atleast_1d(value.data)[bad.argmax()]
            self._fail(node, f"number() cannot read {example!r} (row {bad.argmax() + 1}).")
        return number_value(numbers.reshape(value.data.shape))


# -- whole expressions ----------------------------------------------------------------------------
def parse_expression(text: str) -> Node:
    """Parse a safe expression such as ``"Days > 1 and Subject not in ['308']"``.

    Raises FormulaError if the text is no expression; the error points at the character.
    """
    if not isinstance(text, str):
        raise FormulaError(str(text), 0, f"An expression must be text, not {type(text).__name__}.")
    parser = Parser(
        text, tokenize(text), EXPRESSION_FUNCTIONS, formula=False, what="safe expression"
    )
    return parser.parse()


def columns_in(text: str) -> set[str]:
    """Names of the columns of a safe expression; raises FormulaError if it is none."""
    return {name.name for name in names_in(parse_expression(text))}


def evaluate_expression(
    text: str,
    frame: pd.DataFrame,
    rows: NDArray[np.int64] | None = None,
    learned: Learned | None = None,
) -> Value:
    """Evaluate a safe expression on the columns of a data frame; as many values as it has rows.

    ``rows`` are their positions in the user's data, for errors; 0, 1, … by default. ``learned`` is
    that of `Evaluator`.

    Raises FormulaError if the expression cannot be read or does not suit the columns' kinds, and
    DataError if a column is unknown, or a number is not finite although its inputs are.
    """
    node = parse_expression(text)
    used = dict.fromkeys(name.name for name in names_in(node))
    for name in used:
        if name not in frame.columns:
            meant = suggest(name, map(str, frame.columns))
            raise DataError(
                f"Column {name!r} of the expression {text!r} is not in the data."
                f"{meant or f' Where it is a text, write it in quotes: {name!r}.'}"
            )
    value = Evaluator(text, frame, rows, learned).value(node)
    shape = (len(frame),)
    data, missing = (np.array(np.broadcast_to(a, shape)) for a in (value.data, value.missing))
    if value.kind == "number":
        absent = np.zeros(shape, dtype=bool)
        for name in used:
            absent |= frame[name].isna().to_numpy(dtype=bool)
        bad = ~np.isfinite(data) & ~absent
        if bad.any():
            first = int(bad.argmax())
            at = first if rows is None else int(rows[first])
            raise DataError(
                f"The expression {text!r} gives {data[first]:g} in row {at + 1} "
                "(counted from 1): filter such rows out first, or use if_else()."
            )
    return Value(value.kind, data, missing)


def evaluate_condition(text: str, frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Evaluate a safe condition: True where it is true, False where it is false or missing."""
    value = evaluate_expression(text, frame)
    if value.kind != "boolean":
        raise FormulaError(text, 0, "This must be a condition that is true or false in each row.")
    return np.asarray(value.data & ~value.missing, dtype=np.bool_)
