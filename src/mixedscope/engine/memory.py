"""How much memory a model takes, known from its pattern before anything large is made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from mixedscope.core.errors import ModelError
from mixedscope.core.wording import counted, gigabytes
from mixedscope.engine.pattern import Pattern
from mixedscope.engine.sparse.graph import Elimination

__all__ = [
    "bytes_needed",
    "check_room",
    "check_sparse_room",
    "is_there_room",
    "memory_there",
    "sparse_bytes",
]

# Below so many bytes no machine needs to be asked what it has.
_LITTLE: Final = 2**28
# Where Linux says what a container may use at most.
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def bytes_needed(pattern: Pattern, n_tail: int) -> int:
    """Bytes of the cross-products and of the factorisation of a model, without its columns.

    Rest and tail take a square matrix in each; the tiers have blocks, head rows and sparse rows,
    and every tier but the first a copy of them to be worked on.
    """
    numbers = 2 * (pattern.n_rest + n_tail) ** 2
    head = n_tail + sum(pattern.sizes[f] for f in pattern.chain)
    for position, tier in enumerate(pattern.tiers):
        q, k = pattern.levels[tier.factor], pattern.sizes[tier.factor]
        head -= k
        own = q * k * (k + head) + len(tier.idx) * k
        numbers += own * (1 if position == 0 else 2) + 2 * q * k * k + q * (head + 2 * k)
    return 8 * numbers


def check_room(pattern: Pattern, n_tail: int, groups: Sequence[str]) -> None:
    """Refuse a model that does not fit into the memory of this machine, before it is made.

    ``groups``: names of the grouping factors. Raises ModelError.
    """
    needed = bytes_needed(pattern, n_tail)
    if is_there_room(needed):
        return
    eliminated = ", ".join(repr(groups[f]) for f in pattern.chain)
    rest = ", ".join(repr(groups[f]) for f in pattern.rest_factors)
    fills = (
        f": the levels of {eliminated} are eliminated one by one, and the "
        f"{counted(pattern.n_rest, 'random effect')} of {rest} crossed with them fill a square "
        "matrix"
        if pattern.n_rest
        else ""
    )
    raise ModelError(
        f"The model needs {gigabytes(needed)} of memory, and there are {memory_there()} in all"
        f"{fills}. {_ways(is_crossed=pattern.n_rest > 0)}"
    )


def sparse_bytes(elimination: Elimination, n_tail: int) -> int:
    """Bytes of the cross-products, of a sparse factorisation and of the inverse, likewise."""
    e = elimination
    width = np.diff(e.first)
    products = int((width[e.gi] * np.repeat(width, np.diff(e.gp))).sum())
    own = int((width * width).sum())
    lists = 3 * len(e.gi) + len(e.idx) + 10 * len(width)
    rows = int(e.first[-1]) * (2 * n_tail + 2) + e.columns * (2 * n_tail + 4)
    entries = 2 * e.entries + (e.entries + 1) // 2
    return 8 * (products + own + lists + rows + entries + (e.dense + n_tail) ** 2)


def check_sparse_room(elimination: Elimination, n_tail: int, groups: Sequence[str]) -> None:
    """Refuse a sparse factorisation that does not fit, likewise."""
    needed = sparse_bytes(elimination, n_tail)
    if is_there_room(needed):
        return
    raise ModelError(
        f"The model needs {gigabytes(needed)} of memory as a sparse matrix, and there are "
        f"{memory_there()} in all: the levels of {', '.join(map(repr, groups))} meet in too many "
        f"ways. {_ways(is_crossed=True)}"
    )


def _ways(*, is_crossed: bool) -> str:
    """Say what may be done where there is no room."""
    known = "Leave out a crossed term or its slopes, fit fewer levels (subset=), "
    machine = "use a machine with more memory"
    if not is_crossed:
        return f"{known}or {machine}."
    return (
        f"{known}{machine}, or let solver='iterative', which makes no such matrix, estimate "
        "deviance and slopes and state its error."
    )


def is_there_room(needed: int) -> bool:
    """Whether so many bytes fit into the memory of this machine, or it does not say."""
    if needed < _LITTLE:
        return True
    there = _memory_of_this_machine()
    return there is None or needed <= there


def memory_there() -> str:
    """Say how much memory this machine has."""
    return gigabytes(_memory_of_this_machine() or 0)


def _memory_of_this_machine() -> int | None:
    """Bytes that this machine, or the container in it, has; None where it does not say."""
    try:
        found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, OSError, ValueError):
        return None
    for name in _LIMITS:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found.append(int(text))
    return min(found)
