"""Bars that show how far something has come."""

from __future__ import annotations

from typing import Any

__all__ = ["progress_bar"]


def progress_bar(total: int | None, unit: str, *, done: int = 0, delay: float = 2.0) -> Any:
    """Begin a bar of so many units, `done` of them there; it shows up after `delay` seconds."""
    from tqdm.auto import tqdm  # only when asked for: its import is not free

    return tqdm(total=total, initial=done, unit=f" {unit}", delay=delay, leave=False)
