"""Large tables in text files by Arrow's reader, where it reads what the careful way would read.

That way (`mixedscope.data.text_values`) looks at every cell as a Python text or through pandas'
tokenizer, which takes 100 bytes a cell. Arrow takes a tenth of the time and no memory beside the
columns, but knows nothing of words that mean missing, of leading zeros or of numbers too long for
their type. So the first rows are read the careful way, which gives the types; and whatever in the
other rows might have been read otherwise hands the whole file back to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from mixedscope.core.progress import counted_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_large"]

#: Characters whose rows show the types of the columns.
_HEAD: Final = 1 << 20
_BLOCK: Final = 1 << 24

#: Types of columns in the order in which one that does not hold the next value gives way.
_WIDER: Final = {pa.int64(): pa.float64(), pa.float64(): pa.string(), pa.bool_(): pa.string()}
_BLANK: Final = re.compile(r"^[ \t]+\r?$", re.MULTILINE)
_AT_FAULT: Final = re.compile(r"In CSV column #(\d+):.*conversion error", re.DOTALL)
_TRUE, _FALSE = ["True", "TRUE", "true"], ["False", "FALSE", "false"]

#: What pandas takes for a missing number, as far as it is no number to Arrow.
_WORDS: Final = frozenset(
    {"#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
     "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)  # fmt: skip


class _Otherwise(Exception):
    """Raised where the careful way might read something else."""


def read_large(
    text: str,
    separator: str,
    missing: Sequence[str],
    careful: Callable[[str], pd.DataFrame | None],
    *,
    progress: bool,
) -> pa.Table | None:
    """Read a table of text without its header, columns numbered from 0.

    Parameters
    ----------
    text : str
    separator : str
        One character.
    missing : sequence of str
        What stands for a missing value, in columns of numbers as in others.
    careful : callable
        Reads the rows of a text the careful way; None where it has anything to say of them.
    progress : bool
        Whether a bar shows how many rows have been read.

    Returns
    -------
    Table or None
        Of whole numbers, numbers, truth values and text; None where the careful way has to be gone.
    """
    try:
        head = careful(_first_rows(text))
        if head is None:
            return None
        types = [_type_of(head[name]) for name in head.columns]
        content = text.encode()
        if content.count(b'"') % 2:
            raise _Otherwise  # a mark that is never closed
        if len(types) == 1 and _BLANK.search(text):
            raise _Otherwise  # to Arrow a missing value, otherwise no row
        table = _read(content, separator, missing, types, progress=progress)
        _check(table, types)
        _check_codes(table, missing)
        _check_zeros(table, content, separator, missing)
    except _Otherwise:
        return None
    return table


def _first_rows(text: str) -> str:
    """The header and whole rows after it."""
    end = text.rfind("\n", 0, _HEAD)
    head = text[: end + 1]
    first = text[: text.find("\n") + 1]
    # A cell may go on over lines: then it is not known where a row ends.
    if not first.strip() or head == first or head.count('"') % 2 or first.count('"') % 2:
        raise _Otherwise
    return head


def _type_of(column: pd.Series) -> pa.DataType:
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iub":
        return pa.bool_() if kind == "b" else pa.int64()
    if kind == "f":
        return pa.float64()
    # What is text or not shows in all of the rows.
    if not len(column.dropna()) or not all(isinstance(value, str) for value in column.dropna()):
        raise _Otherwise
    return pa.string()


def _read(
    content: bytes,
    separator: str,
    missing: Sequence[str],
    types: Sequence[pa.DataType],
    *,
    progress: bool,
) -> pa.Table:
    """Read all columns as these types, or as wider ones where a value is none of them."""
    kinds = dict(enumerate(types))
    total = content.count(b"\n")
    while True:
        try:
            with _opened(content, separator, missing, kinds) as reader:
                batches = list(counted_rows(reader, total, progress=progress))
                return pa.Table.from_batches(batches, reader.schema)
        except pa.ArrowInvalid as error:
            found = _AT_FAULT.match(str(error))
            if found is None or kinds[int(found[1])] not in _WIDER:
                raise _Otherwise from None
            kinds[int(found[1])] = _WIDER[kinds[int(found[1])]]


def _opened(
    content: bytes,
    separator: str,
    missing: Sequence[str],
    kinds: Mapping[int, pa.DataType],
    only: Sequence[int] | None = None,
) -> csv.CSVStreamingReader:
    names = [str(i) for i in kinds]
    return csv.open_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=names, skip_rows=1, block_size=_BLOCK),
        parse_options=csv.ParseOptions(
            delimiter=separator, newlines_in_values=b'"' in content, ignore_empty_lines=True
        ),
        convert_options=csv.ConvertOptions(
            column_types={str(i): kind for i, kind in kinds.items()},
            null_values=["", *missing],
            true_values=_TRUE,
            false_values=_FALSE,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            include_columns=None if only is None else [str(i) for i in only],
        ),
    )


def _check(table: pa.Table, types: Sequence[pa.DataType]) -> None:
    """Refuse what the careful way might read otherwise: words and numbers out of the ordinary."""
    for column, first in zip(table.columns, types, strict=True):
        kind = column.type
        if pa.types.is_boolean(kind) and column.null_count:
            raise _Otherwise
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            ends = pc.min_max(column).as_py().values()
            largest = max((abs(end) for end in ends if end is not None), default=0.0)
            # Infinities, and whole numbers that are too long for the digits of a number. Of
            # columns without missing values these are exact.
            if largest >= 2**53 and (pa.types.is_floating(kind) or column.null_count):
                raise _Otherwise
            if pa.types.is_floating(kind) and pc.any(pc.is_nan(column)).as_py():
                raise _Otherwise
            # Signs before whole numbers, which Arrow has as fractions.
            if kind != first and pc.all(pc.equal(pc.floor(column), column)).as_py():
                raise _Otherwise
        if pa.types.is_string(kind):
            _check_words(pc.unique(column).drop_null().to_pylist())


def _check_codes(table: pa.Table, missing: Sequence[str]) -> None:
    """Refuse numbers that stand for a missing value written otherwise, as -999.0 for -999."""
    codes = []
    for word in missing:
        try:
            codes.append(float(word))
        except ValueError:
            continue
    for column in table.columns:
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = column.cast(pa.float64(), safe=False)
            if any(pc.any(pc.equal(values, code)).as_py() for code in codes):
                raise _Otherwise


def _check_words(values: Sequence[str]) -> None:
    """Refuse a column of text that might be one of numbers or truth values, and odd quotes."""
    import pandas as pd

    others = set(values) - _WORDS
    if any('"' in value for value in others) or others <= {*_TRUE, *_FALSE}:
        raise _Otherwise
    if pd.to_numeric(pd.Series(list(others), dtype=object), errors="coerce").notna().all():
        raise _Otherwise


def _check_zeros(table: pa.Table, content: bytes, separator: str, missing: Sequence[str]) -> None:
    """Refuse numbers with leading zeros, which may be names rather than numbers.

    Nor is 0x10 a number to the careful way; Arrow has it as 16.
    """
    numbers = [
        i
        for i, column in enumerate(table.columns)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    ]
    if not numbers or not _has_leading_zero(content):
        return
    kinds = dict.fromkeys(range(table.num_columns), pa.string())
    with _opened(content, separator, missing, kinds, numbers) as reader:
        for batch in reader:
            for column in batch.columns:
                if pc.any(pc.match_substring_regex(column, r"^\s*-?0[\dxX]")).as_py():
                    raise _Otherwise


def _has_leading_zero(content: bytes) -> bool:
    """Whether a number anywhere may begin with a zero before another digit or an x."""
    letters = np.frombuffer(content, dtype=np.uint8)
    for first in range(0, len(letters), _BLOCK):
        part = letters[max(first - 2, 0) : first + _BLOCK + 1]
        zero = np.flatnonzero(part[:-1] == ord("0"))
        after = part[zero + 1]
        is_odd = (after - np.uint8(ord("0")) < 10) | (after | 32 == ord("x"))
        zero = zero[(zero > 0) & is_odd]
        before = part[zero - 1]
        before = np.where((before == ord("-")) & (zero > 1), part[zero - 2], before)
        if (~_is_within(before)).any():
            return True
    return False


def _is_within(letters: NDArray[np.uint8]) -> NDArray[Any]:
    """Which characters go on before a zero in one number or word."""
    return _WITHIN[letters]


_WITHIN: Final = np.array([chr(i).isalnum() or chr(i) in "_.+-" or i > 127 for i in range(256)])
