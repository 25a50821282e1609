"""Profiles of generalised models: fixed effects and dispersion are coordinates too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mixedscope.design.design import Design
from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.profiles.generalized_space import GeneralizedSpace
from mixedscope.inference.profiles.intervals import profile_intervals_of
from mixedscope.inference.profiles.parameters import Key, Parameter, Permuted, parameters_of
from mixedscope.inference.profiles.profiler import Profiler
from mixedscope.inference.profiles.restriction import Base, Knot

__all__ = ["GeneralizedProfiler", "generalized_profile_intervals"]

Floats = NDArray[np.float64]


class GeneralizedProfiler(Profiler):
    """Follows the profiles of one fit of a generalised model, and keeps what it has found.

    Parameters
    ----------
    objective : LaplaceObjective
    theta : (k,) array
        Where the search ended.
    estimates : DataFrame
        Its tidy parameters.
    """

    def __init__(self, objective: LaplaceObjective, theta: Floats, estimates: pd.DataFrame) -> None:
        super().__init__(cast("Any", objective), theta, estimates)

    def _begin(self, values: Mapping[Key, float]) -> list[Parameter]:
        self._laplace: LaplaceObjective = cast("Any", self.objective)
        self.theta = self._laplace.canonical(self.theta)
        self._at_infinity = frozenset(self._laplace.at_infinity(self.theta))
        return parameters_of(self._laplace.system.terms, values)

    def _endless(self, parameter: Parameter) -> int:
        if parameter.kind != "beta" or parameter.key[2] not in self._at_infinity:
            return 0
        return int(np.sign(parameter.estimate))

    @property
    def _is_restricted(self) -> bool:
        return False

    def _turned(self, parameters: Sequence[Parameter]) -> tuple[object, ...]:
        return tuple(p.place for p in parameters if p.kind == "beta")

    def _base(self, objective: Any, theta: Floats, parameters: Sequence[Parameter]) -> Base:
        space = GeneralizedSpace(objective, [p.place for p in parameters if p.kind == "beta"])
        return Base(space, space.coordinates(theta), fixed=(0,))

    def _permuted(self, orders: dict[tuple[int, int], tuple[int, ...]]) -> Permuted:
        laplace = self._laplace
        system = laplace.system

        def make(design: Design) -> LaplaceObjective:
            return laplace.like(system.of_design(design))

        return Permuted(laplace, orders, make)

    def _further_values(self, knots: Sequence[Knot]) -> dict[Key, Floats]:
        name = self._laplace.system.family.dispersion
        if name is None:
            return {}
        values = np.exp([k.point.theta[-1] for k in knots])
        return {("dispersion", None, name, None): values}


def generalized_profile_intervals(
    objective: Any, theta: Floats, level: float, estimates: pd.DataFrame
) -> pd.DataFrame:
    """Give an interval for each parameter, see `profile_intervals_of`."""
    return profile_intervals_of(GeneralizedProfiler(objective, theta, estimates), level, estimates)
