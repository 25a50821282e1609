"""What a text holds that is no part of its table, or no ASCII: lines of comment, minus signs."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Final

from mixedscope.core.wording import counted

__all__ = ["ascii_minuses", "without_comments"]

_SIGN: Final = "#"
#: Minus sign, en dash, and the small and the full-width hyphen of East Asian text.
_MINUSES: Final = "\u2212\u2013\ufe63\uff0d"


def without_comments(text: str, separator: str | None, notes: list[str]) -> str:
    """Leave out lines of comment before the header, which begin with ``#``, and say so.

    The last such line may be the header itself: it is one if it has as many cells as the line after
    it, and that line is no header, having a number in one of its cells.
    """
    lines: list[str] = []
    end = int(text.startswith("\ufeff"))
    while text.startswith((_SIGN, f'"{_SIGN}'), end):
        stop = text.find("\n", end) + 1 or len(text)
        lines.append(text[end:stop])
        end = stop
    if not lines:
        return text
    stop = text.find("\n", end)
    after = text[end : stop if stop >= 0 else len(text)]
    if not after.strip() or _is_header(lines[-1], after, separator):
        end -= len(lines.pop())
    if lines:
        notes.append(
            f"{counted(len(lines), 'line')} of comment before the header left out, the first being "
            f"{lines[0].strip()[:60]!r}."
        )
    return text[end:]


def _is_header(line: str, after: str, separator: str | None) -> bool:
    for sign in (separator,) if separator else (",", ";", "\t"):
        one, other = (_cells(row, sign) for row in (line, after))
        if len(one) == len(other) and (len(one) > 1 or separator):
            return any(_is_number(cell) for cell in other)
    return False


def _cells(row: str, separator: str) -> Sequence[str]:
    row = row.strip()
    if separator == r"\s+":
        return row.split()
    return next(iter(csv.reader([row], delimiter=separator)), [])


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def ascii_minuses(text: str, separator: str, notes: list[str]) -> str:
    """Write minus signs of cells that are numbers as ``-``, and say so.

    Word processors and papers have other characters for it, which no reader of numbers knows.
    """
    found = [sign for sign in _MINUSES if sign in text]
    if not found:
        return text
    ends = r"[ \t\r\n\"]" if separator == r"\s+" else rf"[\r\n\"{re.escape(separator)}]"
    inner = "" if separator == r"\s+" else "[ \t]*"
    text, count = re.subn(
        rf"(?:^|(?<={ends})){inner}[{''.join(found)}]"
        rf"(?=[.,]?\d[\d.,]*(?:[eE][+-]?\d+)?{inner}(?:{ends}|\Z))",
        "-",
        text,
    )
    if count:
        signs = " and ".join(f"{sign!r} (U+{ord(sign):04X})" for sign in found)
        notes.append(f"{signs} before a number is read as a minus sign, in {count:,} cells.")
    return text
