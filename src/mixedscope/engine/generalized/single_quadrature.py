"""Models with one random effect per level of one factor, by quadrature, as compiled calls.

Searches, and searches for many responses, are those of
:mod:`mixedscope.engine.generalized.single`, whose kernels sum over nodes at the modes of each level
where a model has a step for it: :mod:`mixedscope.engine.kernels.laplace_nodes`. Several random
effects per level, and nested factors, are summed step by step:
:mod:`mixedscope.engine.generalized.quadrature`.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.compiled import SortedRows
from mixedscope.engine.generalized.quadrature import QuadratureObjective, check_nodes, rule_of
from mixedscope.engine.generalized.single import SingleLaplace
from mixedscope.engine.generalized.system import GeneralizedSystem
from mixedscope.engine.kernels.laplace_steps import OF_LEVEL, ROOM, ROWS_OF_NODES, Work

__all__ = ["SingleQuadrature"]

Floats = NDArray[np.float64]

#: Observations times nodes that take about a millisecond.
_QUICK: Final = 20_000


class SingleQuadrature(SingleLaplace):
    """The objective by quadrature of a model with one random effect per level of one factor.

    Parameters
    ----------
    system : GeneralizedSystem
    points : int
        From 2.
    expected, rows, work
        See `CompiledLaplace`.

    Raises
    ------
    ModelError
        If there are too many nodes.
    """

    _by_steps = QuadratureObjective

    def __init__(
        self,
        system: GeneralizedSystem,
        points: int,
        *,
        expected: bool = False,
        rows: SortedRows | None = None,
        work: Work | None = None,
    ) -> None:
        self.points = points
        factor = system.factors[0]
        check_nodes(points, (factor.size,), factor.n_levels)
        super().__init__(system, expected=expected, rows=rows, work=work)

    @classmethod
    def fits(cls, system: GeneralizedSystem, *, expected: bool) -> bool:
        """Whether a model has one random effect per level of one factor, and is compiled."""
        return super().fits(system, expected=expected) and system.terms[0].size == 1

    @property
    def _options(self) -> dict[str, Any]:
        return {**super()._options, "points": self.points}

    def _room(self, with_work: bool) -> tuple[Floats, Work]:
        spherical, work = super()._room(with_work)
        shown = work[2].shape[1]
        return spherical, (
            *work[:2], np.empty((ROWS_OF_NODES, shown)), np.empty((2 * ROOM, shown)), *work[4:6],
            _from_the_middle(self.points).copy(), np.empty(OF_LEVEL * len(spherical)),
        )  # fmt: skip

    @cached_property
    def size(self) -> int:
        """Entries of what a pass over the rows and the nodes reads and writes."""
        return super().size + 4 * self.system.n * self.points

    @property
    def is_quick(self) -> bool:
        """Whether an evaluation takes no longer than a millisecond, about."""
        return super().is_quick and self.system.n * self.points <= _QUICK


@cache
def _from_the_middle(points: int) -> Floats:
    """Nodes of a rule and their logarithms (2 points,), not to be written to.

    Shares are of the largest so far: those in the middle, which are largest, come first.
    """
    nodes, logs = rule_of(points)
    order = np.argsort(np.abs(nodes), kind="stable")
    return np.concatenate([nodes[order], logs[order]])
