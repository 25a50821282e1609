"""Reference and conditional mode of the levels of one grouping factor in one fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedscope.charts.common.link_scale import is_generalized

__all__ = ["Pull"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pull:
    """Reference and conditional mode of every level of one grouping factor in one fit.

    Attributes
    ----------
    label : str
        Name of the fit among those drawn beside it.
    info : dict
        What ``fit.json`` holds.
    terms : tuple of str
        The k terms drawn.
    varies : tuple of bool
        Whether the fit has a random effect for each; where not, its deviations are 0.
    levels : tuple of str
    n_obs : ndarray, shape (q,)
    reference, mode, std_dev : ndarray, shape (q, k)
        On the scale of the chart; NaN where there is none.
    dependence : ndarray, shape (q, k, k)
        Conditional correlations of the random effects of a level; None where none are stored.
    factor : ndarray, shape (q, k)
        Mode over reference, both as deviations from their own population.
    sds, correlations : ndarray, shapes (k,) and (k, k)
        Of the fitted distribution of the random effects.
    population, limit : ndarray, shape (k,)
        Fitted population, and that of the joint limit, or at the theta that modes are compared
        with, on the scale of the chart.
    compared : str
        What is the reference: a column of the stored modes, or ``theta``.
    at, meaning : str
        That theta in symbols, and what it means where that can be said.
    confounded : tuple of str
        Factors that least squares cannot tell apart, if the grouping factor is one of them.
    has_limit : bool
        Whether the joint limit could be computed.
    ways : ndarray, shape (q, k)
        Of generalised models, direction in which the level's own estimate is at infinity; zeros
        where it is finite. None of linear models.
    not_found : int
        Levels whose own estimate was looked for and not found.
    """

    label: str
    info: dict[str, Any]
    terms: tuple[str, ...]
    varies: tuple[bool, ...]
    levels: tuple[str, ...]
    n_obs: NDArray[np.int64]
    reference: Floats
    mode: Floats
    std_dev: Floats
    factor: Floats
    sds: Floats
    correlations: Floats
    population: Floats
    limit: Floats
    dependence: Floats | None = None
    compared: str = "joint_limit"
    at: str = ""
    meaning: str = ""
    confounded: tuple[str, ...] = ()
    has_limit: bool = True
    ways: Floats | None = None
    not_found: int = 0

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Levels without a reference in some term, shape (q,); those at infinity have a mark."""
        return np.asarray(np.isnan(self.reference).any(axis=1) & ~self.infinite)

    @property
    def infinite(self) -> NDArray[np.bool_]:
        """Levels whose own estimate is infinite in some term drawn, shape (q,)."""
        if self.ways is None:
            return np.zeros(len(self.levels), dtype=bool)
        return np.asarray((self.ways != 0.0).any(axis=1))

    @property
    def is_generalized(self) -> bool:
        """Whether the fit is one of a generalised model."""
        return is_generalized(self.info)

    def singular(self, group: str) -> dict[str, Any] | None:
        """What the fit says of the singularity of this grouping factor."""
        for entry in self.info.get("singular") or ():
            if entry["group"] == group and entry["singular"]:
                return dict(entry)
        return None

    def held(self, group: str) -> dict[str, Any] | None:
        """What the fit says of a grouping factor whose structure leaves out dimensions."""
        for entry in self.info.get("singular") or ():
            if entry["group"] == group and entry.get("full_rank", entry["size"]) < entry["size"]:
                return dict(entry)
        return None

    def told_pairs(self) -> list[tuple[int, int]]:
        """Pairs of terms (x, y), x first, whose panel says something: one of them varies.

        A single panel is left where a single term varies: in all of them nothing else is to be
        seen.
        """
        pairs = [(x, y) for y in range(1, len(self.terms)) for x in range(y)]
        told = [(x, y) for x, y in pairs if self.varies[x] or self.varies[y]]
        return told[:1] if sum(self.varies) == 1 else told or pairs[:1]
