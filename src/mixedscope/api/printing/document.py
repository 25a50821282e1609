"""What is printed, whatever the format: titles, formulas, paragraphs, tables.

Texts are those of data and users and mean nothing to a format: each writer of
`mixedscope.api.printing` escapes all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Block", "Figures", "Formula", "Paragraph", "Section", "Table", "Title", "clean"]


class Figures(str):
    """A cell that is made of numbers: formats may give it a true minus sign."""

    __slots__ = ()


@dataclass(frozen=True)
class Title:
    """What the whole is called."""

    text: str


@dataclass(frozen=True)
class Formula:
    """A formula, in type for code."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more; ``indented`` where plain text sets them in."""

    text: str
    indented: bool = False


@dataclass(frozen=True)
class Section:
    """A row of a table that is the heading of those below it."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    header : sequence of str
    rows : sequence of Section or of sequence of str
        Each as long as the header.
    left : int
        Columns, from the left, that hold words: set flush left, all others flush right.
    caption : str
        What it holds; empty for nothing.
    """

    header: Sequence[str]
    rows: Sequence[Section | Sequence[str]]
    left: int = 1
    caption: str = ""


Block = Title | Formula | Paragraph | Table


def clean(text: str) -> str:
    """Give text on one line, without characters that no format can hold."""
    return "".join(
        " " if c in "\n\r\t\v\f\x85\u2028\u2029" else "\ufffd" if _is_control(c) else c
        for c in text
    )


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF)
