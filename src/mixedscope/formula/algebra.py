"""The algebra of formula terms: sums and products of columns, expanded and ordered as in R.

Wilkinson & Rogers (1973), Appl. Statist. 22; Chambers & Hastie (1992), ch. 2: ``a * b`` is
``a + b + a:b``, ``a / b`` is ``a + a:b``, ``(a + b)^2`` adds all interactions of two. Terms are
ordered by the number of their factors, and within a term factors stand in the order in which they
first appear.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from mixedscope.core.errors import FormulaError
from mixedscope.formula.tree import Binary, Call, Name, Node, Number, Paren, Unary, unparse

__all__ = ["FUNCTIONS", "OFFSET", "Fixed", "Item", "Term", "expand", "spine", "strip"]

#: The function whose argument is added to the linear predictor as it is.
OFFSET = "offset"

FUNCTIONS = (
    "log",
    "log2",
    "log10",
    "exp",
    "sqrt",
    "abs",
    "abs2",
    "center",
    "scale",
    "standardize",
    "poly",
    "ns",
    "bs",
    "I",
    "factor",
    "as.factor",
    "C",
    "fulldummy",
    OFFSET,
)
MAX_TERMS = 2000


@dataclass(frozen=True)
class Term:
    """A product of columns or functions of columns, such as ``a:log(x)``.

    Attributes
    ----------
    factors : tuple of Node
        The syntax trees multiplied, in order of their first appearance in the formula.
    position : int
        Character at which the term was written.
    """

    factors: tuple[Node, ...]
    position: int

    @cached_property
    def name(self) -> str:
        """The term as R writes it, for example ``a:log(x)``."""
        return ":".join(unparse(f) for f in self.factors)


@dataclass(frozen=True)
class Fixed:
    """Expanded fixed-effects side: whether it has an intercept, and its terms in R's order."""

    intercept: bool
    terms: tuple[Term, ...]
    position: int


Item = tuple[str, Node]  # sign and operand of one summand


def spine(node: Node) -> list[Item]:
    """Summands of a chain of ``+`` and ``-``, from left to right, without recursion."""
    items: list[Item] = []
    while isinstance(node, Binary) and node.op in ("+", "-"):
        items.append((node.op, node.right))
        node = node.left
    if isinstance(node, Unary):
        items.append((node.op, node.operand))
    else:
        items.append(("+", node))
    items.reverse()
    return items


def strip(node: Node) -> Node:
    """Take off parentheses."""
    while isinstance(node, Paren):
        node = node.inner
    return node


_Key = frozenset[str]


