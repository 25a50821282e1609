"""Tokens and Pratt parser, shared by formulas and safe expressions.

Text becomes a tree of frozen nodes (`mixedscope.formula.tree`) and nothing else: no name is looked
up in Python and nothing is ever executed. Every node knows the character it starts at, so that
errors can point there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from mixedscope.core.errors import FormulaError, suggest
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
)

__all__ = ["TRUTH", "Parser", "Token", "tokenize"]

MAX_DEPTH = 60
MAX_TOKENS = 4000
# Trees are walked by recursion, hence a bound on their height. Sums of a formula do not count: they
# are walked in a loop, since they alone grow long in practice.
MAX_HEIGHT = 120


@dataclass(frozen=True)
class Token:
    """One lexical unit: ``kind`` is number, name, quoted, text, op, bad or end."""

    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[^\W\d][\w.]*)
  | (?P<quoted>`[^`]+`)
  | (?P<text>'[^']*'|"[^"]*")
  | (?P<op>\|\||==|!=|<=|>=|\*\*|//|[-+*/^:&|~(),=<>%!\[\]])
  | (?P<bad>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokenize(text: str) -> list[Token]:
    """Cut a text into tokens.

    A character that belongs to no token becomes a token of kind ``bad``: the parser reports it
    when it gets there, so that an earlier and more telling error comes first.
    """
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "bad"
        if kind != "space":
            tokens.append(Token(kind, match.group(), match.start()))
    tokens.append(Token("end", "", len(text)))
    if len(tokens) > MAX_TOKENS:
        raise FormulaError(
            text, tokens[MAX_TOKENS].position, f"Longer than {MAX_TOKENS} words and signs."
        )
    return tokens


# Left binding powers; a larger number binds tighter.
FORMULA_OPERATORS = {
    "|": 5,
    "||": 5,
    "+": 40,
    "-": 40,
    "*": 50,
    "/": 50,
    ":": 52,
    "&": 52,
    "^": 60,
    "**": 60,
}
EXPRESSION_OPERATORS = {
    "or": 10,
    "|": 10,
    "and": 20,
    "&": 20,
    "in": 30,
    "not": 30,  # only as the start of `not in`
    "==": 30,
    "!=": 30,
    "<": 30,
    "<=": 30,
    ">": 30,
    ">=": 30,
    "+": 40,
    "-": 40,
    "*": 50,
    "/": 50,
    "//": 50,
    "%": 50,
    "^": 60,
    "**": 60,
}
_COMPARISONS = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"}
_SYNONYMS = {"**": "^", "&": "and", "|": "or"}
_ORDERED = (
    "factor(x, levels = ['a', 'b']) states the order of levels, C(x, Poly) or contrasts codes them "
    "by polynomials."
)
#: Words for truth, as R and Python write them.
TRUTH = {"TRUE": True, "FALSE": False, "true": True, "false": False, "True": True, "False": False}
#: What other programs have functions for, and what is written here.
_ELSEWHERE = {
    **dict.fromkeys(("ordered", "as.ordered"), _ORDERED),
    "Q": "a column name with unusual characters goes in backticks.",
    "ln": "the natural logarithm is log().",
    "as.numeric": "make a column with number() under 'derive' of the data set.",
    "as.character": "make a column with text() under 'derive' of the data set.",
    **dict.fromkeys(("s", "te", "cr"), "splines are ns(x, 3) and bs(x, 5)."),
}


class Parser:
    """Pratt parser over the tokens of one text.

    Parameters
    ----------
    text : str
        The whole text, for error messages.
    tokens : list of Token
        The part to parse, closed by a token of kind ``end``.
    functions : collection of str
        Functions whose arguments are arithmetic; everything else that is called is an error,
        unless it is a wrapper around a random-effects term of a formula.
    formula : bool
        Whether operators have their meaning in formulas (True) or in expressions.
    what : str
        What the text is called in messages.
    """

    def __init__(
        self,
        text: str,
        tokens: list[Token],
        functions: Collection[str],
        *,
        formula: bool,
        what: str = "formula",
    ) -> None:
        self.text = text
        self.tokens = tokens
        self.functions = functions
        self.formula = formula
        self.what = what
        self.index = 0
        self.depth = 0
        self.inside: str | None = None  # the function of a formula whose arguments are being read
        self.heights: dict[int, int] = {}  # by identity; every node lives on in the tree

    def _fail(self, position: int, message: str) -> NoReturn:
        """Raise a FormulaError that points at `position`."""
        raise FormulaError(self.text, position, message)

    def parse(self) -> Node:
        """Parse everything up to the end token."""
        node = self._parse_node(0)
        token = self._peek()
        if token.kind != "end":
            self._fail_unexpected(token)
        return node

    def _peek(self) -> Token:
        return self.tokens[self.index]

    def _advance(self) -> Token:
        token = self.tokens[self.index]
        if token.kind != "end":
            self.index += 1
        return token

    def _operators(self) -> dict[str, int]:
        return FORMULA_OPERATORS if self.formula else EXPRESSION_OPERATORS

    # -- nodes ---------------------------------------------------------------------------------
    def _parse_node(self, binding: int) -> Node:
        """Parse one operand and all operators that bind tighter than `binding`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(self._peek().position, "Nested too deeply; simplify this part.")
        left = self._parse_operand()
        while True:
            token = self._peek()
            power = self._operators().get(token.text) if token.kind in ("op", "name") else None
            if power is None or power <= binding:
                break
            self._check_bar(token)
            op = self._read_operator()
            if op in ("^", "**"):
                power -= 1  # right associative
            right = self._parse_right(op, power, token)
            if op in _COMPARISONS and isinstance(left, Binary) and left.op in _COMPARISONS:
                self._fail(token.position, "Comparisons cannot be chained; join two with 'and'.")
            op = _SYNONYMS.get(op, op) if not self.formula or op == "**" else op
            left = self._join(Binary(op, left, right, token.position))
        self.depth -= 1
        return left

    def _join(self, node: Binary) -> Binary:
        """Keep account of the height of the tree."""
        left, right = (self.heights.get(id(side), 0) for side in (node.left, node.right))
        flat = self.formula and node.op in ("+", "-")
        height = max(left + (not flat), right + 1)
        if height > MAX_HEIGHT:
            self._fail(
                node.position,
                f"More than {MAX_HEIGHT} operations depend on each other here; simplify this part.",
            )
        self.heights[id(node)] = height
        return node

    def _around(self, node: Node, *inside: Node) -> Node:
        self.heights[id(node)] = 1 + max(self.heights.get(id(child), 0) for child in inside)
        return node

    def _read_operator(self) -> str:
        token = self._advance()
        if token.text == "not":
            after = self._advance()
            if after.text != "in":
                self._fail(token.position, "'not' between two values must be 'not in'.")
            return "not in"
        return token.text

    def _parse_right(self, op: str, power: int, token: Token) -> Node:
        after = self._peek()
        if after.kind == "end" or after.text in (")", ",", "]"):
            if op in ("|", "||") and self.formula:
                self._fail(
                    token.position,
                    f"No grouping factor after {op!r}: write for example (1 {op} subject).",
                )
            self._fail(token.position, f"Nothing follows {op!r}: remove it or add a term after it.")
        return self._parse_node(power)

    def _check_bar(self, token: Token) -> None:
        if self.inside is not None and token.text in ("|", "||"):
            self._fail(
                token.position,
                f"{token.text!r} makes a random-effects term and cannot stand inside "
                f"{self.inside}(); for a logical 'or' write: or.",
            )

    def _parse_operand(self) -> Node:
        token = self._advance()
        if token.kind == "number":
            return Number(float(token.text), token.text, token.position)
        if token.kind == "quoted":
            return Name(token.text[1:-1], token.position)
        if token.kind == "text" and not self.formula:
            return Text(token.text[1:-1], token.position)
        if token.text == "(":
            return self._parse_paren(token)
        if token.text == "[" and not self.formula:
            return Items(tuple(self._parse_list(token, "]")), token.position)
        if token.text in ("+", "-"):
            # In a formula a sign governs the whole product behind it, as in `- a:b`.
            power = 41 if self.formula else 55
            operand = self._parse_right(token.text, power, token)
            return self._around(Unary(token.text, operand, token.position), operand)
        if token.text in ("not", "!") and not self.formula:
            operand = self._parse_right(token.text, 25, token)
            return self._around(Unary("not", operand, token.position), operand)
        if token.kind == "name" and not (token.text in EXPRESSION_OPERATORS and not self.formula):
            if self._peek().text == "(" and self._peek().kind == "op":
                return self._parse_call(token)
            return Name(token.text, token.position)
        self._fail_operand(token)

    def _parse_paren(self, opening: Token) -> Node:
        if self._peek().text == ")":
            self._fail(opening.position, "These parentheses are empty.")
        inner = self._parse_node(0)
        self._close(opening, ")")
        return self._around(Paren(inner, opening.position), inner)

    def _close(self, opening: Token, sign: str) -> None:
        token = self._peek()
        if token.text == sign and token.kind == "op":
            self._advance()
        elif token.kind == "end":
            self._fail(opening.position, f"This {opening.text!r} is never closed: add {sign!r}.")
        else:
            self._fail_unexpected(token)

    def _parse_list(self, opening: Token, closing: str) -> Iterator[Node]:
        while self._peek().text != closing:
            yield self._parse_node(0)
            if self._peek().text == ",":
                self._advance()
            elif self._peek().text != closing:
                break
        self._close(opening, closing)

    def _parse_call(self, name: Token) -> Node:
        wrapper = self.formula and name.text not in self.functions and self._bar_follows()
        # R's lists, as in knots = c(2, 5).
        is_list = self.inside is not None and name.text == "c"
        if name.text not in self.functions and not wrapper and not is_list:
            self._fail_known_elsewhere(name)
            near = suggest(name.text, self.functions)
            if self.formula and not near:
                near = " (A covariance structure needs a '|' inside: name(1 + x | group).)"
            self._fail(
                name.position,
                f"Unknown function {name.text!r}; a {self.what} is data and never runs code."
                f"{near} Known: {', '.join(self.functions)}.",
            )
        opening = self._advance()
        outer = (self.formula, self.inside)
        if self.formula and not wrapper:
            self.formula, self.inside = False, name.text
        arguments: list[Node] = []
        keywords: list[tuple[str, Node]] = []
        while self._peek().text != ")":
            key = self._peek()
            if key.kind == "name" and self.tokens[self.index + 1].text == "=":
                self.index += 2
                keywords.append((key.text, self._parse_setting(self.tokens[self.index - 1])))
            elif keywords:
                self._fail(key.position, "An argument without a name cannot follow a named one.")
            elif arguments and self.inside == "C":
                arguments.append(self._parse_coding())
            else:
                arguments.append(self._parse_node(0))
            if self._peek().text != ",":
                break
            self._advance()
        self.formula, self.inside = outer
        self._close(opening, ")")
        if not arguments:
            self._fail(name.position, f"{name.text}() needs something between its parentheses.")
        inside = [*arguments, *(value for _, value in keywords)]
        return self._around(
            Call(name.text, tuple(arguments), tuple(keywords), name.position), *inside
        )

    def _parse_setting(self, equals: Token) -> Node:
        """Parse what stands behind ``name =``; a word for truth is no column."""
        token = self._peek()
        if self.inside is not None and token.text in TRUTH:
            self._advance()
            return Word(str(TRUTH[token.text]).upper(), token.position)
        return self._parse_right("=", 0, equals)

    def _parse_coding(self) -> Node:
        """Parse the second argument of C(): a coding by its name, which is no column."""
        token = self._advance()
        if token.kind not in ("name", "text"):
            self._fail(token.position, "C() takes a column and a coding: C(x, Sum).")
        word = Word(token.text.strip("'\""), token.position)
        if self._peek().text != "(":
            return word
        opening = self._advance()
        levels: list[Node] = []
        settings: list[tuple[str, Node]] = []
        while self._peek().text != ")":
            key = self._peek()
            if key.kind == "name" and self.tokens[self.index + 1].text == "=":
                self.index += 2
                settings.append((key.text, self._parse_node(0)))
            else:
                levels.append(self._parse_node(0))
            if self._peek().text != ",":
                break
            self._advance()
        self._close(opening, ")")
        inside = [*levels, *(value for _, value in settings)]
        made = Call(word.word, tuple(levels), tuple(settings), word.position)
        return self._around(made, *inside) if inside else word

    def _fail_known_elsewhere(self, name: Token) -> None:
        """Complain about a function of other programs, or a column that only looks like one."""
        if name.text in _ELSEWHERE:
            self._fail(
                name.position, f"There is no function {name.text}(): {_ELSEWHERE[name.text]}"
            )
        opening = self._peek()
        if opening.position == name.position + len(name.text):
            return
        closing = self.text.find(")", opening.position)
        written = self.text[name.position : closing + 1] if closing >= 0 else name.text
        if "|" not in written and "\n" not in written:
            self._fail(
                name.position,
                f"Unknown function {name.text!r}. If {written!r} is the name of a column, put it "
                f"in backticks: `{written}`.",
            )

    def _bar_follows(self) -> bool:
        """Whether a ``|`` stands between the parentheses that open here."""
        depth = 0
        for token in self.tokens[self.index :]:
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return False
            if token.text in ("|", "||"):
                return True
        return False

    # -- complaints ----------------------------------------------------------------------------
    def _fail_operand(self, token: Token) -> NoReturn:
        """Complain about a token where a column, number or parenthesis should be."""
        if token.kind == "end":
            self._fail(token.position, f"The {self.what} ends too early.")
        if token.kind == "bad":
            self._fail_bad(token)
        if token.text == ")":
            self._fail(token.position, "This ')' closes nothing: remove it or open it before.")
        if token.kind == "text":
            self._fail(
                token.position,
                f"Quoted text {token.text} has no place here; a column name with unusual "
                "characters goes in backticks.",
            )
        if token.text in ("|", "||") and self.formula:
            self._fail(token.position, f"Nothing before {token.text!r}: write (1 {token.text} g).")
        self._fail(token.position, f"{token.text!r} needs a term before it.")

    def _fail_unexpected(self, token: Token) -> NoReturn:
        """Complain about a token where an operator or the end should be."""
        if token.kind == "bad":
            self._fail_bad(token)
        if token.text == ")":
            self._fail(token.position, "This ')' closes nothing: remove it or open it before.")
        if token.kind in ("name", "quoted", "number", "text") or token.text == "(":
            before = self.tokens[self.index - 1]
            written = self.text[before.position : token.position + len(token.text)]
            names = {before.kind, token.kind} <= {"name", "number"} and before.kind == "name"
            self._fail(
                token.position,
                f"An operator is missing before {token.text!r}, for example '+'."
                + (f" A column name with blanks goes in backticks: `{written}`." if names else ""),
            )
        if token.text == "=" and not self.formula:
            self._fail(token.position, "'=' compares nothing: write '=='.")
        self._fail(token.position, f"{token.text!r} cannot be used here in a {self.what}.")

    def _fail_bad(self, token: Token) -> NoReturn:
        if token.text in "'\"`":
            self._fail(token.position, f"This quote {token.text} is never closed.")
        self._fail(
            token.position,
            f"Unexpected character {token.text!r}; a column name with unusual characters goes "
            "in backticks.",
        )
