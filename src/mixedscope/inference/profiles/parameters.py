"""What can be profiled: the parameters of a fit, and which coordinate each of them is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.core.errors import ModelError, suggest
from mixedscope.covariance.polar import PolarAxis
from mixedscope.design.design import Design
from mixedscope.engine.group_effects import GroupEffects

__all__ = ["KEY", "Parameter", "Permuted", "choose", "label_of", "parameters_of", "values_of"]

Floats = NDArray[np.float64]
#: What names a parameter in every table: kind, group, term, second term.
Key = tuple[str, str | None, str | None, str | None]

KEY = ("kind", "group", "term", "term2")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a fit that has a profile.

    Attributes
    ----------
    key : Key
        As in the table of estimates.
    estimate : float
    order : tuple of (int, ...), or None
        For a correlation that is an angle only if the columns of its part are taken in another
        order: term and part, then the columns in that order.
    term, part : int
        Where a standard deviation or correlation belongs.
    place : int
        Position among the coordinates of the part, or of a fixed effect among those estimated.
    axis : PolarAxis or None
    ties : tuple of (Key, int)
        Parameters that are this one to a power, by their structure.
    """

    key: Key
    estimate: float
    order: tuple[int, ...] | None = None
    term: int = 0
    part: int = 0
    place: int = 0
    axis: PolarAxis | None = None
    ties: tuple[tuple[Key, int], ...] = ()

    @property
    def kind(self) -> str:
        """``beta``, ``sigma``, ``sd``, ``correlation``, or ``dispersion`` of a family."""
        return self.key[0]

    @property
    def is_logarithm(self) -> bool:
        """Whether its coordinate is its logarithm."""
        return self.kind in ("sigma", "dispersion")

    @property
    def label(self) -> str:
        """Its name in words."""
        return label_of(self.key)

    def value(self, coordinate: float) -> float:
        """Value of the parameter at a value of its coordinate."""
        if self.is_logarithm:
            return math.exp(coordinate)
        if self.axis is None:
            return coordinate
        if self.kind == "sd":
            return float(abs(coordinate) ** self.axis.power)
        return self.axis.correlation(coordinate)

    def coordinate(self, value: float) -> float:
        """Value of the coordinate at a value of the parameter, in its range."""
        if self.is_logarithm:
            return math.log(value)
        if self.axis is None:
            return value
        if self.kind == "sd":
            return float(value ** (1.0 / self.axis.power))
        return self.axis.angle(value)

    def rate(self, coordinate: float) -> float:
        """Derivative of the parameter by its coordinate."""
        if self.is_logarithm:
            return math.exp(coordinate)
        if self.axis is None:
            return 1.0
        if self.kind == "sd":
            return float(self.axis.power * abs(coordinate) ** (self.axis.power - 1))
        return (self.axis.high - self.axis.low) / 2 * math.cos(coordinate)

    @property
    def limits(self) -> tuple[float, float]:
        """Ends of its range."""
        if self.kind == "sd" or self.is_logarithm:
            return 0.0, math.inf
        if self.axis is None:
            return -math.inf, math.inf
        return self.axis.low, self.axis.high

    @property
    def coordinate_limits(self) -> tuple[float, float]:
        """Ends of the range of its coordinate that can be reached."""
        if self.kind == "sd":
            return 0.0, math.inf
        if self.kind == "correlation":
            return -math.pi / 2, math.pi / 2
        return -math.inf, math.inf


def label_of(key: Key) -> str:
    """Name a parameter in words: ``beta Days``, ``sigma``, ``sd Days | Subject``.

    A correlation is ``correlation (Intercept) ~ Days | Subject``.
    """
    kind, group, term, term2 = key
    words = kind if term is None else f"{kind} {term}"
    if term2 is not None:
        words += f" ~ {term2}"
    return words if group is None else f"{words} | {group}"


def parameters_of(
    terms: Sequence[GroupEffects], values: Mapping[Key, float], *, knows_sigma: bool = False
) -> list[Parameter]:
    """All parameters of a fit that are free, in the order of its estimates.

    What a structure makes equal, or a power of another, is one parameter with ties; what it fixes,
    as the correlations of rank 1, is none. Those without an estimate are left out: the data do not
    determine them, or a standard deviation of zero hides a correlation.
    """
    found: dict[Key, Parameter] = {}
    for place, key in enumerate(key for key in values if key[0] == "beta"):
        found[key] = Parameter(key, values[key], place=place)
    for key in values:
        if key[0] == "dispersion" or (key[0] == "sigma" and not knows_sigma):
            found[key] = Parameter(key, values[key])
    for i, term in enumerate(terms):
        for j, (part, structure) in enumerate(zip(term.design.parts, term.structures, strict=True)):
            columns = part.columns
            for order in _orders(structure.polar_axes, structure.size):
                names = [term.names[columns[c]] for c in order]
                places = [columns[c] for c in order]
                for place, axis in enumerate(structure.polar_axes):
                    own = _keys(term.group, names, places, axis)
                    own = [(k, power) for k, power in own if k not in found]
                    base = next((k for k, power in own if power == 1), None)
                    if base is None or any(base == k for p in found.values() for k, _ in p.ties):
                        continue
                    ties = tuple((k, power) for k, power in own if k != base)
                    moved = None if order == tuple(range(len(order))) else order
                    found[base] = Parameter(base, values[base], moved, i, j, place, axis, ties)
    in_order = [found[k] for k in values if k in found]
    return [p for p in in_order if math.isfinite(p.estimate)]


