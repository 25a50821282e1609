"""SHA-256 of a table's content, whatever file it came from and whatever process reads it."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mixedscope.formula.expressions import column_value, label_of

__all__ = ["frame_digest"]


def frame_digest(frame: pd.DataFrame) -> str:
    """Digest column names, the order of rows and columns, values, and categorical levels.

    Numbers count by value as float64 (1 and 1.0 are one), text by its characters, and a missing
    value is only that, so CSV, Parquet and Arrow files of the same table agree once their
    categorical columns are declared.

    Gives 64 hexadecimal digits.
    """
    digest = hashlib.sha256(f"mixedscope.table/1:{len(frame)}".encode())
    for name in frame.columns:
        series = frame[name]
        _add(digest, str(name))
        if isinstance(series.dtype, pd.CategoricalDtype):
            _add(digest, "categorical")
            _add(digest, "\x1f".join(map(str, series.dtype.categories)))
            digest.update(np.asarray(series.array.codes).astype("<i8").data)
            continue
        if (text := _text_of(series)) is not None:
            _add(digest, "text")
            _add_text(digest, text)
            continue
        value = column_value(series)
        _add(digest, value.kind)
        digest.update(np.packbits(value.missing).tobytes())
        if value.kind == "text":
            present = value.data[~value.missing].tolist()
            encoded = [text.encode() for text in present]
            digest.update(np.array([len(e) for e in encoded], dtype="<i8").tobytes())
            digest.update(b"".join(encoded))
        elif value.kind == "boolean":
            digest.update(np.packbits(value.data & ~value.missing).tobytes())
        elif _needs_integers(series):
            kind = "<u8" if pd.api.types.is_unsigned_integer_dtype(series.dtype) else "<i8"
            digest.update(b"integer" + series.fillna(0).to_numpy(dtype=kind).tobytes())
        else:
            # Adding zero makes −0 into 0.
            numbers = np.where(value.missing, 0.0, value.data) + 0.0
            digest.update(numbers.astype("<f8").tobytes())
    return digest.hexdigest()


def _text_of(series: pd.Series) -> pa.ChunkedArray | None:
    """A column of text as Arrow has it, or of times as they read; None of other columns."""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        codes, times = pd.factorize(series)
        labels = pa.array([label_of(time) for time in times], pa.large_string())
        read = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), labels)
        return pa.chunked_array([read.cast(pa.large_string())])
    # pandas keeps `str` in Arrow's memory; a list of 25 million texts would take a minute.
    if not isinstance(series.dtype, pd.StringDtype) or series.dtype.storage != "pyarrow":
        return None
    found = pa.array(series.array)
    return found if isinstance(found, pa.ChunkedArray) else pa.chunked_array([found])


def _add_text(digest: hashlib._Hash, text: pa.ChunkedArray) -> None:
    """Add which texts are missing, the lengths of the others in bytes, and their bytes."""
    digest.update(np.packbits(text.is_null().to_numpy()).data)
    present = [chunk.cast(pa.large_binary()) for chunk in text.drop_null().chunks]
    for chunk in present:
        lengths = pc.binary_length(chunk).to_numpy(zero_copy_only=False)
        digest.update(lengths.astype("<i8").data)
    for chunk in present:
        _, ends, content = chunk.buffers()
        if len(chunk):
            at = np.frombuffer(ends, dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            digest.update(memoryview(content)[at[0] : at[-1]])


def _needs_integers(series: pd.Series) -> bool:
    """Whether float64 would confuse whole numbers of this column, such as long identifiers."""
    if not pd.api.types.is_integer_dtype(series.dtype):
        return False
    return bool(((series > 2**53) | (series < -(2**53))).any())


def _add(digest: hashlib._Hash, text: str) -> None:
    """Add a text with its length, so that no two sequences of texts read the same."""
    encoded = text.encode()
    digest.update(len(encoded).to_bytes(8, "little"))
    digest.update(encoded)
