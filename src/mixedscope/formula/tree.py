"""The syntax tree of formulas and expressions: frozen nodes that know where they were written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "UNNAMED",
    "Binary",
    "Call",
    "Items",
    "Name",
    "Node",
    "Number",
    "Paren",
    "Text",
    "Unary",
    "Word",
    "names_in",
    "unparse",
]


UNNAMED = ""
"""Key of a setting written without a name, as in ``rr(1 + x | g, 1)``."""


@dataclass(frozen=True)
class Number:
    """A literal number, with the text it was written as."""

    value: float
    text: str
    position: int


@dataclass(frozen=True)
class Text:
    """A quoted string."""

    value: str
    position: int


@dataclass(frozen=True)
class Name:
    """A column, written bare or in backticks."""

    name: str
    position: int


@dataclass(frozen=True)
class Word:
    """A bare word that is no column: TRUE, or the name of a coding in ``C(x, Sum)``."""

    word: str
    position: int


@dataclass(frozen=True)
class Unary:
    """A sign or a negation in front of one operand."""

    op: str
    operand: Node
    position: int


@dataclass(frozen=True)
class Binary:
    """An operator between two operands; ``position`` is that of the operator."""

    op: str
    left: Node
    right: Node
    position: int


@dataclass(frozen=True)
class Paren:
    """Something in parentheses; kept, because ``|`` needs them and names show them."""

    inner: Node
    position: int


@dataclass(frozen=True)
class Items:
    """A bracketed list of literals, as in ``x in ['a', 'b']``."""

    items: tuple[Node, ...]
    position: int


@dataclass(frozen=True)
class Call:
    """``function(arguments, key = value)``."""

    function: str
    arguments: tuple[Node, ...]
    keywords: tuple[tuple[str, Node], ...]
    position: int


Node = Number | Text | Name | Word | Unary | Binary | Paren | Items | Call


def names_in(node: Node) -> Iterator[Name]:
    """Yield every column name below `node`, from left to right."""
    if isinstance(node, Name):
        yield node
    elif isinstance(node, Unary):
        yield from names_in(node.operand)
    elif isinstance(node, Binary):
        yield from names_in(node.left)
        yield from names_in(node.right)
    elif isinstance(node, Paren):
        yield from names_in(node.inner)
    elif isinstance(node, Items):
        for item in node.items:
            yield from names_in(item)
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from names_in(argument)
        for _, value in node.keywords:
            yield from names_in(value)


_IDENTIFIER = re.compile(r"[^\W\d][\w.]*\Z")


def unparse(node: Node) -> str:
    """Write a node as R's ``deparse`` would: it names the columns of the design."""
    match node:
        case Name():  # the most frequent
            return node.name if _IDENTIFIER.match(node.name) else f"`{node.name}`"
        case Number():
            return f"{node.value:.15g}"
        case Text():
            return f'"{node.value}"'
        case Word():
            return node.word
        case Paren():
            return f"({unparse(node.inner)})"
        case Unary():
            return f"{'!' if node.op == 'not' else node.op}{unparse(node.operand)}"
        case Items():
            return f"[{', '.join(map(unparse, node.items))}]"
        case Call():
            parts = [unparse(a) for a in node.arguments]
            parts += [f"{key} = {unparse(value)}" for key, value in node.keywords]
            return f"{node.function}({', '.join(parts)})"
        case Binary():
            tight = node.op in ("^", "/", ":", "&")
            space = "" if tight else " "
            return f"{unparse(node.left)}{space}{node.op}{space}{unparse(node.right)}"
