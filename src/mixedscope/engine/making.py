"""The system and the objective of a linear model, by the solver that its design asks for."""

from __future__ import annotations

from mixedscope.design.design import Design
from mixedscope.engine.iterative.objective import IterativeObjective
from mixedscope.engine.iterative.system import IterativeSystem
from mixedscope.engine.search.searchable import SearchableObjective
from mixedscope.engine.system import ProfiledSystem

__all__ = ["linear_objective", "linear_system"]


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