class _Expansion:
    """Expands summands into terms; a term is known by the set of its factors as text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.factors: dict[str, Node] = {}  # in order of first appearance

    def _fail(self, position: int, message: str) -> NoReturn:
        raise FormulaError(self.text, position, message)

    def total(
        self, items: list[Item], intercept: bool | None
    ) -> tuple[bool | None, dict[_Key, int]]:
        """Terms of a sum, with their positions, and what it says about the intercept."""
        terms: dict[_Key, int] = {}
        for sign, node in items:
            bare = strip(node)
            if isinstance(bare, Number):
                if bare.value not in (0.0, 1.0):
                    self._fail(
                        bare.position,
                        f"Only 0 and 1 can stand for the intercept, not {bare.text}; "
                        "arithmetic goes in I(…).",
                    )
                intercept = (bare.value == 1.0) == (sign == "+")
                continue
            inner_intercept, inner = self._terms(node)
            if sign == "+":
                for key, position in inner.items():
                    terms.setdefault(key, position)
                intercept = intercept if inner_intercept is None else inner_intercept
            else:
                self._remove(terms, inner)
                if inner_intercept is not None:
                    intercept = not inner_intercept
            if len(terms) > MAX_TERMS:
                self._fail(node.position, f"This expands into more than {MAX_TERMS} terms.")
        return intercept, terms

    def _remove(self, terms: dict[_Key, int], inner: dict[_Key, int]) -> None:
        for key, position in inner.items():
            if key not in terms:
                name = ":".join(sorted(key))
                self._fail(position, f"There is no term {name!r} before this '-' to remove.")
            del terms[key]

    def _terms(self, node: Node) -> tuple[bool | None, dict[_Key, int]]:
        """Terms of one summand."""
        match node:
            case Paren():
                return self.total(spine(node.inner), None)
            case Name():
                return None, {self._atom(node): node.position}
            case Call():
                if node.function not in FUNCTIONS:
                    self._fail(
                        node.position,
                        "A random-effects term can only be added with '+', not combined.",
                    )
                if node.function == OFFSET:
                    self._fail(
                        node.position,
                        "offset() can only be added to the fixed effects with '+': it has no "
                        "coefficient to multiply, to remove or to vary between groups.",
                    )
                return None, {self._atom(node): node.position}
            case Binary(op="|" | "||"):
                self._fail(
                    node.position,
                    "A random-effects term can only be added with '+', not combined with others.",
                )
            case Binary(op="+" | "-") | Unary():
                return self.total(spine(node), None)
            case Binary(op="^"):
                return None, self._power(node)
            case Binary():
                return None, self._product(node)
            case Number():
                return self.total([("+", node)], None)
        self._fail(node.position, "This cannot be a term of a formula.")

    def _atom(self, node: Node) -> _Key:
        name = unparse(node)
        self.factors.setdefault(name, node)
        return frozenset([name])

    def _operand(self, node: Node) -> dict[_Key, int]:
        """Terms of an operand of a product, an intercept among them as the empty term."""
        intercept, terms = self._terms(node)
        if intercept is False:
            self._fail(node.position, "The intercept can only be removed in a sum.")
        return {frozenset(): node.position, **terms} if intercept else terms

    def _product(self, node: Binary) -> dict[_Key, int]:
        left, right = self._operand(node.left), self._operand(node.right)
        if node.op in (":", "&"):
            result = self._cross(left, right)
        elif node.op == "*":
            result = {**left, **right}
            result |= {k: p for k, p in self._cross(left, right).items() if k not in result}
        else:  # a / b = a + a:b, all of a together
            whole = frozenset[str]().union(*left)
            position = next(iter(left.values()))
            result = dict(left)
            for key, p in self._cross({whole: position}, right).items():
                result.setdefault(key, p)
        result.pop(frozenset(), None)
        return result

    def _cross(self, left: dict[_Key, int], right: dict[_Key, int]) -> dict[_Key, int]:
        result: dict[_Key, int] = {}
        for a, position in left.items():
            for b in right:
                result.setdefault(a | b, position)
            if len(result) > MAX_TERMS:
                self._fail(min(left.values()), f"This expands into more than {MAX_TERMS} terms.")
        return result

    def _power(self, node: Binary) -> dict[_Key, int]:
        exponent = strip(node.right)
        if not isinstance(exponent, Number) or exponent.value not in range(1, 21):
            self._fail(
                exponent.position,
                "The power of a formula must be a whole number from 1 to 20; "
                "arithmetic goes in I(x^2).",
            )
        base = self._operand(node.left)
        result = dict(base)
        for _ in range(int(exponent.value) - 1):
            result = self._cross(result, base)
        result.pop(frozenset(), None)
        return result


def expand(text: str, items: list[Item], position: int) -> Fixed:
    """Expand summands and order them as R does."""
    expansion = _Expansion(text)
    intercept, terms = expansion.total(items, True)
    rank = {name: i for i, name in enumerate(expansion.factors)}
    made = [
        Term(tuple(expansion.factors[name] for name in sorted(key, key=rank.__getitem__)), p)
        for key, p in terms.items()
    ]
    made.sort(key=lambda term: len(term.factors))
    return Fixed(bool(intercept), tuple(made), position)
