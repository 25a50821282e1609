"""How conditional modes of generalised models vary in data drawn from the fit.

Their distribution has no closed form: responses are drawn, random effects anew, and the modes found
at the parameters of the fit, fixed effects among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.generalized.laplace import LaplaceObjective
from mixedscope.inference.generalized import simulated

__all__ = ["drawn_modes", "modes_and_means"]

Floats = NDArray[np.float64]

#: Draws, fewer where they are of more rows than these all together, and the seed of all.
_DRAWS: Final = 200
_ROWS: Final = 4_000_000
_LEAST: Final = 60
_SEED: Final = 20251129


def drawn_modes(objective: LaplaceObjective, point: Floats) -> list[Floats]:
    """Modes (draws, q, k) of responses drawn at a point (k,), per grouping factor, data units."""
    count = int(np.clip(_ROWS // objective.system.n, _LEAST, _DRAWS))
    responses = simulated(objective, point, count, _SEED, conditional=False)
    found = [modes for modes, _ in modes_and_means(objective, point, responses)]
    return [np.stack(own) for own in zip(*found, strict=True)]


def modes_and_means(
    objective: LaplaceObjective, point: Floats, responses: Floats
) -> Iterator[tuple[Sequence[Floats], Floats]]:
    """Modes (q, k) per grouping factor of each response (m, n), data units, and means (n,)."""
    system = objective.system
    for y in responses:
        other = copy(system)
        other.response = replace(system.response, y=y)
        modes = objective.like(other).modes_at(point)
        made = [t.data_modes(b) for t, b in zip(system.terms, modes.b, strict=True)]
        yield made, system.family.link.mean(modes.eta)
    # What is factorised now is not what was evaluated last.
    objective.forget()
