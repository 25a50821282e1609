"""Draws of a simulation in blocks of a fixed size: the unit that jobs are made of.

Every draw has a seed of its own, and the draws of a block are computed together. As a job holds
whole blocks, how many there are in one changes no digit of any result.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BLOCK", "block_count"]

#: Draws of a block.
BLOCK: Final = 25


def block_count(draws: int) -> int:
    """Blocks that hold so many draws; the last may hold more than are wanted."""
    return -(-draws // BLOCK)
