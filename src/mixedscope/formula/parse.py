"""The formula language: text becomes terms, with errors that point at the character.

Formulas are those of lme4 and MixedModels.jl. The grammar is our own rather than formulaic's,
because names, contrasts, random-effects terms and error positions must all follow lme4 and a
formula must never reach Python's evaluator: ``y ~ __import__('os').system('x')`` is an error.

Expansion into terms follows R (`mixedscope.formula.algebra`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from mixedscope.core.errors import FormulaError
from mixedscope.formula.algebra import (
    FUNCTIONS,
    OFFSET,
    Fixed,
    Item,
    Term,
    expand,
    spine,
    strip,
)
from mixedscope.formula.syntax import TRUTH, Parser, Token, tokenize
from mixedscope.formula.tree import (
    UNNAMED,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Paren,
    Unary,
    names_in,
    unparse,
)

__all__ = ["FUNCTIONS", "TRIALS", "Fixed", "Formula", "RandomTerm", "Term", "parse_formula"]

#: The function of a response of successes and failures.
TRIALS = "cbind"


@dataclass(frozen=True)
class RandomTerm:
    """One random-effects term ``(terms | group)`` after expansion of ``/`` in its group.

    Attributes
    ----------
    intercept, terms : bool, tuple of Term
        What varies between groups, in R's order.
    factors : tuple of str
        Columns whose combinations of values are the groups.
    structure : str
        Name of the covariance structure: ``full`` unless written with ``||`` or a wrapper.
    settings : mapping of str to float
        Numbers given to the wrapper by name, as in ``rr(1 + x | g, d = 1)``, TRUE and FALSE being
        1 and 0; the name of one written without a name is :data:`UNNAMED`.
    position, structure_position : int
        Characters where the term and the name of its structure stand.
    """

    intercept: bool
    terms: tuple[Term, ...]
    factors: tuple[str, ...]
    structure: str
    settings: Mapping[str, float] = field(hash=False)
    position: int
    structure_position: int

    @property
    def group(self) -> str:
        """Name of the grouping factor, for example ``Subject`` or ``Lot:Wafer``."""
        return ":".join(self.factors)


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    text : str
        As written.
    response : Node
        Syntax tree of the left-hand side.
    fixed : Fixed
    random : tuple of RandomTerm
        In the order of the formula, with ``/`` expanded and not yet amalgamated.
    offsets : tuple of Node
        What stands in each ``offset(…)``; they add up.
    """

    text: str
    response: Node
    fixed: Fixed
    random: tuple[RandomTerm, ...]
    offsets: tuple[Node, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the grouping factors, amalgamated at their first appearance."""
        names: dict[frozenset[str], str] = {}
        for term in self.random:
            names.setdefault(frozenset(term.factors), term.group)
        return tuple(names.values())

    @property
    def scalar_groups(self) -> tuple[str, ...]:
        """Those of `groups` whose levels have an intercept alone."""
        several = {frozenset(term.factors) for term in self.random if term.terms}
        named = {term.group: frozenset(term.factors) for term in reversed(self.random)}
        return tuple(group for group in self.groups if named[group] not in several)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """Names of all columns that the formula uses, in order of appearance."""
        found: dict[str, None] = {n.name: None for n in names_in(self.response)}
        found.update(_names(self.fixed.terms))
        found.update((n.name, None) for offset in self.offsets for n in names_in(offset))
        for part in self.random:
            found.update(_names(part.terms))
            found.update((name, None) for name in part.factors)
        return tuple(found)

    def __str__(self) -> str:
        return self.text


def _names(terms: tuple[Term, ...]) -> dict[str, None]:
    return {name.name: None for term in terms for f in term.factors for name in names_in(f)}


def parse_formula(text: str) -> Formula:
    """Parse a formula such as ``"Reaction ~ 1 + Days + (1 + Days | Subject)"``.

    Raises FormulaError if the text is no formula; the error points at the character.
    """
    if not isinstance(text, str):
        raise FormulaError(str(text), 0, f"A formula must be text, not {type(text).__name__}.")
    return _parsed(text)


@lru_cache(maxsize=64)
def _parsed(text: str) -> Formula:
    """Parse a text; one that was read before is not read again, for formulas do not change."""
    left, right = _sides(text, tokenize(text))
    response = _response(text, left)
    tree = Parser(text, right, FUNCTIONS, formula=True).parse()
    fixed_items, bars, offsets = _separate(text, tree)
    fixed = expand(text, fixed_items, right[0].position)
    written = unparse(response)
    for term in fixed.terms:
        if term.name == written:
            raise FormulaError(
                text, term.position, f"The response {written!r} cannot explain itself: remove it."
            )
    random = tuple(term for bar in bars for term in _random_terms(text, bar))
    return Formula(text, response, fixed, random, tuple(offsets))


def _sides(text: str, tokens: list[Token]) -> tuple[list[Token], list[Token]]:
    """Split the tokens at the one ``~``, each side closed by an end token."""
    tildes = [i for i, token in enumerate(tokens) if token.text == "~"]
    if len(tokens) == 1:
        raise FormulaError(text, 0, "The formula is empty: write for example y ~ x + (1 | g).")
    if not tildes:
        raise FormulaError(
            text, len(text), "No '~' between response and terms: write y ~ x + (1 | g)."
        )
    first = tildes[0]
    if len(tildes) > 1:
        raise FormulaError(
            text, tokens[tildes[1]].position, "A second '~': a formula has exactly one."
        )
    depth = sum((t.text == "(") - (t.text == ")") for t in tokens[:first])
    position = tokens[first].position
    if depth > 0:
        raise FormulaError(text, position, "'~' cannot stand inside parentheses.")
    if first == 0:
        raise FormulaError(text, position, "The response is missing before '~'.")
    if first == len(tokens) - 2:
        raise FormulaError(text, position, "Nothing follows '~': write at least y ~ 1 + (1 | g).")
    left = [*tokens[:first], Token("end", "", position)]
    return left, tokens[first + 1 :]


def _response(text: str, tokens: list[Token]) -> Node:
    """The left-hand side: a column, a function of columns, or arithmetic with them."""
    node = Parser(text, tokens, (*FUNCTIONS, TRIALS), formula=True).parse()
    if _find_bar(node) is not None:
        raise FormulaError(
            text, node.position, "The response cannot be a random-effects term; move it behind '~'."
        )
    if isinstance(node, Call) and node.function == OFFSET:
        raise FormulaError(text, node.position, "An offset stands behind '~', with the terms.")
    if not isinstance(node, (Name, Call)):  # its signs are those of arithmetic, as inside I()
        node = Parser(text, tokens, FUNCTIONS, formula=False, what="response").parse()
    if not list(names_in(node)):
        raise FormulaError(
            text,
            node.position,
            "The response must be a column or made of columns, such as log(y) or 1000 / y.",
        )
    return node


# -- separating fixed from random -----------------------------------------------------------------
def _find_bar(node: Node) -> Binary | Call | None:
    """The first random-effects term at or below `node`, if any; a loop, since sums can be long."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Binary):
            if node.op in ("|", "||"):
                return node
            waiting += [node.right, node.left]
        elif isinstance(node, Paren):
            waiting.append(node.inner)
        elif isinstance(node, Unary):
            waiting.append(node.operand)
        elif isinstance(node, Call) and node.function not in (*FUNCTIONS, TRIALS):
            return node
    return None


def _separate(text: str, tree: Node) -> tuple[list[Item], list[Node], list[Node]]:
    """Sort the summands of the right-hand side: fixed ones, random-effects terms, offsets."""
    fixed: list[Item] = []
    bars: list[Node] = []
    offsets: list[Node] = []
    for sign, node in spine(tree):
        bare = strip(node)
        if isinstance(bare, Binary) and bare.op in ("|", "||"):
            if not isinstance(node, Paren):
                raise FormulaError(
                    text,
                    bare.position,
                    f"A random-effects term needs parentheses: write (… {bare.op} group).",
                )
            if sign == "-":
                raise FormulaError(
                    text, node.position, "A random-effects term can only be added with '+'."
                )
            bars.append(bare)
        elif isinstance(bare, Call) and bare.function not in FUNCTIONS:
            if sign == "-":
                raise FormulaError(
                    text, bare.position, "A random-effects term can only be added with '+'."
                )
            bars.append(bare)
        elif isinstance(bare, Call) and bare.function == OFFSET and sign == "+":
            offsets.append(_offset(text, bare))
        elif isinstance(node, Paren) and sign == "+" and _holds_more(bare):
            inner = _separate(text, bare)
            fixed += inner[0]
            bars += inner[1]
            offsets += inner[2]
        else:
            fixed.append((sign, node))
    return fixed, bars, offsets


def _holds_more(node: Node) -> bool:
    """Whether a sum in parentheses holds more than fixed effects."""
    if _find_bar(node) is not None:
        return True
    summands = [strip(summand) for _, summand in spine(node)]
    return any(
        (isinstance(s, Call) and s.function == OFFSET)
        or (isinstance(s, Binary) and s.op in ("+", "-") and _holds_more(s))
        for s in summands
    )


def _offset(text: str, node: Call) -> Node:
    """What is added to the linear predictor as it is."""
    if len(node.arguments) != 1 or node.keywords:
        raise FormulaError(
            text, node.position, "offset() takes one argument: offset(x), or offset(log(x) + z)."
        )
    if not list(names_in(node.arguments[0])):
        raise FormulaError(
            text,
            node.arguments[0].position,
            "offset() needs a column: a constant is the intercept's to estimate.",
        )
    return node.arguments[0]


def _random_terms(text: str, node: Node) -> list[RandomTerm]:
    """The random-effects terms that one ``(… | …)``, or a wrapper around it, stands for."""
    structure, settings, structure_position = "full", dict[str, float](), node.position
    if isinstance(node, Call):
        structure = node.function
        settings = {key: _setting(text, key, value) for key, value in node.keywords}
        if len(node.arguments) > 2 or (settings and len(node.arguments) > 1):
            raise FormulaError(
                text,
                node.arguments[1].position,
                f"{structure}() takes one setting at most, for example {structure}(x | g, d = 1).",
            )
        if len(node.arguments) > 1:
            settings = {UNNAMED: _setting(text, "behind the comma", node.arguments[1])}
        node = strip(node.arguments[0])
        if not (isinstance(node, Binary) and node.op in ("|", "||")):
            raise FormulaError(
                text,
                structure_position,
                f"{structure}() must hold exactly one random-effects term (… | group).",
            )
        if node.op == "||":
            raise FormulaError(
                text, node.position, f"'||' cannot be used inside {structure}(): write '|'."
            )
    assert isinstance(node, Binary)
    if node.op == "||":
        structure, structure_position = "zerocorr", node.position
    for side in (node.left, node.right):
        nested = _find_bar(side)
        if nested is not None:
            raise FormulaError(
                text,
                nested.position,
                "A random-effects term cannot stand inside another; add them with '+'.",
            )
    left = expand(text, spine(node.left), node.left.position)
    if not left.intercept and not left.terms:
        raise FormulaError(
            text, node.left.position, "Nothing varies in this random-effects term: write (1 | g)."
        )
    return [
        RandomTerm(
            left.intercept,
            left.terms,
            factors,
            structure,
            settings,
            node.left.position,
            structure_position,
        )
        for factors in _groups(text, node.right)
    ]


def _setting(text: str, key: str, node: Node) -> float:
    sign = 1.0
    if isinstance(node, Name) and node.name in TRUTH:
        return float(TRUTH[node.name])
    if isinstance(node, Unary) and node.op in ("+", "-"):
        sign, node = (-1.0 if node.op == "-" else 1.0), node.operand
    if not isinstance(node, Number):
        raise FormulaError(text, node.position, f"The setting {key!r} must be a number.")
    return sign * node.value


def _groups(text: str, node: Node) -> list[tuple[str, ...]]:
    """Grouping factors that the right of a bar stands for, each as a tuple of columns."""
    bare = strip(node)
    if isinstance(bare, Call) and bare.function in ("factor", "as.factor"):
        # Groups are categories whatever the column holds.
        inside = strip(bare.arguments[0])
        if isinstance(inside, Name) and len(bare.arguments) == 1 and not bare.keywords:
            return [(inside.name,)]
    if isinstance(bare, Name):
        return [(bare.name,)]
    if isinstance(bare, Binary) and bare.op in (":", "&", "/", "*"):
        left, right = _groups(text, bare.left), _groups(text, bare.right)
        if bare.op in (":", "&"):
            return [_union(a, b) for a in left for b in right]
        if bare.op == "/":
            inner = tuple(dict.fromkeys(name for group in left for name in group))
            return left + [_union(inner, b) for b in right]
        crossed = left + right + [_union(a, b) for a in left for b in right]
        return list({frozenset(group): group for group in reversed(crossed)}.values())[::-1]
    if isinstance(bare, Binary) and bare.op == "+":
        raise FormulaError(
            text,
            bare.position,
            "Grouping factors cannot be added: write one term for each, (1 | a) + (1 | b).",
        )
    raise FormulaError(
        text,
        bare.position,
        "A grouping factor must be a column, or columns joined by '/' or ':'.",
    )


def _union(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a + b))
