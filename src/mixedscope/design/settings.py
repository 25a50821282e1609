"""Settings of functions in a formula, such as ``knots = c(2, 5)``: read from the tree, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from mixedscope.core.errors import FormulaError, suggest
from mixedscope.formula.tree import Call, Items, Node, Number, Paren, Text, Unary, Word

__all__ = ["Settings"]


class Settings:
    """The arguments of one call in a formula, by name.

    Parameters
    ----------
    text : str
        The formula, for errors.
    node : Call
    names : sequence of str
        What the arguments after the first are called, those that may go without their name first.
    unnamed : int
        How many of them may.
    """

    def __init__(self, text: str, node: Call, names: Sequence[str], unnamed: int = 1) -> None:
        self.text, self.node = text, node
        self._values: dict[str, Node] = dict(zip(names, node.arguments[1:], strict=False))
        how = f"{node.function}() takes a column and {', '.join(names) or 'nothing else'}"
        if len(node.arguments) > 1 + unnamed:
            more = node.arguments[1 + unnamed]
            self.fail(more, f"{how}; those after the {1 + unnamed}. are written with their name.")
        for name, value in node.keywords:
            if name not in names:
                self.fail(value, f"{how}; it has no {name!r}.{suggest(name, names)}")
            if name in self._values:
                self.fail(value, f"{node.function}() is given {name} twice.")
            self._values[name] = value

    def fail(self, node: Node, message: str) -> NoReturn:
        """Raise a FormulaError that points at a node."""
        raise FormulaError(self.text, node.position, message)

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int | None:
        """A whole number within limits."""
        node = self._given(name)
        if node is None:
            return default
        value = _number(node)
        if value is None or value not in range(least, most + 1):
            what = f"The {name} of {self.node.function}()"
            self.fail(node, f"{what} must be a whole number from {least} to {most}.")
        return int(value)

    def truth(self, name: str) -> bool:
        """TRUE or FALSE; FALSE by default."""
        node = self._given(name)
        if node is None:
            return False
        if not isinstance(node, Word) or node.word not in ("TRUE", "FALSE"):
            self.fail(node, f"{name} of {self.node.function}() must be TRUE or FALSE.")
        return node.word == "TRUE"

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """A number, or a list of numbers."""
        node = self._given(name)
        if node is None:
            return None
        values = [_number(item) for item in _items(node)]
        if not values or None in values:
            what = f"{name} of {self.node.function}()"
            self.fail(node, f"{what} must be numbers, such as c(2, 5) or [2, 5].")
        return tuple(value for value in values if value is not None)

    def labels(self, name: str) -> tuple[str | float, ...] | None:
        """A list of quoted texts, or of numbers."""
        node = self._given(name)
        if node is None:
            return None
        items = _items(node)
        found = [item.value if isinstance(item, Text) else _number(item) for item in items]
        if not found or None in found:
            what = f"{name} of {self.node.function}()"
            self.fail(node, f"{what} must be a list, such as ['a', 'b'] or c(1, 2).")
        return tuple(value for value in found if value is not None)

    def _given(self, name: str) -> Node | None:
        node = self._values.get(name)
        while isinstance(node, Paren):
            node = node.inner
        return node


def _items(node: Node) -> Sequence[Node]:
    if isinstance(node, Items):
        return node.items
    if isinstance(node, Call) and node.function == "c" and not node.keywords:
        return node.arguments
    return (node,)


def _number(node: Node) -> float | None:
    if isinstance(node, Unary) and node.op in ("+", "-"):
        value = _number(node.operand)
        return None if value is None else -value if node.op == "-" else value
    return node.value if isinstance(node, Number) else None
