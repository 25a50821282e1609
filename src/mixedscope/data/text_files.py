"""Tables in text files: how they are written is found out, said, and never guessed in silence.

pandas reads the numbers. What it would decide without a word is decided here: which cells are
missing, where a cell ends, which mark is decimal, and in which encoding the text is written.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedscope.core.errors import DataError, suggest
from mixedscope.core.wording import counted
from mixedscope.data.encoding import decode
from mixedscope.data.text_before import ascii_minuses, without_comments
from mixedscope.data.text_values import SHOWN, TextFormat, TextReader
from mixedscope.formula.expressions import label_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TEXT_KEYS", "TextFormat", "check_text_format", "read_text"]

TEXT_KEYS = ("separator", "decimal", "thousands", "missing", "encoding")

#: Names for separators that are hard to see in a configuration.
_NAMED = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "blank": " ",
    "whitespace": r"\s+",
}
_MISSING = ("NA",)
_SAMPLE_ROWS = 100


def check_text_format(settings: Mapping[str, Any]) -> TextFormat:
    """Check settings `TEXT_KEYS`, None where not stated; a DataError names the one at fault."""
    separator = settings.get("separator")
    if separator is not None:
        known = isinstance(separator, str) and (separator in _NAMED or len(separator) == 1)
        if not known or (separator.isalnum() and separator not in _NAMED) or separator in "\"'\n\r":
            raise DataError(
                f"separator: must be one sign such as ',' or ';', or one of {', '.join(_NAMED)}, "
                f"not {separator!r}."
            )
        separator = _NAMED.get(separator, separator)
    decimal, thousands = settings.get("decimal"), settings.get("thousands")
    if decimal not in (None, ".", ","):
        raise DataError(f"decimal: must be '.' or ',', not {decimal!r}.")
    if thousands not in (None, ".", ",", " ", "'", "_"):
        raise DataError(
            f"thousands: must be one of ',', '.', ' ', \"'\" and '_', not {thousands!r}."
        )
    if thousands is not None and thousands == decimal:
        raise DataError(f"thousands: {thousands!r} is the decimal mark already.")
    missing = settings.get("missing")
    if missing is not None:
        codes = [missing] if not isinstance(missing, (list, tuple)) else list(missing)
        for code in codes:
            if isinstance(code, bool) or not isinstance(code, (str, int, float)):
                raise DataError(
                    f"missing: must be texts or numbers, not {code!r}: put it into quotes "
                    "(YAML reads no, yes, on and off as truth values, null as nothing)."
                )
        missing = tuple(label_of(code) for code in codes)
    encoding = settings.get("encoding")
    if encoding is not None:
        try:
            codecs.lookup(encoding).name.encode()
            "".encode(encoding)
        except (LookupError, TypeError, ValueError):
            usual = ("utf-8", "utf-16", "latin-1", "cp1252", "cp1250", "mac-roman", "shift-jis")
            raise DataError(
                f"encoding: {encoding!r} is not known.{suggest(str(encoding), usual)} "
                f"For example: {', '.join(usual)}."
            ) from None
    return TextFormat(separator, decimal, thousands, missing, encoding)


def read_text(
    path: Path, given: TextFormat | None = None, *, progress: bool = False
) -> tuple[pd.DataFrame, TextFormat, list[str]]:
    """Read a text file, also a compressed one: the table, how it is written, and notes (sentences).

    ``given`` is what is known of how it is written; notes tell what was found out, left out, or is
    doubtful. ``progress``: whether a bar shows how far a large file is read.
    """
    given = given or TextFormat()
    if given.thousands == "." and given.decimal is None:
        given = replace(given, decimal=",")
    notes: list[str] = []
    whole, encoding = decode(path, given.encoding, notes)
    text = whole
    # Excel's own remark on how to cut what follows.
    remark = re.match(r"\ufeff?sep=(.)\r?\n", text)
    if remark:
        text = text[remark.end() :]
        given = replace(given, separator=given.separator or remark[1])
    text = without_comments(text, given.separator, notes)
    rows = _Sample(text)
    separator = _separator(path, given.separator, rows, notes)
    names = _header(path, rows, separator)
    before = whole.count("\n", 0, len(whole) - len(text))
    del whole
    text = ascii_minuses(text, separator, notes)
    found = replace(
        given, separator=separator, encoding=encoding, missing=given.missing or _MISSING
    )
    strict = given.missing is not None
    reader = TextReader(path, text, names, found, strict=strict, before=before)
    frame = reader.read(notes, progress=progress)
    if given.decimal is None and given.thousands is None:
        if separator != "," and reader.has_decimal_commas(frame):
            example = reader.decimal_comma
            notes.append(
                f"The decimal mark is ',' (as in {example!r}); if it is not, set decimal: '.'."
            )
            reader.format = replace(found, decimal=",")
            frame = reader.read(notes)
        notes += reader.doubts(frame)
    if reader.format.decimal == ",":
        notes += reader.strangers(frame)
    if given.missing is None:
        notes += reader.codes(frame)
    reader.note_short_rows(frame, notes)
    frame = _named(frame, names, notes)
    decimal = reader.format.decimal or "."
    return frame, replace(reader.format, decimal=decimal), list(dict.fromkeys(notes))


# -- cells ----------------------------------------------------------------------------------------
class _Sample:
    """The first rows of a text, cut by any separator."""

    def __init__(self, text: str) -> None:
        head = text[:1_000_000]
        self.whole = len(head) == len(text)
        self.head = head

    def cut(self, separator: str) -> list[list[str]]:
        """Rows without blank ones, the header first."""
        rows: list[list[str]] = []
        head, blanks = self.head, separator == r"\s+"
        if blanks:
            head = "\n".join(line.strip() for line in head.replace("\t", " ").splitlines())
        try:
            reader = csv.reader(
                io.StringIO(head, newline=""),
                delimiter=" " if blanks else separator,
                skipinitialspace=blanks,
            )
            rows += islice((row for row in reader if row), _SAMPLE_ROWS + 1)
        except csv.Error:  # a cell without end, for example: pandas says where
            pass
        return rows if self.whole or len(rows) > _SAMPLE_ROWS or len(rows) < 2 else rows[:-1]


def _separator(path: Path, given: str | None, sample: _Sample, notes: list[str]) -> str:
    """The separator that was given or found; a table that was not cut is refused."""
    usual = "\t" if ".tsv" in path.name.lower() else ","
    separator = given
    if separator is None:
        cut = {sign: sample.cut(sign) for sign in (usual, *({",", ";", "\t"} - {usual}))}
        wide = [sign for sign, rows in cut.items() if rows and len(rows[0]) > 1]
        if len(wide) > 1:
            even = [sign for sign in wide if _even(cut[sign])]
            if len(even) > 1:
                shown = " or ".join(repr(SHOWN.get(sign, sign)) for sign in sorted(even))
                raise DataError(f"The cells of {path} may be separated by {shown}: set separator.")
            wide = even or sorted(wide, key=lambda sign: -len(cut[sign][0]))
        separator = wide[0] if wide else usual
        if separator != usual:
            notes.append(
                f"Cells are separated by {SHOWN.get(separator, separator)!r}; if they are not, "
                "set separator."
            )
    rows = sample.cut(separator)
    if rows and len(rows[0]) == 1:
        _refuse_one_column(path, separator, rows)
    return separator


def _even(rows: Sequence[Sequence[str]]) -> bool:
    return all(len(row) == len(rows[0]) for row in rows)


def _refuse_one_column(path: Path, separator: str, rows: Sequence[Sequence[str]]) -> None:
    """Complain about a table of one column whose cells hold another separator."""
    for sign in (";", "\t", ",", "|"):
        if sign != separator and any(sign in row[0] for row in rows):
            break
    else:
        header, *widths = (len(row[0].split()) for row in rows)
        # R's write.table leaves out the name of the rows' names.
        if set(widths) not in ({header}, {header + 1}) or min(widths) < 2:
            return
        sign = r"\s+"
    name = SHOWN.get(sign, sign)
    raise DataError(
        f"{path} has one column, {rows[0][0][:80]!r}, when cut at "
        f"{SHOWN.get(separator, separator)!r}; it seems to be separated by {name!r}: set "
        f"separator: {name!r}."
    )


def _header(path: Path, sample: _Sample, separator: str) -> list[str]:
    """Names of columns as written; also of unnamed ones that the header forgets."""
    rows = sample.cut(separator)
    if not rows:
        return []
    names = [name.strip("\ufeff") for name in rows[0]]
    repeated = sorted({n for n in names if n.strip() and names.count(n) > 1})
    if repeated:
        raise DataError(
            f"Duplicate column name {', '.join(map(repr, repeated))} in {path}: rename one."
        )
    # pandas would take the first column for an index where rows are longer than the header.
    longest = max(rows[1:], key=len, default=names)
    surplus = len(longest) - len(names)
    # A title above a table that a spreadsheet exported has the cells of the table, empty ones.
    if len(longest) > 2 and len([name for name in names if name.strip()]) == 1:
        raise DataError(
            f"{path}: the first line, {next(filter(str.strip, names))[:80]!r}, names one of "
            f"{len(longest)} columns. If it is a title, remove it or begin it with '#'; otherwise "
            "name every column."
        )
    if surplus > 0:
        if any(cell.strip() for row in rows[1:] for cell in row[len(names) :]):
            line = next(i for i, row in enumerate(rows) if i and len(row) > len(names)) + 1
            raise DataError(
                f"{path}: the header names {counted(len(names), 'column')}, but row {line - 1} of "
                f"the data has {len(rows[line - 1])} cells. Name every column (of R: row.names = "
                "FALSE), and quote cells that hold the separator."
            )
        names += [""] * surplus
    return names


def _named(frame: pd.DataFrame, names: Sequence[str], notes: list[str]) -> pd.DataFrame:
    """Give columns their names; those without a name and a value go."""
    empty = [
        i for i, name in enumerate(names) if not name.strip() and frame.iloc[:, i].isna().all()
    ]
    if empty and len(empty) < len(names):
        notes.append(f"{len(empty)} empty column{'s' * (len(empty) > 1)} without a name left out.")
    kept = [i for i in range(len(names)) if i not in set(empty)]
    frame = frame.iloc[:, kept]
    # Without a name but with values: named as pandas does.
    return frame.set_axis([names[i] if names[i].strip() else f"Unnamed: {i}" for i in kept], axis=1)
