"""Writing files so that a reader sees the whole file or none, and JSON for people."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mixedscope.core.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "atomic_write",
    "first_line",
    "json_bytes",
    "plain",
    "read_json",
    "write_csv",
    "write_json",
]


def atomic_write(path: str | os.PathLike[str], payload: bytes) -> Path:
    """Write a whole file or nothing: under a temporary name beside it, then renamed.

    Its directory is made if need be. Raises StoreError if the file cannot be written; no part of it
    is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(payload)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. "
            "Check that the directory exists, is writable and has room"
        ) from error
    return path


def write_csv(path: str | os.PathLike[str], frame: pd.DataFrame) -> Path:
    """Write a table, without its index, as CSV, for programs that know no Parquet.

    UTF-8, commas, a line feed after each row; numbers with every digit that tells them apart,
    ``true`` and ``false``, lists as JSON, and nothing where a value is missing. Raises StoreError
    if the file cannot be written.
    """
    text = frame.apply(lambda column: column.map(_cell)).to_csv(index=False, lineterminator="\n")
    return atomic_write(path, text.encode("utf-8"))


def _cell(value: object) -> object:
    """A value as a cell of CSV."""
    if isinstance(value, list | tuple | np.ndarray):
        return json.dumps(plain(value))
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return value


def write_json(path: str | os.PathLike[str], value: object) -> Path:
    """Write JSON for people: indented, keys in the order given, UTF-8.

    numpy numbers and arrays become plain ones; NaN and infinities become null, since JSON has
    neither. Raises StoreError if the value cannot be written as JSON or the file not at all.
    """
    return atomic_write(path, json_bytes(value))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; raises StoreError if the file is missing or damaged."""
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} cannot be read as JSON ({first_line(error)}). "
            "The file is damaged: delete it and make it again"
        ) from error


def json_bytes(value: object) -> bytes:
    """Give the bytes `write_json` writes."""
    try:
        text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"cannot be written as JSON: {error}") from error
    return (text + "\n").encode("utf-8")


def plain(value: object) -> object:
    """Turn numpy numbers and arrays into plain ones, and what is not finite into None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def first_line(error: BaseException) -> str:
    """Give the first line of an error of another package, to quote in one of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
