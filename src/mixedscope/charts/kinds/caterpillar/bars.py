"""What a caterpillar plot draws of the levels of one fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.kinds.shrinkage.levels import Pull
from mixedscope.core.errors import UnsuitedError

__all__ = ["Bars", "not_determined", "without_some"]


@dataclass(frozen=True)
class Bars:
    """What is drawn of the levels of one fit.

    Attributes
    ----------
    pull : Pull
        Modes and references on the scale of the chart.
    spread : ndarray, shape (q, k)
        Half the length of the bars; NaN where the term does not vary.
    reach : ndarray, shape (k,)
        Half the width of the band of the fitted distribution.
    """

    pull: Pull
    spread: NDArray[np.float64]
    reach: NDArray[np.float64]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Bars (q, k) that exclude the population."""
        apart = np.abs(self.pull.mode - self.pull.population)
        return np.asarray(np.isfinite(self.spread) & (apart > self.spread))


def without_some(found: Sequence[Bars]) -> set[str] | None:
    """Levels with a bar in every fit, where bars of some were not computed; None where all were."""
    told: set[str] | None = None
    for one in found:
        known = np.asarray(np.isfinite(one.spread).any(axis=1))
        if one.pull.info.get("solver") == "iterative" and known.any() and not known.all():
            own = {level for level, is_told in zip(one.pull.levels, known, strict=True) if is_told}
            told = own if told is None else told & own
    return told


def not_determined(group: str) -> UnsuitedError:
    """Give the error of a grouping factor whose variation the data do not tell from others."""
    return UnsuitedError(
        f"The data do not determine how much the levels of {group!r} vary, so that their modes "
        "have no intervals and no distribution"
    )