def values_of(estimates: pd.DataFrame) -> dict[Key, float]:
    """The estimate of each parameter of a table of estimates, but theta, by what names it."""
    columns = [
        [value if isinstance(value, str) else None for value in estimates[name].tolist()]
        for name in KEY
    ]
    values = estimates["estimate"].tolist()
    keys = zip(*columns, strict=True)
    return {key: value for key, value in zip(keys, values, strict=True) if key[0] != "theta"}


def _orders(axes: Sequence[PolarAxis], size: int) -> list[tuple[int, ...]]:
    """Orders of the columns of a part of which every correlation that is free is an angle."""
    natural = tuple(range(size))
    own = {pair[:2] for axis in axes for pair in axis.pairs}
    if not own or len(own) == size * (size - 1) // 2:
        return [natural]
    firsts = range(1, size - 1)
    return [natural, *((a, *(c for c in natural if c != a)) for a in firsts)]


def _keys(
    group: str, names: Sequence[str], places: Sequence[int], axis: PolarAxis
) -> list[tuple[Key, int]]:
    """Parameters that a coordinate determines, and the powers of it that they are."""
    if axis.kind == "sd":
        return [(("sd", group, names[c], None), 1) for c in axis.columns]
    out: list[tuple[Key, int]] = []
    for a, b, power in axis.pairs:
        first, second = (a, b) if places[a] < places[b] else (b, a)
        out.append((("correlation", group, names[first], names[second]), power))
    return out


def choose(known: Sequence[Parameter], wanted: Sequence[object]) -> list[Parameter]:
    """Choose parameters by kind, by name in words, or by the name of a fixed effect.

    Raises ModelError where one is unknown.
    """
    chosen: list[Parameter] = []
    for one in wanted:
        matching = [
            p
            for p in known
            if one in (p.kind, p.label, p.key)
            or (p.kind == "beta" and one == p.key[2])
            or any(one in (label_of(key), key) for key, _ in p.ties)
        ]
        if not matching:
            names = list(dict.fromkeys([p.kind for p in known] + [p.label for p in known]))
            hint = suggest(one, names) if isinstance(one, str) else ""
            raise ModelError(
                f"There is no parameter {one!r} to be profiled.{hint} "
                f"Known are: {', '.join(repr(name) for name in names)}."
            )
        chosen += [p for p in matching if p not in chosen]
    return [p for p in known if p in chosen]


class Permuted:
    """A model with the columns of some parts of its terms in another order.

    Parameters
    ----------
    objective : SearchableObjective or LaplaceObjective
    orders : mapping of (int, int) to (int, ...)
        New order of the columns, by term and part.
    make : callable
        Gives the objective of another design.
    """

    def __init__(
        self,
        objective: Any,
        orders: dict[tuple[int, int], tuple[int, ...]],
        make: Callable[[Design], Any],
    ) -> None:
        design = objective.system.design
        random = list(design.random)
        self.columns = [list(range(len(r.names))) for r in random]
        for (term, part), order in orders.items():
            own = random[term].parts[part].columns
            for new, old in zip(own, order, strict=True):
                self.columns[term][new] = own[old]
        for term in {term for term, _ in orders}:
            at = self.columns[term]
            random[term] = replace(
                random[term],
                Z=np.ascontiguousarray(random[term].Z[:, at]),
                names=tuple(random[term].names[c] for c in at),
            )
        self.objective = make(replace(design, random=tuple(random)))
        self._original = objective

    def theta(self, theta: Floats) -> Floats:
        """Bring theta (k,) to the other order; its covariance may be singular."""
        parts = []
        for old, new, columns in zip(
            self._original.system.terms, self.objective.system.terms, self.columns, strict=True
        ):
            factor = old.factor(theta[old.theta])[columns]
            for part, structure, own in zip(
                new.design.parts, new.structures, _slices(old, theta), strict=True
            ):
                at = list(part.columns)
                if at == [columns[c] for c in at]:
                    parts.append(own)
                    continue
                assert structure.entries is not None
                # Rows of another order times an orthogonal matrix are a lower triangle again.
                rows = factor[at][:, at[: structure.rank]]
                lower = np.zeros((len(at), len(at)))
                lower[:, : structure.rank] = np.asarray(np.linalg.qr(rows.T)[1]).T
                parts.append(structure.canonical(lower[structure.entries]))
        # What is searched beside theta stays.
        return np.concatenate([*parts, theta[sum(map(len, parts)) :]])


def _slices(term: object, theta: Floats) -> list[Floats]:
    """Theta of every part of a term."""
    own = theta[term.theta]  # type: ignore[attr-defined]
    out, at = [], 0
    for structure in term.structures:  # type: ignore[attr-defined]
        out.append(own[at : at + structure.n_theta])
        at += structure.n_theta
    return out
