"""The characters of a text file: which encoding it is written in."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

from mixedscope.core.errors import DataError

__all__ = ["decode"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(path: Path, encoding: str | None, notes: list[str]) -> tuple[str, str]:
    """The text of a file without a byte order mark, and its encoding.

    A file is decompressed if it begins as gzip does. Without an ``encoding`` one is found out,
    which is added to ``notes``.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    elif path.suffix.lower() == ".gz":
        raise DataError(f"The data file {path} cannot be read: it is not compressed by gzip.")
    if content[:4] == b"PK\x03\x04":
        raise DataError(
            f"The data file {path} is a workbook or an archive, not text: save it as CSV."
        )
    marked = next((name for mark, name in _BOMS if content.startswith(mark)), None)
    if encoding is not None:
        if marked == "utf-8-sig" and codecs.lookup(encoding).name == "utf-8":
            encoding = marked
        try:
            return content.decode(encoding), encoding
        except UnicodeError as error:
            raise DataError(
                f"The data file {path} is not in the encoding {encoding!r}: "
                f"{_where(content, error)}. Set another encoding."
            ) from None
    if marked is None and b"\0" in content[:4096]:
        # Every other byte of western UTF-16 is NUL.
        first, second = (
            content[i:4096:2].count(0) / max(1, len(content[i:4096:2])) for i in (0, 1)
        )
        marked = "utf-16-le" if second > first else "utf-16-be"
        try:
            text = content.decode(marked)
        except UnicodeError:
            text = "\0"
        if "\0" in text or max(first, second) < 0.3:
            raise DataError(
                f"The data file {path} holds NUL bytes, the first in line "
                f"{content[: content.index(0)].count(10) + 1}: it is damaged, or not text."
            )
    tried = marked or "utf-8"
    try:
        text = content.decode(tried)
    except UnicodeDecodeError as error:
        if marked is not None:
            raise DataError(
                f"The data file {path} begins as {marked} but is not: {_where(content, error)}. "
                "Set its encoding."
            ) from None
        text, tried = _western(path, content, error, notes), "cp1252"
    if marked not in (None, "utf-8-sig"):
        notes.append(f"The text is in the encoding {marked}.")
    at = text.find("\0")
    if at >= 0:
        raise DataError(
            f"The data file {path} holds NUL characters, the first in line "
            f"{text.count(chr(10), 0, at) + 1}: it is damaged, or not text."
        )
    return text, tried


def _western(path: Path, content: bytes, error: UnicodeDecodeError, notes: list[str]) -> str:
    """Text that is not UTF-8, as old programs of western Europe and America write it."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise DataError(
            f"The data file {path} is not UTF-8: {_where(content, error)}. Set its encoding, "
            "for example encoding: latin-1."
        ) from None
    line = content.count(b"\n", 0, error.start)
    shown = text.split("\n")[line].strip()[:40]
    notes.append(
        "The text is not UTF-8 and was read as Windows-1252, of which Latin-1 is a part (line "
        f"{line + 1}: {shown!r}); if letters are wrong, set encoding."
    )
    return text


def _where(content: bytes, error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        line = content[: error.start].count(b"\n") + 1
        return f"byte 0x{content[error.start]:02x} in line {line} cannot be read"
    return str(error)
