"""Coordinates in which a landscape is drawn: theta itself, or standard deviations and correlations.

On the second scale, on which reduced rank has loadings, a grid is laid over standard deviations
relative to sigma, which theta fixes alone; they are shown times sigma, in the units of the data,
sigma being what the objective finds best at each point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, UnsuitedError, suggest
from mixedscope.covariance.registry import CovarianceStructure
from mixedscope.engine.group_effects import GroupEffects
from mixedscope.engine.objective import ProfiledObjective

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["MEASURED", "Coordinate", "Coordinates", "coordinates"]

Floats = NDArray[np.float64]

#: Kinds that are relative to sigma, and drawn times it.
MEASURED: Final = ("sd", "loading")

#: How near, in units, an optimiser may come to the end of the range of a measure.
_INSET: Final = 1e-6


@dataclass(frozen=True)
class Coordinate:
    """One axis of a landscape.

    Attributes
    ----------
    kind : {"theta", "sd", "correlation", "loading", "beta", "dispersion"}
        The last two are searched in generalised models: fixed effects, and the logarithm of the
        dispersion.
    group : str or None
        Grouping factor.
    name : str
        Name of theta or of a fixed effect; of the column, or of the two columns of a correlation
        with `` ~ `` between, or what the structure calls it.
    lower, upper : float
        Canonical bounds; infinite where there is none.
    unit : float
        Size of a step that means about the same for every coordinate (a random effect as
        variable as the residuals).
    """

    kind: str
    group: str | None
    name: str
    lower: float
    upper: float
    unit: float

    @property
    def key(self) -> str:
        """How the setting ``pairs`` calls it."""
        if self.kind == "theta" or self.group is None:
            return self.name
        return f"{self.group}.{self.name}"

    @property
    def open_range(self) -> tuple[float | None, float | None]:
        """Where an optimiser may go, in units; ends at which slopes are infinite stay out."""
        inset = _INSET if self.kind in ("sd", "correlation") else 0.0
        low, high = self.lower / self.unit + inset, self.upper / self.unit - inset
        return (
            float(low) if np.isfinite(low) else None,
            float(high) if np.isfinite(high) else None,
        )

    def shown(self, values: Floats, sigma: Floats) -> Floats:
        """Turn values on the grid into those on the axis."""
        return values * sigma if self.kind in MEASURED else values


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
    slopes : callable
        Gives the Jacobian (k, m) of ``to_theta``; infinite or NaN at ends of ranges.
    """

    axes: tuple[Coordinate, ...]
    of_theta: Callable[[Floats], Floats]
    to_theta: Callable[[Floats], Floats]
    slopes: Callable[[Floats], Floats]

    def position(self, key: str) -> int:
        """Find a coordinate by its key.

        Raises ModelError if there is none, an UnsuitedError if it is of another grouping factor:
        models with other factors have a landscape of it.
        """
        keys = [axis.key for axis in self.axes]
        if key not in keys:
            own = key.startswith(tuple(f"{axis.group}." for axis in self.axes if axis.group))
            raise (ModelError if own else UnsuitedError)(
                f"The landscape has no parameter {key!r}.{suggest(key, keys)} "
                f"It has: {', '.join(keys)}."
            )
        return keys.index(key)


def coordinates(
    objective: ProfiledObjective | LaplaceObjective, optimum: Floats, scale: str
) -> Coordinates:
    """Lay coordinates around an optimum.

    Parameters
    ----------
    objective : ProfiledObjective or LaplaceObjective
    optimum : (k,) array
        All that is searched.
    scale : {"theta", "sd"}

    Returns
    -------
    Coordinates
        For ``"sd"`` what every covariance structure names as its measures: standard deviations
        and loadings, relative to sigma, and correlations. Those of an unstructured covariance of
        three columns and more stay as they are at the optimum: they cannot be chosen freely, one
        by one. Fixed effects and the logarithm of the dispersion are themselves on both scales.

    """
    if scale == "theta":
        return Coordinates(
            tuple(_searched(objective)),
            lambda theta: theta,
            lambda values: values,
            lambda values: np.eye(len(values)),
        )
    parts = _parts(objective)
    cuts = np.cumsum([0, *(len(part.axes) for part in parts)])
    own = [slice(int(a), int(b)) for a, b in pairwise(cuts)]
    n_theta, last = sum(t.n_theta for t in objective.system.terms), int(cuts[-1])

    def of_theta(theta: Floats) -> Floats:
        measured = [p.structure.measured(theta[p.place]) for p in parts]
        return np.concatenate([*measured, theta[n_theta:]])

    def to_theta(values: Floats) -> Floats:
        theta = np.empty(len(optimum))
        theta[n_theta:] = values[last:]
        for part, where in zip(parts, own, strict=True):
            theta[part.place] = part.structure.from_measures(values[where], optimum[part.place])
        return theta

    def slopes(values: Floats) -> Floats:
        out = np.zeros((len(optimum), len(values)))
        out[n_theta:, last:] = np.eye(len(optimum) - n_theta)
        for part, where in zip(parts, own, strict=True):
            around = optimum[part.place]
            out[part.place, where] = part.structure.measure_slopes(values[where], around)
        return out

    others = list(_searched(objective))[n_theta:]
    return Coordinates((*_numbered(parts), *others), of_theta, to_theta, slopes)


def _searched(objective: ProfiledObjective | LaplaceObjective) -> Iterator[Coordinate]:
    """The axes of what is searched as it is."""
    groups = [t.group for t in objective.system.terms for _ in t.theta_names()]
    of_beta = len(groups) + len(objective.beta_names)
    for at, (name, low, step) in enumerate(
        zip(objective.theta_names, objective.lower, objective.scale, strict=True)
    ):
        kind = "theta" if at < len(groups) else "beta" if at < of_beta else "dispersion"
        group = groups[at] if kind == "theta" else None
        yield Coordinate(kind, group, name, float(low), np.inf, 1.0 / float(step))


class _Part:
    """What people read in place of theta for one term of the formula."""

    def __init__(
        self, term: GroupEffects, columns: slice, place: slice, structure: CovarianceStructure
    ) -> None:
        self.place = place
        self.structure = structure
        self.axes = [
            Coordinate(m.kind, term.group, m.name, m.lower, m.upper, m.unit)
            for m in structure.measures(term.names[columns], term.column_scale[columns])
        ]


def _parts(objective: ProfiledObjective | LaplaceObjective) -> list[_Part]:
    out = []
    for term in objective.system.terms:
        at = term.theta.start
        for part, structure in zip(term.design.parts, term.structures, strict=True):
            columns = slice(part.columns[0], part.columns[-1] + 1)
            out.append(_Part(term, columns, slice(at, at + structure.n_theta), structure))
            at += structure.n_theta
    return out


def _numbered(parts: list[_Part]) -> tuple[Coordinate, ...]:
    """Give the axes of all terms; one whose key another term has too is numbered by its place."""
    axes = [axis for part in parts for axis in part.axes]
    count = Counter(axis.key for axis in axes)
    seen = Counter[str]()
    out = []
    for axis in axes:
        seen[axis.key] += 1
        name = axis.name if count[axis.key] == 1 else f"{axis.name} ({seen[axis.key]})"
        out.append(replace(axis, name=name))
    return tuple(out)
