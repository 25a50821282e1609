"""Coordinates in which a landscape is drawn: theta itself, or standard deviations and correlations.

On the second scale a grid is laid over standard deviations relative to sigma, which theta fixes
alone; they are shown times sigma, in the units of the data, sigma being what the objective finds
best at each point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.errors import ModelError, suggest
from mixedscope.model.covariance import Full, ZeroCorr
from mixedscope.model.objective import ProfiledObjective
from mixedscope.model.random_term import RandomTerm

__all__ = ["SCALES", "Coordinate", "Coordinates", "coordinates"]

Floats = NDArray[np.float64]

#: Scales of a landscape.
SCALES: Final = ("theta", "sd")

#: Relative standard deviations and correlations below this have no direction.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Coordinate:
    """One axis of a landscape.

    Attributes
    ----------
    kind : {"theta", "sd", "correlation"}
    group : str
        Grouping factor.
    name : str
        Name of theta; term; or the two terms of a correlation with `` ~ `` between.
    lower, upper : float
        Canonical bounds; infinite where there is none.
    unit : float
        Size of a step that means about the same for every coordinate (a random effect as
        variable as the residuals).
    """

    kind: str
    group: str
    name: str
    lower: float
    upper: float
    unit: float

    @property
    def key(self) -> str:
        """How the setting ``pairs`` calls it."""
        if self.kind == "theta":
            return self.name
        return f"{self.group}.{self.name}"

    def shown(self, values: Floats, sigma: Floats) -> Floats:
        """Turn values on the grid into those on the axis."""
        return values * sigma if self.kind == "sd" else values


@dataclass(frozen=True)
class Coordinates:
    """A chart of the space of theta around one point.

    Attributes
    ----------
    axes : tuple of Coordinate
    of_theta : callable
        Gives the coordinates (m,) of a theta (k,).
    to_theta : callable
        Gives theta (k,) from coordinates (m,); what they do not fix is as at the optimum.
    """

    axes: tuple[Coordinate, ...]
    of_theta: Callable[[Floats], Floats]
    to_theta: Callable[[Floats], Floats]

    def position(self, key: str) -> int:
        """Find a coordinate by its key.

        Raises
        ------
        ModelError
            If there is none.
        """
        keys = [axis.key for axis in self.axes]
        if key not in keys:
            raise ModelError(
                f"The landscape has no parameter {key!r}.{suggest(key, keys)} "
                f"It has: {', '.join(keys)}."
            )
        return keys.index(key)


def coordinates(objective: ProfiledObjective, optimum: Floats, scale: str) -> Coordinates:
    """Lay coordinates around an optimum.

    Parameters
    ----------
    objective : ProfiledObjective
    optimum : (k,) array
        Theta.
    scale : {"theta", "sd"}

    Returns
    -------
    Coordinates
        For ``"sd"`` the standard deviations of all terms, relative to sigma, and the correlation
        of every covariance matrix of two terms. Correlations of larger matrices stay as they are
        at the optimum: they cannot be chosen freely, one by one.

    Raises
    ------
    ModelError
        If there is no such scale, or a covariance structure has no standard deviations.
    """
    if scale not in SCALES:
        raise ModelError(
            f"A landscape has no scale {scale!r}.{suggest(scale, SCALES)} "
            f"Known are: {', '.join(SCALES)}."
        )
    if scale == "theta":
        groups = [t.group for t in objective.system.terms for _ in t.theta_names()]
        axes = tuple(
            Coordinate("theta", group, name, float(low), np.inf, 1.0 / float(step))
            for group, name, low, step in zip(
                groups, objective.theta_names, objective.lower, objective.scale, strict=True
            )
        )
        return Coordinates(axes, lambda theta: theta, lambda values: values)
    blocks = [
        block
        for term in objective.system.terms
        for block in _blocks(term, optimum[term.theta], term.theta.start)
    ]
    cuts = np.cumsum([len(block.axes) for block in blocks])[:-1]

    def of_theta(theta: Floats) -> Floats:
        return np.concatenate([block.of_theta(theta[block.place]) for block in blocks])

    def to_theta(values: Floats) -> Floats:
        theta = np.empty(len(optimum))
        for block, part in zip(blocks, np.split(values, cuts), strict=True):
            theta[block.place] = block.to_theta(part)
        return theta

    return Coordinates(tuple(a for block in blocks for a in block.axes), of_theta, to_theta)


class _Block:
    """Standard deviations, and the correlation of two terms, of one covariance matrix."""

    def __init__(
        self,
        term: RandomTerm,
        columns: range,
        place: slice,
        structure: Full | ZeroCorr,
        theta: Floats,
    ) -> None:
        names = [term.names[c] for c in columns]
        self.place = place
        self._entries = structure.entries
        self._factor = structure.factor
        self._paired = isinstance(structure, Full) and structure.size == 2
        self.axes = [
            Coordinate("sd", term.group, name, 0.0, np.inf, 1.0 / float(term.column_scale[c]))
            for name, c in zip(names, columns, strict=True)
        ]
        if self._paired:
            name = f"{names[0]} ~ {names[1]}"
            self.axes.append(Coordinate("correlation", term.group, name, -1.0, 1.0, 0.5))
        factor = structure.factor(theta)
        lengths = np.linalg.norm(factor, axis=1, keepdims=True)
        # A row of zeros has no direction; its own diagonal is one.
        self._rows = np.where(
            lengths > _NOTHING, factor / np.maximum(lengths, _NOTHING), np.eye(len(names))
        )

    def of_theta(self, theta: Floats) -> Floats:
        factor = self._factor(theta)
        sds = np.linalg.norm(factor, axis=1)
        if not self._paired:
            return sds
        product = float(sds[0] * sds[1])
        rho = float(factor[0] @ factor[1]) / product if product > _NOTHING else np.nan
        return np.append(sds, np.clip(rho, -1.0, 1.0))

    def to_theta(self, values: Floats) -> Floats:
        if self._paired:
            r1, r2, rho = values
            rho = 0.0 if np.isnan(rho) else rho
            return np.array([r1, r2 * rho, r2 * np.sqrt(max(0.0, 1.0 - rho**2))])
        assert self._entries is not None
        rows, cols = self._entries
        return np.asarray((self._rows * values[:, None])[rows, cols], dtype=float)


def _blocks(term: RandomTerm, theta: Floats, first: int) -> list[_Block]:
    out = []
    at = 0
    for part, structure in zip(term.design.parts, term.structures, strict=True):
        if not isinstance(structure, Full | ZeroCorr):
            raise ModelError(
                f"A landscape of standard deviations knows the structures full, zerocorr and "
                f"intercept, not {structure.name!r}; draw it on the scale 'theta'."
            )
        columns = range(part.columns[0], part.columns[-1] + 1)
        own = theta[at : at + structure.n_theta]
        place = slice(first + at, first + at + structure.n_theta)
        out.append(_Block(term, columns, place, structure, own))
        at += structure.n_theta
    return out
