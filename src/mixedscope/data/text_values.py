"""The values of a table in a text file: numbers, truth values or text, and what is missing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedscope.core.errors import DataError
from mixedscope.core.wording import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SHOWN", "TextFormat", "TextReader"]

#: Characters from which on a text is large: of less all the care takes less than a second.
_LARGE = 1 << 23
#: Separators by the names that a configuration has for them.
SHOWN = {"\t": "tab", r"\s+": "whitespace"}
_TRUTH = {"True", "TRUE", "true", "False", "FALSE", "false"}
_INTEGER = re.compile(r"\s*[+-]?\d+\s*")
_LEADING_ZERO = re.compile(r"(?<![\w.+-])-?0\d")
_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")
_POINT = re.compile(r"\s*[+-]?\d*\.\d+(?:[eE][+-]?\d+)?\s*")
_GROUPED = {
    ",": re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?\s*"),
    ".": re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?\s*"),
}
#: Numbers by their marks of thousands and decimals.
_MARKED = {
    (",", "."): re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d+)?\s*"),
    (".", ","): re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+)?\s*"),
    (" ", "."): re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:[ \u00a0]\d{3})+|\d+)(?:\.\d+)?\s*"),
    (" ", ","): re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:[ \u00a0]\d{3})+|\d+)(?:,\d+)?\s*"),
}

_WITH_COMMAS = [_COMMA, *(pattern for (_, mark), pattern in _MARKED.items() if mark == ",")]


@dataclass(frozen=True)
class TextFormat:
    """How a table is written as text; None is to be found out.

    Attributes
    ----------
    separator : str or None
        Between cells: one character, or a name (tab, whitespace, …).
    decimal, thousands : str or None
        Decimal mark, and the mark between groups of three digits.
    missing : tuple of str or None
        What stands for a missing value beside an empty cell; ``NA`` by default.
    encoding : str or None
        As Python names it.
    """

    separator: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: tuple[str, ...] | None = None
    encoding: str | None = None

    def described(self) -> dict[str, Any]:
        """The settings as a configuration would state them."""
        return {
            "separator": SHOWN.get(self.separator or "", self.separator),
            "decimal": self.decimal,
            "thousands": self.thousands,
            "missing": None if self.missing is None else list(self.missing),
            "encoding": self.encoding,
        }


class TextReader:
    """Reads one text, as often as its format is better known.

    Parameters
    ----------
    path : path
        For messages.
    text : str
    names : list of str
        One for each column.
    format : TextFormat
    strict : bool
        Whether only `format.missing` is missing in columns of numbers as well, rather than all that
        pandas takes for it, such as ``n/a``.
    before : int
        Lines of the file before the text, for messages.
    """

    def __init__(
        self, path: Path, text: str, names: Sequence[str], format: TextFormat, *, strict: bool,
        before: int = 0,
    ) -> None:  # fmt: skip
        import pandas as pd

        self.path, self.text, self.names, self.format = path, text, names, format
        self.strict, self.before = strict, before
        self.raw = pd.DataFrame()  # columns with text or missing cells, as written
        self.is_even = False  # whether it is known that all rows have as many cells
        self.decimal_comma = ""

    def read(self, notes: list[str], *, progress: bool = False) -> pd.DataFrame:
        """Columns numbered from 0, each of numbers, truth values or text.

        ``progress``: whether a bar shows how many rows of a large table have been read.
        """
        plain = self.format.decimal in (None, ".") and self.format.thousands is None
        if plain and len(self.format.separator or "") == 1 and len(self.text) >= _LARGE:
            frame = self._read_large(progress=progress)
            if frame is not None:
                return frame
        return self._read_carefully(notes)

    def _read_large(self, *, progress: bool) -> pd.DataFrame | None:
        """Read by Arrow; None where what it reads might not be what is read otherwise."""

        def careful(rows: str) -> pd.DataFrame | None:
            reader = TextReader(
                self.path, rows, self.names, self.format, strict=self.strict, before=self.before
            )
            notes: list[str] = []
            frame = reader._read_carefully(notes)
            return None if notes else frame

        # Loads Arrow and pandas, which runs that are planned do without.
        from mixedscope.core.arrow import frame_of_arrow
        from mixedscope.data.large_text import read_large

        table = read_large(
            self.text, self.format.separator or ",", self.format.missing or (), careful,
            progress=progress,
        )  # fmt: skip
        if table is None:
            return None
        frame = frame_of_arrow(table, spent=True)
        self.raw = frame[[name for name in frame if frame[name].dtype.kind not in "iufb"]]
        self.is_even = True
        return frame

    def _read_carefully(self, notes: list[str]) -> pd.DataFrame:
        """Read by pandas, and look at what is written wherever that may be something else."""
        missing = ["", *(self.format.missing or ())]
        frame = self._parse(
            decimal=self.format.decimal or ".",
            keep_default_na=not self.strict,
            na_values=missing,
        )
        zeros = _LEADING_ZERO.search(self.text) is not None
        doubtful = [
            name
            for name, series in frame.items()
            if series.dtype.kind not in "iufb" or series.isna().any() or zeros
        ]
        if not doubtful:
            self.raw = frame[[]]
            return frame
        self.raw = self._parse(
            usecols=doubtful, dtype=str, keep_default_na=False, na_values=missing
        )
        return frame.assign(
            **{str(name): self._column(frame[name], self.raw[name], notes) for name in doubtful}
        )

    def _parse(self, **options: Any) -> pd.DataFrame:
        import pandas as pd

        placeholders = [str(i) for i in range(len(self.names))]
        try:
            return pd.read_csv(
                # A text as a file has four bytes a character.
                io.BytesIO(self.text.encode()),
                sep=self.format.separator,
                header=0,
                names=placeholders,
                index_col=False,
                low_memory=False,
                **options,
            )
        except pd.errors.ParserError as error:
            uneven = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if uneven:
                raise DataError(
                    f"{self.path}, line {int(uneven[2]) + self.before}: "
                    f"{counted(int(uneven[3]), 'cell')}, but {counted(int(uneven[1]), 'column')}. "
                    "Quote cells that hold the separator."
                ) from None
            unclosed = re.search(r"EOF inside string starting at row (\d+)", str(error))
            if unclosed:
                raise DataError(
                    f"{self.path}: a quotation mark in row {unclosed[1]} is never closed."
                ) from None
            raise

    def _column(self, parsed: pd.Series, raw: pd.Series, notes: list[str]) -> pd.Series:
        """The values of a column that is not all numbers, from what is written in it."""
        if parsed.dtype.kind in "iuf" and parsed.notna().any():
            if self._runs_together(parsed, raw):
                notes.append(
                    f"Column {self._name(parsed)!r} is text, because numbers with and without "
                    "leading zeros, such as '007' and '7', would be one."
                )
                return raw
            self._note_words(parsed, raw, notes)
            return self._long_integers(parsed, raw)
        present = raw.dropna()
        if not len(present):
            return parsed.astype(float)
        if set(present.unique()) <= _TRUTH:
            return parsed
        return self._ungrouped(raw)

    @staticmethod
    def _runs_together(parsed: pd.Series, raw: pd.Series) -> bool:
        """Whether whole numbers that differ in leading zeros only would become one."""
        written = raw[parsed.notna()].str.strip()
        zeros = written[written.str.fullmatch(r"-?0\d+")]
        if not len(zeros) or not written.str.fullmatch(r"[+-]?\d+").all():
            return False
        same = written[parsed.isin(parsed[zeros.index]).reindex(written.index)]
        return bool(same.nunique() > parsed[same.index].nunique())

    def _note_words(self, parsed: pd.Series, raw: pd.Series, notes: list[str]) -> None:
        """Say which words in a column of numbers were taken as missing."""
        words = raw[parsed.isna()].dropna()
        if len(words) and not self.strict:
            counts = words.value_counts()
            shown = ", ".join(
                f"{word!r} in {n} row{'s' * (n > 1)}" for word, n in counts.head(3).items()
            )
            notes.append(
                f"In the numbers of column {self._name(parsed)!r} these are taken as missing: "
                f"{shown}. If they are not, set missing."
            )

    def note_short_rows(self, frame: pd.DataFrame, notes: list[str]) -> None:
        """Say which row has fewer cells than there are columns: pandas fills it in silence."""
        if self.is_even or self.format.separator == r"\s+":
            return
        if not frame.iloc[:, -1].isna().any():
            return
        rows = csv.reader(
            io.StringIO(self.text, newline=""), delimiter=self.format.separator or ","
        )
        lengths = [len(row) for row in rows if row]
        # A header that forgets names at its end was mended.
        wanted = lengths[0]
        short = [i for i, length in enumerate(lengths) if length < wanted]
        if short:
            notes.append(
                f"Row {short[0]} has fewer cells ({lengths[short[0]]}) than there are columns "
                f"({wanted})"
                + (f", as {len(short) - 1} more" if len(short) > 1 else "")
                + ": what is lacking is taken as missing."
            )

    def _name(self, series: pd.Series) -> str:
        return self.names[int(str(series.name))] or f"number {int(str(series.name)) + 1}"

    @staticmethod
    def _long_integers(parsed: pd.Series, raw: pd.Series) -> pd.Series:
        """Whole numbers beyond 2⁵³ beside missing cells, which float64 would run together."""
        import pandas as pd

        if parsed.dtype.kind != "f" or not (parsed.abs() >= 2**53).any():
            return parsed
        present = parsed.notna()
        written = raw[present].str.strip()
        if not written.str.fullmatch(r"[+-]?\d+").all():
            return parsed
        values = [int(text) for text in written]
        if max(values) >= 2**63 or min(values) < -(2**63):
            return raw  # identifiers, which no number keeps apart
        column = pd.Series(pd.NA, index=parsed.index, name=parsed.name, dtype="Int64")
        column[present] = values
        return column

    def _ungrouped(self, raw: pd.Series) -> pd.Series:
        """Numbers without the marks between their thousands, if all of them are in order."""
        import pandas as pd

        mark = self.format.thousands
        if mark is None:
            return raw
        decimal = self.format.decimal or "."
        # Blanks between thousands are often such as do not break lines.
        marks = "[ \u00a0\u2009\u202f]" if mark == " " else re.escape(mark)
        pattern = rf"\s*[+-]?(?:\d{{1,3}}(?:{marks}\d{{3}})+|\d+)(?:{re.escape(decimal)}\d*)?\s*"
        written = raw.dropna()
        if not written.str.fullmatch(pattern).all():
            return raw
        bare = written.str.replace(marks, "", regex=True).str.replace(decimal, ".", regex=False)
        return pd.to_numeric(bare.astype(object)).reindex(raw.index)

    # -- marks ---------------------------------------------------------------------------------
    def _texts(self, frame: pd.DataFrame) -> Iterable[tuple[pd.Series, list[str]]]:
        """Cells of the columns of text, and their different values."""
        for name in self.raw.columns:
            if frame[name].dtype.kind not in "iufb":
                yield self.raw[name], self.raw[name].dropna().unique().tolist()

    def has_decimal_commas(self, frame: pd.DataFrame) -> bool:
        """Whether numbers have a decimal comma beyond doubt, and none a decimal point.

        ``1,234`` may be either; ``1,5`` and ``0,123`` can only be decimal.
        """
        if any(frame[name].dtype.kind == "f" and self._fractions(frame[name]) for name in frame):
            return False
        for _, values in self._texts(frame):
            commas = [v for v in values if _COMMA.fullmatch(v)]
            sure = [v for v in commas if not _GROUPED[","].fullmatch(v)]
            whole = sum(_INTEGER.fullmatch(v) is not None for v in values)
            if sure and 2 * (len(commas) + whole) > len(values):
                self.decimal_comma = sure[0]
                return True
        return False

    @staticmethod
    def _fractions(series: pd.Series) -> bool:
        values = series.dropna()
        return bool((values % 1 != 0).any())

    def doubts(self, frame: pd.DataFrame) -> list[str]:
        """Columns of text whose values are numbers with marks that can be read in two ways."""
        notes = []
        for cells, values in self._texts(frame):
            name = self._name(cells)
            whole = sum(_INTEGER.fullmatch(v) is not None for v in values)
            read = {
                marks: [v.strip() for v in values if pattern.fullmatch(v)]
                for marks, pattern in _MARKED.items()
            }
            most = max(len(found) for found in read.values())
            if most < len(values) and (told := self._of_two_marks(cells, values)):
                notes.append(told)
                continue
            if most <= whole or 2 * most <= len(values):
                continue
            ways = {}
            for (thousands, decimal), found in read.items():
                if len(found) == most:
                    used = {"thousands": thousands, "decimal": decimal}
                    settings = [
                        f"{key}: {mark!r}"
                        for key, mark in used.items()
                        if mark != "." or key == "thousands"
                        if any(mark in v.replace("\u00a0", " ") for v in found)
                    ]
                    example = next(v for v in found if not _INTEGER.fullmatch(v))
                    if settings == [f"decimal: {self.format.decimal!r}"]:
                        settings = []
                    ways[" and ".join(settings)] = example
            if "" in ways:  # they are read as they should be, but for values of another kind
                continue
            example = next(iter(ways.values()))
            pointed = [
                self._name(frame[other])
                for other in frame
                if frame[other].dtype.kind == "f" and self._fractions(frame[other])
            ]
            if pointed and all("decimal: ','" in way for way in ways):
                notes.append(
                    f"Column {name!r} is text, because its numbers have a decimal comma "
                    f"({example!r}) and those of column {pointed[0]!r} a decimal point: write all "
                    "with one mark."
                )
                continue
            notes.append(
                f"Column {name!r} is text, because it holds values such as {example!r}: "
                f"set {', or '.join(ways)}."
            )
        if self.format.separator == ";" and self.format.decimal is None:
            notes += self._dotted_thousands(frame)
        return notes

    def _of_two_marks(self, cells: pd.Series, values: Sequence[str]) -> str | None:
        """The note on a column of numbers some of which have a decimal comma, others a point."""
        forms = [*_MARKED.values(), _COMMA, _POINT]
        if not all(any(form.fullmatch(value) for form in forms) for value in values):
            return None
        shown = []
        for pattern in (_COMMA, _POINT):
            first = next((value for value in values if pattern.fullmatch(value)), None)
            if first is None:
                return None
            shown.append(f"{first.strip()!r} in row {_row_of(first, cells)}")
        return (
            f"Column {self._name(cells)!r} is text, because some of its numbers have a decimal "
            f"comma ({shown[0]}) and others a decimal point ({shown[1]}): write all with one mark."
        )

    def strangers(self, frame: pd.DataFrame) -> list[str]:
        """Columns of numbers with decimal commas but for some values: the first, and its row."""
        notes = []
        for cells, values in self._texts(frame):
            is_number = [any(p.fullmatch(v) for p in _WITH_COMMAS) for v in values]
            if all(is_number) or 2 * sum(is_number) <= len(values):
                continue
            if told := self._of_two_marks(cells, values):
                notes.append(told)
                continue
            stranger = values[is_number.index(False)]
            notes.append(
                f"Column {self._name(cells)!r} is text, because row {_row_of(stranger, cells)} "
                f"holds {stranger!r}: if that means missing, set missing: [{stranger!r}]; "
                "otherwise correct it."
            )
        return notes

    def codes(self, frame: pd.DataFrame) -> list[str]:
        """Columns of numbers with a value such as -999, far from all others: perhaps missing."""
        from mixedscope.design.missing_codes import found_codes

        notes = []
        for _, series in frame.items():
            if series.dtype.kind not in "if":
                continue
            for code in found_codes(series.to_numpy()):
                words = ", ".join([*(self.format.missing or ()), f"{code.value:g}"])
                notes.append(code.told(self._name(series), f"set missing: [{words}]."))
        return notes

    def _dotted_thousands(self, frame: pd.DataFrame) -> list[str]:
        """Numbers such as 1.234 beside 987, between semicolons: where commas are decimal, 1234."""
        floats = [str(n) for n, series in frame.items() if series.dtype.kind == "f"]
        floats = [name for name in floats if self._fractions(frame[name])]
        if not floats:
            return []
        notes = []
        raw = self._parse(usecols=floats, dtype=str)
        for name in floats:
            values = raw[name].dropna()
            dotted = values[values.str.contains(".", regex=False)]
            if 0 < len(dotted) < len(values) and dotted.str.fullmatch(_GROUPED["."].pattern).all():
                notes.append(
                    f"Numbers of column {self._name(frame[name])!r} such as {dotted.iloc[0]!r} "
                    "are read with a decimal point; if it separates thousands, set thousands: '.'."
                )
        return notes


def _row_of(value: str, cells: pd.Series) -> int:
    """The first row with a value, counted from 1."""
    return int((cells == value).fillna(False).to_numpy().argmax()) + 1
