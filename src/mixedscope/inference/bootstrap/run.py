"""Draws up to a number: those that are there already, then new ones, saved as they are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from mixedscope.core.errors import StoreError
from mixedscope.core.progress import progress_bar
from mixedscope.inference.bootstrap.result import Bootstrap, Origin
from mixedscope.tables.kinds.bootstrap import BOOTSTRAP
from mixedscope.tables.table_files import read_table, write_table

__all__ = ["bootstrap_file", "read_bootstrap", "run_bootstrap", "write_bootstrap"]

#: Seconds that the draws made at a time take, about; and those between two writings of a file.
_PATIENCE: Final = 1.0
_SAVED_EVERY: Final = 20.0

#: Draws made at a time: at first, of models that are refitted in compiled code and of others; and
#: at most.
_QUICK, _SLOW, _MOST = 512, 4, 8192


def run_bootstrap(
    make: Callable[[Sequence[int]], Bootstrap],
    count: int,
    *,
    known: Bootstrap | None = None,
    progress: bool = False,
    save: Callable[[Bootstrap], object] | None = None,
    saved: int = 0,
    quick: bool = False,
) -> Bootstrap:
    """Give the draws from 0 to `count`.

    ``make`` gives the draws of some numbers; ``known`` those from 0 on that are there. ``save`` is
    given all there are from time to time, at the end, and before an error or an interruption
    leaves: only if they are more than those `saved` already. ``quick``: whether thousands are made
    in a second.
    """
    parts = [] if known is None else [known]
    at = 0 if known is None else len(known)
    step, last = _QUICK if quick else _SLOW, perf_counter()
    bar = progress_bar(count, "draws", done=at) if progress else None
    try:
        while at < count:
            numbers = range(at, min(at + step, count))
            begin = perf_counter()
            parts.append(make(numbers))
            at += len(numbers)
            if bar is not None:
                bar.update(len(numbers))
            now = perf_counter()
            # How many are made at a time changes no draw.
            if now - begin < 0.5 * _PATIENCE:
                step = min(2 * step, _MOST)
            elif now - begin > 2.0 * _PATIENCE:
                step = max(step // 2, 1)
            if save is not None and now - last > _SAVED_EVERY:
                parts = [Bootstrap.joined(parts)]
                save(parts[0])
                last, saved = now, at
    finally:
        if bar is not None:
            bar.close()
        if save is not None and at > saved:
            parts = [Bootstrap.joined(parts)]
            save(parts[0])
    return Bootstrap.joined(parts).part(slice(0, count))


def bootstrap_file(path: str | os.PathLike[str]) -> Path:
    """The file that a path means: itself, or ``bootstrap.parquet`` in a directory."""
    path = Path(path)
    return path / "bootstrap.parquet" if path.is_dir() else path


def read_bootstrap(path: str | os.PathLike[str], origin: Origin | None = None) -> Bootstrap:
    """Read the draws of a file.

    Raises StoreError if the file is missing, damaged or no table of draws, or if `origin` is given
    and another: going on with it would mix two bootstraps.
    """
    found = Bootstrap.of_stored(read_table(path, BOOTSTRAP))
    other = None if origin is None else found.origin.difference(origin)
    if other is not None:
        raise StoreError(
            f"{path} holds draws of another bootstrap: its {other} is "
            f"{getattr(found.origin, other)!r}, here {getattr(origin, other)!r}. "
            "Give another file, or delete this one"
        )
    return found


def write_bootstrap(
    path: str | os.PathLike[str], draws: Bootstrap, *, formula: str, sha256: str
) -> Path:
    """Write draws as the stored table ``bootstrap``."""
    stored = draws.stored()
    extra = {"origin": stored.attrs["origin"]}
    return write_table(path, stored, BOOTSTRAP, formula=formula, sha256=sha256, extra=extra)
