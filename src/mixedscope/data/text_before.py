"""What a text holds that is no part of its table, or no ASCII: lines of comment, minus signs."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from mixedscope.core.wording import counted

__all__ = ["ascii_minuses", "without_comments"]

_SIGN: Final = "#"
#: Lines, and signs, that are looked at to tell what the line above them is.
_SAMPLE_ROWS: Final = 100
_SAMPLE_SIZE: Final = 100_000
#: Minus sign, en dash, and the small and the full-width hyphen of East Asian text.
_MINUSES: Final = "\u2212\u2013\ufe63\uff0d"


def without_comments(text: str, separator: str | None, notes: list[str]) -> str:
    """Leave out lines of comment before the header, which begin with ``#``, and say so.

    The last such line may be the header itself: it is one if it has as many cells as the line after
    it, and that line is no header, having a number in one of its cells, or a word that stands below
    it again, in a row that is not the same.
    """
    lines: list[str] = []
    end = int(text.startswith("\ufeff"))
    while text.startswith((_SIGN, f'"{_SIGN}'), end):
        stop = text.find("\n", end) + 1 or len(text)
        lines.append(text[end:stop])
        end = stop
    if not lines:
        return text
    after = list(islice(io.StringIO(text[end : end + _SAMPLE_SIZE]), _SAMPLE_ROWS))
    if not after or not after[0].strip() or _is_header(lines[-1], after, separator):
        end -= len(lines.pop())
    if lines:
        notes.append(
            f"{counted(len(lines), 'line')} of comment before the header left out, the first being "
            f"{lines[0].strip()[:60]!r}."
        )
    return text[end:]


def _is_header(line: str, after: Sequence[str], separator: str | None) -> bool:
    """Whether a line that begins with the sign is the header of the rows after it."""
    for sign in (separator,) if separator else (",", ";", "\t"):
        names, first = _cells(line, sign), _cells(after[0], sign)
        if len(names) == len(first) and (len(names) > 1 or separator):
            if any(_is_number(cell) for cell in first):
                return True
            # What a header says no row says again, unless it is the header of tables put together.
            rows = [row for row in (_cells(row, sign) for row in after[1:]) if row != first]
            return any(
                cell.strip() and cell == other
                for row in rows
                for cell, other in zip(first, row, strict=False)
            )
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
