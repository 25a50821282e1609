"""Bars that show how far something has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

__all__ = ["counted_rows", "progress_bar"]


class _Rows(Protocol):
    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...


T = TypeVar("T", bound=_Rows)


def progress_bar(total: int | None, unit: str, *, done: int = 0, delay: float = 2.0) -> Any:
    """Begin a bar of so many units, `done` of them there; it shows up after `delay` seconds."""
    from tqdm.auto import tqdm  # only when asked for: its import is not free

    return tqdm(total=total, initial=done, unit=f" {unit}", delay=delay, leave=False)


def counted_rows(pieces: Iterable[T], total: int | None, *, progress: bool) -> Iterator[T]:
    """Hand on pieces of an Arrow table as they come; with ``progress`` a bar counts their rows."""
    bar = progress_bar(total, "rows") if progress else None
    try:
        for piece in pieces:
            if bar is not None:
                bar.update(piece.num_rows)
            yield piece
    finally:
        if bar is not None:
            bar.close()
