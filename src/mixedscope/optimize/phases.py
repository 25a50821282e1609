"""The phases of an optimisation: exploration, convergence, fine-tuning.

Three questions a reader asks of a trace: how long did the optimiser look around before it knew
where to go, how long did it go there, and how long did it polish digits that nobody will read?
"""

from __future__ import annotations

import numpy as np

from mixedscope.core.vocabulary import PHASES
from mixedscope.optimize.objective import FloatArray

__all__ = [
    "CONTRACTION",
    "EXPLORATION_FRACTION",
    "FINE_TUNING_DEVIANCE",
    "label_phases",
]

#: Exploration lasts at least until the gap has fallen to this fraction of the first gap.
EXPLORATION_FRACTION = 0.1

#: A step or trust radius below this fraction of the largest so far is a contraction.
CONTRACTION = 0.5

#: Gap in deviance that no inference could notice: it moves an estimate by at most
#: sqrt(0.001) ≈ 0.03 of its standard error and a likelihood-ratio statistic by 0.001.
FINE_TUNING_DEVIANCE = 1e-3


def label_phases(
    objective: FloatArray,
    position: FloatArray,
    radius: FloatArray,
    *,
    directed: bool = False,
) -> list[str]:
    """Label every evaluation with its phase.

    The gap is the best objective so far minus the best of the whole trace.

    1. ``exploration`` lasts until the optimiser has begun to contract and an evaluation brings
       the gap to at most `EXPLORATION_FRACTION` (a tenth) of the gap after the first success;
       that evaluation is the first of convergence.  The first success, and what failed before
       it, is exploration always.
    2. ``fine-tuning`` begins with the evaluation after the one that brought the gap to at most
       `FINE_TUNING_DEVIANCE` (0.001 in deviance), or with contraction if that comes later.
    3. What lies between is ``convergence``.

    An optimiser has begun to contract when its trust radius has been at most `CONTRACTION`
    (half) of the largest so far, or, for an optimiser without one, when a point it tried was at
    most half as far from the best point before it as the farthest such trial so far.  Until then
    it looks around, however good a point it may have met by chance.  One that follows gradients
    (`directed`) knows where to go from its first evaluation on, and is judged by the gap alone.

    The gap never grows and a contraction is not unlearned, so phases come in this order, each in
    one piece; one that did not happen is missing (an optimiser that met the optimum before it
    contracted never converged).

    Parameters
    ----------
    objective : (m,) array
        Objective at each evaluation, deviance units; NaN where the evaluation failed.
    position : (m, k) array
        Where, in standardised units.
    radius : (m,) array
        Trust radius (delta), standardised units; NaN where there is none.
    directed : bool
        Whether the optimiser follows gradients.

    Returns
    -------
    list of str
        One of `PHASES` per evaluation.
    """
    objective = np.asarray(objective, dtype=np.float64)
    ok = np.isfinite(objective)
    if not ok.any():
        return [PHASES[0]] * objective.size
    first = int(np.argmax(ok))
    # Inf as long as nothing had succeeded.
    best = np.minimum.accumulate(np.where(ok, objective, np.inf))
    after = best - best[-1]
    before = np.concatenate([[np.inf], after[:-1]])
    if directed:
        contracted = np.ones(objective.size, dtype=bool)
    else:
        contracted = _contracted_by(objective, position, radius)
    fine = contracted & (before <= FINE_TUNING_DEVIANCE)
    near = contracted & (after <= EXPLORATION_FRACTION * after[first])
    near[: first + 1] = False
    index = np.where(fine, 2, np.where(near, 1, 0))
    return [PHASES[i] for i in index]


def _contracted_by(
    objective: FloatArray, position: FloatArray, radius: FloatArray
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell for each evaluation whether a contraction was seen up to and including its own step."""
    size = np.asarray(radius, dtype=np.float64)
    if not np.isfinite(size).any():
        size = _distance_from_best(objective, position)
    known = np.isfinite(size)
    largest = np.maximum.accumulate(np.where(known, size, 0.0))
    # The factor keeps a radius of exactly half, in rounding, on one side.
    small = known & (size <= CONTRACTION * largest * (1 + 1e-9))
    return np.logical_or.accumulate(small)


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
