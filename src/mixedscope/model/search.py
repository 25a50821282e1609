"""A whole search for the optimum as one compiled call, every evaluation handed back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.model.blocked import Solution
from mixedscope.model.evaluation import Evaluation
from mixedscope.model.kernels_search import expected_information, search_single
from mixedscope.model.objective import ProfiledObjective

__all__ = ["search_single_factor"]

Floats = NDArray[np.float64]

# Evaluations there is room for; a search that needs more is continued by the polishing stage.
_ROOM = 500


def search_single_factor(
    objective: ProfiledObjective, theta: Floats, tolerance: float, most: int
) -> list[tuple[Floats, Evaluation | None, Floats | None]]:
    """See :meth:`mixedscope.model.objective.ProfiledObjective.quasi_newton`."""
    system = objective.system
    assert objective.entries is not None
    places, _ = objective.entries
    scale = objective.scale
    stage = system.cross.stages[0]
    size = system.factors[0].size
    start = theta * scale
    factor = np.zeros(size * size)
    factor[places] = start
    information = expected_information(
        stage.d, factor.reshape(size, size), places // size, places % size, objective.degrees
    )
    room = min(most, _ROOM)
    k = len(start)
    points, gradients = np.empty((room, k)), np.empty((room, k))
    parts, betas = np.empty((room, 4)), np.empty((room, system.cross.n_tail - 1))
    count, _, _ = search_single(
        stage.d, stage.u, stage.w, stage.ptr, stage.idx, system.cross.rest, places, start,
        _bounded_inverse(information), objective.degrees, objective.reml, tolerance, points,
        gradients, parts, betas,
    )  # fmt: skip
    rows: list[tuple[Floats, Evaluation | None, Floats | None]] = []
    for i in range(count):
        log_det, log_det_fixed, pwrss, penalty = parts[i].tolist()
        solution = Solution(log_det, log_det_fixed, pwrss, penalty, betas[i])
        done = objective.describe(solution) if pwrss > 0.0 else None
        gradient = None if np.isnan(gradients[i, 0]) else gradients[i] * scale
        rows.append((points[i] / scale, done, gradient))
    return rows


def _bounded_inverse(information: Floats) -> Floats:
    """Inverse with directions of little information kept from endless steps."""
    values, vectors = np.linalg.eigh(information)
    top = float(values[-1])
    if not top > 0.0:
        return np.eye(len(values))
    return (vectors / np.maximum(values, 1e-4 * top)) @ vectors.T
