"""A search for the optimum of a small model in compiled code, every evaluation handed back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mixedscope.core.evaluation import Evaluation
from mixedscope.engine.kernels.start import invert
from mixedscope.engine.objective import ProfiledObjective
from mixedscope.engine.search.starting import information_after
from mixedscope.engine.small import Batch, SmallSystem

__all__ = ["SmallSearch", "bounded_inverse", "search_small"]

Floats = NDArray[np.float64]

# Evaluations there is room for; a search that needs more is continued by polishing.
_ROOM = 500

# How many times the least information of a direction the largest may be.
_SPREAD = 1e4


class SmallSearch:
    """Every evaluation of a search, put into words when asked for.

    Parameters
    ----------
    objective : ProfiledObjective
    batch : Batch

    Attributes
    ----------
    thetas, gradients : (m, k) arrays
        Theta units; the gradient is NaN where a step was refused for its objective.
    objectives : list of float
        NaN where the evaluation failed.
    """

    def __init__(self, objective: ProfiledObjective, batch: Batch) -> None:
        sound = objective.count_sound(batch)
        if sound < len(batch.points):
            # What follows was led by rounding: what comes after this goes on with more digits.
            batch = batch.first(max(sound, 1))
        self._is_sound = sound > 0
        self._objective = objective
        self._batch = batch
        self.thetas = objective.from_entries(batch.points)
        self.gradients = objective.slope_to_theta(batch.gradients)
        self.objectives = [
            objective.criterion(log_det, log_det_fixed, pwrss)
            for log_det, log_det_fixed, pwrss, _ in batch.parts.tolist()
        ]
        if not self._is_sound:
            self.gradients[:] = np.nan
            start = self.evaluation(0)
            self.objectives = [math.nan if start is None else start.objective]

    def evaluation(self, number: int) -> Evaluation | None:
        """Give all of one evaluation, counted from 0; None if it failed."""
        if self._is_sound:
            return self._objective.describe_row(self._batch, number)
        try:
            return self._objective.evaluate(self.thetas[number])
        except FloatingPointError:
            return None


def search_small(
    objective: ProfiledObjective, small: SmallSystem, theta: Floats, tolerance: float, most: int
) -> Batch:
    """Search for the optimum from theta (k,); see :meth:`SearchableObjective.quasi_newton`."""
    assert objective.entries is not None
    places, _ = objective.entries
    start = objective.to_entries(theta)
    known = None
    if not objective.system.blocked.is_single:
        known = small.evaluate(
            places, start[None, :], objective.degrees, reml=objective.reml, derive=False
        )
    information = information_after(objective, objective.factors(theta))
    return small.search(
        places, start, bounded_inverse(information), objective.degrees,
        reml=objective.reml, tolerance=tolerance, most=min(most, _ROOM), known=known,
        variance=objective.system.variance,
    )  # fmt: skip


def bounded_inverse(information: Floats) -> Floats:
    """Inverse with directions of little information kept from endless steps."""
    inverse = np.empty_like(information)
    if invert(information, inverse) < _SPREAD:
        return inverse
    if not np.isfinite(information).all():  # of a start that is out of reach
        return np.eye(len(information))
    values, vectors = np.linalg.eigh(information)
    top = float(values[-1])
    if not top > 0.0:
        return np.eye(len(values))
    return np.ascontiguousarray((vectors / np.maximum(values, top / _SPREAD)) @ vectors.T)
