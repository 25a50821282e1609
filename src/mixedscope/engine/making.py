"""The objective of a model; of a linear one by the solver that its design asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mixedscope.design.design import Design
from mixedscope.design.spec import ModelSpec
from mixedscope.engine.iterative.objective import IterativeObjective
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem

if TYPE_CHECKING:
    from mixedscope.engine.generalized.laplace import LaplaceObjective

__all__ = ["linear_objective", "linear_system", "objective_of"]


def objective_of(spec: ModelSpec, data: Any) -> SearchableObjective | LaplaceObjective:
    """Make the objective of a model, by its own criterion, from a table of its data."""
    if spec.family is not None:
        from mixedscope.engine.generalized.making import generalized_objective

        return generalized_objective(spec, data)
    return linear_objective(linear_system(spec.design(data)), reml=spec.reml)


def linear_system(design: Design) -> ProfiledSystem:
    """Bring a design to the units of the engine; raises what `ProfiledSystem` does."""
    if design.solver == "iterative":
        return IterativeSystem(design)
    return ProfiledSystem(design)


def linear_objective(system: ProfiledSystem, *, reml: bool = False) -> SearchableObjective:
    """Give the objective of a system; an estimate of it where that holds no factorisation."""
    if isinstance(system, IterativeSystem):
        return IterativeObjective(system, reml=reml)
    return SearchableObjective(system, reml=reml)
