"""Levels by rank: panels of two terms of which one alone varies.

In the plane of both all levels would lie on a line, each hidden by others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.kinds.shrinkage.levels import Pull

__all__ = ["by_rank", "still_term"]

Floats = NDArray[np.float64]

#: Share of the axis below the levels, where the distribution and its population are, and above.
_FOOT, _HEAD = 0.2, 0.08


def still_term(pull: Pull, x: int, y: int) -> int | None:
    """Which of two terms does not vary, where the other does."""
    if pull.varies[x] == pull.varies[y]:
        return None
    return y if pull.varies[x] else x


def by_rank(
    pull: Pull, term: int, other: int, frame: tuple[float, float], chosen: NDArray[np.int64]
) -> Pull:
    """Place levels along the axis of a term that does not vary by their rank in another term.

    ``frame``: range of that axis. ``chosen``: positions of the levels drawn. The rank is that of
    the reference, and of the mode where there is none; the population is at the foot.
    """
    low, high = frame
    key = np.where(
        np.isnan(pull.reference[:, other]), pull.mode[:, other], pull.reference[:, other]
    )
    rank = np.empty(len(chosen))
    rank[np.argsort(key[chosen], kind="stable")] = np.arange(len(chosen)) + 0.5
    place = np.full(len(key), np.nan)
    room = 1.0 - _FOOT - _HEAD
    place[chosen] = low + (high - low) * (_FOOT + room * rank / len(chosen))
    foot = low + (high - low) * _FOOT / 2

    def placed(values: Floats, at: Floats | float) -> Floats:
        out = values.copy()
        out[..., term] = at
        return out

    return replace(
        pull,
        reference=placed(
            pull.reference, np.where(np.isnan(pull.reference[:, term]), np.nan, place)
        ),
        mode=placed(pull.mode, place),
        population=placed(pull.population, foot),
        limit=placed(pull.limit, foot),
    )
