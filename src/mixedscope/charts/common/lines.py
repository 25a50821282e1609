"""Titles in lines: broken where they read well."""

from __future__ import annotations

import re
import textwrap
from typing import Final

__all__ = ["broken"]

#: What stands between two halves of one thing, as in `p = 0.10`, `2.1 → 1.3` and `x | subject`.
_BETWEEN: Final = re.compile(r" (?=[=→±|~] )|(?<= [=→±|~]) ")
#: Stands for a space at which no line ends.
_JOIN: Final = "\ue000"
#: A last line with fewer characters looks left over.
_LEFT_OVER: Final = 9


def broken(text: str, columns: int) -> list[str]:
    """Break text into lines of at most so many characters.

    No line ends within what is one thing (`p = 0.10`) unless that alone is longer, and where a
    few characters would be left for the last one, the others give it of theirs.
    """
    joined = _BETWEEN.sub(_JOIN, text)

    def wrapped(most: int) -> list[str]:
        lines = textwrap.wrap(joined, most, break_long_words=False, break_on_hyphens=False)
        if max(map(len, lines), default=0) > columns:
            lines = textwrap.wrap(text, most, break_on_hyphens=False)
        return [line.replace(_JOIN, " ") for line in lines]

    lines = wrapped(columns)
    longest = max(map(len, text.split()), default=0)
    for fewer in range(columns - 1, max(columns // 2, longest - 1), -1):
        if len(lines) < 2 or len(lines[-1]) >= _LEFT_OVER:
            break
        again = wrapped(fewer)
        if len(again) > len(lines):
            break
        lines = again
    return lines
