"""A search for the optimum of a small model in compiled code, every evaluation handed back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.objective import ProfiledObjective
from mixedscope.model.small import Batch, SmallSystem
from mixedscope.model.starting import standard_information

__all__ = ["search_small"]

Floats = NDArray[np.float64]

# Evaluations there is room for; a search that needs more is continued by the polishing stage.
_ROOM = 500


def search_small(
    objective: ProfiledObjective, small: SmallSystem, theta: Floats, tolerance: float, most: int
) -> Batch:
    """Search for the optimum from theta (k,); see :meth:`ProfiledObjective.quasi_newton`."""
    assert objective.entries is not None
    places, scales = objective.entries
    start = theta * scales
    information = standard_information(objective, theta)
    return small.search(
        places, start, _bounded_inverse(information), objective.degrees,
        reml=objective.reml, tolerance=tolerance, most=min(most, _ROOM),
    )  # fmt: skip


def _bounded_inverse(information: Floats) -> Floats:
    """Inverse with directions of little information kept from endless steps."""
    values, vectors = np.linalg.eigh(information)
    top = float(values[-1])
    if not top > 0.0:
        return np.eye(len(values))
    return np.ascontiguousarray((vectors / np.maximum(values, 1e-4 * top)) @ vectors.T)
