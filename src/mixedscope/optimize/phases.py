"""The phases of an optimisation: exploration, convergence, fine-tuning.

Three questions a reader asks of a trace: how long did the optimiser look around before it knew
where to go, how long did it go there, and how long did it polish digits that nobody will read?
"""

from __future__ import annotations

import numpy as np

from mixedscope.optimize.objective import FloatArray

__all__ = [
    "CONTRACTION",
    "EXPLORATION_FRACTION",
    "FINE_TUNING_DEVIANCE",
    "PHASES",
    "label_phases",
]

#: The phases in the order in which they come.
PHASES = ("exploration", "convergence", "fine-tuning")

#: Exploration lasts at least until the gap has fallen to this fraction of the first gap.
EXPLORATION_FRACTION = 0.1

#: A step or trust radius below this fraction of the largest so far is a contraction.
CONTRACTION = 0.5

#: Gap in deviance that no inference could notice: it moves an estimate by at most
#: sqrt(0.001) ≈ 0.03 of its standard error and a likelihood-ratio statistic by 0.001.
FINE_TUNING_DEVIANCE = 1e-3


def label_phases(objective: FloatArray, position: FloatArray, radius: FloatArray) -> list[str]:
    """Label every evaluation with the phase in which it was asked for.

    An evaluation is judged by what was known *before* it.  The gap is the best objective so far
    minus the best of the whole trace.

    1. The first evaluation, and every one before the first success, is ``exploration``.
    2. ``fine-tuning`` begins once the gap before an evaluation is at most
       ``FINE_TUNING_DEVIANCE`` (0.001 in deviance; the evaluation that gets there is the last of
       convergence).
    3. Before that, ``exploration`` lasts until both the gap before an evaluation is at most
       ``EXPLORATION_FRACTION`` (a tenth) of the gap after the first success, and the optimiser
       has begun to contract: its trust radius has been at most ``CONTRACTION`` (half) of the
       largest so far, or, for an optimiser without one, a point it tried was at most half as
       far from the best point before it as the farthest such trial so far.  What lies between
       is ``convergence``.

    The gap never grows and a contraction is not unlearned, so phases come in this order, each in
    one piece; one that did not happen is missing (an optimiser without contraction before its
    gap is negligible never converged, it found the optimum while exploring).

    Parameters
    ----------
    objective : (m,) array
        Objective at each evaluation, deviance units; NaN where the evaluation failed.
    position : (m, k) array
        Where, in standardised units.
    radius : (m,) array
        Trust radius (delta), standardised units; NaN where there is none.

    Returns
    -------
    list of str
        One of `PHASES` per evaluation.
    """
    objective = np.asarray(objective, dtype=np.float64)
    ok = np.isfinite(objective)
    if not ok.any():
        return [PHASES[0]] * objective.size
    # What was known before each evaluation: inf as long as nothing had succeeded.
    known = np.minimum.accumulate(np.where(ok, objective, np.inf))
    gap = np.concatenate([[np.inf], known[:-1]]) - known[-1]
    first_gap = objective[np.argmax(ok)] - known[-1]
    contracted = _contracted_before(objective, position, radius)
    fine = gap <= FINE_TUNING_DEVIANCE
    exploring = ~fine & ((gap > EXPLORATION_FRACTION * first_gap) | ~contracted)
    index = np.where(fine, 2, np.where(exploring, 0, 1))
    return [PHASES[i] for i in index]


def _contracted_before(
    objective: FloatArray, position: FloatArray, radius: FloatArray
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell for each evaluation whether a contraction was seen up to and including its own step.

    The step to an evaluation is chosen before the evaluation, so it belongs to what is known.
    """
    result = np.zeros(objective.size, dtype=bool)
    size = np.asarray(radius, dtype=np.float64).copy()
    if not np.isfinite(size).any():
        size = _distance_from_best(objective, position)
    largest = 0.0
    contracted = False
    for i, s in enumerate(size):
        if np.isfinite(s):
            largest = max(largest, s)
            # The factor keeps a radius of exactly half, in rounding, on one side.
            contracted = contracted or s <= CONTRACTION * largest * (1 + 1e-9)
        result[i] = contracted
    return result


def _distance_from_best(objective: FloatArray, position: FloatArray) -> FloatArray:
    """Distance of each trial from the best point before it; NaN before the first success."""
    distance = np.full(objective.size, np.nan)
    best = -1
    for i, value in enumerate(objective):
        if best >= 0:
            distance[i] = float(np.linalg.norm(position[i] - position[best]))
        if np.isfinite(value) and (best < 0 or value < objective[best]):
            best = i
    return distance
